"""A topic's contract and policy: handed out, and set by a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import cast

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import ApprovalError, ConfigError, NotFound
from engine import audit, table_schemas
from engine.agreements import Policy
from engine.contracts import schema_in
from engine.control import Caller
from engine.house import House
from engine.models import Contract, PluginManifest, TopicPolicy
from engine.service.agreeing import policy_of
from engine.service.datasets import topics
from engine.service.differences import changed_columns
from engine.service.requirements import check_topic
from engine.service.results import ContractTerms, Done
from engine.topics import feeders, newest_contract


def get_contract(
    house: House, _caller: Caller, *, topic: str, version: int | None = None
) -> ContractTerms:
    """The contract of a topic as a Table Schema; the newest, or one version of it."""
    with house.catalog.reading() as session:
        rows = select(Contract).where(Contract.topic == topic).order_by(Contract.version.desc())
        known = list(session.scalars(rows))
        if not known:
            shown = ", ".join(topics(session)) or "none yet"
            raise NotFound(f"no contract for topic {topic!r}", hint=f"There are: {shown}.")
        row = next((one for one in known if version in (None, one.version)), None)
        if row is None:
            listed = ", ".join(str(one.version) for one in known)
            raise NotFound(f"{topic} has no contract version {version}", hint=f"Known: {listed}.")
        brought = _bringer(session, row)
        policy = policy_of(session, topic)
        return ContractTerms(
            summary=f"Contract {row.version} of {topic}, which {brought} brought; for other"
            f" columns its policy is {policy.value}.",
            topic=topic,
            version=row.version,
            versions=sorted(one.version for one in known),
            agreed=row.agreed.isoformat(),
            brought_by=brought,
            policy=policy.value,
            fed_by=[f"{one.name}@{one.version}" for one in feeders(session, topic)],
            table_schema=table_schemas.exported(topic, row.version, row.terms),
        )


def _bringer(session: Session, row: Contract) -> str:
    if row.manifest_id is None:
        return "a person"
    plugin = session.get_one(PluginManifest, row.manifest_id)
    return f"{plugin.name}@{plugin.version}"


def set_contract(
    house: House,
    caller: Caller,
    *,
    topic: str,
    table_schema: dict[str, object] | None = None,
    policy: str | None = None,
) -> Done:
    """A person states a topic's contract, or what becomes of columns that are not its own.

    What is stated holds for what is published from now on: each plugin version is held to the
    contract that was signed with it.
    """
    if caller.door == "mcp":
        raise ApprovalError("an agent sets no contract", hint="Ask the person to.")
    check_topic(topic)
    chosen = _policy(policy)
    now = datetime.now(UTC)
    told: list[str] = []
    with house.catalog.writing() as session:
        if chosen is not None:
            session.merge(TopicPolicy(topic=topic, policy=chosen.value))
            told.append(f"The policy of {topic} is {chosen.value} now: {_MEANINGS[chosen]}.")
        if table_schema is not None:
            told.append(_state(session, topic, table_schema, now))
        audit.record(
            session,
            actor=caller.person,
            action="contract",
            subject=topic,
            # As text: what is hashed has no fractions.
            facts={"policy": policy or "", "table_schema": json.dumps(table_schema or {})},
            now=now,
        )
        fed = [one.name for one in feeders(session, topic)]
    house.changes.announce()
    steps = [f"casparian contract {topic}"]
    if fed and table_schema is not None:
        plugins = f"Plugin {', '.join(fed)}" if len(fed) == 1 else f"Plugins {', '.join(fed)}"
        each = "it was" if len(fed) == 1 else "each was"
        told.append(
            f"{plugins}: still under the contract that {each} published with, rows included;"
            " validate and publish again, with --reprocess all, to hold them to this one."
        )
    return Done(summary=" ".join(told), next_steps=steps)


_MEANINGS = {
    Policy.ASK: "columns may come and types widen, a person decides about anything else",
    Policy.EVOLVE: "the contract becomes what a published plugin gives",
    Policy.FREEZE: "a plugin that gives other columns is not published",
    Policy.DISCARD: "other columns are dropped, other types cast or their rows set aside",
}


def _policy(text: str | None) -> Policy | None:
    try:
        return None if text is None else Policy(text)
    except ValueError as error:
        listed = ", ".join(one.value for one in Policy)
        raise ConfigError(f"policy {text!r} is not one of {listed}") from error


def _state(session: Session, topic: str, document: dict[str, object], now: datetime) -> str:
    """Make a Table Schema the topic's next contract; what that changes, in words."""
    known = newest_contract(session, topic)
    written = document.get("version")
    if (
        known is not None
        and document.get("name") == topic
        and written
        not in (
            None,
            str(known.version),
        )
    ):
        raise ConfigError(
            f"this Table Schema was written from contract {written} of {topic}, which is at"
            f" {known.version} now",
            hint=f"Write it anew with `casparian contract {topic} --to FILE` and change that, or"
            " take `version` out of it.",
        )
    before: pa.Schema | None = None if known is None else schema_in(known.terms)
    terms = table_schemas.imported(document, before)
    if known is not None and all(terms.get(w) == known.terms.get(w) for w in ("columns", "key")):
        return f"Contract {known.version} of {topic} says the same already."
    number = 1 if known is None else known.version + 1
    session.add(Contract(topic=topic, version=number, terms=terms, manifest_id=None, agreed=now))
    if known is None:
        count = len(cast("list[object]", terms["columns"]))
        return f"Contract 1 of {topic} is stated: {count} columns."
    has_key = terms.get("key") != known.terms.get("key")
    changes = "; ".join(changed_columns({topic: known.terms}, {topic: terms}))
    changes = changes or ("its key" if has_key else "the same columns, now stated by a person")
    return f"Contract {number} of {topic} is stated, against {known.version}: {changes}."

"""Settle what contract a draft would be held to, topic by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa
from sqlalchemy.orm import Session

from engine.agreements import Policy, Settled, Standing, settle
from engine.models import TopicPolicy
from engine.service.names import active_plugin, listed, sentence
from engine.topics import feeders, newest_contract


@dataclass
class Agreement:
    """The contracts of a draft's topics, as its publishing would make them."""

    contract: dict[str, object] = field(default_factory=dict[str, object])
    changes: list[str] = field(default_factory=list[str])
    """A sentence for every difference to what was agreed before."""
    decisions: list[str] = field(default_factory=list[str])
    """Those of them that a topic's policy leaves to a person: no host's form decides them."""
    refusals: list[str] = field(default_factory=list[str])
    """Why the draft cannot be published as it is."""


def agreement(session: Session, name: str, schemas: Mapping[str, pa.Schema]) -> Agreement:
    """What a plugin `name` that gives `schemas` would be held to."""
    found = Agreement()
    before = standings(session, name, list(schemas))
    for topic, schema in sorted(schemas.items()):
        standing = before.get(topic)
        settled = settle(schema, standing)
        found.contract[topic] = settled.terms
        if standing is None:
            found.changes.append(_first(topic, settled))
        else:
            _tell(found, topic, settled, standing)
    return found


def _first(topic: str, settled: Settled) -> str:
    columns = cast("list[dict[str, object]]", settled.terms["columns"])
    required = [str(one["name"]) for one in columns if not one["nullable"]]
    told = f"{topic}, its first contract: {sentence(len(columns), 'column')}"
    return f"{told}, in every row {listed(required, 10)}." if required else f"{told}."


def _tell(found: Agreement, topic: str, settled: Settled, standing: Standing) -> None:
    start = f"{topic}, contract {standing.number}"
    is_persons = standing.policy is Policy.ASK
    found.changes += [f"{start}: {one}." for one in settled.grown + settled.left_out]
    found.changes += [f"{start}: {one}." for one in ([] if is_persons else settled.decided)]
    found.decisions += [f"{start}: {one}." for one in (settled.decided if is_persons else [])]
    found.refusals += [f"{start}: {one}." for one in settled.refused]


def standings(session: Session, name: str, topics: Sequence[str]) -> dict[str, Standing]:
    """What was agreed on before, for those of the topics that have a contract."""
    active = active_plugin(session, name)
    own = active.contract if active is not None else {}
    found: dict[str, Standing] = {}
    for topic in topics:
        contract = newest_contract(session, topic)
        if contract is None:
            continue
        found[topic] = Standing(
            number=contract.version,
            terms=contract.terms,
            policy=policy_of(session, topic),
            given=_given(own.get(topic)),
            sharers=[f"{one.name}@{one.version}" for one in feeders(session, topic, but=name)],
        )
    return found


def _given(terms: object) -> list[str]:
    """The columns that a plugin version gives of its own."""
    if not isinstance(terms, Mapping):
        return []
    known = cast("Mapping[str, list[object]]", terms)
    absent = known.get("absent") or []
    columns = cast("list[dict[str, object]]", known["columns"])
    return [str(one["name"]) for one in columns if one["name"] not in absent]


def policy_of(session: Session, topic: str) -> Policy:
    """What a person decided about columns that are not the topic's; to be asked if nothing."""
    row = session.get(TopicPolicy, topic)
    return Policy(row.policy) if row is not None else Policy.ASK

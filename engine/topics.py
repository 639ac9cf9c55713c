"""Know of topics: which plugins feed them, under which contract, and whether that may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import AdmissionError
from engine.models import (
    Contract,
    Json,
    PluginManifest,
    TopicConfig,
    TopicPolicy,
)
from engine.states import PluginStatus


def manifest_topics(manifest: PluginManifest) -> list[str]:
    """The topics a deployed version declares."""
    return [str(topic) for topic in as_list(manifest.manifest["topics"])]


def as_list(value: object) -> list[object]:
    """A value of a JSON object that should be a list; an empty one if it is none."""
    return list(value) if isinstance(value, list) else []


def next_contracts(
    session: Session, plugin: str, *, topics: Sequence[str], contract: Mapping[str, object]
) -> list[str]:
    """Topics whose contract a plugin version would change.

    What differs was settled when the draft was validated and is part of what a person approves;
    here it is seen to that the contracts it was settled against still hold.

    Raises:
        AdmissionError: a contract has changed since, or may not be changed by this.
    """
    coming: list[str] = []
    for topic in topics:
        known = newest_contract(session, topic)
        terms = cast("Json | None", contract.get(topic))
        if terms is None and known is not None:
            raise AdmissionError(
                f"topic {topic} has a contract, and no sample of {plugin} published to it",
                hint="Validate with a file that gives rows for every topic.",
            )
        if terms is None:
            continue
        number = 0 if known is None else known.version
        is_next = terms.get("number") == number + 1
        if not is_next and not (known and terms.get("number") == number and _same(known, terms)):
            raise AdmissionError(
                f"the contract of topic {topic} is at {number} now, and {plugin} was validated"
                " against another",
                hint="Validate the draft again, and publish that.",
            )
        if is_next:
            if known is not None:
                _require_may_change(session, topic, terms, plugin)
            coming.append(topic)
    return coming


def _same(known: Contract, terms: Json) -> bool:
    return all(known.terms.get(word) == terms.get(word) for word in ("columns", "key"))


def _require_may_change(session: Session, topic: str, terms: Json, plugin: str) -> None:
    policy = session.get(TopicPolicy, topic)
    if policy is not None and policy.policy in ("freeze", "discard"):
        raise AdmissionError(
            f"the contract of topic {topic} stays as it is, by its policy ({policy.policy})",
            hint=f"A person changes that: `casparian contract {topic} --policy ask`.",
        )
    others = feeders(session, topic, but=plugin)
    if others and terms.get("change") == "decided":
        raise AdmissionError(
            f"{others[0].name}@{others[0].version} feeds topic {topic} too, and does not keep"
            f" what {plugin} would make of its contract",
            hint="Publish under another topic name, or retire that plugin first.",
        )


def tags_of(plugin: str, subscriptions: Sequence[str]) -> list[str]:
    """The tags whose file versions a plugin takes; its own name, unless it subscribes to others.

    Not its topic: two plugins that feed one topic would each run over the other's files.
    """
    return list(subscriptions) or [plugin]


def feeders(session: Session, topic: str, *, but: str = "") -> list[PluginManifest]:
    """Plugin versions in force that publish to a topic, by name; `but`: one left out."""
    rows = session.scalars(
        select(PluginManifest)
        .where(PluginManifest.status == PluginStatus.ACTIVE, PluginManifest.name != but)
        .order_by(PluginManifest.name)
    )
    return [row for row in rows if topic in manifest_topics(row)]


def newest_contract(session: Session, topic: str) -> Contract | None:
    """The contract that holds for a topic now."""
    query = select(Contract).where(Contract.topic == topic).order_by(Contract.version.desc())
    return session.scalar(query.limit(1))


def require_same_sinks(
    session: Session, plugin: str, *, topics: Sequence[str], sinks: Mapping[str, Sequence[str]]
) -> None:
    """See to it that a topic which another plugin feeds too is delivered to where it is now.

    Raises:
        AdmissionError: it would be delivered elsewhere.
    """
    for topic in topics:
        others = feeders(session, topic, but=plugin)
        config = session.get(TopicConfig, topic)
        if others and config is not None and config.sinks != list(sinks.get(topic, ())):
            raise AdmissionError(
                f"topic {topic} is delivered to {', '.join(config.sinks) or 'the lake alone'}, and"
                f" {others[0].name} feeds it too",
                hint="Publish with the same sinks: a topic has one set of them.",
            )

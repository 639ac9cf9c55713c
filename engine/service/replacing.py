"""Say in words what publishing a draft would take the place of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine import reprocess
from engine.models import (
    FileLocation,
    JobOutput,
    PluginManifest,
    RoutingRule,
    SourceRoot,
    TopicConfig,
)
from engine.paths import display
from engine.service.differences import columns_of
from engine.service.names import active_plugin, listed, sentence
from engine.topics import feeders

_MOST_NAMES = 3


def replacement(
    session: Session,
    name: str,
    *,
    pattern: str,
    roots: Sequence[int],
    contract: Mapping[str, object],
    sinks: Mapping[str, Sequence[str]],
) -> str | None:
    """What becomes of the version in force and its rows; None if there is none to replace."""
    active = active_plugin(session, name)
    if active is None:
        return None
    told = [f"This replaces {active.name}@{active.version}."]
    lost = _lost(session, active, pattern, roots)
    if lost:
        names = [display(session.get_one(FileLocation, one).path) for one in lost[:_MOST_NAMES]]
        more = len(lost) - len(names)
        shown = ", ".join(names) + (f" and {more:,} more" if more else "")
        told.append(
            f"{sentence(len(lost), 'file')} it reads now would no longer be read ({shown})."
        )
    told += _columns(active.contract, contract)
    told += _undelivered(session, sinks)
    return " ".join(told)


def _undelivered(session: Session, sinks: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences on rows of before that a sink which is new for their topic does not get."""
    told: list[str] = []
    for topic, uris in sinks.items():
        config = session.get(TopicConfig, topic)
        new = [uri for uri in uris if uri not in (config.sinks if config else [])]
        rows = session.scalar(select(func.sum(JobOutput.rows)).where(JobOutput.topic == topic))
        if new and rows:
            told.append(
                f"{listed(new, 3)} is new for {topic}: rows of files that were read before reach it"
                " with --reprocess all alone."
            )
    return told


def taken(session: Session, name: str, topics: Sequence[str]) -> str:
    """A sentence about topics that exist already; empty if all are new."""
    told: list[str] = []
    for topic in topics:
        for active in feeders(session, topic):
            known = f"{active.name}@{active.version}"
            if active.name == name:
                told.append(
                    f" Topic {topic} exists: publishing this would replace its plugin {known}."
                )
            else:
                told.append(
                    f" Topic {topic} is fed by plugin {known}: published, this feeds it too, under"
                    " the same contract."
                )
    return "".join(told)


def read_twice(
    session: Session, name: str, *, topics: Sequence[str], pattern: str, roots: Sequence[int]
) -> list[str]:
    """Sentences about files that another plugin reads into one of the topics already."""
    matching = {one.location_id for one in reprocess.matching_files(session, pattern, roots)}
    told: list[str] = []
    for topic in topics:
        for other in feeders(session, topic, but=name):
            both = sorted(matching & set(files_read(session, other)))
            if both:
                shown = display(session.get_one(FileLocation, both[0]).path)
                told.append(
                    f"{topic}: {other.name}@{other.version} reads {sentence(len(both), 'file')} of"
                    f" these into it already, such as {shown}; their rows would be there twice."
                )
    return told


def _lost(
    session: Session, active: PluginManifest, pattern: str, roots: Sequence[int]
) -> list[int]:
    """Locations that the version in force reads and the next one would not."""
    kept = {one.location_id for one in reprocess.matching_files(session, pattern, roots)}
    return [one for one in files_read(session, active) if one not in kept]


def files_read(session: Session, active: PluginManifest) -> list[int]:
    """Locations that a plugin version in force reads."""
    now = session.scalars(
        select(RoutingRule.root_id)
        .join(SourceRoot, SourceRoot.id == RoutingRule.root_id)
        .where(RoutingRule.plugin == active.name, SourceRoot.removed.is_(None))
        .distinct()
    ).all()
    read = reprocess.matching_files(session, str(active.manifest["pattern"]), now)
    return [one.location_id for one in read]


def _columns(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """One sentence on the columns, over all topics; none if they stay as they are."""
    old, new = _by_name(before), _by_name(after)
    groups = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [
            f"{name} {old[name]} → {new[name]}"
            for name in new
            if name in old and old[name] != new[name]
        ],
    }
    told = [f"{word}: {listed(names, 10)}" for word, names in groups.items() if names]
    return [f"Columns {'; '.join(told)}."] if told else []


def _by_name(contract: Mapping[str, object]) -> dict[str, str]:
    many = len(contract) > 1
    return {
        f"{topic}.{name}" if many else name: kind
        for topic, entry in contract.items()
        for name, kind in columns_of(entry).items()
    }

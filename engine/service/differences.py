"""Say what a draft would change about the plugin version in force."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine import constraints
from engine.models import Draft, PluginEnvironment, TopicConfig
from engine.service.names import active_plugin
from engine.topics import manifest_topics
from gatekeeper.manifest import Manifest

_MOST_FACTS = 100
_MOST_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class Version:
    """What one version of a plugin puts in force."""

    files: Mapping[str, str]
    lockfile: bytes
    manifest: Mapping[str, object]
    contract: Mapping[str, object]
    sinks: Mapping[str, list[str]]


def against_active(
    session: Session,
    draft: Draft,
    *,
    lockfile: bytes,
    manifest: Manifest,
    contract: Mapping[str, object],
    sinks: Mapping[str, list[str]],
) -> str | None:
    """The difference to the version in force of the same plugin; None if there is none."""
    active = active_plugin(session, draft.name)
    if active is None:
        return None
    environment = session.get_one(PluginEnvironment, active.env_hash)
    topics = session.scalars(
        select(TopicConfig).where(TopicConfig.topic.in_(manifest_topics(active)))
    )
    before = Version(
        files={name: str(text) for name, text in active.files.items()},
        lockfile=environment.lockfile,
        manifest=active.manifest,
        contract=active.contract,
        sinks={row.topic: list(row.sinks) for row in topics if row.sinks},
    )
    after = Version(
        files={name: str(text) for name, text in draft.files.items()},
        lockfile=lockfile,
        manifest=manifest.to_json(),
        contract=contract,
        sinks=sinks,
    )
    name = f"{active.name}@{active.version}"
    lines = difference(before, after)
    return "\n".join([f"Against {name}:", *lines]) if lines else f"Nothing differs from {name}."


def difference(before: Version, after: Version) -> list[str]:
    """Lines that say what differs: routing, contract, sinks, packages, then the source."""
    facts = [
        *_changes("manifest", _flat(before.manifest), _flat(after.manifest)),
        *changed_columns(before.contract, after.contract),
        *_changes("sinks of", _joined(before.sinks), _joined(after.sinks)),
        *_changes("package", _packages(before.lockfile), _packages(after.lockfile)),
    ]
    if len(facts) > _MOST_FACTS:
        facts = [*facts[:_MOST_FACTS], f"… and {len(facts) - _MOST_FACTS} more changes"]
    return [*facts, *_source(before.files, after.files)]


def _changes(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """One line per key that came, went or changed, in the order of the keys."""
    lines: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is None:
            lines.append(f"+ {what} {key}: {new}")
        elif new is None:
            lines.append(f"- {what} {key}: {old}")
        elif old != new:
            lines.append(f"~ {what} {key}: {old} → {new}")
    return lines


def _flat(manifest: Mapping[str, object]) -> dict[str, str]:
    return {
        key: ", ".join(map(str, cast("list[object]", value)))
        if isinstance(value, list)
        else str(value)
        for key, value in manifest.items()
        if value not in (None, [])
    }


def _joined(sinks: Mapping[str, list[str]]) -> dict[str, str]:
    return {topic: ", ".join(uris) for topic, uris in sinks.items() if uris}


def changed_columns(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """One line per column of a contract that came, went or changed; in: topic → terms."""
    lines: list[str] = []
    for topic in sorted(before.keys() | after.keys()):
        lines += _changes(
            f"column {topic}", columns_of(before.get(topic)), columns_of(after.get(topic))
        )
    return lines


def columns_of(entry: object) -> dict[str, str]:
    """Types of the columns of one topic's contract, by name."""
    if not isinstance(entry, Mapping):
        return {}
    columns = cast("Mapping[str, list[dict[str, object]]]", entry)["columns"]
    return {
        str(one["name"]): f"{one['type']}{'' if one['nullable'] else ' not null'}{_rules(one)}"
        for one in columns
    }


def _rules(column: Mapping[str, object]) -> str:
    told = constraints.told({rule: column[rule] for rule in column if rule in constraints.RULES})
    return f" ({told})" if told else ""


def _packages(lockfile: bytes) -> dict[str, str]:
    """Versions by package; the project that uv locks for is no package."""
    locked = cast("dict[str, list[dict[str, object]]]", tomllib.loads(lockfile.decode()))
    versions: dict[str, list[str]] = {}
    for package in locked.get("package", []):
        source = package.get("source")
        if isinstance(source, Mapping) and {"virtual", "editable"} & {*source}:
            continue
        versions.setdefault(str(package["name"]), []).append(str(package.get("version")))
    return {name: ", ".join(sorted(found)) for name, found in versions.items()}


def _source(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ""), after.get(name, "")
        lines += difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"in force/{name}", f"draft/{name}", lineterm=""
        )
    text = "\n".join(lines)
    if len(text) > _MOST_CHARS:
        text = f"{text[:_MOST_CHARS]}\n… ({len(text) - _MOST_CHARS} more characters)"
    return [text] if text else []

"""Group files by shape, and say which of them no plugin reads."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.models import FileLocation, LocationState, RoutingRule, SourceRoot
from engine.paths import absolute, display
from engine.routing import Matcher, Rule
from engine.service.results import Group

_MOST_GROUPS = 20
_EXAMINED = 200_000


@dataclass
class _Tally:
    files: int = 0
    bytes: int = 0
    example: str = ""
    example_id: int = 0


def shape_of(path: bytes) -> str:
    """A name's shape: digits as `#`, so that `sales_2026-01.csv` and its sisters are one group."""
    name = path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
    return re.sub(r"\d+", "#", name)


def format_of(shape: str) -> str:
    """What the last part of a name says; contents are looked at by a preview."""
    stem, dot, ending = shape.rpartition(".")
    return ending.lower() if dot and stem else "none"


def dark_groups(
    session: Session, roots: Sequence[SourceRoot], *, pattern: str = "**/*"
) -> list[Group]:
    """Groups of present files by shape and reader, those nobody reads first, largest first."""
    tallies: defaultdict[tuple[str, str | None], _Tally] = defaultdict(_Tally)
    for root in roots:
        _count(session, root, pattern, tallies)
    merged = _few(tallies)
    groups = [
        Group(
            fingerprint=shape,
            format=format_of(shape),
            files=tally.files,
            bytes=tally.bytes,
            example=tally.example,
            example_file=f"file-{tally.example_id}",
            plugin=plugin,
        )
        for (shape, plugin), tally in merged.items()
    ]
    groups.sort(key=lambda group: (group.plugin is not None, -group.files, group.fingerprint))
    return groups[:_MOST_GROUPS]


def _count(
    session: Session,
    root: SourceRoot,
    pattern: str,
    tallies: defaultdict[tuple[str, str | None], _Tally],
) -> None:
    rules = session.execute(
        select(RoutingRule.pattern, RoutingRule.plugin, RoutingRule.tag).where(
            RoutingRule.root_id == root.id
        )
    )
    readers = Matcher(Rule(glob, plugin or tag) for glob, plugin, tag in rules)
    wanted = None if pattern in ("**/*", "*", "**") else Matcher([Rule(pattern, "x")])
    rows = session.execute(
        select(FileLocation.id, FileLocation.path, FileLocation.size)
        .where(FileLocation.root_id == root.id, FileLocation.state != LocationState.DELETED)
        .limit(_EXAMINED)
    )
    for location_id, path, size in rows:
        if wanted is not None and not wanted.tags(path):
            continue
        plugins = readers.tags(path) if readers else ()
        tally = tallies[shape_of(path), plugins[0] if plugins else None]
        tally.files += 1
        tally.bytes += size
        if not tally.example:
            tally.example = display(absolute(root.path, path))
            tally.example_id = location_id


def _few(
    tallies: dict[tuple[str, str | None], _Tally],
) -> dict[tuple[str, str | None], _Tally]:
    """Fold the many shapes that occur once or twice into one group per ending."""
    if len(tallies) <= _MOST_GROUPS:
        return tallies
    merged: defaultdict[tuple[str, str | None], _Tally] = defaultdict(_Tally)
    for (shape, plugin), tally in tallies.items():
        key = (shape if tally.files > 2 else f"*.{format_of(shape)}", plugin)
        target = merged[key]
        target.files += tally.files
        target.bytes += tally.bytes
        if not target.example:
            target.example, target.example_id = tally.example, tally.example_id
    return merged

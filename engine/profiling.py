"""Profile the files of a group together, and say which of them were looked at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from casparian_flow.errors import CasparianError
from engine.formats.merging import Merged, Seen, merge
from engine.paths import display
from engine.profile import profile_file

_MOST_FILES, _MOST_SECONDS = 5_000, 10.0


@dataclass
class Group:
    """Files of one kind, as far as they were looked at."""

    merged: Merged
    odd: list[bytes] = field(default_factory=list[bytes])
    """One file of each shape: what a trial should not miss."""


def profile_group(paths: Sequence[bytes]) -> Group:
    """One profile for files that are named alike, read evenly spread until the time is over.

    In: the paths, the one that a person named first. At most 5,000 files or 10 seconds; the profile
    says how many of how many were looked at.
    """
    started = time.monotonic()
    seen: list[Seen] = []
    shapes: dict[str, bytes] = {}
    unreadable: list[str] = []
    chosen = _spread(paths)
    for path in chosen:
        name = display(path.rpartition(b"/")[2])
        try:
            profile = profile_file(path)
        except CasparianError as error:
            unreadable.append(f"{name}: {error.message}")
            continue
        seen.append(Seen(name, profile))
        shapes.setdefault(profile.fingerprint, path)
        if time.monotonic() - started > _MOST_SECONDS:
            break
    if not seen:
        seen.append(Seen(display(paths[0]), profile_file(paths[0])))  # raises what is wrong
    first = seen[0]
    merged = merge(sorted(seen, key=lambda one: one.name), named=first)
    if first.profile.reading is not None and first.name in merged.others:
        merged = merge([first])  # what a person named is what is drafted
    merged.profile = replace(
        merged.profile,
        problems=(*_told(merged, len(seen), len(paths), unreadable), *merged.profile.problems),
    )
    return Group(merged, list(shapes.values()))


def _spread(paths: Sequence[bytes]) -> list[bytes]:
    """The first, and others evenly over the sorted rest, so that a cut leaves none of its ends out.

    Ordered so that any beginning of the list is spread as well: halves, quarters, eighths.
    """
    rest = sorted(paths[1:])
    if len(rest) > _MOST_FILES - 1:
        step = len(rest) / (_MOST_FILES - 1)
        rest = [rest[int(number * step)] for number in range(_MOST_FILES - 1)]
    return [paths[0], *_halving(rest)]


def _halving(items: Sequence[bytes]) -> list[bytes]:
    """Both ends first, then always the middle of what lies between."""
    if len(items) < 3:
        return list(items)
    order = [0, len(items) - 1]
    spans = [(0, len(items) - 1)]
    while spans:
        spans_below: list[tuple[int, int]] = []
        for low, high in spans:
            middle = (low + high) // 2
            if middle not in (low, high):
                order.append(middle)
                spans_below += [(low, middle), (middle, high)]
        spans = spans_below
    return [items[number] for number in order]


def _told(merged: Merged, looked_at: int, count: int, unreadable: Sequence[str]) -> list[str]:
    if count <= 1:
        return []
    told = [f"drafted from {looked_at:,} of {count:,} files that are named alike"]
    if unreadable:
        told.append(f"{len(unreadable):,} cannot be read: {'; '.join(unreadable[:3])}")
    if merged.others:
        shown = ", ".join(merged.others[:3])
        more = f" and {len(merged.others) - 3:,} more" if len(merged.others) > 3 else ""
        told.append(f"{len(merged.others):,} of them are of another kind: {shown}{more}")
    return told

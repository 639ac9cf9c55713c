"""Look into a few files of each group: what they are, which groups are alike, and what drifted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from casparian_flow.errors import CasparianError
from engine.formats.interface import Profile
from engine.formats.merging import drift_between
from engine.profile import glance
from engine.service.results import Group

_MOST_SECONDS = 2.0
_SHOWN_COLUMNS = 8


def look(groups: Sequence[Group], samples: Mapping[str, Sequence[tuple[bytes, int]]]) -> None:
    """Add to groups what their files hold, and how one differs from another that is read.

    In: groups, and for the example of each some (path, size) of its files. At most 2 seconds are
    spent; what was not looked at keeps its name's ending as its format.
    """
    started = time.monotonic()
    seen: list[tuple[Group, Profile]] = []
    for group in groups:
        if time.monotonic() - started > _MOST_SECONDS:
            return
        profiles = [_glance(path, size) for path, size in samples.get(group.example_file, ())]
        found = [profile for profile in profiles if profile is not None]
        if not found:
            continue
        first = found[0]
        group.format = first.format
        group.shape = _shape(first)
        notes = [drift for other in found[1:] if (drift := _within(first, other))]
        notes += _like_another(first, seen)
        group.note = "; ".join(dict.fromkeys(notes)) or None
        seen.append((group, first))


@lru_cache(maxsize=4096)
def _glance(path: bytes, size: int) -> Profile | None:  # noqa: ARG001 - a changed file is another
    try:
        return glance(path)
    except CasparianError:
        return None


def _shape(profile: Profile) -> str | None:
    """What its files hold, in a line."""
    names = [column.name for column in profile.columns]
    if not names:
        return None
    more = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
    return f"{len(names)} columns: {', '.join(names[:_SHOWN_COLUMNS])}{more}"[:300]


def _within(first: Profile, other: Profile) -> str | None:
    if first.fingerprint == other.fingerprint:
        return None
    drift = drift_between(first, other)
    if drift is None:
        return f"some of its files are of another kind ({other.format})"
    return f"within the group {drift}" if drift else None


def _like_another(profile: Profile, seen: Sequence[tuple[Group, Profile]]) -> list[str]:
    """That its files look like those of another group, and what differs."""
    if profile.reading is None or not profile.columns:
        return []
    for other, known in seen:
        drift = drift_between(known, profile)
        if drift is None:
            continue
        read = f", which {other.plugin} reads" if other.plugin else ""
        differs = f", but {drift}" if drift else ""
        return [f"its files look like {other.fingerprint}{read}{differs}"]
    return []

"""Let a person's words decide what a sample leaves open; nothing of it is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace

from engine.formats.interface import ColumnProfile, Profile
from engine.layouts import with_layout


def _is_before(first: str, second: str) -> Callable[[str], bool]:
    return lambda form: -1 < form.find(first) < form.find(second)


_WORDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    # what a goal says, and which of the ways to write a value that leaves
    (r"\bday[ -]first\b|(?<![\w/.-])dd[/.-]mm", _is_before("%d", "%m")),
    (r"\bmonth[ -]first\b|(?<![\w/.-])mm[/.-]dd", _is_before("%m", "%d")),
    (r"\bdecimal commas?\b", lambda form: form == "decimal comma"),
    (r"\bdecimal points?\b|\bthousands commas?\b", lambda form: form == "thousands comma"),
)
_NEGATED = re.compile(r"(?i)\b(?:no|not|never|without|instead of|isn't|aren't)\b[^.;,]{0,20}$")


def steered(profile: Profile, goal: str | None) -> tuple[Profile, list[str]]:
    """The profile with what the goal decides, and a sentence for each decision.

    A goal decides between day and month first, between decimal comma and point, that a column is
    read `as text` (`zip as text`), and the layout of binary records (see `engine.layouts`).

    Raises:
        ConfigError: the goal names a layout that is none.
    """
    if not goal:
        return profile, []
    told: list[str] = []
    with_records = with_layout(profile, goal)
    if with_records is not profile:
        told += with_records.problems
    profile = _columns(with_records, goal, told)
    parts = tuple(_columns(part, goal, told) for part in profile.parts)
    return replace(profile, parts=parts), list(dict.fromkeys(told))


def with_texts(profile: Profile, names: Collection[str]) -> Profile:
    """The profile with these columns as text: a contract has their values as they stand."""

    def held(column: ColumnProfile) -> ColumnProfile:
        if column.name not in names or column.type == "string":
            return column
        return replace(column, type="string", candidates=[], ambiguity=None, unit=None)

    parts = tuple(with_texts(part, names) for part in profile.parts)
    return replace(profile, columns=tuple(map(held, profile.columns)), parts=parts)


def _columns(profile: Profile, goal: str, told: list[str]) -> Profile:
    columns = tuple(_decided(column, goal, told) for column in profile.columns)
    new = tuple(dict.fromkeys(one for one in told if one not in profile.problems))
    return replace(profile, columns=columns, problems=(*profile.problems, *new))


def _decided(column: ColumnProfile, goal: str, told: list[str]) -> ColumnProfile:
    named = rf"(?<![\w]){re.escape(column.name)}[\"'`]?\s+as\s+text\b"
    if column.type != "string" and re.search(named, goal, re.IGNORECASE):
        told.append(f"{column.name} is read as text, as the goal says")
        return replace(column, type="string", candidates=[], ambiguity=None, unit=None)
    if column.type != "string" or len(column.candidates) < 2:
        return column
    left = column.candidates
    for words, leaves in _WORDS:
        found = re.search(words, goal, re.IGNORECASE)
        if found and _NEGATED.search(goal[: found.start()]):
            return column  # what it is not says not what it is
        if found and any(leaves(form) for form in column.candidates):
            left = [form for form in left if leaves(form)]
    if len(left) != 1:
        return column
    evidence = re.sub("; kept as text.*", "", column.ambiguity or "")  # some files may exclude it
    told.append(f"{column.name} is read as {left[0]}, as the goal says; in the sample: {evidence}")
    return replace(column, type=_type_of(left[0]), candidates=left, ambiguity=None)


def _type_of(form: str) -> str:
    if "%" not in form:
        return "double"
    return "timestamp" if "%H" in form or "%I" in form else "date"

"""Make one profile of many files of one kind: what each excludes, no column of it can be.

Columns are told by name. One that some file lacks is optional; one that stands in the place of a
missing one, is typed like it and named much like it, is the same column renamed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from engine.formats.column_merging import merged_column
from engine.formats.interface import ColumnProfile, Profile, Reading
from engine.formats.sampling import ESTIMATED

_LEAST_ALIKE = 0.6
_LEAST_SHARED, _LEAST_OF_WIDER = 0.5, 0.2
_MOST_NAMED = 3
_ANCHOR = "(?i)^"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file and its profile."""

    name: str
    profile: Profile


@dataclass
class Merged:
    """What many files have in common."""

    profile: Profile
    """Of the most common shape, its columns those of all files."""
    files: list[str] = field(default_factory=list[str])
    """The files that are of this kind."""
    others: list[str] = field(default_factory=list[str])
    """Files that are of another kind, and are not read."""
    drift: list[str] = field(default_factory=list[str])
    """How some files differ, for a person."""


def merge(seen: Sequence[Seen], *, named: Seen | None = None) -> Merged:
    """One profile for files of one kind; at least one file, in the order they were written.

    `named` is the one that a person chose: it stands for the others if its shape is common.
    """
    shapes = Counter(one.profile.fingerprint for one in seen if one.profile.reading is not None)
    if not shapes:
        return Merged(seen[0].profile, [], [one.name for one in seen])
    common = max(shapes, key=lambda shape: shapes[shape])
    alike = [one for one in seen if one.profile.fingerprint == common]
    base = alike[-1]
    if named is not None and named.profile.fingerprint == common:
        base = named
    if base.profile.is_ascii:  # then one that shows the encoding speaks for all
        base = next((one for one in alike if _shows_encoding(base, one)), base)
    merged = Merged(base.profile)
    kin: list[Seen] = []
    standing = base.profile
    for one in seen:
        if one is base or (
            _is_kin(base.profile, one.profile) and _same_encoding(standing, one.profile)
        ):
            standing = standing if one.profile.is_ascii else one.profile
            kin.append(one)
            merged.files.append(one.name)
        else:
            merged.others.append(one.name)
    merged.profile = _in_encoding_of(base.profile, kin)
    if len(kin) > 1 and not base.profile.parts:
        merged.profile = _together(merged.profile, kin, merged.drift)
    return merged


def drift_between(base: Profile, other: Profile) -> str | None:
    """How a file differs from one that it is like; None if it is not like it, empty if the same."""
    if not _is_kin(base, other):
        return None
    renamed = _renamed(base, other)
    mine = [column.name for column in base.columns]
    its = [column.name for column in other.columns]
    told = [f"{name} is called {alias!r}" for alias, name in renamed.items()]
    told += [f"{name} is new" for name in its if name not in mine and name not in renamed]
    gone = [name for name in mine if name not in its and name not in renamed.values()]
    told += [f"{name} is missing" for name in gone]
    shared = [name for name in mine if name in its]
    if [name for name in its if name in mine] != shared:
        told.append("its columns are in another order")
    return "; ".join(told[:10])


def _shows_encoding(base: Seen, one: Seen) -> bool:
    return not one.profile.is_ascii and way_of(one.profile) == way_of(base.profile)


def _in_encoding_of(base: Profile, kin: Sequence[Seen]) -> Profile:
    """The base, read in the encoding that others show where it is ASCII and shows none."""
    shown = next((one.profile for one in kin if not one.profile.is_ascii), None)
    if not base.is_ascii or shown is None or base.reading is None or shown.reading is None:
        return base
    encoding = shown.reading.arguments.get("encoding")
    if encoding is None or "encoding" not in base.reading.arguments:
        return base
    return replace(
        base,
        encoding=shown.encoding,
        is_ascii=False,
        reading=replace(base.reading, arguments={**base.reading.arguments, "encoding": encoding}),
        problems=(*base.problems, *(one for one in shown.problems if one.startswith(ESTIMATED))),
    )


def _is_kin(base: Profile, other: Profile) -> bool:
    """Whether a file is read in the same way and shares half of the columns of the narrower one.

    Two narrow tables that share a word with a wide one are not of its kind for that.
    """
    if way_of(other) != way_of(base) or not _same_encoding(base, other):
        return False
    if other.fingerprint == base.fingerprint:
        return True
    if other.reading is None or base.reading is None or other.parts or base.parts:
        return False
    if (other.format, other.compression) != (base.format, base.compression):
        return False
    mine, its = _names(base), _names(other)
    shared, (few, many) = len(mine & its), sorted((len(mine), len(its)))
    return shared >= _LEAST_SHARED * few > 0 and shared >= _LEAST_OF_WIDER * many


def _same_encoding(base: Profile, other: Profile) -> bool:
    """Whether both are read right by one encoding; what is ASCII is, by nearly any."""
    if base.reading is not None and "encoding" not in base.reading.arguments:
        return True  # its reader finds out by itself
    plain = {str(one.encoding).removesuffix("-sig") for one in (base, other) if not one.is_ascii}
    wide = any(str(one.encoding).startswith(("utf-16", "utf-32")) for one in (base, other))
    return len(plain) < 2 and (not wide or base.encoding == other.encoding)


def way_of(profile: Profile) -> dict[str, object]:
    """How a file is read, but for what may differ between files of one kind.

    Columns that are told by their place have to be as many: which one lacks, no file says.
    """
    reading = profile.reading
    arguments = {} if reading is None else dict(reading.arguments)
    for name in ("footer", "encoding"):
        arguments.pop(name, None)
    names = arguments.pop("names", None)
    width = len(names) if isinstance(names, list) else None
    return {**arguments, "width": width, "reader": reading and (reading.module, reading.function)}


def _names(profile: Profile) -> set[str]:
    return {_plain(column.name) for column in profile.columns}


def _plain(name: str) -> str:
    """A name without what is often written otherwise; of a name of signs alone, all of it."""
    return re.sub(r"[\W_]+", "", name.casefold()) or name


def _together(base: Profile, kin: Sequence[Seen], drift: list[str]) -> Profile:
    columns: dict[str, list[tuple[str, ColumnProfile]]] = {one.name: [] for one in base.columns}
    aliases: dict[str, dict[str, list[str]]] = {}
    renamed = _all_renamed(base, kin)
    for one in kin:
        for column in one.profile.columns:
            name = renamed.get(column.name, column.name)
            columns.setdefault(name, []).append((one.name, column))
            if name != column.name:
                aliases.setdefault(name, {}).setdefault(column.name, []).append(one.name)
    merged: list[ColumnProfile] = []
    for name, found in columns.items():
        one = merged_column(name, found)
        if len(found) < len(kin):
            lacking = sorted({seen.name for seen in kin} - {file for file, _ in found})
            drift.append(f"{name} is missing in {_listed(lacking, len(kin))}")
            one = replace(one, optional=True)
        for alias, files in aliases.get(name, {}).items():
            drift.append(f"{name} is called {alias!r} in {_listed(files, len(kin))}")
        merged.append(replace(one, aliases=sorted(aliases.get(name, {}))))
    orders = [_order(base, one.profile) for one in kin]
    if any(order != sorted(order) for order in orders):
        drift.append("some files have their columns in another order; they are read by name")
    reading = _with_footer(base, kin, drift)
    return replace(base, columns=tuple(merged), problems=(*base.problems, *drift), reading=reading)


def _with_footer(base: Profile, kin: Sequence[Seen], drift: list[str]) -> Reading | None:
    """How the base is read, with the last line that others have and it has not."""
    reading = base.reading
    ending = {one.name: one.profile.reading.arguments.get("footer") for one in kin
              if one.profile.reading is not None}  # fmt: skip
    found = {name: footer for name, footer in ending.items() if isinstance(footer, str) and footer}
    alike = list(dict.fromkeys(found.values()))
    if reading is None or not found or alike == [reading.arguments.get("footer")]:
        return reading
    # Only whole words: what merely begins with Total may be a record of another file.
    if len(alike) > 1 and not all(one.startswith(_ANCHOR) and one.endswith("|$)") for one in alike):
        return reading
    named = _listed(list(found), len(kin))
    drift.append(f"the last line of {named} is a total; the draft passes over it (`footer`)")
    footer = alike[0]
    if len(alike) > 1:
        footer = f"{_ANCHOR}(?:{'|'.join(one.removeprefix(_ANCHOR) for one in alike)})"
    return replace(reading, arguments={**reading.arguments, "footer": footer})


def _order(base: Profile, other: Profile) -> list[int]:
    """The places that a file's columns have in the base, for those that both have."""
    places = {column.name: number for number, column in enumerate(base.columns)}
    return [places[column.name] for column in other.columns if column.name in places]


def _listed(files: Sequence[str], count: int) -> str:
    """Some of the files, and how many of how many."""
    shown = ", ".join(files[:_MOST_NAMED])
    more = f" and {len(files) - _MOST_NAMED:,} more" if len(files) > _MOST_NAMED else ""
    return f"{len(files):,} of {count:,} files ({shown}{more})"


def _all_renamed(base: Profile, kin: Sequence[Seen]) -> dict[str, str]:
    """Renames that some file shows and none contradicts by having both names.

    Columns that the base lacks are one, too, if their names differ in no letter.
    """
    found: dict[str, set[str]] = {}
    for one in kin:
        for alias, name in _renamed(base, one.profile).items():
            found.setdefault(alias, set()).add(name)
    together = [{column.name for column in one.profile.columns} for one in kin]
    first = {_plain(column.name): column.name for column in base.columns}
    for name in dict.fromkeys(column.name for one in kin for column in one.profile.columns):
        known = first.setdefault(_plain(name), name)
        if known != name:
            found.setdefault(name, {known})
    return {
        alias: next(iter(names))
        for alias, names in found.items()
        if len(names) == 1 and not any(alias in one and names <= one for one in together)
    }


def _renamed(base: Profile, other: Profile) -> dict[str, str]:
    """A name in another file → the column of the base that it is: the missing one in its place."""
    mine = {column.name: column for column in base.columns}
    its = {column.name for column in other.columns}
    missing = [name for name in mine if name not in its]
    extra = [column for column in other.columns if column.name not in mine]
    renamed: dict[str, str] = {}
    for column in extra:
        rivals = [
            name for name in missing if name not in renamed.values()
            and _is_same(mine[name], column, _at(base, name) == _at(other, column.name))
        ]  # fmt: skip
        if len(rivals) == 1:
            renamed[column.name] = rivals[0]
    return renamed


def _at(profile: Profile, name: str) -> int:
    return next(n for n, column in enumerate(profile.columns) if column.name == name)


def _is_same(mine: ColumnProfile, its: ColumnProfile, is_in_place: bool) -> bool:  # noqa: FBT001 - private
    if _plain(mine.name) == _plain(its.name):
        return True
    kinds = {mine.type, its.type}
    fits = len(kinds) == 1 or "string" in kinds or kinds == {"int64", "double"}
    alike = SequenceMatcher(None, _plain(mine.name), _plain(its.name)).ratio()
    return is_in_place and fits and alike >= _LEAST_ALIKE

"""Write what a drafted plugin says of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from casparian_flow.reading.columns import MISSING
from casparian_flow.reading.naming import distinct
from engine.formats.interface import ColumnProfile, Profile
from engine.literals import harmless_comment, literal

_KINDS = {
    "int64": "integer", "double": "number", "bool": "truth", "date": "date", "timestamp": "time",
    "json": "json", "string": "text",
}  # fmt: skip


def constants(profile: Profile, prefix: str, open_points: list[str]) -> list[str]:
    """The constants that say what columns there are, a line each; what is open is added.

    `prefix` stands before their names.
    """
    lines: list[str] = []
    rows: list[str] = []
    taken: set[str] = set()
    for column, name in zip(profile.columns, _column_names(profile), strict=True):
        if column.ambiguity:
            open_points.append(
                f"{harmless_comment(column.name)}: {harmless_comment(column.ambiguity)}"
            )
        spec = _spec(column)
        if column.type == "string" and len(column.candidates) > 1:
            constant = _constant(f"{prefix}{column.name}", taken)
            options = " or ".join(literal(one) for one in column.candidates)
            lines.append(f"{constant} = None  # not decided by the sample: {options}")
            spec = f"({literal(_undecided_kind(column))}, {constant})"
        note = f"  # {_note(column)}" if _note(column) else ""
        rows.append(f"    {literal(name)}: {spec},{note}")
    lines.append(f"{prefix}COLUMNS = {{")
    lines += [*rows, "}"]
    words = missing(profile.columns)
    if words:
        lines.append(f"{prefix}MISSING = {literal(words)}")
    others = renamed(profile)
    if others:
        lines.append(f"{prefix}RENAMED = {literal(others)}  # a name in a file: its column")
    pairs = zip(profile.columns, _column_names(profile), strict=True)
    optional = [name for column, name in pairs if column.optional]
    if optional:
        lines.append(f"{prefix}OPTIONAL = {literal(optional)}  # not in every file")
    return lines


def _column_names(profile: Profile) -> list[str]:
    """Names as a table can have them: distinct, capitals aside, and none that the host uses."""
    return distinct([column.name for column in profile.columns])


def renamed(profile: Profile) -> dict[str, str]:
    """Names in files that are read into a column of another name."""
    pairs = zip(profile.columns, _column_names(profile), strict=True)
    others = {column.name: name for column, name in pairs if column.name != name}
    return others | {alias: one.name for one in profile.columns for alias in one.aliases}


def _undecided_kind(column: ColumnProfile) -> str:
    first = column.candidates[0]
    if "%" not in first:
        return "number"
    return "time" if "%H" in first or "%I" in first else "date"


def _spec(column: ColumnProfile) -> str:
    kind = _KINDS.get(column.type, "text")
    form = column.candidates[0] if column.candidates and kind not in ("text", "json") else None
    if column.type == "int64" and form == "%Y%m%d":
        form = None
    parts: tuple[str | None, ...] = (kind,)
    if form is not None and not (kind == "number" and form == "point" and column.unit is None):
        parts = (kind, form)
    if column.unit is not None:
        parts = (kind, form, column.unit)
    return literal(parts)


def _note(column: ColumnProfile) -> str:
    if column.type == "int64" and column.candidates[:1] == ["%Y%m%d"]:
        return 'every value is a date: ("date", "%Y%m%d") reads it as one'
    if column.meaning and column.meaning.startswith("epoch"):
        return f'looks like a time: ("time", "{column.meaning}") reads it as one'
    if column.unit:
        return f"each value is written with {harmless_comment(column.unit)}, which is left out"
    return ""


def _constant(name: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", name.encode("ascii", "ignore").decode()).strip("_").upper()
    base = f"{base or 'COLUMN'}_FORMAT"
    base = f"COLUMN_{base}" if base[0].isdigit() else base
    unique, number = base, 2
    while unique in taken:
        unique, number = f"{base}_{number}", number + 1
    taken.add(unique)
    return unique


def missing(columns: Sequence[ColumnProfile]) -> list[str]:
    """Spellings of a missing value, where typed columns have others than the usual; else none."""
    words = {word for column in columns for word in column.null_words}
    return [*MISSING, *sorted(words - set(MISSING))] if words - set(MISSING) else []

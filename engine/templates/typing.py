"""Turn a column's profile into the lines of a plugin that convert it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from engine.formats.interface import ColumnProfile, Profile

CONVERTERS = {
    "to_integer": '''
def to_integer(text):
    """Whole numbers; what is none becomes null."""
    text = pc.utf8_trim_whitespace(text)
    good = pc.match_substring_regex(text, "^[+-]?[0-9]{1,18}$")
    plain = pc.replace_substring_regex(pc.if_else(good, text, None), "^[+]", "")
    return plain.cast(pa.int64())''',
    "to_number": '''
def to_number(text):
    """Numbers with a decimal point; what is none becomes null."""
    text = pc.utf8_trim_whitespace(text)
    good = pc.match_substring_regex(text, "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$")
    plain = pc.replace_substring_regex(pc.if_else(good, text, None), "^[+]", "")
    return plain.cast(pa.float64())''',
    "to_number_comma": '''
def to_number_comma(text):
    """Numbers with a decimal comma, such as 1.234,5; what is none becomes null."""
    plain = pc.replace_substring(text, ".", "")
    return to_number(pc.replace_substring(plain, ",", "."))''',
    "to_number_thousands": '''
def to_number_thousands(text):
    """Numbers with commas between thousands, such as 1,234.5; what is none becomes null."""
    return to_number(pc.replace_substring(text, ",", ""))''',
    "to_truth": '''
def to_truth(text, yes, no):
    """True and false in their spelling; what is neither becomes null."""
    text = pc.utf8_trim_whitespace(text)
    known = pc.or_(pc.equal(text, yes), pc.equal(text, no))
    return pc.equal(pc.if_else(known, text, None), yes)''',
    "to_date": '''
def to_date(text, form):
    """Dates in one format; what does not fit becomes null."""
    moment = pc.strptime(pc.utf8_trim_whitespace(text), format=form, unit="s", error_is_null=True)
    return moment.cast(pa.date32())''',
    "to_time": '''
def to_time(text, form):
    """Times in one format; what does not fit becomes null."""
    text = pc.utf8_trim_whitespace(text)
    return pc.strptime(text, format=form, unit="us", error_is_null=True)''',
    "to_iso_time": '''
def to_iso_time(text):
    """ISO times without a zone; what is none becomes null."""
    text = pc.utf8_trim_whitespace(text)
    good = pc.match_substring_regex(
        text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?$"
    )
    return pc.if_else(good, text, None).cast(pa.timestamp("us"))''',
    "to_zoned_time": '''
def to_zoned_time(text):
    """ISO times with a zone, as UTC; what is none becomes null."""
    text = pc.utf8_trim_whitespace(text)
    good = pc.match_substring_regex(
        text,
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
        "([.][0-9]{1,6})?(Z|[+-][0-9]{2}:?[0-9]{2})$",
    )
    return pc.if_else(good, text, None).cast(pa.timestamp("us", tz="UTC"))''',
    "to_chosen": '''
def to_chosen(text, kind, form):
    """Dates or times in the chosen format; text as long as none is chosen."""
    if form is None:
        return text
    return to_date(text, form) if kind == "date" else to_time(text, form)''',
}

_NEEDS = {
    "to_number_comma": ("to_number",),
    "to_number_thousands": ("to_number",),
    "to_chosen": ("to_date", "to_time"),
}


def literal(value: object) -> str:
    """A Python literal in double quotes."""
    if isinstance(value, list):
        inner = [literal(item) for item in value]
        line = f"[{', '.join(inner)}]"
        if len(line) <= 80:
            return line
        return "[\n    " + ",\n    ".join(inner) + ",\n]"
    return json.dumps(value, ensure_ascii=True)


def conversions(
    columns: Sequence[ColumnProfile],
) -> tuple[str, list[str], str, list[str]]:
    """The CONVERT table, the functions it uses, constants to decide, and the open points."""
    lines: list[str] = []
    used: set[str] = set()
    constants: list[str] = []
    open_points: list[str] = []
    taken: set[str] = set()
    for column in columns:
        function, call = _conversion(column)
        if column.ambiguity:
            open_points.append(f"{_plain(column.name)}: {_plain(column.ambiguity)}")
        if function == "to_chosen":
            constant = _constant(column.name, taken)
            kind = "timestamp" if "%H" in column.candidates[0] else "date"
            options = " or ".join(literal(one) for one in column.candidates)
            constants.append(f"{constant} = None  # not decided by the sample: {options}")
            call = f"lambda text: to_chosen(text, {literal(kind)}, {constant})"
        if function is not None:
            used.update((function, *_NEEDS.get(function, ())))
            lines.append(f"    {literal(column.name)}: {call},")
    order = [name for name in CONVERTERS if name in used]
    table = "{\n" + "\n".join(lines) + "\n}" if lines else "{}"
    block = "\n".join(constants)
    return table, order, f"{block}\n" if block else "", open_points


def _conversion(column: ColumnProfile) -> tuple[str | None, str]:  # noqa: PLR0911 - one return per kind reads best
    first = column.candidates[0] if column.candidates else ""
    match column.type:
        case "int64":
            return "to_integer", "to_integer"
        case "double":
            name = {
                "decimal comma": "to_number_comma",
                "thousands comma": "to_number_thousands",
            }.get(first, "to_number")
            return name, name
        case "bool":
            yes, _, no = first.partition("/")
            return "to_truth", f"lambda text: to_truth(text, {literal(yes)}, {literal(no)})"
        case "date":
            return "to_date", f"lambda text: to_date(text, {literal(first)})"
        case "timestamp":
            if first in ("iso", "iso zoned"):
                name = "to_iso_time" if first == "iso" else "to_zoned_time"
                return name, name
            return "to_time", f"lambda text: to_time(text, {literal(first)})"
        case _:
            if len(column.candidates) > 1 and column.candidates[0].startswith("%"):
                return "to_chosen", ""
            return None, ""


def _constant(name: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", name.encode("ascii", "ignore").decode()).strip("_").upper()
    base = f"{base or 'COLUMN'}_FORMAT"
    base = f"COLUMN_{base}" if base[0].isdigit() else base
    unique, number = base, 2
    while unique in taken:
        unique, number = f"{base}_{number}", number + 1
    taken.add(unique)
    return unique


def header_comment(profile: Profile, open_points: Sequence[str]) -> str:
    """What the draft rests on, as comments at the top."""
    lines = ['"""Drafted from a sample; read it before you approve it."""', ""]
    notes = [*(_plain(problem) for problem in profile.problems), *open_points]
    lines += [f"# Note: {note}"[:200] for note in notes[:20]]
    return "\n".join(lines) + ("\n\n" if notes else "\n")


def _plain(text: str) -> str:
    """Sample text made harmless in a comment: ASCII, one line."""
    return " ".join(text.encode("ascii", "backslashreplace").decode().split())

"""Find a column's type by what its values exclude, never by a vote."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from engine.formats.interface import ColumnProfile

NULL_SPELLINGS = ("", "NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "-", "\\N")
BOOLEANS = {
    "true": ("true", "false"),
    "TRUE": ("TRUE", "FALSE"),
    "True": ("True", "False"),
    "yes": ("yes", "no"),
    "Yes": ("Yes", "No"),
    "Y": ("Y", "N"),
    "y": ("y", "n"),
    "T": ("T", "F"),
}
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
_POINT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?")
_COMMA_AS_THOUSANDS = re.compile(
    r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[+-]?[0-9]+(?:\.[0-9]+)?"
)
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y",
)  # fmt: skip
TIME_FORMATS = (
    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M",
)  # fmt: skip
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
_EXAMPLES, _TRIED = 3, 2000


def profile_column(name: str, values: Sequence[str]) -> ColumnProfile:
    """The type that every non-null value allows; what is open is said with its evidence."""
    kept = [value.strip() for value in values]
    spelled = {value for value in kept if value in NULL_SPELLINGS}
    filled = [value for value in kept if value not in NULL_SPELLINGS]
    examples = list(dict.fromkeys(filled))[:_EXAMPLES]
    nulls = len(kept) - len(filled)
    if not filled:
        why = "every value in the sample is empty, so it stays text"
        return ColumnProfile(name, "string", [], nulls, examples, why if kept else None)
    kind, candidates, open_point = _decide(list(dict.fromkeys(filled))[:_TRIED])
    words = sorted(spelled - {""})
    typed_words = words if kind != "string" else []
    return ColumnProfile(name, kind, candidates, nulls, examples, open_point, typed_words)


def _decide(values: list[str]) -> tuple[str, list[str], str | None]:
    for test in (_as_boolean, _as_number, _as_date, _as_time):
        decided = test(values)
        if decided is not None:
            return decided
    return "string", [], None


_Decision = tuple[str, list[str], str | None] | None


def _as_boolean(values: list[str]) -> _Decision:
    for first, pair in BOOLEANS.items():
        if set(values) == set(pair):
            return "bool", [f"{first}/{pair[1]}"], None
    return None


def _all(pattern: re.Pattern[str], values: list[str]) -> bool:
    return all(pattern.fullmatch(value) for value in values)


def _as_number(values: list[str]) -> _Decision:  # noqa: PLR0911 - one return per kind reads best
    if any(_LEADING_ZERO.match(value) and not value.startswith(("0.", "0,")) for value in values):
        return None  # a code, not a number: 007 is not 7
    if _all(_INTEGER, values):
        return "int64", [], None
    if _all(_POINT, values):
        return "double", ["point"], None
    comma, thousands = _all(_COMMA, values), _all(_COMMA_AS_THOUSANDS, values)
    if comma and thousands:
        example = next(value for value in values if "," in value)
        why = f"{example!r} can be a decimal comma or a thousands mark; kept as text"
        return "string", ["decimal comma", "thousands comma"], why
    if comma:
        return "double", ["decimal comma"], None
    if thousands:
        return "double", ["thousands comma"], None
    return None


def _formats(values: list[str], formats: Sequence[str]) -> list[str]:
    return [one for one in formats if all(fits_format(value, one) for value in values)]


def fits_format(value: str, pattern: str) -> bool:
    """Whether a date or time is written in a `strptime` format."""
    try:
        datetime.strptime(value, pattern)  # noqa: DTZ007 - only whether it parses
    except ValueError:
        return False
    return True


def _as_date(values: list[str]) -> _Decision:
    return _moment("date", values, DATE_FORMATS)


def _as_time(values: list[str]) -> _Decision:
    if _all(_ISO_TIME, values):
        zoned = [bool(re.search(r"(?:Z|[+-]\d\d:?\d\d)$", value)) for value in values]
        if all(zoned):
            return "timestamp", ["iso zoned"], None
        if any(zoned):
            why = "some values name a time zone and some do not; kept as text"
            return "string", ["iso zoned", "iso"], why
        return "timestamp", ["iso"], None
    return _moment("timestamp", values, TIME_FORMATS)


def _moment(kind: str, values: list[str], formats: Sequence[str]) -> _Decision:
    possible = _formats(values, formats)
    if not possible:
        return None
    if len(possible) == 1:
        return kind, possible, None
    why = f"{values[0]!r} fits {' and '.join(possible)}; no value in the sample excludes one"
    return "string", possible, f"{why}; kept as text until one is chosen"


def looks_typed(value: str) -> bool:
    """Whether a cell is a number, a date or a time: what a header cell never is."""
    tests: tuple[Callable[[list[str]], _Decision], ...] = (_as_number, _as_date, _as_time)
    return any(test([value.strip()]) is not None for test in tests)

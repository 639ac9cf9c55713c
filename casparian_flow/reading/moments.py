"""Read dates and times that are written in one known form.

A form is written as for `strptime`: `%Y %y %m %d %H %I %M %S %f %p %b %B %a %A %z`. Arrow's own
`strptime` takes 31/02 for the 2nd of March; here a date that does not exist fits no form.
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_LONG_MONTHS = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
]  # fmt: skip
_NAMES = "|".join(_MONTHS)
_LONG_NAMES = "|".join(_LONG_MONTHS)
_PIECES = {
    "Y": "(?P<Y>[0-9]{4})",
    "y": "(?P<y>[0-9]{2})",
    "m": "(?P<m>0?[1-9]|1[0-2])",
    "d": "(?P<d>0?[1-9]|[12][0-9]|3[01])",
    "H": "(?P<H>[01]?[0-9]|2[0-3])",
    "I": "(?P<I>0?[1-9]|1[0-2])",
    "M": "(?P<M>[0-5][0-9])",
    "S": "(?P<S>[0-5][0-9])",
    "f": "(?P<f>[0-9]{1,6})0{0,3}",
    "p": "(?P<p>[AaPp][Mm])",
    "b": f"(?P<b>(?i:{_NAMES}))",
    "B": f"(?P<B>(?i:{_LONG_NAMES}))",
    "a": "(?i:mon|tue|wed|thu|fri|sat|sun)",
    "A": "(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
    "z": "(?P<z>Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])",
}
_FIXED_DAY = {"m": "(?P<m>0[1-9]|1[0-2])", "d": "(?P<d>0[1-9]|[12][0-9]|3[01])"}
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST_OF_1900S = 69
"""Two digits from here on are 19xx, before it 20xx (POSIX)."""


@cache
def pattern_of(form: str) -> str:
    """A regular expression, for Python's `re` and for RE2, with the form's parts as its groups.

    Raises:
        ValueError: the form has a part that is not supported, or one twice.
    """
    pieces = dict(_PIECES)
    if re.search(r"%[Ymd]%[Ymd]", form):  # nothing between them: then each has its full width
        pieces |= _FIXED_DAY
    pattern = ""
    for part in re.findall(r"%.|[^%]+|%", form):
        if part.startswith("%") and len(part) == 2:
            if part[1] not in pieces:
                raise ValueError(f"{part} in {form!r} is not supported")
            pattern += pieces[part[1]]
        else:
            pattern += re.escape(part).replace(r"\ ", " +")
    return f"^{pattern}$"


@cache
def _compiled(form: str) -> re.Pattern[str]:
    return re.compile(pattern_of(form))


def fits(text: str, form: str) -> bool:
    """Whether a text is a date or time in this form that exists."""
    return day_of(text, form) is not None


def day_of(text: str, form: str) -> tuple[int, int, int] | None:
    """The year, month and day of a text in this form; None if it is none that exists."""
    found = _compiled(form).match(text)
    if found is None or "\n" in text:
        return None
    parts = found.groupdict()
    year, month, day = int(parts.get("Y") or 0) or _full_year(parts.get("y")), _month_of(parts), 1
    if "d" in parts:
        day = int(parts["d"])
    last = 28 if month == 2 and not _is_leap(year) else _LENGTHS[month - 1]
    return (year, month, day) if 1 <= day <= last else None


def _month_of(parts: dict[str, str]) -> int:
    if parts.get("m"):
        return int(parts["m"])
    name = (parts.get("b") or parts.get("B") or "jan").lower()
    return _MONTHS.index(name[:3]) + 1


def _full_year(two: str | None) -> int:
    if two is None:
        return 2000
    return int(two) + (1900 if int(two) >= _FIRST_OF_1900S else 2000)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def parse(text: pa.Array, form: str) -> pa.Array:
    """Timestamps of a column of text, in microseconds; null where a value does not fit the form.

    In: strings, trimmed. Out: `timestamp[us]`, in UTC if the form names a zone.
    """
    parts = _parts(text, form)
    year, month = _years(parts), _months(parts)
    day = _two_digits(parts.get("d"), like=year)
    good = pc.fill_null(_exists(year, month, day), False)
    pieces = [year, "-", month, "-", day, "T", *_clock(parts, like=year)]
    if "z" in parts:
        pieces.append(parts["z"])
    written = [pa.scalar(piece) if isinstance(piece, str) else piece for piece in pieces]
    iso = pc.binary_join_element_wise(*written, "")
    kind = pa.timestamp("us", tz="UTC" if "z" in parts else None)
    return pc.if_else(good, iso, None).cast(kind)


def _parts(text: pa.Array, form: str) -> dict[str, pa.Array]:
    found = pc.extract_regex(text, pattern_of(form))
    parts: dict[str, pa.Array] = {}
    for number in range(found.type.num_fields):
        name = found.type.field(number).name
        parts[name] = pc.if_else(pc.is_valid(found), pc.struct_field(found, [number]), None)
    return parts


def _constant(value: str, like: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_valid(like), value, None)


def _two_digits(part: pa.Array | None, *, like: pa.Array, default: str = "01") -> pa.Array:
    return _constant(default, like) if part is None else pc.utf8_lpad(part, 2, "0")


def _years(parts: dict[str, pa.Array]) -> pa.Array:
    if "Y" in parts:
        return parts["Y"]
    if "y" not in parts:
        return _constant("2000", next(iter(parts.values())))
    is_old = pc.greater_equal(parts["y"].cast(pa.int64()), _FIRST_OF_1900S)
    return pc.binary_join_element_wise(pc.if_else(is_old, "19", "20"), parts["y"], "")


def _months(parts: dict[str, pa.Array]) -> pa.Array:
    if "m" in parts:
        return pc.utf8_lpad(parts["m"], 2, "0")
    name = parts["b"] if "b" in parts else parts.get("B")
    if name is None:
        return _constant("01", next(iter(parts.values())))
    short = pc.utf8_slice_codeunits(pc.utf8_lower(name), 0, 3)
    number = pc.add(pc.index_in(short, pa.array(_MONTHS)), 1).cast(pa.string())
    return pc.utf8_lpad(number, 2, "0")


def _exists(year: pa.Array, month: pa.Array, day: pa.Array) -> pa.Array:
    """Whether the month has the day, 29 February in leap years only."""
    y, m, d = (part.cast(pa.int64()) for part in (year, month, day))
    length = pa.array(_LENGTHS, pa.int64()).take(pc.subtract(m, 1))
    is_leap = pc.and_(_divides(y, 4), pc.or_(pc.invert(_divides(y, 100)), _divides(y, 400)))
    is_29th = pc.and_(pc.equal(m, 2), pc.equal(d, 29))
    return pc.and_(pc.less_equal(d, length), pc.or_(pc.invert(is_29th), is_leap))


def _divides(number: pa.Array, by: int) -> pa.Array:
    return pc.equal(pc.multiply(pc.divide(number, by), by), number)


def _clock(parts: dict[str, pa.Array], *, like: pa.Array) -> list[pa.Array | str]:
    """Hours, minutes, seconds and what there is of a fraction, as ISO 8601 writes them."""
    hour = parts.get("H")
    if "I" in parts:
        plain = parts["I"].cast(pa.int64())
        twelve = pc.if_else(pc.equal(plain, 12), 0, plain)
        if "p" in parts:
            is_late = pc.equal(pc.utf8_lower(parts["p"]), "pm")
            twelve = pc.add(twelve, pc.if_else(is_late, 12, 0))
        hour = twelve.cast(pa.string())
    pieces: list[pa.Array | str] = [
        _two_digits(hour, like=like, default="00"), ":",
        _two_digits(parts.get("M"), like=like, default="00"), ":",
        _two_digits(parts.get("S"), like=like, default="00"),
    ]  # fmt: skip
    if "f" in parts:
        pieces += [".", pc.utf8_slice_codeunits(pc.utf8_rpad(parts["f"], 6, "0"), 0, 6)]
    return pieces

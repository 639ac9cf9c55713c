"""The kinds of columns, and how text becomes a value of each."""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.reading import moments

KINDS = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "truth": "a truth value",
    "date": "a date",
    "time": "a point in time",
    "json": "JSON",
}
_BLANKS, _BLANK = " \u00a0\u202f\u2009", r"[ \x{a0}\x{202f}\x{2009}]"
NUMBER_FORMS = {
    # how it is written: (marks between thousands, decimal mark, pattern)
    "point": ("", ".", r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?"),
    "decimal comma": (
        ".",
        ",",
        r"[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]+)(,[0-9]*)?([eE][+-]?[0-9]{1,3})?",
    ),
    "thousands comma": (",", ".", r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)([.][0-9]*)?"),
    "thousands point": (".", ",", r"[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]+)"),
    "thousands space": (
        _BLANKS,
        ".",
        rf"[+-]?([0-9]{{1,3}}({_BLANK}[0-9]{{3}})+|[0-9]+)([.][0-9]+)?",
    ),
    "thousands space, decimal comma": (
        _BLANKS,
        ",",
        rf"[+-]?([0-9]{{1,3}}({_BLANK}[0-9]{{3}})+|[0-9]+)(,[0-9]+)?",
    ),
    "thousands apostrophe": (
        "'\u2019",
        ".",
        r"[+-]?([0-9]{1,3}(['\x{2019}][0-9]{3})+|[0-9]+)([.][0-9]+)?",
    ),
    "Indian grouping": (
        ",",
        ".",
        r"[+-]?([0-9]{1,2}(,[0-9]{2})*,[0-9]{3}|[0-9]{1,3})([.][0-9]+)?",
    ),
}
"""How numbers are written; patterns are RE2's."""
_NOT_EXACT = r"^[+-]?(0[0-9]|[0-9]{16,}([.][0-9]*)?$)"
"""Codes, and numbers whose whole part may be too long for a double to hold."""
_LEAST_ISO_CHARS = 16
_EPOCHS = {"epoch s": 1_000_000, "epoch ms": 1_000, "epoch us": 1}
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,6}0{0,3})?)?"
_ISO_NS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]{1,9}"
_ZONE = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"


SHEET_TIME = "iso or day"
"""As the cells of a workbook are written here: it does not tell midnight from no time of day."""
OFX_TIME = (
    "^(?P<day>[0-9]{8})(?P<clock>[0-9]{6})?(?:[.](?P<part>[0-9]{1,6}))?"
    r"(?:\[(?P<hours>[+-]?(?:[0-9]|1[0-4]))(?::[A-Za-z]*)?\])?$"
)
"""As bank statements write a time: 20120720000000.000[-4:EDT]; without a zone it is in UTC."""


def convert(text: pa.Array, spec: Sequence[str | None]) -> pa.Array:
    """Values of a kind; null where a text is none.

    In: strings. Out: the kind's Arrow type (`timestamp[us, UTC]` for times that name a zone).
    Where the form is None (and not left out) it is not decided yet: the column stays text.
    """
    kind, form, unit = (*spec, None, None)[:3]
    if kind in ("text", "json") or (form is None and (len(spec) > 1 or kind in ("date", "time"))):
        return text
    trimmed = pc.utf8_trim_whitespace(text)
    if unit:
        trimmed = _without_unit(trimmed, unit)
    return _CONVERTERS[str(kind)](trimmed, form or "")


def _without_unit(text: pa.Array, unit: str) -> pa.Array:
    """Numbers without the one unit before or behind them; null where it is missing."""
    mark = _escaped(unit)
    before, behind = f"^([(+-]*) ?{mark} ?", f" ?{mark}([)]?)$"
    has_before = pc.match_substring_regex(text, before)
    has_behind = pc.match_substring_regex(text, behind)
    bare = pc.if_else(
        has_before,
        pc.replace_substring_regex(text, before, r"\1"),
        pc.replace_substring_regex(text, behind, r"\1"),
    )
    return pc.utf8_trim_whitespace(pc.if_else(pc.or_(has_before, has_behind), bare, None))


def _escaped(text: str) -> str:
    return "".join(f"\\{one}" if not one.isalnum() and one.isascii() else one for one in text)


def _matching(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, f"^(?:{pattern})$"), text, None)


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """All values by Arrow's own parser, which is quick; None if one of them is not for it."""
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        return None


def _integer(text: pa.Array, form: str) -> pa.Array:
    # Arrow takes 0x1f for 31 and 007 for 7; the first is none, the second a code.
    if form in ("", "point") and not _holds(text, "[xX]|^[+-]?0[0-9]"):
        quick = _cast(text, pa.int64())
        if quick is not None:
            return quick
    if form and form != "point":
        return _whole(_number_text(text, form))
    return _whole(text)


def _holds(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _whole(text: pa.Array) -> pa.Array:
    text = pc.replace_substring_regex(text, "^\u2212", "-")
    plain = pc.replace_substring_regex(_matching(text, "[+-]?(0|[1-9][0-9]{0,18})"), "^[+]", "")
    if _holds(plain, "[0-9]{19}"):  # of which 64 bits hold some
        held = [value if value is None or _is_int64(value) else None for value in plain.to_pylist()]
        plain = pa.array(held, pa.string())
    return plain.cast(pa.int64())


def _is_int64(text: str) -> bool:
    return -(1 << 63) <= int(text) < 1 << 63


def _number(text: pa.Array, form: str) -> pa.Array:
    if form in ("", "point") and not _holds(text, _NOT_EXACT):
        quick = _cast(text, pa.float64())
        if quick is not None and pc.all(pc.is_finite(quick)).as_py() is not False:
            return quick
    plain = _number_text(text, form or "point")
    if _holds(plain, _NOT_EXACT):
        plain = _exact(plain)
    value = pc.replace_substring_regex(plain, "^[+]", "").cast(pa.float64())
    return pc.if_else(pc.is_finite(value), value, None)


def _exact(text: pa.Array) -> pa.Array:
    """Without codes, and without whole numbers that a double would change."""
    doubtful = pc.indices_nonzero(pc.match_substring_regex(text, _NOT_EXACT)).to_pylist()
    wrong = {row for row in doubtful if not _is_held(text[row].as_py())}
    return pc.if_else(pa.array([row in wrong for row in range(len(text))]), None, text)


def _is_held(text: str) -> bool:
    """Whether a double keeps a long number as it is; a code that begins with 0 is none."""
    is_code = text.lstrip("+-").startswith("0")
    return not is_code and Decimal(text) == Decimal(float(text))


def _number_text(text: pa.Array, form: str) -> pa.Array:
    """Numbers written the way every machine reads them; null where one is not in this form."""
    marks, decimal, pattern = NUMBER_FORMS[form]
    text = pc.replace_substring_regex(text, "^[(](.*)[)]$", r"-\1")  # (12) is -12 in accounts
    text = pc.replace_substring_regex(text, "^([0-9].*)-$", r"-\1")
    text = pc.replace_substring_regex(text, "^[\u2212\u2013]", "-")
    text = pc.replace_substring_regex(text, "^([+-]) +", r"\1")
    plain = _matching(text, pattern)
    for mark in marks:
        plain = pc.replace_substring(plain, mark, "")
    return pc.replace_substring(plain, decimal, ".") if decimal != "." else plain


def _truth(text: pa.Array, form: str) -> pa.Array:
    yes, _, no = form.partition("/")
    is_yes, is_no = pc.equal(text, yes), pc.equal(text, no)
    return pc.equal(pc.if_else(pc.or_(is_yes, is_no), text, None), yes)


def _date(text: pa.Array, form: str) -> pa.Array:
    if form == "%Y-%m-%d" and (quick := _cast(text, pa.date32())) is not None:
        return quick
    few = text.dictionary_encode()
    if len(few.dictionary) * 4 < len(text):  # days come again and again
        return moments.parse(few.dictionary, form).cast(pa.date32()).take(few.indices)
    return moments.parse(text, form).cast(pa.date32())


def _time(text: pa.Array, form: str) -> pa.Array:
    if form in _EPOCHS:
        return _epoch(text, form)
    if form == "ofx":
        return _ofx_time(text)
    if form == SHEET_TIME:
        midnight = pc.replace_substring_regex(
            text, "^([0-9]{4}-[0-9]{2}-[0-9]{2})$", r"\1 00:00:00"
        )
        return _iso_time(midnight, is_zoned=False, unit="us")
    if form.startswith("iso"):
        return _iso_time(text, is_zoned="zoned" in form, unit="ns" if "ns" in form else "us")
    return moments.parse(text, form)


def _iso_time(text: pa.Array, *, is_zoned: bool, unit: str) -> pa.Array:
    kind = pa.timestamp(unit, tz="UTC" if is_zoned else None)
    if pc.min(pc.utf8_length(text)).as_py() in range(_LEAST_ISO_CHARS, 36):
        quick = _cast(text, kind)
        if quick is not None:
            return quick
    shape = _ISO_NS if unit == "ns" else _ISO
    good = pc.match_substring_regex(text, f"{shape}{_ZONE if is_zoned else ''}$")
    iso = pc.replace_substring(pc.if_else(good, text, None), ",", ".")
    if unit == "us":
        iso = pc.replace_substring_regex(iso, r"([.][0-9]{6})0+", r"\1")
    exists = pc.is_valid(moments.parse(pc.utf8_slice_codeunits(iso, 0, 10), "%Y-%m-%d"))
    if unit == "ns":  # years that nanoseconds since 1970 reach, in 64 bits
        year = pc.utf8_slice_codeunits(iso, 0, 4).cast(pa.int64())
        reached = pc.and_(pc.greater(year, 1677), pc.less(year, 2262))
        exists = pc.and_(exists, pc.fill_null(reached, False))
    clock = pc.match_substring_regex(iso, "[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
    iso = pc.if_else(pc.and_(exists, pc.fill_null(clock, False)), iso, None)
    if is_zoned:  # Arrow wants seconds before a zone
        iso = pc.replace_substring_regex(iso, "([T ][0-9]{2}:[0-9]{2})(Z|[+-])", r"\1:00\2")
    return iso.cast(kind)


def _ofx_time(text: pa.Array) -> pa.Array:
    found = pc.extract_regex(text, OFX_TIME)

    def part(name: str, missing: str) -> pa.Array:
        value = pc.struct_field(found, name)
        return pc.if_else(pc.equal(value, ""), missing, value)

    moment = pc.binary_join_element_wise(part("day", ""), part("clock", "000000"), "")
    micro = moments.parse(moment, "%Y%m%d%H%M%S").cast(pa.int64())
    fraction = pc.utf8_rpad(part("part", "0"), 6, "0").cast(pa.int64())
    hours = pc.replace_substring(part("hours", "0"), "+", "").cast(pa.int64())
    utc = pc.subtract(pc.add(micro, fraction), pc.multiply(hours, 3_600_000_000))
    return utc.cast(pa.timestamp("us", tz="UTC"))


def _epoch(text: pa.Array, form: str) -> pa.Array:
    """Seconds or parts of them since 1970, in UTC."""
    count = _whole(text)
    inside = pc.less_equal(pc.abs(count), (1 << 62) // _EPOCHS[form])
    micro = pc.multiply(pc.if_else(inside, count, None), _EPOCHS[form])
    return micro.cast(pa.timestamp("us", tz="UTC"))


_CONVERTERS: dict[str, Callable[[pa.Array, str], pa.Array]] = {
    "integer": _integer,
    "number": _number,
    "truth": _truth,
    "date": _date,
    "time": _time,
}

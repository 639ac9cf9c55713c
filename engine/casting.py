"""Give values another type where it holds them exactly, and find those that it does not."""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.reading.kinds import convert

_FAMILIES = (
    # the first test that holds names the family
    (pa.types.is_null, "null"), (pa.types.is_boolean, "truth"), (pa.types.is_integer, "number"),
    (pa.types.is_floating, "number"), (pa.types.is_decimal, "number"), (pa.types.is_date, "date"),
    (pa.types.is_time, "clock"), (pa.types.is_string, "text"), (pa.types.is_large_string, "text"),
)  # fmt: skip
_READ_AS = {"truth": ("truth", "true/false"), "date": ("date", "%Y-%m-%d"),
            "moment": ("time", "iso"), "zoned moment": ("time", "iso zoned")}  # fmt: skip
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?$"
_HELD = {
    ("number", "number"), ("truth", "truth"), ("date", "date"), ("date", "moment"),
    ("clock", "clock"), ("moment", "moment"), ("zoned moment", "zoned moment"), ("text", "text"),
    ("number", "text"), ("truth", "text"), ("date", "text"), ("clock", "text"), ("moment", "text"),
    ("zoned moment", "text"),
}  # fmt: skip
"""From which family to which values are cast; whether each is held is seen by casting it back."""


def exactly(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The column in another type, null where it does not hold a value, and which rows those are.

    Arrow's safe casts read 007 as 7, round 2.675 to two places and call 5 true: none of it passes.
    """
    before, after = _family(column.type), _family(kind)
    if before == "text" and after != "text":
        found = _read(column, kind, after)
    elif before == "null":
        return pa.nulls(len(column), kind), []
    elif (before, after) in _HELD:
        found = _cast(column, kind)
        same = pc.fill_null(pc.equal(_cast(found, column.type), column), False)
        found = pc.if_else(same, found, pa.scalar(None, kind))
    else:
        found = pa.nulls(len(column), kind)
    wrong = pc.and_(pc.is_valid(column), pc.is_null(found))
    return found, pc.indices_nonzero(wrong).to_pylist()


def _family(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "zoned moment" if kind.tz else "moment"
    return next((name for test, name in _FAMILIES if test(kind)), str(kind))


def _read(text: pa.Array, kind: pa.DataType, family: str) -> pa.Array:
    """Texts as the readers of plugins read them."""
    text = text.cast(pa.string())
    if pa.types.is_integer(kind):
        found = convert(text, ("integer",))
    elif pa.types.is_decimal(kind):
        return _cast(_plain(text), kind)
    elif family == "number":
        found = convert(text, ("number",))
    elif family == "clock":
        found = _clock(text)
    elif family in _READ_AS:
        found = convert(text, _READ_AS[family])
    else:
        return pa.nulls(len(text), kind)
    return found if found.type == kind else exactly(found, kind)[0]


def _clock(text: pa.Array) -> pa.Array:
    """Times of day, `12:30` or `12:30:00.5`."""
    good = pc.match_substring_regex(
        text, r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?$"
    )
    moment = pc.binary_join_element_wise("1970-01-01", pc.if_else(good, text, None), " ")
    return moment.cast(pa.timestamp("ns")).cast(pa.time64("ns"))


def _plain(text: pa.Array) -> pa.Array:
    """Texts that are plain decimal numbers, and no codes."""
    pattern = r"^[+-]?(0|[1-9][0-9]*)([.][0-9]+)?$"
    return pc.if_else(pc.match_substring_regex(text, pattern), text, None)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Arrow's safe cast, value by value where it fails for some."""
    try:
        return column.cast(kind, safe=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(column) <= 1:
            return pa.nulls(len(column), kind)
    middle = len(column) // 2
    halves = [column.slice(0, middle), column.slice(middle)]
    return pa.concat_arrays([_cast(half, kind) for half in halves])


def widens(few: pa.DataType, many: pa.DataType) -> bool:  # noqa: PLR0911 - one return a kind reads best
    """Whether every value of one type is, unchanged, a value of another."""
    if few == many or pa.types.is_null(few):
        return True
    if pa.types.is_integer(few) and pa.types.is_integer(many):
        is_unsigned = pa.types.is_unsigned_integer(few)
        room = many.bit_width if pa.types.is_unsigned_integer(many) else many.bit_width - 1
        need = few.bit_width if is_unsigned else few.bit_width - 1
        return room >= need and (is_unsigned or pa.types.is_signed_integer(many))
    if pa.types.is_integer(few) and pa.types.is_floating(many):
        return few.bit_width <= many.bit_width // 2
    if pa.types.is_integer(few) and pa.types.is_decimal(many):
        return _DIGITS[few.bit_width] <= many.precision - many.scale
    if pa.types.is_floating(few) and pa.types.is_floating(many):
        return few.bit_width <= many.bit_width
    if pa.types.is_decimal(few) and pa.types.is_decimal(many):
        return few.scale <= many.scale and few.precision - few.scale <= many.precision - many.scale
    if pa.types.is_timestamp(few) and pa.types.is_timestamp(many):
        return few.tz == many.tz and _UNITS.index(few.unit) <= _UNITS.index(many.unit) < 3
    return pa.types.is_string(few) and pa.types.is_large_string(many)


_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
"""Of the longest integer of so many bits."""
_UNITS = ("s", "ms", "us", "ns")
"""From the coarsest to the finest; the last reaches fewer years than the others."""

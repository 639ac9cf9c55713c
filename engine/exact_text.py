"""Give the values of a column as texts that are equal where, and only where, the values are."""

# pyarrow.compute makes its functions when it is imported; a checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

_WHOLE_BELOW = 2.0**63
_SECONDS = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "ns": Decimal("1e-9")}


def exact_text(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """A column's values as text; null stays null.

    Numbers of different types have the same text where they are the same number, and so have
    moments and durations of different units. Moments with a time zone are told in UTC and end in
    `Z`; durations in seconds, such as `PT1.5S`; bytes in hexadecimal; nested values as JSON.
    """
    tell = next(tell for is_so, tell in _TELLERS if is_so(column.type))
    return tell(column)


def shown(column: pa.ChunkedArray[Any] | pa.Array[Any]) -> list[str | None]:
    """A column's values for people: as Python writes them, exactly where Python has no such value.

    It has none for nanoseconds, and for moments after the year 9999.
    """
    try:
        return [None if value is None else str(value) for value in column.to_pylist()]
    except (ValueError, OverflowError):
        whole = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    try:
        return exact_text(whole).to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):  # some nested types
        return [
            f"({column.type})" if is_there else None for is_there in column.is_valid().to_pylist()
        ]


def _floats(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Whole numbers without a point, all others in the shortest form that gives them back."""
    column = column.cast(pa.float64())
    small = pc.less(pc.abs(column), pa.scalar(_WHOLE_BELOW))
    whole = pc.and_kleene(small, pc.equal(pc.floor(column), column))
    integers = pc.if_else(whole, column, pa.scalar(0.0)).cast(pa.int64()).cast(pa.string())
    others = _decimals(column)
    if pc.any(pc.and_kleene(pc.is_finite(column), pc.invert(small))).as_py():
        others = pa.chunked_array(
            [pa.array([_exactly(v) for v in column.to_pylist()], pa.string())]
        )
    return cast("pa.ChunkedArray[Any]", pc.if_else(whole, integers, others))


def _exactly(value: float | None) -> str | None:
    """A double as text; a large whole one with each of its digits."""
    if value is None:
        return None
    if not math.isfinite(value):
        return repr(value)
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")


def _without_exponents(texts: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """`1E-8` as 0.00000001."""
    has = pc.match_substring_regex(texts, r"\d[eE]")
    if not pc.any(has).as_py():
        return texts
    told = [
        format(Decimal(text), "f") if is_short else text
        for text, is_short in zip(texts.to_pylist(), has.to_pylist(), strict=True)
    ]
    return pa.chunked_array([pa.array(told, pa.string())])


def _without_zeros(texts: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Without zeros at the end of a fraction, and without its point where nothing is left."""
    shorter = pc.replace_substring_regex(texts, r"(\.\d*?)0+$", r"\1")
    return cast("pa.ChunkedArray[Any]", pc.replace_substring_regex(shorter, r"\.$", ""))


def _decimals(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return _without_zeros(_without_exponents(column.cast(pa.string())))


def _moments(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    texts = _without_zeros(column.cast(pa.timestamp(column.type.unit)).cast(pa.string()))
    return texts if column.type.tz is None else _joined(texts, "Z")


def _times(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return _without_zeros(column.cast(pa.string()))


def _durations(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Such as `PT1.5S`."""
    counts = column.cast(pa.int64()).cast(pa.decimal128(19))
    seconds = pc.multiply(counts, pa.scalar(_SECONDS[column.type.unit]))
    texts = pc.binary_join_element_wise(pa.scalar("PT"), _decimals(seconds), pa.scalar("S"), "")
    return cast("pa.ChunkedArray[Any]", texts)


def _bytes(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    told = [None if value is None else value.hex() for value in column.to_pylist()]
    return pa.chunked_array([pa.array(told, pa.string())])


def _encoded(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return exact_text(column.cast(column.type.value_type))


def _plain(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return column.cast(pa.string())


def _joined(texts: pa.ChunkedArray[Any], end: str) -> pa.ChunkedArray[Any]:
    return cast("pa.ChunkedArray[Any]", pc.binary_join_element_wise(texts, pa.scalar(end), ""))


def _by_value(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """One by one, for types that Arrow has no text for."""
    column = column.cast(_for_python(column.type))
    told = [
        None if value is None else json.dumps(value, default=str) for value in column.to_pylist()
    ]
    return pa.chunked_array([pa.array(told, pa.string())])


def _for_python(kind: pa.DataType) -> pa.DataType:
    """A nested type with text for the moments in it, and counts of their unit for durations."""
    if pa.types.is_temporal(kind) and not pa.types.is_date(kind):
        return pa.int64() if pa.types.is_duration(kind) else pa.string()
    if pa.types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return pa.struct([one.with_type(_for_python(one.type)) for one in fields])
    if pa.types.is_list(kind):
        return pa.list_(_for_python(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_for_python(kind.value_type))
    return kind


def _is_any(_kind: pa.DataType) -> bool:
    return True


_TELLERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_dictionary, _encoded),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_time, _times),
    (pa.types.is_duration, _durations),
    (pa.types.is_binary, _bytes),
    (pa.types.is_large_binary, _bytes),
    (pa.types.is_fixed_size_binary, _bytes),
    (pa.types.is_binary_view, _bytes),
    (pa.types.is_boolean, _plain),
    (pa.types.is_integer, _plain),
    (pa.types.is_string, _plain),
    (pa.types.is_large_string, _plain),
    (pa.types.is_string_view, _plain),
    (pa.types.is_date, _plain),
    (pa.types.is_null, _plain),
    (_is_any, _by_value),
)

"""A type that was agreed on changes no value: it holds it, or the row is set aside."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from engine.casting import exactly

DAY = datetime(2024, 1, 2, 13, 5)  # noqa: DTZ001 - without a zone on purpose


@pytest.mark.parametrize(
    ("values", "kind", "held"),
    [
        (["007", "0x1F", "42", "4.5", None], pa.int64(), [None, None, 42, None, None]),
        (["1.5", "9007199254740993", "x"], pa.float64(), [1.5, None, None]),
        (["1.50", "2.675", "01"], pa.decimal128(10, 2), [Decimal("1.50"), None, None]),
        (["true", "yes", "1"], pa.bool_(), [True, None, None]),
        (["2024-01-02", "02/01/2024"], pa.date32(), [date(2024, 1, 2), None]),
        ([5, 0, 1], pa.bool_(), [None, None, None]),
        ([0.5, 2.0], pa.int64(), [None, 2]),
        ([1e300, 0.5, 16777217.0], pa.float32(), [None, 0.5, None]),
        ([1.005, 2.5], pa.decimal128(10, 2), [None, Decimal("2.50")]),
        ([2**53 + 1, 7], pa.float64(), [None, 7.0]),
        ([300, 7], pa.int8(), [None, 7]),
        ([5], pa.timestamp("us"), [None]),
        ([DAY], pa.date32(), [None]),
        ([DAY], pa.time64("us"), [None]),
        ([DAY.replace(tzinfo=UTC)], pa.timestamp("us"), [None]),
        ([date(2024, 1, 2)], pa.timestamp("us"), [datetime(2024, 1, 2)]),  # noqa: DTZ001
        ([7, -1], pa.string(), ["7", "-1"]),
        (
            ["12:30:00", "12:30", "23:59:59.5", "25:00:00", "noon", None],
            pa.time64("us"),
            [time(12, 30), time(12, 30), time(23, 59, 59, 500_000), None, None, None],
        ),
        ([None, None], pa.int64(), [None, None]),
    ],
)
def test_a_value_is_held_exactly_or_not_at_all(
    values: list[Any], kind: pa.DataType, held: list[Any]
) -> None:
    column = pa.array(values)

    found, wrong = exactly(column, kind)

    assert found.type == kind
    assert found.to_pylist() == held
    expected = [
        n for n, (a, b) in enumerate(zip(values, held, strict=True)) if a is not None and b is None
    ]
    assert wrong == expected


def test_a_long_decimal_is_no_double() -> None:
    column = pa.array([Decimal("12345678901234567.89"), Decimal("0.25")])

    assert exactly(column, pa.float64())[1] == [0]

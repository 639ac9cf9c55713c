"""Rows of two plugin versions, compared exactly, whatever their types and names."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from engine.comparing import compare
from engine.exact_text import exact_text


def test_rows_are_compared_by_line_where_they_name_it() -> None:
    before = pa.table({"id": [1, 2, 3], "x": ["a", "b", None], "_line": [2, 3, 4]})
    after = pa.table({"id": [1.0, 2.0, 4.0], "x": ["a", "B", "n"], "_line": [2, 3, 5]})

    found = compare(before, after, file="f.csv")

    assert (found.added, found.removed, found.changed, found.same) == (1, 1, 1, 1)
    assert found.columns == {"x": 1}
    assert found.examples == ["f.csv line 3: x 'b' → 'B'"]
    assert found.by_order == 0
    assert compare(before, before, file="f").same == 3


def test_without_a_line_equal_rows_are_the_same_and_the_others_go_by_order() -> None:
    before = pa.table({"id": [1, 2, 3, 3]})
    after = pa.table({"id": [0, 1, 2, 3, 3, 3]})
    moved = pa.table({"id": [3, 9, 1, 3]})

    found = compare(before, after, file="f.csv")
    other = compare(before, moved, file="f.csv")

    assert (found.added, found.removed, found.changed, found.same) == (2, 0, 0, 4)
    assert (other.changed, other.same, other.by_order) == (1, 3, 1)
    assert other.examples == ["f.csv without a line of its own: id '2' → '9'"]


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (2**53, 2**53 + 1, pa.int64()),
        (
            Decimal("0.12345678901234567890"),
            Decimal("0.12345678901234567891"),
            pa.decimal128(38, 20),
        ),
        (b"\xff", b"\xfe", pa.binary()),
        (dt.timedelta(seconds=1), dt.timedelta(seconds=2), pa.duration("s")),
        ([1, 2], [1, 3], pa.list_(pa.int64())),
        (1_577_836_800_000_001, 1_577_836_800_000_000, pa.timestamp("us")),
    ],
)
def test_what_differs_by_little_is_changed(was: Any, now: Any, kind: pa.DataType) -> None:
    before = pa.table({"v": pa.array([was, was], kind), "_line": [1, 2]})
    after = pa.table({"v": pa.array([was, now], kind), "_line": [1, 2]})

    found = compare(before, after, file="f")

    assert (found.changed, found.same) == (1, 1)


def test_names_are_names_whatever_they_look_like() -> None:
    names = ["v", "v:new", "v'", "@row", "nth", "is_old", "is_new", "whole", "again", "c0", "c1'"]
    before = pa.table({name: [1, 2] for name in names})
    after = before.set_column(1, "v:new", pa.array([1, 3]))

    found = compare(before, after, file="f")

    assert (found.changed, found.same, found.columns) == (1, 1, {"v:new": 1})


def test_values_that_run_into_each_other_are_not_taken_for_the_same() -> None:
    before = pa.table({"a": ["1:x", None], "b": ["", "-"]})
    after = pa.table({"a": ["1", "-"], "b": [":x", None]})

    assert compare(before, after, file="f").same == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([5, -3, None]), pa.array([5.0, -3.0, None])),
        (pa.array([Decimal("1.50")]), pa.array([1.5])),
        (pa.array([1e-7]), pa.array([Decimal("0.0000001")])),
        (pa.array([1e20]), pa.array([Decimal(10**20)])),
        (pa.array([2.0**63, float("nan")]), pa.array([str(1 << 63), "nan"])),
        (pa.array([0.1], pa.float32()), pa.array([0.10000000149011612])),
        (pa.array([5], pa.duration("s")), pa.array([5000], pa.duration("ms"))),
        (pa.array([1_000], pa.timestamp("ms")), pa.array([1_000_000_000], pa.timestamp("ns"))),
        (pa.array(["a"]), pa.array(["a"]).dictionary_encode()),
        (pa.array([b"ab"]), pa.array([b"ab"], pa.binary(2))),
    ],
)  # fmt: skip
def test_a_type_that_widens_changes_no_value(one: Any, other: Any) -> None:
    assert exact_text(pa.chunked_array([one])) == exact_text(pa.chunked_array([other]))

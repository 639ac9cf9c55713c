"""Text becomes values, or is set aside: nothing becomes another value, nothing disappears."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casparian_flow.errors import PluginError
from casparian_flow.reading import delimited, json_text, moments
from casparian_flow.reading.columns import typed
from casparian_flow.reading.kinds import convert
from casparian_flow.reading.sources import Source
from casparian_flow.sdk import NOWHERE, BasePlugin, Position
from engine.formats.elimination import profile_column


class Kept:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.aside: list[tuple[str, int | None, Position]] = []
        self.read = 0

    def publish(self, topic: str, data: object) -> None:
        raise AssertionError(topic, data)

    def quarantine(
        self, record: object, reason: str, line: int | None, position: Position = NOWHERE
    ) -> None:
        assert isinstance(record, str)
        self.aside.append((reason, line, position))

    def account(self, read: int, skipped: Mapping[str, int]) -> None:
        assert not skipped
        self.read += read


def values(texts: list[str | None], *spec: str | None) -> list[Any]:
    return convert(pa.array(texts, pa.string()), spec).to_pylist()


@pytest.mark.parametrize(
    ("spec", "texts", "expected"),
    [
        (("integer",), ["1", " -7 ", "+5", "1.0", "x", None], [1, -7, 5, None, None, None]),
        (("integer", "thousands comma"), ["1,234", "12", "1,23"], [1234, 12, None]),
        (("number",), ["1.5", "(2.5)", "4-", "1e5", "nan"], [1.5, -2.5, -4, 1e5, None]),
        (("number", "decimal comma"), ["1.234,5", "1,5", "12.34"], [1234.5, 1.5, None]),
        (("number", "thousands comma", "$"), ["$1,234.50", "-$5", "8"], [1234.5, -5, None]),
        (("number", "point", "%"), ["12.5%", "7 %", "x%"], [12.5, 7, None]),
        (("number", "thousands space, decimal comma"), ["1\u00a0234,5", "7"], [1234.5, 7]),
        (("number", "thousands apostrophe"), ["1'234.5"], [1234.5]),
        (("number", "Indian grouping"), ["12,34,567.5", "1,23"], [1234567.5, None]),
        (("truth", "yes/no"), ["yes", "no", "maybe"], [True, False, None]),
        (("date", "%d/%m/%Y"), ["31/02/2024", "29/02/2024"], [None, date(2024, 2, 29)]),
        (("date", "%d/%m/%Y"), ["29/02/2023"], [None]),
        (("time", "iso"), ["2024-02-30 10:00:00", "2024-01-01T25:00:00"], [None, None]),
        (("time", "epoch s"), ["0"], [datetime(1970, 1, 1, tzinfo=UTC)]),
        (("time", "epoch ms"), ["86400000"], [datetime(1970, 1, 2, tzinfo=UTC)]),
        (("time", "iso"), ["2024-01-01 10:00:00.1234567"], [None]),
        (("date", None), ["01/02/2024"], ["01/02/2024"]),
        (("number", None), ["1,234"], ["1,234"]),
    ],
)  # fmt: skip
def test_a_text_becomes_its_value_or_none(
    spec: tuple[str | None, ...], texts: list[str | None], expected: list[Any]
) -> None:
    assert values(texts, *spec) == expected


FORMS = ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%y", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%d.%m.%Y %H:%M:%S",
         "%Y-%m-%d %I:%M %p", "%Y%m%d-%H:%M:%S.%f", "%d/%b/%Y:%H:%M:%S %z"]  # fmt: skip


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)),  # noqa: DTZ001 - forms name none
    st.sampled_from(FORMS),
    st.integers(-12, 12),
)
def test_a_moment_is_read_as_python_reads_it(moment: datetime, form: str, hours: int) -> None:
    zone = timedelta(hours=hours)
    written = moment.replace(tzinfo=None).strftime(form.replace("%z", ""))
    if "%z" in form:
        sign = "-" if hours < 0 else "+"
        written = f"{written.strip()} {sign}{abs(hours):02d}00"
    expected = datetime.strptime(written, form)  # noqa: DTZ007 - most forms name no zone
    if expected.tzinfo is not None:
        expected = expected.astimezone(UTC)

    [found] = moments.parse(pa.array([written]), form).to_pylist()

    assert found == expected
    assert moments.fits(written, form)
    assert zone <= timedelta(hours=12)


@given(st.integers(1, 40), st.integers(0, 14), st.integers(1600, 2400))
def test_a_date_that_does_not_exist_fits_nothing(day: int, month: int, year: int) -> None:
    text = f"{day:02d}/{month:02d}/{year}"
    try:
        expected = date(year, month, day)
    except ValueError:
        expected = None

    assert values([text], "date", "%d/%m/%Y") == [expected]
    assert moments.fits(text, "%d/%m/%Y") is (expected is not None)


def run(content: bytes, columns: dict[str, tuple[str | None, ...]], **how: Any) -> Any:
    """Rows, and what was set aside."""
    kept = Kept()
    plugin = BasePlugin(kept)
    blocks = delimited.read(Source(io.BytesIO(content)))
    rows = [row for b in typed(blocks, columns, plugin, **how) for row in b.to_pylist()]
    assert kept.read == len(rows) + len(kept.aside)
    return rows, kept.aside


def test_misfits_are_set_aside_with_reason_code_column_and_place() -> None:
    rows, [aside] = run(
        b"id,day\n1,2024-01-01\nx,never\n", {"id": ("integer",), "day": ("date", "%Y-%m-%d")}
    )

    assert rows == [{"id": 1, "day": date(2024, 1, 1), "_line": 2}]
    reason, line, position = aside
    assert reason == "id: 'x' is not a whole number; day: 'never' is not a date written %Y-%m-%d"
    assert (line, position) == (3, Position("TYPE_MISMATCH", "id", 20, 8, None))


def test_columns_are_told_by_name_whatever_their_order() -> None:
    rows, _ = run(
        b"b,A\n1,x\n", {"a": ("text",), "b": ("integer",), "c": ("text",)},
        optional=["c"], renamed={"A": "a"},
    )  # fmt: skip

    assert rows == [{"a": "x", "b": 1, "c": None, "_line": 2}]


@pytest.mark.parametrize("header", [b"a,new\n", b"a\n", b"b,c\n"])
def test_a_header_that_differs_otherwise_fails_the_file_and_says_how(header: bytes) -> None:
    with pytest.raises(PluginError, match=r"the header names .*(new|missing)") as caught:
        run(header, {"a": ("text",), "b": ("text",)})

    assert caught.value.code == "HEADER_DRIFTED"


def test_fields_that_no_column_takes_are_kept_as_json_or_set_aside() -> None:
    content = b'{"a":1,"b":{"c":[1.10]}}\n{"a":2}\n'
    columns = {"a": ("integer",)}

    def blocks() -> Any:
        return json_text.by_line(Source(io.BytesIO(content)))

    kept = Kept()
    [batch] = typed(blocks(), columns, BasePlugin(kept), other="_other")
    assert batch.column("_other").to_pylist() == ['{"b": "{\\"c\\": [1.10]}"}', None]

    [batch] = typed(blocks(), columns, BasePlugin(kept))
    assert batch.column("a").to_pylist() == [2]
    assert [position.code for _, _, position in kept.aside] == ["UNKNOWN_FIELD"]


def test_spellings_of_a_missing_value_are_null_and_no_misfit() -> None:
    rows, aside = run(b"a,b\nNA,x\n ,NA\n", {"a": ("integer",), "b": ("text",)}, missing=["", "NA"])

    assert [(row["a"], row["b"]) for row in rows] == [(None, "x"), (None, "NA")]
    assert aside == []


def test_times_of_bank_statements_are_moments() -> None:
    written = [
        "20120720000000.000[-4:EDT]",
        "20120720",
        "20120231",
        "20120720101112.5[+1]",
        "x",
        None,
    ]

    found = values(written, "time", "ofx")

    assert [None if one is None else one.isoformat() for one in found] == [
        "2012-07-20T04:00:00+00:00",
        "2012-07-20T00:00:00+00:00",
        None,
        "2012-07-20T09:11:12.500000+00:00",
        None,
        None,
    ]
    assert profile_column("when", written[:2]).candidates == ["ofx"]
    assert profile_column("when", ["20120231[-4:EDT]"]).type == "string"

"""A drafted plugin reads the files it was drafted for, and says so of all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import House
from tests.engine.making import zipped

HEADER = "order_id,day,customer,amount,currency\n"
FIRST = HEADER + "1,2026-01-01,Ann,10.5,EUR\n2,2026-01-02,Bob,11.5,USD\n"


@pytest.fixture
def sales(house: House, data: Path) -> House:
    (data / "sales-2026-01.csv").write_text(FIRST)
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-2026-01.csv")], topic="sales")
    house.settle()
    return house


def read(house: House, data: Path, name: str, text: str) -> dict[str, object]:
    """The newest job of a file that turns up now."""
    (data / name).write_text(text)
    house.call("scan", path=str(data))
    jobs = house.settle(file=str(data / name))["jobs"]
    return jobs[0] if jobs else {}


@pytest.mark.usefixtures("arrow_environment")
def test_columns_in_another_order_are_read_by_their_names(sales: House, data: Path) -> None:
    reordered = "order_id,day,currency,amount,customer\n9,2026-02-01,EUR,5.0,Cid\n"

    job = read(sales, data, "sales-2026-02.csv", reordered)

    assert job["state"] == "done"
    found = sales.rows("SELECT customer, currency FROM sales WHERE order_id = 9")
    assert found == [["Cid", "EUR"]]


@pytest.mark.usefixtures("arrow_environment")
@pytest.mark.parametrize(
    "text",
    [
        "refund_id,day,clerk,loss,reason\n1,2026-01-01,Eve,5.0,broken\n",
        "9,2026-02-01,Cid,5.0,EUR\n8,2026-02-02,Dan,6.0,EUR\n",
        FIRST.replace(",", ";"),
        HEADER.replace("currency", "currency,region") + "9,2026-02-01,Cid,5.0,EUR,north\n",
    ],
    ids=["other columns", "no header", "another delimiter", "one more column"],
)
def test_a_file_with_another_header_fails_and_gives_no_row(
    sales: House, data: Path, text: str
) -> None:
    job = read(sales, data, "sales-2026-02.csv", text)

    assert job["state"] == "failed"
    assert "the header names" in str(job["error"])
    assert sales.rows("SELECT count(*) FROM sales") == [[2]]
    [dataset] = sales.call("get_datasets", names=["sales"])["datasets"]
    assert dataset["caveat"] == "Not complete: 1 file failed."


@pytest.mark.usefixtures("arrow_environment")
def test_sisters_differ_in_their_numbers_and_nothing_else(sales: House, data: Path) -> None:
    assert read(sales, data, "sales-refunds-2026.csv", FIRST) == {}
    assert read(sales, data, "sales-2027-12.csv", FIRST)["state"] == "done"


@pytest.mark.usefixtures("arrow_environment")
def test_a_quarantined_record_says_which_column_did_not_fit(sales: House, data: Path) -> None:
    bad = HEADER + "3,yesterday,Cid,much,EUR\n4,2026-02-01,Dan,5.0,EUR\n"

    job = read(sales, data, "sales-2026-02.csv", bad)

    assert job["quarantined"] == 1
    [[reason, code, field, line, offset, length, raw, plugin]] = sales.rows(
        "SELECT reason, code, field, line, byte_offset, byte_length, raw, plugin"
        " FROM sales_quarantine"
    )
    assert reason == (
        "day: 'yesterday' is not a date written %Y-%m-%d; amount: 'much' is not a number"
    )
    assert (code, field, plugin) == ("TYPE_MISMATCH", "day", "sales@1")
    content = (data / "sales-2026-02.csv").read_text()
    assert content[offset : offset + length].rstrip("\n") == raw == content.splitlines()[line - 1]
    assert sales.rows("SELECT customer FROM sales WHERE order_id = 4") == [["Dan"]]


def test_a_quote_that_never_closes_is_told(house: House, data: Path) -> None:
    (data / "bad.csv").write_text('id,name\n1,"unterminated\n2,b\n3,c\n')
    house.call("scan", path=str(data))

    shown = house.call("preview_file", file=str(data / "bad.csv"))

    assert any("never closes" in problem for problem in shown["problems"])


@pytest.mark.usefixtures("arrow_environment")
def test_blank_lines_above_a_header_are_skipped(house: House, data: Path) -> None:
    (data / "report-1.csv").write_text("A report of something\n\n\n" + FIRST)
    house.call("scan", path=str(data))
    house.publish([str(data / "report-1.csv")], topic="report")
    house.settle()

    assert house.rows("SELECT order_id FROM report ORDER BY 1") == [[1], [2]]


@pytest.mark.parametrize(
    ("asked", "topic", "pattern"),
    [
        ({}, "probes", "sales-*.csv"),
        ({"topic": "others"}, "others", "sales-*.csv"),
        ({"pattern": "*.csv"}, "probes", "*.csv"),
    ],
)
def test_a_draft_that_is_revised_keeps_what_is_not_said_again(
    asked: dict[str, str], topic: str, pattern: str, house: House, data: Path
) -> None:
    path = str(data / "sales-2026-01.csv")
    Path(path).write_text(FIRST)
    house.call("scan", path=str(data))
    first = house.call("draft_plugin", files=[path], topic="probes", pattern="sales-*.csv")

    again = house.call("draft_plugin", files=[path], draft=first["draft"], **asked)

    assert (again["manifest"]["topics"], again["manifest"]["pattern"]) == ([topic], pattern)


def test_a_revised_draft_of_an_archive_keeps_the_beginning_of_its_topics(
    house: House, data: Path
) -> None:
    path = str(data / "sensors.zip")
    Path(path).write_bytes(zipped({"a.csv": b"n,m\n1,2\n2,3\n", "b.csv": b"x,y,z\n1,2,3\n4,5,6\n"}))
    house.call("scan", path=str(data))
    first = house.call("draft_plugin", files=[path], topic="probes")

    again = house.call("draft_plugin", files=[path], draft=first["draft"], goal="day first")

    assert again["manifest"]["topics"] == ["probes_a", "probes_b"]

"""Why a value is not in a table: set aside, superseded, waiting, or never seen."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from casparian_flow.errors import CasparianError
from engine.service.fields import source_field
from tests.conftest import House
from tests.doors import casparian


@pytest.fixture
def sales(house: House, data: Path) -> House:
    (data / "sales-1.csv").write_text("order_id,Amt EUR\n1,1.5\n2,2.5\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-1.csv")], topic="sales")
    house.settle()
    return house


@pytest.mark.usefixtures("arrow_environment")
def test_a_row_that_is_there_is_named(sales: House) -> None:
    told = sales.call("explain", subject="sales: order_id=2")

    assert told["verdict"] == "it is there"
    assert "job-1 row 1" in told["evidence"][0]


@pytest.mark.usefixtures("arrow_environment")
def test_a_value_is_found_however_it_is_written_and_a_mistaken_column_is_said(
    sales: House, data: Path
) -> None:
    (data / "sales-2.csv").write_text("order_id,Amt EUR\n7,2\n")
    sales.call("scan", path=str(data))
    sales.settle()

    for written in ("Amt EUR=2", "Amt EUR = 2.00", "ORDER_ID=07", "order_id=+7"):
        assert sales.call("explain", subject=f"sales: {written}")["verdict"] == "it is there"
    for written in ("order_id=7.4", "order_id=70", "Amt EUR=7", "order_id=2 "):
        verdict = sales.call("explain", subject=f"sales: {written}")["verdict"]
        assert verdict == ("it is there" if written.endswith("2 ") else "never seen")
    told = sales.call("explain", subject="sales: order=7")
    assert (told["verdict"], told["next_steps"]) == (
        "no such column",
        ['explain(subject="sales: order_id=7")'],
    )


@pytest.mark.usefixtures("arrow_environment")
def test_a_record_set_aside_is_shown_raw(sales: House, data: Path) -> None:
    (data / "sales-2.csv").write_text("order_id,Amt EUR\n77,much\n78,1.0\n")
    sales.call("scan", path=str(data))
    sales.settle()

    told = sales.call("explain", subject="sales: 77")

    assert told["verdict"] == "quarantined"
    assert "line 2" in told["evidence"][0]
    for subject in ("sales: 77", "job-2", str(data / "sales-2.csv")):
        said = sales.call("explain", subject=subject)["evidence"]
        assert any("The record: 77,much" in line for line in said)
    assert sales.call("explain", subject="sales: 7")["verdict"] == "never seen"
    assert sales.call("explain", subject="sales_quarantine")["verdict"] == "incomplete"
    assert sales.call("explain", subject=str(data))["verdict"] == "a folder"


@pytest.mark.usefixtures("arrow_environment")
def test_a_row_of_an_older_version_is_superseded(sales: House, data: Path) -> None:
    (data / "sales-1.csv").write_text("order_id,Amt EUR\n1,1.5\n3,2.5\n")
    sales.call("scan", path=str(data))
    sales.settle()

    assert sales.call("explain", subject="sales: order_id=2")["verdict"] == "superseded"


@pytest.mark.usefixtures("arrow_environment")
def test_a_row_of_a_deleted_file_and_one_that_was_filtered_are_told_apart(
    sales: House, data: Path
) -> None:
    (data / "sales-2.csv").write_text("order_id,Amt EUR\n5,1.0\norder_id,Amt EUR\n6,1.0\n")
    sales.call("scan", path=str(data))
    sales.settle()
    told = sales.call("explain", subject="sales: 99")
    assert told["verdict"] == "not there, unless filtered"
    assert "header again 1" in told["evidence"][0]

    sales.call("set_on_delete", path=str(data), on_delete="drop")
    (data / "sales-1.csv").unlink()
    sales.call("scan", path=str(data))
    told = sales.call("explain", subject="sales: order_id=2")
    assert told["verdict"] == "deleted"
    assert "sales-1.csv is gone" in told["evidence"][0]


@pytest.mark.usefixtures("arrow_environment")
def test_what_no_file_holds_is_said_and_failed_files_are_named(sales: House, data: Path) -> None:
    assert sales.call("explain", subject="sales: 99")["verdict"] == "never seen"
    (data / "sales-3.csv").write_text("refund\n99\n")
    sales.call("scan", path=str(data))
    sales.settle()

    told = sales.call("explain", subject="sales: 99")

    assert told["verdict"] == "not seen yet"
    assert "1 file failed" in told["evidence"][0]


@pytest.mark.usefixtures("arrow_environment")
def test_quotes_in_a_value_are_no_sql(sales: House) -> None:
    assert sales.call("explain", subject="sales: x' OR '1'='1")["verdict"] == "no such column"
    assert sales.call("explain", subject="sales: 1' OR \\x27")["verdict"] == "never seen"
    assert "there are sales" in sales.call("explain", subject="orders: 3")["evidence"][0]


@pytest.mark.usefixtures("arrow_environment")
def test_a_mistaken_column_is_answered_with_those_like_it(sales: House) -> None:
    with pytest.raises(CasparianError) as caught:
        sales.call("query", sql='SELECT "Amt_EUR" FROM sales')

    assert 'sales."Amt EUR"' in caught.value.hint


@pytest.mark.usefixtures("arrow_environment")
def test_a_column_leads_to_the_field_it_is_read_from(sales: House) -> None:
    told = sales.call("query_lineage", target={"topic": "sales", "column": "Amt EUR"})

    [field] = [node for node in told["nodes"] if node["kind"] == "source field"]
    assert field["facts"] == {"names": ["Amt EUR"], "read_as": "number"}
    with pytest.raises(CasparianError, match="has no column 'amount'"):
        sales.call("query_lineage", target={"topic": "sales", "column": "amount"})


def test_source_fields_are_read_from_constants_without_running_them() -> None:
    source = (
        'DAY_FORMAT = "%d/%m/%Y"\nraise SystemExit\n'
        'COLUMNS = {"day": ("date", DAY_FORMAT), "amt": ("number", "point", "EUR")}\n'
        'RENAMED = {"Tag": "day"}\n'
    )

    day = source_field({"plugin.py": source}, "day")
    amount = source_field({"plugin.py": source}, "amt")

    assert day is not None
    assert (day.names, day.kind) == (("day", "Tag"), "date written %d/%m/%Y")
    assert amount is not None
    assert amount.kind == "number written point in EUR"
    assert source_field({"plugin.py": source}, "other") is None
    assert source_field({"plugin.py": "def ("}, "day") is None


@pytest.mark.usefixtures("arrow_environment")
def test_verify_holds_every_job_to_its_accounts(sales: House) -> None:
    checks = {check["name"]: check for check in sales.call("verify")["checks"]}

    [accounts] = [check for name, check in checks.items() if name.startswith("no record is lost")]
    assert accounts["ok"]

    with closing(sqlite3.connect(sales.home.root / "catalog.db")) as catalog:
        catalog.execute("UPDATE processing_job SET receipt = json_set(receipt, '$.read', 3)")
        catalog.commit()

    told = sales.call("verify")
    assert not told["ok"]
    assert "job-1: 3 records read, 2 accounted for" in str(told["checks"])


@pytest.mark.usefixtures("arrow_environment")
def test_what_was_read_and_stands_in_no_table_is_told(sales: House, data: Path) -> None:
    (data / "sales-2.csv").write_text("order_id,Amt EUR\n77,much\n78,1.0\n")
    sales.call("scan", path=str(data))
    sales.settle()
    sales.call("dismiss", topic="sales", note="known typo")
    told = sales.call("explain", subject="sales: 77")
    assert told["verdict"] == "not there, unless filtered"
    assert "are dismissed (known typo)" in told["evidence"][0]

    narrow = sales.call("get_plugins", names=["sales"], include=["source"])["plugins"][0]["source"]
    source = re.sub(r'pattern="[^"]*"', 'pattern="sales-1.csv"', narrow["plugin.py"])
    sales.publish([str(data / "sales-1.csv")], source=source, dependencies=["pyarrow"])
    sales.settle()
    told = sales.call("explain", subject=str(data / "sales-2.csv"))
    assert told["verdict"] == "no longer routed"
    assert "1 row that it gave before stay in view" in told["evidence"][0]
    [dataset] = sales.call("get_datasets", names=["sales"])["datasets"]
    assert (dataset["files_seen"], dataset["files_read"]) == (2, 2)


@pytest.mark.usefixtures("arrow_environment")
def test_a_columns_field_is_told_at_the_command_line(sales: House) -> None:
    told = " ".join(casparian(sales, "lineage", "sales", "--column", "Amt EUR").split())

    assert "is read by source field field Amt EUR of" in told


@pytest.mark.usefixtures("arrow_environment")
def test_a_deleted_file_is_known_by_its_way_from_here(
    sales: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "sales-1.csv").unlink()
    sales.call("scan", path=str(data))
    monkeypatch.chdir(data)

    assert "deleted" in casparian(sales, "explain", "./sales-1.csv")

"""What is set aside can be looked through by cause, dismissed with a note, and brought back."""

from __future__ import annotations

from pathlib import Path

import pytest

from casparian_flow.errors import CasparianError
from tests.conftest import House
from tests.console.test_commands import casparian


@pytest.fixture
def sales(house: House, data: Path) -> House:
    (data / "sales-1.csv").write_text("id,amt\n1,2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-1.csv")], topic="sales")
    (data / "sales-2.csv").write_text("id,amt\n2,much\n3\n4,5\n")
    (data / "sales-3.csv").write_text("id,amt\n5,more\n6,7\n")
    house.call("scan", path=str(data))
    house.settle()
    return house


@pytest.mark.usefixtures("arrow_environment")
def test_causes_are_counted_with_one_record_each(sales: House) -> None:
    told = sales.call("quarantine", topic="sales")

    causes = {one["code"]: one for one in told["causes"]}
    assert causes["TYPE_MISMATCH"]["records"] == 2
    assert causes["TYPE_MISMATCH"]["files"] == 2
    assert causes["TYPE_MISMATCH"]["column"] == "amt"
    assert causes["FIELD_COUNT"]["raw"] == "3"
    assert "much" in casparian(sales, "quarantine", "sales")
    [shown] = sales.call("get_datasets", names=["sales"], include=["quarantine"])["datasets"]
    assert {one["code"] for one in shown["quarantine"]} == {"TYPE_MISMATCH", "FIELD_COUNT"}
    assert "opposites" in casparian(
        sales, "quarantine", "sales", "--dismiss", "x", "--restore", code=2
    )
    assert "explain" in casparian(sales, "quarantine", "sales", "--file", "sales-2.csv", code=2)


@pytest.mark.usefixtures("arrow_environment")
def test_a_dismissal_takes_records_out_of_sight_and_can_be_taken_back(
    sales: House, data: Path
) -> None:
    said = casparian(
        sales, "quarantine", "sales", "--dismiss", "of the vendor's tests",
        "--file", str(data / "sales-2.csv"),
    )  # fmt: skip
    assert "2 records of 1 file dismissed" in said

    assert sales.rows("SELECT raw FROM sales_quarantine") == [["5,more"]]
    [dataset] = sales.call("get_datasets", names=["sales"])["datasets"]
    assert dataset["quarantined"] == 1
    assert dataset["caveat"] == "Not complete: 1 record set aside."
    assert sales.call("verify")["ok"]

    casparian(sales, "quarantine", "sales", "--restore")
    assert sales.rows("SELECT count(*) FROM sales_quarantine") == [[3]]
    assert sales.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_dismissal_needs_a_person_and_a_note(sales: House) -> None:
    with pytest.raises(CasparianError, match="needs a note"):
        sales.call("dismiss", topic="sales")
    with pytest.raises(CasparianError, match="only a person"):
        sales.agent.call("dismiss", {"topic": "sales", "note": "x"})
    with pytest.raises(CasparianError, match="no topic"):
        sales.call("dismiss", topic="nothing", note="x")


@pytest.mark.usefixtures("arrow_environment")
def test_what_was_dismissed_comes_back_when_the_file_is_read_anew(sales: House, data: Path) -> None:
    sales.call("dismiss", topic="sales", note="known")
    (data / "sales-3.csv").write_text("id,amt\n5,worse\n6,7\n")
    sales.call("scan", path=str(data))
    sales.settle()

    assert sales.rows("SELECT raw FROM sales_quarantine") == [["5,worse"]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_that_would_fail_of_what_it_sets_aside_fails_its_trial(
    house: House, data: Path
) -> None:
    (data / "sales-1.csv").write_text("id,amt\n1,2\n")
    house.call("scan", path=str(data))
    draft = house.call("draft_plugin", files=[str(data / "sales-1.csv")], topic="sales")["draft"]
    (data / "sales-2.csv").write_text("id,amt\n" + "".join(f"{n},much\n" for n in range(30)))
    house.call("scan", path=str(data))

    checked = house.call("validate_plugin", draft=draft, all_files=True, wait_s=60)

    assert (checked["files_passed"], checked["files_tried"]) == (1, 2)
    [cause] = checked["causes"]
    assert cause["example"].startswith("30 of 30 records do not fit, more than are let pass")
    assert "much" in cause["example"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_of_no_rows_is_read_all_the_same(house: House, data: Path) -> None:
    (data / "sales-1.csv").write_text("id,amt\n1,2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-1.csv")], topic="sales")
    (data / "sales-2.csv").write_text("id,amt\n")
    (data / "sales-3.csv").write_text("")
    house.call("scan", path=str(data))
    house.settle()

    [dataset] = house.call("get_datasets", names=["sales"])["datasets"]

    assert (dataset["files_seen"], dataset["files_read"], dataset["caveat"]) == (3, 3, None)

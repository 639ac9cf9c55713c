"""The map of files nobody reads: what they are, which are alike, and what drifted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import House

HEADER = "order_id,day,customer,amount\n"


@pytest.mark.usefixtures("arrow_environment")
def test_groups_say_what_their_files_hold_and_the_largest_comes_first(
    house: House, data: Path
) -> None:
    for number in range(9):
        (data / f"sales-{number}.csv").write_text(HEADER + f"{number},2026-01-01,Ann,1.5\n")
    (data / "events.jsonl").write_text('{"id":1,"at":"2026-01-01"}\n{"id":2,"at":null}\n')
    house.call("scan", path=str(data))

    told = house.call("get_overview")

    first, second = told["dark"]
    assert (first["fingerprint"], first["files"], first["format"]) == ("sales-#.csv", 9, "csv")
    assert first["shape"] == "4 columns: order_id, day, customer, amount"
    assert second["format"] == "jsonl"
    assert "One plugin would unlock 9 files" in told["summary"]


@pytest.mark.usefixtures("arrow_environment")
def test_files_like_a_known_group_say_what_drifted(house: House, data: Path) -> None:
    (data / "sales-1.csv").write_text(HEADER + "1,2026-01-01,Ann,1.5\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-1.csv")], topic="sales")
    (data / "shop_a.csv").write_text("order_id,day,customer,amt,region\n2,2026-01-02,Bob,2.5,n\n")
    (data / "other.csv").write_text("x,y\n1,2\n")

    groups = house.call("scan", path=str(data))["groups"]

    notes = {group["fingerprint"]: group["note"] for group in groups}
    assert "look like sales-#.csv, which sales reads, but" in notes["shop_a.csv"]
    assert "amount is called 'amt'" in notes["shop_a.csv"]
    assert "region is new" in notes["shop_a.csv"]
    assert notes["other.csv"] is None


@pytest.mark.usefixtures("arrow_environment")
def test_drift_within_a_group_is_told(house: House, data: Path) -> None:
    (data / "sales-1.csv").write_text(HEADER + "1,2026-01-01,Ann,1.5\n")
    (data / "sales-2.csv").write_text(HEADER.replace("customer", "client") + "1,2026-01-01,Ann,1\n")

    [group] = house.call("scan", path=str(data))["groups"]

    assert group["note"] == "within the group client is new; customer is missing"

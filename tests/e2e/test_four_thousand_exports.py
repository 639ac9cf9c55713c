"""4,000 drifting exports of one report, and a year in which day and month change places."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import House

FILES, SWITCHED = 4_000, 48
HEADERS = (
    "order_id;day;customer;amount",
    "order_id;day;customer;amount;region",
    "day;order_id;amount;customer",
    "order_id;day;client;amount",
)


def export(number: int) -> str:
    """One month of one shop: its columns drift, and in one year its days are written otherwise."""
    header = HEADERS[number % len(HEADERS)]
    month = number % 12 + 1
    is_switched = FILES // 2 <= number < FILES // 2 + SWITCHED
    lines = [header]
    for day in (3, 17, 28):
        date = f"{month:02}/{day:02}/2025" if is_switched else f"{day:02}/{month:02}/2025"
        cells = {
            "order_id": str(number * 10 + day), "day": date, "customer": "Ann", "client": "Bob",
            "amount": f"{day},5", "region": "n",
        }  # fmt: skip
        lines.append(";".join(cells[name] for name in header.split(";")))
    return "\n".join(lines) + "\n"


@pytest.mark.usefixtures("arrow_environment")
def test_four_thousand_drifting_exports_are_one_group_and_the_switch_is_found(
    house: House, data: Path
) -> None:
    for number in range(FILES):
        (data / f"report-{number:04}.csv").write_text(export(number))
    house.call("scan", path=str(data))

    [group] = house.call("get_overview")["dark"]
    made = house.call("draft_plugin", files=[str(data / "report-0000.csv")], topic="report")
    checked = house.call("validate_plugin", draft=made["draft"], max_files=8, wait_s=120)

    assert (group["fingerprint"], group["files"]) == ("report-#.csv", FILES)
    points = " ".join(made["ambiguities"])
    assert "files exclude each other's format" in points
    assert "%d/%m/%Y in" in points
    assert "%m/%d/%Y in" in points
    assert f"report-{FILES // 2:04}.csv" in points
    assert (checked["ok"], checked["files_passed"]) == (True, 8)
    columns = checked["rows"][0]["columns"]
    assert {"order_id", "day", "customer", "amount", "region"} <= set(columns)
    assert checked["files_matching"] == FILES

"""A draft over all of history: worst first, resumable, with what it would change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.folding import fold
from engine.journal import Journal
from tests.conftest import House
from tests.doors import casparian

PLUGIN = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="n-*.txt", topic="counted")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path) as file:
            lines = file.read().split()
        if "bad" in lines:
            raise ValueError(f"line {lines.index('bad')} of '{path[-8:]}' is bad")
        rows = [{"n": int(v) FACTOR, "_line": i} for i, v in enumerate(lines, 1) if v != "x"]
        if "x" in lines:
            self.quarantine("x", "no number", line=lines.index("x") + 1, code="NO_NUMBER")
        self.publish("counted", rows)
"""


def backtest(house: House, draft: str) -> dict[str, Any]:
    return house.call("validate_plugin", draft=draft, all_files=True, wait_s=120)


def drafted(house: House, file: Path, factor: str = "", draft: str | None = None) -> str:
    source = PLUGIN.replace("FACTOR", factor)
    made = house.call(
        "draft_plugin", files=[str(file)], source=source, dependencies=["pyarrow"], draft=draft
    )
    return str(made["draft"])


@pytest.mark.usefixtures("arrow_environment")
def test_causes_are_grouped_and_quarantine_is_counted_by_code(house: House, data: Path) -> None:
    for number in range(8):
        (data / f"n-{number}.txt").write_text("1\n2\nx\n" if number < 6 else f"{number}\nbad\n")
    house.call("scan", path=str(data))

    draft = drafted(house, data / "n-0.txt")
    told = backtest(house, draft)

    casparian(house, "validate", draft, "--all-files", code=1)  # for two files failed
    assert (told["ok"], told["files_passed"], told["files_tried"]) == (True, 6, 8)
    assert told["files_matching"] == 8
    [cause] = told["causes"]
    assert cause["files"] == 2
    assert "line # of '…' is bad" in cause["cause"]
    assert "n-" in cause["file"]
    assert told["quarantined_by"] == {"NO_NUMBER": 6}
    assert told["quarantined"][0]["code"] == "NO_NUMBER"


@pytest.mark.usefixtures("arrow_environment")
def test_a_plainly_wrong_draft_is_stopped_early(house: House, data: Path) -> None:
    for number in range(40):
        (data / f"n-{number}.txt").write_text("bad\n")
    house.call("scan", path=str(data))

    told = backtest(house, drafted(house, data / "n-0.txt"))

    assert (told["ok"], told["state"], told["files_tried"]) == (False, "stopped", 20)
    assert "Stopped early" in told["summary"]


@pytest.mark.usefixtures("arrow_environment")
def test_what_an_upgrade_changes_is_counted_row_by_row(house: House, data: Path) -> None:
    for number in range(3):
        (data / f"n-{number}.txt").write_text("1\n2\nx\n3\n")
    house.call("scan", path=str(data))
    first = drafted(house, data / "n-0.txt")
    house.publish([], draft=first, source=PLUGIN.replace("FACTOR", ""), dependencies=["pyarrow"])
    house.settle()

    told = backtest(house, drafted(house, data / "n-0.txt", "* (10 if v == '2' else 1)"))

    [change] = told["changes"]
    assert (change["topic"], change["changed"], change["same"]) == ("counted", 3, 6)
    assert (change["added"], change["removed"]) == (0, 0)
    assert change["columns"] == {"n": 3}
    assert "line 2: n '2' → '20'" in change["examples"][0]
    assert "3 changed, 6 the same" in told["summary"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_backtest_goes_on_where_it_broke_off(house: House, data: Path) -> None:
    for number in range(5):
        (data / f"n-{number}.txt").write_text(f"{number}\n")
    house.call("scan", path=str(data))
    draft = drafted(house, data / "n-0.txt")
    backtest(house, draft)
    [journal] = (house.home.drafts / draft).glob("all.*.jsonl")
    kept = journal.read_text().splitlines()[:2]
    marked = [json.loads(line) | {"rows": {"counted": 1000}} for line in kept]
    journal.write_text("".join(json.dumps(line) + "\n" for line in marked) + '{"key": "cut')

    told = backtest(house, draft)

    assert told["rows"][0]["row_count"] == 2003  # two files as the journal says, three tried anew
    assert told["files_tried"] == 5


@pytest.mark.usefixtures("arrow_environment")
def test_files_that_gave_trouble_are_tried_first(house: House, data: Path) -> None:
    for number in range(6):
        (data / f"n-{number}.txt").write_text("1\n" if number != 4 else "1\nx\n")
    house.call("scan", path=str(data))
    first = drafted(house, data / "n-0.txt")
    house.publish([], draft=first, source=PLUGIN.replace("FACTOR", ""), dependencies=["pyarrow"])
    house.settle()

    again = drafted(house, data / "n-0.txt", "+ 0")
    told = house.call("validate_plugin", draft=again, max_files=2, wait_s=120)

    assert told["quarantined_count"] == 1


def outcome(file: str, **facts: object) -> dict[str, Any]:
    empty = {
        "rows": {},
        "sample": {},
        "schemas": {},
        "aside": [],
        "codes": {},
        "changes": {},
        "observed": {},
        "failed_before": False,
    }
    return {"key": file, "file": file, "reason": "", "code": "", "level": "L3", **empty, **facts}


def test_outcomes_fold_in_any_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a" / "j.jsonl")
    for number in range(3):
        journal.add(outcome(f"f{number}", reason=f"no {number} in '{number}'"))
    journal.add(outcome("f3", rows={"t": 2}, codes={"A": 1}))
    journal.end("what it said")

    report = fold(Journal(journal.path).outcomes())

    assert (report.passed, len(report.failed), report.rows) == (1, 3, {"t": 2})
    assert [(cause.cause, cause.files) for cause in report.causes.values()] == [("no # in '…'", 3)]
    assert Journal(journal.path).log() == "what it said"
    assert [one["key"] for one in Journal(journal.path).of({"f1", "f3", "other"})] == ["f1", "f3"]


@pytest.mark.usefixtures("arrow_environment")
def test_files_that_fail_in_force_do_not_count_against_a_draft(house: House, data: Path) -> None:
    for number in range(22, 25):
        (data / f"n-{number}.txt").write_text("1\n")
    house.call("scan", path=str(data))
    first = drafted(house, data / "n-24.txt")
    house.publish([], draft=first, source=PLUGIN.replace("FACTOR", ""), dependencies=["pyarrow"])
    for number in range(22):
        (data / f"n-{number}.txt").write_text("bad\n")
    house.call("scan", path=str(data))
    house.settle()

    told = backtest(house, drafted(house, data / "n-24.txt", "+ 1"))

    assert (told["ok"], told["files_tried"], told["files_passed"]) == (True, 25, 3)
    assert "fails on 22 of the failed files, too" in told["summary"]
    assert told["changes"][0]["changed"] == 3


@pytest.mark.usefixtures("arrow_environment")
def test_rows_that_were_taken_back_are_not_in_force(house: House, data: Path) -> None:
    (data / "n-0.txt").write_text("1\n")
    house.call("scan", path=str(data))
    first = drafted(house, data / "n-0.txt")
    house.publish([], draft=first, source=PLUGIN.replace("FACTOR", ""), dependencies=["pyarrow"])
    house.settle()
    tenfold = PLUGIN.replace("FACTOR", "* 10")
    again = drafted(house, data / "n-0.txt", "* 10")
    house.publish([], draft=again, source=tenfold, dependencies=["pyarrow"], reprocess="all")
    house.settle()
    draft = drafted(house, data / "n-0.txt", "* 100")
    before = backtest(house, draft)["changes"][0]["examples"]
    house.call("undo_round", plugin="counted")

    after = backtest(house, draft)["changes"][0]["examples"]

    assert before == ["n-0.txt line 1: n '10' → '100'"]
    assert after == ["n-0.txt line 1: n '1' → '100'"]


@pytest.mark.usefixtures("arrow_environment")
def test_rows_of_files_that_gave_none_before_are_added(house: House, data: Path) -> None:
    for number in range(3):
        (data / f"n-{number}.txt").write_text("1\n2\n")
    house.call("scan", path=str(data))
    first = drafted(house, data / "n-0.txt")
    house.publish(
        [], draft=first, source=PLUGIN.replace("FACTOR", ""), dependencies=["pyarrow"],
        reprocess="none",
    )  # fmt: skip

    [change] = backtest(house, drafted(house, data / "n-0.txt", "+ 0"))["changes"]

    assert (change["added"], change["removed"], change["changed"]) == (6, 0, 0)

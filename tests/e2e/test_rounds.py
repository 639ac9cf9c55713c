"""An upgrade over all of history, taken back and brought again."""

from __future__ import annotations

from pathlib import Path

import pytest

from casparian_flow.errors import NotFound
from tests.conftest import House, until
from tests.console.test_commands import casparian
from tests.e2e.test_deliveries import read

TOTAL = "SELECT sum(n) FROM things"
SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [{"n": int(row["n"]) * 1} for row in csv.DictReader(file)])
"""


@pytest.mark.usefixtures("arrow_environment")
def test_a_reprocess_is_taken_back_and_brought_again(
    house: House, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.db"
    for number in range(3):
        (data / f"{number}.csv").write_text(f"n\n{number + 1}\n")
    files = [str(data / "0.csv")]
    house.call("scan", path=str(data))
    house.publish(files, source=SOURCE, sinks=[f"sqlite://{out}"])
    house.settle()
    with pytest.raises(NotFound, match="no reprocess of things"):
        house.call("undo_round", plugin="things")

    changed = SOURCE.replace("* 1", "* 10")
    house.publish(files, source=changed, draft="draft-things-1", reprocess="all")
    house.settle()
    assert house.rows("SELECT sum(n) FROM things") == [[60]]
    until(lambda: read(out, TOTAL) == [(60,)])

    said = casparian(house, "rounds", "things", "--undo")
    assert "round-1 of things@2 is taken back: of 3 files the rows of before" in said
    assert house.rows("SELECT sum(n) FROM things") == [[6]]
    assert read(out, TOTAL) == [(6,)]
    (job, *_) = house.call("get_jobs", plugin="things@2")["jobs"]
    told = house.call("explain", subject=job["job"])
    assert "round-1 was taken back" in " ".join(told["evidence"])
    assert "taken back" in casparian(house, "rounds", "things")
    told = house.call("explain", subject=str(data / "0.csv"))
    assert told["verdict"] == "taken back"
    assert told["evidence"][0].startswith("job-4: done, 1 row, in history alone. round-1 was taken")
    assert house.call("explain", subject="things: n=10")["verdict"] == "taken back"

    said = casparian(house, "rounds", "things", "--redo")
    assert "in view again: rows of 3 files." in said
    assert house.rows("SELECT sum(n) FROM things") == [[60]]
    assert house.rows("SELECT sum(n) FROM things_history") == [[66]]
    assert read(out, TOTAL) == [(60,)]


@pytest.mark.usefixtures("arrow_environment")
def test_records_that_an_undo_brings_back_are_in_trouble_again(house: House, data: Path) -> None:
    (data / "0.csv").write_text("n\n1\n")
    (data / "1.csv").write_text("n\n2\nx\n")
    house.call("scan", path=str(data))
    careful = SOURCE.replace(
        'self.publish("things", [{"n": int(row["n"]) * 1} for row in csv.DictReader(file)])',
        """rows = list(csv.DictReader(file))
        for row in rows:
            if row["n"] == "x":
                self.quarantine("x", "no number")
        self.publish("things", [{"n": int(row["n"])} for row in rows if row["n"] != "x"])""",
    )
    house.publish([str(data / "0.csv")], source=careful)
    house.settle()
    mended = careful.replace('row["n"] == "x"', "False").replace(
        '[{"n": int(row["n"])} for row in rows if row["n"] != "x"]',
        '[{"n": int(row["n"].replace("x", "9"))} for row in rows]',
    )
    house.publish([str(data / "0.csv")], source=mended, draft="draft-things-1", reprocess="failed")
    house.settle()
    assert house.rows("SELECT n FROM things ORDER BY n") == [[1], [2], [9]]
    house.call("undo_round", plugin="things")
    assert house.rows("SELECT count(*) FROM things_quarantine") == [[1]]

    again = house.call("run_job", plugin="things", reprocess="failed")

    assert len(again["jobs"]) == 1


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_run_again_is_a_round_too(house: House, data: Path) -> None:
    (data / "0.csv").write_text("n\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "0.csv")], source=SOURCE)
    house.settle()

    house.call("run_job", plugin="things", files=[str(data / "0.csv")], wait_s=60)

    found = house.call("get_rounds", plugin="things")["rounds"]
    assert [(one["state"], one["files"], one["done"]) for one in found] == [("in view", 1, 1)]
    assert house.rows("SELECT count(*) FROM things") == [[1]]

    house.call("run_job", plugin="things", files=[str(data / "0.csv")], wait_s=60)
    said = casparian(house, "rounds", "things", "--undo", "--round", "round-1")
    assert "of 0 files the rows of before are in view again" in said
    assert "Of 1 file nothing changes: newer rows are in view." in said
    assert "not both" in casparian(house, "rounds", "things", "--undo", "--redo", code=2)

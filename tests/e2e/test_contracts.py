"""What a person agreed to for a topic is written down, and holds whoever feeds it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from casparian_flow.errors import AdmissionError
from tests.conftest import House
from tests.console.test_commands import casparian

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="PATTERN", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [{"id": row["id"]EXTRA} for row in csv.DictReader(file)])
"""


def source(pattern: str, extra: str = "") -> str:
    return SOURCE.replace("PATTERN", pattern).replace("EXTRA", extra)


def contracts(house: House) -> list[tuple[str, int, list[str]]]:
    db = sqlite3.connect(f"file:{house.home.catalog}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT topic, version, terms FROM contract ORDER BY id").fetchall()
    finally:
        db.close()
    return [
        (topic, version, [column["name"] for column in json.loads(terms)["columns"]])
        for topic, version, terms in rows
    ]


@pytest.fixture
def published(house: House, data: Path) -> House:
    (data / "a.csv").write_text("id\n1\n")
    (data / "b.txt").write_text("id\n2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=source("*.csv"), topic="things")
    house.settle(plugin="things")
    return house


@pytest.mark.usefixtures("arrow_environment")
def test_every_change_that_was_approved_is_a_version_of_the_contract(
    published: House, data: Path
) -> None:
    house, files = published, [str(data / "a.csv")]
    assert contracts(house) == [("things", 1, ["id"])]

    house.publish(files, source=source("a*.csv"), draft="draft-things-1")
    assert len(contracts(house)) == 1
    house.publish(files, source=source("*.csv", ', "more": 1'), draft="draft-things-1")

    assert contracts(house) == [("things", 1, ["id"]), ("things", 2, ["id", "more"])]


@pytest.mark.usefixtures("arrow_environment")
def test_a_topic_of_a_retired_plugin_keeps_its_contract(published: House, data: Path) -> None:
    house, files = published, [str(data / "b.txt")]
    house.call("retire", plugin="things")
    other = source("*.txt").replace('topic="things"', 'topics=["others", "things"]')
    wider = other.replace('row["id"]', 'row["id"], "more": 1')
    made = house.call("draft_plugin", files=files, source=wider)
    checked = house.call("validate_plugin", draft=made["draft"], wait_s=60)
    order = {"draft": made["draft"], "digest": checked["digest"]}
    asked = house.call("publish_plugin", **order)
    house.call("approve", approval=asked["approval"]["id"])

    with pytest.raises(AdmissionError, match="contract that things@1 brought"):
        house.call("publish_plugin", **order)
    assert house.publish(files, source=other)["plugin"] == "others"


@pytest.mark.usefixtures("arrow_environment")
def test_a_topic_without_samples_takes_over_no_contract(published: House, data: Path) -> None:
    house, files = published, [str(data / "b.txt")]
    house.call("retire", plugin="things")
    other = source("*.txt").replace('topic="things"', 'topics=["others", "things"]')
    silent = other.replace('self.publish("things"', 'self.publish("others"')
    made = house.call("draft_plugin", files=files, source=silent)
    checked = house.call("validate_plugin", draft=made["draft"], wait_s=60)
    order = {"draft": made["draft"], "digest": checked["digest"]}
    asked = house.call("publish_plugin", **order)
    house.call("approve", approval=asked["approval"]["id"])

    with pytest.raises(AdmissionError, match="no sample of others published to it"):
        house.call("publish_plugin", **order)


@pytest.mark.usefixtures("arrow_environment")
def test_rows_for_a_topic_nobody_agreed_on_fail_the_file(house: House, data: Path) -> None:
    either = (
        source("*.csv")
        .replace('topic="things"', 'topics=["things", "rare"]')
        .replace('self.publish("things"', 'self.publish("rare" if "rare" in path else "things"')
    )
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=either)
    house.settle()
    (data / "rare.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))

    job = house.settle(file=str(data / "rare.csv"))["jobs"][0]

    assert (job["state"], job["error"]["code"]) == ("failed", "CONTRACT_BROKEN")
    assert house.rows("SELECT id FROM things") == [["1"]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_topic_whose_types_changed_can_still_be_read(published: House, data: Path) -> None:
    house = published
    typed = source("*.csv").replace('row["id"]', 'int(row["id"])')
    house.publish([str(data / "a.csv")], source=typed, draft="draft-things-1", reprocess="none")
    (data / "c.csv").write_text("id\n3\n")
    house.call("scan", path=str(data))
    house.settle()

    assert house.rows("SELECT id FROM things_history ORDER BY id") == [["1"], ["3"]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_contract_is_handed_out_as_a_table_schema(published: House, tmp_path: Path) -> None:
    target = tmp_path / "things.schema.json"

    said = casparian(published, "contract", "things", "--to", str(target))

    assert "things@1 brought" in said
    schema = json.loads(target.read_text())
    assert (schema["name"], schema["version"]) == ("things", "1")
    assert schema["fields"] == [
        {
            "name": "id",
            "type": "string",
            "arrowType": "string",
            "constraints": {"required": False},
        }
    ]
    assert "no contract for topic" in casparian(published, "contract", "nothing", code=2)

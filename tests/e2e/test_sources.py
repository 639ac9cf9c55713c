"""What a person may decide about a granted folder, and undo."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from mcp import Client
from sqlalchemy import create_engine, text

from casparian_flow.errors import NotGranted
from tests.conftest import House
from tests.doors import call, casparian, server

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""
pytestmark = pytest.mark.usefixtures("arrow_environment")


@pytest.fixture
def things(house: House, data: Path) -> House:
    """Two files of one folder, read into one topic."""
    for number in (1, 2):
        (data / f"{number}.csv").write_text(f"id\n{number}\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "1.csv")], source=SOURCE)
    house.settle(plugin="things")
    return house


def audited(house: House) -> list[tuple[str, str]]:
    """Actions and facts of the audit log."""
    engine = create_engine(f"sqlite:///{house.home.catalog}")
    with engine.connect() as connection:
        found = connection.execute(text("SELECT action, facts FROM audit_entry ORDER BY id"))
        rows = [(str(row[0]), str(row[1])) for row in found]
    engine.dispose()
    return rows


def test_a_person_decides_what_becomes_of_the_rows_of_deleted_files(
    things: House, data: Path
) -> None:
    (data / "2.csv").unlink()
    things.call("scan", path=str(data))
    current, history = "SELECT id FROM things ORDER BY id", "SELECT id FROM things_history"
    assert things.rows(current) == [["1"], ["2"]]

    said = casparian(things, "sources", str(data), "--on-delete", "drop", "--json")

    assert "1 known file deleted" in json.loads(said)["summary"]
    assert things.rows(current) == [["1"]]
    assert sorted(things.rows(history)) == [["1"], ["2"]]
    assert "drop" in casparian(things, "sources", str(data))
    action, facts = audited(things)[-1]
    assert action == "on delete"
    assert json.loads(facts) == {"from": "KEEP", "to": "DROP"}

    casparian(things, "sources", str(data), "--on-delete", "keep")
    assert things.rows(current) == [["1"], ["2"]]
    assert things.call("verify")["ok"]


def test_no_file_comes_to_lie_in_two_granted_folders(house: House, data: Path) -> None:
    inner = data / "inner"
    inner.mkdir()
    (inner / "1.csv").write_text("id\n1\n")
    house.call("scan", path=str(inner))

    said = casparian(house, "init", str(data), code=2)
    assert f"casparian sources --remove {inner}" in said
    assert "read twice" in casparian(house, "scan", str(data), code=2)

    casparian(house, "sources", "--remove", str(inner))
    casparian(house, "init", str(data))
    said = casparian(house, "init", str(inner))
    assert f"granted already, as part of {data}" in said
    assert f"{inner} is part of it" in casparian(house, "scan", str(inner))
    assert [one["path"] for one in house.call("sources")["sources"]] == [str(data)]
    assert house.call("find_files")["total"] == 1


def test_a_topic_is_explained_though_a_folder_has_its_name(
    things: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "things").mkdir()
    monkeypatch.chdir(tmp_path)

    assert "things: complete" in casparian(things, "explain", "things")
    assert "topic" in casparian(things, "lineage", "things")
    assert "no job-99" in casparian(things, "lineage", "things", "job-99", "0", code=2)


def test_a_wrong_choice_or_no_folder_is_a_usage_error(things: House, data: Path) -> None:
    assert "keep nor drop" in casparian(things, "sources", str(data), "--on-delete", "x", code=2)
    assert "needs a folder" in casparian(things, "sources", "--on-delete", "drop", code=2)


def test_an_agent_decides_nothing_about_a_folder(things: House, data: Path) -> None:
    for method, params in (
        ("set_on_delete", {"path": str(data), "on_delete": "drop"}),
        ("remove_source", {"path": str(data)}),
    ):
        with pytest.raises(NotGranted, match="only a person"):
            things.agent.call(method, params)


def test_a_folder_granted_again_is_read_by_the_plugins_that_read_it_before(
    things: House, data: Path
) -> None:
    casparian(things, "sources", "--remove", str(data))
    (data / "3.csv").write_text("id\n3\n")
    (data / "1.csv").write_text("id\n11\n")

    assert "things read it again" in casparian(things, "init", str(data))
    things.call("scan", path=str(data))

    things.settle(plugin="things")
    assert things.rows("SELECT id FROM things ORDER BY id") == [["11"], ["2"], ["3"]]
    assert things.call("verify")["ok"]


def test_while_a_folder_is_taken_away_its_rules_are_out_of_force(
    things: House, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "4.csv").write_text("id\n4\n")
    things.call("remove_source", path=str(data))

    dataset = things.call("get_datasets", names=["things"])["datasets"][0]
    assert dataset["files_seen"] == 0
    assert things.call("run_job", plugin="things", dry_run=True)["matched_files"] == 0

    things.call("scan", path=str(other))
    things.publish([str(other / "4.csv")], source=SOURCE, draft="draft-things-1")
    things.settle(plugin="things")
    things.call("grant", path=str(data))
    (data / "5.csv").write_text("id\n5\n")
    things.call("scan", path=str(data))

    # The same code, published again, was approved for the other folder alone.
    assert ["5"] not in things.rows("SELECT id FROM things")
    assert things.call("verify")["ok"]


def test_a_retired_plugin_does_not_come_back_with_its_folder(things: House, data: Path) -> None:
    things.call("remove_source", path=str(data))
    things.call("retire", plugin="things")
    (data / "3.csv").write_text("id\n3\n")

    assert "read it again" not in things.call("grant", path=str(data))["summary"]
    assert things.call("scan", path=str(data))["jobs"] == 0


def test_a_yes_for_a_folder_since_taken_away_is_not_a_yes_for_less(
    house: House, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    files = [data / "1.csv", other / "2.csv"]
    for file in files:
        file.write_text("id\n1\n")
        house.call("scan", path=str(file.parent))
    draft = house.call("draft_plugin", files=[str(one) for one in files], source=SOURCE)["draft"]
    checked = house.call("validate_plugin", draft=draft, wait_s=60, files=[str(files[0])])
    order = {"draft": draft, "digest": checked["digest"]}
    approval = house.call("publish_plugin", **order)["approval"]["id"]
    house.call("approve", approval=approval)

    house.call("remove_source", path=str(other))

    asked = house.call("publish_plugin", **order)
    assert asked["status"] == "approval_required"
    assert asked["effects"]["roots"] == [str(data)]


def test_a_folder_taken_away_stays_away_when_a_server_starts_again(
    house: House, data: Path
) -> None:
    house.call("grant", path=str(data))
    house.call("remove_source", path=str(data))

    async def sources() -> list[object]:
        with anyio.fail_after(60):
            async with Client(server(house, data)) as client:
                found: list[object] = (await call(client, "get_overview"))["sources"]
                return found

    assert anyio.run(sources) == []

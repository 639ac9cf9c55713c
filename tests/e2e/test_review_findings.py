"""What a careful reader found could go wrong, shown not to."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from casparian_flow.errors import ApprovalError, NotGranted
from engine.control import Caller, request_line
from tests.conftest import House

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="PATTERN", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""


def source(pattern: str) -> str:
    return SOURCE.replace("PATTERN", pattern)


@pytest.mark.usefixtures("arrow_environment")
def test_a_draft_that_changed_lends_its_face_to_no_approval(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    files = [str(data / "a.csv")]
    draft = house.call("draft_plugin", files=files, source=source("*.csv"))["draft"]
    first = house.call("validate_plugin", draft=draft, wait_s=60)
    asked = house.call("publish_plugin", draft=draft, digest=first["digest"])
    house.call("draft_plugin", files=files, source=source("a*.csv"), draft=draft)
    house.call("validate_plugin", draft=draft, wait_s=60)

    shown = house.call("approvals", approval=asked["approval"]["id"])["approvals"][0]

    assert shown["status"] == "stale"
    assert shown["source"] == {}
    with pytest.raises(ApprovalError, match="changed"):
        house.call("approve", approval=asked["approval"]["id"], digest=first["digest"])


@pytest.mark.usefixtures("arrow_environment")
def test_an_upgrade_with_a_wider_pattern_reads_what_the_first_did_not(
    house: House, data: Path
) -> None:
    (data / "a1.csv").write_text("id\n1\n")
    (data / "b1.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a1.csv")], source=source("a*.csv"))
    house.settle(plugin="things")
    house.publish([str(data / "a1.csv")], source=source("*.csv"), draft="draft-things-1")
    house.settle(plugin="things")

    assert house.rows("SELECT id FROM things ORDER BY id") == [["1"], ["2"]]
    jobs = house.call("get_jobs", plugin="things", file=str(data / "b1.csv"))["jobs"]
    assert [job["plugin"] for job in jobs] == ["things@2"]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_folder_that_was_taken_away_is_not_read_again(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=source("*.csv"))
    job = house.settle(plugin="things")["jobs"][0]["job"]
    house.call("remove_source", path=str(data))

    for method, params in (
        ("draft_plugin", {"draft": "draft-things-1"}),
        ("validate_plugin", {"draft": "draft-things-1"}),
    ):
        with pytest.raises(NotGranted):
            house.agent.call(method, params)
    assert house.agent.call("retry_job", {"jobs": [job]})["states"] == {job: "done"}


@pytest.mark.usefixtures("arrow_environment")
def test_a_run_stays_within_what_was_approved(house: House, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret.csv").write_text("id\n9\n")
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.call("scan", path=str(other))
    house.publish([str(data / "a.csv")], source=source("*.csv"))
    house.settle(plugin="things")

    with pytest.raises(NotGranted, match="approved"):
        house.agent.call("run_job", {"plugin": "things", "files": [str(other / "secret.csv")]})
    wide = house.agent.call("run_job", {"plugin": "things", "pattern": "**/*", "dry_run": True})
    assert wide["matched_files"] == 1


@pytest.mark.usefixtures("arrow_environment")
def test_content_that_comes_back_is_the_newest_again(house: House, data: Path) -> None:
    path = data / "a.csv"
    path.write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(path)], source=source("*.csv"))
    house.settle(plugin="things")
    for content in ("id\n2\n", "id\n1\n"):
        path.write_text(content)
        house.call("scan", path=str(data))
        house.settle(plugin="things")

    assert house.rows("SELECT id FROM things") == [["1"]]
    assert house.rows("SELECT id FROM things_history ORDER BY _job_id") == [["1"], ["2"], ["1"]]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_that_was_away_for_a_moment_is_still_processed(house: House, data: Path) -> None:
    path = data / "a.csv"
    path.write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(path)], source=source("*.csv"))
    house.settle(plugin="things")
    path.chmod(0o000)
    moved = data.with_name("away.csv")
    path.rename(moved)
    house.call("run_job", plugin="things", reprocess="all", wait_s=20)
    job = house.settle(plugin="things")["jobs"][0]
    assert job["state"] == "superseded"
    moved.rename(path)
    path.chmod(0o644)

    house.call("scan", path=str(data))

    assert house.settle(jobs=[job["job"]])["counts"] == {"DONE": 1}


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_renamed_into_what_a_plugin_reads_is_read(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    (data / "b.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=source("*.csv"))
    other = source("*.txt").replace("things", "others")
    (data / "c.txt").write_text("id\n3\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "c.txt")], source=other)
    house.settle()
    before = house.call("get_jobs", plugin="things")["total"]

    (data / "b.csv").rename(data / "b.txt")
    house.call("scan", path=str(data))
    house.settle()

    assert house.rows("SELECT id FROM others ORDER BY id") == [["2"], ["3"]]
    assert house.call("get_jobs", plugin="things")["total"] == before


@pytest.mark.usefixtures("arrow_environment")
def test_a_call_that_is_sent_again_queues_once(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=source("*.csv"))
    house.settle()
    params = {"plugin": "things", "files": [str(data / "a.csv")], "wait_s": 30}
    line = request_line("run_job", params, Caller("cli", "t"))

    first = send(house, line)
    second = send(house, line)  # as after an engine that died before it answered

    assert first["jobs"] == second["jobs"]
    assert house.call("get_jobs", plugin="things")["total"] == 2


def send(house: House, line: bytes) -> dict[str, Any]:
    """The result of a call as it travels, without the client that would name it anew."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(house.home.engine_socket))
        connection.sendall(line)
        with connection.makefile("rb") as answers:
            for answer in map(json.loads, answers):
                if "result" in answer:
                    return cast("dict[str, Any]", answer["result"])
    raise AssertionError("no answer")


@pytest.mark.usefixtures("arrow_environment")
def test_a_job_has_its_own_log_and_no_other(house: House, data: Path) -> None:
    for number in range(3):
        (data / f"a{number}.csv").write_text(f"id\n{number}\n")
    talking = source("a*.csv").replace(
        "        with open", '        print("reading", path[-6:])\n        with open'
    )
    house.call("scan", path=str(data))
    house.publish([str(data / "a0.csv")], source=talking)
    jobs = house.settle(plugin="things", include=["log", "receipt"])["jobs"]

    assert {job["receipt"]["batch_files"] for job in jobs} == {3}
    assert {job["log"] for job in jobs} == {f"reading a{n}.csv\n" for n in range(3)}


def test_files_of_every_shape_are_counted_however_many_shapes_there_are(
    house: House, data: Path
) -> None:
    for letter in "abcdefghijklmnopqrstuvwxy":
        for number in range(3):
            (data / f"{letter}{number}.csv").write_text("id\n1\n")

    scanned = house.call("scan", path=str(data))

    assert scanned["unrouted"] == 75
    assert len(scanned["groups"]) == 20

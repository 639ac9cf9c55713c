"""A worker that falls silent, or a job that is cancelled, costs the other jobs nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, cast

import pytest

from tests.conftest import House, until

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            rows = [dict(row) for row in csv.DictReader(file)]
        for _ in range(int(rows[0]["steps"])):
            pass
        self.publish("things", rows)
"""


def worker_pid(house: House) -> int:
    """The worker process of a home, as the kernel knows it."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"engine.workshop" in command and _home(house) in environment:
            return int(entry.name)
    raise LookupError("no worker")


def _home(house: House) -> bytes:
    return b"CASPARIAN_HOME=" + os.fsencode(house.home.root)


@pytest.mark.usefixtures("arrow_environment")
def test_a_hung_worker_loses_its_lease_and_another_takes_over(
    house: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASPARIAN_LEASE_S", "2")
    (data / "a.csv").write_text("steps,id\n0,1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle()
    (data / "b.csv").write_text("steps,id\n90000000,2\n")
    house.call("scan", path=str(data))
    file = str(data / "b.csv")
    until(lambda: house.call("get_jobs", file=file)["jobs"][0]["state"] == "running")
    hung = worker_pid(house)

    os.kill(hung, signal.SIGSTOP)
    ended = house.settle(file=file)["jobs"][0]

    assert ended["state"] == "done", ended
    assert ended["attempt"] == 2
    assert worker_pid(house) != hung
    assert not Path(f"/proc/{hung}").exists()
    assert house.rows("SELECT id FROM things ORDER BY id") == [["1"], ["2"]]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_cancelling_one_job_of_a_batch_costs_the_others_nothing(
    house: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASPARIAN_MAX_ATTEMPTS", "1")
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle()
    for number, steps in enumerate((60_000_000, 0, 0), 1):
        (data / f"b{number}.csv").write_text(f"steps,id\n{steps},{number}\n")
    house.call("scan", path=str(data))
    files = [str(data / f"b{number}.csv") for number in (1, 2, 3)]

    def newest(file: str) -> dict[str, Any]:
        return cast("dict[str, Any]", house.call("get_jobs", file=file)["jobs"][0])

    until(lambda: newest(files[0])["state"] == "running")
    house.call("cancel_job", jobs=[newest(files[2])["job"]])
    house.settle()

    assert [newest(file)["state"] for file in files] == ["done", "done", "cancelled"]
    assert house.rows("SELECT id FROM things ORDER BY id") == [["0"], ["1"], ["2"]]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_cancelling_ends_a_guest_that_says_nothing(
    house: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASPARIAN_SLOTS", "1")
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle()
    (data / "endless.csv").write_text(f"steps,id\n{10**15},1\n")
    house.call("scan", path=str(data))
    endless = house.call("get_jobs", file=str(data / "endless.csv"))["jobs"][0]["job"]
    until(lambda: house.call("get_jobs", jobs=[endless])["jobs"][0]["state"] == "running")
    (data / "next.csv").write_text("steps,id\n0,2\n")
    house.call("scan", path=str(data))

    house.call("cancel_job", jobs=[endless])

    assert house.settle(file=str(data / "next.csv"))["jobs"][0]["state"] == "done"


@pytest.mark.usefixtures("arrow_environment")
def test_asking_for_pending_work_twice_queues_it_once(house: House, data: Path) -> None:
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle()
    (data / "slow.csv").write_text("steps,id\n60000000,1\n")
    house.call("scan", path=str(data))

    again = house.call("run_job", plugin="things", wait_s=0)

    assert again["jobs"] == []
    house.settle()
    assert house.call("get_jobs", file=str(data / "slow.csv"))["total"] == 1


@pytest.mark.usefixtures("arrow_environment")
def test_a_batch_that_talks_too_much_fails_and_ends(
    house: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASPARIAN_MAX_ATTEMPTS", "1")
    loud = SOURCE.replace(
        "        self.publish",
        "        print('\\x01' * 400_000, rows[0]['id'])\n        self.publish",
    )
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=loud)
    house.settle()
    for number in range(140):
        (data / f"b{number}.csv").write_text(f"steps,id\n0,{number}\nx\n" * (number % 2 + 1))
    house.call("scan", path=str(data))

    counts = house.settle()["counts"]

    assert set(counts) <= {"DONE", "FAILED"}, counts
    assert sum(counts.values()) == 141


def test_a_damaged_environment_is_built_anew(house: House, data: Path) -> None:
    house.home.venvs.unlink()  # one of its own, in place of the one that tests share
    house.home.venvs.mkdir()
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle()
    worker = worker_pid(house)
    house.stop()
    until(lambda: not Path(f"/proc/{worker}").exists())  # or it would use what it has imported
    [place] = [one for one in house.home.venvs.iterdir() if not one.name.startswith(".")]
    [package] = place.glob("lib/python*/site-packages/pyarrow")
    shutil.rmtree(package)
    (data / "b.csv").write_text("steps,id\n0,1\n")
    house.call("scan", path=str(data))

    ended = house.settle(file=str(data / "b.csv"))["jobs"][0]

    assert (ended["state"], ended["attempt"]) == ("done", 2)


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_that_never_ends_is_set_apart_at_once(
    house: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASPARIAN_JOB_TIMEOUT_S", "2")
    monkeypatch.setenv("CASPARIAN_MAX_ATTEMPTS", "1")
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle()
    for number in range(9):
        steps = 10**15 if number == 4 else 0
        (data / f"b{number}.csv").write_text(f"steps,id\n{steps},{number}\n")
    house.call("scan", path=str(data))

    jobs = house.settle(include=["receipt"])["jobs"][:9]

    assert sorted(job["state"] for job in jobs) == ["done"] * 8 + ["failed"]
    together = {job["receipt"]["batch_files"] for job in jobs if job["state"] == "done"}
    assert together == {8}


@pytest.mark.usefixtures("arrow_environment")
def test_what_is_cancelled_before_it_was_sent_is_never_read(house: House, data: Path) -> None:
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE.replace("things", "others"))
    house.settle()  # the worker is there, and knows another plugin
    worker = worker_pid(house)
    os.kill(worker, signal.SIGSTOP)  # as if the environment took long to build
    try:
        house.publish([str(data / "a.csv")], source=SOURCE)
        job = house.call("get_jobs", plugin="things")["jobs"][0]["job"]
        until(lambda: house.call("get_jobs", jobs=[job])["jobs"][0]["state"] == "running")
        house.call("cancel_job", jobs=[job])
    finally:
        os.kill(worker, signal.SIGCONT)
    (data / "b.csv").write_text("steps,id\n0,1\n")
    house.call("scan", path=str(data))

    house.settle()
    assert house.rows("SELECT id FROM things") == [["1"]]
    ledger = [json.loads(one.read_text()) for one in house.home.lake.glob("_ledger/*.json")]
    mine = [one["identity"] for one in ledger if one["identity"]["plugin"] == "things"]
    assert [Path(one["path"]).name for one in mine] == ["b.csv"]


WIDE = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topics=TOPICS)


class Handler(BasePlugin):
    def execute(self, path):
        name = "a_rather_long_name_of_a_column_"
        row = {name + str(number): number for number in range(3500)}
        for topic in MANIFEST.topics:
            self.publish(topic, [row])
"""


@pytest.mark.usefixtures("arrow_environment")
def test_a_dispatch_that_no_worker_takes_fails_its_jobs_and_no_others(
    house: House, data: Path
) -> None:
    topics = [f"wide_{letter}" for letter in "abcdefgh"]
    wide = WIDE.replace("MANIFEST.topics", repr(topics)).replace("TOPICS", repr(topics))
    (data / "a.csv").write_text("steps,id\n0,0\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=wide)
    failed = house.settle()["jobs"][0]

    assert failed["state"] == "failed", failed
    assert "DISPATCH" in failed["error"]["message"]
    house.publish([str(data / "a.csv")], source=SOURCE)
    assert house.settle(plugin="things")["jobs"][0]["state"] == "done"

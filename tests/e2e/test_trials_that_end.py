"""A trial ends when it is told to, and with its engine; what it found is counted once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from casparian_flow.errors import CasparianError
from engine.journal import Journal, only_writer
from tests.conftest import House, until
from tests.doors import COMMAND, casparian

SLOW = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="s-*.txt", topic="slow")


class Handler(BasePlugin):
    def execute(self, path):
        for _ in range(STEPS):
            pass
        self.publish("slow", [{"n": 1}])
"""
FILES = 12


def processes_of(house: House) -> list[int]:
    """Trials that run for a home, as the kernel knows them."""
    home = b"CASPARIAN_HOME=" + os.fsencode(house.home.root)
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"engine.trial" in command and home in environment:
            found.append(int(entry.name))
    return found


def drafted(house: House, data: Path, *, steps: int) -> str:
    for number in range(FILES):
        (data / f"s-{number}.txt").write_text("1\n")
    house.call("scan", path=str(data))
    source = SLOW.replace("STEPS", str(steps))
    made = house.call(
        "draft_plugin", files=[str(data / "s-0.txt")], source=source, dependencies=["pyarrow"]
    )
    return str(made["draft"])


def tried(house: House, draft: str) -> list[dict[str, Any]]:
    return [
        one
        for journal in (house.home.drafts / draft).glob("all.*.jsonl")
        for one in Journal(journal).outcomes()
    ]


@pytest.mark.usefixtures("arrow_environment")
def test_a_backtest_ends_with_its_engine_and_counts_each_file_once(
    house: House, data: Path
) -> None:
    draft = drafted(house, data, steps=20_000_000)
    house.call("validate_plugin", draft=draft, all_files=True, wait_s=0)
    until(lambda: len(tried(house, draft)) >= 2)
    os.kill(house.engine_pid(), signal.SIGKILL)
    until(lambda: not processes_of(house), seconds=20)

    told = house.call("validate_plugin", draft=draft, all_files=True, wait_s=100)

    assert (told["files_tried"], told["rows"][0]["row_count"]) == (FILES, FILES)
    assert set(Counter(one["key"] for one in tried(house, draft)).values()) == {1}


@pytest.mark.usefixtures("arrow_environment")
def test_a_person_stops_a_trial_and_it_goes_on_later(house: House, data: Path) -> None:
    draft = drafted(house, data, steps=20_000_000)
    environment = {**os.environ, "CASPARIAN_HOME": str(house.home.root)}
    waiting = subprocess.Popen(
        [COMMAND, "validate", draft, "--all-files"], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until(lambda: len(tried(house, draft)) >= 1)
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert f"casparian cancel {draft}" in said
    assert processes_of(house)

    assert f"{draft}: stopping" in casparian(house, "cancel", draft)
    until(lambda: not processes_of(house), seconds=20)
    assert f"{draft}: not being tried" in casparian(house, "cancel", draft)
    assert len(tried(house, draft)) < FILES

    told = json.loads(casparian(house, "validate", draft, "--all-files", "--json"))
    assert (told["files_tried"], told["files_passed"]) == (FILES, FILES)


@pytest.mark.usefixtures("arrow_environment")
def test_who_waits_for_a_trial_that_is_stopped_is_told(house: House, data: Path) -> None:
    draft = drafted(house, data, steps=10_000_000_000)
    said: list[str] = []

    def wait() -> None:
        try:
            house.agent.call("validate_plugin", {"draft": draft, "wait_s": 60})
        except CasparianError as error:
            said.append(f"{error.message}: {error.hint}")

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: bool(processes_of(house)))
    house.call("cancel_job", jobs=[draft])
    waiting.join(timeout=30)

    assert said == ["the trial was stopped: Validate again: a backtest goes on where it was."]


def test_one_process_at_a_time_writes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    seen: list[bool] = []

    def second() -> None:
        with only_writer(path) as journal:
            seen.append(journal.has("a"))

    with only_writer(path) as journal:
        other = threading.Thread(target=second)
        other.start()
        other.join(timeout=0.3)
        assert other.is_alive()
        journal.add({"key": "a", "reason": ""})
    other.join(timeout=10)

    assert seen == [True]

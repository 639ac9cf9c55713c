"""A person who approves sees every character, is asked plainly, and is told what comes next."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import House
from tests.doors import COMMAND, casparian

HIDDEN = "exfiltrate = 'behind the edge'"
SOURCE = f"""
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        {" " * 80}{HIDDEN}
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
""".replace(f"        {' ' * 80}{HIDDEN}", f"        pass;{' ' * 80}{HIDDEN}")


def at_a_terminal(
    house: House, *arguments: str, types: bytes = b"", columns: int = 80
) -> tuple[int, str]:
    """Exit code and screen of a command whose person types this and then nothing more."""
    leader, follower = pty.openpty()
    environment = {
        **os.environ,
        "CASPARIAN_HOME": str(house.home.root),
        "COLUMNS": str(columns),
        "TERM": "xterm",
    }
    os.write(leader, types)
    process = subprocess.Popen(
        [COMMAND, *arguments], env=environment, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    screen = b""
    try:
        while piece := os.read(leader, 4096):
            screen += piece
    except OSError:  # the last writer has gone
        pass
    finally:
        os.close(leader)
    plain = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", screen)
    return process.wait(timeout=60), plain.decode().replace("\r\n", "\n")


def validated(house: House, data: Path, source: str = SOURCE) -> str:
    """A draft that only waits for its publication."""
    (data / "a.csv").write_text("id,name\n1,x\n")
    house.call("scan", path=str(data))
    made = house.call("draft_plugin", files=[str(data / "a.csv")], source=source)
    assert house.call("validate_plugin", draft=made["draft"], wait_s=60)["ok"]
    return str(made["draft"])


@pytest.mark.usefixtures("arrow_environment")
@pytest.mark.parametrize("columns", [60, 80])
def test_code_behind_blanks_is_not_hidden_at_the_edge_of_a_terminal(
    house: House, data: Path, columns: int
) -> None:
    draft = validated(house, data)
    casparian(house, "publish", draft, code=5)

    for words in (("approve", "approval-1"), ("publish", draft)):
        _, screen = at_a_terminal(house, *words, types=b"\x04", columns=columns)
        lines = [line.rpartition("\r")[2] for line in screen.split("\n")]
        assert HIDDEN.replace(" ", "") in "".join(lines).replace(" ", "").replace("↪", "")
        assert max(map(len, lines)) <= columns
    assert "pass;" + " " * 80 + HIDDEN in casparian(house, "approve", "approval-1", code=5)


@pytest.mark.usefixtures("arrow_environment")
def test_no_declines_and_enter_leaves_it_waiting(house: House, data: Path) -> None:
    draft = validated(house, data)

    for typed in (b"\n", b"\x04"):
        code, screen = at_a_terminal(house, "publish", draft, types=typed)
        assert code == 5
        assert "waits for a person" in screen
        assert house.call("approvals", approval="1")["approvals"][0]["status"] == "waiting"

    code, screen = at_a_terminal(house, "publish", draft, types=b"n\n")
    assert code == 5
    assert "declined" in screen
    assert "casparian approve approval-1" in screen
    assert house.call("approvals", approval="1")["approvals"][0]["status"] == "declined"

    assert at_a_terminal(house, "approve", "approval-1", types=b"y\n")[0] == 0
    assert house.call("approvals", approval="1")["approvals"][0]["status"] == "approved"


@pytest.mark.usefixtures("arrow_environment")
def test_what_is_decided_already_says_so_and_what_comes_next(house: House, data: Path) -> None:
    draft = validated(house, data)
    casparian(house, "publish", draft, "--reprocess", "all", code=5)
    waiting = casparian(house, "approve", "approval-1", code=5)
    listed = casparian(house, "approve", "--json")
    assert "/approvals/1?key=" in waiting
    assert "/approvals/1?key=" in listed
    assert "Nothing was decided" not in waiting

    said = casparian(house, "approve", "approval-1", "--yes")
    assert "does not publish" in said
    for words in (("approve", "approval-1"), ("approve", "approval-1", "--yes")):
        said = casparian(house, *words)
        assert "approved" in said
        assert f"casparian publish {draft} --reprocess all" in said

    casparian(house, "publish", draft, "--reprocess", "all")
    assert "used" in casparian(house, "approve", "approval-1")


@pytest.mark.usefixtures("arrow_environment")
def test_how_a_person_said_yes_is_recorded(house: House, data: Path) -> None:
    draft = validated(house, data)
    casparian(house, "publish", draft, "--yes")
    house.call("draft_plugin", files=[str(data / "a.csv")], source=SOURCE + "#\n", draft=draft)
    house.call("validate_plugin", draft=draft, wait_s=60)
    casparian(house, "publish", draft, code=5)
    casparian(house, "approve", "approval-2", "--yes")
    casparian(house, "publish", draft)
    house.call("draft_plugin", files=[str(data / "a.csv")], source=SOURCE + "##\n", draft=draft)
    assert at_a_terminal(house, "publish", draft, types=b"y\n")[0] == 0

    how = {
        version: house.call("get_plugins", names=[version], include=["signature"])["plugins"][0]
        for version in ("things@1", "things@2", "things@3")
    }
    assert [one["signature"]["approved_how"] for one in how.values()] == [
        "cli: --yes",
        "cli: --yes",
        "cli: prompt",
    ]

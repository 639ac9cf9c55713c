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
@pytest.mark.parametrize("columns", [40, 80])
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

"""2,000 files through one published pandas plugin; killing anything half-way changes nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import House

FILES, ROWS = 2000, 100

PLUGIN = """
import pandas as pd

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="part-*.csv", topic="parts")


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("parts", pd.read_csv(path))
"""


@pytest.fixture
def parts(data: Path) -> dict[str, str]:
    """2,000 files of 100 rows; path → SHA-256."""
    digests: dict[str, str] = {}
    for number in range(FILES):
        body = "".join(f"{number * ROWS + i},{number},value {i}\n" for i in range(ROWS))
        content = ("id,part,text\n" + body).encode()
        path = data / f"part-{number:04d}.csv"
        path.write_bytes(content)
        digests[str(path)] = hashlib.sha256(content).hexdigest()
    return digests


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("pandas_environment")
def test_every_row_of_2000_files_is_there_once_whatever_is_killed(
    new_house: Callable[[], House], data: Path, parts: dict[str, str]
) -> None:
    house = new_house()
    house.call("scan", path=str(data), wait_s=60)
    first = min(parts)
    house.publish([first], source=PLUGIN, dependencies=["pandas"])

    _wait_for_done(house, 200)
    os.kill(_process_of(house, "engine.workshop"), signal.SIGKILL)
    _wait_for_done(house, 700)
    os.kill(_process_of(house, "start --background"), signal.SIGKILL)
    jobs = house.settle(200, plugin="parts")

    assert jobs["counts"] == {"DONE": FILES}, jobs["summary"]
    assert house.rows("SELECT count(*), count(DISTINCT id), sum(id) FROM parts") == [
        [FILES * ROWS, FILES * ROWS, sum(range(FILES * ROWS))]
    ]
    _assert_rows_lead_to_their_files(house, parts)
    checks = house.call("verify")
    assert checks["ok"], checks


def _assert_rows_lead_to_their_files(house: House, parts: dict[str, str]) -> None:
    """Each row's `_file_version_id` names the SHA-256 of the file its own content names."""
    pairs: dict[int, int] = {}
    for offset in range(0, FILES, 1000):
        rows = house.rows(
            "SELECT _file_version_id, min(part), max(part) FROM parts"
            f" GROUP BY 1 ORDER BY 1 LIMIT 1000 OFFSET {offset}"
        )
        for version, low, high in rows:
            assert low == high
            pairs[version] = low
    assert len(pairs) == FILES
    cursor = None
    seen = 0
    while True:
        page = house.call("find_files", limit=200, cursor=cursor)
        for file in page["files"]:
            version, _, digest = file["version"].partition(" sha256:")
            number = pairs[int(version.removeprefix("version-"))]
            assert file["file"].endswith(f"part-{number:04d}.csv")
            assert digest == parts[file["file"]]
            seen += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == FILES


def _wait_for_done(house: House, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        counts = house.call("get_jobs", limit=1)["counts"]
        if counts.get("DONE", 0) >= count:
            assert counts.get("DONE", 0) < FILES, "too fast to be interrupted"
            return
    raise AssertionError(f"fewer than {count} jobs ended")


def _process_of(house: House, words: str) -> int:
    """The process of this home whose command line holds `words`."""
    home = f"CASPARIAN_HOME={house.home.root}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if words in command and home in environment:
            return int(entry.name)
    raise AssertionError(f"no process {words!r}")

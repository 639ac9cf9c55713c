"""A full disk fails what needs room, names itself, and loses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from casparian_flow.errors import CatalogError
from tests.conftest import START, House, until

MOUNT = ["unshare", "--mount", "sh", "-c"]
BYTES = 64 << 20


def can_mount(tmp_path: Path) -> bool:
    place = tmp_path / "probe"
    place.mkdir()
    command = [*MOUNT, 'mount -t tmpfs -o size=1m tmpfs "$0"', str(place)]
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def small(house: House, tmp_path: Path) -> Generator[House]:
    """A home on a file system of its own of 64 MiB, which only its engine sees."""
    if not can_mount(tmp_path):
        pytest.skip("no file system can be mounted here")
    home = house.home
    script = (
        'mount -t tmpfs -o size="$1" tmpfs "$2" && mkdir -p "$2/venvs"'
        ' && mount --bind "$3" "$2/venvs" && shift 3 && exec "$@"'
    )
    shared = str(home.venvs.resolve())
    command = [*MOUNT, script, "sh", str(BYTES), str(home.root), shared, START[0], "start"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "CASPARIAN_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(house.person.is_running)
    yield house
    house.stop()
    assert process.wait(30) == 0


def seen_from_outside(house: House) -> Path:
    """The engine's own view of its home."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        mounts = entry / "mounts"
        try:
            if str(house.home.root) in mounts.read_text():
                return entry / "root" / house.home.root.relative_to("/")
        except OSError:
            continue
    raise LookupError("no engine")


def fill(path: Path, *, but: int = 0) -> None:
    """Take all that is left but so many bytes."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
        file.truncate(file.tell() - but)


@pytest.mark.usefixtures("arrow_environment")
def test_a_full_disk_stops_nothing_for_good_and_loses_nothing(small: House, data: Path) -> None:
    house = small
    (data / "a.csv").write_text("id,name\n1,first\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], topic="things", pattern="*.csv")
    house.settle()
    filler = seen_from_outside(house) / "filler"
    fill(filler)
    (data / "b.csv").write_text("id,name\n2,second\n")

    with pytest.raises(CatalogError, match="disk is full") as full:
        house.call("scan", path=str(data))

    assert str(house.home.root) in full.value.message
    assert "stays stored" in full.value.hint
    assert house.rows("SELECT id FROM things") == [[1]]
    filler.unlink()
    house.call("scan", path=str(data))
    house.settle()
    assert house.rows("SELECT id FROM things ORDER BY id") == [[1], [2]]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_lake_without_room_fails_the_job_until_there_is_room(small: House, data: Path) -> None:
    house = small
    (data / "a.csv").write_text("id,name\n1,first\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], topic="things", pattern="*.csv")
    house.settle()
    filler = seen_from_outside(house) / "filler"
    fill(filler, but=2 << 20)
    large = data / "b.csv"
    rows = "".join(f"{number},{os.urandom(40).hex()}\n" for number in range(60_000))
    large.write_text("id,name\n" + rows)

    house.call("scan", path=str(data))
    failed = house.settle(file=str(large))["jobs"][0]

    assert failed["state"] == "failed"
    assert failed["attempt"] == 3
    assert "No space left" in failed["error"]["message"]
    assert house.rows("SELECT id FROM things") == [[1]]
    filler.unlink()
    house.call("retry_job", jobs=[failed["job"]])
    assert house.settle(file=str(large))["jobs"][0]["state"] == "done"
    assert house.rows("SELECT count(*) FROM things") == [[60_001]]
    assert house.call("verify")["ok"]

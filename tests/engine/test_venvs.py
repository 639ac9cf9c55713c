"""Environments stand while somebody uses them, and leave when there are too many."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine import publisher, venvs

PLENTY = 1 << 50


def lock(name: str) -> bytes:
    return publisher.lock([name])


def standing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def lease_and_close(folder: Path, lockfile: bytes, keep_bytes: int) -> str:
    leased = venvs.lease(folder, lockfile, keep_bytes=keep_bytes)
    leased.close()
    return leased.path.name


def test_the_longest_unused_leaves_and_the_newest_stays(tmp_path: Path) -> None:
    first = lease_and_close(tmp_path, lock("six"), PLENTY)
    second = lease_and_close(tmp_path, lock("toml"), PLENTY)
    for age, name in ((20, second), (10, first)):  # the first was used after the second
        moment = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (moment, moment))
    elsewhere = tmp_path / ".elsewhere"
    elsewhere.mkdir()
    third = lease_and_close(elsewhere, lock("tomli"), PLENTY)
    room = venvs.size(elsewhere / third) + venvs.size(tmp_path / first)

    lease_and_close(tmp_path, lock("tomli"), room)

    assert standing(tmp_path) == {first, third}


def test_what_another_process_uses_is_not_evicted(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from engine import venvs;"
        "venvs.lease(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), keep_bytes=0).close()"
    )
    other = tmp_path / "other.lock"
    other.write_bytes(lock("toml"))
    folder = tmp_path / "venvs"
    folder.mkdir()
    in_use = venvs.lease(folder, lock("six"), keep_bytes=PLENTY)
    command = [sys.executable, "-I", "-c", script, str(folder), str(other)]
    subprocess.run(command, check=True, timeout=120)

    assert in_use.path.name in standing(folder)
    in_use.close()
    lease_and_close(folder, lock("tomli"), 0)
    assert in_use.path.name not in standing(folder)

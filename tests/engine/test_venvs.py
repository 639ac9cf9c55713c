"""Environments stand while somebody uses them, and leave when there are too many."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from casparian_flow.errors import LockRefused
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


def test_a_package_that_would_have_to_be_built_is_not_even_locked(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    package = tmp_path / "evil"
    package.mkdir()
    setup = f"open({str(ran)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='evil')\n"
    (package / "setup.py").write_text(setup)

    with pytest.raises(LockRefused):
        publisher.lock([f"evil @ {package.as_uri()}"])

    assert not ran.exists()


SOURCE_ONLY = """
version = 1
requires-python = "==3.11.*"

[[package]]
name = "evil"
version = "1"
source = { SOURCE }
sdist = { url = "https://files.example/evil-1.tar.gz", hash = "sha256:00", size = 1 }
"""


@pytest.mark.parametrize(
    "source",
    ['registry = "https://files.example/simple"', 'git = "https://files.example/evil"',
     'directory = "/tmp/evil"', 'url = "https://files.example/evil-1.tar.gz"'],
)  # fmt: skip
def test_a_lock_that_would_build_code_installs_nothing(tmp_path: Path, source: str) -> None:
    lockfile = SOURCE_ONLY.replace("SOURCE", source).encode()

    with pytest.raises(LockRefused, match="evil"):
        venvs.lease(tmp_path, lockfile, keep_bytes=PLENTY)

    assert list(tmp_path.iterdir()) == []

"""Parts that tests share: a real environment, a real home, a real engine."""

from __future__ import annotations

import getpass
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings

from engine import publisher, venvs
from engine.control import Caller, Client
from engine.database import open_catalog
from engine.home import prepare

# A database of examples would make a run depend on the runs before it.
settings.register_profile("casparian", database=None, deadline=None)
settings.load_profile("casparian")

START = (str(Path(sys.executable).parent / "casparian"), "start", "--background")


@dataclass(frozen=True)
class Environment:
    """A built guest environment and the lock it came from."""

    venv: Path
    lockfile: bytes


@pytest.fixture(scope="session")
def shared_venvs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of environments that every home of this run uses."""
    return tmp_path_factory.mktemp("venvs")


@pytest.fixture(scope="session")
def new_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog as an engine makes it, still of no installation: hundreds of homes begin so."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.db"
    open_catalog(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM installation")
    return path


def built(shared_venvs: Path, lockfile: bytes) -> Environment:
    """An environment that stays for the whole run: nothing is evicted below this size."""
    leased = venvs.lease(shared_venvs, lockfile, keep_bytes=1 << 50)
    leased.close()
    return Environment(leased.path, lockfile)


@pytest.fixture(scope="session")
def arrow_environment(shared_venvs: Path) -> Environment:
    """An environment that holds pyarrow."""
    lockfile = publisher.lock(["pyarrow"])
    return built(shared_venvs, lockfile)


@pytest.fixture(scope="session")
def pandas_environment(shared_venvs: Path) -> Environment:
    """An environment that holds pandas and pyarrow."""
    lockfile = publisher.lock(["pandas", "pyarrow"])
    return built(shared_venvs, lockfile)


def until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what another process brings about, and fail if it never comes."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


class House:
    """A home with its engine, reached as a door reaches it."""

    def __init__(self, root: Path, shared: Path, catalog: Path) -> None:
        self.home = prepare(root)
        shutil.copy(catalog, self.home.catalog)
        shutil.rmtree(self.home.venvs)
        self.home.venvs.symlink_to(shared)
        self.person = Client(self.home, Caller("cli", getpass.getuser()), START)
        self.agent = Client(self.home, Caller("mcp", getpass.getuser()), START)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask as the person at the machine."""
        return cast("dict[str, Any]", self.person.call(method, params))

    def publish(
        self,
        files: list[str],
        *,
        source: str | None = None,
        topic: str | None = None,
        dependencies: list[str] | None = None,
        draft: str | None = None,
        reprocess: str = "new",
        pattern: str | None = None,
        sinks: list[str] | None = None,
        all_files: bool = False,
    ) -> dict[str, Any]:
        """Draft, validate, approve and publish; the publication."""
        made = self.call(
            "draft_plugin", files=files, source=source, topic=topic, dependencies=dependencies,
            draft=draft, pattern=pattern, sinks=sinks,
        )  # fmt: skip
        checked = self.call(
            "validate_plugin", draft=made["draft"], wait_s=120, max_files=5, all_files=all_files
        )
        assert checked["ok"], checked
        order = {"draft": made["draft"], "digest": checked["digest"], "reprocess": reprocess}
        asked = self.call("publish_plugin", **order)
        self.call("approve", approval=asked["approval"]["id"], digest=checked["digest"])
        published = self.call("publish_plugin", **order)
        assert published["status"] == "published", published
        return published

    def settle(self, wait_s: float = 60, **params: object) -> dict[str, Any]:
        """Wait until the jobs asked for have ended."""
        return self.call("get_jobs", wait_s=wait_s, limit=200, **params)

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a query."""
        return cast("list[list[Any]]", self.call("query", sql=sql, max_rows=1000)["rows"])

    def engine_pid(self) -> int:
        """The process that holds the home, as the kernel knows it."""
        inode = self.home.lock.stat().st_ino
        locks = Path("/proc/locks").read_text().splitlines()
        return next(int(line.split()[4]) for line in locks if f":{inode} " in line)

    def stop(self) -> None:
        """End the engine."""
        if self.person.is_running():
            self.person.call("stop")
        self.person.close()
        self.agent.close()


@pytest.fixture
def new_house(
    tmp_path: Path, shared_venvs: Path, new_catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Callable[[], House]]:
    """Make homes whose engines end with the test."""
    monkeypatch.setenv("CASPARIAN_RESCAN_S", "0")
    made: list[House] = []

    def make() -> House:
        house = House(tmp_path / f"home{len(made)}", shared_venvs, new_catalog)
        made.append(house)
        return house

    yield make
    for house in made:
        house.stop()


@pytest.fixture
def house(new_house: Callable[[], House]) -> House:
    """One home."""
    return new_house()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for source files."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def no_leftover_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test ever touches the operator's own home."""
    monkeypatch.setenv("CASPARIAN_HOME", os.devnull + "/none")

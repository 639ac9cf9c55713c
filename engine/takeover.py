"""Take a home over from the engine before: one at a time, and nothing of it left behind."""

from __future__ import annotations

import fcntl
import logging
import shutil
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from casparian_flow.errors import ConfigError
from engine.home import Home
from engine.sinks.lake import sweep_orphans

logger = logging.getLogger(__name__)

_ENGINE_ENDS_S = 15.0
_WORKERS_END_S = 5.0
_PAUSE_S = 0.05


@contextmanager
def only_engine(home: Home) -> Generator[None]:
    """Hold the home as its one engine; wait for one that is just going, not for one that answers.

    Raises:
        ConfigError: another engine has it.
    """
    deadline = time.monotonic() + _ENGINE_ENDS_S
    with home.lock.open("a+b") as lock:
        while not _locked(lock):
            if _answers(home.engine_socket) or time.monotonic() > deadline:
                raise ConfigError(
                    f"an engine runs for {home.root} already",
                    hint="Use it, or end it first: `casparian stop`.",
                )
            time.sleep(_PAUSE_S)
        yield


def _locked(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True


def clear(home: Home) -> None:
    """Remove what an engine that was killed left: sockets, snapshots, unlisted outputs."""
    for path in (home.engine_socket, home.sentinel_socket):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{path} is in the way of the engine's socket: {error.strerror}",
                hint=f"Move it elsewhere: mv {path} {path}.old",
            ) from error
    with home.worker_lock.open("ab") as lock:
        if not _no_worker_lives(lock):
            # It may be about to list the very files that look like orphans.
            logger.warning("a worker of an earlier engine still lives; nothing is swept this time")
            return
        for entry in home.spool.iterdir():
            shutil.rmtree(entry, ignore_errors=True)
        for entry in home.venvs.glob(".building-*"):
            shutil.rmtree(entry, ignore_errors=True)
        swept = sweep_orphans(home.lake)
        if swept:
            logger.info("orphans removed", extra={"files": swept})


def _no_worker_lives(lock: BinaryIO) -> bool:
    """Whether every worker of an engine that was killed has noticed and ended."""
    deadline = time.monotonic() + _WORKERS_END_S
    while not _locked(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True

"""Be the engine: in the foreground for a person, detached for a door."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from functools import partial
from pathlib import Path

import anyio

from console import showing
from engine.home import Home
from engine.logs import set_up

_MOST_STOPPING_S = 10.0


def run(home: Home, *, background: bool, allow_unconfined: bool) -> None:
    """Run the engine of `home` until it is stopped."""
    from console.approval_page import ApprovalPage
    from engine.runtime import run_engine
    from engine.settings import load_settings

    flags = {"allow_unconfined": True} if allow_unconfined else {}
    settings = load_settings(home.root, **flags)
    if allow_unconfined:
        os.environ["CASPARIAN_ALLOW_UNCONFINED"] = "true"  # the worker is told the same
    if background:
        log = (home.logs / "engine.log").open("a", buffering=1)
        set_up(log)
    else:
        set_up(sys.stderr)
        showing.say(f"Engine of {home.root}. Ctrl-C ends it.")
    page = ApprovalPage(settings.page_port)
    anyio.run(
        partial(
            run_engine,
            home,
            settings,
            companion=page.companion(),
            leaves_when_idle=background,
        )
    )


def await_end(home: Home, *, most_s: float = _MOST_STOPPING_S) -> bool:
    """Return once the engine of a home and its worker have let go of it, or will not.

    Returns:
        Whether they have.
    """
    deadline = time.monotonic() + most_s
    return all(_is_let_go(path, deadline) for path in (home.lock, home.worker_lock))


def _is_let_go(path: Path, deadline: float) -> bool:
    with path.open("ab") as lock:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)

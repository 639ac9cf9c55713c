"""The process of the local worker: read settings, connect, work."""

from __future__ import annotations

import fcntl
import logging
import os
import sys

import anyio

from casparian_flow.errors import CasparianError
from engine.home import Home, prepare_run_folder
from engine.logs import set_up
from engine.settings import load_settings
from engine.worker import work

logger = logging.getLogger(__name__)


def main() -> None:
    """Work for the home in CASPARIAN_HOME until its Sentinel goes away."""
    settings = load_settings()
    home = Home(settings.home)
    prepare_run_folder(home)
    set_up(sys.stderr)
    os.umask(0o022)  # guests that changed users read environments and lake; the home is private
    lock = home.worker_lock.open("ab")
    fcntl.flock(lock, fcntl.LOCK_SH)  # until this process ends: no engine sweeps meanwhile
    try:
        anyio.run(work, home, settings, f"local-{os.getpid()}")
    except CasparianError as error:
        logger.error("the worker cannot work", extra={"error": error.message, "hint": error.hint})  # noqa: TRY400 - no traceback for what a person can mend
        raise SystemExit(1) from error

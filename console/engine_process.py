"""Be the engine: in the foreground for a person, detached for a door."""

from __future__ import annotations

import os
import sys
from functools import partial

import anyio

from console import showing
from engine.home import Home
from engine.logs import set_up


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

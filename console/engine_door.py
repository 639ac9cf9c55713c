"""Reach the engine from the command line."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path

from console.showing import progress
from console.wording import steps
from engine.control import Caller, Client, default_start_command
from engine.home import DEFAULT_ROOT, Home, prepare


def home_in_force() -> Home:
    """The home that CASPARIAN_HOME names, or the default one, ready for use."""
    root = os.environ.get("CASPARIAN_HOME") or DEFAULT_ROOT
    return prepare(Path(root))


def client() -> Client:
    """A client for the home in force."""
    return Client(home_in_force(), Caller("cli", getpass.getuser()), default_start_command())


def ask(method: str, params: Mapping[str, object], *, what: str = "working") -> dict[str, object]:
    """Call the engine with a progress bar; leave out what was not given.

    Next steps come back in the words of the command line.
    """
    given = {key: value for key, value in params.items() if value is not None}
    with progress(what) as report:
        return steps(client().call(method, given, progress=report))

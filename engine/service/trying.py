"""Start the process that tries a plugin on files, behind the wall, and wait for its end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from casparian_flow.errors import CasparianError, error_from_code
from engine.agreements import Standing
from engine.house import House
from gatekeeper.artifact import Artifact

_STEP_S = 0.2


def run_trial(
    house: House,
    artifact: Artifact,
    *,
    topics: Sequence[str],
    inputs: Sequence[Any],
    journal: Path,
    may_stop: bool,
    stop: threading.Event,
    standings: Mapping[str, Standing] | None = None,
    keep_rows: bool = False,
) -> None:
    """Try every input that the journal does not know; outcomes are in it afterwards.

    Args:
        house: Whose environments and lake.
        artifact: The plugin.
        topics: What it publishes to.
        inputs: The files, as `choosing.as_inputs` gives them.
        journal: Where the outcomes go.
        may_stop: Whether a plugin that is plainly wrong need not be tried to the end.
        stop: Set from another thread, it ends the trial.
        standings: Topic → what was agreed on before, which its rows are held to.
        keep_rows: All rows of each file are kept in its outcome, not only the first.

    Raises:
        CasparianError: the trial itself failed, as where its environment cannot be built, or it
            was stopped.
    """
    request = {
        "home": str(house.home.root),
        "files": {name: text.decode() for name, text in artifact.files},
        "lockfile": artifact.lockfile.hex(),
        "topics": list(topics),
        "inputs": list(inputs),
        "timeout_s": house.settings.job_timeout_s,
        "quarantine": [house.settings.quarantine_most, house.settings.quarantine_share],
        "journal": str(journal),
        "may_stop": may_stop,
        "keep_rows": keep_rows,
        "standings": {topic: asdict(one) for topic, one in (standings or {}).items()},
    }
    environment = {**os.environ, "CASPARIAN_HOME": str(house.home.root)}
    status, output, said = _run(json.dumps(request), environment, stop)
    try:
        answer = cast("dict[str, dict[str, object]]", json.loads(output))
    except ValueError as error:
        last = said.strip().splitlines()[-1:] or [f"status {status}"]
        raise CasparianError(f"the trial broke off: {last[0][:500]}") from error
    if "error" in answer:
        body = cast("dict[str, str]", answer["error"])
        raise error_from_code(body["code"], body["message"], body["hint"])


def _run(request: str, environment: dict[str, str], stop: threading.Event) -> tuple[int, str, str]:
    """Run the trial's process to its end: its status, output, and what it said.

    It holds the reading end of a pipe whose writing end is ours alone, and ends when that closes:
    when it is to stop, and also when this process is killed.
    """
    lifeline, ours = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", "from engine.trial import main; main()", str(lifeline)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd="/", env=environment, pass_fds=(lifeline,),
        )  # fmt: skip
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(lifeline)
    asked: str | None = request
    with os.fdopen(ours, "wb") as held:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                output, said = process.communicate(asked, timeout=_STEP_S)
                break
            asked = None
            if stop.is_set():
                held.close()
    return process.returncode, output, said

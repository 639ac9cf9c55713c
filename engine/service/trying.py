"""Start the process that tries a plugin on files, behind the wall, and wait for its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from casparian_flow.errors import CasparianError, error_from_code
from engine.agreements import Standing
from engine.house import House
from gatekeeper.artifact import Artifact


def run_trial(
    house: House,
    artifact: Artifact,
    *,
    topics: Sequence[str],
    inputs: Sequence[Any],
    journal: Path,
    may_stop: bool,
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
        standings: Topic → what was agreed on before, which its rows are held to.
        keep_rows: All rows of each file are kept in its outcome, not only the first.

    Raises:
        CasparianError: the trial itself failed, as where its environment cannot be built.
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
    done = subprocess.run(
        [sys.executable, "-I", "-c", "from engine.trial import main; main()"],
        input=json.dumps(request), capture_output=True, text=True, cwd="/", check=False,
        env=environment,
    )  # fmt: skip
    try:
        answer = cast("dict[str, dict[str, object]]", json.loads(done.stdout))
    except ValueError as error:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise CasparianError(f"the trial broke off: {last[0][:500]}") from error
    if "error" in answer:
        body = cast("dict[str, str]", answer["error"])
        raise error_from_code(body["code"], body["message"], body["hint"])

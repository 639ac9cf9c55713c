"""Measure things in turn, A B A B, and print medians and ratios."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from engine.control import Caller, Client, default_start_command
from engine.home import prepare

Measure = Callable[[], float]
"""Do it once; the seconds it took."""


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall time."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(contenders: dict[str, Measure], *, runs: int, against: str) -> dict[str, object]:
    """Run every contender in turn, `runs` times after one warm-up; medians and ratios."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(runs + 1):
        for name, measure in contenders.items():
            seconds = measure()
            if turn:
                taken[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    print(f"{'':28} median s   min s   max s   ratio to {against}")
    for name, values in taken.items():
        ratio = medians[name] / medians[against]
        print(f"{name:28} {medians[name]:8.3f} {min(values):7.3f} {max(values):7.3f} {ratio:9.2f}")
    return {"medians": medians, "runs": runs, "against": against}


class Bench:
    """A home of its own whose engine ends with the `with`."""

    def __init__(self, folder: Path) -> None:
        os.environ["CASPARIAN_RESCAN_S"] = "0"
        self.home = prepare(folder)
        self.client = Client(self.home, Caller("cli", "bench"), default_start_command())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.client.is_running():
            self.client.call("stop")
        self.client.close()

    def call(self, method: str, **params: object) -> dict[str, object]:
        """Ask the engine."""
        return self.client.call(method, params)

    def publish(self, sample: str, source: str, dependencies: Sequence[str]) -> str:
        """Draft, validate, approve and publish with reprocess=none; the plugin's name."""
        draft = self.call(
            "draft_plugin", files=[sample], source=source, dependencies=list(dependencies)
        )["draft"]
        checked = self.call("validate_plugin", draft=draft, wait_s=300, max_files=1)
        assert checked["ok"], checked
        order = {"draft": draft, "digest": checked["digest"], "reprocess": "none"}
        asked = self.call("publish_plugin", **order)
        self.call("approve", approval=asked["approval"]["id"])  # type: ignore[index]
        return str(self.call("publish_plugin", **order)["plugin"])

    def process(self, plugin: str) -> float:
        """Seconds from asking for every file until the last is promoted."""
        started = time.perf_counter()
        self.call("run_job", plugin=plugin, reprocess="all", wait_s=0)
        jobs = self.call("get_jobs", plugin=plugin, wait_s=3600, limit=1)
        seconds = time.perf_counter() - started
        assert set(jobs["counts"]) == {"DONE"}, jobs["counts"]  # type: ignore[arg-type]
        return seconds


def scratch() -> Path:
    """A temporary folder; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix="casparian-bench-"))


def tool_environment(packages: Sequence[str]) -> Path:
    """An interpreter with these packages, made once under the user's cache by uv."""
    import uv

    place = Path(tempfile.gettempdir()) / (
        "casparian-bench-" + "-".join(packages).replace("/", "_")
    )
    python = place / "bin" / "python"
    if not python.exists():
        tool = uv.find_uv_bin()
        subprocess.run([tool, "venv", "-q", "--python", sys.executable, place], check=True)
        subprocess.run(
            [tool, "pip", "install", "-q", "--compile-bytecode", "--python", python, *packages],
            check=True,
        )
    return python


def remove(folder: Path) -> None:
    """Remove a folder of a benchmark."""
    shutil.rmtree(folder, ignore_errors=True)


def machine() -> str:
    """One line about where this ran."""
    return json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0]})

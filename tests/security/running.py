"""Run a plugin behind the wall, as the worker does, and look at what it leaves behind."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from engine import sandbox
from engine.bridge import BatchOrder, Input, Log, run_batch
from engine.events import Closed, Event, Raised, Rows, SetAside
from engine.guests import GuestSettings, WarmParent

SETTINGS = GuestSettings(memory_bytes=1 << 30, scratch_bytes=16 << 20)
HEAD = "from casparian_flow.sdk import BasePlugin\n\n"


@dataclass
class Outcome:
    """What one batch sent, as far as it came."""

    events: list[Event] = field(default_factory=list[Event])
    log: Log = field(default_factory=Log)

    @property
    def set_aside(self) -> list[SetAside]:
        """The records that were quarantined."""
        return [event for event in self.events if isinstance(event, SetAside)]

    @property
    def raised(self) -> list[Raised]:
        """The errors of jobs."""
        return [event for event in self.events if isinstance(event, Raised)]

    @property
    def closed(self) -> list[Closed]:
        """The jobs that ended well."""
        return [event for event in self.events if isinstance(event, Closed)]

    def table(self, topic: str = "rows") -> pa.Table:
        """All rows of a topic."""
        batches = [e.batch for e in self.events if isinstance(e, Rows) and e.topic == topic]
        return pa.Table.from_batches(batches)


def order_for(files: Mapping[str, str], *inputs: Input, timeout_s: float = 20) -> BatchOrder:
    """An order with room for every honest plugin of these tests."""
    return BatchOrder(
        files=dict(files),
        topics=("rows", "more"),
        inputs=inputs,
        timeout=timedelta(seconds=timeout_s),
        max_rows=50_000_000,
        max_bytes=4 << 30,
    )


@contextmanager
def sealed(content: bytes = b"content", name: bytes = b"input.csv") -> Generator[Input]:
    """An input as the snapshot makes it: a memfd that nobody can change."""
    fd = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, content)
        import fcntl

        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0xF)
        yield Input(name, fd, None)
    finally:
        os.close(fd)


def run(
    parent: WarmParent,
    files: Mapping[str, str] | str,
    content: bytes = b"content",
    *,
    outcome: Outcome | None = None,
    timeout_s: float = 20,
    jobs: int = 1,
    max_rows: int | None = None,
) -> Outcome:
    """Run a plugin over `jobs` copies of `content`; pass `outcome` to keep what came before."""
    files = {"plugin.py": files} if isinstance(files, str) else files
    outcome = outcome or Outcome()
    with sealed(content) as one:
        order = order_for(files, *[one] * jobs, timeout_s=timeout_s)
        order = order if max_rows is None else replace(order, max_rows=max_rows)
        with closing(run_batch(parent, order, outcome.log)) as events:
            for event in events:
                outcome.events.append(event)
    return outcome


def start_parent(
    wall: sandbox.Wall,
    venv: Path,
    spool: Path,
    *,
    preload: tuple[str, ...] = (),
    settings: GuestSettings = SETTINGS,
) -> WarmParent:
    """A warm parent; its owner closes it."""
    return WarmParent(wall, venv=venv, spool=spool, preload=preload, settings=settings)


_HONEST = """
import os


class Handler:
    def __init__(self, outlet):
        self.outlet = outlet

    def execute(self, path):
        with open("scratch", "w") as scratch:
            scratch.write("x" * 100_000)
        self.outlet.quarantine(open(path).read(), "read", len(os.listdir(".")))
"""


def serves_an_honest_job(parent: WarmParent) -> bool:
    """Whether a plugin that reads its input and uses its scratch folder still works."""
    outcome = run(parent, _HONEST, b"honest")
    return [(one.raw, one.line) for one in outcome.set_aside] == [("honest", 2)]


def processes_of(parent: WarmParent) -> set[int]:
    """The guest's processes besides the parent and what started it, as the host sees them."""
    inside = _descendants(parent._process.pid)
    if parent.wall.bwrap is None:
        return inside
    # bubblewrap outside the namespace → its init inside → the warm parent
    first = {pid for pid in inside if _parent_of(pid) == parent._process.pid}
    second = {pid for pid in inside if _parent_of(pid) in first}
    return inside - first - second


def _descendants(root: int) -> set[int]:
    parents = {pid: _parent_of(pid) for pid in _everyone()}
    found: set[int] = set()
    fresh = {root}
    while fresh:
        fresh = {pid for pid, above in parents.items() if above in fresh} - found
        found |= fresh
    return found


def _parent_of(pid: int) -> int:
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
        )
    except (FileNotFoundError, ProcessLookupError):
        return -1


def namespace_of(pid: int) -> str | None:
    """The pid namespace a process is in."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def in_namespaces(namespaces: set[str]) -> set[int]:
    """Every process of this machine that lives in one of these pid namespaces."""
    return {pid for pid in _everyone() if namespace_of(pid) in namespaces and _lives(pid)}


def _everyone() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def namespaces_of(parent: WarmParent) -> set[str]:
    """The pid namespaces that only this parent and its children are in."""
    found = {namespace_of(pid) for pid in _descendants(parent._process.pid)}
    return {one for one in found if one is not None} - {namespace_of(os.getpid()) or ""}

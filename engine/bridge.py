"""Run one batch of jobs in a guest child and yield, checked, what comes back."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa

from casparian_flow import link
from casparian_flow.errors import (
    GuestError,
    GuestHostile,
    GuestKilled,
    GuestSilent,
    GuestTimedOut,
    PluginError,
    ProtocolError,
)
from casparian_flow.link import Frame, Kind
from engine import events, intake
from engine.events import Event, Opened, Raised, Rows
from engine.guest_log import Log
from engine.guests import Child, WarmParent

_LAST_WORDS_MS = 2000
_MEMORY_STATUSES = (-9, -11, -6)


@dataclass(frozen=True, slots=True)
class Input:
    """One file as the guest will see it."""

    name: bytes
    """The file's real name, without folders."""
    fd: int | None
    """A sealed memfd that holds its bytes, or None if `path` does."""
    path: str | None
    """A snapshot in the parent's input folder."""


def guest_name(path: bytes) -> bytes:
    """A file's own name as the plugin sees it.

    Bytes that are not UTF-8 are spelled out, because Arrow and others take no other paths.
    """
    return path.rpartition(b"/")[2].decode("utf-8", "backslashreplace").encode()[:250]


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What one child is asked to do: the same plugin over some inputs."""

    files: dict[str, str]
    """The plugin's modules: file name → source."""
    topics: tuple[str, ...]
    inputs: tuple[Input, ...]
    timeout: timedelta
    max_rows: int
    max_bytes: int
    """Most bytes one job may publish."""


@dataclass
class _Progress:
    """What the open job has sent so far."""

    schemas: dict[int, pa.Schema] = field(default_factory=dict[int, pa.Schema])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    received_bytes: int = 0
    quarantined: int = 0


class Cancel:
    """Ends what runs, from another thread; what starts afterwards ends at once."""

    def __init__(self) -> None:
        """Nothing is cancelled yet."""
        self._lock = threading.Lock()
        self._is_set = False
        self._end: Callable[[], None] | None = None

    def is_set(self) -> bool:
        """Whether it was cancelled."""
        return self._is_set

    def set(self) -> None:
        """Cancel; waits until what runs has ended."""
        with self._lock:
            self._is_set, end = True, self._end
        if end is not None:
            end()

    @contextlib.contextmanager
    def ends(self, end: Callable[[], None]) -> Generator[None]:
        """Within, cancelling calls `end`."""
        with self._lock:
            self._end = end
        if self._is_set:
            end()
        try:
            yield
        finally:
            with self._lock:
                self._end = None


def run_batch(
    parent: WarmParent, order: BatchOrder, log: Log, cancel: Cancel | None = None
) -> Generator[Event]:
    """Yield the events of every job in order; end normally only if the guest said goodbye.

    Raises:
        GuestTimedOut: the deadline passed; the child is dead.
        GuestKilled: a signal or a limit ended it.
        GuestSilent: it ended without its trailer.
        GuestHostile: it sent what no honest guest sends; the child is dead.
    """
    ours, theirs = socket.socketpair()
    log_read, log_write = os.pipe()
    child: Child | None = None
    try:
        try:
            fds = [one.fd for one in order.inputs if one.fd is not None]
            child = parent.spawn(_spawn_order(order, log.mark), [theirs.fileno(), log_write, *fds])
        finally:
            theirs.close()
            os.close(log_write)
        running = child
        with (cancel or Cancel()).ends(lambda: parent.kill(running)):
            yield from _watched(parent, child, order, _Pipes(ours, log_read, log))
    finally:
        if child is not None and not child.exited.done():
            parent.kill(child)
        ours.close()
        os.close(log_read)


def _spawn_order(order: BatchOrder, mark: str) -> dict[str, object]:
    jobs: list[dict[str, object]] = []
    position = 0
    for index, one in enumerate(order.inputs):
        jobs.append({"index": index, "name": one.name.hex(), "fd": position, "path": one.path})
        position += one.fd is not None
    return {"files": order.files, "topics": list(order.topics), "jobs": jobs, "mark": mark}


@dataclass(frozen=True, slots=True)
class _Pipes:
    channel: socket.socket
    log_fd: int
    log: Log


def _watched(parent: WarmParent, child: Child, order: BatchOrder, pipes: _Pipes) -> Iterator[Event]:
    """Read until the end of the stream; one timer bounds the whole batch."""
    timed_out = threading.Event()

    def expire() -> None:
        timed_out.set()
        parent.kill(child)

    timer = threading.Timer(order.timeout.total_seconds(), expire)
    timer.daemon = True
    timer.start()
    try:
        goodbye = yield from _events(order, pipes)
    except (ProtocolError, ConnectionResetError) as error:
        died = child.exited.done() and child.exited.result() != 0
        if timed_out.is_set() or died:
            raise _verdict(child, order, timed_out=timed_out.is_set()) from error
        raise GuestHostile(f"the guest broke the link's protocol: {error}") from error
    finally:
        timer.cancel()
    if not goodbye or _status(child) != 0 or timed_out.is_set():
        raise _verdict(child, order, timed_out=timed_out.is_set())


def _status(child: Child) -> int | None:
    with contextlib.suppress(FutureTimeoutError):
        return child.exited.result(timeout=10)
    return None


def _verdict(child: Child, order: BatchOrder, *, timed_out: bool) -> GuestError:
    status = _status(child)
    if timed_out:
        return GuestTimedOut(f"no end after {order.timeout.total_seconds():g} s; it was ended")
    if status in _MEMORY_STATUSES:
        return GuestKilled(f"the guest was ended by signal {-status} (a limit, or a crash)")
    return GuestSilent(f"the guest ended with status {status} without saying that it was done")


def _events(order: BatchOrder, pipes: _Pipes) -> Iterator[Event]:
    progress = _Progress()
    opened, is_open, goodbye = -1, False, False
    for frame in _frames(pipes):
        # Between OPENED and CLOSED or RAISED everything belongs to the job; nothing else may come.
        if is_open == (frame.kind in (Kind.GOODBYE, Kind.OPENED)):
            raise GuestHostile(f"a {frame.kind.name} frame {'in' if is_open else 'out'}side a job")
        if frame.kind is Kind.GOODBYE:
            if opened != len(order.inputs) - 1:
                raise GuestHostile(f"goodbye after {opened + 1} of {len(order.inputs)} jobs")
            goodbye = True
            continue
        if frame.kind is Kind.OPENED:
            opened += 1
            if frame.json().get("index") != opened or opened >= len(order.inputs):
                raise GuestHostile("jobs were opened out of order")
            progress, is_open = _Progress(), True
            yield Opened(opened)
            continue
        is_open = frame.kind not in (Kind.CLOSED, Kind.RAISED)
        event = _event(frame, order, progress)
        if event is not None:
            yield event
    return goodbye


def _frames(pipes: _Pipes) -> Iterator[Frame]:
    """Frames of the channel until it ends, keeping the log pipe drained meanwhile."""
    poll = select.poll()
    poll.register(pipes.channel, select.POLLIN)
    poll.register(pipes.log_fd, select.POLLIN)
    reader = link.Reader(pipes.channel.fileno())
    while True:
        for fd, _ in poll.poll():
            if fd == pipes.log_fd:
                chunk = os.read(fd, 1 << 16)
                pipes.log.add(chunk)
                if not chunk:
                    poll.unregister(fd)
                continue
            while True:
                frame = reader.receive()
                if frame is not None:
                    yield frame
                if frame is None or frame.kind is Kind.GOODBYE:
                    _drain(pipes)
                    return
                if not reader.has_begun:
                    break


def _drain(pipes: _Pipes) -> None:
    """Take what the guest still had to say on stderr; its end closes the pipe."""
    poll = select.poll()
    poll.register(pipes.log_fd, select.POLLIN)
    while poll.poll(_LAST_WORDS_MS):
        chunk = os.read(pipes.log_fd, 1 << 16)
        if not chunk:
            return
        pipes.log.add(chunk)


def _event(frame: Frame, order: BatchOrder, progress: _Progress) -> Event | None:
    match frame.kind:
        case Kind.SCHEMA:
            if frame.topic >= len(order.topics) or frame.topic in progress.schemas:
                raise GuestHostile(f"a schema for topic number {frame.topic}")
            schema = intake.read_schema(bytes(frame.body))
            progress.schemas[frame.topic] = schema
            empty = pa.RecordBatch.from_pylist([], schema=schema)
            return Rows(order.topics[frame.topic], empty)
        case Kind.BATCH:
            return _rows(frame, order, progress)
        case Kind.QUARANTINE:
            progress.quarantined += 1
            _charge(progress, order, len(frame.body))
            return events.set_aside(frame, order.topics)
        case Kind.CLOSED:
            return events.closed(frame, progress.rows, progress.quarantined)
        case Kind.RAISED:
            return Raised(events.plugin_error(frame))
        case _:
            raise GuestHostile(f"a {frame.kind.name} frame from a child")


def _rows(frame: Frame, order: BatchOrder, progress: _Progress) -> Rows:
    schema = progress.schemas.get(frame.topic)
    if schema is None:
        raise GuestHostile("a batch before its schema")
    _charge(progress, order, len(frame.body))
    batch = intake.read_batch(frame.body, schema)
    topic = order.topics[frame.topic]
    progress.rows[topic] = progress.rows.get(topic, 0) + batch.num_rows
    if progress.rows[topic] > order.max_rows:
        raise PluginError(
            f"topic {topic}: more than {order.max_rows} rows from one file",
            hint="Raise `max_rows_per_job` in config.toml if the file is honestly that large.",
        )
    return Rows(topic, batch)


def _charge(progress: _Progress, order: BatchOrder, count: int) -> None:
    progress.received_bytes += count
    if progress.received_bytes > order.max_bytes:
        raise PluginError(
            f"more than {order.max_bytes} bytes published from one file",
            hint="Raise `max_bytes_per_job` in config.toml if the file is honestly that large.",
        )

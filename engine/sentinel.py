"""Match waiting jobs to free slots, and admit deployments. Control plane only: no data."""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import anyio.abc
import anyio.to_thread

from casparian_flow.errors import CasparianError, ProtocolError
from engine import architect, dispatching
from engine.database import Catalog
from engine.messages import (
    Abort,
    Conclude,
    Concluded,
    Deploy,
    EnvReady,
    ErrorBody,
    Heartbeat,
    Identified,
    Identify,
    pack,
    pack_error,
    parse,
)
from engine.protocol import Frame, FrameDecoder, Opcode

logger = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
_MOST_SHARES = 64
_TOO_LARGE = "Publish fewer or narrower topics from one plugin, or set a lower batch_files."
_LOOK_AGAIN_S, _AFTER_FAILURE_S = 5.0, 2.0


@dataclass(frozen=True, slots=True)
class SentinelSettings:
    """How the Sentinel judges workers."""

    lease: timedelta
    batch_files: int
    max_attempts: int
    retry_delay: timedelta


@dataclass
class _Worker:
    """A connected worker, as the Sentinel sees it."""

    facts: Identify
    stream: anyio.abc.SocketStream
    credit: int
    last_heard: float
    held: dict[int, int] = field(default_factory=dict[int, int])
    ready: set[str] = field(default_factory=set[str])
    preparing: dict[str, list[dispatching.Assignment]] = field(
        default_factory=dict[str, list[dispatching.Assignment]]
    )
    sending: anyio.Lock = field(default_factory=anyio.Lock)

    async def send(self, data: bytes) -> None:
        """Write one frame whole."""
        async with self.sending:
            await self.stream.send(data)


@dataclass
class Sentinel:
    """The one dispatcher of a catalog."""

    catalog: Catalog
    settings: SentinelSettings
    gate: Callable[[], architect.Gate]
    on_change: Callable[[], None]
    """Called after jobs ended or a plugin was deployed."""
    on_silence: Callable[[int], None]
    """Called with the process id of a worker whose lease expired."""
    workers: dict[str, _Worker] = field(default_factory=dict[str, _Worker])
    _wake: anyio.Event = field(default_factory=anyio.Event)

    def wake(self) -> None:
        """Look for work now; call from the event loop's thread."""
        self._wake.set()

    async def serve(self, listener: anyio.abc.Listener[anyio.abc.SocketStream]) -> None:
        """Serve workers and publishers until cancelled."""
        await anyio.to_thread.run_sync(partial(dispatching.recover, self.catalog))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._dispatch_forever)
            tasks.start_soon(self._watch_leases)
            await listener.serve(self._connection, tasks)

    async def _connection(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            if not is_own_user(stream):
                logger.warning("connection of another user refused")
                return
            worker: _Worker | None = None
            decoder = FrameDecoder()
            try:
                while True:
                    chunk = await stream.receive(_READ_BYTES)
                    for frame in decoder.feed(chunk):
                        worker = await self._take(frame, stream, worker)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            except ProtocolError as error:
                logger.warning("connection closed", extra={"error": error.message})
                await stream.send(pack_error(error.code, error.message, error.hint))
            except Exception:  # a full disk must not take the engine down
                logger.exception("a connection failed in the Sentinel itself")
            finally:
                if worker is not None:
                    with anyio.CancelScope(shield=True):
                        await self._lose(worker)

    async def _take(
        self, frame: Frame, stream: anyio.abc.SocketStream, worker: _Worker | None
    ) -> _Worker | None:
        if frame.opcode is Opcode.IDENTIFY and worker is None:
            return await self._identify(parse(frame, Identify), stream)
        if frame.opcode is Opcode.DEPLOY and worker is None:
            await self._deploy(parse(frame, Deploy), stream)
            return None
        if worker is None:
            raise ProtocolError(f"{frame.opcode.name} before IDENTIFY")
        worker.last_heard = time.monotonic()
        match frame.opcode:
            case Opcode.HEARTBEAT:
                parse(frame, Heartbeat)
            case Opcode.ENV_READY:
                await self._env_ready(worker, parse(frame, EnvReady))
            case Opcode.CONCLUDE:
                await self._conclude(worker, parse(frame, Conclude))
            case _:
                raise ProtocolError(f"a worker does not send {frame.opcode.name}")
        return worker

    async def _identify(self, facts: Identify, stream: anyio.abc.SocketStream) -> _Worker:
        if facts.worker in self.workers:
            raise ProtocolError(f"a worker named {facts.worker} is connected already")
        worker = _Worker(facts, stream, max(0, min(facts.credit, 1024)), time.monotonic())
        self.workers[facts.worker] = worker
        beat = self.settings.lease.total_seconds() / 3
        answer = Identified(installation=self.catalog.installation_id, heartbeat_s=beat)
        await worker.send(pack(Opcode.IDENTIFY, answer))
        logger.info("worker connected", extra={"worker": facts.worker, "wall": facts.level})
        self.wake()
        return worker

    async def _deploy(self, body: Deploy, stream: anyio.abc.SocketStream) -> None:
        work = partial(architect.deploy, self.catalog, body, self.gate(), now=datetime.now(UTC))
        try:
            deployed = await anyio.to_thread.run_sync(work)
        except CasparianError as error:
            await stream.send(pack_error(error.code, error.message, error.hint))
            return
        await stream.send(pack(Opcode.DEPLOY, deployed))
        self.on_change()
        self.wake()

    async def _dispatch_forever(self) -> None:
        while True:
            self._wake = anyio.Event()
            try:
                delay = await self._dispatch_once()
            except Exception:  # a full disk, an unreadable key: said, and tried again
                logger.exception("work could not be given out")
                delay = _AFTER_FAILURE_S
            with anyio.move_on_after(delay):
                await self._wake.wait()

    async def _dispatch_once(self) -> float:
        """Fill every free slot; return the seconds until the next look."""
        for worker in list(self.workers.values()):
            while worker.credit > 0 and await self._give(worker):
                pass
        due = await anyio.to_thread.run_sync(partial(dispatching.next_due, self.catalog))
        if due is None:
            return _LOOK_AGAIN_S
        return min(_LOOK_AGAIN_S, max(0.05, (due - datetime.now(UTC)).total_seconds()))

    @property
    def _credit(self) -> int:
        """Batches that all workers together hold when none is idle; about half of them run."""
        return sum(one.facts.credit for one in self.workers.values())

    async def _give(self, worker: _Worker) -> bool:
        """Hand one batch to a worker; False if nothing waits."""
        claim = partial(
            dispatching.assign,
            self.catalog,
            self.gate(),
            worker=worker.facts.worker,
            limit=self.settings.batch_files,
            shares=max(1, min(self._credit // 2, _MOST_SHARES)),
        )
        assignment = await anyio.to_thread.run_sync(claim)
        if assignment is None:
            return False
        if self.workers.get(worker.facts.worker) is not worker:  # lost while the batch was claimed
            held = [(order.job_id, order.attempt) for order in assignment.dispatch.jobs]
            await anyio.to_thread.run_sync(partial(dispatching.give_back, self.catalog, held))
            return False
        worker.credit -= 1
        worker.held |= {order.job_id: order.attempt for order in assignment.dispatch.jobs}
        if assignment.refusal is not None:
            await self._refuse(worker, assignment)
            return True
        artifact = assignment.prepare.artifact_hash
        if artifact in worker.ready:
            await self._dispatch(worker, assignment)
        elif artifact in worker.preparing:
            worker.preparing[artifact].append(assignment)
        else:
            worker.preparing[artifact] = [assignment]
            await self._send_or_lose(worker, pack(Opcode.PREPARE_ENV, assignment.prepare))
        return True

    async def _dispatch(self, worker: _Worker, assignment: dispatching.Assignment) -> None:
        if not assignment.dispatch.jobs:  # all of them were cancelled
            worker.credit += 1
            return
        try:
            data = pack(Opcode.DISPATCH, assignment.dispatch)
        except ProtocolError as error:  # no worker would take it
            body = ErrorBody(code=error.code, message=error.message, hint=_TOO_LARGE)
            refused = dispatching.refused(replace(assignment, refusal=body))
            await self._conclude(worker, Conclude(results=refused))
            return
        await self._send_or_lose(worker, data)

    async def _send_or_lose(self, worker: _Worker, data: bytes) -> None:
        try:
            await worker.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._lose(worker)

    async def _refuse(self, worker: _Worker, assignment: dispatching.Assignment) -> None:
        """An artifact that no longer verifies never leaves the Sentinel."""
        await self._conclude(worker, Conclude(results=dispatching.refused(assignment)))

    async def _env_ready(self, worker: _Worker, ready: EnvReady) -> None:
        waiting = worker.preparing.pop(ready.artifact_hash, [])
        if ready.error is None:
            worker.ready.add(ready.artifact_hash)
            for assignment in waiting:
                await self._dispatch(worker, assignment)
            return
        for assignment in waiting:
            await self._conclude(
                worker, Conclude(results=dispatching.failed(assignment, ready.error))
            )

    async def _conclude(self, worker: _Worker, body: Conclude) -> None:
        results = [r for r in body.results if worker.held.get(r.job_id) == r.attempt]
        if len(results) != len(body.results):
            logger.warning("results for jobs not held", extra={"worker": worker.facts.worker})
        record = partial(
            dispatching.record,
            self.catalog,
            results,
            max_attempts=self.settings.max_attempts,
            retry_delay=self.settings.retry_delay,
        )
        late = await anyio.to_thread.run_sync(record)
        for result in results:
            worker.held.pop(result.job_id, None)
        worker.credit += 1
        await self._send_or_lose(worker, pack(Opcode.CONCLUDE, Concluded(late=late)))
        self.on_change()
        self.wake()

    async def abort(self, job_ids: list[int]) -> None:
        """Tell whoever runs these jobs to stop; what waits for its environment is never sent."""
        for worker in list(self.workers.values()):
            for assignment in (one for waiting in worker.preparing.values() for one in waiting):
                for order in [one for one in assignment.dispatch.jobs if one.job_id in job_ids]:
                    assignment.dispatch.jobs.remove(order)
                    worker.held.pop(order.job_id, None)
            mine = [job_id for job_id in job_ids if job_id in worker.held]
            if mine:
                await self._send_or_lose(worker, pack(Opcode.ABORT, Abort(jobs=mine)))

    async def _watch_leases(self) -> None:
        """Take back the jobs of a worker that fell silent, by this process's own clock."""
        while True:
            await anyio.sleep(self.settings.lease.total_seconds() / 3)
            limit = time.monotonic() - self.settings.lease.total_seconds()
            for worker in list(self.workers.values()):
                if worker.last_heard < limit:
                    logger.warning("lease expired", extra={"worker": worker.facts.worker})
                    await self._lose(worker)
                    await worker.stream.aclose()
                    self.on_silence(worker.facts.pid)

    async def _lose(self, worker: _Worker) -> None:
        if self.workers.pop(worker.facts.worker, None) is None:
            return
        held = list(worker.held.items())
        worker.held.clear()
        try:
            await anyio.to_thread.run_sync(partial(dispatching.give_back, self.catalog, held))
        except Exception:  # the next start gives them back
            logger.exception("jobs of a lost worker could not be given back")
        logger.info("worker gone", extra={"worker": worker.facts.worker, "jobs": len(held)})
        self.wake()


def is_own_user(stream: anyio.abc.SocketStream) -> bool:
    """Whether the peer of a unix socket runs as this process's user."""
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - not Django
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the socket's folder is private to the user
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, uid, _ = struct.unpack("iII", credentials)
    return uid == os.getuid()

"""Pull jobs from the Sentinel, run them, say how they ended. Never opens the catalog."""

from __future__ import annotations

import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import anyio
import anyio.to_thread
from anyio.abc import SocketStream, TaskGroup

from casparian_flow import __version__
from casparian_flow.errors import AdmissionError, CasparianError, EnvironmentFailed, ProtocolError
from engine import venvs
from engine.accounts import Threshold
from engine.bridge import Cancel
from engine.execution import Bench, run_dispatch
from engine.guests import GuestSettings, WarmParent
from engine.home import Home
from engine.messages import (
    Abort,
    Conclude,
    Dispatch,
    EnvReady,
    ErrorBody,
    Heartbeat,
    Identified,
    Identify,
    JobResult,
    PrepareEnv,
    pack,
    parse,
)
from engine.parents import ParentPool
from engine.protocol import Frame, FrameDecoder, Opcode
from engine.sandbox import Wall, strongest_wall
from engine.settings import Settings
from gatekeeper.admission import verify_for_dispatch
from gatekeeper.artifact import Artifact, make_artifact
from gatekeeper.identity import load_trusted

logger = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
_PROMOTING, _PREFETCHED = 1, 1
"""Batches beyond the slots: one that waits for the disk while all guests run, and one that waits
here so that a free slot does not wait for the Sentinel."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An artifact whose environment stands here."""

    artifact: Artifact
    envelope: bytes
    files: dict[str, str]
    environment: str
    preload: tuple[str, ...]


@dataclass
class Worker:
    """One worker process: its connection, its artifacts, its guests."""

    home: Home
    settings: Settings
    name: str
    wall: Wall
    stream: SocketStream
    installation: str = ""
    prepared: dict[str, _Prepared] = field(default_factory=dict[str, _Prepared])
    pool: ParentPool = field(default_factory=ParentPool)
    held: dict[int, int] = field(default_factory=dict[int, int])
    cancels: dict[tuple[int, int], Cancel] = field(default_factory=dict[tuple[int, int], Cancel])
    """By job and attempt, from the moment a dispatch came until its results went."""
    sending: anyio.Lock = field(default_factory=anyio.Lock)
    batches: anyio.Semaphore = field(init=False)
    guests: threading.BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        """Run as many guests at a time as the settings allow."""
        self.batches = anyio.Semaphore(self.settings.parallel_guests + _PROMOTING)
        self.guests = threading.BoundedSemaphore(self.settings.parallel_guests)

    async def serve(self) -> None:
        """Work until the Sentinel closes the connection."""
        await self._send(pack(Opcode.IDENTIFY, self._identify()))
        decoder = FrameDecoder()
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    try:
                        chunk = await self.stream.receive(_READ_BYTES)
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        break
                    for frame in decoder.feed(chunk):
                        self._take(frame, tasks)
                self.pool.close()
                for cancel in set(self.cancels.values()):
                    cancel.set()  # nothing is promoted for a Sentinel that is gone
                tasks.cancel_scope.cancel()
        finally:
            self.pool.close()

    def _identify(self) -> Identify:
        return Identify(
            worker=self.name,
            pid=os.getpid(),
            release=__version__,
            level=self.wall.level.value,
            platform=f"{sys.platform}-{platform.machine()}",
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            credit=self.settings.parallel_guests + _PROMOTING + _PREFETCHED,
        )

    def _take(self, frame: Frame, tasks: TaskGroup) -> None:
        match frame.opcode:
            case Opcode.IDENTIFY:
                known = parse(frame, Identified)
                self.installation = known.installation
                tasks.start_soon(self._beat, known.heartbeat_s)
            case Opcode.PREPARE_ENV:
                tasks.start_soon(self._prepare, parse(frame, PrepareEnv))
            case Opcode.DISPATCH:
                dispatch = parse(frame, Dispatch)
                cancel = Cancel()
                for order in dispatch.jobs:
                    self.held[order.job_id] = order.attempt
                    self.cancels[order.job_id, order.attempt] = cancel
                tasks.start_soon(self._run, dispatch, cancel)
            case Opcode.ABORT:
                jobs = set(parse(frame, Abort).jobs)
                cancels = {one for (job_id, _), one in self.cancels.items() if job_id in jobs}
                for one in cancels:
                    tasks.start_soon(partial(anyio.to_thread.run_sync, one.set))
            case Opcode.CONCLUDE:
                logger.debug("conclusion recorded")
            case Opcode.ERR:
                error = parse(frame, ErrorBody)
                logger.error("the Sentinel refused a frame", extra={"error": error.message})
            case _:
                raise ProtocolError(f"a worker is never sent {frame.opcode.name}")

    async def _beat(self, every_s: float) -> None:
        while True:
            await anyio.sleep(every_s)
            jobs = [[job_id, attempt] for job_id, attempt in self.held.items()]
            await self._send(pack(Opcode.HEARTBEAT, Heartbeat(jobs=jobs)))

    async def _prepare(self, order: PrepareEnv) -> None:
        started = time.monotonic()
        error: ErrorBody | None = None
        try:
            prepare = partial(self._prepare_blocking, order)
            self.prepared[order.artifact_hash] = await anyio.to_thread.run_sync(prepare)
        except CasparianError as problem:
            error = ErrorBody(code=problem.code, message=problem.message, hint=problem.hint)
        elapsed_ms = round((time.monotonic() - started) * 1000)
        ready = EnvReady(artifact_hash=order.artifact_hash, error=error, elapsed_ms=elapsed_ms)
        await self._send(pack(Opcode.ENV_READY, ready))

    def _prepare_blocking(self, order: PrepareEnv) -> _Prepared:
        files = {name: text.encode() for name, text in order.files.items()}
        artifact = make_artifact(files, order.lockfile)
        self._verify(artifact, order.envelope, order.artifact_hash)
        built = self._lease(order.lockfile)
        built.close()  # each guest's parent takes its own
        preload = venvs.modules_to_warm(order.files)
        return _Prepared(artifact, order.envelope, dict(order.files), built.path.name, preload)

    def _lease(self, lockfile: bytes) -> venvs.Lease:
        keep_bytes = self.settings.venvs_mb << 20
        return venvs.lease(self.home.venvs, lockfile, keep_bytes=keep_bytes)

    def _verify(self, artifact: Artifact, envelope: bytes, artifact_hash: str) -> None:
        """Check signature and digests here too: the Sentinel's word is not enough."""
        admission = verify_for_dispatch(
            artifact,
            envelope,
            trusted=load_trusted(self.home.keys),
            audience=self.installation,
        )
        if admission.artifact_hash != artifact_hash:
            raise AdmissionError(f"artifact {artifact_hash[:12]} was announced, another came")

    async def _run(self, dispatch: Dispatch, cancel: Cancel) -> None:
        try:
            work = partial(self._run_blocking, dispatch, cancel)
            async with self.batches:
                results = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        finally:
            for order in dispatch.jobs:
                if self.held.get(order.job_id) == order.attempt:
                    self.held.pop(order.job_id)
                self.cancels.pop((order.job_id, order.attempt), None)
        await self._send(_packed(results))

    def _run_blocking(self, dispatch: Dispatch, cancel: Cancel) -> list[JobResult]:
        try:
            prepared = self.prepared.get(dispatch.artifact_hash)
            if prepared is None:
                raise AdmissionError(f"artifact {dispatch.artifact_hash[:12]} was never prepared")  # noqa: TRY301 - one place turns errors into results
            self._verify(prepared.artifact, prepared.envelope, dispatch.artifact_hash)
            key = f"{prepared.environment}|{','.join(prepared.preload)}"
            with self.pool.lend(key, partial(self._start_parent, prepared)) as parent:
                return run_dispatch(self._bench(), dispatch, prepared.files, parent, cancel)
        except CasparianError as error:
            body = ErrorBody(code=error.code, message=error.message, hint=error.hint)
        except Exception as error:
            logger.exception("a batch failed in the worker itself")
            hint = f"The worker's log is in {self.home.logs}; then `casparian retry ID`."
            body = ErrorBody(code="WORKER", message=f"{type(error).__name__}: {error}", hint=hint)
        return [
            JobResult(job_id=o.job_id, attempt=o.attempt, outcome="again", error=body)
            for o in dispatch.jobs
        ]

    def _start_parent(self, prepared: _Prepared) -> WarmParent:
        settings = GuestSettings(
            memory_bytes=self.settings.guest_memory_mb << 20,
            scratch_bytes=self.settings.scratch_mb << 20,
        )
        leased = self._lease(prepared.artifact.lockfile)
        parent = WarmParent(
            self.wall,
            venv=leased.path,
            spool=self.home.spool,
            preload=prepared.preload,
            settings=settings,
            on_close=leased.close,
        )
        if "pyarrow" in parent.imported:  # every lock holds it
            return parent
        parent.close()
        venvs.discard(leased.path)
        raise EnvironmentFailed(
            f"the environment {leased.path.name} was damaged and is built anew",
            hint="Nothing is to be done; the job runs again.",
        )

    def _bench(self) -> Bench:
        return Bench(
            installation=self.installation,
            worker=self.name,
            guests=self.guests,
            lake=self.home.lake,
            memfd_limit=self.settings.memfd_limit_mb << 20,
            snapshot_limit=self.settings.snapshot_limit_mb << 20,
            timeout=timedelta(seconds=self.settings.job_timeout_s),
            timeout_per_gib=timedelta(seconds=self.settings.job_timeout_s_per_gib),
            max_rows=self.settings.max_rows_per_job,
            max_bytes=self.settings.max_bytes_per_job,
            quarantine=Threshold(self.settings.quarantine_most, self.settings.quarantine_share),
        )

    async def _send(self, data: bytes) -> None:
        async with self.sending:
            await self.stream.send(data)


def _packed(results: list[JobResult]) -> bytes:
    """A conclusion that its receiver takes: if it is too long, the logs stay behind."""
    try:
        return pack(Opcode.CONCLUDE, Conclude(results=results))
    except ProtocolError:
        bare = [result.model_copy(update={"log": None}) for result in results]
        return pack(Opcode.CONCLUDE, Conclude(results=bare))


async def work(home: Home, settings: Settings, name: str) -> None:
    """Connect to the Sentinel of `home` and work until it goes away.

    Raises:
        SandboxError: no wall can be built here.
    """
    find_wall: Callable[[], Wall] = partial(
        strongest_wall, allow_unconfined=settings.allow_unconfined
    )
    wall = await anyio.to_thread.run_sync(find_wall)
    async with await anyio.connect_unix(home.sentinel_socket) as stream:
        await Worker(home, settings, name, wall, stream).serve()

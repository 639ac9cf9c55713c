"""Build the engine of one home from its parts, and run it until it is told to stop."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread

from casparian_flow.errors import CasparianError, ConfigError, ProtocolError
from engine import deliveries, queue, watching
from engine.architect import Gate
from engine.control import MAX_LINE_BYTES, read_request
from engine.database import Catalog, open_catalog
from engine.deliveries import Deliveries
from engine.home import Home
from engine.house import Changes, House
from engine.scanning import Scanner
from engine.sentinel import Sentinel, SentinelSettings, is_own_user
from engine.service.calls import may_be_remembered, perform
from engine.settings import Settings
from engine.takeover import clear, only_engine
from engine.trials import Trials
from gatekeeper.identity import load_or_create_key, load_trusted

logger = logging.getLogger(__name__)

_LAST_ANSWERS_S = 0.5
_LOOK_AT_SOCKET_S = 1.0

Page = Callable[[House], Coroutine[object, object, None]]
"""Serves the approval page until cancelled."""


@dataclass
class LocalWorker:
    """The worker process that this engine keeps."""

    process: subprocess.Popen[bytes] | None = None

    def end_if_silent(self, pid: int) -> None:
        """Kill it if it is the one that no longer answers: another is then started."""
        if self.process is not None and self.process.pid == pid:
            logger.warning("the worker does not answer, ending it", extra={"worker_pid": pid})
            self.process.kill()


@dataclass
class _Engine:
    """The moving parts, for the tasks that share them."""

    home: Home
    settings: Settings
    catalog: Catalog
    changes: Changes
    stopping: anyio.Event
    sentinel: Sentinel
    worker: LocalWorker
    calls: int = 0
    last_used: float = field(default_factory=time.monotonic)
    remembered: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    """By method: how many changes the catalog had seen, and the answer as it was sent."""
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(64))


@dataclass(frozen=True, slots=True)
class Companion:
    """What a door adds to the engine it starts: the local approval page."""

    serve: Page
    url: Callable[[int], str | None]


async def run_engine(
    home: Home, settings: Settings, *, companion: Companion | None, leaves_when_idle: bool
) -> None:
    """Be the engine of `home` until stopped, signalled or idle.

    Raises:
        ConfigError: another engine has this home, or a socket cannot be made.
    """
    with only_engine(home):
        clear(home)
        load_or_create_key(home.keys)
        catalog = open_catalog(home.catalog)
        try:
            await _run(home, settings, catalog, companion, leaves_when_idle=leaves_when_idle)
        finally:
            catalog.close()


async def _run(
    home: Home,
    settings: Settings,
    catalog: Catalog,
    companion: Companion | None,
    *,
    leaves_when_idle: bool,
) -> None:
    changes, stopping, worker = Changes(), anyio.Event(), LocalWorker()
    sentinel = Sentinel(
        catalog=catalog,
        settings=SentinelSettings(
            lease=settings.lease,
            batch_files=settings.batch_files,
            max_attempts=settings.max_attempts,
            retry_delay=timedelta(seconds=settings.retry_delay_s),
        ),
        gate=lambda: Gate(trusted=load_trusted(home.keys), audience=catalog.installation_id),
        on_change=changes.announce,
        on_silence=worker.end_if_silent,
    )
    engine = _Engine(home, settings, catalog, changes, stopping, sentinel, worker)
    token = anyio.lowlevel.current_token()

    def from_thread(work: Callable[[], object]) -> None:
        anyio.from_thread.run_sync(work, token=token)

    scanner = Scanner(catalog, on_jobs=partial(from_thread, sentinel.wake))
    house = House(
        catalog=catalog,
        home=home,
        settings=settings,
        scanner=scanner,
        trials=Trials(),
        changes=changes,
        deliveries=Deliveries(catalog),
        wake=partial(from_thread, sentinel.wake),
        abort=lambda jobs: anyio.from_thread.run(sentinel.abort, jobs, token=token),
        page_url=companion.url if companion else lambda _number: None,
        stop=partial(from_thread, stopping.set),
    )
    try:
        async with anyio.create_task_group() as tasks:
            sentinel_listener = await _listen(home.sentinel_socket)
            engine_listener = await _listen(home.engine_socket)
            tasks.start_soon(sentinel.serve, sentinel_listener)
            tasks.start_soon(_serve_doors, engine, house, engine_listener)
            tasks.start_soon(_keep_worker, engine)
            tasks.start_soon(watching.watch, house)
            tasks.start_soon(deliveries.follow, house.deliveries)
            tasks.start_soon(_stop_on_signal, stopping)
            tasks.start_soon(_stop_when_unreachable, home.engine_socket, stopping)
            if companion is not None:
                tasks.start_soon(companion.serve, house)
            if leaves_when_idle:
                tasks.start_soon(_leave_when_idle, engine, house)
            await stopping.wait()
            await _let_calls_end(engine)
            tasks.cancel_scope.cancel()
    finally:
        house.trials.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(scanner.close)
        for path in (home.engine_socket, home.sentinel_socket):
            path.unlink(missing_ok=True)


async def _let_calls_end(engine: _Engine) -> None:
    """Whoever asked for the end gets an answer; who waits for something long does not."""
    with anyio.move_on_after(_LAST_ANSWERS_S):
        while engine.calls:  # noqa: ASYNC110 - they end in many places; half a second at most
            await anyio.sleep(0.01)


async def _listen(path: Path) -> anyio.abc.Listener[anyio.abc.SocketStream]:
    try:
        return await anyio.create_unix_listener(path, mode=0o600)
    except OSError as error:
        why = "its name is too long" if error.errno == errno.ENAMETOOLONG else error.strerror
        raise ConfigError(
            f"the socket {path} cannot be made: {why}",
            hint="Set XDG_RUNTIME_DIR to a short path of your own.",
        ) from error


async def _stop_on_signal(stopping: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            stopping.set()
            return


async def _stop_when_unreachable(path: Path, stopping: anyio.Event) -> None:
    """End when the socket was removed (a run-time folder goes with its login): nobody could say so.

    As long as this engine lives, none that could be reached may start.
    """
    own = _inode(path)
    while True:
        await anyio.sleep(_LOOK_AT_SOCKET_S)
        if _inode(path) != own:
            logger.warning("the socket was removed, ending", extra={"socket": str(path)})
            stopping.set()
            return


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


async def _leave_when_idle(engine: _Engine, house: House) -> None:
    """End a detached engine that watches nothing, serves nobody and has nothing to do."""
    while True:
        await anyio.sleep(min(30, engine.settings.idle_exit_s))
        idle_s = time.monotonic() - engine.last_used
        if engine.calls or idle_s < engine.settings.idle_exit_s:
            continue
        if await anyio.to_thread.run_sync(partial(_is_idle, house)):
            engine.stopping.set()
            return


def _is_idle(house: House) -> bool:
    with house.catalog.reading() as session:
        busy = not queue.is_idle(session) or watching.watched_roots(session)
    return not busy and house.scanner.is_idle and house.trials.is_idle


async def _keep_worker(engine: _Engine) -> None:
    """Run the local worker as a process of its own; start it again when it ends."""
    pause = 0.2
    while True:
        started = time.monotonic()
        process = engine.worker.process = _start_worker(engine.home)
        try:
            await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        finally:
            if process.poll() is None:
                process.terminate()
        logger.warning("worker ended", extra={"status": process.returncode})
        pause = 0.2 if time.monotonic() - started > 10 else min(30, pause * 2)
        await anyio.sleep(pause)


def _start_worker(home: Home) -> subprocess.Popen[bytes]:
    with (home.logs / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", "from engine.workshop import main; main()"],
            env={**os.environ, "CASPARIAN_HOME": str(home.root)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def _serve_doors(
    engine: _Engine, house: House, listener: anyio.abc.Listener[anyio.abc.SocketStream]
) -> None:
    async def connection(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            if is_own_user(stream):
                await _serve_door(engine, house, stream)

    await listener.serve(connection)


async def _serve_door(engine: _Engine, house: House, stream: anyio.abc.SocketStream) -> None:
    """Answer calls on one connection, one at a time."""
    buffer = bytearray()
    while True:
        try:
            buffer += await stream.receive(1 << 16)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return
        if len(buffer) > MAX_LINE_BYTES:
            return
        while (end := buffer.find(b"\n")) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            engine.calls += 1
            try:
                await stream.send(await _answer(engine, house, line, stream))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            finally:
                engine.calls -= 1
                engine.last_used = time.monotonic()


async def _answer(
    engine: _Engine, house: House, line: bytes, stream: anyio.abc.SocketStream
) -> bytes:
    """The answer to one call as it travels."""
    shown: list[tuple[str, int, int]] = []

    async def report(what: str, done: int, total: int) -> None:
        if shown and shown[-1] == (what, done, total):
            return
        shown.append((what, done, total))
        text = json.dumps({"progress": [what, done, total]}).encode()
        await stream.send(text + b"\n")

    def progress(what: str, done: int, total: int) -> None:
        anyio.from_thread.run(report, what, done, total)

    try:
        method, params, caller = read_request(line)
        changes = engine.catalog.changes
        if (known := engine.remembered.get(method)) and known[0] == changes and not params:
            return known[1]
        work = partial(perform, house, caller, method, params, progress=progress)
        result = await anyio.to_thread.run_sync(
            work, limiter=engine.limiter, abandon_on_cancel=True
        )
    except CasparianError as error:
        return _failure(error.code, error.message, error.hint)
    except (ProtocolError, anyio.BrokenResourceError) as error:
        return _failure("PROTOCOL", str(error), "")
    except Exception as error:
        logger.exception("a call failed in the engine itself")
        hint = f"This is a defect; the engine's log is in {house.home.logs}."
        return _failure("INTERNAL", f"{type(error).__name__}: {error}", hint)
    answer = _line({"result": result.model_dump(mode="json")})
    if may_be_remembered(method, params):
        engine.remembered[method] = (changes, answer)
    return answer


def _failure(code: str, message: str, hint: str) -> bytes:
    return _line({"error": {"code": code, "message": message, "hint": hint}})


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"

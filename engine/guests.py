"""Keep one warm, confined parent process per environment, and have it fork children."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import casparian_flow
from casparian_flow import link
from casparian_flow.confine import Limits
from casparian_flow.errors import GuestSilent, ProtocolError, SandboxError
from casparian_flow.link import Kind
from engine import sandbox

logger = logging.getLogger(__name__)

_START_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class GuestSettings:
    """The limits every guest of this machine gets."""

    memory_bytes: int
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class Child:
    """A forked guest."""

    pid: int
    """Its process id as its parent sees it (inside the parent's namespace)."""
    exited: Future[int]
    """Exit status; negative is the signal that ended it."""


class WarmParent:
    """One guest parent: confined, its libraries imported, waiting to fork. Thread-safe."""

    def __init__(
        self,
        wall: sandbox.Wall,
        *,
        venv: Path,
        spool: Path,
        preload: tuple[str, ...],
        settings: GuestSettings,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        """Start it and wait until it is confined and warm; `on_close` runs at its end.

        Raises:
            SandboxError: it did not come up, or a layer of the promised wall is missing.
        """
        self.wall = wall
        self._venv, self._on_close = venv, on_close
        self._folder = sandbox.private_folder(spool, "guest-")
        self.inputs = self._folder / "in"
        self.inputs.mkdir(mode=0o711)
        self.imported: tuple[str, ...] = ()
        """Those of `preload` that the environment holds."""
        self._lock = threading.Lock()
        self._starting: deque[Future[Child]] = deque()
        self._children: dict[int, Child] = {}
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = self._launch(theirs, settings)
            self.layers = self._set_up(preload, settings)
        except BaseException:
            self.close()
            raise
        self._reader = threading.Thread(target=self._read, name="guest-parent", daemon=True)
        self._reader.start()

    def _launch(self, theirs: socket.socket, settings: GuestSettings) -> subprocess.Popen[bytes]:
        scratch = self._folder / "scratch"
        scratch.mkdir(mode=0o700)
        self._cell = sandbox.Cell(
            readable=(*sandbox.interpreter_paths(), str(self._venv)),
            inputs=self.inputs,
            scratch=scratch,
            scratch_bytes=settings.scratch_bytes,
        )
        script = Path(casparian_flow.__file__).parent / "guest.py"
        command = sandbox.guest_command(
            self.wall, self._cell, script=script, argument=str(theirs.fileno())
        )
        self._log = (self._folder / "parent.log").open("wb")
        return subprocess.Popen(
            command,
            env=sandbox.guest_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def _set_up(self, preload: tuple[str, ...], settings: GuestSettings) -> tuple[str, ...]:
        limits = Limits(memory_bytes=settings.memory_bytes, file_bytes=settings.scratch_bytes)
        setup = {
            "unconfined": self.wall.level is sandbox.Level.NONE,
            "user": self.wall.user,
            "limits": {
                name: getattr(limits, name)
                for name in ("memory_bytes", "file_bytes", "processes", "open_files")
            },
            "readable": self._cell.readable,
            "inputs": [str(self.inputs)],
            "scratch": [sandbox.scratch_inside(self.wall, self._cell)],
            "site_packages": [str(path) for path in self._venv.glob("lib/python*/site-packages")],
            "preload": preload,
        }
        fd = self._control.fileno()
        self._control.settimeout(None)
        timer = threading.Timer(_START_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            link.send_json(fd, Kind.SETUP, setup)
            frame = link.receive(fd)
        except (OSError, ProtocolError) as error:
            raise SandboxError(f"the guest did not start: {self._last_words()}") from error
        finally:
            timer.cancel()
        if frame is None or frame.kind is not Kind.READY:
            why = frame.json().get("message") if frame is not None else self._last_words()
            raise SandboxError(f"the guest could not be confined: {why}")
        fact = frame.json()
        self.imported = tuple(str(name) for name in cast("list[object]", fact["imported"]))
        return self._proven_layers(cast("list[str]", fact["layers"]))

    def _proven_layers(self, layers: list[str]) -> tuple[str, ...]:
        """The layers in force; no silent step down from what the level means."""
        promised = {"rlimits", "landlock", "seccomp"} | ({"uid"} if self.wall.user else set())
        if self.wall.level is not sandbox.Level.NONE and not promised <= set(layers):
            missing = ", ".join(sorted(promised - set(layers)))
            raise SandboxError(f"the guest came up without {missing}")
        return (*layers, "namespaces") if self.wall.bwrap is not None else tuple(layers)

    def _last_words(self) -> str:
        self._process.kill()
        self._process.wait()
        text = (self._folder / "parent.log").read_text("utf-8", "replace").strip()
        return text[-2000:] or f"exit status {self._process.returncode}"

    def spawn(self, order: dict[str, object], fds: list[int]) -> Child:
        """Fork a child for `order`; the descriptors stay the caller's to close."""
        started: Future[Child] = Future()
        with self._lock:
            self._starting.append(started)
            try:
                link.send_with_fds(self._control, Kind.SPAWN, order, fds)
            except OSError as error:
                raise GuestSilent("the guest's parent process is gone") from error
        return started.result(timeout=_START_TIMEOUT_S)

    def kill(self, child: Child) -> None:
        """End a child; if its parent does not obey, end the parent and with it everything."""
        try:
            with self._lock:
                link.send_json(self._control.fileno(), Kind.KILL, {"pid": child.pid})
            child.exited.result(timeout=5)
        except (OSError, TimeoutError):
            logger.warning("guest parent does not obey, killing it", extra={"child": child.pid})
            self._process.kill()

    @property
    def is_alive(self) -> bool:
        """Whether it can still fork."""
        return self._process.poll() is None

    def _read(self) -> None:
        """Resolve starts and exits as the parent reports them; at its end, fail what is open."""
        while True:
            try:
                frame = link.receive(self._control.fileno())
            except (OSError, ProtocolError):
                frame = None
            if frame is None:
                break
            fact = frame.json()
            pid = cast("int", fact["pid"])
            if frame.kind is Kind.STARTED and pid == 0:
                why = str(fact.get("error"))[:500]
                self._starting.popleft().set_exception(GuestSilent(f"no child started: {why}"))
            elif frame.kind is Kind.STARTED:
                child = Child(pid, Future())
                self._children[pid] = child
                self._starting.popleft().set_result(child)
            elif frame.kind is Kind.EXITED and pid in self._children:
                self._children.pop(pid).exited.set_result(cast("int", fact["status"]))
        for started in self._starting:
            started.set_exception(GuestSilent("the guest's parent process ended"))
        for child in self._children.values():
            child.exited.set_result(-9)

    def close(self) -> None:
        """End it, its children and its folder."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        process = getattr(self, "_process", None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
            self._log.close()
        reader = getattr(self, "_reader", None)
        if reader is not None:
            reader.join(timeout=5)
        self._control.close()
        self._on_close()
        shutil.rmtree(self._folder, ignore_errors=True)

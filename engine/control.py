"""Carry service calls between a door and its engine: versioned JSON lines over a unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from casparian_flow.errors import (
    CasparianError,
    EngineUnavailable,
    ProtocolError,
    error_from_code,
)
from engine.home import Home

VERSION = 1
MAX_LINE_BYTES = 64 << 20
_START_TIMEOUT_S = 30
_TRIES = 4

Progress = Callable[[str, int, int], None]
"""What is being done, how much is done, of how much (0: unknown)."""


def ignore_progress(_what: str, _done: int, _total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for the audit log; a door states it, the model cannot."""

    door: str
    """`cli`, `mcp` or `page`."""
    person: str
    request: str = ""
    """Names one call, however often it is sent: an engine that died may have done it already."""


def request_line(method: str, params: Mapping[str, object], caller: Caller) -> bytes:
    """One call as it travels; sent again, it keeps its `request`."""
    call = {
        "v": VERSION,
        "method": method,
        "params": params,
        "door": caller.door,
        "person": caller.person,
        "request": uuid.uuid4().hex,
    }
    return json.dumps(call, separators=(",", ":")).encode() + b"\n"


def read_request(line: bytes) -> tuple[str, dict[str, object], Caller]:
    """Read a call.

    Raises:
        ProtocolError: not JSON, another version, or not the shape of a call.
    """
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a call that is not JSON") from error
    call = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if call.get("v") != VERSION:
        raise ProtocolError(f"control version {call.get('v')!r}, this engine speaks {VERSION}")
    method, params = call.get("method"), call.get("params")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise ProtocolError("a call without method or params")
    door, person, request = (str(call.get(key, "")) for key in ("door", "person", "request"))
    caller = Caller(door[:20], person[:200], request[:32])
    return method, cast("dict[str, object]", params), caller


@dataclass(frozen=True, slots=True)
class Client:
    """A door's way to the engine of one home; starts one when there is none."""

    home: Home
    caller: Caller
    start_command: tuple[str, ...]
    """Starts an engine for this home in the background."""
    patience_s: float | None = None
    """How long to wait for the next word of an answer; None for as long as it takes."""
    _idle: list[socket.socket] = field(default_factory=list[socket.socket])

    def call(
        self,
        method: str,
        params: Mapping[str, object] | None = None,
        *,
        progress: Progress = ignore_progress,
    ) -> dict[str, object]:
        """Ask the engine; return its result.

        Raises:
            CasparianError: whatever the engine answered with.
            EngineUnavailable: none could be reached or started.
        """
        line = request_line(method, params or {}, self.caller)
        # A kept connection may belong to an engine that has gone, the next one to one that is
        # just going; after that a new engine answers, or none does.
        for _ in range(_TRIES):
            connection = self._connection()
            connection.settimeout(self.patience_s)
            try:
                connection.sendall(line)
                answer = _read_answer(connection, progress)
            except (ConnectionResetError, BrokenPipeError):
                answer = None
            except CasparianError:
                self._idle.append(connection)
                raise
            except TimeoutError as error:
                connection.close()
                raise EngineUnavailable(
                    f"the engine of {self.home.root} said nothing for {self.patience_s:g} s",
                    hint="It may still be at work: ask again. If it hangs, a person ends it.",
                ) from error
            except BaseException:
                connection.close()
                raise
            if answer is not None:
                self._idle.append(connection)
                return answer
            connection.close()
        raise EngineUnavailable("the engine closed the connection without an answer")

    def _connection(self) -> socket.socket:
        """A kept connection nobody uses now, or a new one."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return self._try_connect() or self._start_and_connect()

    def close(self) -> None:
        """Let go of the kept connections."""
        while self._idle:
            self._idle.pop().close()

    def is_running(self) -> bool:
        """Whether an engine answers now."""
        connection = self._try_connect()
        if connection is not None:
            connection.close()
        return connection is not None

    def _try_connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self.home.engine_socket))
        except OSError:
            connection.close()
            return None
        return connection

    def _start_and_connect(self) -> socket.socket:
        log = self.home.logs / "engine-start.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.start_command],
                env={**os.environ, "CASPARIAN_HOME": str(self.home.root)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        # The engine outlives its door; while the door lives, it reaps it.
        threading.Thread(target=process.wait, daemon=True).start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        pause = 0.02
        while time.monotonic() < deadline:
            connection = self._try_connect()
            if connection is not None:
                return connection
            if process.poll() not in (None, 0):
                break
            time.sleep(pause)
        # Another engine may have come up meanwhile, and sent this one away.
        connection = self._try_connect()
        if connection is not None:
            return connection
        said = log.read_text("utf-8", "replace").strip()[-1500:]
        raise EngineUnavailable(
            f"no engine came up for {self.home.root}: {said or 'it said nothing'}"
        )


def _read_answer(connection: socket.socket, progress: Progress) -> dict[str, object] | None:
    with connection.makefile("rb") as lines:
        while line := lines.readline(MAX_LINE_BYTES):
            answer = cast("dict[str, object]", json.loads(line))
            if "progress" in answer:
                what, done, total = cast("list[object]", answer["progress"])
                progress(str(what), int(str(done)), int(str(total)))
            elif "error" in answer:
                error = cast("dict[str, str]", answer["error"])
                raise error_from_code(error["code"], error["message"], error["hint"])
            else:
                return cast("dict[str, object]", answer["result"])
    return None


def default_start_command() -> tuple[str, ...]:
    """The `casparian` script beside this interpreter, asked to start in the background."""
    return (str(Path(sys.executable).parent / "casparian"), "start", "--background")

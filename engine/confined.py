"""Have one question answered by a module of ours in a confined child process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import casparian_flow
from casparian_flow import link
from casparian_flow.errors import ProtocolError
from casparian_flow.link import Kind
from engine import sandbox

_SCRIPT = Path(__file__).with_name("inside.py")
_ADDRESS_SPACE_BYTES = 8 << 30
_SCRATCH_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Task:
    """A question, and what its child may reach."""

    module: str
    """A module with a function `serve(question)`; it runs after confinement."""
    question: dict[str, object]
    readable: tuple[str, ...] = ()
    """Paths besides the interpreter, the host's libraries and this package."""
    timeout_s: float = 25
    memory_bytes: int = _ADDRESS_SPACE_BYTES


class Ended(Exception):
    """The child gave no answer; the text says why."""

    def __init__(self, why: str, *, is_late: bool) -> None:
        """`is_late`: it was ended because its time was over."""
        super().__init__(why)
        self.is_late = is_late


def run(task: Task, *, wall: sandbox.Wall, fds: Sequence[int] = ()) -> dict[str, object]:
    """The child's answer: `answer`, or `refused` or `failed` with a text.

    `question["scratch"]` is set to a folder that the child may write; `fds` arrive as
    `question["fds"]`.

    Raises:
        Ended: it died, or did not answer in time.
    """
    folder = Path(tempfile.mkdtemp(prefix="casparian-confined-"))
    try:
        folder.chmod(0o711)
        inputs, scratch = folder / "in", folder / "scratch"
        inputs.mkdir()
        scratch.mkdir(mode=0o700)
        return _run(task, wall, fds, _cell(task, inputs, scratch))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _site_packages() -> list[str]:
    return list(dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]))


def _cell(task: Task, inputs: Path, scratch: Path) -> sandbox.Cell:
    return sandbox.Cell(
        readable=(
            *sandbox.interpreter_paths(), str(_SCRIPT.parent), *_site_packages(), *task.readable,
        ),
        inputs=inputs,
        scratch=scratch,
        scratch_bytes=_SCRATCH_BYTES,
    )  # fmt: skip


def _run(
    task: Task, wall: sandbox.Wall, fds: Sequence[int], cell: sandbox.Cell
) -> dict[str, object]:
    scratch = sandbox.scratch_inside(wall, cell)
    setup: dict[str, object] = {
        "unconfined": wall.level is sandbox.Level.NONE,
        "user": wall.user,
        "limits": {
            "memory_bytes": task.memory_bytes,
            "file_bytes": _SCRATCH_BYTES,
            "processes": 512,
            "open_files": 65536,
        },
        "readable": list(cell.readable),
        "scratch": [scratch],
        "site_packages": _site_packages(),
        "module": task.module,
        "question": {**task.question, "scratch": scratch},
    }
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = sandbox.guest_command(
                wall, cell, script=_SCRIPT, argument=str(theirs.fileno())
            )
            process = subprocess.Popen(
                [*command, str(Path(casparian_flow.__file__).parent)],
                env=sandbox.guest_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return _exchange(ours, process, setup, fds, task.timeout_s)


def _exchange(
    ours: socket.socket,
    process: subprocess.Popen[bytes],
    setup: dict[str, object],
    fds: Sequence[int],
    timeout_s: float,
) -> dict[str, object]:
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(timeout_s, expire)
    timer.start()
    try:
        link.send_with_fds(ours, Kind.SETUP, setup, list(fds))
        frame = link.receive(ours.fileno())
    except (OSError, ProtocolError):
        frame = None
    finally:
        timer.cancel()
        said = _ended(process, ours)
    if expired.is_set():
        raise Ended(f"no answer within {timeout_s:g} s", is_late=True)
    if frame is None:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise Ended(last[0][:300], is_late=False)
    return frame.json()


def _ended(process: subprocess.Popen[bytes], ours: socket.socket) -> bytes:
    """End the child and all it started, whatever each of them waits for; what was said at last."""
    ours.close()  # a child that waits for its task must not keep the pipe open that is read here
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[1]

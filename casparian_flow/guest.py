"""Run plugins, confined: a warm parent per environment that forks a child per batch of jobs.

Started by the host as `python -I -S -B guest.py FD`. The parent confines itself before the
environment's libraries join `sys.path`, imports them once and never computes with them; each
child narrows the wall again, loads the plugin and runs its jobs. Written down in
docs/reference/link.md.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import os
import select
import signal
import socket
import sys
import traceback
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from casparian_flow import link
    from casparian_flow.link import Frame

_MAX_TRACEBACK_CHARS = 8_000


def main() -> None:
    """Serve spawn requests on the inherited socket until it closes."""
    _load_own_package()
    from casparian_flow import link
    from casparian_flow.link import Kind

    control = socket.socket(fileno=int(sys.argv[1]))
    frame = link.receive(control.fileno())
    if frame is None or frame.kind is not Kind.SETUP:
        return
    setup = frame.json()
    try:
        layers = _confine_parent(setup)
        imported = _warm_up(setup)
    except Exception as error:  # noqa: BLE001 - the host is told, whatever went wrong
        link.send_json(
            control.fileno(), Kind.FAILED, {"message": f"{type(error).__name__}: {error}"}
        )
        return
    ready = {"pid": os.getpid(), "layers": layers, "imported": imported}
    link.send_json(control.fileno(), Kind.READY, ready)
    _serve(control, setup)


def _load_own_package() -> None:
    """Make `casparian_flow`, and nothing else of the host, importable by its path."""
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - slow import
    spec = importlib.util.spec_from_file_location(
        "casparian_flow",
        os.path.join(folder, "__init__.py"),  # noqa: PTH118
        submodule_search_locations=[folder],
    )
    if spec is None or spec.loader is None:
        raise ImportError(folder)
    package = importlib.util.module_from_spec(spec)
    sys.modules["casparian_flow"] = package
    spec.loader.exec_module(package)


def _confine_parent(setup: dict[str, object]) -> list[str]:
    from casparian_flow import confine

    layers: list[str] = []
    if setup["unconfined"]:
        return layers
    limits = cast("dict[str, int]", setup["limits"])
    user = cast("list[int] | None", setup["user"])
    confine.limit_resources(confine.Limits(**limits))
    layers.append("rlimits")
    if user is not None:
        confine.drop_user(*user)
        layers.append("uid")
    confine.forbid_new_privileges()
    confine.restrict_files(
        readable=[*_strings(setup["readable"]), *_strings(setup["inputs"])],
        writable=[*_strings(setup["scratch"]), "/dev/null"],
    )
    layers.append("landlock")
    confine.restrict_calls(may_fork=True)
    layers.append("seccomp")
    return layers


def _warm_up(setup: dict[str, object]) -> list[str]:
    """Import the environment's libraries, so that children start with them."""
    sys.path.extend(_strings(setup["site_packages"]))
    imported: list[str] = []
    for name in _strings(setup["preload"]):
        with contextlib.suppress(ImportError):  # the plugin's own import will say what is wrong
            importlib.import_module(name)
            imported.append(name)
    importlib.import_module("casparian_flow.outlet")
    return imported


def _strings(value: object) -> list[str]:
    return [str(item) for item in cast("list[object]", value)]


def _serve(control: socket.socket, setup: dict[str, object]) -> None:
    """Fork on SPAWN, kill on KILL, report every child that ends."""
    from casparian_flow import link
    from casparian_flow.link import Kind

    gc.collect()
    gc.freeze()  # children then leave the parent's pages alone, and share them
    watched: dict[int, int] = {}  # pidfd → pid
    is_spent = False
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd in watched:
                pid = watched.pop(fd)
                poll.unregister(fd)
                os.close(fd)
                _, status = os.waitpid(pid, 0)
                is_spent |= not _remove_scratch(setup, pid)
                ended = {"pid": pid, "status": os.waitstatus_to_exitcode(status)}
                link.send_json(control.fileno(), Kind.EXITED, ended)
                if is_spent and not watched:
                    return
                continue
            frame, fds = link.receive_with_fds(control)
            if frame is None:
                return
            if frame.kind is Kind.KILL:
                pid = cast("int", frame.json()["pid"])
                if pid in watched.values():
                    os.kill(pid, signal.SIGKILL)
            elif frame.kind is Kind.SPAWN:
                pid, started = _start_child(frame, fds, setup, control)
                if pid:
                    pidfd = os.pidfd_open(pid)
                    watched[pidfd] = pid
                    poll.register(pidfd, select.POLLIN)
                link.send_json(control.fileno(), Kind.STARTED, started)


def _start_child(
    frame: Frame, fds: list[int], setup: dict[str, object], control: socket.socket
) -> tuple[int, dict[str, object]]:
    """The child's process id and what to tell the host; 0 if none could be forked."""
    try:
        pid = _fork(frame, fds, setup, control)
    except OSError as error:  # all guests share one user's processes and threads
        return 0, {"pid": 0, "error": str(error)}
    finally:
        for received in fds:
            os.close(received)
    return pid, {"pid": pid}


def _remove_scratch(setup: dict[str, object], pid: int) -> bool:
    """Leave nothing of an ended child to the next; whether that could be done.

    A child can lock a folder against its own user or nest thousands of them: a parent that
    cannot clear up ends, and the scratch space with it.
    """
    import shutil

    try:
        shutil.rmtree(os.path.join(_strings(setup["scratch"])[0], str(pid)))  # noqa: PTH118
    except FileNotFoundError:
        return True
    except (OSError, RecursionError):
        return False
    return True


def _fork(frame: Frame, fds: list[int], setup: dict[str, object], control: socket.socket) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        control.detach()
        status = _run_child(frame.json(), fds, setup, parent)
    except BaseException:  # noqa: BLE001 - a child must never return into the parent's loop
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
            sys.stdout.flush()
        os._exit(status)


def _run_child(
    order: dict[str, object], fds: list[int], setup: dict[str, object], parent: int
) -> int:
    from casparian_flow import link
    from casparian_flow.link import Kind

    channel, log, *inputs = fds
    os.dup2(log, 1)
    os.dup2(log, 2)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    _close_all_but({0, 1, 2, channel, *inputs})
    scratch = os.path.join(_strings(setup["scratch"])[0], str(os.getpid()))  # noqa: PTH118
    os.mkdir(scratch, 0o700)  # noqa: PTH102
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    jobs = [cast("dict[str, object]", job) for job in cast("list[object]", order["jobs"])]
    paths = [_place(job, inputs, scratch) for job in jobs]
    _confine_child(setup, jobs, scratch, parent)
    topics = tuple(_strings(order["topics"]))
    module: types.ModuleType | None = None
    writer = link.Writer(channel)
    for index, path in enumerate(paths):
        _mark_log(str(order["mark"]))
        writer.add_json(Kind.OPENED, {"index": index})
        try:
            module = module or _load_plugin(cast("dict[str, str]", order["files"]))
            closed = _run_job(module, path, writer, topics)
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like included
            writer.add_json(Kind.RAISED, _described(error))
        else:
            writer.add_json(Kind.CLOSED, closed)
    writer.add(Kind.GOODBYE, b"")
    writer.flush()
    return 0


def _mark_log(mark: str) -> None:
    """Tell the host where in the log the next job begins."""
    if mark:
        with contextlib.suppress(OSError, ValueError):  # the plugin may have closed them
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(2, mark.encode())


def _close_all_but(keep: set[int]) -> None:
    """Close every gap: descriptors that arrive over a socket are not contiguous."""
    first = 0
    for fd in sorted(keep):
        if fd > first:  # an empty range reaches the kernel as "up to the last one"
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1 << 16)


def _place(job: dict[str, object], inputs: list[int], scratch: str) -> str:
    """Give the input its real name, in a folder of its own; return the path the plugin sees."""
    folder = os.path.join(scratch, f"in{cast('int', job['index'])}")  # noqa: PTH118
    os.mkdir(folder, 0o700)  # noqa: PTH102
    path = os.path.join(folder, os.fsdecode(bytes.fromhex(str(job["name"]))))  # noqa: PTH118
    target = job["path"]
    if target is None:
        target = f"/proc/self/fd/{inputs[cast('int', job['fd'])]}"
    os.symlink(str(target), path)  # noqa: PTH211 - pathlib is slow to import in every guest
    return path


def _confine_child(
    setup: dict[str, object], jobs: list[dict[str, object]], scratch: str, parent: int
) -> None:
    from casparian_flow import confine

    os.setpgid(0, 0)
    confine.die_with_parent(parent)
    if setup["unconfined"]:
        return
    own = [str(job["path"]) for job in jobs if job["path"] is not None]
    confine.restrict_files(
        readable=[*_strings(setup["readable"]), *own], writable=[scratch, "/dev/null"]
    )
    confine.restrict_calls(may_fork=False)


def _load_plugin(files: dict[str, str]) -> types.ModuleType:
    """Execute plugin.py as a module; its siblings import each other by plain names."""
    sys.meta_path.insert(0, cast("importlib.abc.MetaPathFinder", _Siblings(files)))
    return importlib.import_module("plugin")


class _Siblings:
    """Finds the plugin's own modules among the files that were signed."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def find_spec(self, name: str, *_: object) -> object:
        """The spec of one of the plugin's own modules, else None."""
        if f"{name}.py" not in self._files:
            return None
        return importlib.util.spec_from_loader(name, cast("importlib.abc.Loader", self))

    def create_module(self, spec: object) -> None:
        """Leave making the module object to the import system."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the signed source in the new module."""
        name = f"{module.__name__}.py"
        exec(compile(self._files[name], name, "exec"), module.__dict__)  # noqa: S102 - its purpose


def _run_job(
    module: types.ModuleType, path: str, writer: link.Writer, topics: tuple[str, ...]
) -> dict[str, object]:
    from casparian_flow.outlet import LinkOutlet

    outlet = LinkOutlet(writer, topics)
    module.Handler(outlet).execute(path)
    return {
        "rows": outlet.rows,
        "quarantined": outlet.quarantined,
        "read": outlet.read,
        "skipped": outlet.skipped,
    }


def _described(error: BaseException) -> dict[str, object]:
    """What the host may know of an exception: kind, text, and where in the plugin it was."""
    from casparian_flow.errors import CasparianError

    frames = [
        {"file": frame.filename, "line": frame.lineno, "function": frame.name}
        for frame in _plugin_frames(error)
    ]
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(text)
    return {
        "kind": type(error).__name__,
        "message": str(error)[:4000],
        "hint": error.hint if isinstance(error, CasparianError) else None,
        "frames": frames[-5:],
        "traceback": text[-_MAX_TRACEBACK_CHARS:],
    }


def _plugin_frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    for frame in traceback.extract_tb(error.__traceback__):
        if "/" not in frame.filename and not frame.filename.startswith("<"):
            yield frame


if __name__ == "__main__":
    main()

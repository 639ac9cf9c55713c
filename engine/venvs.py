"""Build the environment of a lockfile once, and keep it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import uv

from casparian_flow.errors import EnvironmentFailed, LockRefused
from engine import sandbox
from gatekeeper.manifest import imported_modules

logger = logging.getLogger(__name__)

PROJECT = "casparian-plugin"
_BUILD_TIMEOUT_S = 900
_PASSED_ON = (
    "HOME", "PATH", "LANG", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NETRC",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip


def uv_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What uv may know of the operator's environment: proxies, certificates, its own settings."""
    return {key: value for key, value in env.items() if key in _PASSED_ON or key.startswith("UV_")}


def run_uv(arguments: list[str], folder: Path) -> None:
    """Run uv in `folder`.

    Raises:
        EnvironmentFailed: it failed; the message ends with what it said.
    """
    environment = {"UV_SYSTEM_CERTS": "true"} | uv_environment(os.environ)
    environment["UV_PROJECT_ENVIRONMENT"] = str(folder / "env")
    command = [uv.find_uv_bin(), *arguments, "--no-build", "--no-progress"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True,
            timeout=_BUILD_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(f"uv did not finish within {_BUILD_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise EnvironmentFailed(f"uv {arguments[0]} failed: {done.stderr.strip()[-2000:]}")


def project_file(dependencies: list[str]) -> str:
    """A pyproject.toml that asks for nothing but these dependencies."""
    quoted = ", ".join(f'"{_escaped(one)}"' for one in dependencies)
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f'[project]\nname = "{PROJECT}"\nversion = "0"\n'
        f'requires-python = "=={minor}.*"\ndependencies = [{quoted}]\n'
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def check_lock(lockfile: bytes) -> dict[str, str]:
    """The packages of a lockfile (name → version), if wheels with hashes can install each.

    Raises:
        LockRefused: a package comes from a path, a URL or git, or has no hashed wheel.
    """
    try:
        lock = tomllib.loads(lockfile.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LockRefused(f"the lockfile cannot be read: {error}") from error
    packages: dict[str, str] = {}
    for package in cast("list[dict[str, object]]", lock.get("package", [])):
        name, source = str(package.get("name")), cast("dict[str, object]", package["source"])
        if name == PROJECT and "virtual" in source:
            continue
        wheels = cast("list[dict[str, object]]", package.get("wheels", []))
        if set(source) != {"registry"}:
            raise LockRefused(f"package {name} comes from {source}, not from an index")
        if not wheels or not all(str(w.get("hash", "")).startswith("sha256:") for w in wheels):
            raise LockRefused(f"package {name} has no wheel with a hash, it would be built here")
        packages[name] = str(package.get("version"))
    return packages


def environment_key(env_hash: str) -> str:
    """Name of an environment: its lock, the Python it is for, the platform."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{env_hash[:24]}-{python}-{sys.platform}-{platform.machine()}"


@dataclass(frozen=True, slots=True)
class Lease:
    """An environment that nobody evicts before it is closed."""

    path: Path
    _used: IO[bytes]

    def close(self) -> None:
        """Let go of it."""
        self._used.close()


def lease(venvs: Path, lockfile: bytes, *, keep_bytes: int) -> Lease:
    """The environment of a lockfile, built now if it does not stand yet.

    Hash-checked wheels only, bytecode compiled, built in a temporary folder and renamed into
    place: whoever sees it sees it whole. After a build the longest unused ones leave until all
    together fit `keep_bytes`; one that somebody leases stays, in whatever process.

    Raises:
        LockRefused: the lock would build code.
        EnvironmentFailed: uv could not install it.
    """
    check_lock(lockfile)
    place = venvs / environment_key(hashlib.sha256(lockfile).hexdigest())
    with _locked(venvs / f".{place.name}.lock"):
        used = _mark_of(place).open("wb")
        fcntl.flock(used, fcntl.LOCK_SH)
        try:
            is_new = not place.exists()
            if is_new:
                _build(venvs, place, lockfile)
            os.utime(place)
        except BaseException:
            used.close()
            raise
    if is_new:
        _evict(venvs, keep_bytes)
    return Lease(place, used)


def _mark_of(place: Path) -> Path:
    return place.parent / f".{place.name}.used"


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _evict(venvs: Path, keep_bytes: int) -> None:
    """Remove environments nobody uses, the longest unused first, until the rest fits."""
    with _locked(venvs / ".evicting.lock"):
        places = sorted(
            (place for place in venvs.iterdir() if not place.name.startswith(".")),
            key=lambda place: place.stat().st_mtime_ns,
        )
        sizes = {place: size(place) for place in places}
        total = sum(sizes.values())
        for place in places:
            if total <= keep_bytes:
                return
            if discard(place):
                total -= sizes[place]
                logger.info("environment evicted", extra={"venv": place.name})


def size(place: Path) -> int:
    """Bytes on disk; what is linked from a cache counts, for it may be the last link."""
    return sum(
        (Path(folder) / name).lstat().st_size
        for folder, _, names in os.walk(place)
        for name in names
    )


def discard(place: Path) -> bool:
    """Remove an environment; False if somebody uses it."""
    with (
        (place.parent / f".{place.name}.lock").open("wb") as lock,
        _mark_of(place).open("wb") as used,
    ):
        try:
            for mark in (lock, used):
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        # Renamed first: whoever looks for it meanwhile finds all of it or nothing.
        going = place.rename(place.parent / f".building-{place.name}")
        shutil.rmtree(going)
        return True


def _build(venvs: Path, place: Path, lockfile: bytes) -> None:
    folder = Path(tempfile.mkdtemp(prefix=".building-", dir=venvs))
    try:
        (folder / "pyproject.toml").write_text(project_file([]))
        (folder / "uv.lock").write_bytes(lockfile)
        arguments = ["sync", "--frozen", "--no-install-project", "--no-dev", "--compile-bytecode"]
        run_uv([*arguments, "--python", sandbox.base_python()], folder)
        (folder / "env").chmod(0o755)
        (folder / "env").rename(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_IMPORTED_LATE = {"pandas": ("pyarrow.pandas_compat",)}
"""What a library only imports when it is first used; a warm parent imports it once for all."""


def modules_to_warm(files: Mapping[str, str]) -> tuple[str, ...]:
    """The libraries a plugin imports, for its guest's parent to import beforehand."""
    own = {Path(name).stem for name in files}
    names = {name for text in files.values() for name in imported_modules(text)} - own
    late = [module for name in sorted(names) for module in _IMPORTED_LATE.get(name, ())]
    return ("pyarrow", *sorted(names - {"pyarrow"}), *late)

"""Take exactly the bytes that were hashed, and prove that they are."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from casparian_flow.errors import SourceError, SourceTooLarge

_CHUNK = 1 << 20
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # seal, shrink, grow, write
_FICLONE = 0x40049409


@dataclass(frozen=True, slots=True)
class Digest:
    """The content of a file at one moment."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Checked bytes, ready for a guest; `fd` is the owner's to close."""

    fd: int | None
    path: Path | None


def open_regular(path: bytes) -> int:
    """Open a regular file for reading, never following a link or waiting on a FIFO.

    Not in any folder of the path either: roots are granted by their real path, and whoever can
    write below one could swap a folder for a link to somewhere else.

    Raises:
        SourceError: gone, unreadable, or not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{os.fsdecode(path)}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SourceError(f"{os.fsdecode(path)} is not a regular file")
    actual = _opened_path(fd)
    if actual is not None and actual != os.path.normpath(path):
        os.close(fd)
        raise SourceError(
            f"{os.fsdecode(path)} is reached through a link, which may lead out of what was granted"
        )
    return fd


def _opened_path(fd: int) -> bytes | None:
    """Where an open file really lies, as the kernel knows it; None where it does not tell."""
    try:
        return os.readlink(b"/proc/self/fd/%d" % fd)  # noqa: PTH115 - bytes
    except OSError:
        return None


def digest(path: bytes) -> Digest:
    """Hash a file; refuse to hash one that changes meanwhile.

    Raises:
        SourceError: gone, unreadable, not regular, or changed while it was read.
    """
    fd = open_regular(path)
    try:
        before = os.fstat(fd)
        state = hashlib.sha256()
        while chunk := os.read(fd, _CHUNK):
            state.update(chunk)
        after = os.fstat(fd)
    except OSError as error:
        raise SourceError(f"{os.fsdecode(path)}: {error.strerror}") from error
    finally:
        os.close(fd)
    if _identity(before) != _identity(after):
        raise SourceError(f"{os.fsdecode(path)} changed while it was hashed")
    return Digest(state.hexdigest(), after.st_size, after.st_mtime_ns)


def _identity(facts: os.stat_result) -> tuple[int, ...]:
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev)


def take(path: bytes, sha256: str, *, memory_limit: int, size_limit: int, folder: Path) -> Snapshot:
    """Copy a file where nobody can change it, and check that it is the one that was hashed.

    Up to `memory_limit` bytes into a sealed memfd; larger into `folder`, by reflink where the file
    system can.

    Raises:
        SourceError: gone, too large, or its bytes are not those of `sha256`.
    """
    source = open_regular(path)
    try:
        size = os.fstat(source).st_size
        if size > size_limit:
            raise SourceTooLarge(
                f"{os.fsdecode(path)} has {size} bytes, the snapshot limit is {size_limit}"
            )
        if size <= memory_limit:
            return Snapshot(_into_memory(source, path, sha256), None)
        return Snapshot(None, _into_folder(source, path, sha256, folder))
    finally:
        os.close(source)


def _into_memory(source: int, path: bytes, sha256: str) -> int:
    target = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _copy(source, target, path, sha256)
        fcntl.fcntl(target, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(target)
        raise
    return target


def _into_folder(source: int, path: bytes, sha256: str, folder: Path) -> Path:
    place = folder / f"{os.urandom(8).hex()}"
    target = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError:
            _copy(source, target, path, sha256)
        else:
            _check(target, path, sha256)
    except BaseException:
        place.unlink()
        raise
    finally:
        os.close(target)
    return place


def _copy(source: int, target: int, path: bytes, sha256: str) -> None:
    state = hashlib.sha256()
    while chunk := os.read(source, _CHUNK):
        state.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(target, view) :]
    _compare(state.hexdigest(), path, sha256)


def _check(target: int, path: bytes, sha256: str) -> None:
    state = hashlib.sha256()
    while chunk := os.read(target, _CHUNK):
        state.update(chunk)
    _compare(state.hexdigest(), path, sha256)


def _compare(found: str, path: bytes, wanted: str) -> None:
    if found != wanted:
        raise SourceError(
            f"{os.fsdecode(path)} is no longer the file that was hashed"
            f" (now {found[:12]}, then {wanted[:12]})"
        )

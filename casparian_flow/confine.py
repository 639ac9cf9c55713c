"""Take away from this process everything that a plugin does not need.

Standard library only: it runs before any third-party import. Three layers, each of which only
narrows: resource limits, Landlock (what may be opened), seccomp (what may be asked of the
kernel). Design §4, Sandbox.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from casparian_flow.errors import SandboxError
from casparian_flow.syscalls import CONDITIONAL, NUMBERS, WARM_PARENT_ONLY

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_EXECUTE, _TRUNCATE, _IOCTL_DEV = 1 << 0, 1 << 14, 1 << 15
_WRITE = (1 << 1) | sum(1 << bit for bit in range(4, 14)) | _TRUNCATE
_MAKE_DEVICES_AND_SOCKETS = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)
_ALL_FILES = _READ_FILE | _READ_DIR | _EXECUTE | _WRITE | _IOCTL_DEV
_FILE_ONLY = _READ_FILE | _EXECUTE | (1 << 1) | _TRUNCATE | _IOCTL_DEV
_ALL_NET, _ALL_SCOPES = 0b11, 0b11


@dataclass(frozen=True)
class Limits:
    """Resource limits of one guest process."""

    memory_bytes: int
    """Address space; an allocation beyond it fails inside the guest."""

    file_bytes: int
    """Largest file it may write to its scratch directory."""

    processes: int = 512
    """Threads and processes of the guest's user; does not bind uid 0."""

    open_files: int = 1024


def libc() -> ctypes.CDLL:
    """The C library, keeping errno."""
    return ctypes.CDLL(None, use_errno=True)


def limit_resources(limits: Limits) -> None:
    """Set the hard limits; nothing in this process can raise them again."""
    wanted = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (capped, capped))


def drop_user(uid: int, gid: int) -> None:
    """Become an unprivileged user for good, with no groups and no capabilities."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # The kernel keeps the inheritable set across a change of user; version 3, this process.
    none = libc().capset(struct.pack("=Ii", 0x20080522, 0), bytes(24))
    _check(none, "capabilities")
    # Changing users makes /proc/self unreadable, and with it the way to sealed inputs.
    _check(libc().prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
        raise SandboxError(f"the process is still {os.getresuid()}, not user {uid}")


def forbid_new_privileges() -> None:
    """Make every later exec unable to gain anything; Landlock and seccomp require it."""
    _check(libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the process that forked it ends."""
    _check(libc().prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "parent death signal")
    if os.getppid() != parent:
        os._exit(1)


def landlock_abi() -> int:
    """Version of Landlock the kernel offers; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, libc().syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))


def restrict_files(*, readable: Iterable[str], writable: Iterable[str]) -> None:
    """Allow reading below `readable` and working below `writable`; deny every other open.

    Also denies TCP, abstract unix sockets and signals to processes outside, where the kernel
    can (Landlock 4 and 6). Paths that do not exist are left out. Binds the calling thread and
    what it starts, so call it before any library starts threads.
    """
    abi = landlock_abi()
    if abi < 3:
        raise SandboxError(f"Landlock 3 or later is needed to confine files; the kernel has {abi}")
    handled = _ALL_FILES if abi >= 5 else _ALL_FILES & ~_IOCTL_DEV
    attributes = struct.pack("=QQQ", handled, _ALL_NET, _ALL_SCOPES)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    lib = libc()
    ruleset = _check(
        lib.syscall(_LANDLOCK_CREATE, attributes[:size], ctypes.c_size_t(size), 0), "Landlock"
    )
    try:
        for path in readable:
            _allow_below(lib, ruleset, path, (_READ_FILE | _READ_DIR) & handled)
        for path in writable:
            rights = (_READ_FILE | _READ_DIR | _WRITE) & ~_MAKE_DEVICES_AND_SOCKETS
            _allow_below(lib, ruleset, path, rights & handled)
        _check(lib.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "Landlock")
    finally:
        os.close(ruleset)


def _allow_below(lib: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # what cannot be reached needs no permission
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib is slow to import in every guest
            rights &= _FILE_ONLY
        rule = struct.pack("=Qi", rights, fd)
        _check(lib.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), f"Landlock rule for {path}")
    finally:
        os.close(fd)


def restrict_calls(*, may_fork: bool) -> None:
    """Deny every system call outside the allow-list; with `may_fork` false, also fork and kill.

    Sockets, exec, ptrace, mounts, keys, io_uring, chmod and namespaces are on no list.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise SandboxError(f"no system call list for {machine} processors")
    code = b"".join(_program(machine, may_fork=may_fork))
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    number = _SECCOMP_NUMBER[machine]
    _check(libc().syscall(number, 1, 0, program), "seccomp")


_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000
_CLONE_THREAD, _CLONE_NAMESPACES = 0x00010000, 0x7E020080
_HARMLESS_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS … FIOCLEX
_HARMLESS_PRCTLS = (3, 15, 16, 0x53564D41)  # dumpable?, set and get name, name a mapping
_PARENT_PRCTLS = (_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS)


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jt, jf, k & 0xFFFFFFFF)


def _program(machine: str, *, may_fork: bool) -> Sequence[bytes]:
    column = 0 if machine == "x86_64" else 1
    ops = [
        _op(_LD, _ARCH),
        _op(_JEQ, _AUDIT_ARCH[machine], 1, 0),
        _op(_RET, _KILL),
        _op(_LD, _NUMBER),
    ]
    if machine == "x86_64":
        ops += [_op(_JGE, _X32_BIT, 0, 1), _op(_RET, _KILL)]
    for name, numbers in NUMBERS.items():
        if (
            numbers[column] < 0
            or name in CONDITIONAL
            or (name in WARM_PARENT_ONLY and not may_fork)
        ):
            continue
        ops += [_op(_JEQ, numbers[column], 0, 1), _op(_RET, _ALLOW)]
    for name, judge in _conditional(may_fork=may_fork).items():
        ops += [_op(_JEQ, NUMBERS[name][column], 0, len(judge)), *judge]
    ops.append(_op(_RET, _REFUSE | errno.EPERM))
    return ops


def _conditional(*, may_fork: bool) -> dict[str, Sequence[bytes]]:
    """For each call that is judged by its arguments: a block that always returns a verdict."""
    refuse = _op(_RET, _REFUSE | errno.EPERM)
    allow = _op(_RET, _ALLOW)
    flags = [_op(_LD, _ARGUMENTS), _op(_JSET, _CLONE_NAMESPACES, 0, 1), refuse]
    threads_only = [_op(_JSET, _CLONE_THREAD, 1, 0), refuse]
    myself = _one_of((os.getpid(),))
    return {
        "clone": [*flags, *([] if may_fork else threads_only), allow],
        "clone3": [_op(_RET, _REFUSE | errno.ENOSYS)],  # glibc then falls back to clone
        "kill": [allow] if may_fork else myself,
        "tgkill": [allow] if may_fork else myself,
        "prctl": _one_of(_HARMLESS_PRCTLS + (_PARENT_PRCTLS if may_fork else ())),
        "ioctl": _one_of(_HARMLESS_IOCTLS, argument=1),
        "prlimit64": [
            _op(_LD, _ARGUMENTS + 16), _op(_JEQ, 0, 1, 0), refuse,
            _op(_LD, _ARGUMENTS + 20), _op(_JEQ, 0, 1, 0), refuse, allow,
        ],
    }  # fmt: skip


def _one_of(values: Sequence[int], *, argument: int = 0) -> list[bytes]:
    ops = [_op(_LD, _ARGUMENTS + 8 * argument)]
    for value in values:
        ops += [_op(_JEQ, value, 0, 1), _op(_RET, _ALLOW)]
    return [*ops, _op(_RET, _REFUSE | errno.EPERM)]


def _check(result: int, what: str) -> int:
    if result < 0:
        raise SandboxError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result

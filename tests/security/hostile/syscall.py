"""System calls that Python has no name for."""

import ctypes
import os
import platform

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_AARCH64 = platform.machine() == "aarch64"


def call(x86_64, aarch64, *arguments):
    """Its result, or OSError."""
    number = aarch64 if _AARCH64 else x86_64
    if number < 0:
        raise OSError(f"no such call on {platform.machine()}")
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _LIBC.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

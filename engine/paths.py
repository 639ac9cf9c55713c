"""Paths as the catalog keeps them, bytes, and as people read them."""

from __future__ import annotations

import os
import re

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def display(path: bytes) -> str:
    """A path for people and models: UTF-8 kept, other bytes and control characters escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return re.sub(_UNSAFE, lambda found: f"\\u{ord(found[0]):04x}", text)


def absolute(root: bytes, relative: bytes) -> bytes:
    """The full path of a location."""
    return os.path.join(root, relative)  # noqa: PTH118 - bytes

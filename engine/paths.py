"""Paths and other text of strangers, as the catalog keeps it and as people may read it."""

from __future__ import annotations

import os
import re

# Controls restyle a terminal, bidi marks reorder what a person reads, tag characters are read by
# models and seen by nobody, as are fillers, joiners and variation selectors; lone surrogates fit
# into no UTF-8 stream.
_CONTROLS = "\x00-\x1f\x7f-\x9f"
_CONTROLS_BUT_LINES = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_OTHERS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028\u2029"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[{_CONTROLS}{_OTHERS}]")
_UNSAFE_BUT_LINES = re.compile(f"[{_CONTROLS_BUT_LINES}{_OTHERS}]")


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Text with control, bidi and invisible characters as `\uXXXX`.

    With `lines`, line feeds and tabs stay: for source, logs and other text of several lines.
    What it writes is valid inside a JSON string, and stands there for the character itself.
    """
    unsafe = _UNSAFE_BUT_LINES if lines else _UNSAFE
    return unsafe.sub(_escaped, text) if unsafe.search(text) else text


def _escaped(found: re.Match[str]) -> str:
    digits = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[start : start + 4]}" for start in range(0, len(digits), 4))


def display(path: bytes) -> str:
    """A path for people and models: UTF-8 kept, other bytes and control characters escaped."""
    return harmless(path.decode("utf-8", "backslashreplace"))


def absolute(root: bytes, relative: bytes) -> bytes:
    """The full path of a location."""
    return os.path.join(root, relative)  # noqa: PTH118 - bytes

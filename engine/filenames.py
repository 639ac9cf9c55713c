"""Derive a topic's name and a glob from the names of files."""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBER = re.compile(r"\d(?:[\d._-]*\d)?")
"""A number in a name, or a date: `2026-01`."""
_LEAST_COMMON = 2
"""Characters that names share before a glob is made of what they share."""


def topic_from(path: bytes) -> str:
    """A topic name from a file name: `Sales 2026-01.csv` → `sales`."""
    name = path.rpartition(b"/")[2].decode("utf-8", "ignore")
    stem = re.split(r"\.", name, maxsplit=1)[0].lower()
    words = [word for word in re.split(r"[^a-z]+", stem) if word]
    return ("_".join(words) or "records")[:50].strip("_")


def pattern_from(paths: Sequence[bytes]) -> str:
    """A glob for files and their sisters: each number becomes any other number.

    Not any text: `sales-2026-01.csv` has no sister in `sales-refunds-2026.csv`. Where the files'
    names differ in more than numbers, what is between their common beginning and end is any text:
    `jan.csv` and `feb.csv` are `*.csv`.
    """
    names = list(dict.fromkeys(map(_name, paths)))
    globs = list(dict.fromkeys(map(_glob, names)))
    if len(globs) == 1:
        return globs[0]
    start = re.sub(r"\d+$", "", _beginning(names))
    rests = [name[len(start) :] for name in names]
    end = re.sub(r"^\d+", "", _beginning([rest[::-1] for rest in rests])[::-1])
    if len(start) + len(end) < _LEAST_COMMON:
        return globs[0]
    return re.sub(r"\*{2,}", "*", f"{_glob(start) if start else ''}*{_glob(end) if end else ''}")


def _beginning(names: Sequence[str]) -> str:
    """What all names begin with."""
    first = min(names, key=len)
    pairs = enumerate(zip(*names, strict=False))
    return next((first[:n] for n, letters in pairs if len(set(letters)) > 1), first)


def _name(path: bytes) -> str:
    text = path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
    return re.sub(r"(?:\\x[0-9a-f]{2})+", "0", text)


def _glob(name: str) -> str:
    escaped = re.sub(r"([\[\]\\!#?*])", r"\\\1", name)
    return NUMBER.sub("[0-9]*", escaped) or "*"

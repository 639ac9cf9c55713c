"""Find where lines of a snapshot lie: for records of which a plugin names the line alone."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from casparian_flow.reading.sources import packing_of
from engine.events import SetAside
from engine.snapshot import Snapshot

_LOOKED_AT = 1 << 16
_MOST_RAW = 4_000


@dataclass
class LinePlaces:
    """Goes through a file once, for lines that rise; lines end with LF."""

    taken: Snapshot | None
    _at: int = 0
    _ended: int = 0
    """Lines that end before `_at`."""

    def of(self, records: Sequence[SetAside]) -> list[SetAside]:
        """The records with the first byte and the length of the line that each names.

        `raw` is that line, if it holds all of the row that `raw` was. As they are where they have
        a place, or the file is packed or no text of single bytes: then its lines are not those of
        its bytes.
        """
        wanted = sorted({one.line for one in records if one.line and _is_open(one)})
        if not wanted or self.taken is None:
            return list(records)
        with _mapped(self.taken) as view:
            if view is None or not _is_plain(view[:_LOOKED_AT]):
                return list(records)
            found = {line: place for line in wanted if (place := self._place(view, line))}
            return [
                _placed(view, one, *found[one.line]) if one.line in found and _is_open(one) else one
                for one in records
            ]

    def _place(self, view: mmap.mmap, line: int) -> tuple[int, int] | None:
        """First byte and length of a line, its end included; None if the file has no such line."""
        if line <= self._ended:
            self._at, self._ended = 0, 0
        while self._ended < line - 1:
            end = view.find(b"\n", self._at)
            if end < 0:
                return None
            self._at, self._ended = end + 1, self._ended + 1
        length = (view.find(b"\n", self._at) + 1 or len(view)) - self._at
        return (self._at, length) if length else None


def _placed(view: mmap.mmap, record: SetAside, start: int, length: int) -> SetAside:
    """The record with its place, and as it stands there if the line holds all of it."""
    placed = replace(record, offset=start, length=length)
    if length > _MOST_RAW:
        return placed
    try:
        text = view[start : start + length].decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return placed
    return replace(placed, raw=text) if _holds(text, record) else placed


def _holds(text: str, record: SetAside) -> bool:
    """Whether a line holds each text of a row: a record of several lines is none of them."""
    try:
        row: object = None if record.cut else json.loads(record.raw)
    except ValueError:
        return False
    if not isinstance(row, dict):
        return False
    values = [v for name, v in cast("dict[str, object]", row).items() if not name.startswith("_")]
    words = [value for value in values if isinstance(value, str) and value]
    numbers = [str(value) for value in values if isinstance(value, int | float)]
    is_there = all(word in text for word in words)
    return is_there and bool(words or any(number in text for number in numbers))


def _is_open(record: SetAside) -> bool:
    return record.offset is None and record.member is None


def _is_plain(head: bytes) -> bool:
    return packing_of(head) is None and b"\0" not in head and b"\n" in head


@contextlib.contextmanager
def _mapped(taken: Snapshot) -> Generator[mmap.mmap | None]:
    """The snapshot's bytes, which nobody changes; None if there are none.

    A private map, for a sealed snapshot can have no other.
    """
    with contextlib.ExitStack() as stack:
        fd = taken.fd
        if fd is None:
            fd = stack.enter_context(Path(str(taken.path)).open("rb")).fileno()
        if not os.fstat(fd).st_size:
            yield None
            return
        view = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        yield stack.enter_context(view)

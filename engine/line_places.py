"""Find where lines of a snapshot lie: for records of which a plugin names the line alone."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from casparian_flow.reading.sources import packing_of
from engine.events import SetAside
from engine.snapshot import Snapshot

_PIECE = 1 << 20
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
        with _opened(self.taken) as fd:
            if not _is_plain(os.pread(fd, _LOOKED_AT, 0)):
                return list(records)
            found = {line: place for line in wanted if (place := self._place(fd, line))}
            return [
                _placed(fd, one, *found[one.line]) if one.line in found and _is_open(one) else one
                for one in records
            ]

    def _place(self, fd: int, line: int) -> tuple[int, int] | None:
        """First byte and length of a line, its end included; None if the file has no such line."""
        if line <= self._ended:
            self._at, self._ended = 0, 0
        while self._ended < line - 1:
            piece = os.pread(fd, _PIECE, self._at)
            if not piece:
                return None
            wanted = line - 1 - self._ended
            count = piece.count(b"\n")
            if count < wanted:
                self._at, self._ended = self._at + len(piece), self._ended + count
                continue
            end = -1
            for _ in range(wanted):
                end = piece.find(b"\n", end + 1)
            self._at, self._ended = self._at + end + 1, line - 1
        length = _length(fd, self._at)
        return (self._at, length) if length else None


def _placed(fd: int, record: SetAside, start: int, length: int) -> SetAside:
    """The record with its place, and as it stands there if the line holds all of it."""
    placed = replace(record, offset=start, length=length)
    if length > _MOST_RAW:
        return placed
    try:
        text = os.pread(fd, length, start).decode("utf-8").rstrip("\r\n")
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


def _length(fd: int, start: int) -> int:
    length = 0
    while piece := os.pread(fd, _PIECE, start + length):
        end = piece.find(b"\n")
        if end >= 0:
            return length + end + 1
        length += len(piece)
    return length


def _is_open(record: SetAside) -> bool:
    return record.offset is None and record.member is None


def _is_plain(head: bytes) -> bool:
    return packing_of(head) is None and b"\0" not in head and b"\n" in head


@contextlib.contextmanager
def _opened(taken: Snapshot) -> Generator[int]:
    if taken.fd is not None:
        yield taken.fd
        return
    fd = os.open(str(taken.path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)

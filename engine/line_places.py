"""Find where lines of a snapshot lie: for records of which a plugin names the line alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from casparian_flow.reading.sources import packing_of
from engine.events import SetAside
from engine.snapshot import Snapshot

_PIECE = 1 << 20
_LOOKED_AT = 1 << 16


@dataclass
class LinePlaces:
    """Goes through a file once, for lines that rise; lines end with LF."""

    taken: Snapshot | None
    _at: int = 0
    _ended: int = 0
    """Lines that end before `_at`."""

    def of(self, records: Sequence[SetAside]) -> list[SetAside]:
        """The records with the first byte and the length of the line that each names.

        As they are where they have a place, or the file is packed or no text of single bytes: then
        its lines are not those of its bytes.
        """
        wanted = sorted({one.line for one in records if one.line and _is_open(one)})
        if not wanted or self.taken is None:
            return list(records)
        with _opened(self.taken) as fd:
            if not _is_plain(os.pread(fd, _LOOKED_AT, 0)):
                return list(records)
            places = {line: place for line in wanted if (place := self._place(fd, line))}
        return [
            replace(one, offset=places[one.line][0], length=places[one.line][1])
            if one.line in places and _is_open(one)
            else one
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

"""The wire between host and guest: frames over one socketpair, written down in docs/reference.

A frame is an 8-byte header `!BBHI` (version, kind, topic, length) and its body. The host bounds
everything it reads here; the guest is never trusted.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from casparian_flow.errors import ProtocolError

VERSION = 1
HEADER = struct.Struct("!BBHI")
MAX_CONTROL_BYTES = 64 << 20
MAX_BATCH_BYTES = 64 << 20
MAX_TEXT_BYTES = 1 << 20
MAX_FDS = 253
"""The kernel passes no more descriptors than this with one message."""


class Kind(IntEnum):
    """What a frame is; the first block travels to and from the warm parent, the rest per child."""

    SETUP = 1
    """host → parent: where things are, which limits; JSON."""
    READY = 2
    """parent → host: confined and warmed; JSON."""
    SPAWN = 3
    """host → parent: run these jobs in one child; JSON, with descriptors."""
    STARTED = 4
    """parent → host: the child's process id; JSON."""
    EXITED = 5
    """parent → host: a child's exit status; JSON."""
    KILL = 6
    """host → parent: end this child; JSON."""
    FAILED = 7
    """parent → host: it could not be set up; JSON."""

    OPENED = 16
    """child → host: the job with this index begins; JSON."""
    SCHEMA = 17
    """child → host: Arrow schema of one topic, once per job and topic."""
    BATCH = 18
    """child → host: one Arrow record batch of that topic."""
    QUARANTINE = 19
    """child → host: one record set aside; JSON."""
    CLOSED = 20
    """child → host: the job ended well; row counts per topic; JSON."""
    RAISED = 21
    """child → host: the job ended with an exception; JSON."""
    GOODBYE = 22
    """child → host: no more jobs; after it only the exit status is missing."""


@dataclass(frozen=True)
class Frame:
    """One message."""

    kind: Kind
    topic: int
    body: bytes | bytearray

    def json(self) -> dict[str, object]:
        """The body as a JSON object; anything else is a protocol error."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"{self.kind.name} frame does not hold JSON") from error
        if not isinstance(value, dict):
            raise ProtocolError(
                f"{self.kind.name} frame holds {type(value).__name__}, not an object"
            )
        return {str(key): item for key, item in value.items()}


_WRITE_BYTES = 1 << 16
"""Frames wait for each other up to this size; larger ones are not copied together."""

_CAPS = {Kind.BATCH: MAX_BATCH_BYTES, Kind.SETUP: MAX_CONTROL_BYTES, Kind.SPAWN: MAX_CONTROL_BYTES}


def send(fd: int, kind: Kind, body: bytes | memoryview, topic: int = 0) -> None:
    """Write one frame with plain `write`, which needs no socket call inside the wall."""
    writer = Writer(fd)
    writer.add(kind, body, topic)
    writer.flush()


class Writer:
    """Writes many frames with few calls: small ones wait for each other until `flush`."""

    def __init__(self, fd: int) -> None:
        """Write to `fd`, which stays the caller's."""
        self._fd = fd
        self._waiting: list[bytes | memoryview] = []
        self._bytes = 0

    def add(self, kind: Kind, body: bytes | memoryview, topic: int = 0) -> None:
        """Queue one frame, and write all that waits if that is much."""
        self._waiting += [HEADER.pack(VERSION, kind, topic, len(body)), body]
        self._bytes += HEADER.size + len(body)
        if self._bytes >= _WRITE_BYTES:
            self.flush()

    def add_json(self, kind: Kind, value: object, topic: int = 0) -> None:
        """Queue one frame whose body is JSON."""
        self.add(kind, json.dumps(value, separators=(",", ":")).encode(), topic)

    def flush(self) -> None:
        """Write everything that waits; blocks while the reader is slower."""
        pieces, size = self._waiting, self._bytes
        self._waiting, self._bytes = [], 0
        for piece in pieces if size > 2 * _WRITE_BYTES else [b"".join(pieces)]:
            view = memoryview(piece)
            while view:
                view = view[os.write(self._fd, view) :]


def send_json(fd: int, kind: Kind, value: object, topic: int = 0) -> None:
    """Write one frame whose body is JSON."""
    send(fd, kind, json.dumps(value, separators=(",", ":")).encode(), topic)


def send_with_fds(sock: socket.socket, kind: Kind, value: object, fds: list[int]) -> None:
    """Write one JSON frame; the descriptors travel with its header."""
    body = json.dumps(value, separators=(",", ":")).encode()
    socket.send_fds(sock, [HEADER.pack(VERSION, kind, 0, len(body))], fds)
    sock.sendall(body)


def receive_with_fds(sock: socket.socket) -> tuple[Frame | None, list[int]]:
    """Read one frame and the descriptors that came with its header; None at end of stream."""
    head, fds, _, _ = socket.recv_fds(sock, HEADER.size, MAX_FDS)
    if not head:
        return None, []
    head += _read_exactly(sock.fileno(), HEADER.size - len(head))
    return _finish(sock.fileno(), head), list(fds)


def receive(fd: int) -> Frame | None:
    """Read one frame; None at a clean end of stream.

    Raises:
        ProtocolError: wrong version, unknown kind, a body over the cap of its kind, or an end of
            stream in the middle of a frame.
    """
    return Reader(fd, ahead=0).receive()


class Reader:
    """Reads frames with few calls: what comes along with one is kept for the next."""

    def __init__(self, fd: int, *, ahead: int = 1 << 17) -> None:
        """Read from `fd`, which stays the caller's, up to `ahead` bytes before they are needed."""
        self._fd = fd
        self._ahead = ahead
        self._kept = b""
        self._used = 0

    @property
    def has_begun(self) -> bool:
        """Whether a part of the next frame is here, so that waiting for the stream could hang."""
        return self._used < len(self._kept)

    def receive(self) -> Frame | None:
        """Read one frame; see `receive`."""
        if not self.has_begun:
            self._kept, self._used = os.read(self._fd, max(self._ahead, HEADER.size)), 0
            if not self._kept:
                return None
        kind, topic, length = _judged(self._take(HEADER.size))
        return Frame(kind, topic, self._take(length))

    def _take(self, length: int) -> bytes | bytearray:
        piece = self._kept[self._used : self._used + length]
        self._used += len(piece)
        return piece if len(piece) == length else _read_exactly(self._fd, length, piece)


def _finish(fd: int, head: bytes | bytearray) -> Frame:
    kind, topic, length = _judged(head)
    return Frame(kind, topic, _read_exactly(fd, length))


def _judged(head: bytes | bytearray) -> tuple[Kind, int, int]:
    """Kind, topic and length of a frame that may be read; judged before anything is allocated."""
    version, number, topic, length = HEADER.unpack(head)
    if version != VERSION:
        raise ProtocolError(f"link version {version}, expected {VERSION}")
    try:
        kind = Kind(number)
    except ValueError as error:
        raise ProtocolError(f"unknown link frame {number}") from error
    cap = _CAPS.get(kind, MAX_TEXT_BYTES)
    if length > cap:
        raise ProtocolError(f"{kind.name} frame of {length} bytes, at most {cap} are read")
    return kind, topic, length


def _read_exactly(fd: int, length: int, begun: bytes = b"") -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    filled = len(begun)
    view[:filled] = begun
    while filled < length:
        count = os.readv(fd, [view[filled:]])
        if count == 0:
            raise ProtocolError(f"the stream ended {length - filled} bytes early")
        filled += count
    return buffer

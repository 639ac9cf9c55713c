"""Frame the bytes of Protocol v5: a header and a decoder that owns no socket."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from casparian_flow.errors import ProtocolError

VERSION = 5
HEADER = struct.Struct("!BBHQI")
"""Version, opcode, reserved (0), job id, body length: 16 bytes."""


class Opcode(IntEnum):
    """What a frame asks or says; 7 stays unassigned."""

    IDENTIFY = 1
    DISPATCH = 2
    ABORT = 3
    HEARTBEAT = 4
    CONCLUDE = 5
    ERR = 6
    PREPARE_ENV = 8
    ENV_READY = 9
    DEPLOY = 10


_KIB, _MIB = 1 << 10, 1 << 20
MAX_BODY_BYTES = {
    Opcode.IDENTIFY: 64 * _KIB,
    Opcode.DISPATCH: 4 * _MIB,
    Opcode.ABORT: 64 * _KIB,
    Opcode.HEARTBEAT: 256 * _KIB,
    Opcode.CONCLUDE: 16 * _MIB,
    Opcode.ERR: 64 * _KIB,
    Opcode.PREPARE_ENV: 32 * _MIB,
    Opcode.ENV_READY: 64 * _KIB,
    Opcode.DEPLOY: 32 * _MIB,
}
"""Longest body that is buffered, per opcode."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    opcode: Opcode
    job_id: int = 0
    body: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the wire.

        Raises:
            ProtocolError: the body is longer than the receiver would read.
        """
        if len(self.body) > MAX_BODY_BYTES[self.opcode]:
            raise ProtocolError(
                f"{self.opcode.name} body of {len(self.body)} bytes,"
                f" at most {MAX_BODY_BYTES[self.opcode]} are allowed"
            )
        return HEADER.pack(VERSION, self.opcode, 0, self.job_id, len(self.body)) + self.body


class FrameDecoder:
    """Bytes in, frames out. After an error it takes nothing more."""

    def __init__(self) -> None:
        """Start with an empty buffer."""
        self._buffer = bytearray()
        self._is_broken = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """Add bytes; return the frames they complete, in order.

        Raises:
            ProtocolError: wrong version, non-zero reserved field, unknown opcode or a body over
                the cap of its opcode; judged from the header, before the body is buffered.
        """
        if self._is_broken:
            raise ProtocolError("the stream was given up after an earlier error")
        self._buffer += chunk
        frames: list[Frame] = []
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except ProtocolError:
            self._is_broken = True
            self._buffer.clear()
            raise
        return frames

    def _next(self) -> Frame | None:
        if len(self._buffer) < HEADER.size:
            return None
        version, number, reserved, job_id, length = HEADER.unpack_from(self._buffer)
        opcode = _checked(version, number, reserved, length)
        end = HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER.size : end])
        del self._buffer[:end]
        return Frame(opcode, job_id, body)


def _checked(version: int, number: int, reserved: int, length: int) -> Opcode:
    if version != VERSION:
        raise ProtocolError(f"protocol version {version}, this side speaks {VERSION}")
    if reserved != 0:
        raise ProtocolError(f"reserved field is {reserved}, it must be 0")
    try:
        opcode = Opcode(number)
    except ValueError as error:
        raise ProtocolError(f"unknown opcode {number}") from error
    if length > MAX_BODY_BYTES[opcode]:
        cap = MAX_BODY_BYTES[opcode]
        raise ProtocolError(f"{opcode.name} body of {length} bytes, at most {cap} are read")
    return opcode

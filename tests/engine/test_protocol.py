"""Protocol v5, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casparian_flow.errors import ProtocolError
from engine.messages import Heartbeat, Identify, parse
from engine.protocol import HEADER, MAX_BODY_BYTES, Frame, FrameDecoder, Opcode

frames = st.builds(
    Frame, st.sampled_from(Opcode), st.integers(0, 2**64 - 1), st.binary(max_size=300)
)


def test_the_golden_vector_of_a_heartbeat() -> None:
    assert Frame(Opcode.HEARTBEAT, 7).encode() == bytes.fromhex(
        "05 04 0000 0000000000000007 00000000"
    )


def test_opcode_seven_stays_unassigned() -> None:
    assert 7 not in set(Opcode)
    assert sorted(Opcode) == [1, 2, 3, 4, 5, 6, 8, 9, 10]


@given(st.lists(frames), st.integers(1, 40))
def test_frames_survive_any_split_of_the_byte_stream(given_frames: list[Frame], step: int) -> None:
    stream = b"".join(frame.encode() for frame in given_frames)
    decoder = FrameDecoder()

    got = [f for i in range(0, len(stream), step) for f in decoder.feed(stream[i : i + step])]

    assert got == given_frames


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ((4, 4, 0, 0, 0), "version 4"),
        ((5, 7, 0, 0, 0), "unknown opcode 7"),
        ((5, 99, 0, 0, 0), "unknown opcode 99"),
        ((5, 4, 1, 0, 0), "reserved field is 1"),
        ((5, 4, 0, 0, MAX_BODY_BYTES[Opcode.HEARTBEAT] + 1), "at most"),
    ],
)
def test_a_bad_header_is_refused_before_its_body_is_buffered(
    header: tuple[int, ...], words: str
) -> None:
    decoder = FrameDecoder()

    with pytest.raises(ProtocolError, match=words):
        decoder.feed(HEADER.pack(*header))
    with pytest.raises(ProtocolError, match="given up"):
        decoder.feed(Frame(Opcode.HEARTBEAT).encode())


def test_a_body_longer_than_the_receiver_reads_is_never_sent() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        Frame(Opcode.ABORT, 0, b"x" * (MAX_BODY_BYTES[Opcode.ABORT] + 1)).encode()


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"jobs": "x"}', b'{"jobs": [], "more": 1}', b'{"jobs": [["1", 2]]}']
)
def test_a_body_that_is_not_what_the_opcode_calls_for_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(Frame(Opcode.HEARTBEAT, 0, body), Heartbeat)


def test_a_body_with_a_missing_field_names_it() -> None:
    with pytest.raises(ProtocolError, match="pid"):
        parse(Frame(Opcode.IDENTIFY, 0, b'{"worker": "w"}'), Identify)

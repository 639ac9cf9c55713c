"""Logs are read in stretches; where a stretch ends, and how it is read, changes nothing."""

from __future__ import annotations

import io
import random
import re
from typing import Any, BinaryIO, cast

import pytest

from casparian_flow.reading import loglines
from casparian_flow.reading.sources import Source

_PATTERN = r"(?P<day>\d{4}-\d\d-\d\d) (?P<level>[A-Z]+)(?: \[(?P<who>[^\]]*)\])? ?(?P<message>.*)"
_LINES = (
    "2025-01-02 INFO [main] started", "2025-01-02 WARN [-] -", "2025-01-03 INFO",
    "2025-01-03 INFO []",
    "2025-01-04 ERROR [x] failed", "Traceback: it broke", "    at line 7", "", "\tat again",
    "2025-01-05 INFO [caf\xe9] non-ASCII", "2025-01-05 INFO [main] with a CR\r", "-", "\x1f odd",
)  # fmt: skip


def read(content: bytes, continues: str) -> list[Any]:
    """Everything that is told of a log, in order of its places."""
    told: list[Any] = []
    source = Source(cast("BinaryIO", io.BytesIO(content)))
    for block in loglines.read(source, pattern=_PATTERN, continues=continues):
        lines = block.lines.to_pylist()
        for row in range(block.rows):
            place = block.place(row)
            assert place.line == lines[row]
            told.append((place, {name: text[row].as_py() for name, text in block.columns.items()}))
        told += [(fault.place, fault.code) for fault in block.faults]
    return sorted(told, key=lambda one: one[0].line)


@pytest.mark.parametrize("continues", ["", "message"])
@pytest.mark.parametrize("seed", range(30))
def test_a_log_reads_the_same_in_stretches_of_any_size(
    seed: int, continues: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(seed)
    weights = [chosen.random() ** 3 for _ in _LINES]
    picked = chosen.choices(_LINES, weights, k=400)
    content = "\n".join(picked).encode() + b"\n" * chosen.randrange(2)
    monkeypatch.setattr(loglines, "_NOT_PLAIN", re.compile(b""))  # line by line
    monkeypatch.setattr(loglines, "_STRETCH", 1 << 24)
    expected = read(content, continues)
    monkeypatch.undo()

    for size in (50, 333, 4_000, 1 << 18):
        monkeypatch.setattr(loglines, "_STRETCH", size)
        assert read(content, continues) == expected

    assert all(
        content[place.offset : place.offset + place.length].decode().splitlines()[0]
        == place.raw.split("\n")[0].rstrip("\r")
        for place, _ in expected if place.raw
    )  # fmt: skip


def test_plain_stretches_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"2025-01-02 INFO [main] started\n" * 1_000

    def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(loglines, "_entries", refused)

    assert len(read(content, "message")) == 1_000


def test_a_log_without_line_feeds_or_with_an_endless_line_is_read_to_its_end() -> None:
    old = b"2025-01-02 INFO [main] started\r" * 5_000
    endless = b"2025-01-02 INFO [main] a\n" + b"x" * (17 << 20) + b"\n2025-01-03 INFO [main] b\n"

    assert len(read(old, "message")) == 5_000
    told = [one if isinstance(one, str) else one["message"] for _, one in read(endless, "")]
    assert told == ["a", "LINE_TOO_LONG", "b"]

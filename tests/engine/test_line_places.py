"""Records of which only the line is known get the bytes of that line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.events import SetAside
from engine.line_places import LinePlaces
from engine.snapshot import Snapshot


def places(path: Path, *lines: int | None) -> list[tuple[int | None, int | None]]:
    records = [SetAside("x", "why", line=line) for line in lines]
    found = LinePlaces(Snapshot(None, path)).of(records)
    return [(one.offset, one.length) for one in found]


def test_lines_are_found_in_any_order(tmp_path: Path) -> None:
    lines = [b"x" * (n % 7 * 1000) + b"\r\n" for n in range(3000)]
    content = b"".join(lines) + b"no end"
    (tmp_path / "a").write_bytes(content)
    wanted = [1, 2, 3000, 3001, 1500, 3002, None]

    found = places(tmp_path / "a", *wanted)

    for line, (offset, length) in zip(wanted[:5], found, strict=False):
        assert line is not None
        assert offset is not None
        assert length is not None
        whole = [*lines, b"no end"][line - 1]
        assert (content[offset : offset + length], offset) == (
            whole,
            len(b"".join(lines[: line - 1])),
        )
    assert found[5:] == [(None, None), (None, None)]


def test_a_finder_goes_on_and_back(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\nbb\nccc\n")
    finder = LinePlaces(Snapshot(None, tmp_path / "a"))

    found = [finder.of([SetAside("x", "why", line=line)])[0].offset for line in (3, 1, 2)]

    assert found == [5, 0, 2]


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"a\nb\n"), "a\nb\n".encode("utf-16"), b"a\rb", b""],
    ids=["packed", "wide", "old", "nothing"],
)
def test_what_has_no_lines_of_bytes_stays_without(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)

    assert places(tmp_path / "a", 2) == [(None, None)]


def test_a_million_lines_are_found_in_one_go_through_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a;1\n" * 1_000_000)

    found = places(tmp_path / "a", *range(1, 1_000_001, 10))

    assert found[-1] == (4 * 999_990, 4)


def test_a_place_that_is_known_stays_and_members_have_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\nb\n")
    known = SetAside("x", "why", line=2, offset=7, length=9)
    member = SetAside("x", "why", line=2, member="m")

    assert LinePlaces(Snapshot(None, tmp_path / "a")).of([known, member]) == [known, member]


@pytest.mark.parametrize(
    ("row", "raw"),
    [
        ({"id": 2, "name": "bb", "_line": 2}, "2;bb"),
        ({"id": 2, "name": None, "_line": 2}, "2;bb"),
        ({"id": 2, "name": "bb and more", "_line": 2}, None),  # a record of several lines
        ({"id": None, "name": None, "_line": 2}, None),
    ],
)
def test_the_line_is_the_record_where_it_holds_all_of_it(
    tmp_path: Path, row: dict[str, object], raw: str | None
) -> None:
    (tmp_path / "a").write_bytes(b"id;name\n2;bb\r\n3;cc\n")
    record = SetAside(json.dumps(row), "why", line=2)

    [found] = LinePlaces(Snapshot(None, tmp_path / "a")).of([record])

    assert (found.raw, found.offset, found.length) == (raw or record.raw, 8, 6)

"""What a profile claims, the drafted plugin shows; and every draft passes the gatekeeper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.drafting import draft_source
from engine.profile import profile_file
from gatekeeper.manifest import read_manifest
from gatekeeper.rules import inspect_files
from tests.conftest import House

FILES: dict[str, tuple[bytes, dict[str, str], int]] = {
    # name: content, type of each column, rows
    "plain.csv": (b"id,name\n1,a\n2,b\n", {"id": "int64", "name": "string"}, 2),
    "semicolon.csv": (
        b"id;amount\n1;1,5\n2;22,75\n",
        {"id": "int64", "amount": "double"},
        2,
    ),
    "tabs.tsv": (b"id\tx\n1\t2.5\n", {"id": "int64", "x": "double"}, 1),
    "pipes.txt": (b"id|x\n1|a\n2|b\n", {"id": "int64", "x": "string"}, 2),
    "headerless.csv": (
        b"pkg/a.py,sha256=x,10\npkg/b.py,,\npkg/c.py,sha256=y,12\n",
        {"column_1": "string", "column_2": "string", "column_3": "int64"},
        3,
    ),
    "quoted.csv": (
        b'id,text\n1,"a, ""b"""\n2,"two\nlines"\n',
        {"id": "int64", "text": "string"},
        2,
    ),
    "bom.csv": (b"\xef\xbb\xbfid,x\n1,2\n", {"id": "int64", "x": "int64"}, 1),
    "crlf.csv": (b"id,x\r\n1,a\r\n2,b\r\n", {"id": "int64", "x": "string"}, 2),
    "codes.csv": (b"zip,n\n01234,1\n99999,2\n", {"zip": "string", "n": "int64"}, 2),
    "dates.csv": (
        b"day,at\n2026-01-31,2026-01-31T10:00:00\n2026-02-01,2026-02-01T11:30:00\n",
        {"day": "date", "at": "timestamp"},
        2,
    ),
    "zoned.csv": (b"at,n\n2026-01-31T10:00:00Z,1\n", {"at": "timestamp", "n": "int64"}, 1),
    "certain.csv": (b"day,n\n31/05/2026,1\n01/06/2026,2\n", {"day": "date", "n": "int64"}, 2),
    "open.csv": (b"day,n\n01/02/2026,1\n03/04/2026,2\n", {"day": "string", "n": "int64"}, 2),
    "truth.csv": (b"ok,n\nyes,1\nno,2\n", {"ok": "bool", "n": "int64"}, 2),
    "missing.csv": (b"a,b\n1,x\nNA,y\n3,\n", {"a": "int64", "b": "string"}, 3),
    "preamble.csv": (
        b"Report of sales\nmade by hand\nid,x\n1,2\n3,4\n",
        {"id": "int64", "x": "int64"},
        2,
    ),
    "latin.csv": ("id,name\n1,café\n".encode("cp1252"), {"id": "int64", "name": "string"}, 1),
    "events.jsonl": (
        b'{"id":1,"at":"2026-01-02T03:04:05Z","tags":["a"]}\n{"id":2,"at":null,"ok":true}\n',
        {"id": "int64", "at": "timestamp", "tags": "json", "ok": "bool"},
        2,
    ),
    "access.log": (
        b'10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" 200 2326\n'
        b'10.0.0.2 - bob [10/Oct/2026:13:55:37 +0000] "GET /x HTTP/1.1" 404 -\n',
        {
            "host": "string", "ident": "string", "user": "string", "time": "timestamp",
            "request": "string", "status": "int64", "size": "int64",
        },
        2,
    ),
    "app.log": (
        b"2026-01-01 10:00:00,123 INFO started\n2026-01-01 10:00:01,000 ERROR broke\n"
        b"Traceback:\n  line\n2026-01-01 10:00:02,000 INFO on\n",
        {"time": "timestamp", "context": "string", "level": "string", "message": "string"},
        3,
    ),
}  # fmt: skip


def write(data: Path, name: str) -> bytes:
    (data / name).write_bytes(FILES[name][0])
    return os.fsencode(data / name)


@pytest.mark.parametrize("name", FILES)
def test_a_profile_names_the_only_type_that_every_value_allows(data: Path, name: str) -> None:
    profile = profile_file(write(data, name))

    assert {column.name: column.type for column in profile.columns} == FILES[name][1]


@pytest.mark.parametrize("name", FILES)
def test_every_draft_passes_the_gatekeeper_unchanged(data: Path, name: str) -> None:
    profile = profile_file(write(data, name))

    drafted = draft_source(profile, topic="things", pattern="*")

    assert inspect_files({"plugin.py": drafted.source.encode()}, entry="plugin.py") == ()
    assert read_manifest(drafted.source).topics == ("things",)


def test_an_ambiguous_date_is_reported_with_its_evidence_and_not_guessed(data: Path) -> None:
    profile = profile_file(write(data, "open.csv"))

    column = profile.columns[0]
    drafted = draft_source(profile, topic="things", pattern="*")

    assert column.candidates == ["%d/%m/%Y", "%m/%d/%Y"]
    assert "01/02/2026" in (column.ambiguity or "")
    assert "DAY_FORMAT = None" in drafted.source
    assert drafted.ambiguities


def test_an_estimated_encoding_is_said_to_be_one(data: Path) -> None:
    profile = profile_file(write(data, "latin.csv"))

    assert profile.encoding == "cp1252"
    assert any("estimate" in problem for problem in profile.problems)


@pytest.mark.parametrize(
    ("content", "form"),
    [(b"", "empty"), (b"\x00\x01\x02\x03" * 50, "binary"), (b"PK\x03\x04...", "binary"),
     (b"\x1f\x8b\x08..", "binary"), (b"plain words on a line\nand more\n", "text")],
)  # fmt: skip
def test_what_cannot_be_drafted_is_named_not_guessed(data: Path, content: bytes, form: str) -> None:
    (data / "x").write_bytes(content)

    profile = profile_file(os.fsencode(data / "x"))

    assert profile.format == form
    assert profile.problems


def test_a_quarter_of_a_gigabyte_is_profiled_from_a_bounded_sample(data: Path) -> None:
    path = data / "big.csv"
    with path.open("wb") as file:
        file.write(b"id,name\n")
        block = b"".join(b"%d,text\n" % i for i in range(100_000))
        for _ in range(250):
            file.write(block)

    profile = profile_file(os.fsencode(path))

    assert [column.type for column in profile.columns] == ["int64", "string"]
    assert any("head, middle and tail" in problem for problem in profile.problems)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("arrow_environment")
def test_every_drafted_plugin_reads_its_own_sample(house: House, data: Path) -> None:
    """The round trip: names, types and row counts of the profile come out of the guest."""
    for name in FILES:
        write(data, name)
    house.call("scan", path=str(data))
    problems: dict[str, Any] = {}
    for number, name in enumerate(FILES):
        _, types, rows = FILES[name]
        draft = house.call(
            "draft_plugin", files=[str(data / name)], topic=f"t{number}", pattern=name
        )
        checked = house.call("validate_plugin", draft=draft["draft"], wait_s=120, max_files=1)
        nothing: dict[str, Any] = {"columns": [], "row_count": 0}
        topic = checked["rows"][0] if checked["rows"] else nothing
        names = [column for column in topic["columns"] if not column.startswith("_")]
        if not checked["ok"] or names != list(types) or topic["row_count"] != rows:
            problems[name] = (checked["summary"], topic, checked["failed"], checked["log"])
    assert problems == {}

"""What a file is recognised as, and what of it is certain, open or odd."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from casparian_flow.errors import NotFound
from engine.drafting import draft_source
from engine.formats.elimination import profile_column
from engine.formats.interface import ColumnProfile, Profile
from engine.profile import profile_file
from gatekeeper.rules import inspect_files
from tests.engine.making import workbook, zipped

CSV = b"id,name\n1,a\n2,b\n"
TEXTS: dict[str, tuple[bytes, str, dict[str, str]]] = {
    # name: content, format, type of each column
    "years.csv": (
        b"Country,2019,2020\nFrance,1.5,2.5\nSpain,1,2\n",
        "csv",
        {"Country": "string", "2019": "double", "2020": "double"},
    ),
    "labels.csv": (
        b"id,100022,100025\nid1,TRUE,FALSE\nid2,FALSE,TRUE\n",
        "csv",
        {"id": "string", "100022": "bool", "100025": "bool"},
    ),
    "units.csv": (
        b"name,len,wt\n,m,kg\na,1,2\nb,3,4\nc,5,6\n",
        "csv",
        {"name": "string", "len m": "int64", "wt kg": "int64"},
    ),
    "total.csv": (
        b"name,amt\na,1\nb,2\nc,3\nTotal,6\n", "csv", {"name": "string", "amt": "int64"}
    ),
    "titled.csv": (
        b"Report,,\n,,\nid,name,x\n1,a,2\n2,b,3\n",
        "csv",
        {"id": "int64", "name": "string", "x": "int64"},
    ),
    "twice.csv": (b"a,A,\n1,2,3\n", "csv", {"a": "int64", "A_2": "int64", "column_3": "int64"}),
    "blanks.txt": (
        b"a  b  c\n1  2  3\n4  5  6\n7  8  9\n10 11 12\n",
        "csv",
        {"a": "int64", "b": "int64", "c": "int64"},
    ),
    "meta.tsv": (
        b"##x=1\n##y\n#CHROM\tPOS\nchr1\t5\nchr2\t6\n", "tsv", {"#CHROM": "string", "POS": "int64"}
    ),
    "utf16.csv": ("id,name\n1,é\n".encode("utf-16"), "csv", {"id": "int64", "name": "string"}),
    "wide.txt": (
        b"name    qty   city name\nab        1   New York\ncdefg    22   Los Angeles\n"
        b"x         3   Oslo\ny        44   Rio\n",
        "fixed width",
        {"name": "string", "qty": "int64", "city name": "string"},
    ),
    "psql.txt": (
        b" id | name\n----+-----\n  1 | a\n  2 | b\n  3 | c\n(3 rows)\n",
        "drawn table",
        {"id": "int64", "name": "string"},
    ),
    "table.md": (
        b"| id | name |\n|:---|-----:|\n| 1 | a |\n| 2 | b |\n",
        "drawn table",
        {"id": "int64", "name": "string"},
    ),
    "nested.json": (
        b'{"meta":{"n":1},"data":{"items":[{"a":1.10,"b":[1],"zip":"01"},{"a":2,"b":null}]}}',
        "json",
        {"a": "double", "b": "json", "zip": "string"},
    ),
    "keyed.json": (
        b'{"x":{"a":1,"b":2},"y":{"a":1,"b":2},"z":{"a":3,"b":4}}',
        "json",
        {"key": "string", "a": "int64", "b": "int64"},
    ),
    "arrays.json": (
        b'[["name","n"],["a",1],["b",2]]', "json", {"name": "string", "n": "int64"}
    ),
    "split.json": (
        b'{"columns":["a","b"],"data":[[1,2],[3,4]]}', "json", {"a": "int64", "b": "int64"}
    ),
    "texts.json": (b'[{"n":"1"},{"n":"2"}]', "json", {"n": "string"}),
    "after.json": (b'{"a":1}{"a":2}', "json", {"a": "int64"}),
    "feed.xml": (
        b'<?xml version="1.0"?><r><i id="1"><n>x</n></i><i id="2"><n>y</n></i></r>',
        "xml",
        {"@id": "int64", "n": "string"},
    ),
    "page.html": (
        b"<html><table><tr><th>A<th>B<tr><td>1<td>2<tr><td>3<td>4</table></html>",
        "html",
        {"A": "int64", "B": "int64"},
    ),
    "note.eml": (
        b"From: a@b.c\nTo: d@e.f\nSubject: hi\nDate: Wed, 3 Jan 2024 10:00:00 +0100\n\nHello\n",
        "mail",
        {
            "From": "string", "To": "string", "Subject": "string", "Date": "timestamp",
            "body": "string",
        },
    ),
    "status": (
        b"Package: a\nVersion: 1.0-1\nDescription: x\n more\n\nPackage: b\nVersion: 2.0-1\n",
        "stanzas",
        {"Package": "string", "Version": "string", "Description": "string"},
    ),
    "day.ics": (
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20240101T100000\nSUMMARY:x\nEND:VEVENT\n"
        b"END:VCALENDAR\n",
        "icalendar",
        {"DTSTART": "timestamp", "SUMMARY": "string"},
    ),
    "friends.vcf": (
        b"BEGIN:VCARD\nVERSION:3.0\nFN:A B\nEND:VCARD\nBEGIN:VCARD\nVERSION:3.0\nFN:C\nEND:VCARD\n",
        "vcard",
        {"VERSION": "double", "FN": "string"},
    ),
    "bank.ofx": (
        b"OFXHEADER:100\n<OFX><ACCTID>012\n<STMTTRN><TRNAMT>-5.00</STMTTRN>\n</OFX>",
        "ofx",
        {"ACCTID": "string", "TRNAMT": "double"},
    ),
    "orders.fix": (
        b"8=FIX.4.2\x019=5\x0135=D\x0155=A\x0152=20240101-10:00:00\x0110=001\x01\n",
        "fix",
        {
            "begin_string": "string", "body_length": "int64", "msg_type": "string",
            "symbol": "string", "sending_time": "timestamp", "check_sum": "string",
        },
    ),
    "app.logfmt": (
        b'level=info msg="hello" n=1\nlevel=warn msg=x n=2\n',
        "logfmt",
        {"level": "string", "msg": "string", "n": "int64"},
    ),
    "a.ini": (
        b"; c\n[a]\nk = v\nl: w\n", "ini", {"section": "string", "key": "string", "value": "string"}
    ),
    "nginx.log": (
        b"2024/01/01 10:00:00 [error] 12#0: *1 open() failed\n2024/01/01 10:00:01 [warn] 12#0: x\n",
        "log",
        {
            "time": "timestamp", "level": "string", "pid": "int64", "tid": "int64",
            "connection": "int64", "message": "string",
        },
    ),
    "apache.log": (
        b"[Wed Oct 11 14:32:52.123 2023] [core:error] [pid 1:tid 2] [client 10.0.0.1:80] x\n" * 2,
        "log",
        {
            "time": "timestamp", "module": "string", "level": "string", "pid": "int64",
            "tid": "int64", "client": "string", "message": "string",
        },
    ),
    "syslog": (
        b"Jan  3 10:00:00 host app[12]: hi\nJan  3 10:00:01 host app: hi\n",
        "log",
        {
            "priority": "string", "time": "string", "host": "string", "app": "string",
            "pid": "int64", "message": "string",
        },
    ),
    "python.log": (
        b"2024-01-01 10:00:00,123 - my.mod - INFO - hi\n" * 2,
        "log",
        {"time": "timestamp", "logger": "string", "level": "string", "message": "string"},
    ),
    "prose.txt": (b"Hello there, this is text.\nAnd more, but not much.\nYes.\n", "text", {}),
    "null.csv": (b"a,b\n1,x\x00y\n", "csv", {"a": "int64", "b": "string"}),
}  # fmt: skip


def profiled(folder: Path, name: str, content: bytes) -> Profile:
    (folder / name).write_bytes(content)
    return profile_file(os.fsencode(folder / name))


def types(profile: Profile) -> dict[str, str]:
    return {column.name: column.type for column in profile.columns}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_format_is_recognised_with_the_types_that_its_values_allow(
    tmp_path: Path, name: str
) -> None:
    content, form, expected = TEXTS[name]

    profile = profiled(tmp_path, name, content)

    assert (profile.format, types(profile)) == (form, expected)


@pytest.mark.parametrize("name", [name for name, (_, form, _) in TEXTS.items() if form != "text"])
def test_every_draft_passes_the_gatekeeper_unchanged(tmp_path: Path, name: str) -> None:
    profile = profiled(tmp_path, name, TEXTS[name][0])

    drafted = draft_source(profile, topic="things", pattern="*")

    assert inspect_files({"plugin.py": drafted.source.encode()}, entry="plugin.py") == ()


@pytest.mark.parametrize("name", ["total.csv", "titled.csv", "units.csv", "twice.csv", "syslog"])
def test_what_is_odd_about_a_file_is_said(tmp_path: Path, name: str) -> None:
    assert profiled(tmp_path, name, TEXTS[name][0]).problems


def test_a_packed_file_is_what_is_in_it(tmp_path: Path) -> None:
    profile = profiled(tmp_path, "a.csv.gz", gzip.compress(CSV))

    assert (profile.format, profile.compression) == ("csv", "gzip")
    assert types(profile) == {"id": "int64", "name": "string"}


def test_members_of_one_shape_are_one_table_and_others_are_told_apart(tmp_path: Path) -> None:
    same = profiled(tmp_path, "same.zip", zipped({"a.csv": CSV, "b.csv": CSV}))
    feed = profiled(
        tmp_path, "feed.zip", zipped({"stops.txt": CSV, "trips.txt": b"trip,km\nx,1\ny,2\n"})
    )

    assert "2 members of one shape" in same.problems[0]
    assert "topic=" in draft_source(same, topic="t", pattern="*").source
    assert [part.part for part in feed.parts] == ["stops.txt", "trips.txt"]
    source = draft_source(feed, topic="feed", pattern="*").source
    assert '"feed_stops", "feed_trips"' in source
    assert inspect_files({"plugin.py": source.encode()}, entry="plugin.py") == ()
    assert types(profile_file(os.fsencode(tmp_path / "feed.zip"), "trips.txt"))["km"] == "int64"
    with pytest.raises(NotFound, match="no part"):
        profile_file(os.fsencode(tmp_path / "feed.zip"), "nothing.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", workbook({"A": [["x"], [1]]})[:300]),
        ("a.parquet", b"PAR1" + b"\x00" * 500),
        ("a.db", b"SQLite format 3\x00" + b"\xff" * 2000),
        ("a.zip", zipped({"a.csv": CSV})[:60]),
        ("a.gz", gzip.compress(CSV)[:20]),
        ("a.orc", b"ORC" + b"\x01" * 300),
        ("a.arrow", b"ARROW1\x00\x00" + b"\x07" * 300),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_file_is_said_to_be_one_and_takes_nothing_down(
    tmp_path: Path, name: str, content: bytes
) -> None:
    profile = profiled(tmp_path, name, content)

    assert profile.reading is None
    assert profile.problems


def column(*values: str, name: str = "c", comma: bool = False) -> ColumnProfile:
    return profile_column(name, list(values), comma_is_likely=comma)


@pytest.mark.parametrize(
    ("values", "kind", "candidates"),
    [
        (["1,5", "2,25"], "double", ["decimal comma"]),
        (["1,234,567", "2"], "int64", ["thousands comma"]),
        (["1,234", "5,678"], "string", ["decimal comma", "thousands comma"]),
        (["12 345,60", "1 000,00"], "double", ["thousands space, decimal comma"]),
        (["31/05/2024", "01/02/2024"], "date", ["%d/%m/%Y"]),
        (["01/02/2024", "03/04/2024"], "string", ["%d/%m/%Y", "%m/%d/%Y"]),
        (["31/05/2024", "05/31/2024"], "string", ["%d/%m/%Y", "%m/%d/%Y"]),
        (["31/02/2024"], "string", []),
        (["May 5, 2024"], "date", ["%b %d, %Y"]),
        (["1/2/24 10:00 PM", "1/13/24 9:00 AM"], "timestamp", ["%m/%d/%y %I:%M %p"]),
        (["007", "123"], "string", []),
        (["12a", "13a"], "string", []),
        (["1" * 19, "1" * 18 + "2"], "string", []),
        (["Y", "N", "?"], "bool", ["Y/N"]),
        (["(5.00)", "7.10"], "double", ["point"]),
    ],
)
def test_types_are_found_by_what_the_values_exclude(
    values: list[str], kind: str, candidates: list[str]
) -> None:
    found = column(*values)

    assert (found.type, found.candidates) == (kind, candidates)
    assert bool(found.ambiguity) is (len(candidates) > 1)


def test_a_format_that_changes_midway_is_told_with_a_value_that_proves_each() -> None:
    told = column("31/05/2024", "05/31/2024").ambiguity or ""

    assert "'31/05/2024' excludes %m/%d/%Y" in told
    assert "'05/31/2024' excludes %d/%m/%Y" in told


def test_units_are_told_apart() -> None:
    assert (column("$1,234.50", "$7.00").type, column("$1.50", "$7.00").unit) == ("double", "$")
    assert column("12%", "3.5%").unit == "%"
    mixed = column("5 kg", "7 lb")
    assert (mixed.type, mixed.ambiguity) == (
        "string", "numbers in different units: kg, lb; kept as text"
    )  # fmt: skip


def test_signs_of_decimal_commas_make_points_ambiguous() -> None:
    assert column("1.234", "2.345").type == "double"
    assert column("1.234", "2.345", comma=True).candidates == ["point", "thousands point"]
    assert column("1.23", "2.345", comma=True).type == "double"


@pytest.mark.parametrize(
    ("name", "values", "meaning"),
    [
        ("created_at", ["1700000000", "1700000001"], "epoch s"),
        ("ts", ["1700000000000"], "epoch ms"),
        ("amount", ["1700000000"], None),
        ("order_id", ["1", "2"], "key"),
        ("x", ["12345678-1234-1234-1234-123456789012"], "uuid"),
        ("x", ["10.0.0.1", "192.168.1.1"], "ipv4"),
        ("x", ["a@b.cd"], "e-mail"),
        ("x", ["10:30", "11:45"], "time of day"),
    ],
)
def test_what_values_look_like_is_a_hint(name: str, values: list[str], meaning: str | None) -> None:
    assert column(*values, name=name).meaning == meaning


def test_days_written_as_numbers_stay_numbers_and_are_said() -> None:
    found = column("20240101", "20240215")

    assert (found.type, found.candidates) == ("int64", ["%Y%m%d"])
    assert "2024-01-01" in (found.ambiguity or "")


def test_a_comment_is_one_where_a_record_begins_and_unquoted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('# it\'s "odd\nid,note\n1,"two\n# lines"\n"#2",x\n3,y\n')

    found = profile_file(bytes(path))

    assert [list(row) for row in found.rows] == [
        ["1", "two\n# lines"],
        ["#2", "x"],
        ["3", "y"],
    ]


def test_a_value_that_keeps_a_column_from_being_typed_is_told() -> None:
    numbers = [str(n) for n in range(199)]

    odd = column(*numbers[:150], "oops", *numbers[150:])
    day = column(*(f"2026-01-{n:02}" for n in range(1, 29)), "2026-02-30")

    assert (odd.type, odd.candidates) == ("string", [])
    assert odd.ambiguity == (
        "199 of 200 different values are of type int64, 'oops' is not; kept as text"
    )
    assert "'2026-02-30' is not" in str(day.ambiguity)
    assert column(*(f"word {n}" for n in range(40))).ambiguity is None


def test_telephone_numbers_keep_their_sign() -> None:
    assert column("+49000001", "+4900000123").type == "string"
    assert column("+1", "+12").type == "int64"

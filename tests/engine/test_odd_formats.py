"""Mail, cards, settings, statements and logs as they really occur: every record of them."""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from casparian_flow.reading.sources import Source
from casparian_flow.reading.tables import binary
from engine.profile import profile_file
from tests.engine.making import Odd, drafted, read_whole, run

TIMED = "".join(f"2024-01-01 10:00:{n:02},123 INFO doing {n}\n" for n in range(60))
SETUP = (
    "[options]\na = 1\nb = 2\nc = 3\ninstall_requires =\n    requests>=2\n    # for times\n"
    "    anyio\nzip = no\n"
)
FILES: dict[str, Odd] = {
    # name: content, columns, rows (the first ones), records set aside
    "utf8.eml": (
        "From: José <a@b.c>\nTo: d@e.f\nSubject: s\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\ncafé\n",
        ["From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "body"],
        [["José <a@b.c>", "d@e.f", "s", 'text/plain; charset="utf-8"', "8bit", "café"]],
        0,
    ),
    "latin.eml": (
        "From: José <a@b.c>\nTo: d@e.f\nSubject: s\n\ncafé\n".encode("cp1252"),
        ["From", "To", "Subject", "body"],
        [["José <a@b.c>", "d@e.f", "s", "café"]],
        0,
    ),
    "unknown_charset.eml": (
        "From: a@b.c\nTo: d@e.f\nSubject: s\nContent-Type: text/plain; charset=unknown-8bit\n\nx\n",
        ["From", "To", "Subject", "Content-Type", "body"],
        [["a@b.c", "d@e.f", "s", 'text/plain; charset="unknown-8bit"', "x"]],
        0,
    ),
    "marks.mbox": (
        "From a@b.c Mon Jan  1 00:00:00 2024\nFrom: a@b.c\nTo: x@y.z\nSubject: 1\n\none\n\n"
        "From my point of view: no\nFrom b@b.c Tue Jan  2 00:00:00 2024\nFrom: b@b.c\nTo: x@y.z\n"
        "Subject: 2\n\ntwo\n",
        ["From", "To", "Subject", "body"],
        [
            ["a@b.c", "x@y.z", 1, "one\n\nFrom my point of view: no"],
            ["b@b.c", "x@y.z", 2, "two"],
        ],
        0,
    ),
    "parts.eml": (
        "From: a@b.c\nTo: d@e.f\nContent-Type: multipart/mixed; boundary=B\n\n"
        "--B\nContent-Type: multipart/alternative; boundary=C\n\n"
        "--C\nContent-Type: text/plain\n\n\n--C\nContent-Type: text/html\n\n<b>full</b>\n--C--\n"
        "--B\nContent-Type: text/plain\n\nfooter\n"
        "--B\nContent-Type: application/pdf\n\nxx\n"
        '--B\nContent-Type: image/png\nContent-Disposition: inline; filename="i.png"\n\nxx\n'
        "--B\nContent-Type: message/rfc822\n\nFrom: q@q.q\nSubject: inner\n\nhello\n--B--\n",
        ["From", "To", "Content-Type", "body", "attachments"],
        [
            [
                "a@b.c", "d@e.f", 'multipart/mixed; boundary="B"', "<b>full</b>",
                '["text/plain", "application/pdf", "i.png", "message/rfc822"]',
            ]
        ],
        0,
    ),
    "undecodable.ics": (
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nLOCATION:Berlin\nDESCRIPTION:\xff\n and more\n"
        b"END:VEVENT\nBEGIN:VEVENT\nUID:2\nLOCATION:" + "übererfüllt für".encode() * 4
        + b"\nEND:VEVENT\nEND:VCALENDAR\n",
        ["UID", "LOCATION"],
        [[2, "übererfüllt für" * 4]],
        1,
    ),
    "parts.vcf": (
        "BEGIN:VCARD\nVERSION:3.0\nFN:A\\, B\nADR:;;1 Main St\\;B;City\nEND:VCARD\n",
        ["VERSION", "FN", "ADR"],
        [[3.0, "A, B", ";;1 Main St\\;B;City"]],
        0,
    ),
    "setup.cfg": (
        SETUP + "[[odd]]\nkey = v\n[c] trailing\n; note\nother = w\n",
        ["section", "key", "value"],
        [
            ["options", "a", "1"], ["options", "b", "2"], ["options", "c", "3"],
            ["options", "install_requires", "requests>=2\nanyio"],
            ["options", "zip", "no"],
            ["[odd]", "key", "v"],
            ["[c] trailing", "other", "w"],
        ],
        1,
    ),
    "git.cfg": (
        "[core]\n\tautocrlf = true\n\teditor = vi\n[user]\n\tname = x\n",
        ["section", "key", "value"],
        [["core", "autocrlf", "true"], ["core", "editor", "vi"], ["user", "name", "x"]],
        0,
    ),
    "java.properties": (
        "a=caf\\u00e9\npath=C\\:\\\\dir\nkey\\=x=1\nlong=one \\\n  two\n! no\nodd=x\\\\\nz=1\n",
        ["section", "key", "value"],
        [
            [None, "a", "café"], [None, "path", "C:\\dir"], [None, "key=x", "1"],
            [None, "long", "one two"], [None, "odd", "x\\"], [None, "z", "1"],
        ],
        0,
    ),
    "windows.conf": (
        "a=C:\\new\\table\nb=2\nc=\\\\server\\share\n",
        ["section", "key", "value"],
        [[None, "a", "C:\\new\\table"], [None, "b", "2"], [None, "c", "\\\\server\\share"]],
        0,
    ),
    "escaped.ofx": (
        "OFXHEADER:100\n\n<OFX><STMTRS>\n"
        "<STMTTRN><FITID>x<NAME><![CDATA[A & B]]></NAME></STMTTRN>\n"
        "<STMTTRN><FITID>y<NAME>A < B CO</STMTTRN></STMTRS></OFX>\n",
        ["FITID", "NAME"],
        [["x", "A & B"], ["y", "A < B CO"]],
        0,
    ),
    "second.ofx": (
        '<?xml version="1.0"?>\n<?OFX OFXHEADER="200"?>\n<OFX><STMTRS><BANKACCTFROM><ACCTID>A1'
        "</ACCTID></BANKACCTFROM><STMTTRN><FITID>x</FITID></STMTTRN></STMTRS><STMTRS>"
        "<BANKACCTFROM><ACCTID>A2</ACCTID></BANKACCTFROM><STMTTRN><FITID>y</FITID></STMTTRN>"
        "</STMTRS></OFX>\n",
        ["ACCTID", "FITID"],
        [["A1", "x"], ["A2", "y"]],
        0,
    ),
    "piped.fix": (
        "8=FIX.4.2|9=5|35=3|58=Reject|reason=bad|10=001|\n"
        "8=FIX.4.2|9=5|35=3|58=fine|10=002|\n",
        ["begin_string", "body_length", "msg_type", "text", "check_sum"],
        [
            ["FIX.4.2", 5, 3, "Reject|reason=bad", "001"],
            ["FIX.4.2", 5, 3, "fine", "002"],
        ],
        0,
    ),
    "other_levels.log": (
        TIMED[: 18 * 43] + "2024-01-01 10:10:00,123 SUCCESS done\n" * 3,
        ["time", "message"],
        [],
        0,
    ),
    "repeated.log": (
        "Jan  1 10:00:00 host app[1]: one\nJan  1 10:00:01 host last message repeated 2 times\n"
        "Jan  1 10:00:02 host my app: x\n" + "Jan  1 10:00:03 host app[1]: y\n" * 10,
        ["priority", "time", "host", "app", "pid", "message"],
        [
            [None, "Jan  1 10:00:00", "host", "app", 1, "one"],
            [None, "Jan  1 10:00:01", "host", None, None, "last message repeated 2 times"],
            [None, "Jan  1 10:00:02", "host", None, None, "my app: x"],
        ],
        0,
    ),
    "rotated.log": (
        "\tat a.b.C(D.java:1)\n\tat a.b.E\n" + TIMED,
        ["time", "context", "level", "message"],
        [],
        2,
    ),
    "minus.csv": ("id,n\n1,\u22125\n2,7\n", ["id", "n"], [[1, -5], [2, 7]], 0),
    "no_heads.html": (
        "<table><tr><td>1<td>a<tr><td>2<td>b<tr><td>3<td>c</table>",
        ["column_1", "column_2"],
        [[1, "a"], [2, "b"], [3, "c"]],
        0,
    ),
    "titled.html": (
        "<table><thead><tr><th colspan=2>Report 2024<tr><th>id<th>n</thead><tbody>"
        "<tr><td>1<td>5<tr><th>id<th>n<tr><td>2<td>6 <span style='display: none'>0006</span>"
        "</tbody><tfoot><tr><td>sum<td>11</tfoot></table>",
        ["id", "n"],
        [[1, 5], [2, 6]],
        0,
    ),
    "named_rows.html": (
        "<table><tr><th>k<th>v<tr><th>Name<td>Bob<tr><th>Age<td>7</table>",
        ["k", "v"],
        [["Name", "Bob"], ["Age", "7"]],
        0,
    ),
    "polish.html": (
        b'<html><head><meta charset="windows-1250"></head><table><tr><th>name<th>n'
        + "<tr><td>Łódź<td>1<tr><td>Jiří<td>2</table>".encode("cp1250"),
        ["name", "n"],
        [["Łódź", 1], ["Jiří", 2]],
        0,
    ),
    "rows_with_heads.html": (
        "<table><tr><td><th>a<th>b<tr><th>Ann<td><td><tr><th>Bob<td>1<td>2</table>",
        ["column_1", "a", "b"],
        [["Ann", None, None], ["Bob", 1, 2]],
        0,
    ),
    "hidden_open.html": (
        "<table><tr><th>k<th>v<tr><td>a<td>1<span style='display:none'>9<tr><td>b<td>2</table>"
        "<hr hidden>",
        ["k", "v"],
        [["a", 1], ["b", 2]],
        0,
    ),
    "undefined.html": (
        b"<meta charset=undefined><table><tr><th>k<th>v<tr><td>caf\xe9<td>1<tr><td>b<td>2</table>",
        ["k", "v"],
        [["caf\xe9", 1], ["b", 2]],
        0,
    ),
    "folded.ics": (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDESCRIPTION:a\n END: sunday\nLOCATION:x\n"
        "END:VEVENT\nEND:VCALENDAR\n",
        ["UID", "DESCRIPTION", "LOCATION"],
        [[1, "aEND: sunday", "x"]],
        0,
    ),
    "pytest.ini": (
        "[pytest]\naddopts = -ra\n    --cov=foo\n    --strict\nx = [\n  1,\n]\nb = 2\n",
        ["section", "key", "value"],
        [
            ["pytest", "addopts", "-ra\n--cov=foo\n--strict"],
            ["pytest", "x", "[\n1,\n]"], ["pytest", "b", "2"],
        ],
        0,
    ),
    "emoji.properties": (
        "a=\\ud83d\\ude00 hi\nb=1\n", ["section", "key", "value"],
        [[None, "a", "\U0001f600 hi"], [None, "b", "1"]], 0,
    ),
    "undated.mbox": (
        "From a@b.c Mon Jan  1 00:00:00 2024\nFrom: a@b.c\nTo: x@y.z\n\none\n"
        "From Monday 10:30 until the end of May 2024.\nPlace: one\n\nFrom b\nFrom: b@b.c\n"
        "To: x@y.z\n\ntwo\n",
        ["From", "To", "body"],
        [
            ["a@b.c", "x@y.z", "one\nFrom Monday 10:30 until the end of May 2024.\nPlace: one"],
            ["b@b.c", "x@y.z", "two"],
        ],
        0,
    ),
    "lines.ofx": (
        "OFXHEADER:100\n\n<OFX><STMTRS>\n<STMTTRN id='1'><FITID>x<MEMO>\nreal\na < b\n</STMTTRN>\n"
        "<STMTTRN><FITID>y<MEMO><![CDATA[a\nb]]></STMTTRN></STMTRS></OFX>\n",
        ["FITID", "MEMO"],
        [["x", "real\na < b"]],
        1,
    ),
    "u_ex240101.log": (
        "#Software: IIS\n#Fields: date time c-ip cs(User-Agent) sc-status\n"
        "2024-01-01 10:00:00 10.0.0.1 Mozilla/5.0+(X11;+Linux) 200\n"
        '2024-01-01 10:00:01 - "a b" 404\n'
        "#Fields: sc-status date time c-ip cs(User-Agent)\n200 2024-01-02 10:00:00 10.0.0.2 x\n"
        "cut 2024-01-02\n",
        ["date", "time", "c-ip", "cs(User-Agent)", "sc-status"],
        [
            [date(2024, 1, 1), "10:00:00", "10.0.0.1", "Mozilla/5.0+(X11;+Linux)", 200],
            [date(2024, 1, 1), "10:00:01", None, "a b", 404],
            [date(2024, 1, 2), "10:00:00", "10.0.0.2", "x", 200],
        ],
        1,
    ),
    "brackets.log": (
        "".join(f"[10:00:{n:02}] connect [ok]\n" for n in range(40)) + "user = bob\n",
        ["column_1", "column_2", "column_3"],
        [["[10:00:00]", "connect", "[ok]"]],
        0,
    ),
    "again.html": (
        "<table>" + "<tr><td>id<td>n<tr><td>1<td>5<tr><td>2<td>6" * 2 + "</table>",
        ["id", "n"],
        [[1, 5], [2, 6], [1, 5], [2, 6]],
        0,
    ),
    "rare_level.log": (
        TIMED + "2024-01-01 10:10:00,123 SUCCESS done\n  more of it\n",
        ["time", "context", "level", "message"],
        [],
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_record_is_read_or_set_aside(tmp_path: Path, name: str) -> None:
    read_whole(tmp_path, name, FILES[name])


def test_an_entry_of_another_kind_does_not_go_on_with_the_one_before(tmp_path: Path) -> None:
    source = drafted(tmp_path, "app.log", TIMED.encode())
    later = tmp_path / "app-2.log"
    later.write_text(TIMED + "2024-01-01 10:10:00,123 SUCCESS doing 3\n at once\n" + TIMED)

    kept = run(source, later)

    assert (len(kept.rows["t"]), kept.aside) == (120, [("NO_MATCH", 61)])


def test_what_a_statement_holds_besides_is_counted(tmp_path: Path) -> None:
    bank = b"OFXHEADER:100\n\n<OFX><STMTRS>\n<STMTTRN><FITID>x</STMTTRN></STMTRS></OFX>\n"
    invested = bank.replace(b"STMTRS", b"INVSTMTRS").replace(b"STMTTRN", b"BUYSTOCK")
    source = drafted(tmp_path, "a.ofx", bank)
    (tmp_path / "b.ofx").write_bytes(invested)

    kept = run(source, tmp_path / "b.ofx")

    assert (kept.rows, kept.skipped) == ({"t": []}, 1)


def test_numbers_of_sqlite_are_whole_to_the_last_digit(tmp_path: Path) -> None:
    largest = (1 << 63) - 1
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("CREATE TABLE t (id INTEGER, n INTEGER)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(largest, 1), (-largest, 2)])
    content = (tmp_path / "a.db").read_bytes()

    kept = run(drafted(tmp_path, "b.db", content), tmp_path / "b.db")

    assert ([row["id"] for row in kept.rows["t"]], kept.aside) == ([largest, -largest], [])


def test_binary_records_have_the_types_of_their_layout(tmp_path: Path) -> None:
    largest = (1 << 64) - 1
    (tmp_path / "a.bin").write_bytes(
        struct.pack("<Qx2H", 1, 2, 3) + struct.pack("<Qx2H", largest, 4, 5)
    )
    with (tmp_path / "a.bin").open("rb") as file:
        batches = list(binary(Source(file), layout="<Qx2H", names=["id", "a", "b"]))

    assert [batch.to_pylist() for batch in batches] == [
        [{"id": 1, "a": 2, "b": 3}, {"id": largest, "a": 4, "b": 5}]
    ]
    assert batches[0].schema.field("id").type == pa.uint64()


def test_what_stands_above_records_of_xml_is_said(tmp_path: Path) -> None:
    item = '<item id="1"><n>2</n></item>'
    content = f'<orders day="2026-01-02"><shop name="A">{item}{item}</shop>of note</orders>'
    (tmp_path / "a.xml").write_text(content)

    told = " ".join(profile_file(os.fsencode(tmp_path / "a.xml")).problems)

    assert "above the records is not read: orders@day, shop@name, the text of orders" in told


def test_rows_in_the_log_of_a_database_are_said_to_be_missing(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "a.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (id INTEGER)")
    database.execute("INSERT INTO t VALUES (1)")
    database.commit()
    database.execute("PRAGMA wal_checkpoint")
    database.execute("INSERT INTO t VALUES (2)")
    database.commit()

    told = " ".join(profile_file(os.fsencode(tmp_path / "a.db")).problems)
    database.close()

    assert "a.db-wal holds rows that are not read" in told
    assert "-wal" not in " ".join(profile_file(os.fsencode(tmp_path / "a.db")).problems)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mbox", "From " + "1:11" * 20_000 + "\nFrom: a@b.c\nTo: b@c.d\n\nx\n"),
        ("a.ofx", "OFXHEADER:100\n<OFX><STMTTRN><MEMO>x\n" + "<![CDATA[" * 50_000 + "</STMTTRN>\n"),
        ("b.ofx", "OFXHEADER:100\n<OFX><STMTTRN><MEMO>x\n" + "y\n" * 90_000 + "</STMTTRN>\n"),
        ("a.ini", "[a]\nk=1\na" + " " * 90_000 + "b\n"),
        ("b.ini", "[a]\nk=1\na" + " " * 90_000 + "=b\n"),
        ("a.fix", "8=FIX.4.2|9=1|35=D|" + "448=a|" * 80_000 + "10=000|\n"),
    ],
)
def test_no_text_takes_quadratic_time(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    assert profile_file(os.fsencode(tmp_path / name)).format


def test_many_folded_lines_take_no_quadratic_time(tmp_path: Path) -> None:
    photo = "PHOTO:x\n" + (" " + "A" * 70 + "\n") * 60_000
    (tmp_path / "a.vcf").write_text(f"BEGIN:VCARD\nVERSION:3.0\nFN:A\n{photo}END:VCARD\n")

    assert profile_file(os.fsencode(tmp_path / "a.vcf")).format == "vcard"

"""Each reader: what it yields, where it stood, and what it sets aside."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from casparian_flow.reading import (
    fixed_width,
    grids,
    html_tables,
    json_columns,
    json_text,
    loglines,
    mail,
    ofx,
    pairs,
    stanzas,
    tables,
)
from casparian_flow.reading.blocks import Block
from casparian_flow.reading.sources import Source


def source(content: bytes) -> Source:
    return Source(io.BytesIO(content))


def found(blocks: Iterable[Block]) -> tuple[list[dict[str, Any]], list[tuple[Any, str]]]:
    """Rows, with `_line`, and (line, code) of what was set aside."""
    rows: list[dict[str, Any]] = []
    faults: list[tuple[Any, str]] = []
    for block in blocks:
        columns = {**block.columns, "_line": block.lines}
        rows += pa.table(columns).to_pylist() if block.columns else []
        faults += [(fault.place.line, fault.code) for fault in block.faults]
    filled = [{name: cell for name, cell in row.items() if cell is not None} for row in rows]
    return filled, faults


def test_json_lines_keep_numbers_as_they_are_written() -> None:
    rows, faults = found(
        json_text.by_line(source(b'{"a":1.10,"b":[1.50]}\nnope\n[1]\n{"a":"x"}\n'))
    )

    assert rows == [{"a": "1.10", "b": "[1.50]", "_line": 1}, {"a": "x", "_line": 4}]
    assert faults == [(2, "NOT_JSON"), (3, "NOT_AN_OBJECT")]


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        (b'[{"a":1},\n{"a":2}]', {}, [{"a": "1", "_line": 1}, {"a": "2", "_line": 2}]),
        (b'{"x":{"y":[{"a":1}]},"z":[9]}', {"at": ["x", "y"]}, [{"a": "1", "_line": 1}]),
        (b'[["a"],[1]]', {"header": True}, [{"a": "1", "_line": 1}]),
        (b"[[1,2]]", {"names": ["p", "q"]}, [{"p": "1", "q": "2", "_line": 1}]),
        (b'{"k":{"a":1}}', {"keyed": "key"}, [{"key": "k", "a": "1", "_line": 1}]),
        (b'{"a":1}{"a":2}', {}, [{"a": "1", "_line": 1}, {"a": "2", "_line": 1}]),
        (b"\xef\xbb\xbf[true, null]", {}, [{"value": "true", "_line": 1}, {"_line": 1}]),
    ],
)
def test_json_documents(content: bytes, how: dict[str, Any], expected: list[Any]) -> None:
    assert found(json_text.document(source(content), **how)) == (expected, [])


def test_a_json_document_that_breaks_off_keeps_what_came_before() -> None:
    rows, faults = found(json_text.document(source(b'[{"a":1},{"a":2},{"a":')))

    assert [row["a"] for row in rows] == ["1", "2"]
    assert faults == [(1, "NOT_JSON")]


def test_a_key_twice_within_a_value_of_a_column_sets_its_row_aside() -> None:
    content = b'{"id":[1,2],"a":[{"k":1,"k":2},{"k":1}]}'

    rows, faults = found(json_columns.read(source(content)))

    assert (rows, faults) == ([{"id": "2", "a": '{"k": 1}'}], [(None, "DUPLICATE_KEY")])


def test_a_json_value_longer_than_a_piece_is_read_whole() -> None:
    long = "x" * 3_000_000

    rows, faults = found(json_text.document(source(f'[{{"a":"{long}"}},{{"a":7}}]'.encode())))

    assert ([len(row["a"]) for row in rows], faults) == ([3_000_000, 1], [])


def test_records_of_a_document_stand_where_their_bytes_do() -> None:
    content = "\ufeff[\n".encode() + b'{"a": "\xc3\xa9\xe2\x82"},\n' + '{"a": "\u4e2d"}]'.encode()

    [block] = json_text.document(source(content), encoding="utf-8-sig")

    [fault], place = block.faults, block.place(0)
    for one, raw in ((fault.place, content[5:18]), (place, content[20:])):
        assert one.offset is not None
        assert content[one.offset : one.offset + (one.length or 0)] == raw.rstrip(b"]")
    [wide] = json_text.document(source('[{"a": 1}]'.encode("utf-16")), encoding="utf-16")
    assert wide.place(0)[:3] == (1, None, None)


def test_a_paragraph_reaches_over_the_comments_in_it() -> None:
    content = b"A: 1\n# why\nB: 2\n\nA: 3\nB: 4\n"

    [block] = stanzas.paragraphs(source(content))

    place = block.place(0)
    assert (place.offset, place.length) == (0, len(b"A: 1\n# why\nB: 2\n"))


def test_html_tables_with_spans_and_without_end_tags() -> None:
    page = (
        b"<table><tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td>2<tr><td colspan=2>y</table>"
        b"<table><tr><td>one column</table><p><table><tr><td>C<td>D<tr><td>3<td>4</table>"
    )

    first, _ = found(html_tables.read(source(page)))
    second, _ = found(html_tables.read(source(page), table=2))

    assert [(row["A"], row["B"]) for row in first] == [("x", "1"), ("x", "2"), ("y", "y")]
    assert [(row["C"], row["D"]) for row in second] == [("3", "4")]


def test_paragraphs_continue_and_repeat() -> None:
    rows, faults = found(
        stanzas.paragraphs(source(b"A: 1\nB: x\n more\n .\n z\nA: 2\n\nodd line\n\nA: 3\n"))
    )

    assert rows == [
        {"A": "1\n2", "B": "x\nmore\n\nz", "_line": 1},
        {"A": "3", "_line": 10},
    ]
    assert faults == [(8, "NO_MATCH")]


def test_mail_is_decoded_and_a_mailbox_is_taken_apart() -> None:
    message = b"From: a@b.c\nSubject: =?utf-8?q?caf=C3=A9?=\n\nHello\n"
    mailbox = b"From x Mon\n" + message + b"\nFrom y Tue\n" + message

    [one], _ = found(mail.read(source(message)))
    two, _ = found(mail.read(source(mailbox), mbox=True))

    assert (one["From"], one["Subject"], one["body"]) == ("a@b.c", "café", "Hello")
    assert [row["Subject"] for row in two] == ["café", "café"]


def test_cards_are_unfolded_and_inner_components_left_out() -> None:
    content = (
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID=Europe/Paris:20240101T100000\nSUMMARY:Long"
        b"\n er\\, x\nBEGIN:VALARM\nX:1\nEND:VALARM\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\n"
    )

    rows, faults = found(stanzas.cards(source(content), component="vevent"))

    assert rows == [
        {
            "DTSTART": "20240101T100000",
            "DTSTART;TZID": "Europe/Paris",
            "SUMMARY": "Longer, x",
            "_line": 2,
        }
    ]
    assert faults == [(10, "CUT_OFF")]


def test_bank_statements_carry_their_account() -> None:
    content = (
        b"OFXHEADER:100\n<OFX><CURDEF>EUR<ACCTID>12\n<STMTTRN><TRNTYPE>DEBIT<TRNAMT>-5.00"
        b"<NAME>A &amp; B</STMTTRN>\n<STMTTRN>\n<TRNTYPE>CREDIT</TRNTYPE>\n</STMTTRN></OFX>"
    )

    rows, _ = found(ofx.read(source(content)))

    assert [(row["ACCTID"], row["TRNTYPE"], row.get("NAME")) for row in rows] == [
        ("12", "DEBIT", "A & B"),
        ("12", "CREDIT", None),
    ]


def test_logfmt() -> None:
    rows, faults = found(pairs.logfmt(source(b'level=info msg="a \\"b\\"" ok\nwords only\n')))

    assert rows == [{"level": "info", "msg": 'a "b"', "ok": "true", "_line": 1}]
    assert faults == [(2, "NO_MATCH")]


def test_fix_messages_with_a_prefix_and_repeating_groups() -> None:
    content = b"10:00 IN: 8=FIX.4.2|9=5|35=D|55=A|55=B|10=1|\nnothing\n8=FIX.4.2|broken|\n"

    rows, faults = found(pairs.fix(source(content), separator="|", names={"35": "msg_type"}))

    assert rows == [
        {
            "prefix": "10:00 IN:", "tag_8": "FIX.4.2", "tag_9": "5", "msg_type": "D",
            "tag_55": "A;B", "tag_10": "1", "_line": 1,
        }
    ]  # fmt: skip
    assert faults == [(2, "NO_MATCH"), (3, "NO_MATCH")]


def test_settings_in_sections_continue() -> None:
    content = b"; c\n[a]\nk = v\nl: w \\\n x\nodd\n"

    rows, faults = found(pairs.settings(source(content), continued=True))

    assert [(row["section"], row["key"], row["value"]) for row in rows] == [
        ("a", "k", "v"),
        ("a", "l", "w x"),
    ]
    assert faults == [(6, "NO_MATCH")]


def test_fixed_width_sets_aside_what_runs_across_fields() -> None:
    content = b"name   qty\n----------\nab       1\nab toolong2\n"

    rows, faults = found(
        fixed_width.read(source(content), fields=[("name", 0, 6), ("qty", 7, None)], skip=1)
    )

    assert rows == [{"name": "ab", "qty": "1", "_line": 3}]
    assert faults == [(4, "FIELD_COUNT")]


def test_drawn_tables() -> None:
    content = b" id | name\n----+-----\n  1 | a\n  2 | b | c\n(2 rows)\n"

    rows, faults = found(grids.read(source(content)))

    assert rows == [{"id": "1", "name": "a", "_line": 3}]
    assert faults == [(4, "FIELD_COUNT")]


def test_log_entries_go_on_over_lines() -> None:
    content = b"2024 one\n  more\n\n2025 two\n"

    rows, _ = found(
        loglines.read(source(content), pattern=r"(?P<t>\d+) (?P<message>.*)", continues="message")
    )

    assert [(row["t"], row["message"], row["_line"]) for row in rows] == [
        ("2024", "one\n  more", 1),
        ("2025", "two", 4),
    ]


def test_columnar_files_keep_their_types_and_get_distinct_names(tmp_path: Path) -> None:
    table = pa.table({"A": [1, 2], "a": ["x", None], "_row": [1.5, 2.5]})
    pq.write_table(table, tmp_path / "t.parquet")
    pyarrow.orc.write_table(table, tmp_path / "t.orc")
    with (
        pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)

    for name, read in (
        ("t.parquet", tables.parquet), ("t.orc", tables.orc), ("t.arrow", tables.arrow)
    ):  # fmt: skip
        [batch] = read(source((tmp_path / name).read_bytes()))
        assert batch.schema.names == ["A", "a_2", "source_row"]
        assert batch.column(0).to_pylist() == [1, 2]


def test_sqlite_tables_are_read_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "a b?#.db"
    with sqlite3.connect(path) as database:
        database.execute('CREATE TABLE "od""d" (id INTEGER, blob BLOB)')
        database.execute('INSERT INTO "od""d" VALUES (1, x\'00ff\'), (NULL, NULL)')
    database.close()

    with path.open("rb") as file:
        rows, _ = found(tables.sqlite(Source(file), table='od"d'))

    assert rows == [{"id": "1", "blob": "00ff", "_line": 1}, {"_line": 2}]


def test_binary_records_by_their_layout() -> None:
    content = b"HEAD" + b"\x01\x00\x00\x00ab\x00\x02\x00\x00\x00c\x00\x00"

    [batch] = tables.binary(source(content), layout="<I3s", names=["id", "code"], skip=4)

    assert batch.to_pylist() == [{"id": 1, "code": "ab"}, {"id": 2, "code": "c"}]
    with pytest.raises(ValueError, match="3 bytes instead of 7"):
        list(tables.binary(source(content[:-4]), layout="<I3s", names=["id", "code"], skip=4))


def test_blocks_of_lines_are_split_where_their_first_lines_are() -> None:
    content = b"title\n\n00-22\t\tA  B Corp.\n0022  x\t\tA\n\tStreet 1\n\tUS\n\n\t\tonly this\n"

    rows, faults = found(stanzas.blocks(source(content), heads=[2, 3], skip=2))

    assert rows == [
        {
            "line_1_1": "00-22", "line_1_2": "A  B Corp.", "line_2_1": "0022", "line_2_2": "x",
            "line_2_3": "A", "rest": "Street 1\nUS", "_line": 3,
        }
    ]  # fmt: skip
    assert faults == [(8, "FIELD_COUNT")]

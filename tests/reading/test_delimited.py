"""Delimited text: every record is a row, set aside with its place, or passed over by rule."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casparian_flow.reading import delimited, splitting
from casparian_flow.reading.blocks import Fault
from casparian_flow.reading.sources import Source

CELLS = st.text(st.sampled_from('ab 1,;"\n\r|é'), max_size=6)


def read(content: bytes, **dialect: Any) -> tuple[list[tuple[str, ...]], list[int], list[Fault]]:
    """Rows, their lines, and what was set aside."""
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    for block in delimited.read(Source(io.BytesIO(content)), **dialect):
        rows += zip(*(column.to_pylist() for column in block.columns.values()), strict=True)
        lines += block.lines.to_pylist()
        faults += block.faults
        for row in range(block.rows):
            place = block.place(row)
            assert place.line == block.lines[row].as_py()
            if place.offset is not None and place.length is not None:
                raw = content[place.offset : place.offset + place.length]
                assert raw.decode("utf-8", "backslashreplace").rstrip("\r\n") == place.raw
    return rows, lines, faults


@settings(max_examples=300)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_what_csv_writes_is_read_back_with_its_lines(
    rows: list[tuple[str, str]], newline: str
) -> None:
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("x", "y"), *rows])
    content = target.getvalue().encode()

    found, lines, faults = read(content)

    expected = list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]
    assert [list(row) for row in found] == expected
    assert faults == []
    assert lines == sorted(lines)


def test_small_blocks_give_the_same_rows_as_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = ["plain", "with, comma", 'with "quotes"', "with\nline", "x" * 300]
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerows([("n", "cell"), *((n, cells[n % 5]) for n in range(500))])
    content = target.getvalue().encode()
    whole = read(content)

    monkeypatch.setattr(delimited, "BLOCK_BYTES", 97)

    assert read(content) == whole
    assert len(whole[0]) == 500


def test_a_line_with_another_number_of_fields_is_set_aside_with_its_place() -> None:
    rows, lines, [fault] = read(b"a,b\n1,2\n\n3,4,5\n5,6\n")

    assert (rows, lines) == ([("1", "2"), ("5", "6")], [2, 5])
    assert fault.code == "FIELD_COUNT"
    assert fault.place == (4, 9, 6, "3,4,5")


def test_a_quote_that_never_closes_costs_one_line() -> None:
    rows, _, [fault] = read(b'a,b\n1,"unterminated\n2,b\n3,c\n')

    assert rows == [("2", "b"), ("3", "c")]
    assert (fault.code, fault.place.line) == ("BAD_QUOTES", 2)


def test_a_quote_that_swallows_whole_records_costs_one_line() -> None:
    content = b'a;b;c\n1;"x;1\n' + b"".join(b"%d;y;2\n" % n for n in range(2, 50)) + b'50;"z";3\n'

    rows, _, [fault] = read(content, delimiter=";")

    assert len(rows) == 49
    assert (fault.code, fault.place.line) == ("BAD_QUOTES", 2)
    assert "over whole records" in fault.reason


def test_a_cell_of_lines_like_records_is_one_cell_where_its_quotes_are_right() -> None:
    letter = "Dear Sir,\nplease find, attached"

    rows, lines, faults = read(f'id,text\n1,"{letter}"\n2,"a ""b"", c\nd,""e"""\n'.encode())

    assert (rows, lines, faults) == ([("1", letter), ("2", 'a "b", c\nd,"e"')], [2, 4], [])


@pytest.mark.parametrize(
    "content",
    [
        b'id,text\n1,"Dear Sir\n2,"please"\n3,c\n',  # closes before its cell ends
        b'id,text\n1,"Dear Sir\n' + b"2,a\n" * 8 + b'2,b"\n2,"please"\n3,c\n',  # too many lines
    ],
)
def test_a_quote_that_swallows_few_or_many_records_costs_one_line(content: bytes) -> None:
    rows, _, [fault] = read(content)

    assert rows[-2:] == [("2", "please"), ("3", "c")]
    assert (fault.code, fault.place.raw) == ("BAD_QUOTES", '1,"Dear Sir')


def test_bytes_of_another_encoding_cost_one_record() -> None:
    rows, _, [fault] = read(b"a,b\n1,caf\xe9\n2,tea\n")

    assert rows == [("2", "tea")]
    assert (fault.code, fault.place.offset, fault.place.length) == ("NOT_TEXT", 4, 7)
    assert fault.place.raw == "1,caf\\xe9"


def test_the_header_comments_preamble_and_footer_are_no_records() -> None:
    content = b"# made by x\nReport\na,b\n1,2\n# in between\na,b\n3,4\nTotal,6\n"
    blocks = list(delimited.read(Source(io.BytesIO(content)), comment="#", skip=2, footer="^Total"))

    assert sum(block.rows for block in blocks) == 2
    skipped = [block.skipped for block in blocks if block.skipped]
    assert skipped == [
        {"above the table": 2},
        {"comment": 1, "header again": 1, "footer": 1},
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp1252", "utf-8-sig", "iso-8859-15"])
def test_encodings(encoding: str) -> None:
    content = "name,n\ncafé,1\n".encode(encoding)

    found = [
        row
        for block in delimited.read(Source(io.BytesIO(content)), encoding=encoding)
        for row in zip(*(column.to_pylist() for column in block.columns.values()), strict=True)
    ]

    assert found == [("café", "1")]


@pytest.mark.parametrize(
    ("content", "dialect", "row"),
    [
        (b"a\tb\n1\tx\n", {"delimiter": "\t"}, ("1", "x")),
        (b"a  b\n1   x\n", {"delimiter": splitting.WHITESPACE}, ("1", "x")),
        (b"a||b\n1||x\n", {"delimiter": "||"}, ("1", "x")),
        (b'a,b\n1,"x\\"y"\n', {"escape": "\\"}, ("1", 'x"y')),
        (b'a, b\n1, "x, y"\n', {"padded": True}, ("1", "x, y")),
        (b"a,b\n1,'x,y'\n", {"quote": "'"}, ("1", "x,y")),
        (b'a,b\n1,x"y\n', {"quote": ""}, ("1", 'x"y')),
        (b"a,b\r1,x\r", {"newline": "\r"}, ("1", "x")),
        (b"1,x\n", {"header": 0, "names": ["a", "b"]}, ("1", "x")),
    ],
)
def test_dialects(content: bytes, dialect: dict[str, Any], row: tuple[str, str]) -> None:
    blocks = list(delimited.read(Source(io.BytesIO(content)), **dialect))

    columns = {name: text.to_pylist() for name, text in blocks[-1].columns.items()}
    assert columns == {"a": [row[0]], "b": [row[1]]}


def test_a_header_without_records_says_what_the_columns_are() -> None:
    [block] = delimited.read(Source(io.BytesIO(b"a,b\n")))

    assert (list(block.columns), block.rows) == (["a", "b"], 0)


def test_a_record_larger_than_a_block_is_read_whole() -> None:
    cell = "line\n" * 2_000_000
    content = f'a,b\n1,"{cell}"\n2,x\n'.encode()

    rows, lines, faults = read(content)

    assert [len(row[1]) for row in rows] == [len(cell), 1]
    assert lines == [2, 2_000_003]
    assert faults == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("ragged", ["", "only one"])
def test_blank_lines_are_no_records_whoever_reads_the_stretch(end: str, ragged: str) -> None:
    lines = ["id,v", "", "1,2", "", "", "3,4", ragged, '5,"6"', "", ""]

    rows, numbers, faults = read(end.join(lines).encode())

    assert rows == [("1", "2"), ("3", "4"), ("5", "6")]
    assert numbers == [3, 6, 8]
    assert len(faults) == bool(ragged)


def test_a_source_that_is_cut_within_quotes_sets_its_last_record_aside() -> None:
    rows, _, faults = read(b'id,v\n1,2\n3,"cut, her')

    assert rows == [("1", "2")]
    assert [(fault.code, fault.place.raw) for fault in faults] == [("BAD_QUOTES", '3,"cut, her')]


def test_a_carriage_return_alone_is_set_aside_with_its_own_line() -> None:
    rows, numbers, faults = read(b'id,v\n1,2\rbad,4\n5,"x\ny"\n7,w\n')

    assert (rows, numbers) == ([("5", "x\ny"), ("7", "w")], [3, 5])
    assert [(fault.place.line, fault.place.offset, fault.place.length) for fault in faults] == [
        (2, 5, 10)
    ]


def test_quotes_that_swallow_records_again_and_again_take_no_quadratic_time() -> None:
    bad = 'a",b,"c\n' * 60_000

    rows, _, faults = read(f"x,y,z\n1,2,3\n{bad}4,5,6\n".encode())

    assert rows[0] == ("1", "2", "3")
    assert rows[-1] == ("4", "5", "6")
    assert len(rows) + len(faults) == 60_002


@pytest.mark.parametrize("named", [{"header": 1}, {"header": 0, "commented": True}])
def test_many_comments_above_a_table_are_gone_over_once(named: dict[str, Any]) -> None:
    comments = "# of today\n" * 20_000
    names = "# id,v\n" if named["header"] == 0 else "id,v\n"
    content = (comments + names + "1,2\n" * 100_000).encode()

    rows, numbers, faults = read(content, comment="#", **named)

    assert (len(rows), numbers[0], faults) == (100_000, 20_002, [])

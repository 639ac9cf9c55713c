"""What once lost or changed a value in silence, hung or crashed: each by its symptom."""

from __future__ import annotations

import gzip
import io
import os
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from casparian_flow.reading import json_text
from casparian_flow.reading.kinds import convert
from casparian_flow.reading.sources import Source, sources, unpack
from engine.formats.merging import Seen, merge
from engine.profile import profile_file
from engine.profiling import profile_group
from tests.engine.making import drafted, run, workbook, zipped


def own(folder: Path, name: str, content: bytes) -> list[dict[str, Any]]:
    """The rows of the first topic of a file, by the plugin drafted from it."""
    kept = run(drafted(folder, name, content), folder / name)
    assert kept.aside == []
    return kept.rows["t"]


@pytest.mark.parametrize("price", ["5 EUR", "12%", "$7", "3 kg"])
def test_a_column_of_measures_does_not_make_its_records_a_header(
    tmp_path: Path, price: str
) -> None:
    body = "".join(f"{name},{price}\n" for name in ("Apple", "Pear", "Plum", "Fig"))

    rows = own(tmp_path, "a.csv", f"product,price\n{body}".encode())

    assert [row["product"] for row in rows] == ["Apple", "Pear", "Plum", "Fig"]


def test_values_that_begin_like_comments_are_rows(tmp_path: Path) -> None:
    content = b"color,count\nred,1\n#ff0000,2\nblue,3\n#00ff00,1\n"

    assert len(own(tmp_path, "a.csv", content)) == 4


def test_ids_too_long_for_a_number_stay_what_they_are(tmp_path: Path) -> None:
    rows = own(tmp_path, "a.csv", b"id,n\n1234567890123456789,1\n1234567890123456788,2\n")

    assert [row["id"] for row in rows] == ["1234567890123456789", "1234567890123456788"]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("01234", ("integer",)),
        ("007.5", ("number",)),
        ("0x1f", ("integer",)),
        ("1234567890123456789", ("number",)),
        ("7 mm", ("number", "point", "m")),
        ("31/12/2024 00:00:00.123456789", ("time", "%d/%m/%Y %H:%M:%S.%f")),
        ("2024-01-02T00:00:00+99:00", ("time", "iso zoned")),
        ("9999-12-31T00:00:00.123456789", ("time", "iso ns")),
        ("nan", ("number",)),
        ("inf", ("number",)),
    ],
)
def test_what_cannot_be_kept_exactly_fits_nothing(text: str, spec: tuple[str, ...]) -> None:
    assert convert(pa.array([text]), spec).to_pylist() == [None]


def test_a_number_is_whole_wherever_the_reading_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_PIECE", 5)
    content = b"[0.5, 1.25, 2.5, 12345, true, 3.75]"

    found = [
        text
        for block in json_text.document(Source(io.BytesIO(content)))
        for text in block.columns["value"].to_pylist()
    ]

    assert found == ["0.5", "1.25", "2.5", "12345", "true", "3.75"]


def test_a_null_word_of_one_column_is_a_value_of_another(tmp_path: Path) -> None:
    rows = own(tmp_path, "a.csv", b"country,qty\nNA,1\nUS,NA\n")

    assert [(row["country"], row["qty"]) for row in rows] == [("NA", 1), ("US", None)]
    texts = own(tmp_path, "a.jsonl", b'{"a":1,"b":""}\n{"a":2,"b":" "}\n')
    assert [row["b"] for row in texts] == ["", " "]


def test_numbers_wider_than_their_fixed_field_are_set_aside_and_not_cut(tmp_path: Path) -> None:
    head = b"name         qty  city\n"
    source = drafted(
        tmp_path, "a.txt",
        head + b"alpha        100  New York\nbeta          20  Paris\ngamma          3  Oslo\n",
    )  # fmt: skip
    (tmp_path / "b.txt").write_bytes(head + b"zeta     1234567  Bern\n")

    assert run(source, tmp_path / "b.txt").aside == [("FIELD_COUNT", 2)]


def test_fields_that_would_overwrite_each_other_are_both_kept_or_set_aside(tmp_path: Path) -> None:
    assert own(tmp_path, "a.jsonl", b'{"a":1,"_other":"x"}\n' * 2)[0]["source_other"] == "x"
    keyed = own(tmp_path, "a.json", b'{"x":{"key":"k"},"y":{"key":"l"},"z":{"key":"m"}}')
    assert [(row["record_key"], row["key"]) for row in keyed][:1] == [("x", "k")]
    (tmp_path / "b.jsonl").write_bytes(b'{"a":1,"a":2}\n{"a":3}\n')
    kept = run(drafted(tmp_path, "c.jsonl", b'{"a":1}\n{"a":3}\n'), tmp_path / "b.jsonl")
    assert kept.aside == [("DUPLICATE_KEY", 1)]


@pytest.mark.parametrize(
    ("name", "sample", "other"),
    [
        ("a.json", b'{"data":[{"a":1},{"a":2}]}', b'{"items":[{"a":1}]}'),
        ("a.xml", b"<r><o><a>1</a></o><o><a>2</a></o></r>", b"<q><o><a>1</a></o></q>"),
    ],
)
def test_a_document_without_its_records_is_not_an_empty_one(
    tmp_path: Path, name: str, sample: bytes, other: bytes
) -> None:
    source = drafted(tmp_path, name, sample)
    (tmp_path / name).write_bytes(other)

    assert [code for code, _ in run(source, tmp_path / name).aside] == ["NO_RECORDS"]


def test_elements_beside_the_records_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(
        b"<log><entry><a>1</a><b>2</b></entry><entry><a>3</a></entry><error><c>x</c></error></log>"
    )

    assert any("log/error" in p for p in profile_file(os.fsencode(tmp_path / "a.xml")).problems)


def test_members_that_no_table_reads_are_set_aside(tmp_path: Path) -> None:
    members = {"sales_jan.csv": b"a,b\n1,x\n2,y\n", "notes_jan.csv": b"k;l;m\n1;2;3\n"}
    source = drafted(tmp_path, "a.zip", zipped({**members, "README": b"Some words.\n"}))
    later = {name.replace("jan", "feb"): content for name, content in members.items()}
    (tmp_path / "a.zip").write_bytes(zipped({**later, "README": b"Other words.\n"}))

    kept = run(source, tmp_path / "a.zip")

    assert [code for code, _ in kept.aside] == ["MEMBER_UNREAD", "MEMBER_UNREAD"]


def test_every_table_of_a_packed_database_is_read(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        for table in ("a", "b"):
            database.execute(f"CREATE TABLE {table} (id INTEGER)")
            database.execute(f"INSERT INTO {table} VALUES (1), (2)")
    database.close()
    packed = gzip.compress((tmp_path / "a.db").read_bytes())

    assert len(own(tmp_path, "a.db.gz", packed)) == 4


def test_a_workbook_of_one_sheet_is_read_whatever_the_sheet_is_called(tmp_path: Path) -> None:
    source = drafted(tmp_path, "a.xlsx", workbook({"Jan": [["n"], [1], [2]]}))
    (tmp_path / "a.xlsx").write_bytes(workbook({"Feb": [["n"], [3]]}))

    assert [row["n"] for row in run(source, tmp_path / "a.xlsx").rows["t"]] == [3]


def test_a_second_sheet_stops_a_plugin_that_knows_of_one(tmp_path: Path) -> None:
    source = drafted(tmp_path, "a.xlsx", workbook({"Jan": [["n"], [1], [2]]}))
    (tmp_path / "a.xlsx").write_bytes(workbook({"Jan": [["n"], [1]], "Feb": [["n"], [3]]}))

    with pytest.raises(ValueError, match="has 2 sheets; name one of"):
        run(source, tmp_path / "a.xlsx")


def problems(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return "; ".join(profile_file(os.fsencode(folder / name)).problems)


@pytest.mark.parametrize("count", [4_000, 6_000, 200_000])
def test_the_sum_at_the_end_of_a_long_report_is_no_record(tmp_path: Path, count: int) -> None:
    body = "".join(f"item {n},{n}\n" for n in range(count))
    source = drafted(tmp_path, "a.csv", f"what,n\n{body}Total,{sum(range(count))}\n".encode())

    kept = run(source, tmp_path / "a.csv")

    assert [row["what"] for row in kept.rows["t"]][-1] == f"item {count - 1}"
    assert kept.skipped == 1


def test_numbers_on_top_of_numbers_are_a_record(tmp_path: Path) -> None:
    rows = own(tmp_path, "a.csv", b"2024,17,Oslo\n2025,18,Bergen\n2026,19,Molde\n")

    assert len(rows) == 3


def test_a_header_of_numbers_is_said_to_be_taken_by_its_place(tmp_path: Path) -> None:
    told = problems(tmp_path, "a.csv", b"country,2019,2020\nNorway,1,2\nPeru,33,44\nChad,555,666\n")

    assert "nothing but its place says so" in told


def test_a_page_larger_than_its_sample_is_still_a_table(tmp_path: Path) -> None:
    body = "".join(f"<tr><td>name {n}</td><td>{n}</td></tr>\n" for n in range(40_000))
    page = f"<html><table><tr><th>name</th><th>n</th></tr>{body}</table></html>"

    assert len(own(tmp_path, "a.html", page.encode())) == 40_000


def test_a_row_that_a_page_ends_in_is_set_aside(tmp_path: Path) -> None:
    begun = "<table><tr><th>a<th>n</tr><tr><td>x<td>1</tr><tr><td>y<td>2</tr>"
    source = drafted(tmp_path, "a.html", f"{begun}</table>".encode())
    (tmp_path / "a.html").write_text(f"{begun}<tr><td>z<td>3")

    kept = run(source, tmp_path / "a.html")

    assert [row["a"] for row in kept.rows["t"]] == ["x", "y"]
    assert [code for code, _ in kept.aside] == ["CUT_OFF"]


def test_a_statement_on_one_line_that_is_cut_off_takes_nothing_down(tmp_path: Path) -> None:
    one = "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260101<TRNAMT>-1.00<FITID>1"
    (tmp_path / "a.ofx").write_text(
        f"OFXHEADER:100\n\n<OFX><BANKTRANLIST>{one}{one}</STMTTRN></OFX>"
    )

    profile_file(os.fsencode(tmp_path / "a.ofx"))


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_half_of_a_pair_in_utf_16_is_set_aside(tmp_path: Path, name: str) -> None:
    lines = (
        ["a,b", "x,1", "y,2", "z,3"]
        if name == "a.csv"
        else [f"2026-01-0{n} 10:00:00 INFO did {n}" for n in range(1, 6)]
    )
    good = "\n".join(lines) + "\n"
    source = drafted(tmp_path, name, good.encode("utf-16"))
    bad = lines[-1].replace("z", "\ud800").replace("did", "\ud800")
    (tmp_path / name).write_bytes(f"{good}{bad}\n".encode("utf-16", "surrogatepass"))

    kept = run(source, tmp_path / name)

    assert [code for code, _ in kept.aside] == ["NOT_TEXT"]


def test_bytes_of_another_encoding_in_a_page_are_set_aside(tmp_path: Path) -> None:
    page = b"<table><tr><th>a<th>n</tr><tr><td>x<td>1</tr><tr><td>y<td>2</tr></table>"
    source = drafted(tmp_path, "a.html", page)
    (tmp_path / "a.html").write_bytes(page.replace(b"y", b"\xff"))

    assert [code for code, _ in run(source, tmp_path / "a.html").aside] == ["NOT_TEXT"]


def test_bytes_of_another_encoding_in_a_document_are_set_aside(tmp_path: Path) -> None:
    document = b'[{"a": "x", "n": 1}, {"a": "y", "n": 2}, {"a": "z", "n": 3}]'
    source = drafted(tmp_path, "a.json", document)
    (tmp_path / "a.json").write_bytes(document.replace(b"y", b"\xff"))

    kept = run(source, tmp_path / "a.json")

    assert [code for code, _ in kept.aside] == ["NOT_TEXT"]
    assert [row["a"] for row in kept.rows["t"]] == ["x", "z"]


def test_typed_tables_in_an_archive_name_their_member_and_are_counted(tmp_path: Path) -> None:
    packed: dict[str, bytes] = {}
    for name in ("a.parquet", "b.parquet"):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"n": [1, 2]}), buffer)
        packed[name] = buffer.getvalue()

    source = drafted(tmp_path, "a.zip", zipped(packed))
    kept = run(source, tmp_path / "a.zip")

    assert [row["_member"] for row in kept.rows["t"]] == [name for name in packed for _ in (1, 2)]
    assert kept.read == 4


def test_what_cannot_be_read_of_a_group_is_said(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / f"a{name}.csv").write_text("a,b\nx,1\n")
    os.mkfifo(tmp_path / "a3.csv")
    paths = [os.fsencode(tmp_path / f"a{n}.csv") for n in (1, 2, 3)]

    told = profile_group(paths).merged.profile.problems

    assert any(one.startswith("1 cannot be read: a3.csv") for one in told)


def merged(folder: Path, files: dict[str, bytes]) -> list[str]:
    seen: list[Seen] = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        seen.append(Seen(name, profile_file(os.fsencode(folder / name))))
    return merge(seen).others


def test_files_read_in_another_way_are_of_another_kind(tmp_path: Path) -> None:
    titled = b"report title\nmade today\n1,2.5\n3,4.5\n5,6.5\n"
    assert merged(tmp_path, {"c.csv": b"10,20.5\n30,40.5\n50,60.5\n", "d.csv": titled}) == ["c.csv"]
    latin, utf8 = "name,n\nJosé,1\n".encode("cp1252"), "name,n\nZoë,2\n".encode()
    assert merged(tmp_path, {"e.csv": latin, "f.csv": utf8}) == ["e.csv"]
    assert merged(tmp_path, {"g.csv": b"name,n\nAnn,1\n", "h.csv": latin}) == []


def test_a_backslash_ends_a_windows_path_and_no_setting(tmp_path: Path) -> None:
    rows = own(tmp_path, "a.ini", b"[a part]\ndir = C:\\temp\\\nname = x y\n")

    assert [(row["key"], row["value"]) for row in rows] == [("dir", "C:\\temp\\"), ("name", "x y")]


def test_a_text_that_reads_like_a_fix_message_begins_none(tmp_path: Path) -> None:
    line = b"8=FIX.4.2|9=100|35=8|34=0|58=FIX SESSION DOWN|10=123|\n"

    rows = own(tmp_path, "a.log", line * 3)

    assert [row["text"] for row in rows] == ["FIX SESSION DOWN"] * 3


def test_a_letter_may_say_from(tmp_path: Path) -> None:
    letter = b"From: a@b.c\nTo: d@e.f\n\nHello,\n\nFrom what I can tell, all is well.\n"

    assert "all is well" in own(tmp_path, "a.eml", letter)[0]["body"]


def test_what_follows_a_combined_log_line_is_kept(tmp_path: Path) -> None:
    line = b'1.2.3.4 - - [10/Oct/2023:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "UA" 0.12 "x"\n'

    assert own(tmp_path, "a.log", line * 3)[0]["extra"] == '0.12 "x"'


def test_blank_lines_within_a_log_entry_are_part_of_it(tmp_path: Path) -> None:
    content = b"2024-01-01 10:00:00 INFO a\n  b\n\n  c\n\n2024-01-01 10:00:01 INFO d\n"

    rows = own(tmp_path, "a.log", content)

    assert [row["message"] for row in rows] == ["a\n  b\n\n  c", "d"]


@pytest.mark.parametrize("name", ["😀", "a'\"b", 'x"""y', "back\\slash", "tab\there", "\u202eevil"])
def test_any_name_of_a_column_makes_a_plugin_that_reads_it(tmp_path: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    content = f'"{quoted}",n\na,1\nb,2\n'.encode()

    rows = own(tmp_path, "a.csv", content)

    assert [row["n"] for row in rows] == [1, 2]


HANGS = {
    "digits.csv": "a,b\n" + "1" * 200_000 + "x,2\n3,4\n",
    "rule.txt": "x|y\n" + "-" * 50_000 + "x\nfoo|bar\n",
    "deep.xml": "<a>" * 20_000,
    "deep.json": "[" * 50_000,
    "spans.html": "<table><tr>" + "<td rowspan=1000 colspan=1000>x" * 50 + "<tr>" * 1000,
    "open.html": "<table>" + "<a " * 15_000,
    "marked.html": "<table><![<![",
    "setting.ini": "k" + " " * 50_000 + "%\nzz\n",
    "keys.jsonl": "".join(f'{{"k{n}":1,"l{n}":2}}\n' for n in range(4000)),
    "orcid.csv": "ORCID,name\n0000-0001,x\n",
}  # fmt: skip


@pytest.mark.timeout(15)
@pytest.mark.parametrize("name", HANGS)
def test_a_file_made_to_be_slow_or_to_crash_is_profiled_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(HANGS[name])

    assert profile_file(os.fsencode(tmp_path / name)).fingerprint


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"PK\x03\x04" + bytes(64 << 20))
    (tmp_path / "a.gz").write_bytes(bomb)

    with (tmp_path / "a.gz").open("rb") as file, pytest.raises(ValueError, match="more than"):
        list(unpack(file, budget=1 << 20))


def test_an_endless_line_is_set_aside_and_the_next_ones_are_right(tmp_path: Path) -> None:
    long = b"x" * (40 << 20)
    source = drafted(tmp_path, "a.log", b"level=info n=1\nlevel=warn n=2\n")
    (tmp_path / "a.log").write_bytes(b"level=info n=1\n" + long + b"\nlevel=info n=2\n")

    kept = run(source, tmp_path / "a.log")

    assert kept.aside == [("LINE_TOO_LONG", 2)]
    assert [row["_line"] for row in kept.rows["t"]] == [1, 3]


def test_sources_of_an_old_mac_are_read_piece_by_piece(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"level=info n=1\rlevel=warn n=2\r" * 20_000)
    source = drafted(tmp_path, "a.log", (tmp_path / "a.log").read_bytes())

    assert len(run(source, tmp_path / "a.log").rows["t"]) == 40_000
    assert len(list(sources(str(tmp_path / "a.log")))) == 1

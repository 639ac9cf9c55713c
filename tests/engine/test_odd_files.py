"""Files as programs and people really leave them: what is recognised, and every row of it."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest

from casparian_flow.errors import ConfigError
from engine.drafting import draft_source
from engine.profile import profile_file
from tests.engine.making import Odd, drafted, read_whole, run, zipped

FILES: dict[str, Odd] = {
    # name: content, columns, rows (the first ones), records set aside
    "two_accounts.ofx": (
        "OFXHEADER:100\n\n<OFX><STMTRS><BANKACCTFROM><BANKID>123<ACCTTYPE>CHECKING</BANKACCTFROM>\n"
        "<STMTTRN><FITID>x1<MEMO>first\nsecond<NAME>SMITH&LTD &amp; CO</STMTTRN></STMTRS>\n"
        "<CCSTMTRS><CCACCTFROM><ACCTID>4111</CCACCTFROM>\n"
        "<STMTTRN><FITID>x2<CURRENCY>USD<NAME>b</STMTTRN><STMTTRN><FITID>x3</STMTTRN></CCSTMTRS></OFX>\n",
        ["BANKID", "ACCTTYPE", "FITID", "MEMO", "NAME", "ACCTID", "CURRENCY"],
        [
            [123, "CHECKING", "x1", "first\nsecond", "SMITH&LTD & CO", None, None],
            [None, None, "x2", None, "b", 4111, "USD"],
            [None, None, "x3", None, None, 4111, None],
        ],
        0,
    ),
    "signs_of_old_cards.vcf": (
        "BEGIN:VCARD\nVERSION:2.1\nNOTE;QUOTED-PRINTABLE:abc=\nTEL;CELL:123\n"
        'X-PATH:C:\\new\\notes\nX-M;V="a","b":c\nEND:VCARD\n',
        ["VERSION", "NOTE", "TEL", "TEL;TYPE", "X-PATH", "X-M", "X-M;V"],
        [[2.1, "abc", 123, "CELL", "C:\\new\\notes", "c", "a,b"]],
        0,
    ),
    "shapes.txt": (
        "shape_id,shape_pt_lat,shape_pt_lon\n", ["shape_id", "shape_pt_lat", "shape_pt_lon"], [], 0
    ),
    "columns.json": (
        '{"made": "today", "day": ["2025-01-02", "2025-01-03"], "n": [1, null]}',
        ["day", "n"],
        [[date(2025, 1, 2), 1], [date(2025, 1, 3), None]],
        0,
    ),
    "nothing_beside_numbers.json": (
        '[{"n": 1.5, "k": 1, "b": true, "t": "a"}, {"n": "", "k": 2, "b": "", "t": ""},'
        '{"n": 2, "k": "N/A", "b": false, "t": "b"}]',
        ["n", "k", "b", "t"],
        [[1.5, 1, True, "a"], [None, 2, None, ""], [2.0, None, False, "b"]],
        0,
    ),
    "nested.eml": (
        'Content-Type: multipart/mixed;\n boundary="x"\n\n--x\nContent-Type: text/plain\n\nhello\n'
        "--x--\n",
        ["Content-Type", "body"],
        [['multipart/mixed; boundary="x"', "hello"]],
        0,
    ),
    "with_a_page_in_it.kml": (
        '<kml xmlns="k">\n<Document><Placemark id="a"><name>A</name><description><![CDATA[<html '
        "><table ><tr><td>1</td></tr></table></html>]]></description></Placemark>\n"
        '<Placemark id="b"><name>B</name></Placemark></Document></kml>\n',
        ["@id", "name", "description"],
        [["a", "A", "<html ><table ><tr><td>1</td></tr></table></html>"], ["b", "B", None]],
        0,
    ),
    "from_pandas.json": (
        '{"name":{"0":"a","1":"b"},"x":{"0":1.5,"1":2.5}}',
        ["row", "name", "x"],
        [[0, "a", 1.5], [1, "b", 2.5]],
        0,
    ),
    "by_name.json": (
        '{"p1":{"name":"a","x":1},"p2":{"name":"b","x":2},"p3":{"name":"c","x":3}}',
        ["key", "name", "x"],
        [["p1", "a", 1], ["p2", "b", 2]],
        0,
    ),
    "old_phone.vcf": (
        "BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=E9=BB=84=\n=E4=B8=96\n"
        "TEL;CELL:158\nTEL;WORK:010\nitem1.URL:http://x.example\nEND:VCARD\n",
        ["VERSION", "FN", "TEL", "TEL;TYPE", "URL", "URL;GROUP"],
        [[2.1, "黄世", "158\n010", "CELL\nWORK", "http://x.example", "item1"]],
        0,
    ),
    "investments.ofx": (
        "OFXHEADER:100\n\n<OFX><INVSTMTRS><CURDEF>USD<BUYMF><INVBUY><INVTRAN><FITID>1</INVTRAN>"
        "<SECID><UNIQUEID>A</SECID><UNITS>2.5<TOTAL>-5.0</INVBUY></BUYMF>\n"
        "<INCOME><INVTRAN><FITID>2</INVTRAN><TOTAL>1.25</INCOME>\n"
        "<INVBANKTRAN><STMTTRN><FITID>3<TRNAMT>9.5</STMTTRN></INVBANKTRAN></INVSTMTRS></OFX>\n",
        ["CURDEF", "TRANSACTION", "FITID", "UNIQUEID", "UNITS", "TOTAL", "TRNAMT"],
        [
            ["USD", "BUYMF", 1, "A", 2.5, -5.0, None],
            ["USD", "INCOME", 2, None, None, 1.25, None],
            ["USD", "INVBANKTRAN", 3, None, None, None, 9.5],
        ],
        0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_an_odd_file_is_read_or_set_aside(name: str, tmp_path: Path) -> None:
    read_whole(tmp_path, name, FILES[name])


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_members_of_a_tar_are_read_whatever_their_format(tmp_path: Path) -> None:
    page = b"<table><tr><th>a<th>b</tr><tr><td>1<td>x</tr><tr><td>2<td>y</tr></table>"
    content = tarred({"t.html": page, "._t.html": b"\0\5\x16\7", ".DS_Store": b"\0\0\0\1Bud1"})

    kept = run(drafted(tmp_path, "x.tar.gz", content), tmp_path / "x.tar.gz")

    [rows] = kept.rows.values()
    assert [row["a"] for row in rows] == [1, 2]
    assert kept.aside == []


def test_a_member_with_another_header_is_set_aside_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    source = drafted(tmp_path, path.name, tarred({f"{n}.csv": b"a,b\n1,2\n" for n in range(3)}))
    path.write_bytes(
        tarred({"0.csv": b"a,b\n1,2\n", "1.csv": b"x,y\n3,4\n", "2.csv": b"a,b\n5,6\n"})
    )

    kept = run(source, path)

    [rows] = kept.rows.values()
    assert [row["a"] for row in rows] == [1, 5]
    assert [code for code, _ in kept.aside] == ["OTHER_HEADER"]
    assert kept.read == 3


@pytest.mark.parametrize("is_known", [False, True], ids=["after the draft", "in the sample"])
def test_a_damaged_member_is_set_aside_and_the_others_read(
    tmp_path: Path, *, is_known: bool
) -> None:
    path = tmp_path / "x.zip"
    tables = {f"{n}.csv": b"a,b\n%d,x\n" % n for n in range(3)}
    whole = zipped(tables, method=zipfile.ZIP_STORED)
    damaged = whole.replace(b"a,b\n1,x\n", b"a,b\n9,x\n", 1)
    source = drafted(tmp_path, path.name, damaged if is_known else whole)
    path.write_bytes(damaged)

    kept = run(source, path)

    assert [row["a"] for row in kept.rows["t"]] == [0, 2]
    assert kept.aside == [("MEMBER_DAMAGED", None)]
    assert kept.read == 3


def test_the_members_of_a_large_zip_are_looked_at_from_all_over_it(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    first, last = b"a,b\n1,x\n2,y\n", b"n,day\n1,2025-01-02\n2,2025-01-03\n"
    path.write_bytes(zipped({f"{n:04}.csv": first if n < 900 else last for n in range(1_000)}))

    profile = profile_file(os.fsencode(path))

    assert {len(part.rows) for part in profile.parts} == {2}
    shapes = {tuple(column.name for column in part.columns) for part in profile.parts}
    assert shapes == {("a", "b"), ("n", "day")}
    assert any("40 of its 1,000 members" in problem for problem in profile.problems)


@pytest.mark.parametrize("other", ["paid-{n:04}.csv", "sold-back-{n:04}.csv"])
def test_members_that_no_sample_saw_are_read_by_the_name_that_their_shape_has(
    other: str, tmp_path: Path
) -> None:
    members: dict[str, bytes] = {}
    for n in range(100):
        members[f"sold-{n:04}.csv"] = b"id,name\n%d,a\n" % n
        members[other.format(n=n)] = b"day,amount,by\n2025-01-02,%d.5,b\n" % n
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(members))

    source = draft_source(profile_file(os.fsencode(path)), topic="t", pattern="*").source
    kept = run(source, path)

    assert sorted(len(rows) for rows in kept.rows.values()) == [100, 100]
    assert kept.aside == []


def test_members_whose_names_may_be_of_either_shape_are_read_by_none(tmp_path: Path) -> None:
    members = {f"{n:04}.csv": b"id,name\n1,a\n" if n % 3 else b"n,m,k\n1,2,3\n" for n in range(90)}
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(members))

    source = draft_source(profile_file(os.fsencode(path)), topic="t", pattern="*").source
    kept = run(source, path)

    assert sum(map(len, kept.rows.values())) == 40
    assert kept.aside == [("MEMBER_UNREAD", None)] * 50


def test_a_tar_that_is_cut_off_fails_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    rows = b"".join(b"%d,%s\n" % (n, os.urandom(40).hex().encode()) for n in range(3_000))
    whole = tarred({f"{n}.csv": b"a,b\n" + rows for n in range(3)})
    source = drafted(tmp_path, path.name, whole)
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(EOFError):
        run(source, path)


def test_a_page_without_a_table_is_no_table(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html>\n<html><head><title>a, b</title>\n<meta x, y>\n<link a, b>\n</html>\n"

    with pytest.raises(ConfigError, match="no plugin can be drafted"):
        drafted(tmp_path, "page.txt", page)


def test_usual_words_for_nothing_are_null_though_no_sample_showed_them(tmp_path: Path) -> None:
    source = drafted(tmp_path, "x.csv", b"x,name\n1.5,a\n2.5,b\n")
    (tmp_path / "y.csv").write_text("x,name\nnil,NA\nN/A,b\n,c\nabsent,d\n")

    kept = run(source, tmp_path / "y.csv")

    [rows] = kept.rows.values()
    assert [(row["x"], row["name"]) for row in rows] == [(None, "NA"), (None, "b"), (None, "c")]
    assert kept.aside == [("TYPE_MISMATCH", 5)]


def test_a_header_of_one_cell_fewer_is_read_by_name_in_every_file(tmp_path: Path) -> None:
    source = drafted(
        tmp_path, "a.csv", b"id,name,city\nA1,Bob,Rome,\nA2,Eve,Paris,\nA3,Jim,Oslo,\n"
    )
    (tmp_path / "b.csv").write_text("id,city,name\nA1,Rome,Bob,\nA2,Paris,Eve,\n")

    [rows] = run(source, tmp_path / "b.csv").rows.values()

    assert [(row["name"], row["city"]) for row in rows] == [("Bob", "Rome"), ("Eve", "Paris")]


def test_components_that_are_not_read_are_counted(tmp_path: Path) -> None:
    event = "BEGIN:VEVENT\nUID:{0}\nEND:VEVENT\n"
    calendar = "BEGIN:VCALENDAR\n{0}END:VCALENDAR\n"
    first = calendar.format(event.format("a") + event.format("b"))
    source = drafted(tmp_path, "a.ics", first.encode())
    second = calendar.format(event.format("c") + "BEGIN:VTODO\nUID:d\nEND:VTODO\n")
    (tmp_path / "b.ics").write_text(second)

    kept = run(source, tmp_path / "b.ics")

    assert (kept.read, kept.skipped, len(kept.rows["t"])) == (2, 1, 1)


def test_long_numbers_that_a_double_would_change_are_set_aside(tmp_path: Path) -> None:
    source = drafted(tmp_path, "a.csv", b"id,amt\n1,1.5\n2,0.5\n")
    (tmp_path / "b.csv").write_text("id,amt\n1,9007199254740993.5\n2,1234567890123456.5\n")

    kept = run(source, tmp_path / "b.csv")

    assert [row["amt"] for row in kept.rows["t"]] == [1234567890123456.5]
    assert kept.aside == [("TYPE_MISMATCH", 2)]


def test_a_member_whose_name_only_looks_like_residue_is_read(tmp_path: Path) -> None:
    content = tarred({"._a.csv": b"a,b\n1,x\n2,y\n"})

    [rows] = run(drafted(tmp_path, "x.tar.gz", content), tmp_path / "x.tar.gz").rows.values()

    assert [row["a"] for row in rows] == [1, 2]


def test_columns_of_different_lengths_and_values_beside_them_are_told(tmp_path: Path) -> None:
    source = drafted(tmp_path, "a.json", b'{"n": [1, 2], "t": ["x", "y"]}')
    (tmp_path / "b.json").write_text('{"made": 1, "n": [1, 2, 3], "t": ["x", "y", "z"]}')
    (tmp_path / "c.json").write_text('{"n": [1, 2, 3], "t": ["x"]}')

    beside, odd = run(source, tmp_path / "b.json"), run(source, tmp_path / "c.json")

    assert (len(beside.rows["t"]), beside.skipped, beside.read) == (3, 1, 4)
    assert odd.aside == [("FIELD_COUNT", 1)]

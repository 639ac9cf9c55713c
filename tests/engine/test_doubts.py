"""What only looks like a header, a comment or a total is read, or counted and said."""

from __future__ import annotations

import io
import json
import sqlite3
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from casparian_flow.errors import PluginError
from casparian_flow.reading import delimited, fixed_width, grids, tables
from casparian_flow.reading.blocks import Block
from casparian_flow.reading.sources import Source
from engine.drafting import draft_source
from engine.formats.interface import Profile
from engine.profile import profile_file
from engine.profiling import profile_group
from tests.engine.making import drafted, run, workbook

PLACE = "nothing but its place says so"


def told(folder: Path, name: str, content: str | bytes) -> Profile:
    raw = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(raw)
    return profile_file(str(folder / name).encode())


def skipped(path: Path, profile: Profile) -> dict[str, int]:
    """What the reader that the profile names passes over, by reason."""
    reading = profile.reading
    assert reading is not None
    readers: dict[str, Any] = {
        "delimited.read": delimited.read,
        "tables.workbook": tables.workbook,
    }
    counts: Counter[str] = Counter()
    with path.open("rb") as file:
        blocks: list[Block] = list(
            readers[f"{reading.module}.{reading.function}"](Source(file), **reading.arguments)
        )
    for block in blocks:
        counts.update(block.skipped)
    return dict(counts)


@pytest.mark.parametrize(
    ("content", "names", "says"),
    [
        ("# last run, all good\nx1,2\nx3,4\nx5,6\n", ["column_1", "column_2"], "no header row"),
        ("# where,how\n# source,share\na,b\nc,d\ne,f\n", ["source", "share"], "from a comment"),
        ("# c\nA report\n# where,how\nx,b\nc,d\ne,f\n", ["where", "how"], "from a comment"),
        ("# from,to,weight\na,b,3\nc,d,4\n", ["# from", "to", "weight"], ""),
        ("1,2\nfail,ok\n4,5\n6,7\n8,9\n1,3\n", ["column_1", "column_2"], "no header row"),
        ("4,2\nfail,ok\n4,5\n6,7\n8,9\n1,3\n", ["fail", "ok"], "line 1 begins with a value"),
        (
            "2024-01-01,5,,,,\n2024-01-02,6,,,,\nday,a,b,c,d,e\n" + "2024-01-03,1,2,3,4,5\n" * 4,
            ["day", "a", "b", "c", "d", "e"],
            "line 1 begins with a value",
        ),
    ],
)
def test_comments_and_lines_above_a_table(
    content: str, names: list[str], says: str, tmp_path: Path
) -> None:
    profile = told(tmp_path, "a.csv", content)

    assert [column.name for column in profile.columns] == names
    assert says in " ".join(profile.problems)


def test_a_comment_that_is_a_sentence_names_no_columns(tmp_path: Path) -> None:
    profile = told(tmp_path, "a.dat", "# do not edit\n1 2 3\n4 5 6\n7 8 9\n1 2 5\n")

    assert [column.name for column in profile.columns] == ["column_1", "column_2", "column_3"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([["Anna", "Oslo"], ["Bert", "Rome"], ["Carl", "Bonn"]], PLACE),
        ([["hello"]], "no records"),
        ([["name", "age"], ["Anna", 5], ["Bert", 6]], ""),
    ],
)
def test_a_header_of_a_sheet_that_nothing_proves_is_said(
    rows: list[list[object]], says: str, tmp_path: Path
) -> None:
    profile = told(tmp_path, "a.xlsx", workbook({"S": rows}))

    assert says in " ".join(profile.problems)
    assert says or not profile.problems


def test_a_row_of_one_value_above_a_sheet_without_header_is_a_record(tmp_path: Path) -> None:
    rows = [[1.5, None, None], [2.5, 3.5, 4], [3.5, 4.5, 5], [4.5, 5.5, 6]]

    profile = told(tmp_path, "a.xlsx", workbook({"S": rows}))

    assert profile.rows[0] == ("1.5", "", "")


@pytest.mark.parametrize(
    ("name", "content", "counts"),
    [
        ("a.csv", "# c\n# d\nname,n\n#x,1\nA,1\nB,2\nC,3\n", {"comment": 3}),
        ("a.csv", "A report\n\nname,n,m\nA,1,2\nB,2,2\nC,3,2\n", {"above the table": 2}),
        (
            "a.xlsx",
            workbook({"S": [["Report"], [], ["name", "n"], ["A", 1], ["B", 2]]}),
            {"above the table": 1},
        ),
    ],
)
def test_what_is_passed_over_is_counted(
    name: str, content: str | bytes, counts: dict[str, int], tmp_path: Path
) -> None:
    profile = told(tmp_path, name, content)

    assert skipped(tmp_path / name, profile) == counts


def test_lines_above_tables_of_other_shapes_are_counted() -> None:
    drawn = b"psql\n id | name\n----+-----\n  1 | a\n(1 row)\n"
    fixed = b"name qty\n---- ---\nab     1\n"

    for blocks, counts in (
        (grids.read(Source(io.BytesIO(drawn)), skip=1), {"a count of rows": 1}),
        (fixed_width.read(Source(io.BytesIO(fixed)), fields=[("n", 0, 4)], skip=2), {}),
    ):
        passed = sum((Counter(one.skipped) for one in blocks), Counter[str]())
        assert passed == {"above the table": 1} | counts


@pytest.mark.parametrize("company", ["Total SA,9", '"Total, Inc",9', "Totals,9"])
def test_a_total_ends_another_file_only_where_its_cell_says_no_more(
    company: str, tmp_path: Path
) -> None:
    profile = told(tmp_path, "a.csv", "name,n\nA,1\nB,2\nC,3\nTotal,6\n")
    (tmp_path / "b.csv").write_text(f"name,n\nA,1\nB,2\nC,3\n{company}\n")

    assert skipped(tmp_path / "a.csv", profile) == {"footer": 1}
    assert skipped(tmp_path / "b.csv", profile) == {}


def test_words_beside_a_count_are_a_record(tmp_path: Path) -> None:
    jazz = "first,last,n\nDuke,Ellington,1\nFats,Waller,2\nArt,Tatum,3\nCount,Basie,4\n"

    profile = told(tmp_path, "a.csv", jazz)

    assert profile.reading is not None
    assert "footer" not in profile.reading.arguments


@pytest.mark.parametrize(
    ("values", "kind", "nulls"),
    [("NaN 1 2 3", "int64", 1), ("1.5 NaN 2.5 NaN", "double", 2)],
)
def test_a_number_that_is_none_is_said_to_be_missing(
    values: str, kind: str, nulls: int, tmp_path: Path
) -> None:
    profile = told(tmp_path, "a.jsonl", "".join(f'{{"x":{n},"y":1}}\n' for n in values.split()))

    x = profile.columns[0]
    assert (x.type, x.null_words, x.nulls) == (kind, ["NaN"], nulls)


@pytest.mark.parametrize("content", ["Gr\u00f6\u00dfe,Ort\n", "Gr\u00f6\u00dfe,Ort\n1,a\n2,b\n"])
def test_a_header_that_is_no_text_fails_the_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(content.encode("latin-1"))
    source = drafted(tmp_path, "a.csv", "Gr\u00f6\u00dfe,Ort\n1,a\n2,b\n".encode())

    with pytest.raises(PluginError, match=r"Gr\\\\xf6"):
        run(source, tmp_path / "b.csv")


@pytest.mark.parametrize(("content", "skipped"), [("", 0), ("# nothing today\n", 1)])
def test_a_file_without_anything_is_done(content: str, skipped: int, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(content)
    source = drafted(tmp_path, "a.csv", b"# of today\nn,day\n1,2025-01-02\n2,2025-01-03\n")

    kept = run(source, tmp_path / "b.csv")

    assert (kept.rows, kept.aside, kept.read) == ({"t": []}, [], skipped)


@pytest.mark.parametrize(
    ("last", "aside"), [(["Total", None, 60], 1), (["Total SA", "x", 60], 0), (["Sum", "x", 60], 0)]
)
def test_the_total_that_ends_a_sheet_is_no_record(
    last: list[object], aside: int, tmp_path: Path
) -> None:
    body: list[list[object]] = [[f"n{n}", "x", n] for n in range(10, 15)]

    profile = told(tmp_path, "a.xlsx", workbook({"S": [["name", "by", "n"], *body, last, []]}))

    assert sum("looks like a total" in one for one in profile.problems) == aside
    assert skipped(tmp_path / "a.xlsx", profile) == ({"footer": 1} if aside else {})


@pytest.mark.parametrize("rule", ["------- -------- -------\n", ""])
def test_a_report_of_pages_is_one_table_under_one_header(rule: str, tmp_path: Path) -> None:
    def page(number: int) -> str:
        body = "".join(
            f"{n:07} item {n % 3}   {n * 7:>6}\n" for n in range(number * 20, number * 20 + 20)
        )
        title = f"Stock of the northern house    page {number}\n\n" if rule else ""
        return f"{title}ARTICLE NAME      PIECES\n{rule}{body}"

    path = tmp_path / "a.txt"
    source = drafted(tmp_path, "a.txt", "".join(map(page, range(5))).encode())

    kept = run(source, path)

    assert [row["PIECES"] for row in kept.rows["t"]] == [n * 7 for n in range(100)]
    assert kept.aside == []
    assert kept.skipped == (10 if rule else 5)


def test_words_for_nothing_in_a_column_of_text_are_not_called_missing(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE t (amount TEXT)")
        database.executemany("INSERT INTO t VALUES (?)", [("1.5",), ("n/a",), (None,), ("2",)])
    database.close()
    rows = [{"amount": "1.5"}, {"amount": "n/a"}, {"amount": None}, {"amount": "2"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))

    for name in ("a.db", "a.jsonl"):
        profile = profile_file(str(tmp_path / name).encode())
        kept = run(draft_source(profile, topic="t", pattern="*").source, tmp_path / name)

        assert profile.columns[0].nulls == 1
        assert [row["amount"] for row in kept.rows["t"]] == ["1.5", "n/a", None, "2"]


def test_what_is_attached_to_a_message_is_named(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "x"
    message.set_content("see below")
    message.add_attachment("n,m\n1,2\n", subtype="csv", filename="numbers.csv")

    profile = told(tmp_path, "a.eml", message.as_bytes())
    kept = run(draft_source(profile, topic="t", pattern="*").source, tmp_path / "a.eml")

    assert "parts beside the body are named and not read" in profile.problems
    [row] = kept.rows["t"]
    assert (row["body"], json.loads(row["attachments"])) == ("see below", ["numbers.csv"])


def test_values_beside_the_records_of_a_document_are_said(tmp_path: Path) -> None:
    records = [{"id": 1}, {"id": 2}]
    document = {"meta": {"page": 1}, "data": {"orders": records, "count": 2}}

    profile = told(tmp_path, "a.json", json.dumps(document))

    assert "values beside the records are not read: meta, data.count" in profile.problems


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.jsonl", '{"id":1,"a":{"k":1,"k":2}}\n{"id":2,"a":{"k":1}}\n', "DUPLICATE_KEY"),
        ("a.json", '[{"id":1,"a":[{"k":1,"k":2}]},{"id":2,"a":[]}]', "DUPLICATE_KEY"),
        ("a.jsonl", f'{{"id":1,"a":{"[" * 450}{"]" * 450}}}\n{{"id":2,"a":[]}}\n', "TOO_DEEP"),
    ],
)
def test_what_a_nested_value_would_lose_sets_its_record_aside(
    name: str, content: str, code: str, tmp_path: Path
) -> None:
    profile = told(tmp_path, name, content)
    kept = run(draft_source(profile, topic="t", pattern="*").source, tmp_path / name)

    assert [row["id"] for row in kept.rows["t"]] == [2]
    assert [found for found, _ in kept.aside] == [code]


def test_the_first_of_january_tells_no_order_of_day_and_month(tmp_path: Path) -> None:
    (tmp_path / "a-1.csv").write_text("id,day\n1,01/01/2020\n2,01/01/2021\n")
    (tmp_path / "a-2.csv").write_text("id,day\n1,02/03/2020\n2,04/05/2021\n")
    paths = [str(tmp_path / f"a-{n}.csv").encode() for n in (1, 2)]

    for profile in (profile_file(paths[0]), profile_group(paths).merged.profile):
        day = profile.columns[1]
        assert (day.type, day.candidates) == ("string", ["%d/%m/%Y", "%m/%d/%Y"])
        assert day.ambiguity


def test_text_beside_the_records_of_xml_is_said(tmp_path: Path) -> None:
    content = "<r><currency>EUR</currency><i><a>1</a></i><i><a>2</a></i></r>"

    profile = told(tmp_path, "a.xml", content)

    assert "other elements hold values and are not read: r/currency" in profile.problems


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "true,alice\nfalse,bob\ntrue,carol\ntrue,alice\nfalse,dan\n", "no header row"),
        ("a.csv", "alice,NA\nbob,5\ncarol,6\ndan,7\n", PLACE),
        ("a.csv", "active,name\ntrue,bob\nfalse,ann\n", ""),
        ("a.csv", "Year,NA,EU\n2020,5,6\n2021,6,7\n", ""),
        ("a.json", '[["alice","rome"],["bob","oslo"],["carl","bern"]]', PLACE),
        ("a.json", '[["name","n"],["bob",1],["carl",2]]', ""),
    ],
)
def test_a_word_for_nothing_or_for_truth_proves_no_header(
    name: str, content: str, says: str, tmp_path: Path
) -> None:
    profile = told(tmp_path, name, content)

    assert says in " ".join(profile.problems)
    assert says or not profile.problems


def test_a_header_without_end_is_said_in_few_words(tmp_path: Path) -> None:
    source = drafted(tmp_path, "a.csv", b"n,m\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_bytes(b"\x00\x01\xff" * 5_000)

    with pytest.raises(PluginError) as caught:
        run(source, tmp_path / "b.csv")

    assert len(caught.value.message) < 500


def test_a_comma_within_numbers_divides_no_cells(tmp_path: Path) -> None:
    rows = "".join(f"{n},66 €;{n + 1}.883,80 €\n" for n in range(1, 9))
    content = f"Some Ltd\n\nRegion;Amount\n{rows}\nEnd of report\n"

    kept = run(drafted(tmp_path, "a.csv", content.encode()), tmp_path / "a.csv")

    assert kept.rows["t"][0] == {"Region": 1.66, "Amount": 2883.8, "_line": 4}


def test_a_comment_that_is_divided_like_a_record_is_said(tmp_path: Path) -> None:
    start = "# of today\nid,what\n1,a\n"

    like, unlike = (
        told(tmp_path, "a.csv", start + rest).problems
        for rest in ("#2,b\n3,c\n", "# and more\n3,c\n")
    )

    passed_over = "lines that begin with '#' are passed over as comments"
    assert f"{passed_over}; line 4 has as many cells as a record" in like
    assert passed_over in unlike


def test_a_cell_of_lines_like_records_is_said(tmp_path: Path) -> None:
    rows = "".join(f"A{n},bolt {n},{n}\n" for n in range(9))

    profile = told(tmp_path, "a.csv", f'sku,what,n\n{rows}B3,"Tube 6,2\nB4,rod 5",3\nB5,x,4\n')
    plain = told(tmp_path, "b.csv", f'sku,what,n\n{rows}B3,"Tube 6,\nrod 5",3\nB5,x,4\n')

    assert any(one.startswith("the record of line 11 has a cell") for one in profile.problems)
    assert not plain.problems

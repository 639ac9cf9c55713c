"""Files that are tables already: workbooks, databases, columnar files."""

from __future__ import annotations

import io
import os
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.drafting import draft_source
from engine.profile import profile_file
from tests.engine.making import drafted, run, workbook, zipped
from tests.engine.test_formats import profiled, types


def test_a_workbook_is_looked_at_behind_the_wall_sheet_by_sheet(tmp_path: Path) -> None:
    content = workbook(
        {
            "Orders": [["Report", None], [None, None], ["id", "amount"], [1, 2.5], [2, 3]],
            "People": [["name", "born"], ["Ann", "2001-02-03"]],
            "Empty": [],
        }
    )

    profile = profiled(tmp_path, "book.xlsx", content)

    assert {str(one.part): types(one) for one in profile.parts} == {
        "Orders": {"id": "int64", "amount": "double"},
        "People": {"name": "string", "born": "date"},
    }
    assert any("'Empty' holds no table" in problem for problem in profile.problems)


def test_a_table_is_read_though_its_name_begins_like_those_of_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute('CREATE TABLE "SQLiteLog" (a INTEGER PRIMARY KEY AUTOINCREMENT)')
        database.execute('INSERT INTO "SQLiteLog" VALUES (1)')
    database.close()

    assert profile_file(os.fsencode(tmp_path / "a.db")).part == "SQLiteLog"


def test_columns_of_a_database_are_of_the_kinds_that_it_stores(tmp_path: Path) -> None:
    rows = [(n, n, str(n), f"2025-01-{n % 28 + 1:02}", 1) for n in range(20_000)]
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE t (id INTEGER, code INTEGER, zip TEXT, day TEXT, x REAL)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        database.execute("INSERT INTO t VALUES (20000, 'ETRS89', '007', '2025-02-01', 1.5)")
    database.close()

    profile = profile_file(os.fsencode(tmp_path / "a.db"))

    expected = {"id": "int64", "code": "string", "zip": "string", "day": "date", "x": "double"}
    assert types(profile) == expected


def test_text_of_a_database_that_is_none_is_set_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE t (id INTEGER, name TEXT)")
        database.execute("INSERT INTO t VALUES (1, CAST(X'63616665E9' AS TEXT)), (2, 'caf\u00e9')")
    database.close()

    profile = profile_file(os.fsencode(tmp_path / "a.db"))
    kept = run(draft_source(profile, topic="t", pattern="*").source, tmp_path / "a.db")

    assert [(row["id"], row["name"]) for row in kept.rows["t"]] == [(2, "caf\u00e9")]
    assert kept.aside == [("NOT_TEXT", 1)]


def test_errors_in_cells_of_a_workbook_are_said(tmp_path: Path) -> None:
    book = workbook({"S": [["a", "b"], [1, 2], [3, 4]]})
    broken = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, re.sub(rb"<c([^>]*)><v>4</v>", rb'<c\1 t="e"><v>#REF!</v>', text))
    (tmp_path / "a.xlsx").write_bytes(broken.getvalue())

    profile = profile_file(os.fsencode(tmp_path / "a.xlsx"))

    assert any("1 cell holds an error" in one for one in profile.problems)


def test_a_time_at_midnight_is_a_time_in_a_workbook(tmp_path: Path) -> None:
    rows = [["at"], ["2025-01-02 03:04:05"], ["2025-01-03"], [None]]
    (tmp_path / "a.xlsx").write_bytes(workbook({"S": rows}))
    profile = profile_file(os.fsencode(tmp_path / "a.xlsx"))

    kept = run(draft_source(profile, topic="t", pattern="*").source, tmp_path / "a.xlsx")

    assert [str(row["at"]) for row in kept.rows["t"]] == [
        "2025-01-02 03:04:05", "2025-01-03 00:00:00",
    ]  # fmt: skip
    assert kept.aside == []


def test_a_sheet_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    content = workbook({"Good": [["n"], [1], [2]], "Bad": [["n"], [41], [3]]})
    damaged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"><v>41<", b' t="n"><v> 41<'))
    (tmp_path / "a.xlsx").write_bytes(damaged.getvalue())

    profile = profile_file(os.fsencode(tmp_path / "a.xlsx"))

    assert (profile.part, [column.name for column in profile.columns]) == ("Good", ["n"])
    assert any("'Bad' cannot be read" in problem for problem in profile.problems)


def test_tables_of_databases_and_columnar_files(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE few (x TEXT)")
        database.execute("CREATE TABLE many (id INTEGER, at TEXT)")
        database.executemany("INSERT INTO many VALUES (?, '2024-01-02')", [(n,) for n in range(9)])
    database.close()
    pq.write_table(pa.table({"id": [1, 2], "x": ["a", None]}), tmp_path / "a.parquet")

    base = profile_file(os.fsencode(tmp_path / "a.db"))
    columnar = profile_file(os.fsencode(tmp_path / "a.parquet"))

    assert [one.part for one in base.parts] == ["many", "few"]
    assert types(base) == {"id": "int64", "at": "date"}
    assert types(columnar) == {"id": "int64", "x": "string"}


SHEET = [["id", "n"], [1, 2], [3, 4]]


def test_a_sheet_that_no_file_had_before_is_set_aside_by_name(tmp_path: Path) -> None:
    source = drafted(tmp_path, "a.xlsx", workbook({"Jan": SHEET, "Feb": SHEET}))
    book = {"Jan": SHEET, "Feb": SHEET, "Mar": SHEET, "Empty": []}
    (tmp_path / "b.xlsx").write_bytes(workbook(book))

    kept = run(source, tmp_path / "b.xlsx")

    assert (len(kept.rows["t"]), kept.aside) == (4, [("PART_UNREAD", None)])


def test_a_table_of_sqlite_that_no_file_had_before_is_set_aside(tmp_path: Path) -> None:
    for name, tables in (("a.db", ["one"]), ("b.db", ["one", "two", "none"])):
        with closing(sqlite3.connect(tmp_path / name)) as database, database:
            for table in tables:
                database.execute(f"CREATE TABLE {table} (id INTEGER)")
                if table != "none":
                    database.execute(f"INSERT INTO {table} VALUES (1)")
    source = drafted(tmp_path, "c.db", (tmp_path / "a.db").read_bytes())

    kept = run(source, tmp_path / "b.db")

    assert (len(kept.rows["t"]), kept.aside) == (1, [("PART_UNREAD", None)])


def test_workbooks_of_two_sheets_in_an_archive_are_read_by_the_one_and_the_other_is_said(
    tmp_path: Path,
) -> None:
    book = workbook({"S": SHEET, "T": [["a", "b", "c"], [1, 2, 3]]})
    content = zipped({"x.xlsx": book, "y.xlsx": book})
    source = drafted(tmp_path, "a.zip", content)

    kept = run(source, tmp_path / "a.zip")

    assert (len(kept.rows["t"]), kept.aside) == (4, [("PART_UNREAD", None)] * 2)
    assert "in an archive only S of it is read, not T" in source


def test_an_archive_of_workbooks_and_other_files_is_read(tmp_path: Path) -> None:
    book = workbook({"S": SHEET, "T": [["a", "b", "c"], [1, 2, 3]]})
    single = workbook({"Only": [["x", "y", "z"], [1, 2, 3]]})
    content = zipped({"a.xlsx": book, "b.csv": b"k,v\n1,2\n3,4\n", "c.xlsx": single})
    source = drafted(tmp_path, "a.zip", content)

    kept = run(source, tmp_path / "a.zip")

    assert sum(map(len, kept.rows.values())) == 2 + 2 + 1
    assert kept.aside == [("PART_UNREAD", None)]


def test_formulas_without_a_stored_value_are_said_to_be_missing(tmp_path: Path) -> None:
    book = workbook({"S": [["id", "n"], [1, 5], [2, 6], [3, 7]]})
    with zipfile.ZipFile(io.BytesIO(book)) as before:
        members = {name: before.read(name) for name in before.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = re.sub(rb"<v>6</v></c>", b"<f>B2+1</f><v></v></c>", members[sheet])

    profile = profiled(tmp_path, "a.xlsx", zipped(members))

    assert "1 formula has no stored value, read as missing" in " ".join(profile.problems)

"""Profile files that are tables already, by their own libraries: runs only in a confined child."""

from __future__ import annotations

import os
import re
import sqlite3
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, cast

import pyarrow as pa
from python_calamine import CalamineError

from casparian_flow.reading import tables
from casparian_flow.reading.kinds import SHEET_TIME
from casparian_flow.reading.naming import distinct, header_names
from casparian_flow.reading.sources import Source
from engine.exact_text import shown
from engine.formats import carrying, footers, headers
from engine.formats.elimination import decide, looks_typed
from engine.formats.interface import Argument, ColumnProfile, Profile, Reading
from engine.formats.tabulating import SHOWN_ROWS, columns_of, read_source

_MOST_PARTS = 60
_MOST_SHEET_ROWS = 2_000
_UNSTORED = re.compile(rb"</f>(?:<v ?/>|<v></v>)?</c>")
_MOST_SHEET_BYTES = 64 << 20
_DAY_CHARS = 10
_MOST_TYPED_ROWS = 1_000_000


def serve(question: dict[str, Any]) -> dict[str, object]:
    """The profile of the file whose descriptor comes along."""
    form = str(question["format"])
    file = cast("BinaryIO", os.fdopen(question["fds"][0], "rb"))
    profile = _PROFILERS[form](form, file)
    return carrying.to_plain(profile)


def _source(file: BinaryIO) -> Source:
    file.seek(0)
    return Source(file)


def _columnar(form: str, file: BinaryIO) -> Profile:
    """Parquet, Arrow and ORC say themselves what they hold."""
    reading = Reading("tables", form, {}, is_typed=True)
    read = {"parquet": tables.parquet, "arrow": tables.arrow, "orc": tables.orc}[form]
    first: pa.RecordBatch | None = None
    for batch in read(_source(file)):
        first = batch
        if batch.num_rows:
            break
    if first is None:
        return Profile(format=form, problems=("it holds no batch of rows",), fingerprint=form)
    head = first.slice(0, SHOWN_ROWS)
    columns = tuple(
        ColumnProfile(
            name,
            str(column.type),
            nulls=first.column(name).null_count,
            examples=[str(value)[:200] for value in shown(column.drop_null().slice(0, 3))],
        )
        for name, column in zip(head.schema.names, head.columns, strict=True)
    )
    texts = [shown(column) for column in head.columns]
    rows = tuple(zip(*texts, strict=True))
    names = "|".join(f"{one.name}:{one.type}" for one in columns)
    told = "types are the file's own; values are from its first batch of rows"
    return Profile(
        format=form, columns=columns, rows=rows, problems=(told,), fingerprint=f"{form}|{names}",
        reading=reading,
    )  # fmt: skip


def _sqlite(form: str, file: BinaryIO) -> Profile:
    with tables.open_sqlite(_source(file)) as database:
        names = tables.table_names(database)
        counts = {
            name: int(database.execute(f'SELECT count(*) FROM "{_doubled(name)}"').fetchone()[0])  # noqa: S608 - quoted
            for name in names
        }
        parts: list[Profile] = []
        for name in sorted(names, key=lambda one: -counts[one])[:_MOST_PARTS]:
            reading = Reading("tables", "sqlite", {"table": name})
            found = read_source(reading, _source(file))
            if found.columns:
                columns = _stored(database, name, columns_of(found), found.columns)
                told = _seen_of(counts[name])
                one = _part(form, name, reading, columns, found.shown())
                parts.append(replace(one, problems=told))
    return _together(form, parts, _left_out(names), names)


def _stored(
    database: sqlite3.Connection,
    table: str,
    columns: tuple[ColumnProfile, ...],
    texts: Mapping[str, Sequence[str | None]],
) -> tuple[ColumnProfile, ...]:
    """Columns by how SQLite stores their values, of which any column may mix kinds."""
    cursor = database.execute(f'SELECT * FROM "{_doubled(table)}" LIMIT 0')  # noqa: S608 - quoted
    ranks = ", ".join(
        f"max(CASE typeof(\"{_doubled(name[0])}\") WHEN 'integer' THEN 1 WHEN 'real' THEN 2"
        " WHEN 'null' THEN 0 ELSE 3 END)"
        for name in cursor.description
    )
    rows = f'(SELECT * FROM "{_doubled(table)}" LIMIT {_MOST_TYPED_ROWS})'  # noqa: S608 - quoted
    found = database.execute(f"SELECT {ranks} FROM {rows}").fetchone()  # noqa: S608 - quoted
    return tuple(
        _of_rank(column, rank, texts[column.name])
        for column, rank in zip(columns, found, strict=True)
    )


def _of_rank(column: ColumnProfile, rank: int | None, texts: Sequence[str | None]) -> ColumnProfile:
    """A column that holds text somewhere is text, whatever the first rows look like."""
    kind = {1: "int64", 2: "double", 3: "string"}.get(rank or 0, column.type)
    is_moment = rank == 3 and column.type in ("date", "timestamp")
    if kind == column.type or is_moment or (rank == 3 and column.type == "string"):
        return column
    return replace(
        column, type=kind, candidates=["point"] if kind == "double" else [], ambiguity=None,
        null_words=[], unit=None, nulls=sum(not text for text in texts),
    )  # fmt: skip


def _seen_of(count: int) -> tuple[str, ...]:
    if count <= _MOST_TYPED_ROWS:
        return ()
    return (f"types are those of the first {_MOST_TYPED_ROWS:,} of {count:,} rows",)


def _doubled(name: str) -> str:
    return name.replace('"', '""')


def _left_out(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) <= _MOST_PARTS:
        return ()
    return (f"{len(names) - _MOST_PARTS} smaller tables are not shown",)


def _workbook(form: str, file: BinaryIO) -> Profile:
    names = tables.sheet_names(_source(file))
    parts: list[Profile] = []
    told: list[str] = []
    for name in names[:_MOST_PARTS]:
        try:
            rows = tables.sheet_rows(_source(file), name, _MOST_SHEET_ROWS)
        except CalamineError as error:  # the other sheets may be sound
            told.append(f"sheet {name!r} cannot be read: {error}")
            continue
        part = _sheet(form, file, name, rows, is_only=len(names) == 1)
        if part is None:
            told.append(f"sheet {name!r} holds no table")
        else:
            parts.append(part)
    parts.sort(key=lambda one: -len(one.rows))
    return _together(form, parts, (*told, *_errors_in(file), *_left_out(names)), names)


def _errors_in(file: BinaryIO) -> list[str]:
    """What is said of cells that hold an error: the library gives them as empty ones."""
    file.seek(0)
    if not zipfile.is_zipfile(file):
        return []
    errors = formulas = 0
    with zipfile.ZipFile(file) as book:
        for sheet in book.namelist():
            if re.fullmatch(r"xl/worksheets/[^/]+\.xml", sheet):
                with book.open(sheet) as part:
                    content = part.read(_MOST_SHEET_BYTES)
                errors += content.count(b' t="e"')
                formulas += len(_UNSTORED.findall(content))
    told: list[str] = []
    if errors:
        what = "cell holds an error" if errors == 1 else "cells hold errors"
        told.append(f"{errors:,} {what} (as #DIV/0! is one) and read as missing: have it mended")
    if formulas:
        what = "formula has" if formulas == 1 else "formulas have"
        told.append(f"{formulas:,} {what} no stored value, read as missing: save it in a"
                    " spreadsheet program once")  # fmt: skip
    return told


def _sheet(
    form: str, file: BinaryIO, name: str, rows: list[list[str]], *, is_only: bool
) -> Profile | None:
    width = max((_filled(row) for row in rows), default=0)
    if width == 0:
        return None
    skip = next((n for n, row in enumerate(rows) if _is_of_table(rows, n, row, width)), 0)
    header = _header_rows(rows[skip:])
    if not header:  # a row with one value is as much a record as those below it
        skip = next((n for n in range(skip) if any(map(looks_typed, rows[n]))), skip)
    names = header_names(rows[skip : skip + header]) if header else distinct([""] * width)
    arguments: dict[str, Argument] = {} if is_only else {"sheet": name}
    if skip:
        arguments["skip"] = skip
    arguments["header"] = header
    if not header:
        arguments["names"] = names
    has_end = len(rows) < _MOST_SHEET_ROWS
    footer, ending = _footer(rows[skip + header :], width) if has_end else ("", [])
    if footer:
        arguments["footer"] = footer
    reading = Reading("tables", "workbook", arguments, packages=("python-calamine",))
    found = read_source(reading, _source(file))
    columns = tuple(_with_midnights(one, found.columns[one.name]) for one in columns_of(found))
    one = _part(form, name, reading, columns, found.shown())
    notes = [f"{skip} rows above the table are passed over"] if skip else []
    notes += [f"the header takes {header} rows; their cells are joined"] if header > 1 else []
    if header:
        notes += headers.doubts(rows[skip], found.columns.values(), found.rows)
    return replace(one, header=header > 0, problems=(*notes, *ending))


def _footer(body: Sequence[Sequence[str]], width: int) -> tuple[str, list[str]]:
    """A pattern of the total that ends a sheet."""
    filled = [row for row in body if any(row)]
    if len(filled) < 3:
        return "", []
    return footers.footer_of(
        "\t".join(filled[-1]), filled[-1], filled[:-1], delimiter="\t", least=width,
        is_whole=True,
    )  # fmt: skip


def _with_midnights(column: ColumnProfile, texts: Sequence[str | None]) -> ColumnProfile:
    """A column of times: of those at midnight a workbook keeps the day alone."""
    if column.type not in ("string", "timestamp"):
        return column
    texts = [text for text in texts if text]
    times = [text for text in texts if len(text) > _DAY_CHARS]
    days = [text for text in texts if len(text) == _DAY_CHARS]
    if not times or not all(
        decide(part).candidates in (["iso"], ["%Y-%m-%d"]) for part in (times, days) if part
    ):
        return column
    return replace(column, type="timestamp", candidates=[SHEET_TIME], ambiguity=None, null_words=[])


def _filled(row: Sequence[str]) -> int:
    return next((n for n in range(len(row), 0, -1) if row[n - 1]), 0)


def _is_of_table(
    rows: Sequence[Sequence[str]], number: int, row: Sequence[str], width: int
) -> bool:
    """Whether a row fills more than a title does; else the table begins below."""
    filled = sum(map(bool, row))
    later = [sum(map(bool, other)) for other in rows[number + 1 : number + 6]]
    return filled > 1 or (filled == 1 and (width == 1 or not any(one > 1 for one in later)))


def _header_rows(rows: Sequence[Sequence[str]]) -> int:
    """Rows at the top that name columns: none typed, above some that are."""
    body = rows[1:]
    if not rows or any(looks_typed(cell) for cell in rows[0] if not _is_year(cell)):
        return 0
    if not body:
        return 1
    count = 1
    has_gap = any(not cell for cell in rows[0][: _filled(rows[1])])
    while has_gap and count < min(3, len(rows) - 1) and not any(map(looks_typed, rows[count])):
        typed = any(looks_typed(cell) for cell in rows[count + 1])
        count += 1
        if typed:
            return count
    first = [cell for cell in rows[0] if cell]
    below = {cell for row in body[:500] for cell in row}
    repeats = sum(cell in below for cell in first)
    typed_below = any(looks_typed(cell) for row in body[:50] for cell in row)
    return 1 if typed_below or repeats <= len(first) // 2 else 0


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isdecimal() and "1900" <= cell <= "2100"


def _part(
    form: str,
    name: str,
    reading: Reading,
    columns: tuple[ColumnProfile, ...],
    rows: tuple[tuple[str | None, ...], ...],
) -> Profile:
    names = "|".join(column.name for column in columns)
    return Profile(
        format=form, columns=columns, rows=rows, fingerprint=f"{form}|{names}", reading=reading,
        part=name,
    )  # fmt: skip


def _together(
    form: str, parts: list[Profile], told: tuple[str, ...], names: Sequence[str]
) -> Profile:
    """A file of its tables: the first stands for it where there are more; `names`: of all."""
    if not parts:
        return Profile(format=form, problems=(*told, "it holds no table"), fingerprint=form)
    first = parts[0]
    if len(parts) > 1:
        told = (f"{len(parts)} tables: {', '.join(str(one.part) for one in parts[:20])}", *told)
    shape = "||".join(sorted(one.fingerprint for one in parts))
    return replace(
        first,
        problems=(*told, *first.problems),
        fingerprint=shape,
        others=tuple(name for name in names if name not in {one.part for one in parts}),
        parts=tuple(parts) if len(parts) > 1 else (),
    )


_PROFILERS: dict[str, Callable[[str, BinaryIO], Profile]] = {
    "parquet": _columnar,
    "arrow": _columnar,
    "orc": _columnar,
    "sqlite": _sqlite,
    "xlsx": _workbook,
    "xls": _workbook,
    "ods": _workbook,
}

"""Read files that are tables already: Parquet, Arrow, ORC, SQLite, workbooks, binary records."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import struct
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.ipc

from casparian_flow.reading.blocks import Block, Fault, Place, Record, empty, from_records
from casparian_flow.reading.naming import distinct, header_names
from casparian_flow.reading.sources import Source, seekable

_ROWS = 65_536
_MOST_FOOTER_ROWS = 20
_IN_MEMORY_BYTES = 256 << 20
_LOST = re.compile("[\udc80-\udcff]")
"""What stands for bytes that are no text."""


def parquet(source: Source) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a Parquet file, as they are typed there."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.PythonFile(seekable(source.stream, source.packing), "r"))
    for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
        yield _named(batch)


def arrow(source: Source) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file (Feather) or stream, as they are typed there."""
    file = seekable(source.stream, source.packing)
    if file.read(6) == b"ARROW1":
        reader = pyarrow.ipc.open_file(pa.PythonFile(file, "r"))
        batches: Iterable[pa.RecordBatch] = (
            reader.get_batch(number) for number in range(reader.num_record_batches)
        )
    else:
        file.seek(0)
        batches = pyarrow.ipc.open_stream(pa.PythonFile(file, "r"))
    for batch in batches:
        yield _named(batch)


def orc(source: Source) -> Iterator[pa.RecordBatch]:
    """Yield the stripes of an ORC file, as they are typed there."""
    from pyarrow import orc as orcs

    file = orcs.ORCFile(pa.PythonFile(seekable(source.stream, source.packing), "r"))
    for number in range(file.nstripes):
        yield _named(file.read_stripe(number))


_SQLITE = b"SQLite format 3\0"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def _named(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With distinct names that the host does not use itself."""
    return batch.rename_columns(distinct(batch.schema.names))


def sqlite(source: Source, *, table: str) -> Iterator[Block]:
    """Yield the rows of a table of a SQLite file, blobs in hexadecimal."""
    with open_sqlite(source) as database:
        quoted = '"' + table.replace('"', '""') + '"'
        cursor = database.execute(f"SELECT * FROM {quoted}")  # noqa: S608 - quoted
        names = distinct([str(column[0]) for column in cursor.description])
        yield empty(names)
        yield from from_records(_fetched(cursor, names), has_all=True)


def other_tables(source: Source, known: Collection[str]) -> Iterator[str]:
    """Yield the tables of a SQLite file that are none of these and hold rows."""
    file = seekable(source.stream, source.packing)
    if not _begins(file, _SQLITE):
        return
    with open_sqlite(replace(source, stream=file)) as database:
        for name in table_names(database):
            quoted = '"' + name.replace('"', '""') + '"'
            found = f"SELECT 1 FROM {quoted} LIMIT 1"  # noqa: S608 - quoted
            if name not in known and database.execute(found).fetchone():
                yield name


def table_names(database: sqlite3.Connection) -> list[str]:
    """The tables of a SQLite file that are not its own."""
    rows = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [str(row[0]) for row in rows]


def _begins(file: BinaryIO, *marks: bytes) -> bool:
    """Whether a file begins with one of these; it stands at its beginning afterwards."""
    head = file.read(max(map(len, marks)))
    file.seek(0)
    return head.startswith(marks)


def _fetched(cursor: Iterable[Sequence[object]], names: Sequence[str]) -> Iterator[Record | Fault]:
    for number, row in enumerate(cursor, 1):
        cells = [_plain(value) for value in row]
        raw = "\t".join(cell or "" for cell in cells)
        if not raw.isascii() and _LOST.search(raw):
            column = next(
                n for n, cell in zip(names, cells, strict=True) if _LOST.search(cell or "")
            )
            shown = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            place = Place(number, None, None, shown)
            yield Fault(place, "NOT_TEXT", f"{column} holds text that is not UTF-8", column)
            continue
        yield Record(Place(number, None, None, raw), dict(zip(names, cells, strict=True)))


def open_sqlite(source: Source) -> closing[sqlite3.Connection]:
    """A SQLite file, read only: in memory if it is small, else from its path or a copy of it.

    Behind the wall a small input has no path that SQLite would follow.
    """
    head = source.stream.read(_IN_MEMORY_BYTES + 1)
    if len(head) <= _IN_MEMORY_BYTES:
        database = sqlite3.connect(":memory:")
        database.deserialize(_without_log(head))
    else:
        path = str(getattr(source.stream, "name", ""))
        if source.packing or not path or path.isdecimal():
            path = _copied(head, source)
        escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        database = sqlite3.connect(f"file:{escaped}?mode=ro&immutable=1", uri=True)
    database.execute("PRAGMA query_only = ON")
    database.text_factory = _decoded
    return closing(database)


def _without_log(content: bytes) -> bytes:
    """The file as one without a write-ahead log, which a database in memory cannot have."""
    return content if content[18:20] != b"\x02\x02" else content[:18] + b"\x01\x01" + content[20:]


def _copied(head: bytes, source: Source) -> str:
    with tempfile.NamedTemporaryFile(suffix=".db", delete=False) as copy:
        copy.write(head)
        while piece := source.stream.read(1 << 20):
            copy.write(piece)
    return copy.name


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _plain(value: object) -> str | None:
    match value:
        case None:
            return None
        case bytes():
            return value.hex()
        case float():
            return repr(value)
        case _:
            return str(value)


def workbook(
    source: Source,
    *,
    sheet: str | None = None,
    skip: int = 0,
    header: int = 1,
    names: Sequence[str] = (),
    footer: str = "",
) -> Iterator[Block]:
    """Yield the rows of a sheet of an Excel or OpenDocument workbook; `_line` is its row.

    Args:
        source: What to read.
        sheet: The sheet's name; may be left out of a workbook that has one sheet.
        skip: Rows above the table.
        header: Rows that name the columns, merged cells filled rightwards; 0 for none.
        names: The columns' names where there is no header.
        footer: A pattern of rows at the end that are no records, their cells between tabs.
    """
    rows = sheet_rows(source, sheet)
    count = _cut_footer(rows, footer) if footer else 0
    above = sum(any(row) for row in rows[:skip])
    rows = rows[skip:]
    columns = header_names(rows[:header]) if header else list(names)
    start = empty(columns)
    passed = {"above the table": above, "footer": count}
    start.skipped.update({reason: rows for reason, rows in passed.items() if rows})
    yield start
    yield from from_records(_cells(rows, columns, skip, header), has_all=True)


def _cut_footer(rows: list[list[str]], footer: str) -> int:
    """Take rows off the end that a pattern matches, and blank ones; how many it matches."""
    count = 0
    while rows and count < _MOST_FOOTER_ROWS:
        if any(rows[-1]):
            if not re.search(footer, "\t".join(rows[-1])):
                break
            count += 1
        rows.pop()
    return count


def _cells(
    rows: Sequence[Sequence[str]], columns: Sequence[str], skip: int, header: int
) -> Iterator[Record | Fault]:
    for number, row in enumerate(rows[header:], skip + header + 1):
        cells = [*row[: len(columns)], *[""] * (len(columns) - len(row))]
        place = Place(number, None, None, "\t".join(row))
        if any(row[len(columns) :]):
            reason = f"{len(row)} cells instead of {len(columns)}"
            yield Fault(place, "FIELD_COUNT", reason)
        elif any(cells):
            yield Record(place, dict(zip(columns, cells, strict=True)))


def other_sheets(source: Source, known: Collection[str]) -> Iterator[str]:
    """Yield the sheets of a workbook that are none of these and hold cells."""
    from python_calamine import CalamineWorkbook

    file = seekable(source.stream, source.packing)
    if not _begins(file, *_WORKBOOKS):
        return
    book = CalamineWorkbook.from_filelike(file)
    for name in book.sheet_names:
        if name not in known and book.get_sheet_by_name(name).to_python(nrows=1):
            yield name


def sheet_names(source: Source) -> list[str]:
    """The sheets of a workbook."""
    from python_calamine import CalamineWorkbook

    file = seekable(source.stream, source.packing)
    return list(CalamineWorkbook.from_filelike(file).sheet_names)


def sheet_rows(source: Source, sheet: str | None, most: int | None = None) -> list[list[str]]:
    """The rows of a sheet from its first row and column on, as text.

    Raises:
        ValueError: no sheet is named, and the workbook has not exactly one.
    """
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(seekable(source.stream, source.packing))
    names = book.sheet_names
    if sheet is None and len(names) != 1:
        raise ValueError(f"the workbook has {len(names)} sheets; name one of {names[:20]}")
    found = book.get_sheet_by_name(names[0] if sheet is None else sheet)
    rows = found.to_python(skip_empty_area=False, nrows=most)
    return [[cell_text(cell) for cell in row] for row in rows]


def cell_text(value: object) -> str:  # noqa: PLR0911 - one return per kind reads best
    """A cell as text that loses nothing: whole numbers without a point, dates as ISO 8601."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        case dt.datetime():
            return value.isoformat(sep=" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return str(value)
        case _:
            return str(value)


def binary(
    source: Source, *, layout: str, names: Sequence[str], skip: int = 0
) -> Iterator[pa.RecordBatch]:
    """Yield records of a fixed size, as Python's `struct` describes them.

    Raises:
        ValueError: the last record is cut off.
    """
    record = struct.Struct(layout)
    source.stream.read(skip)
    while piece := _exactly(source, record.size * _ROWS):
        whole = len(piece) - len(piece) % record.size
        rows = list(record.iter_unpack(piece[:whole]))
        columns = [
            _column(list(column), code)
            for column, code in zip(zip(*rows, strict=True), _codes(layout), strict=True)
        ]
        if rows:
            yield pa.RecordBatch.from_arrays(columns, names=list(names))
        if whole < len(piece):
            left = len(piece) - whole
            raise ValueError(f"the last record has {left} bytes instead of {record.size}")


def _exactly(source: Source, count: int) -> bytes:
    pieces: list[bytes] = []
    while count and (piece := source.stream.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _codes(layout: str) -> list[str]:
    """The code of each value that a layout gives: `<2HQ4s` gives H, H, Q and s."""
    codes: list[str] = []
    for count, code in re.findall(r"(\d*)([?a-zA-Z])", layout):
        if code != "x":
            codes += [code] * (1 if code in "sp" else int(count or 1))
    return codes


def _column(values: list[object], code: str) -> pa.Array:
    if values and isinstance(values[0], bytes):
        texts = [cast("bytes", value).rstrip(b"\x00").decode("latin-1") for value in values]
        return pa.array(texts, pa.string())
    # Python's numbers are int64 by themselves, which the largest of these are not.
    return pa.array(values, pa.uint64() if code in "QNP" else None)

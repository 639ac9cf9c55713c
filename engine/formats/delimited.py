"""Recognise delimited text: delimiter, quotes, preamble, header, footer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from casparian_flow.reading.naming import distinct, header_names, named_above
from casparian_flow.reading.splitting import WEAK
from engine.formats import footers, headers
from engine.formats.dialects import (
    SAMPLE_ROWS,
    Dialected,
    best_of,
    rows_in,
    with_rows_above,
)
from engine.formats.elimination import looks_typed
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of, tabulate

_ENDINGS = (".csv", ".tsv", ".tab", ".psv")


def recognise(sample: Sample) -> Profile | None:
    """The profile of delimited text; None if no dialect makes a table of it."""
    named = sample.name.lower().split("::")[-1].endswith(_ENDINGS)
    best = best_of(sample, is_named=named)
    if best is None:
        return None
    header, names, notes = _header(best, is_named=named)
    commented = _named_in_comments(sample, best, header)
    if commented:
        header, names = 0, commented
        shown = ", ".join(names[:6])
        notes = [f"names are taken from a comment ({shown}), and the first row for a record"]
    best = best if header else with_rows_above(best)
    footer, told = _footer(sample, best, header)
    arguments = _arguments(sample, best, header, footer)
    reading = Reading("delimited", "read", arguments | ({"commented": True} if commented else {}))
    found = tabulate(reading, sample.content)
    if not best.unnamed and not header and list(found.columns) != list(names):
        reading = replace(reading, arguments=arguments | {"names": list(names)})
        found = tabulate(reading, sample.content)
    if not header and not commented:
        notes.append("no header row: columns are numbered; rename them in `names` and COLUMNS")
    elif header:
        notes += headers.doubts(best.rows[0].cells, found.columns.values(), found.rows)
    comma = best.dialect.delimiter == ";"
    form = "tsv" if best.dialect.delimiter == "\t" else "csv"
    return profile_of(
        form, reading, sample, header=header > 0,
        problems=[*notes, *_passed_over(sample, best, arguments), *told],
        shape=f"{best.dialect.delimiter!r}|{'|'.join(names)}", found=found, comma_is_likely=comma,
    )  # fmt: skip


def _passed_over(
    sample: Sample, best: Dialected, arguments: Mapping[str, Argument]
) -> Iterator[str]:
    """What is said of text that is no record, or less than one."""
    if best.least:
        yield "records with fewer fields than the header are filled up at their end (`least`)"
    if best.dialect.comment:
        mark, number = best.dialect.comment, _commented_record(sample, best)
        like = f"; line {number} has as many cells as a record" if number else ""
        yield f"lines that begin with {mark!r} are passed over as comments{like}"
    spread = _spread_record(sample, best)
    if spread:
        yield (
            f"the record of line {spread} has a cell of several lines, each divided like a record:"
            " one cell, or records with quotes that are none"
        )
    count = arguments.get("skip", 0)
    if count:
        lines = "1 line above the table is" if count == 1 else f"{count} lines above the table are"
        valued = [row for row in best.above if _begins_with_value(row.cells)]
        like = f"; line {valued[0].line} begins with a value, as records do" if valued else ""
        yield f"{lines} passed over{like}"
    if "\x00" in sample.text:
        yield "NUL characters in the text"


def _commented_record(sample: Sample, best: Dialected) -> int:
    """The first line below a header that begins like a comment and is divided like a record."""
    mark, delimiter = best.dialect.comment, best.dialect.delimiter
    if delimiter in WEAK:
        return 0
    first = best.rows[0].line
    for number, line in enumerate(sample.text.split("\n")[:SAMPLE_ROWS], 1):
        if number > first and line.startswith(mark) and line.count(delimiter) == best.width - 1:
            return number
    return 0


def _spread_record(sample: Sample, best: Dialected) -> int:
    """The line of the first record whose lines are all divided like records; 0 if none is."""
    delimiter = best.dialect.delimiter
    lines = sample.text.split("\n")
    for row in best.rows:
        within = lines[row.line - 1 : row.end]
        if len(within) > 1 and all(one.count(delimiter) == best.width - 1 for one in within):
            return row.line
    return 0


def _begins_with_value(cells: Sequence[str]) -> bool:
    return sum(bool(cell.strip()) for cell in cells) > 1 and looks_typed(cells[0].strip())


def _arguments(sample: Sample, best: Dialected, header: int, footer: str) -> dict[str, Argument]:
    """What the reader is told; what is as usual is left out."""
    dialect = best.dialect
    encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    arguments: dict[str, Argument] = {"encoding": encoding, "delimiter": dialect.delimiter}
    if dialect.quote != '"':
        arguments["quote"] = dialect.quote
    for key in ("escape", "comment", "padded"):
        if getattr(dialect, key):
            arguments[key] = getattr(dialect, key)
    skip = best.rows[0].line - 1
    if dialect.comment:
        skip = 0 if _only_comments(sample, skip, dialect.comment) else skip
    if skip:
        arguments["skip"] = skip
    arguments["header"] = header
    if best.least:
        arguments["least"] = best.least
    if best.unnamed:
        arguments["unnamed"] = best.unnamed
    if footer:
        arguments["footer"] = footer
    if sample.newline == "\r":
        arguments["newline"] = "\r"
    return arguments


def _named_in_comments(sample: Sample, one: Dialected, header: int) -> list[str]:
    """The columns' names, where a comment above a table without a header has them."""
    mark, delimiter = one.dialect.comment, one.dialect.delimiter
    body = [row.cells for row in one.rows[1:500] if len(row.cells) == one.width]
    if not mark or (header and headers.is_proven(one.rows[0].cells, zip(*body, strict=True))):
        return []
    above = sample.text.split("\n", one.rows[0].line - 1)[: one.rows[0].line - 1]
    comments = [line for line in above if line.startswith(mark)]
    return distinct(named_above(comments, mark, delimiter, one.width))


def _only_comments(sample: Sample, count: int, comment: str) -> bool:
    lines = sample.text.split("\n", count)[:count]
    return all(not line.strip() or line.startswith(comment) for line in lines)


def _header(one: Dialected, *, is_named: bool) -> tuple[int, list[str], list[str]]:
    """How many rows name the columns, the names, and what is odd about them."""
    if one.unnamed:
        cells = [["", *one.rows[0].cells], [*one.rows[0].cells, ""]][one.unnamed == "last"]
        why = "the header has one cell fewer than the rows: the"
        return 1, header_names([cells]), [f"{why} {one.unnamed} column is the one without a name"]
    body = [row.cells for row in one.rows[1:] if len(row.cells) == one.width]
    first = [cell.strip() for cell in one.rows[0].cells]
    is_list = one.width == 1 and not is_named  # lists of words have no header, tables do
    if (is_list and not headers.is_proven(first, zip(*body, strict=True))) or (
        not headers.names_columns(first, body, one.width)
    ):
        return 0, distinct([""] * one.width), []
    rows = 1 + headers.further_rows(body)
    cells = [row.cells for row in one.rows[:rows]]
    names = header_names(cells)
    told: list[str] = []
    if len({name.lower() for name in first if name}) < sum(bool(name) for name in first):
        told.append("column names repeat; the later ones carry a number")
    if not all(first) and rows == 1:
        told.append("columns without a name carry their number")
    if rows > 1:
        told.append(f"the header takes {rows} rows; their cells are joined")
    return rows, names, told


def _footer(sample: Sample, one: Dialected, header: int) -> tuple[str, list[str]]:
    """A pattern of the lines at the end that are no records, and what is said of them."""
    line = sample.text.rstrip("\n").rpartition("\n")[2]
    ending = rows_in(line, one.dialect)
    rows = one.rows[header:]
    if len(rows) < 3 or not ending:
        return "", []
    is_whole = sample.is_whole and len(one.rows) < SAMPLE_ROWS
    before = [row.cells for row in (rows[:-1] if len(one.rows) < SAMPLE_ROWS else rows)]
    return footers.footer_of(
        line, ending[-1].cells, before, delimiter=one.dialect.delimiter,
        least=one.least or one.width, is_whole=is_whole,
    )  # fmt: skip

"""Read the tables of an HTML page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.lines import MARK, MARKED, not_text
from casparian_flow.reading.naming import header_names
from casparian_flow.reading.sources import Source

_CELLS = ("td", "th")
_MOST_SPAN, _MOST_SPANNED = 1000, 1_000_000
_PIECE = 1 << 18


@dataclass
class Table:
    """One table: rows of cells with the line each begins on."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])
    header_rows: int = 0
    """Rows at the top that only hold `<th>`."""
    is_cut: bool = False
    """Whether the page ended inside it, so that its last row may lack something."""


def read(
    source: Source, *, table: int = 1, header: int = 1, encoding: str = "utf-8"
) -> Iterator[Block]:
    """Yield the rows of one table of the page.

    Args:
        source: What to read.
        table: Which, counted from 1; tables of a single column or row do not count.
        header: Rows that name the columns.
        encoding: The source's encoding.
    """
    return from_records(_records(source, table, header, encoding), has_all=True)


def _records(source: Source, table: int, header: int, encoding: str) -> Iterator[Record | Fault]:
    found = tables(source, encoding)
    if table > len(found):
        reason = f"the page has {len(found)} tables, not {table}"
        yield Fault(Place(None, None, None, ""), "NO_TABLE", reason)
        return
    rows = found[table - 1].rows
    cut_row = len(rows) - 1 if found[table - 1].is_cut else None
    width = max(len(cells) for _, cells in rows)
    names = header_names([cells for _, cells in rows[:header]] or [[""] * width])
    for number, (line, cells) in enumerate(rows[header:], header):
        place = Place(line, None, None, "\t".join(cells))
        if number == cut_row:
            yield Fault(place, "CUT_OFF", "the page ends inside the table")
        elif MARK in place.raw:
            yield not_text(place, encoding)
        elif len(cells) != len(names):
            reason = f"{len(cells)} cells instead of {len(names)}"
            yield Fault(place, "FIELD_COUNT", reason)
        else:
            yield Record(place, dict(zip(names, cells, strict=True)))


def tables(source: Source, encoding: str) -> list[Table]:
    """The tables of a page that have at least two rows and two columns."""
    page = _Page()
    text = io.TextIOWrapper(source.stream, encoding, errors=MARKED)
    while piece := text.read(_PIECE):
        page.feed(piece)
    page.close()
    text.detach()
    return [
        one for one in page.tables if len(one.rows) > 1 and max(len(r) for _, r in one.rows) > 1
    ]


class _Page(HTMLParser):
    """Collects tables; one inside another is apart from it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[Table] = []
        self._open: list[_Open] = []
        self._silent = 0

    def close(self) -> None:
        """Keep what a page that was cut off leaves open."""
        super().close()
        while self._open:
            now = self._open.pop()
            now.table.is_cut = now.is_in_row
            now.end_row()
            self.tables.append(now.table)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin what the tag begins."""
        if tag in ("script", "style"):
            self._silent += 1
        if tag == "table":
            self._open.append(_Open())
        elif self._open:
            now = self._open[-1]
            if tag == "tr":
                now.end_row()
                now.begin_row(self.getpos()[0])
            elif tag in _CELLS:
                now.begin_cell(self.getpos()[0], tag, dict(attrs))
            elif tag in ("br", "p", "li", "div"):
                now.text(" ")

    def handle_endtag(self, tag: str) -> None:
        """End what the tag ends."""
        if tag in ("script", "style"):
            self._silent = max(0, self._silent - 1)
        if not self._open:
            return
        if tag == "table":
            now = self._open.pop()
            now.end_row()
            self.tables.append(now.table)
        elif tag in _CELLS:
            self._open[-1].end_cell()
        elif tag == "tr":
            self._open[-1].end_row()

    def handle_data(self, data: str) -> None:
        """Add to the cell that is open."""
        if self._open and not self._silent:
            self._open[-1].text(data)


@dataclass
class _Open:
    """A table that is being read."""

    table: Table = field(default_factory=Table)
    _row: list[str] | None = None
    _line: int = 0
    _cell: list[str] | None = None
    _span: tuple[int, int] = (1, 1)
    _hanging: dict[int, tuple[int, str]] = field(default_factory=dict[int, tuple[int, str]])
    """Column → rows that a cell above still reaches into, and its text."""
    _heads: int = 0
    _budget: int = _MOST_SPANNED

    @property
    def is_in_row(self) -> bool:
        return self._row is not None

    def begin_row(self, line: int) -> None:
        self._row, self._line, self._heads = [], line, 0

    def begin_cell(self, line: int, tag: str, attributes: dict[str, str | None]) -> None:
        self.end_cell()
        if self._row is None:
            self.begin_row(line)
        self._cell = []
        self._heads += tag == "th"
        self._span = (_span(attributes, "colspan"), _span(attributes, "rowspan"))

    def text(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def end_cell(self) -> None:
        if self._cell is None or self._row is None:
            return
        text = " ".join("".join(self._cell).split())
        self._cell = None
        self._take_hanging()
        columns, rows = self._span
        self._budget -= columns * rows
        if self._budget < 0:
            columns, rows = 1, 1  # spans that no honest page has
        for _ in range(columns):
            if rows > 1:
                self._hanging[len(self._row)] = (rows - 1, text)
            self._row.append(text)

    def end_row(self) -> None:
        self.end_cell()
        if self._row is None:
            return
        self._take_hanging()
        row, self._row = self._row, None
        if not row:
            return
        rows = self.table.rows
        if self._heads and len(rows) == self.table.header_rows and self._heads >= len(row) - 1:
            self.table.header_rows += 1
        rows.append((self._line, row))

    def _take_hanging(self) -> None:
        while self._row is not None and len(self._row) in self._hanging:
            column = len(self._row)
            left, text = self._hanging.pop(column)
            if left > 1:
                self._hanging[column] = (left - 1, text)
            self._row.append(text)


def _span(attributes: dict[str, str | None], name: str) -> int:
    text = attributes.get(name) or "1"
    return min(int(text), _MOST_SPAN) if text.isdecimal() and int(text) else 1

"""Read the tables of an HTML page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from casparian_flow.reading.blocks import Block, Fault, Passed, Place, Record, from_records
from casparian_flow.reading.lines import MARK, MARKED, not_text
from casparian_flow.reading.naming import header_names
from casparian_flow.reading.sources import Source

_CELLS = ("td", "th")
_INLINE = ("span", "small", "sup", "sub", "b", "i", "em", "strong", "font", "a", "label")
"""Elements within a cell that are left out where they are hidden; rows that are folded away are
data."""
_MOST_SPAN, _MOST_SPANNED = 1000, 1_000_000
_PIECE = 1 << 18


@dataclass
class Table:
    """One table: rows of cells with the line each begins on."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])
    header_rows: int = 0
    """Rows at the top that only hold `<th>`, and empty cells."""
    passed: dict[int, str] = field(default_factory=dict[int, str])
    """Row, counted from 0 → why it is no record: it is the foot of the table."""
    is_cut: bool = False
    """Whether the page ended inside it, so that its last row may lack something."""


def read(
    source: Source,
    *,
    table: int = 1,
    header: int = 1,
    names: Sequence[str] = (),
    encoding: str = "utf-8",
) -> Iterator[Block]:
    """Yield the rows of one table of the page.

    Args:
        source: What to read.
        table: Which, counted from 1; tables of a single column or row do not count.
        header: Rows that name the columns; one of a single cell over all of them is a title.
        names: The columns' names where there is no header.
        encoding: The source's encoding.
    """
    return from_records(_records(source, table, header, names, encoding), has_all=True)


def _records(
    source: Source, table: int, header: int, given: Sequence[str], encoding: str
) -> Iterator[Record | Fault | Passed]:
    found = tables(source, encoding)
    if table > len(found):
        reason = f"the page has {len(found)} tables, not {table}"
        yield Fault(Place(None, None, None, ""), "NO_TABLE", reason)
        return
    one = found[table - 1]
    rows = one.rows
    cut_row = len(rows) - 1 if one.is_cut else None
    names = list(given) if given and not header else column_names(one, header)
    for number, (line, cells) in enumerate(rows[header:], header):
        place = Place(line, None, None, "\t".join(cells))
        if header and cells == rows[header - 1][1]:
            yield Passed("the header again")
        elif number in one.passed:
            yield Passed(one.passed[number])
        elif number == cut_row:
            yield Fault(place, "CUT_OFF", "the page ends inside the table")
        elif MARK in place.raw:
            yield not_text(place, encoding)
        elif len(cells) != len(names):
            reason = f"{len(cells)} cells instead of {len(names)}"
            yield Fault(place, "FIELD_COUNT", reason)
        else:
            yield Record(place, dict(zip(names, cells, strict=True)))


def column_names(table: Table, header: int) -> list[str]:
    """The names that the header's rows give, without titles over all columns; or places."""
    width = max(len(cells) for _, cells in table.rows)
    rows = [cells for _, cells in table.rows[:header]]
    naming = [cells for cells in rows if len(set(cells)) > 1] or rows
    return header_names(naming or [[""] * width])


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
        self._hidden: int | None = None
        """How deep we are in an element that no reader of the page sees; None outside of any."""
        self._hidden_tag = ""

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
        self._see_again(tag)
        if self._hidden is not None:
            self._hidden += tag == self._hidden_tag
        elif tag in ("script", "style") or (tag in _INLINE and _is_hidden(attrs)):
            self._hidden, self._hidden_tag = 1, tag
        if tag == "table":
            self._open.append(_Open())
        elif self._open:
            now = self._open[-1]
            if tag in ("tfoot", "tbody", "thead"):
                now.end_row()
                now.is_foot = tag == "tfoot"
            elif tag == "tr":
                now.end_row()
                now.begin_row(self.getpos()[0])
            elif tag in _CELLS:
                now.begin_cell(self.getpos()[0], tag, dict(attrs))
            elif tag in ("br", "p", "li", "div"):
                now.text(" ")

    def handle_endtag(self, tag: str) -> None:
        """End what the tag ends."""
        self._see_again(tag)
        if self._hidden is not None and tag == self._hidden_tag:
            self._hidden = self._hidden - 1 or None
        if not self._open:
            return
        if tag == "tfoot":
            self._open[-1].end_row()
            self._open[-1].is_foot = False
        elif tag == "table":
            now = self._open.pop()
            now.end_row()
            self.tables.append(now.table)
        elif tag in _CELLS:
            self._open[-1].end_cell()
        elif tag == "tr":
            self._open[-1].end_row()

    def _see_again(self, tag: str) -> None:
        """What hides text within a cell ends with the cell, whether it is closed or not."""
        if tag in (*_CELLS, "tr", "table") and self._hidden_tag in _INLINE:
            self._hidden = None

    def handle_data(self, data: str) -> None:
        """Add to the cell that is open."""
        if self._open and self._hidden is None:
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
    _bodies: int = 0
    """Cells of the row that hold something and are no `<th>`."""
    _cells: int = 0
    _is_head: bool = False
    _begins_with_head: bool = False
    _has_names: bool = False
    """Whether a row had cells that differ: then one over all columns is no title any more."""
    is_foot: bool = False
    _budget: int = _MOST_SPANNED

    @property
    def is_in_row(self) -> bool:
        return self._row is not None

    def begin_row(self, line: int) -> None:
        self._row, self._line = [], line
        self._heads = self._bodies = self._cells = 0

    def begin_cell(self, line: int, tag: str, attributes: dict[str, str | None]) -> None:
        self.end_cell()
        if self._row is None:
            self.begin_row(line)
        self._cell = []
        self._is_head = tag == "th"
        if not self._cells:
            self._begins_with_head = self._is_head
        self._cells += 1
        self._heads += self._is_head
        self._span = (_span(attributes, "colspan"), _span(attributes, "rowspan"))

    def text(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def end_cell(self) -> None:
        if self._cell is None or self._row is None:
            return
        text = " ".join("".join(self._cell).split())
        self._cell = None
        self._bodies += bool(text) and not self._is_head
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
        is_header = self._names_columns(row)
        if is_header and len(rows) == self.table.header_rows:
            self.table.header_rows += 1
        elif self.is_foot:
            self.table.passed[len(rows)] = "the foot of the table"
        rows.append((self._line, row))
        self._has_names |= len(set(row)) > 1

    def _names_columns(self, row: Sequence[str]) -> bool:
        """Whether a row is of `<th>` alone, but for an empty corner before them."""
        lacking = self._cells - self._heads
        is_of_heads = not lacking or (lacking == 1 and not self._begins_with_head)
        if not self._heads or self._bodies or not is_of_heads:
            return False
        is_group = self._has_names and self._cells == 1 and len(row) > 1  # of the rows below
        return not is_group

    def _take_hanging(self) -> None:
        while self._row is not None and len(self._row) in self._hanging:
            column = len(self._row)
            left, text = self._hanging.pop(column)
            if left > 1:
                self._hanging[column] = (left - 1, text)
            self._row.append(text)


def _is_hidden(attributes: list[tuple[str, str | None]]) -> bool:
    known = dict(attributes)
    style = (known.get("style") or "").replace(" ", "").lower()
    return "display:none" in style or "hidden" in known


def _span(attributes: dict[str, str | None], name: str) -> int:
    text = attributes.get(name) or "1"
    return min(int(text), _MOST_SPAN) if text.isdecimal() and int(text) else 1

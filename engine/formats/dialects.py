"""Find the dialect of delimited text in which rows are even and cells are clean."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from casparian_flow.reading.splitting import MOST_RECORD_BYTES, WHITESPACE, cells_of
from engine.formats.elimination import NULL_SPELLINGS, looks_typed
from engine.formats.interface import Sample

_DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f", "¦", "§", "||", ":", WHITESPACE)
_WEAK = (":", WHITESPACE)
"""Delimiters that text is full of: only where no other makes a table."""
_MOST_PREAMBLE = 40
_SHORT_SHARE, _FEW_SHORT, _LONG_SHARE = 0.1, 3, 0.34
_LEAST_SHARE = 0.8
_JUDGED_ROWS = 300
SAMPLE_ROWS = 5_000
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")
_CLEAN = re.compile(
    r"[\w.+-]+@[\w.-]+|[a-z]+://\S+|[+-]?[$€£]?[\d.,' ]+%?|[\d:/. TZ+-]+"
    r"|[\w(#$%°/&'.-][\w .()/&'%#°:!?+*=-]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are divided; see `casparian_flow.reading.delimited.read`."""

    delimiter: str
    quote: str = '"'
    escape: str = ""
    comment: str = ""
    padded: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the sample."""

    line: int
    """The line it begins on, counted from 1."""
    end: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Dialected:
    """The sample read in one dialect."""

    dialect: Dialect
    rows: list[Row]
    """From the table's first row on."""
    width: int
    share: float
    """How many rows have the usual number of fields."""
    score: float
    unnamed: str = ""
    """Which column has no name, `first` or `last`, where the header has one cell fewer."""
    least: int = 0
    """Rows with as many cells as this, but fewer than the header, lack the last; 0: none do."""


def best_of(sample: Sample, *, is_named: bool) -> Dialected | None:
    """The dialect whose rows are even and whose cells are clean."""
    if not is_named and sample.is_markup:
        return None
    comment = _comment_of(sample.text)
    csv.field_size_limit(MOST_RECORD_BYTES)
    readings: list[Dialected] = []
    for delimiter in _DELIMITERS:
        if delimiter in _WEAK and readings:
            break
        if delimiter != WHITESPACE and delimiter not in sample.text:
            continue
        for dialect in _dialects(sample.text, delimiter, comment):
            one = _read(sample.text, dialect, may_lack=is_named)
            if one is not None and (one.share >= _LEAST_SHARE or (is_named and one.share >= 0.5)):
                readings.append(one)
    if not readings:
        return _single_column(sample, is_named=is_named)
    best = max(_without_literal_quotes(readings), key=lambda one: one.score)
    weak = best.dialect.delimiter in _WEAK
    if not is_named and (len(best.rows) < 3 or (weak and not _is_surely_a_table(best))):
        is_even = len(best.rows) >= 2 and best.share == 1
        return best if not weak and (is_even or _is_bare_header(best)) else None
    return best


def _is_bare_header(one: Dialected) -> bool:
    """Whether all there is is one row of names, as where a table has no records yet."""
    cells = one.rows[0].cells
    return len(one.rows) == 1 and len(cells) > 2 and all(map(_IDENTIFIER.fullmatch, cells))


def _without_literal_quotes(readings: list[Dialected]) -> list[Dialected]:
    """Without those that take quotes for text where quoting makes even rows of the same cells."""
    even = {one.dialect.delimiter for one in readings if one.dialect.quote and one.share >= 0.99}
    return [one for one in readings if one.dialect.quote or one.dialect.delimiter not in even]


def _is_surely_a_table(one: Dialected) -> bool:
    """Words with blanks between are a table only if every row has as many and some are typed."""
    cells = [cell for row in one.rows[1:50] for cell in row.cells]
    typed = sum(looks_typed(cell) for cell in cells)
    return one.share > 0.97 and len(one.rows) >= 4 and typed > len(cells) * 0.25


def _comment_of(text: str) -> str:
    head = text[:20_000].split("\n")[:200]
    for mark in ("##", "#", "//", "%", "--"):
        marked = [line for line in head if line.startswith(mark)]
        if head and head[0].startswith(mark) and len(marked) < len([x for x in head if x.strip()]):
            return "" if _are_records(marked, head) or _names(marked[-1], mark, head) else mark
    return ""


def _names(line: str, mark: str, head: Sequence[str]) -> bool:
    """Whether the last line that begins like a comment names as many columns as the next has."""
    behind = head[head.index(line) + 1 :][:1]
    for delimiter in (",", ";", "\t", "|"):
        cells = line.removeprefix(mark).split(delimiter)
        if len(cells) > 1 and behind and behind[0].count(delimiter) == len(cells) - 1:
            return all(map(_IDENTIFIER.fullmatch, cells))
    return False


def _are_records(marked: Sequence[str], head: Sequence[str]) -> bool:
    """Whether lines that begin like comments have as many fields as those that do not."""
    others = [line for line in head if line.strip() and line not in marked]
    for delimiter in (",", ";", "\t", "|"):
        usual = Counter(line.count(delimiter) for line in others).most_common(1)[0][0]
        if usual and sum(line.count(delimiter) == usual for line in marked) > len(marked) / 2:
            return len(marked) > 1
    return False


def _dialects(text: str, delimiter: str, comment: str) -> list[Dialect]:
    base = Dialect(delimiter, '"', comment=comment)
    if delimiter in (WHITESPACE, "||"):
        return [replace(base, quote="")]
    found = [base]
    edge = re.escape(delimiter)
    if '"' in text:
        if '\\"' in text:
            found.append(replace(base, escape="\\"))
        if re.search(rf'{edge} +"', text):
            found.append(replace(base, padded=True))
        found.append(replace(base, quote=""))
    if re.search(rf"(?:^|{edge})'[^'\n]*'(?:{edge}|$)", text, re.MULTILINE):
        found.append(replace(base, quote="'"))
    return found


def _read(text: str, dialect: Dialect, *, may_lack: bool) -> Dialected | None:
    rows = rows_in(text, dialect)
    if len(rows) < 1:
        return None
    widths = Counter(len(row.cells) for row in rows)
    width = _usual_width(widths)
    if width < 2:
        return None
    first = _first_row(rows, width)
    if first is not None and dialect.delimiter in _WEAK:
        first = _after_words(rows, first, width)
    if first is None:
        return None
    table, unnamed = rows[first:], ""
    wide = _wide_header(rows, first, width) if may_lack else None
    if wide is not None:
        table, width = rows[wide:], len(rows[wide].cells)
    elif first and len(rows[first - 1].cells) == width - 1 > 1:
        above = rows[first - 1]
        if _is_header(above, table[0], is_weak=dialect.delimiter in _WEAK):
            table, unnamed = rows[first - 1 :], _unnamed(table)
    least = _least(table, width) if may_lack and not unnamed else 0
    share = sum(len(row.cells) == width or 0 < least <= len(row.cells) < width for row in table)
    score = _score(table[:_JUDGED_ROWS], dialect)
    return Dialected(dialect, table, width, share / len(table), score, unnamed, least)


def _after_words(rows: Sequence[Row], first: int, width: int) -> int:
    """Pass over text above a table: a line of it may have as many words as there are columns."""
    odd = [n for n, row in enumerate(rows[:_MOST_PREAMBLE]) if len(row.cells) != width]
    return odd[-1] + 1 if odd and first < odd[-1] + 1 < len(rows) else first


def _wide_header(rows: Sequence[Row], first: int, width: int) -> int | None:
    """The row above the first that names more columns than most rows have, and few have more."""
    for number in range(first):
        above, below = rows[number], rows[number + 1 :]
        longer = sum(len(row.cells) > len(above.cells) for row in below)
        is_wide = width < len(above.cells) and longer <= _LONG_SHARE * len(below)
        if is_wide and _is_header(above, below[0], is_weak=False):
            return number
    return None


def _is_header(above: Row, first: Row, *, is_weak: bool) -> bool:
    """Whether the row above the first one names columns, though it has not as many cells."""
    cells = [cell.strip().lower() for cell in above.cells]
    if is_weak and not all(map(_IDENTIFIER.fullmatch, cells)):
        return False
    is_near = above.end + 1 == first.line
    are_names = all(cells) and len(set(cells)) == len(cells)
    return is_near and are_names and not any(looks_typed(cell) for cell in cells)


def _unnamed(table: Sequence[Row]) -> str:
    """Where rows of one cell more than the header have the one without a name.

    First where rows have names of their own, as R writes them: each another, and no last cell
    empty. Else last, as where every line ends with a delimiter.
    """
    filled = sum(bool(row.cells[-1].strip()) for row in table)
    first = {row.cells[0] for row in table}
    return "first" if filled >= 0.9 * len(table) and len(first) == len(table) else "last"


def _least(table: Sequence[Row], width: int) -> int:
    """How many cells rows have at least that only lack their last ones; 0 where none do so."""
    lengths = [len(row.cells) for row in table]
    short = [length for length in lengths if max(2, width / 2) <= length < width]
    longer = sum(length > width for length in lengths)
    are_all = len(short) > 1 and width not in lengths[1:]
    usual = [n for n, count in Counter(short).items() if are_all or count >= _FEW_SHORT]
    are_many = are_all or len(short) >= _SHORT_SHARE * len(lengths)
    is_rule = usual and are_many and longer <= _LONG_SHARE * len(lengths)
    return min(usual) if is_rule else 0


def _usual_width(widths: Counter[int]) -> int:
    most = max(widths.values())
    return max(width for width, count in widths.items() if count >= most * 0.9)


def _first_row(rows: Sequence[Row], width: int) -> int | None:
    """The table's first row: a title above it has other fields, or only one that is filled."""
    for number, row in enumerate(rows[: _MOST_PREAMBLE + 1]):
        if len(row.cells) != width:
            continue
        filled = sum(bool(cell.strip()) for cell in row.cells)
        later = [
            sum(bool(cell.strip()) for cell in other.cells)
            for other in rows[number + 1 : number + 6]
        ]
        is_title = filled <= 1 and width > 2 and any(count > width / 2 for count in later)
        if not is_title:
            return number
    return None


def rows_in(text: str, dialect: Dialect) -> list[Row]:
    """The first rows of a text in one dialect; blank lines and comments are none."""
    if dialect.delimiter in (WHITESPACE, "||"):
        split = None if dialect.delimiter == WHITESPACE else dialect.delimiter
        return [
            Row(number, number, line.split(split))
            for number, line in enumerate(text.split("\n")[:SAMPLE_ROWS], 1)
            if line.strip() and not (dialect.comment and line.startswith(dialect.comment))
        ]
    lines = _Lines(text, dialect.comment)
    reader = cells_of(lines, dialect)
    rows: list[Row] = []
    try:
        while len(rows) < SAMPLE_ROWS:
            lines.start = 0
            cells = next(reader, None)
            if cells is None:
                break
            if cells:
                rows.append(Row(lines.start, lines.read, cells))
    except csv.Error:
        return []
    return rows


class _Lines:
    """Lines for `csv.reader`: a comment is one where a record could begin, and not within one."""

    def __init__(self, text: str, comment: str) -> None:
        self._lines = io.StringIO(text, newline="\n")
        self._comment = comment
        self.read = self.start = 0
        """The last line that was read; the record's first, 0 before it is found."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self.read += 1
            if not self.start and self._comment and line.startswith(self._comment):
                continue
            self.start = self.start or self.read
            return line
        raise StopIteration


def _score(rows: Sequence[Row], dialect: Dialect) -> float:
    """How even rows and how clean cells are (after van den Burg, Nazabal and Sutton 2019)."""
    widths = Counter(len(row.cells) for row in rows)
    evenness = sum(n * max(0.001, width - 1) / width for width, n in widths.items()) / len(widths)
    cells = [cell.strip() for row in rows[:100] for cell in row.cells[:200]]
    clean = sum(cell in NULL_SPELLINGS or _is_clean(cell) for cell in cells)
    preference = 1.0 - 0.02 * (dialect.quote != '"') - 0.02 * bool(dialect.escape)
    preference -= 0.3 if dialect.delimiter in (WHITESPACE, ":") else 0
    return evenness / len(rows) * (clean / max(1, len(cells))) * preference


def _is_clean(cell: str) -> bool:
    return _CLEAN.fullmatch(cell) is not None or (
        len(cell) > 40 and not re.search(r"[;|\t^~]", cell) and cell.count(",") < 4
    )


def _single_column(sample: Sample, *, is_named: bool) -> Dialected | None:
    """A list of plain values under each other: numbers, dates or identifiers."""
    lines = sample.text.rstrip("\n").split("\n")
    filled = [line for line in lines if line]
    if len(filled) < (1 if is_named else 3):
        return None
    if not is_named and any(len(line) > 200 or " " in line.strip() for line in filled[:1000]):
        return None
    if not is_named and len(lines) > len(filled) * 1.1:
        return None
    delimiter = next((one for one in (",", ";", "\t") if one not in sample.text), None)
    if delimiter is None:
        return None
    rows = rows_in(sample.text, Dialect(delimiter))
    if not rows or any(len(row.cells) != 1 for row in rows):
        return None
    return Dialected(Dialect(delimiter), rows, 1, 1.0, 0.0)

"""Find the dialect of delimited text in which rows are even and cells are clean."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from casparian_flow.reading.naming import names_in
from casparian_flow.reading.splitting import MOST_RECORD_BYTES, WEAK, WHITESPACE, cells_of
from engine.formats.elimination import NULL_SPELLINGS, looks_typed
from engine.formats.extents import Row, extent_of
from engine.formats.fixed_width import is_ruled
from engine.formats.interface import Sample

_DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f", "¦", "§", "||", ":", WHITESPACE)
_GAP, _MARKS = re.compile(r"\S {2,}\S"), re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"\D*\d[\d. ]*,\d+\D*")
"""A number with a decimal comma, with a sign, a unit or a currency about it."""
_LEAST_SHARE = 0.8
_LEAST_OF_WEAK = 8
_JUDGED_ROWS = 300
SAMPLE_ROWS = 5_000
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")
_DIGITS = re.compile(r"[\d:./+-]*\d[\d:./+-]*")
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
class Dialected:
    """The sample read in one dialect."""

    dialect: Dialect
    rows: list[Row]
    """From the table's first row on."""
    above: list[Row]
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
    if not is_named and (sample.is_markup or is_ruled(sample.text)):
        return None
    comment = _comment_of(sample.text)
    csv.field_size_limit(MOST_RECORD_BYTES)
    readings: list[Dialected] = []
    for delimiter in _DELIMITERS:
        if delimiter in WEAK and any(one.dialect.delimiter not in WEAK for one in readings):
            break
        if delimiter != WHITESPACE and delimiter not in sample.text:
            continue
        for dialect in _dialects(sample.text, delimiter, comment):
            one = _read(sample.text, dialect, may_lack=is_named)
            likely = is_named or (one is not None and _is_bare(one.rows[0].cells, delimiter))
            if one is not None and one.share >= (0.5 if likely else _LEAST_SHARE):
                readings.append(one)
    if not readings:
        return _single_column(sample, comment, is_named=is_named)
    readings = _without_cut_words(_without_literal_quotes(readings))
    readings = _without_aligned(_without_cut_numbers(readings), sample.text)
    if not readings:
        return None
    best = max(readings, key=lambda one: one.score)
    weak = best.dialect.delimiter in WEAK
    if not is_named and (len(best.rows) < 3 or (weak and not _is_surely_a_table(best))):
        is_even = len(best.rows) >= 2 and best.share == 1
        return best if not weak and (is_even or _is_bare_header(best)) else None
    return best


def _is_bare_header(one: Dialected) -> bool:
    """Whether all there is is one row of names, as where a table has no records yet."""
    return len(one.rows) == 1 and _is_bare(one.rows[0].cells, one.dialect.delimiter)


def _is_bare(cells: Sequence[str], delimiter: str) -> bool:
    """Whether three names or more stand between delimiters that text is not full of."""
    return len(cells) > 2 and delimiter not in WEAK and all(map(_IDENTIFIER.fullmatch, cells))


def _without_literal_quotes(readings: list[Dialected]) -> list[Dialected]:
    """Without those that take quotes for text where quoting makes even rows of the same cells."""
    even = {one.dialect.delimiter for one in readings if one.dialect.quote and one.share >= 0.99}
    return [one for one in readings if one.dialect.quote or one.dialect.delimiter not in even]


def _without_cut_words(readings: list[Dialected]) -> list[Dialected]:
    """Without the one at colons where blanks alone make even rows: `12:30 13:45` are two times."""
    blanks = [one for one in readings if one.dialect.delimiter == WHITESPACE]
    are_even = any(not one.above and one.share == 1 and _is_surely_a_table(one) for one in blanks)
    return [
        one for one in readings if not are_even or one.dialect.delimiter != ":"
        or not any(" " in cell.strip() for row in one.rows[1:50] for cell in row.cells)
    ]  # fmt: skip


def _without_cut_numbers(readings: list[Dialected]) -> list[Dialected]:
    """Without the one at commas where another makes even rows and all commas are decimal ones.

    `4504,66 €;5883,80 €` is two numbers, and not three cells.
    """
    others = (one for one in readings if one.dialect.delimiter in (";", "\t", "|"))
    if not any(one.share >= 0.9 and _has_only_decimal_commas(one) for one in others):
        return readings
    return [one for one in readings if one.dialect.delimiter != ","]


def _without_aligned(readings: list[Dialected], text: str) -> list[Dialected]:
    """Without those that divide text whose fields stand below one another, blanks between them.

    `1,234,567  08:30:15  2024-05-01 12:00` has three fields, whatever its marks; where a header
    has a name less than blanks divide, a field has blanks within.
    """
    lines = [line for line in text.split("\n")[:_JUDGED_ROWS] if line.strip()]
    if sum(_GAP.search(line) is not None for line in lines) < 0.9 * len(lines):
        return readings
    commas = sum(line.count(",") for line in lines)
    are_marks = sum(len(_MARKS.findall(line)) for line in lines) > 0.8 * commas
    return [
        one for one in readings
        if not (one.dialect.delimiter == "," and are_marks)
        and one.dialect.delimiter != ":"
        and not (one.dialect.delimiter == WHITESPACE and one.unnamed)
    ]  # fmt: skip


def _has_only_decimal_commas(one: Dialected) -> bool:
    cells = [cell for row in one.rows[:_JUDGED_ROWS] for cell in row.cells if "," in cell]
    return bool(cells) and all(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _is_surely_a_table(one: Dialected) -> bool:
    """Words with blanks between are a table only if every row has as many and some are typed.

    Between colons, if each first cell is another and no blank follows one: `AF:Afghanistan`.
    """
    if one.dialect.delimiter == ":" and one.share > 0.97 and len(one.rows) >= _LEAST_OF_WEAK:
        first = {row.cells[0] for row in one.rows}
        is_close = not any(row.cells[1].startswith((" ", "/")) for row in one.rows if row.cells[1:])
        if len(first) == len(one.rows) and is_close and all(" " not in cell for cell in first):
            return True
    cells = [cell for row in one.rows[1:50] for cell in row.cells]
    typed = sum(looks_typed(cell) or _DIGITS.fullmatch(cell) is not None for cell in cells)
    odd = (1 - one.share) * len(one.rows)
    are_even = one.share > 0.97 or (len(one.rows) >= _LEAST_OF_WEAK and odd < 1.5)
    return are_even and len(one.rows) >= 4 and typed > len(cells) * 0.25


def _comment_of(text: str) -> str:
    head = text[:20_000].split("\n")[:200]
    for mark in ("##", "#", "//", "%", "--"):
        marked = [line for line in head if line.startswith(mark)]
        if head and head[0].startswith(mark) and len(marked) < len([x for x in head if x.strip()]):
            is_header = len(marked) == 1 and _names(marked[0], mark, head)
            return "" if is_header or _are_records(marked, head) else mark
    return ""


def _names(line: str, mark: str, head: Sequence[str]) -> bool:
    """Whether the last line that begins like a comment names as many columns as the next has."""
    behind = head[head.index(line) + 1 :][:1]
    for delimiter in (",", ";", "\t", "|"):
        count = line.count(delimiter)
        if count and behind and behind[0].count(delimiter) == count:
            return bool(names_in(line.removeprefix(mark), delimiter))
    return False


def _are_records(marked: Sequence[str], head: Sequence[str]) -> bool:
    """Whether lines that begin like comments have as many fields as those that do not.

    No blank follows the mark, as in `#golang`.
    """
    if all(line.lstrip(line[0]).startswith(" ") for line in marked):
        return False
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
    found = extent_of(rows, is_weak=dialect.delimiter in WEAK, may_lack=may_lack)
    if found is None:
        return None
    table, width, least = found.rows, found.width, found.least
    share = sum(len(row.cells) == width or 0 < least <= len(row.cells) < width for row in table)
    score = _score(table[:_JUDGED_ROWS], dialect)
    share /= len(table)
    above = rows[: len(rows) - len(table)]
    return Dialected(dialect, table, above, width, share, score, found.unnamed, least)


def with_rows_above(one: Dialected) -> Dialected:
    """A table without a header begins with the lines above its first row that are like rows.

    They are set aside when they are read, not passed over.
    """
    if one.dialect.delimiter in WEAK:
        return one
    fewest = one.least or max(2, (one.width + 1) // 2)
    count = 0
    while count < len(one.above) and fewest <= len(one.above[-1 - count].cells):
        count += 1
    return replace(one, rows=[*one.above[len(one.above) - count :], *one.rows]) if count else one


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


def _single_column(sample: Sample, comment: str, *, is_named: bool) -> Dialected | None:
    """A list of plain values under each other: numbers, dates or identifiers."""
    lines = sample.text.rstrip("\n").split("\n")
    filled = [line for line in lines if line and not (comment and line.startswith(comment))]
    if len(filled) < (1 if is_named else 3):
        return None
    if not is_named and any(len(line) > 200 or " " in line.strip() for line in filled[:1000]):
        return None
    if not is_named and not comment and len(lines) > len(filled) * 1.1:
        return None
    text = "\n".join(filled)
    delimiter = next((one for one in (",", ";", "\t") if one not in text), None)
    if delimiter is None:
        return None
    dialect = Dialect(delimiter, comment=comment)
    rows = rows_in(sample.text, dialect)
    if not rows or any(len(row.cells) != 1 for row in rows):
        return None
    return Dialected(dialect, rows, [], 1, 1.0, 0.0)

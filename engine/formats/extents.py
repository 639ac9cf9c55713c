"""Find the rows of a sample that are a table: where it begins, how wide it is, what rows lack."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from engine.formats.elimination import NULL_SPELLINGS, looks_typed

_MOST_PREAMBLE = 40
_SHORT_SHARE, _FEW_SHORT, _LONG_SHARE = 0.1, 3, 0.34
_RULE = re.compile(r"[-=_+|:]{2,}")
_WORD = re.compile(r"[A-Za-z_][\w.()/%-]*")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the sample."""

    line: int
    """The line it begins on, counted from 1."""
    end: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows of a table, and how they are as wide as they are."""

    rows: list[Row]
    """From its first row on."""
    width: int
    unnamed: str = ""
    """Which column has no name, `first` or `last`, where the header has one cell fewer."""
    least: int = 0
    """Rows with as many cells as this, but fewer than the header, lack the last; 0: none do."""


def extent_of(rows: list[Row], *, is_weak: bool, may_lack: bool) -> Extent | None:
    """The table among some rows; None if they have no cells to speak of.

    Args:
        rows: All there are, in order.
        is_weak: Whether they were divided at what text is full of.
        may_lack: Whether rows may be shorter than the header says.
    """
    if not rows:
        return None
    width = _usual_width(Counter(len(row.cells) for row in rows))
    if width < 2:
        return None
    first = _first_row(rows, width)
    if first is not None and is_weak:
        first = _after_words(rows, first, width)
    if first is None:
        return None
    wide = _wide_header(rows, first, width) if may_lack else None
    if wide is not None:
        table, width = rows[wide:], len(rows[wide].cells)
        return Extent(table, width, "", _least(table, width))
    is_one_less = first > 0 and len(rows[first - 1].cells) == width - 1 > 1
    if is_one_less and _is_header(rows[first - 1], rows[first], is_weak=is_weak):
        return Extent(rows[first - 1 :], width, _unnamed(rows[first:]))
    least = _least(rows[first:], width) if may_lack else 0
    return Extent(rows[first:], width, "", least)


def _after_words(rows: Sequence[Row], first: int, width: int) -> int:
    """Pass over text above a table: a line of it may have as many words as there are columns.

    A line that has numbers where the table has them is a record, though an odd one follows.
    """
    odd = [n for n, row in enumerate(rows[:_MOST_PREAMBLE]) if len(row.cells) != width]
    if not odd or not first < odd[-1] + 1 < len(rows):
        return first
    below = [row.cells for row in rows[odd[-1] + 1 :][:50] if len(row.cells) == width]
    numeric = [
        index for index in range(width)
        if sum(looks_typed(cells[index]) for cells in below) > len(below) / 2
    ]  # fmt: skip
    for number in range(first, odd[-1]):
        cells = rows[number].cells
        hits = [index for index in numeric if cells[index:] and _is_value(cells[index])]
        if len(cells) == width and numeric and len(hits) >= 0.8 * len(numeric):
            return _named_above(rows, number, width)
    return _named_above(rows, odd[-1] + 1, width)


def _named_above(rows: Sequence[Row], number: int, width: int) -> int:
    """The row that names the columns of the first record, over a line of dashes or not."""
    above = number - 1
    while above > 0 and _RULE.fullmatch("".join(rows[above].cells)):
        above -= 1
    cells = rows[max(0, above)].cells
    is_named = above >= 0 and len(cells) == width and not any(map(looks_typed, cells))
    return above if is_named else number


def _is_value(cell: str) -> bool:
    return cell in NULL_SPELLINGS or looks_typed(cell)


def _wide_header(rows: Sequence[Row], first: int, width: int) -> int | None:
    """The row above the first that names more columns than most rows have, and few have more."""
    for number in range(first):
        above, below = rows[number], rows[number + 1 :]
        longer = sum(len(row.cells) > len(above.cells) for row in below)
        is_wide = width < len(above.cells) and longer <= _LONG_SHARE * len(below)
        if len(above.cells) == width and any(map(looks_typed, above.cells)):
            return None  # a record: what comes below it is not its header
        if is_wide and _is_header(above, below[0], is_weak=False):
            return number
    return None


def _is_header(above: Row, first: Row, *, is_weak: bool) -> bool:
    """Whether the row above the first one names columns, though it has not as many cells."""
    cells = [cell.strip().lower() for cell in above.cells]
    if is_weak and not all(map(_WORD.fullmatch, cells)):
        return False
    is_near = above.end + 1 == first.line
    are_names = len(set(cells)) == len(cells) and not any(
        not cell or cell[0] in "+-(" or cell[0].isdigit() for cell in cells
    )
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
    above = _after_padded(rows, width) or _after_count(rows, width)
    if above:
        return above
    for number, row in enumerate(rows[: _MOST_PREAMBLE + 1]):
        if len(row.cells) != width:
            continue
        filled = _filled(row)
        later = [_filled(other) for other in rows[number + 1 : number + 6]]
        is_title = (
            filled <= 1 and width > 2 and any(count > width / 2 for count in later)
            and not any(map(looks_typed, row.cells))
        )  # fmt: skip
        if not is_title:
            return number
    return None


def _after_padded(rows: Sequence[Row], width: int) -> int:
    """The row of names below lines that a spreadsheet filled up with empty cells; 0 without."""
    for number, row in enumerate(rows[: _MOST_PREAMBLE + 1]):
        if 2 * _filled(row) > min(width, len(row.cells)) and width > 3:
            return number if number > 1 and _are_names_over_values(rows, number, width) else 0
    return 0


def _after_count(rows: Sequence[Row], width: int) -> int:
    """1 where a line of numbers, the first as many as there are records, stands above their names.

    Else 0. The sample may have fewer records than the file.
    """
    cells = [cell.strip() for cell in rows[0].cells]
    is_count = len(rows) > 3 and all(map(looks_typed, cells)) and cells[0].isdecimal()
    is_enough = is_count and int(cells[0][:18]) >= len(rows) - 2
    return int(is_enough and _are_names_over_values(rows, 1, width))


def _are_names_over_values(rows: Sequence[Row], number: int, width: int) -> bool:
    """Whether a row can only be a header: words, each once, over rows that are full and typed."""
    cells = [cell.strip().lower() for cell in rows[number].cells]
    below = rows[number + 1 : number + 6]
    are_names = all(cells) and len(set(cells)) == width == len(cells)
    are_full = bool(below) and all(
        2 * _filled(row) > width and any(map(looks_typed, row.cells)) for row in below
    )
    return are_names and are_full and not any(map(looks_typed, cells))


def _filled(row: Row) -> int:
    return sum(bool(cell.strip()) for cell in row.cells)

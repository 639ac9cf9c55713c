"""Split delimited text into records, one by one, each with its place."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from casparian_flow.reading.blocks import Fault, Place

MOST_RECORD_BYTES = 16 << 20
_SWALLOWED_SHARE = 0.8
_MOST_TEXT_LINES = 8
"""Of one cell whose quotes are right, each divided like a record: more are no text by accident."""
_MOST_WASTED = 8
"""How often lines may be gone over again, on average, for quotes that do not close."""
WHITESPACE = "whitespace"
"""The delimiter that stands for any run of blanks."""
WEAK = (":", WHITESPACE)
"""Delimiters that sentences are full of: only where no other makes a table."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How delimited text is written; see `delimited.read`."""

    encoding: str
    delimiter: str
    quote: str
    escape: str
    comment: str
    padded: bool
    footer: re.Pattern[str] | None
    has_offsets: bool = True
    """Whether bytes are read as they lie in the source, so that places can be counted in them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record; blank and commented lines have no cells."""

    place: Place
    cells: list[str]


def split(
    data: bytes, dialect: Dialect, *, line: int, offset: int, is_last: bool, width: int = 0
) -> Iterator[tuple[Row | Fault, int]]:
    """Yield each record with its size in bytes.

    Args:
        data: Whole lines; their last record may go on behind them, unless `is_last`.
        dialect: How they are written.
        line: The number of the first line.
        offset: Where it begins in the source.
        is_last: Whether the source ends with them.
        width: How many cells a record has, if that is known: then a quote that swallows lines
            which are records by themselves is a fault, and costs one line.
    """
    csv.field_size_limit(MOST_RECORD_BYTES)
    lines = io.BytesIO(data).readlines()
    start = wasted = 0
    while start < len(lines):
        found = _parse(lines, start, dialect, is_last=is_last, width=width)
        if wasted > _MOST_WASTED * len(lines):  # quotes lead astray: each line is on its own
            found = _parse(lines[start : start + 1], 0, dialect, is_last=True, width=width)
        for row, count, used in found:
            wasted += used - count
            raw = b"".join(lines[start : start + count])
            place = place_of(raw, dialect, line + start, offset)
            if isinstance(row, str):
                yield Fault(place, "BAD_QUOTES", row), len(raw)
            elif any(_is_undecoded(cell) for cell in row):
                yield Fault(place, "NOT_TEXT", f"bytes that are not {dialect.encoding}"), len(raw)
            else:
                yield Row(place, row), len(raw)
            start += count
            offset += len(raw)


def place_of(raw: bytes, dialect: Dialect, line: int, offset: int) -> Place:
    """Where a record stands."""
    text = raw.decode(dialect.encoding, "backslashreplace").rstrip("\r\n")
    if not dialect.has_offsets:
        return Place(line, None, None, text)
    return Place(line, offset, len(raw), text)


def _parse(
    lines: list[bytes], start: int, dialect: Dialect, *, is_last: bool, width: int
) -> Iterator[tuple[list[str] | str, int, int]]:
    """Rows, or why a line is none; how many lines each took, and were looked at for it.

    Ends early after a fault.
    """
    feed = _Feed(lines, start, dialect)
    if len(dialect.delimiter) > 1:
        between = None if dialect.delimiter == WHITESPACE else dialect.delimiter
        for text in feed:
            feed.is_start = True
            yield (text.rstrip("\r\n").split(between) if text.strip() else []), 1, 1
        return
    reader = cells_of(feed, dialect)
    before = 0
    while True:
        feed.is_start = True
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield f"not in the dialect of the file: {error}", 1, feed.used - before
            return
        if row is None:
            return
        count, before = feed.used - before, feed.used
        if is_last and feed.is_at_end and _is_open(row, b"".join(lines[-count:]), dialect):
            yield "a quote that never closes", 1, count
            return
        taken = lines[start : start + count]
        if count > 1 and width > 1 and _swallows(taken, dialect, width):
            reason = f"a quote that only closes {count - 1} lines further, over whole records"
            yield reason, 1, count
            return
        yield row, count, count
        start += count


class Written(Protocol):
    """What of a dialect says how cells are divided."""

    @property
    def delimiter(self) -> str: ...  # noqa: D102 - see `delimited.read`
    @property
    def quote(self) -> str: ...  # noqa: D102
    @property
    def escape(self) -> str: ...  # noqa: D102
    @property
    def padded(self) -> bool: ...  # noqa: D102


def cells_of(
    lines: Iterable[str], dialect: Written, *, strict: bool = False
) -> Iterator[list[str]]:
    """Rows of cells, as a dialect of one character between them divides lines.

    Raises:
        csv.Error: with `strict`, a quote closes before its cell ends.
    """
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.escape or None,
        doublequote=True,
        skipinitialspace=dialect.padded,
        strict=strict,
    )


def _swallows(lines: list[bytes], dialect: Dialect, width: int) -> bool:
    """Whether the lines of a record are nearly all records themselves, if quotes mean nothing."""
    mark = dialect.delimiter.encode(dialect.encoding)
    whole = [line.count(mark) == width - 1 for line in lines]
    if not whole[0] or sum(whole) < _SWALLOWED_SHARE * len(whole):
        return False
    return len(lines) > _MOST_TEXT_LINES or not _is_well_formed(lines, dialect)


def _is_well_formed(lines: list[bytes], dialect: Dialect) -> bool:
    """Whether each quote of a record that opens a cell is closed where the cell ends."""
    texts = (line.decode(dialect.encoding, "surrogateescape") for line in lines)
    try:
        return len(list(cells_of(texts, dialect, strict=True))) == 1
    except csv.Error:
        return False


def _is_open(row: list[str], raw: bytes, dialect: Dialect) -> bool:
    """Whether the source's last record only ends with it because a quote never closes."""
    quote = dialect.quote
    text = raw.decode(dialect.encoding, "replace").rstrip("\r\n")
    if dialect.escape:
        text = re.sub(rf"{re.escape(dialect.escape)}.", "", text)
    if not quote or not row or text.count(quote) % 2 == 0:
        return False
    # All that follows the quote is then the end of the last cell, and the quote is not.
    tail = text[text.rfind(quote) + 1 :]
    last = row[-1].rstrip("\r\n")
    return last.endswith(tail.rstrip("\r\n")) and not last.endswith(quote + tail)


class _Feed:
    """Lines for `csv.reader`, without comments, counting those it took."""

    def __init__(self, lines: list[bytes], start: int, dialect: Dialect) -> None:
        self._lines = lines
        self._next = self._start = start
        self._dialect = dialect
        self.is_start = True

    @property
    def used(self) -> int:
        """Lines given out so far."""
        return self._next - self._start

    @property
    def is_at_end(self) -> bool:
        """Whether all lines were given out."""
        return self._next >= len(self._lines)

    def __iter__(self) -> _Feed:
        """Itself."""
        return self

    def __next__(self) -> str:
        """The next line; a comment, where a record begins, is an empty one."""
        if self.is_at_end:
            raise StopIteration
        text = self._lines[self._next].decode(self._dialect.encoding, "surrogateescape")
        self._next += 1
        if self.is_start and self._dialect.comment and text.startswith(self._dialect.comment):
            return "\n"
        self.is_start = False
        return text


def _is_undecoded(cell: str) -> bool:
    return not cell.isascii() and any("\udc80" <= one <= "\udcff" for one in cell)

"""Recognise delimited text: delimiter, quote, preamble, header, columns."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from engine.formats.elimination import looks_typed, profile_column
from engine.formats.interface import ColumnProfile, Profile, Sample

_DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01")
_QUOTES = ('"', "'")
_MOST_PREAMBLE = 30
_LEAST_SHARE = 0.8
_SAMPLE_ROWS = 20_000
_SHOWN_ROWS = 50


@dataclass(frozen=True, slots=True)
class _Reading:
    """The sample read in one dialect."""

    delimiter: str
    quote: str
    preamble: int
    """Lines before the table."""
    comment: str | None
    rows: list[list[str]]
    width: int
    share: float
    """How many rows have the usual number of fields."""


def recognise(sample: Sample) -> Profile | None:
    """The profile of delimited text; None if no dialect makes a table of it."""
    is_named_so = sample.name.lower().endswith((".csv", ".tsv"))
    reading = _best(sample.text, least_lines=1 if is_named_so else 3)
    if reading is None:
        return None
    header, names = _header(reading)
    records = reading.rows[1:] if header else reading.rows
    whole = [row for row in records if len(row) == reading.width]
    columns = tuple(_columns(names, whole))
    return Profile(
        format="csv",
        encoding=sample.encoding,
        dialect={
            "delimiter": reading.delimiter,
            "quote": reading.quote,
            "preamble_lines": reading.preamble,
            "comment": reading.comment,
            "newline": {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}[sample.newline],
        },
        header=header,
        columns=columns,
        rows=tuple(tuple(row) for row in records[:_SHOWN_ROWS]),
        problems=tuple(_problems(sample, reading, header, names, len(records))),
        fingerprint=f"csv|{reading.delimiter!r}|{'|'.join(names)}",
    )


def _best(text: str, *, least_lines: int) -> _Reading | None:
    """The dialect that makes the widest even table."""
    readings = [
        reading
        for delimiter in _DELIMITERS
        if delimiter in text
        for quote in _QUOTES
        if (reading := _read(text, delimiter, quote)) is not None
    ]
    good = [one for one in readings if one.share >= _LEAST_SHARE]
    if not good:
        return _single_column(text, least_lines)
    return max(
        good,
        key=lambda one: (round(one.share, 2), -one.preamble, one.width, one.quote == '"'),
    )


def _read(text: str, delimiter: str, quote: str) -> _Reading | None:
    if quote == "'" and not re.search(rf"(?:^|{re.escape(delimiter)})'", text, re.MULTILINE):
        return None
    comment = "#" if text.startswith("#") else None
    try:
        numbered = _some(text, delimiter, quote)
    except csv.Error:
        return None
    rows = [(end, row) for end, row in numbered if row and not (comment and row[0].startswith("#"))]
    if not rows:
        return None
    width = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    if width < 2:
        return None
    first = next(i for i, (_, row) in enumerate(rows) if len(row) == width)
    if first > _MOST_PREAMBLE or first >= len(rows):
        return None
    table = [row for _, row in rows[first:]]
    share = sum(len(row) == width for row in table) / len(table)
    end, header = rows[first]
    preamble = end - 1 - sum(cell.count("\n") for cell in header)  # lines above the first row
    return _Reading(delimiter, quote, preamble, comment, table, width, share)


def _some(text: str, delimiter: str, quote: str) -> list[tuple[int, list[str]]]:
    """Rows with the line each ends on."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, quotechar=quote, strict=False)
    return [(reader.line_num, row) for row in itertools.islice(reader, _SAMPLE_ROWS)]


def _single_column(text: str, least_lines: int) -> _Reading | None:
    """A list of plain values under each other: numbers, dates or identifiers."""
    lines = [line for line in text.split("\n") if line]
    if len(lines) < least_lines or any(
        len(line) > 200 or " " in line.strip() for line in lines[:1000]
    ):
        return None
    return _Reading(",", '"', 0, None, [[line] for line in lines], 1, 1.0)


def _header(reading: _Reading) -> tuple[bool, list[str]]:
    """Whether the first row names the columns; a typed or repeated cell says that it does not."""
    first = [cell.strip() for cell in reading.rows[0]]
    body = [row for row in reading.rows[1:] if len(row) == reading.width]
    named = [cell for cell in first if cell]
    is_header = (
        len(first) == reading.width
        and len(named) >= max(1, reading.width - 1)
        and not any(looks_typed(cell) for cell in named)
        and not _repeats(first, body)
        and (_differs(first, body) or all(re.fullmatch(r"[\w .:/()%#$€-]{1,64}", c) for c in named))
    )
    if not is_header:
        return False, [f"column_{number}" for number in range(1, reading.width + 1)]
    return True, _unique([cell or f"column_{i}" for i, cell in enumerate(first, 1)])


def _repeats(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of the first row turns up below itself: then it is a value."""
    for index, cell in enumerate(first):
        if cell and any(row[index].strip() == cell for row in body[:500]):
            return True
    return False


def _differs(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    return any(
        profile_column("", [row[index] for row in body[:200]]).type != "string"
        for index in range(len(first))
        if body
    )


def _unique(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique: list[str] = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[ColumnProfile]:
    return [profile_column(name, [row[index] for row in rows]) for index, name in enumerate(names)]


def _is_unterminated(sample: Sample, reading: _Reading) -> bool:
    """Whether a quoted cell runs to the end of the text because nothing closes it."""
    last = reading.rows[-1][-1] if reading.rows[-1] else ""
    ends_quoted = sample.text.rstrip("\r\n").endswith(reading.quote)
    return sample.is_whole and "\n" in last and not ends_quoted


def _problems(
    sample: Sample,
    reading: _Reading,
    header: bool,  # noqa: FBT001 - private
    names: Sequence[str],
    records: int,
) -> list[str]:
    problems: list[str] = []
    if sample.encoding_problem:
        problems.append(sample.encoding_problem)
    if not header:
        problems.append("no header row: columns are numbered; name them in the draft's COLUMNS")
    if not records:
        problems.append("a header and no records: types cannot be known")
    ragged = sum(len(row) != reading.width for row in reading.rows)
    if ragged:
        problems.append(
            f"{ragged} rows in the sample have another number of fields than {reading.width}"
        )
    if header and len({name.strip() for name in reading.rows[0]}) != len(names):
        problems.append("column names repeat; the later ones carry a number")
    if _is_unterminated(sample, reading):
        problems.append(
            f"the last record holds a quote {reading.quote} that never closes: all that follows it"
            " was read as one cell"
        )
    if "\x00" in sample.text:
        problems.append("NUL characters in the text")
    if not sample.is_whole:
        problems.append("profiled from head, middle and tail; the whole file may hold more")
    return problems

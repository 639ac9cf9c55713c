"""Read logs: one entry a line, or more where lines continue the entry before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.lines import Line, lines
from casparian_flow.reading.sources import Source

_MOST_CONTINUED = 10_000


def read(
    source: Source, *, pattern: str, encoding: str = "utf-8", continues: str = ""
) -> Iterator[Block]:
    """Yield entries; the named groups of `pattern` are the columns, `-` is a missing value.

    Args:
        source: What to read.
        pattern: Matches a whole first line.
        encoding: The source's encoding.
        continues: The column that lines which match nothing are added to; empty for none.
    """
    return from_records(_entries(source, re.compile(pattern), encoding, continues))


def _entries(
    source: Source, pattern: re.Pattern[str], encoding: str, continues: str
) -> Iterator[Record | Fault]:
    entry: list[Line] = []
    for line in lines(source, encoding):
        if isinstance(line, Line) and not line.text.strip():
            continue
        found = pattern.fullmatch(line.text) if isinstance(line, Line) else None
        is_more = isinstance(line, Line) and found is None and bool(continues)
        if is_more and entry and len(entry) < _MOST_CONTINUED:
            entry.append(line)  # pyright: ignore[reportArgumentType] - is_more says so
            continue
        if entry:
            yield _record(pattern, entry, continues)
            entry = []
        if isinstance(line, Fault):
            yield line
        elif found is None:
            yield Fault(line.place(), "NO_MATCH", "not an entry of this log")
        else:
            entry = [line]
    if entry:
        yield _record(pattern, entry, continues)


def _record(pattern: re.Pattern[str], entry: list[Line], continues: str) -> Record:
    first = entry[0]
    found = pattern.fullmatch(first.text)
    values = {} if found is None else found.groupdict()
    values = {
        name: None if text == "-" and name != continues else text for name, text in values.items()
    }
    if len(entry) == 1:
        return Record(first.place(), values)
    more = "\n".join(line.text for line in entry[1:])
    values[continues] = f"{values.get(continues) or ''}\n{more}"
    length = None if first.length is None else sum(line.length or 0 for line in entry)
    return Record(Place(first.number, first.offset, length, f"{first.text}\n{more}"), values)

"""Read logs: one entry a line, or more where lines continue the entry before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source

_MOST_CONTINUED = 10_000


def read(
    source: Source, *, pattern: str, encoding: str = "utf-8", continues: str = ""
) -> Iterator[Block]:
    """Yield entries; the named groups of `pattern` are the columns.

    `-` is a missing value, but in the column that entries are continued in.

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
    entry: Record | None = None
    more: list[Place] = []
    blank: list[Place] = []
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            found = None
        elif not line.raw.strip():
            blank.append(line)  # within an entry it is part of it
            continue
        else:
            found = pattern.fullmatch(line.raw)
            if found is None and continues and entry and len(more) < _MOST_CONTINUED:
                more += [*blank, line]
                blank = []
                continue
        blank = []
        if entry is not None:
            yield _longer(entry, more, continues) if more else entry
            entry, more = None, []
        if isinstance(line, Fault):
            yield line
        elif found is None:
            yield Fault(line, "NO_MATCH", "not an entry of this log")
        else:
            values = found.groupdict()
            if "-" in values.values():
                values = {n: None if t == "-" and n != continues else t for n, t in values.items()}
            entry = Record(line, values)
    if entry is not None:
        yield _longer(entry, more, continues) if more else entry


def _longer(entry: Record, more: list[Place], continues: str) -> Record:
    """An entry with the lines that continue it."""
    text = "\n".join(line.raw for line in more)
    first = entry.place
    length = None
    if first.length is not None:
        length = first.length + sum(line.length or 0 for line in more)
    values = {**entry.values, continues: f"{entry.values.get(continues) or ''}\n{text}"}
    place = first._replace(length=length, raw=f"{first.raw}\n{text}")
    return Record(place, values)

"""Read logs: one entry a line, or more where lines continue the entry before.

A source is taken in stretches that end before an entry. Where each line of a stretch is an entry
of printable ASCII, Arrow takes all of them apart at once; else it is done line by line, with the
same result.
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.reading.blocks import Block, Bounds, Fault, Place, Record, from_records
from casparian_flow.reading.lines import MOST_LINE_BYTES, lines
from casparian_flow.reading.sources import Source, preceded

_MOST_CONTINUED = 10_000
_STRETCH = 1 << 18
_MOST_STRETCH = 32 << 20
_NOT_PLAIN = re.compile(rb"[^\t\n\x20-\x7e]")
"""Bytes of which Python's patterns and Arrow's may think differently."""


def read(
    source: Source,
    *,
    pattern: str,
    encoding: str = "utf-8",
    continues: str = "",
    begins: str = "",
) -> Iterator[Block]:
    """Yield entries; the named groups of `pattern` are the columns.

    `-` and nothing are a missing value, but in the column that entries are continued in.

    Args:
        source: What to read.
        pattern: Matches a whole first line.
        encoding: The source's encoding.
        continues: The column that lines which match nothing are added to; empty for none.
        begins: Matches how entries begin. A line that begins so and is none is set aside, with
            what follows it, and does not continue the entry before.
    """
    form = _Form(re.compile(pattern), encoding, continues, re.compile(begins or r"(?!)"))
    if codecs.lookup(encoding).name not in ("utf-8", "ascii"):
        yield from from_records(_entries(source, form))
        return
    kept, line, offset = b"", 1, 0
    want, is_last = _STRETCH, False
    while not is_last or kept:
        while not is_last and len(kept) < want:
            piece = source.stream.read(want - len(kept))
            is_last = not piece
            kept += piece
        if b"\n" not in kept and not is_last and (not offset or len(kept) >= MOST_LINE_BYTES):
            rest = Source(preceded(kept, source.stream), source.member, source.packing)
            yield from _moved(from_records(_entries(rest, form)), line, offset)
            return
        end = len(kept) if is_last else form.end_of(kept)
        if not end and len(kept) < _MOST_STRETCH:
            want = 2 * len(kept)
            continue
        stretch = kept[: end or kept.rfind(b"\n") + 1]
        yield from _stretch(stretch, form, line, offset)
        line, offset = line + stretch.count(b"\n"), offset + len(stretch)
        kept, want = kept[len(stretch) :], _STRETCH


@dataclass(frozen=True)
class _Form:
    """What entries look like."""

    pattern: re.Pattern[str]
    encoding: str
    continues: str
    begins: re.Pattern[str]

    def end_of(self, text: bytes) -> int:
        """Where a stretch can end: after its last line, or before its last entry; 0 for nowhere."""
        end = text.rfind(b"\n") + 1
        while self.continues and end:
            start = text.rfind(b"\n", 0, end - 1) + 1
            line = text[start:end].rstrip(b"\r\n").decode(self.encoding, "replace")
            if self.pattern.fullmatch(line):
                return start
            end = start
        return end


def _stretch(stretch: bytes, form: _Form, line: int, offset: int) -> Iterator[Block]:
    columns = None if _NOT_PLAIN.search(stretch) else _at_once(stretch, form)
    if columns is None:
        part = Source(cast("BinaryIO", io.BytesIO(stretch)))
        yield from _moved(from_records(_entries(part, form)), line, offset)
        return
    count = len(next(iter(columns.values())))
    bounds = Bounds(stretch)

    def place(row: int) -> Place:
        start, end = bounds.of(row)
        raw = stretch[start:end]
        return Place(line + row, offset + start, len(raw), raw.rstrip(b"\n").decode("ascii"))

    yield Block(columns, pa.arange(line, line + count), place)


def _at_once(stretch: bytes, form: _Form) -> dict[str, pa.Array] | None:
    """The columns of a stretch in which each line is an entry; None if one is not."""
    texts = stretch.decode("ascii").split("\n")
    if not texts[-1]:
        texts.pop()
    names = list(form.pattern.groupindex)
    try:
        found = pc.extract_regex(pa.array(texts, pa.string()), f"^(?:{form.pattern.pattern})$")
    except pa.ArrowInvalid:  # a pattern of a kind that only Python has
        return None
    if not names or found.null_count:
        return None
    columns = {name: pc.struct_field(found, name) for name in names}
    return {
        name: text
        if name == form.continues
        else pc.if_else(pc.is_in(text, pa.array(["", "-"])), None, text)
        for name, text in columns.items()
    }


def _moved(blocks: Iterator[Block], line: int, offset: int) -> Iterator[Block]:
    """Blocks of a part of a source, with their places in the whole."""

    def moved(place: Place) -> Place:
        number = None if place.line is None else place.line + line - 1
        start = None if place.offset is None else place.offset + offset
        return place._replace(line=number, offset=start)

    def place_in(block: Block) -> Callable[[int], Place]:
        return lambda row: moved(block.place(row))

    for block in blocks:
        yield replace(
            block,
            lines=pc.add(block.lines, line - 1),
            place=place_in(block),
            faults=[fault._replace(place=moved(fault.place)) for fault in block.faults],
        )


def _entries(source: Source, form: _Form) -> Iterator[Record | Fault]:
    entry: Record | Fault | None = None
    more: list[Place] = []
    blank: list[Place] = []
    for line in lines(source, form.encoding):
        if isinstance(line, Fault):
            found = None
        elif not line.raw.strip():
            blank.append(line)  # within an entry it is part of it
            continue
        else:
            found = form.pattern.fullmatch(line.raw)
            goes_on = found is None and form.continues and not form.begins.match(line.raw)
            if goes_on and entry and len(more) < _MOST_CONTINUED:
                more += [*blank, line]
                blank = []
                continue
        blank = []
        if entry is not None:
            yield _longer(entry, more, form.continues) if more else entry
            entry, more = None, []
        if isinstance(line, Fault):
            yield line
        elif found is not None:
            entry = Record(line, _values(found, form.continues))
        else:
            fault = Fault(line, "NO_MATCH", "not an entry of this log")
            if form.begins.match(line.raw):
                entry = fault  # what follows is of it
            else:
                yield fault
    if entry is not None:
        yield _longer(entry, more, form.continues) if more else entry


def _values(found: re.Match[str], continues: str) -> dict[str, str | None]:
    values: dict[str, str | None] = {
        name: None if text == "-" else text or None for name, text in found.groupdict().items()
    }
    if continues:
        values[continues] = found[continues] or ""
    return values


def _longer(entry: Record | Fault, more: list[Place], continues: str) -> Record | Fault:
    """An entry with the lines that continue it."""
    text = "\n".join(line.raw for line in more)
    first = entry.place
    length = None
    if first.length is not None:
        length = first.length + sum(line.length or 0 for line in more)
    place = first._replace(length=length, raw=f"{first.raw}\n{text}")
    if isinstance(entry, Fault):
        return entry._replace(place=place)
    values = {**entry.values, continues: f"{entry.values.get(continues) or ''}\n{text}"}
    return Record(place, values)

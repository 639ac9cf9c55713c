"""What readers yield: records of one stretch of a source, as columns of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa

ROWS_AT_ONCE = 8_192
_MOST_CELLS = 400_000


class Place(NamedTuple):
    """Where a record stands in its source, and its bytes as text."""

    line: int | None
    """Counted from 1."""
    offset: int | None
    """First byte, counted from 0, in the unpacked source; None where bytes are not kept apart."""
    length: int | None
    """In bytes, its line end included."""
    raw: str


class Fault(NamedTuple):
    """A record that is no row, and why."""

    place: Place
    code: str
    """Stable and short: FIELD_COUNT, NOT_TEXT, NOT_JSON, NO_MATCH, UNKNOWN_FIELD ..."""
    reason: str
    column: str | None = None


class Record(NamedTuple):
    """One record on its own, where a reader takes its source apart piece by piece."""

    place: Place
    values: Mapping[str, str | None]


class Passed(NamedTuple):
    """A record that is passed over by rule, and which rule that is."""

    reason: str


def _nowhere(_row: int) -> Place:
    return Place(None, None, None, "")


@dataclass(frozen=True)
class Bounds:
    """Where each line of a text begins and ends; found when the first is asked for."""

    text: bytes

    def of(self, line: int) -> tuple[int, int]:
        """The first byte of a line, counted from 0, and the one after its end."""
        return self._all[line], self._all[line + 1]

    @cached_property
    def filled(self) -> list[int]:
        """The lines that are not blank."""
        pairs = enumerate(pairwise(self._all))
        return [n for n, (start, end) in pairs if self.text[start:end] not in (b"\n", b"\r\n")]

    @cached_property
    def _all(self) -> list[int]:
        ends = [found.end() for found in re.finditer(b"\n", self.text)]
        return [0, *ends, *([] if self.text.endswith(b"\n") else [len(self.text)])]


@dataclass(slots=True)
class Block:
    """Some records: rows of text, records that are no rows, and what is passed over."""

    columns: dict[str, pa.Array]
    """Source name → strings; the same length each."""
    lines: pa.Array
    """int64: the line each row begins on; null where the source has no lines."""
    place: Callable[[int], Place] = _nowhere
    """Where row n of the block stands; called for rows that are set aside."""
    faults: list[Fault] = field(default_factory=list[Fault])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    """Records that are passed over by rule: reason → how many."""
    has_all: bool = True
    """Whether `columns` are all that the source's records have (a table's header), so that others
    are missing; else a column that no record here filled is merely empty."""

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.lines)


def empty(names: Sequence[str]) -> Block:
    """A block of no rows, which says what the columns are."""
    return Block({name: pa.array([], pa.string()) for name in names}, pa.array([], pa.int64()))


def from_records(
    stream: Iterable[Record | Fault | Passed], *, at_once: int = ROWS_AT_ONCE, has_all: bool = False
) -> Iterator[Block]:
    """Put single records together, as columns of every name that occurs.

    `has_all`: each record has all of its source's columns, as in a table; see `Block`.
    """
    records: list[Record] = []
    faults: list[Fault] = []
    skipped: Counter[str] = Counter()
    cells = 0
    for one in stream:
        if isinstance(one, Passed):
            skipped[one.reason] += 1
        elif isinstance(one, Fault):
            faults.append(one)
        else:
            records.append(one)
            cells += len(one.values)
        # Records of ever new fields would make a block as wide as they are many.
        if len(records) + len(faults) >= at_once or cells >= _MOST_CELLS:
            yield _block(records, faults, skipped, has_all=has_all)
            records, faults, skipped, cells = [], [], Counter(), 0
    if records or faults or skipped:
        yield _block(records, faults, skipped, has_all=has_all)


def _block(
    records: Sequence[Record], faults: list[Fault], skipped: dict[str, int], *, has_all: bool
) -> Block:
    names = dict.fromkeys(name for record in records for name in record.values)
    rows = [record.values for record in records]
    columns = {name: strings([row.get(name) for row in rows]) for name in names}
    lines = pa.array([record.place.line for record in records], pa.int64())
    has_all = has_all and bool(records)
    return Block(columns, lines, lambda row: records[row].place, faults, skipped, has_all)


def strings(texts: list[str | None]) -> pa.Array:
    """Texts as a column; halves of surrogate pairs, which UTF-8 cannot hold, spelled out."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        storable = [
            None if text is None else text.encode("utf-8", "backslashreplace").decode()
            for text in texts
        ]
        return pa.array(storable, pa.string())

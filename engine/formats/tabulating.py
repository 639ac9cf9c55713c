"""Read a sample with the reader that a plugin will use, and profile its columns."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from casparian_flow.reading.blocks import Block, Fault
from casparian_flow.reading.kinds import NUMBER_FORMS
from casparian_flow.reading.sources import Source
from engine.formats.elimination import profile_column
from engine.formats.interface import ColumnProfile, Profile, Reading, Sample

MOST_ROWS, SHOWN_ROWS, MOST_COLUMNS = 5_000, 50, 4_000
_MOST_CELLS = 400_000
"""Cells that are looked at: of wide tables fewer rows."""
FROM_PARTS = "profiled from head, middle and tail; the whole file may hold more"
FROM_HEAD = "profiled from the head; the whole file may hold more"


@dataclass
class Tabulated:
    """The records of a sample, as text."""

    columns: dict[str, list[str | None]] = field(default_factory=dict[str, list[str | None]])
    rows: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    has_all: bool = True

    def shown(self) -> tuple[tuple[str | None, ...], ...]:
        """The first records."""
        count = min(self.rows, SHOWN_ROWS)
        return tuple(tuple(texts[n] for texts in self.columns.values()) for n in range(count))


def tabulate(reading: Reading, content: bytes) -> Tabulated:
    """The records that the reader finds in a sample; at most 5,000 of them."""
    stream = io.BytesIO(content)
    return read_source(reading, Source(cast("BinaryIO", stream)))


def read_source(reading: Reading, source: Source) -> Tabulated:
    """The first records that the reader finds in a source."""
    module = importlib.import_module(f"casparian_flow.reading.{reading.module}")
    read = cast("Callable[..., Iterable[Block]]", getattr(module, reading.function))
    found = Tabulated()
    for block in read(source, **reading.arguments):
        _add(found, block)
        if found.rows + len(found.faults) >= MOST_ROWS or len(found.columns) > MOST_COLUMNS:
            break
    return found


def _add(found: Tabulated, block: Block) -> None:
    found.has_all &= block.has_all
    take = min(block.rows, MOST_ROWS - found.rows)
    for name, texts in block.columns.items():
        column = found.columns.setdefault(name, [None] * found.rows)
        column += texts.slice(0, take).to_pylist()
    found.rows += take
    for column in found.columns.values():
        column.extend([None] * (found.rows - len(column)))
    found.faults += block.faults
    for reason, count in block.skipped.items():
        found.skipped[reason] = found.skipped.get(reason, 0) + count


def columns_of(found: Tabulated, *, comma_is_likely: bool = False) -> tuple[ColumnProfile, ...]:
    """The profiles of the columns that were found; a decimal comma in one makes others likely."""
    names = list(found.columns)[:MOST_COLUMNS]
    rows = max(100, _MOST_CELLS // max(1, len(names)))
    columns = tuple(
        profile_column(name, found.columns[name][:rows], comma_is_likely=comma_is_likely)
        for name in names
    )
    if not comma_is_likely and any(map(_has_decimal_comma, columns)):
        return columns_of(found, comma_is_likely=True)
    return columns


def _has_decimal_comma(column: ColumnProfile) -> bool:
    form = column.candidates[0] if column.type == "double" and column.candidates else ""
    return form in NUMBER_FORMS and NUMBER_FORMS[form][1] == ","


def profile_of(  # noqa: PLR0913 - what a recogniser knows of a file, each by its name
    form: str,
    reading: Reading,
    sample: Sample,
    *,
    from_head: bool = False,
    header: bool | None = None,
    problems: Sequence[str] = (),
    shape: str | None = None,
    found: Tabulated | None = None,
    comma_is_likely: bool = False,
) -> Profile:
    """The profile of a text source that was recognised.

    `shape` is what else than its columns makes files of one kind; without it, their names do.
    """
    if found is None:
        found = tabulate(reading, sample.head if from_head else sample.content)
    columns = columns_of(found, comma_is_likely=comma_is_likely)
    told = [sample.encoding_problem] if sample.encoding_problem else []
    told += problems
    if len(found.columns) > MOST_COLUMNS:
        told.append(f"{len(found.columns):,} columns, more than the {MOST_COLUMNS:,} of a table")
    told += faults_told(found, is_cut=from_head and not sample.is_whole)
    if not sample.is_whole:
        told.append(FROM_HEAD if from_head else FROM_PARTS)
    names = "|".join(column.name for column in columns)
    return Profile(
        format=form,
        encoding=sample.encoding,
        header=header,
        columns=columns,
        rows=found.shown(),
        problems=tuple(told),
        fingerprint=f"{form}|{names if shape is None else shape}",
        is_ascii=sample.text.isascii(),
        reading=reading if len(found.columns) <= MOST_COLUMNS else None,
    )


def faults_told(found: Tabulated, *, is_cut: bool = False) -> list[str]:
    """What does not fit, by cause, with an example of each."""
    faults = found.faults
    if is_cut and faults and faults[-1].code in ("NOT_JSON", "NOT_XML", "CUT_OFF", "BAD_QUOTES"):
        faults = faults[:-1]  # only the sample's end
    causes: dict[str, list[Fault]] = {}
    for fault in faults:
        causes.setdefault(fault.reason if fault.code == "FIELD_COUNT" else fault.code, []).append(
            fault
        )
    told: list[str] = []
    for cause in list(causes.values())[:5]:
        first = cause[0]
        where = "" if first.place.line is None else f", the first on line {first.place.line}"
        many = "1 record" if len(cause) == 1 else f"{len(cause)} records"
        fit = "does not fit" if len(cause) == 1 else "do not fit"
        told.append(f"{many} of the sample {fit}{where}: {first.reason}")
    return told

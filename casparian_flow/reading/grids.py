"""Read tables that are drawn with lines: of psql and mysql, of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from casparian_flow.reading.blocks import Block, Fault, Passed, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.naming import header_names
from casparian_flow.reading.sources import Source

_DRAWN = frozenset("-=─━═ |+:┼│┌┐└┘├┤┬┴╪\t")
_DASHES = ("--", "==", "──", "━━", "══")
_COUNT = re.compile(r"\(?\d+ rows?(?: in set.*)?\)?\.?")


def read(
    source: Source, *, encoding: str = "utf-8", skip: int = 0, mark: str = "|"
) -> Iterator[Block]:
    """Yield one row a line of a drawn table; its first line names the columns.

    Args:
        source: What to read.
        encoding: The source's encoding.
        skip: Lines above the table.
        mark: What stands between cells.
    """
    return from_records(_records(source, encoding, skip, mark), has_all=True)


def _records(
    source: Source, encoding: str, skip: int, mark: str
) -> Iterator[Record | Fault | Passed]:
    names: Sequence[str] = ()
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        if not line.raw.strip() or is_rule(line.raw):
            continue
        if (line.line or 0) <= skip:
            yield Passed("above the table")
            continue
        found = cells(line.raw, mark)
        if not names:
            names = header_names([found])
        elif len(found) == len(names):
            yield Record(line, dict(zip(names, found, strict=True)))
        elif _COUNT.fullmatch(line.raw.strip()):
            yield Passed("a count of rows")
        else:
            reason = f"{len(found)} cells instead of {len(names)}"
            yield Fault(line, "FIELD_COUNT", reason)


def cells(text: str, mark: str) -> list[str]:
    """The cells of a line, without its frame."""
    inner = text.strip()
    if inner.startswith(mark):
        inner = inner[1:]
    if inner.endswith(mark) and not inner.endswith(f"\\{mark}"):
        inner = inner[:-1]
    return [cell.strip() for cell in inner.split(mark)]


def is_rule(text: str) -> bool:
    """Whether a line only draws."""
    return _DRAWN.issuperset(text) and any(dashes in text for dashes in _DASHES)

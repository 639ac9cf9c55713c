"""Read lines whose fields stand at fixed places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from casparian_flow.reading.blocks import Block, Fault, Passed, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source


def read(
    source: Source,
    *,
    fields: Sequence[tuple[str, int, int | None]],
    encoding: str = "utf-8",
    skip: int = 0,
    footer: str = "",
    apart: bool = True,
) -> Iterator[Block]:
    """Yield one row a line.

    Args:
        source: What to read.
        fields: Name, first character counted from 0, and where it ends; the last may be open.
        encoding: The source's encoding.
        skip: Lines above the first record; where they come again, as on each page of a report,
            they are passed over.
        footer: A pattern of lines that are no records.
        apart: Whether blanks stand between fields, so that text across an edge is a fault.
    """
    return from_records(_records(source, fields, encoding, skip, footer, apart), has_all=True)


def _records(
    source: Source,
    fields: Sequence[tuple[str, int, int | None]],
    encoding: str,
    skip: int,
    footer: str,
    apart: bool,  # noqa: FBT001 - private
) -> Iterator[Record | Fault | Passed]:
    edges = [start for _, start, _ in fields if start and apart]
    last = re.compile(footer) if footer else None
    above: set[str | None] = set()
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        if not line.raw.strip() or _is_rule(line.raw):
            continue
        if (line.line or 0) <= skip:
            above.add(heading(line.raw))
            yield Passed("above the table")
            continue
        if (again := heading(line.raw)) is not None and again in above:
            yield Passed("header again")
            continue
        if last is not None and last.search(line.raw):
            yield Passed("a footer")
            continue
        crossed = [
            edge for edge in edges
            if edge < len(line.raw) and not line.raw[edge - 1].isspace()
            and not line.raw[edge].isspace()
        ]  # fmt: skip
        if crossed:
            reason = f"text runs across character {crossed[0]}, where a field begins"
            yield Fault(line, "FIELD_COUNT", reason)
            continue
        values = {name: line.raw[start:end].strip() for name, start, end in fields}
        yield Record(line, values)


def heading(text: str) -> str | None:
    """What a line is that stands above each page of a report, whatever its numbers; None if none.

    It has letters, and more of them than digits: else it is taken for a record.
    """
    letters = sum(map(str.isalpha, text))
    if letters <= sum(map(str.isdigit, text)):
        return None
    return re.sub(r"\d+", "0", " ".join(text.split()))


def _is_rule(text: str) -> bool:
    """Whether a line only underlines others."""
    return len(set(text.replace(" ", "").strip())) == 1 and text.strip()[0] in "-=_+"

"""Read logs in the W3C's extended format, as IIS and CloudFront write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from casparian_flow.reading.blocks import Block, Fault, Passed, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.naming import distinct
from casparian_flow.reading.sources import Source

FIELDS = "#Fields:"
_VALUE = re.compile(r'"(?:[^"]|"")*"|\S+')


def read(source: Source, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield the entries; each `#Fields:` names the columns of those below it.

    Values are divided by tabs where a line has one, else by blanks, with quotes around those that
    hold some. `-` is a missing value.
    """
    return from_records(_entries(source, encoding))


def _entries(source: Source, encoding: str) -> Iterator[Record | Fault | Passed]:
    names: list[str] = []
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
        elif line.raw.startswith("#"):
            if line.raw.startswith(FIELDS):
                names = distinct(line.raw.removeprefix(FIELDS).split())
            yield Passed("a line about the log")
        elif line.raw.strip():
            values = values_in(line.raw)
            if not names:
                yield Fault(line, "NO_FIELDS", f"no {FIELDS} above it names the columns")
            elif len(values) != len(names):
                reason = f"{len(values)} values instead of {len(names)}"
                yield Fault(line, "FIELD_COUNT", reason)
            else:
                yield Record(line, dict(zip(names, values, strict=True)))


def values_in(text: str) -> list[str | None]:
    """The values of an entry."""
    found = text.split("\t") if "\t" in text else _VALUE.findall(text)
    return [None if value == "-" else _bare(value.strip()) for value in found]


def _bare(value: str) -> str:
    is_quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
    return value[1:-1].replace('""', '"') if is_quoted else value

"""See what all values of a topic's columns have in common: what a contract could state of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa

from engine import constraints


@dataclass
class Observed:
    """Over all rows that were taken."""

    rows: int = 0
    nulls: dict[str, int] = field(default_factory=dict[str, int])
    """Column → rows without a value."""
    formats: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Column of text → formats that each of its values is in."""

    def take(self, rows: pa.RecordBatch) -> None:
        """Look at some more rows; columns that begin with `_` are not the file's own."""
        self.rows += rows.num_rows
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            if name.startswith("_"):
                continue
            self.nulls[name] = self.nulls.get(name, 0) + column.null_count
            if pa.types.is_string(column.type) and column.null_count < len(column):
                left = self.formats.get(name, sorted(constraints.FORMATS))
                self.formats[name] = [
                    form for form in left if not constraints.broken(column, {"format": form})
                ]

    def add(self, other: Observed) -> None:
        """Take what was seen of other rows into this."""
        self.rows += other.rows
        for name, count in other.nulls.items():
            self.nulls[name] = self.nulls.get(name, 0) + count
        for name, forms in other.formats.items():
            known = self.formats.get(name, forms)
            self.formats[name] = [form for form in known if form in forms]


def from_json(value: Mapping[str, object]) -> Observed:
    """What was written with `dataclasses.asdict`."""
    return Observed(
        cast("int", value["rows"]),
        cast("dict[str, int]", value["nulls"]),
        cast("dict[str, list[str]]", value["formats"]),
    )


def could_be_stated(topic: str, seen: Observed, *, files: int) -> str | None:
    """A sentence on what a person may state; None where too little was seen, or nothing holds.

    A sample decides none of it: the next file may lack a value.
    """
    filled = [name for name, nulls in seen.nulls.items() if not nulls]
    formed = [f"{name} is of format {forms[0]}" for name, forms in seen.formats.items() if forms]
    if seen.rows < _LEAST_ROWS or not (filled or formed):
        return None
    told = [f"{', '.join(filled[:_MOST_NAMED])} in every row"] if filled else []
    told += formed[:_MOST_NAMED]
    where = f"{seen.rows:,} rows of {files:,} {'file' if files == 1 else 'files'}"
    return (
        f"{topic}, what a person may state of it, for so it is in all {where}: {'; '.join(told)}."
        f" Once published: `casparian contract {topic} --to FILE`, and `--from FILE`."
    )


_LEAST_ROWS, _MOST_NAMED = 20, 12

"""Compare what two plugin versions give for one file, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

_MOST_EXAMPLES = 3
_CELL_CHARS = 80
_PLACE = ("_member", "_line")


@dataclass
class Difference:
    """Rows of one topic that are new, gone or different; columns → how many rows differ in them."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    columns: dict[str, int] = field(default_factory=dict[str, int])
    examples: list[str] = field(default_factory=list[str])
    """Such as `a.csv line 3: amount 1.5 → 2.5`."""

    def add(self, other: Difference) -> None:
        """Take another file's difference into this one."""
        self.added += other.added
        self.removed += other.removed
        self.changed += other.changed
        self.same += other.same
        for name, count in other.columns.items():
            self.columns[name] = self.columns.get(name, 0) + count
        self.examples += other.examples[: _MOST_EXAMPLES - len(self.examples)]


def compare(before: pa.Table, after: pa.Table, *, file: str) -> Difference:
    """How the rows of a file change.

    In: two tables without the host's lineage columns. Rows are the same record if they name the
    same line (and member), where both name each only once; else by their order. Columns that only
    one has count as changed where they hold a value.
    """
    old, new = _framed(before), _framed(after)
    key = _key(old, new)
    names = list(dict.fromkeys([*old.columns, *new.columns]))
    for name in names:
        old, new = _with(old, name), _with(new, name)
    values = [name for name in names if name not in (*key, "@row")]
    old = old.with_columns(pl.lit(1).alias("@old"))
    new = new.with_columns(pl.lit(1).alias("@new"))
    joined = old.join(new, on=key, how="full", suffix=":new", coalesce=True, nulls_equal=True)
    in_old, in_new = pl.col("@old").is_not_null(), pl.col("@new").is_not_null()
    both = joined.filter(in_old & in_new)
    differs = {name: both[name].ne_missing(both[f"{name}:new"]) for name in values}
    changed = pl.Series([False] * both.height, dtype=pl.Boolean)
    for mask in differs.values():
        changed = changed | mask
    found = Difference(
        added=joined.filter(~in_old).height,
        removed=joined.filter(~in_new).height,
        changed=int(changed.sum()),
        same=both.height - int(changed.sum()),
        columns={name: int(mask.sum()) for name, mask in differs.items() if mask.any()},
    )
    found.examples = _examples(both, differs, changed, key, file)
    return found


def _framed(table: pa.Table) -> pl.DataFrame:
    """Values as text, so that a type that widened does not make every row differ."""
    for index, name in enumerate(table.schema.names):
        if pa.types.is_nested(table.schema.types[index]):
            texts = [json.dumps(value, default=str) for value in table.column(index).to_pylist()]
            table = table.set_column(index, name, pa.array(texts, pa.string()))
    frame = pl.DataFrame(pl.from_arrow(table))
    texts = [
        (
            pl.col(name).cast(pl.Float64)
            if kind.is_numeric() and name not in _PLACE
            else pl.col(name)
        )
        .cast(pl.String)
        .str.strip_suffix(".0" if kind.is_numeric() else "")
        .alias(name)
        for name, kind in frame.schema.items()
    ]
    return frame.select(texts).with_row_index("@row")


def _key(old: pl.DataFrame, new: pl.DataFrame) -> list[str]:
    places = [name for name in _PLACE if name in old.columns and name in new.columns]
    is_named = "_line" in places and all(
        not frame.select(places).is_duplicated().any() and frame["_line"].null_count() == 0
        for frame in (old, new)
    )
    return places if is_named else ["@row"]


def _with(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """With a column, null where it was not there."""
    return (
        frame if name in frame.columns else frame.with_columns(pl.lit(None, pl.String).alias(name))
    )


def _examples(
    both: pl.DataFrame,
    differs: Mapping[str, pl.Series],
    changed: pl.Series,
    key: Sequence[str],
    file: str,
) -> list[str]:
    examples: list[str] = []
    for row in changed.arg_true().head(_MOST_EXAMPLES).to_list():
        place = ", ".join(f"{name.strip('@_')} {both[name][row]}" for name in key)
        told = [
            f"{name} {_cell(both[name][row])} → {_cell(both[f'{name}:new'][row])}"
            for name, mask in differs.items()
            if mask[row]
        ]
        examples.append(f"{file} {place}: {'; '.join(told[:4])}")
    return examples


def _cell(value: object) -> str:
    return "null" if value is None else repr(str(value)[:_CELL_CHARS])

"""Compare what two plugin versions give for one file, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from engine.exact_text import exact_text

_MOST_EXAMPLES = 3
_MOST_CELLS_TOLD = 4
_CELL_CHARS = 80
_PLACE = ("_member", "_line")


@dataclass
class Difference:
    """Rows of one topic that are new, gone or different; columns → how many rows differ in them."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    by_order: int = 0
    """Changed rows that name no line of their own: paired by their order, perhaps wrongly."""
    columns: dict[str, int] = field(default_factory=dict[str, int])
    examples: list[str] = field(default_factory=list[str])
    """Such as `a.csv line 3: amount 1.5 → 2.5`."""

    def add(self, other: Difference) -> None:
        """Take another file's difference into this one."""
        self.added += other.added
        self.removed += other.removed
        self.changed += other.changed
        self.same += other.same
        self.by_order += other.by_order
        for name, count in other.columns.items():
            self.columns[name] = self.columns.get(name, 0) + count
        self.examples += other.examples[: _MOST_EXAMPLES - len(self.examples)]


def compare(before: pa.Table, after: pa.Table, *, file: str) -> Difference:
    """How the rows of a file change.

    In: two tables without the host's lineage columns. Rows are the same record if they name the
    same line (and member), where both name each only once. Else equal rows are the same record,
    and those left are paired by their order. Columns that only one has count as changed where they
    hold a value. Values are equal as `exact_text` says.
    """
    names = list(dict.fromkeys([*before.column_names, *after.column_names]))
    old, new = _framed(before, names), _framed(after, names)
    place = _place(before, after, names, old, new)
    same = 0
    if not place:
        old, new, same = _without_equal(old, new)
    key = place or ["nth"]
    old = old.with_columns(pl.lit(True).alias("is_old"))
    new = new.with_columns(pl.lit(True).alias("is_new"))
    joined = old.join(new, on=key, how="full", suffix="'", coalesce=True, nulls_equal=True)
    both = joined.filter(pl.col("is_old") & pl.col("is_new"))
    differs = {
        index: both[f"c{index}"].ne_missing(both[f"c{index}'"])
        for index in range(len(names))
        if f"c{index}" not in key
    }
    changed = pl.Series([False] * both.height, dtype=pl.Boolean)
    for mask in differs.values():
        changed = changed | mask
    count = int(changed.sum())
    return Difference(
        added=joined["is_old"].null_count(),
        removed=joined["is_new"].null_count(),
        changed=count,
        same=same + both.height - count,
        by_order=0 if place else count,
        columns={names[index]: int(mask.sum()) for index, mask in differs.items() if mask.any()},
        examples=[
            f"{file} {_told_place(both, row, names, place)}: {_told_cells(both, row, names)}"
            for row in changed.arg_true().head(_MOST_EXAMPLES).to_list()
        ],
    )


def _framed(table: pa.Table, names: Sequence[str]) -> pl.DataFrame:
    """The values as text in columns `c0`, `c1`, … in the order of `names`, null where not there.

    Beside them `nth`, the row's number from 1.
    """
    texts = {
        f"c{index}": (
            exact_text(table.column(name))
            if name in table.column_names
            else pa.nulls(table.num_rows, pa.string())
        )
        for index, name in enumerate(names)
    }
    return pl.DataFrame(pl.from_arrow(pa.table(texts))).with_row_index("nth", offset=1)


def _place(
    before: pa.Table, after: pa.Table, names: Sequence[str], old: pl.DataFrame, new: pl.DataFrame
) -> list[str]:
    """The columns that tell a record's place, if they tell each record's from every other's."""
    shared = set(before.column_names) & set(after.column_names)
    if "_line" not in shared:
        return []
    place = [f"c{names.index(name)}" for name in _PLACE if name in shared]
    is_told = all(
        not frame.select(place).is_duplicated().any() and not frame[place[-1]].null_count()
        for frame in (old, new)
    )
    return place if is_told else []


def _without_equal(old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """What is left without the rows that both hold, numbered anew by its order; how many went."""
    key = ["whole", "again"]
    frames = [
        frame.with_columns(_whole(frame)).with_columns(
            pl.int_range(pl.len()).over("whole").alias("again")
        )
        for frame in (old, new)
    ]
    left = [
        one.join(other, on=key, how="anti", maintain_order="left")
        .drop(*key, "nth")
        .with_row_index("nth", offset=1)
        for one, other in (frames, frames[::-1])
    ]
    return left[0], left[1], old.height - left[0].height


def _whole(frame: pl.DataFrame) -> pl.Expr:
    """All values of a row as one text, each with its length before it, so that none looks alike."""
    parts = [
        pl.concat_str(
            pl.col(name).str.len_bytes().cast(pl.String), pl.lit(":"), pl.col(name)
        ).fill_null("-")
        for name in frame.columns
        if name != "nth"
    ]
    return pl.concat_str(parts or [pl.lit("")]).alias("whole")


def _told_place(both: pl.DataFrame, row: int, names: Sequence[str], place: Sequence[str]) -> str:
    if not place:
        return "without a line of its own"
    return ", ".join(f"{names[int(key[1:])].strip('_')} {both[key][row]}" for key in place)


def _told_cells(both: pl.DataFrame, row: int, names: Sequence[str]) -> str:
    pairs = [
        (name, both[f"c{index}"][row], both[f"c{index}'"][row])
        for index, name in enumerate(names)
        if f"c{index}'" in both.columns
    ]
    told = [f"{name} {_cell(was)} → {_cell(now)}" for name, was, now in pairs if was != now]
    return "; ".join(told[:_MOST_CELLS_TOLD])


def _cell(value: object) -> str:
    return "null" if value is None else repr(str(value)[:_CELL_CHARS])

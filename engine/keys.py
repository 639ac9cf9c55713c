"""Find rows that repeat the key of an earlier row of the same file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl

_FEW = 65_536


@dataclass
class Keys:
    """The keys of one file's rows so far, as 64-bit hashes: 8 bytes each, sorted in few runs.

    Two keys of a hundred million share a hash once in some four thousand files; the row is then
    set aside, which a person sees, and not lost.
    """

    columns: Sequence[str]
    _runs: list[pl.Series] = field(default_factory=list["pl.Series"])
    """Each sorted, and longer than the next: found by bisection, merged like a counter's digits."""

    def repeated(self, batch: pa.RecordBatch) -> list[int]:
        """Rows of the batch whose key was seen before, here or in an earlier batch.

        A key with a missing part is no key, and repeats nothing.
        """
        import polars as pl  # a worker that holds no topic to a key never loads it

        frame = pl.DataFrame(pl.from_arrow(batch.select(list(self.columns))))
        is_whole = frame.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        hashes = frame.hash_rows(seed=0)
        is_again = ~hashes.is_first_distinct()
        for run in self._runs:
            places = run.search_sorted(hashes).clip(upper_bound=len(run) - 1)
            is_again |= run.gather(places) == hashes
        self._add(hashes.filter(is_whole & ~is_again).sort())
        return (is_whole & is_again).arg_true().to_list()

    def _add(self, run: pl.Series) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) <= max(len(run), _FEW):
            run = run.append(self._runs.pop()).sort()
        self._runs.append(run)

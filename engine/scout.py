"""Compare what lies in a root with what the catalog knows, and record the difference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from sqlalchemy import update
from sqlalchemy.orm import Session

from casparian_flow.errors import SourceError
from engine.database import Catalog
from engine.listing import SCHEMA, Listing, list_files, records
from engine.models import (
    FileLocation,
    SourceRoot,
)
from engine.states import LocationState

_MOST_LOST = 0.5
_FEW_FILES = 20
_ROWS_AT_ONCE = 200
_FACTS = ("size", "mtime_ns", "ctime_ns", "inode", "device")


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one scan found; counts of files."""

    new: int
    changed: int
    deleted: int
    renamed: int
    unchanged: int
    skipped: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """For the catalog and the doors."""
        return {
            "new": self.new,
            "changed": self.changed,
            "deleted": self.deleted,
            "renamed": self.renamed,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
        }


@dataclass(frozen=True, slots=True)
class _Difference:
    new: pl.DataFrame
    """Columns of the listing."""
    changed: pl.DataFrame
    """The same, with the location's `id`."""
    renamed: pl.DataFrame
    """The same: `path` is the new one, `id` the location that moved."""
    deleted: list[int]
    unchanged: int


def scan(catalog: Catalog, root_id: int, *, accept_deletions: bool = False) -> Inventory:
    """Bring the inventory of one root up to date; opens no file.

    Raises:
        SourceError: the root is gone, or lost most of its files (nothing is marked deleted).
    """
    with catalog.reading() as session:
        root = session.get_one(SourceRoot, root_id).path
    with ThreadPoolExecutor(max_workers=1) as pool, catalog.reading() as session:
        listed = pool.submit(list_files, root)
        known = _known(session, root_id)
        listing = listed.result()
    difference = _difference(listing.files, known)
    present = known.filter(pl.col("state") == LocationState.PRESENT.value).height
    lost = len(difference.deleted)
    if not accept_deletions and present >= _FEW_FILES and lost > present * _MOST_LOST:
        raise SourceError(
            f"{lost} of {present} known files are gone from {root.decode(errors='replace')};"
            " nothing was marked deleted",
            hint="Is a disk unmounted? If the files were really removed:"
            " `casparian scan DIR --accept-deletions`.",
        )
    return _apply(catalog, root_id, difference, listing)


def _known(session: Session, root_id: int) -> pl.DataFrame:
    """The inventory of a root, as one string that polars takes apart: it may be a million rows."""
    joined = session.connection().exec_driver_sql(
        "SELECT CAST(group_concat(id || ' ' || size || ' ' || mtime_ns || ' ' || ctime_ns || ' '"
        " || inode || ' ' || device || ' ' || state || ' ' || CAST(path AS TEXT), char(0)) AS BLOB)"
        " FROM file_location WHERE root_id = ? AND member = ''",
        (root_id,),
    )
    fields = ("id", "size", "mtime_ns", "ctime_ns", "inode", "device", "state", "path")
    table = records(joined.scalar() or b"", fields)
    return table.cast({"id": pl.Int64, **SCHEMA})


def _difference(found: pl.DataFrame, known: pl.DataFrame) -> _Difference:
    joined = found.join(known, on="path", how="left", suffix="_known")
    is_same = pl.all_horizontal(pl.col(fact) == pl.col(f"{fact}_known") for fact in _FACTS)
    is_present = pl.col("state") == LocationState.PRESENT.value
    new = joined.filter(pl.col("id").is_null()).select(*SCHEMA)
    changed = joined.filter(pl.col("id").is_not_null() & ~(is_same & is_present))
    is_known = pl.col("state") != LocationState.DELETED.value
    gone = known.filter(is_known).join(found.select("path"), on="path", how="anti")
    renamed = new.head(0).with_columns(pl.lit(None, pl.Int64).alias("id"))
    if gone.height and new.height:
        # A rename keeps inode, size and modification time; hashing confirms it later.
        keys = ["inode", "device", "size", "mtime_ns"]
        moved = new.join(gone.select("id", *keys), on=keys, how="inner")
        renamed = moved.unique("id").unique("path").select(*SCHEMA, "id")
        new = new.join(renamed.select("path"), on="path", how="anti")
        gone = gone.join(renamed.select("id"), on="id", how="anti")
    return _Difference(
        new=new,
        changed=changed.select("id", *SCHEMA),
        renamed=renamed,
        deleted=gone["id"].to_list(),
        unchanged=found.height - new.height - changed.height - renamed.height,
    )


def _apply(catalog: Catalog, root_id: int, difference: _Difference, listing: Listing) -> Inventory:
    inventory = Inventory(
        new=difference.new.height,
        changed=difference.changed.height,
        deleted=len(difference.deleted),
        renamed=difference.renamed.height,
        unchanged=difference.unchanged,
        skipped=listing.skipped,
    )
    with catalog.writing() as session:
        updates = pl.concat([difference.changed, difference.renamed.select("id", *SCHEMA)])
        if updates.height:
            state = {"state": LocationState.PRESENT, "dirty": True, "problem": None}
            session.execute(update(FileLocation), [row | state for row in updates.to_dicts()])
        if difference.deleted:
            gone = [{"id": one, "state": LocationState.DELETED} for one in difference.deleted]
            session.execute(update(FileLocation), gone)
        session.execute(
            update(SourceRoot)
            .where(SourceRoot.id == root_id)
            .values(scanned=datetime.now(UTC), scan_summary=inventory.as_json())
        )
        _append(session, root_id, difference.new)
    return inventory


def _append(session: Session, root_id: int, new: pl.DataFrame) -> None:
    """Add new locations past the ORM, many with each statement: one at a time takes twice as long.

    In the order of the index, which then grows at its end.
    """
    ordered = new.select(*SCHEMA).sort("path")
    width = len(SCHEMA)
    values: list[object] = [None] * (ordered.height * width)
    for position, column in enumerate(ordered.get_columns()):
        values[position::width] = column.to_list()
    connection = session.connection()
    for start in range(0, ordered.height, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, ordered.height - start)
        row = f"({int(root_id)}, '', '{LocationState.PRESENT.value}', 1, ?, ?, ?, ?, ?, ?)"
        connection.exec_driver_sql(
            "INSERT INTO file_location (root_id, member, state, dirty, path, size, mtime_ns,"  # noqa: S608 - a number and our own words
            f" ctime_ns, inode, device) VALUES {', '.join([row] * count)}",
            tuple(values[start * width : (start + count) * width]),
        )

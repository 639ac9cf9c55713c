"""Compare what lies in a root with what the catalog knows, and record the difference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import polars as pl
from sqlalchemy import func, select, update

from casparian_flow.errors import SourceError
from engine.database import Catalog
from engine.listing import SCHEMA, Listing, list_files
from engine.models import FileLocation, LocationState, SourceRoot

_MOST_LOST = 0.5
_FEW_FILES = 20
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
    listing = list_files(root)
    known = _known(catalog.path, root_id)
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


def _known(path: Path, root_id: int) -> pl.DataFrame:
    query = (
        "SELECT id, path, size, mtime_ns, ctime_ns, inode, device, state FROM file_location"
        f" WHERE root_id = {int(root_id)} AND member = ''"
    )
    with adbc.connect(str(path)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        frame = pl.DataFrame(cursor.fetch_arrow_table())
    return frame.cast({"id": pl.Int64, **SCHEMA, "state": pl.String})


def _difference(found: pl.DataFrame, known: pl.DataFrame) -> _Difference:
    joined = found.join(known, on="path", how="left", suffix="_known")
    is_same = pl.all_horizontal(pl.col(fact) == pl.col(f"{fact}_known") for fact in _FACTS)
    is_present = pl.col("state") == LocationState.PRESENT.value
    new = joined.filter(pl.col("id").is_null()).select(*SCHEMA)
    changed = joined.filter(pl.col("id").is_not_null() & ~(is_same & is_present))
    gone = known.filter(is_present).join(found.select("path"), on="path", how="anti")
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
        first = (session.scalar(select(func.max(FileLocation.id))) or 0) + 1
    _append(catalog, root_id, difference.new, first)
    return inventory


def _append(catalog: Catalog, root_id: int, new: pl.DataFrame, first_id: int) -> None:
    """Bulk-load new locations: a row per insert would take ten times as long."""
    if not new.height:
        return
    rows = new.with_columns(
        pl.int_range(first_id, first_id + new.height, dtype=pl.Int64).alias("id"),
        pl.lit(root_id, pl.Int64).alias("root_id"),
        pl.lit("").alias("member"),
        pl.lit(LocationState.PRESENT.value).alias("state"),
        pl.lit(1, pl.Int64).alias("dirty"),
    )
    with catalog.bulk() as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("file_location", rows.to_arrow(), mode="append")
        connection.commit()

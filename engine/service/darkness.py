"""Group files by shape, and say which of them no plugin reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.listing import records
from engine.models import (
    RoutingRule,
    SourceRoot,
)
from engine.paths import absolute, display
from engine.routing import Matcher, Rule
from engine.service.looking import look
from engine.service.results import Group
from engine.states import LocationState

_MOST_GROUPS = 20
_SHAPES = {
    "shape": pl.String, "plugin": pl.String, "files": pl.UInt32, "bytes": pl.Int64,
    "id": pl.Int64, "path": pl.Binary, "root": pl.Binary, "size": pl.Int64,
    "last": pl.Binary, "last_size": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Survey:
    """The files of some roots by shape and reader."""

    groups: list[Group]
    """Those nobody reads first, the largest first; at most twenty."""
    unrouted: int
    """Files no plugin reads, whether or not their group is among these."""


def survey(session: Session, roots: Sequence[SourceRoot], *, pattern: str = "**/*") -> Survey:
    """Group present files by shape and reader.

    A name's shape has its digits as `#`, so that `sales_2026-01.csv` and its sisters are one group.
    """
    shapes = [_shapes(session, root, pattern) for root in roots]
    table = _summed(pl.concat([pl.DataFrame(schema=_SHAPES), *shapes]))
    dark = table.filter(pl.col("plugin").is_null())["files"].sum()
    merged = _summed(_few(table))
    merged = merged.sort(
        pl.col("plugin").is_not_null(), "files", "bytes", "shape",
        descending=[False, True, True, False],
    )  # fmt: skip
    shown = merged.head(_MOST_GROUPS).to_dicts()
    groups = [
        Group(
            fingerprint=row["shape"],
            format=format_of(row["shape"]),
            files=row["files"],
            bytes=row["bytes"],
            example=display(absolute(row["root"], row["path"])),
            example_file=f"file-{row['id']}",
            plugin=row["plugin"],
        )
        for row in shown
    ]
    samples = {f"file-{row['id']}": _samples(row) for row in shown}
    # Those that are read come first here, so that others can be told to be like them.
    look(sorted(groups, key=lambda group: group.plugin is None), samples)
    return Survey(groups, int(dark))


def _samples(row: dict[str, Any]) -> list[tuple[bytes, int]]:
    """The first and the last file of a group, with their sizes."""
    first = (absolute(row["root"], row["path"]), int(row["size"]))
    last = (absolute(row["root"], row["last"]), int(row["last_size"]))
    return list(dict.fromkeys([first, last]))


def format_of(shape: str) -> str:
    """What the last part of a name says; contents are looked at by a preview."""
    stem, dot, ending = shape.rpartition(".")
    return ending.lower() if dot and stem else "none"


def _shapes(session: Session, root: SourceRoot, pattern: str) -> pl.DataFrame:
    """`_SHAPES` of one root: every shape and reader with its sums and one example."""
    files = _present(session, root)
    paths: list[bytes] = files["path"].to_list()
    if pattern not in ("**/*", "*", "**"):
        wanted = Matcher([Rule(pattern, "x")])
        files = files.filter(pl.Series([bool(wanted.tags(path)) for path in paths]))
        paths = files["path"].to_list()
    rules = session.execute(
        select(RoutingRule.pattern, RoutingRule.plugin, RoutingRule.tag).where(
            RoutingRule.root_id == root.id
        )
    )
    readers = Matcher(Rule(glob, plugin or tag) for glob, plugin, tag in rules)
    names = [path.rpartition(b"/")[2].decode("utf-8", "backslashreplace") for path in paths]
    plugins = [next(iter(readers.tags(path)), None) if readers else None for path in paths]
    return _summed(
        files.select(
            pl.Series("shape", names, dtype=pl.String).str.replace_all(r"\d+", "#"),
            pl.Series("plugin", plugins, dtype=pl.String),
            pl.lit(1, pl.UInt32).alias("files"),
            pl.col("size").cast(pl.Int64).alias("bytes"),
            pl.col("id").cast(pl.Int64),
            "path",
            pl.lit(root.path, pl.Binary).alias("root"),
            pl.col("size").cast(pl.Int64),
            pl.col("path").alias("last"),
            pl.col("size").cast(pl.Int64).alias("last_size"),
        )
    )


def _present(session: Session, root: SourceRoot) -> pl.DataFrame:
    """Id, size and path of every file that is there, as text but for the path."""
    joined = session.connection().exec_driver_sql(
        "SELECT CAST(group_concat(id || ' ' || size || ' ' || CAST(path AS TEXT), char(0)) AS BLOB)"
        " FROM file_location WHERE root_id = ? AND state != ?",
        (root.id, LocationState.DELETED.value),
    )
    return records(joined.scalar() or b"", ("id", "size", "path"))


def _summed(table: pl.DataFrame) -> pl.DataFrame:
    sums = pl.col("files", "bytes").sum()
    return table.group_by("shape", "plugin", maintain_order=True).agg(
        sums, pl.col("id", "path", "root", "size").first(), pl.col("last", "last_size").last()
    )


def _few(table: pl.DataFrame) -> pl.DataFrame:
    """Fold the many shapes that occur once or twice into one group per ending."""
    if table.height <= _MOST_GROUPS:
        return table
    endings = [f"*.{format_of(shape)}" for shape in table["shape"]]
    return table.with_columns(
        pl.when(pl.col("files") > 2)
        .then(pl.col("shape"))
        .otherwise(pl.Series(endings, dtype=pl.String))
        .alias("shape")
    )

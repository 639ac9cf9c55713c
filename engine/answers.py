"""Put a SQL question to the lake, in a confined child process of its own."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

from casparian_flow.errors import QueryError
from engine import confined, sandbox

_DUCKDB_LOOKS_AT = ("/proc/self/cgroup", "/proc/stat", "/proc/meminfo")
"""Sizes of the machine; without the first, DuckDB 2.0 does not start."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a question may read."""

    schema: pa.Schema
    files: tuple[str, ...]
    """Absolute paths of the Parquet files that make it up."""
    is_mixed: bool = False
    """Whether the files may store a column in other types than the schema says."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one answer may take."""

    max_rows: int
    max_bytes: int = 48_000
    max_cell: int = 2_000
    timeout_s: float = 25
    memory_mb: int = 2048


@dataclass(frozen=True, slots=True)
class Answer:
    """What the child said."""

    columns: list[str]
    types: list[str]
    rows: list[list[object]]
    truncated: bool
    tables: list[str]
    elapsed_ms: int


def ask(
    sql: str,
    tables: Mapping[str, Table],
    *,
    lake: Path,
    wall: sandbox.Wall,
    limits: Limits,
    offset: int = 0,
) -> Answer:
    """Run one SELECT over `tables`; nothing else is reachable from it.

    Raises:
        QueryError: refused, failed, over its memory or out of time; the message says which.
    """
    question: dict[str, object] = {
        "sql": sql,
        "tables": {
            name: {
                "schema": base64.b64encode(table.schema.serialize().to_pybytes()).decode(),
                "files": table.files,
                "is_mixed": table.is_mixed,
            }
            for name, table in tables.items()
        },
        "offset": offset,
        "max_rows": limits.max_rows,
        "max_bytes": limits.max_bytes,
        "max_cell": limits.max_cell,
        "memory_mb": limits.memory_mb,
    }
    task = confined.Task(
        module="engine.answering",
        question=question,
        readable=(str(lake), *_DUCKDB_LOOKS_AT),
        timeout_s=limits.timeout_s,
    )
    try:
        return _parsed(confined.run(task, wall=wall))
    except confined.Ended as ended:
        why = str(ended) if ended.is_late else f"the query was ended by a limit: {ended}"
        raise QueryError(
            why, hint="Ask for less: aggregate, filter on a column, or add LIMIT."
        ) from ended


def _parsed(reply: dict[str, object]) -> Answer:
    if "refused" in reply:
        raise QueryError(str(reply["refused"]))
    if "failed" in reply:
        error = QueryError(str(reply["failed"]))
        error.code = "QUERY_FAILED"
        error.hint = "Columns and types: `casparian datasets NAME`."
        raise error
    answer = cast("dict[str, object]", reply["answer"])
    return Answer(
        columns=cast("list[str]", answer["columns"]),
        types=cast("list[str]", answer["types"]),
        rows=cast("list[list[object]]", answer["rows"]),
        truncated=answer["truncated"] is True,
        tables=cast("list[str]", answer["tables"]),
        elapsed_ms=cast("int", answer["elapsed_ms"]),
    )

"""Put a SQL question to the lake, in a confined child process of its own."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

import casparian_flow
from casparian_flow import link
from casparian_flow.errors import ProtocolError, QueryError
from casparian_flow.link import Kind
from engine import sandbox

_SCRIPT = Path(__file__).with_name("answering.py")
_ADDRESS_SPACE_BYTES = 8 << 30
_SCRATCH_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a question may read."""

    schema: pa.Schema
    files: tuple[str, ...]
    """Absolute paths of the Parquet files that make it up."""


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
    folder = Path(tempfile.mkdtemp(prefix="casparian-query-"))
    try:
        folder.chmod(0o711)
        return _ask(folder, sql, tables, lake, wall, limits, offset)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(  # noqa: PLR0913, PLR0917 - the whole question, passed on once
    folder: Path,
    sql: str,
    tables: Mapping[str, Table],
    lake: Path,
    wall: sandbox.Wall,
    limits: Limits,
    offset: int,
) -> Answer:
    inputs, scratch = folder / "in", folder / "scratch"
    inputs.mkdir()
    scratch.mkdir(mode=0o700)
    site = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    cell = sandbox.Cell(
        readable=(*sandbox.interpreter_paths(), str(_SCRIPT), *dict.fromkeys(site), str(lake)),
        inputs=inputs,
        scratch=scratch,
        scratch_bytes=_SCRATCH_BYTES,
    )
    setup: dict[str, object] = {
        "unconfined": wall.level is sandbox.Level.NONE,
        "user": wall.user,
        "limits": {
            "memory_bytes": _ADDRESS_SPACE_BYTES,
            "file_bytes": _SCRATCH_BYTES,
            "processes": 512,
            "open_files": 65536,
        },
        "readable": list(cell.readable),
        "scratch": [sandbox.scratch_inside(wall, cell)],
        "site_packages": list(dict.fromkeys(site)),
        "question": {
            "sql": sql,
            "tables": {
                name: {
                    "schema": base64.b64encode(table.schema.serialize().to_pybytes()).decode(),
                    "files": table.files,
                }
                for name, table in tables.items()
            },
            "offset": offset,
            "max_rows": limits.max_rows,
            "max_bytes": limits.max_bytes,
            "max_cell": limits.max_cell,
            "memory_mb": limits.memory_mb,
            "scratch": sandbox.scratch_inside(wall, cell),
        },
    }
    return _parsed(_exchange(cell, wall, setup, limits))


def _exchange(
    cell: sandbox.Cell, wall: sandbox.Wall, setup: dict[str, object], limits: Limits
) -> dict[str, object]:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = sandbox.guest_command(
                wall, cell, script=_SCRIPT, argument=str(theirs.fileno())
            )
            process = subprocess.Popen(
                [*command, str(Path(casparian_flow.__file__).parent)],
                env=sandbox.guest_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(limits.timeout_s, expire)
        timer.start()
        try:
            link.send_json(ours.fileno(), Kind.SETUP, setup)
            frame = link.receive(ours.fileno())
        except (OSError, ProtocolError):
            frame = None
        finally:
            timer.cancel()
            process.kill()
            _, said = process.communicate()
    if expired.is_set():
        raise QueryError(
            f"no answer within {limits.timeout_s:g} s",
            hint="Ask for less: aggregate, filter on a column, or add LIMIT.",
        )
    if frame is None:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise QueryError(
            f"the query was ended by a limit: {last[0][:300]}",
            hint="Ask for less: aggregate, filter on a column, or add LIMIT.",
        )
    return frame.json()


def _parsed(answer: dict[str, object]) -> Answer:
    if "refused" in answer:
        raise QueryError(str(answer["refused"]))
    if "failed" in answer:
        error = QueryError(str(answer["failed"]))
        error.code = "QUERY_FAILED"
        error.hint = "Columns and types: `casparian datasets NAME`."
        raise error
    return Answer(
        columns=cast("list[str]", answer["columns"]),
        types=cast("list[str]", answer["types"]),
        rows=cast("list[list[object]]", answer["rows"]),
        truncated=answer["truncated"] is True,
        tables=cast("list[str]", answer["tables"]),
        elapsed_ms=cast("int", answer["elapsed_ms"]),
    )

"""Run a draft over real files, confined, promoting nothing.

A process of its own, so that nothing a draft publishes can take the engine down: started by the
engine with a socket, answers one request and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa

from casparian_flow.errors import CasparianError, GuestError
from engine import contracts, snapshot, venvs
from engine.bridge import (
    BatchOrder,
    Input,
    guest_name,
    run_batch,
)
from engine.events import Closed, Opened, Raised, Rows, SetAside
from engine.guest_log import Log
from engine.guests import GuestSettings, WarmParent
from engine.home import Home
from engine.sandbox import strongest_wall
from engine.settings import load_settings

_SAMPLE_ROWS = 5
_MOST_QUARANTINED = 20
_CELL_CHARS = 200


@dataclass
class _Tally:
    """What came back so far."""

    schemas: dict[str, pa.Schema] = field(default_factory=dict[str, pa.Schema])
    sample: dict[str, list[list[str | None]]] = field(
        default_factory=dict[str, list[list[str | None]]]
    )
    rows: dict[str, int] = field(default_factory=dict[str, int])
    quarantined: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    quarantined_count: int = 0
    failed: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    passed: int = 0


def run(request: dict[str, object]) -> dict[str, object]:
    """Build the draft's environment, run it over each file alone, report what happened."""
    settings = load_settings(Path(str(request["home"])))
    home = Home(settings.home)
    files = cast("dict[str, str]", request["files"])
    lockfile = bytes.fromhex(str(request["lockfile"]))
    wall = strongest_wall(allow_unconfined=settings.allow_unconfined)
    leased = venvs.lease(home.venvs, lockfile, keep_bytes=settings.venvs_mb << 20)
    parent = WarmParent(
        wall,
        venv=leased.path,
        spool=home.spool,
        preload=venvs.modules_to_warm(files),
        settings=GuestSettings(settings.guest_memory_mb << 20, settings.scratch_mb << 20),
        on_close=leased.close,
    )
    tally, log = _Tally(), Log()
    with contextlib.closing(parent):
        for one in cast("list[dict[str, str]]", request["inputs"]):
            path = bytes.fromhex(one["path"])
            order = _Order(
                files=files,
                topics=tuple(cast("list[str]", request["topics"])),
                path=path,
                sha256=one["sha256"],
                shown=one["shown"],
                timeout_s=int(str(request["timeout_s"])),
            )
            _try_file(parent, order, tally, log, settings.memfd_limit_mb << 20)
    return _report(tally, wall.level.value, log)


@dataclass(frozen=True, slots=True)
class _Order:
    files: dict[str, str]
    topics: tuple[str, ...]
    path: bytes
    sha256: str
    shown: str
    timeout_s: int


def _try_file(
    parent: WarmParent, order: _Order, tally: _Tally, log: Log, memory_limit: int
) -> None:
    attempt = _Tally()
    try:
        found = order.sha256 or snapshot.digest(order.path).sha256
        taken = snapshot.take(
            order.path, found, memory_limit=memory_limit, size_limit=1 << 40, folder=parent.inputs
        )
        try:
            _run_child(parent, order, taken, attempt, log)
        finally:
            if taken.fd is not None:
                os.close(taken.fd)
            if taken.path is not None:
                taken.path.unlink(missing_ok=True)
    except (CasparianError, OSError) as error:
        text = error.message if isinstance(error, CasparianError) else str(error)
        tally.failed.append({"file": order.shown, "reason": text})
        return
    _merge(tally, attempt, order.shown)


def _run_child(
    parent: WarmParent, order: _Order, taken: snapshot.Snapshot, attempt: _Tally, log: Log
) -> None:
    one = Input(guest_name(order.path), taken.fd, None if taken.path is None else str(taken.path))
    batch = BatchOrder(
        files=order.files,
        topics=order.topics,
        inputs=(one,),
        timeout=timedelta(seconds=order.timeout_s),
        max_rows=1 << 40,
        max_bytes=1 << 40,
    )
    with contextlib.closing(run_batch(parent, batch, log)) as events:
        for event in events:
            match event:
                case Opened():
                    continue
                case Rows(topic, rows):
                    _take_rows(attempt, topic, rows)
                case SetAside(raw, reason, line, _):
                    attempt.quarantined_count += 1
                    if len(attempt.quarantined) < _MOST_QUARANTINED:
                        fact = {"line": line, "reason": reason, "raw": raw[:_CELL_CHARS]}
                        attempt.quarantined.append({"file": order.shown, **fact})
                case Raised(error):
                    raise error
                case Closed():
                    attempt.passed = 1
    if not attempt.passed:
        raise GuestError("the plugin ended without finishing the file")


def _take_rows(attempt: _Tally, topic: str, rows: pa.RecordBatch) -> None:
    attempt.schemas.setdefault(topic, rows.schema)
    attempt.rows[topic] = attempt.rows.get(topic, 0) + rows.num_rows
    sample = attempt.sample.setdefault(topic, [])
    for record in rows.slice(0, _SAMPLE_ROWS - len(sample)).to_pylist():
        sample.append([_cell(value) for value in record.values()])


def _cell(value: object) -> str | None:
    return None if value is None else str(value)[:_CELL_CHARS]


def _merge(tally: _Tally, attempt: _Tally, shown: str) -> None:
    """Add one file's result; a file that contradicts the files before it has failed."""
    for topic, schema in attempt.schemas.items():
        try:
            known = tally.schemas.get(topic, schema)
            tally.schemas[topic] = _widened(known, schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            reason = f"topic {topic}: its columns contradict those of the files before: {error}"
            tally.failed.append({"file": shown, "reason": reason})
            return
    for topic, count in attempt.rows.items():
        tally.rows[topic] = tally.rows.get(topic, 0) + count
        sample = tally.sample.setdefault(topic, [])
        sample += attempt.sample[topic][: _SAMPLE_ROWS - len(sample)]
    tally.quarantined += attempt.quarantined[: _MOST_QUARANTINED - len(tally.quarantined)]
    tally.quarantined_count += attempt.quarantined_count
    tally.passed += 1


def _widened(known: pa.Schema, new: pa.Schema) -> pa.Schema:
    """One schema that holds both without loss; same columns only."""
    if set(known.names) != set(new.names):
        differing = sorted(set(known.names) ^ set(new.names))
        raise pa.ArrowInvalid(f"columns {', '.join(differing)} are not in every file")
    return pa.unify_schemas([known, new], promote_options="permissive")


def _report(tally: _Tally, level: str, log: Log) -> dict[str, object]:
    return {
        "contract": contracts.contract_of(tally.schemas),
        "sample": [
            {
                "topic": topic,
                "columns": schema.names,
                "types": [str(kind) for kind in schema.types],
                "rows": tally.sample.get(topic, []),
                "row_count": tally.rows.get(topic, 0),
            }
            for topic, schema in tally.schemas.items()
        ],
        "quarantined": tally.quarantined,
        "quarantined_count": tally.quarantined_count,
        "failed": tally.failed,
        "passed": tally.passed,
        "level": level,
        "log": log.text()[-4000:],
    }


def main() -> None:
    """Read one request from stdin, write one answer to stdout."""
    answer: dict[str, object]
    os.umask(0o022)  # guests that changed users read the environment; the home is private
    try:
        answer = {"result": run(json.load(sys.stdin))}
    except CasparianError as error:
        answer = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    json.dump(answer, sys.stdout)

"""Run a draft over real files, confined, promoting nothing.

A process of its own, so that nothing a draft publishes can take the engine down: started by the
engine, answers one request and ends. Each file's outcome goes to a journal as it comes, from which
the engine tells how far it is, and a run that broke off goes on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from casparian_flow.errors import CasparianError, GuestError, PluginError
from casparian_flow.sdk import RESERVED_COLUMNS
from engine import accounts, contracts, snapshot, venvs
from engine.agreements import Policy, Standing, settle
from engine.bridge import (
    BatchOrder,
    Input,
    guest_name,
    run_batch,
)
from engine.comparing import Difference, compare
from engine.events import Closed, Opened, Raised, Rows, SetAside
from engine.exact_text import shown
from engine.guest_log import Log
from engine.guests import GuestSettings, WarmParent
from engine.home import Home
from engine.journal import only_writer
from engine.observed import Observed
from engine.sandbox import strongest_wall
from engine.settings import load_settings

_SAMPLE_ROWS, _MOST_ASIDE, _MOST_REASONS = 5, 5, 50
_CELL_CHARS = 200
_COMPARED_ROWS = 2_000_000
_KEPT_ROWS = 10_000
_TRIED_BEFORE_STOPPING, _SHARE_THAT_STOPS = 20, 0.9
_ENDS_S = 5.0


@dataclass
class _Attempt:
    """What one file gave."""

    schemas: dict[str, pa.Schema] = field(default_factory=dict[str, pa.Schema])
    sample: dict[str, list[dict[str, str | None]]] = field(
        default_factory=dict[str, list[dict[str, str | None]]]
    )
    rows: dict[str, int] = field(default_factory=dict[str, int])
    holders: dict[str, contracts.Holder] = field(default_factory=dict[str, contracts.Holder])
    """Per topic: what its rows would be held to, by what was agreed before and what they are."""
    observed: dict[str, Observed] = field(default_factory=dict[str, Observed])
    """Of topics that have no contract yet: what could be stated of them."""
    kept: dict[str, list[pa.RecordBatch]] = field(default_factory=dict[str, list[pa.RecordBatch]])
    """All rows of topics that are compared with the version in force."""
    aside: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    codes: dict[str, int] = field(default_factory=dict[str, int])
    records: dict[str, list[list[object]]] = field(default_factory=dict[str, list[list[object]]])
    """All rows as plain values, where they are asked for."""
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class _Order:
    """One file to try."""

    files: dict[str, str]
    topics: tuple[str, ...]
    path: bytes
    sha256: str
    shown: str
    timeout_s: int
    keep_rows: bool
    quarantine: accounts.Threshold
    standings: dict[str, Standing]
    """Topic → what was agreed on before."""
    before: dict[str, list[str]]
    """Topic → Parquet files that hold what the version in force gave for this file."""


def run(request: dict[str, object]) -> None:
    """Build the draft's environment and run it over each file alone, in the order given.

    Stops when the first twenty files show that the draft is plainly wrong, if the request says so.
    """
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
    inputs = cast("list[dict[str, Any]]", request["inputs"])
    log = Log()
    with contextlib.closing(parent), only_writer(Path(str(request["journal"]))) as journal:
        known = list(journal.of({str(one["key"]) for one in inputs}))
        tried = sum(_counts(one) for one in known)
        failed = sum(_counts(one) and bool(one["reason"]) for one in known)
        for one in inputs:
            key = str(one["key"])
            if journal.has(key):
                continue
            order = _order(request, files, one)
            outcome = _try_file(parent, order, log, settings.memfd_limit_mb << 20)
            outcome |= {
                "key": key,
                "level": wall.level.value,
                "failed_before": one["failed_before"],
            }
            journal.add(outcome)
            if _counts(outcome):
                tried, failed = tried + 1, failed + bool(outcome["reason"])
            is_wrong = tried >= _TRIED_BEFORE_STOPPING and failed >= _SHARE_THAT_STOPS * tried
            if request["may_stop"] and is_wrong:
                break
        journal.end(log.text()[-4000:])


def _counts(outcome: dict[str, Any]) -> bool:
    """Whether an outcome tells of the draft: not where the version in force failed, too."""
    return not (outcome["failed_before"] and outcome["reason"])


def _order(request: dict[str, object], files: dict[str, str], one: dict[str, Any]) -> _Order:
    return _Order(
        files=files,
        topics=tuple(cast("list[str]", request["topics"])),
        path=bytes.fromhex(one["path"]),
        sha256=one["sha256"],
        shown=one["shown"],
        timeout_s=int(str(request["timeout_s"])),
        keep_rows=bool(request["keep_rows"]),
        quarantine=accounts.Threshold(*cast("tuple[int, float]", request["quarantine"])),
        standings={
            topic: Standing(one["number"], one["terms"], Policy(one["policy"]), one["given"])
            for topic, one in cast("dict[str, Any]", request["standings"]).items()
        },
        before=one["before"],
    )


def _try_file(parent: WarmParent, order: _Order, log: Log, memory_limit: int) -> dict[str, object]:
    attempt = _Attempt()
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
        is_ours = isinstance(error, CasparianError)
        return {
            "file": order.shown,
            "reason": error.message if is_ours else str(error),
            "code": error.code if is_ours else "SOURCE_ERROR",
        }
    return _outcome(order, attempt)


def _run_child(
    parent: WarmParent, order: _Order, taken: snapshot.Snapshot, attempt: _Attempt, log: Log
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
                    _take_rows(attempt, order, topic, rows)
                case SetAside():
                    _take_aside(attempt, order, event)
                case Raised(error):
                    raise error
                case Closed():
                    attempt.is_done = True
    if not attempt.is_done:
        raise GuestError("the plugin ended without finishing the file")
    first = str(attempt.aside[0]["reason"]) if attempt.aside else ""
    rows, aside = sum(attempt.rows.values()), sum(attempt.codes.values())
    error = accounts.too_much_aside(aside, rows, first, order.quarantine)
    # The job of this file would fail of it; the test of a folder says itself what is set aside.
    if error is not None and not order.keep_rows:
        raise error


def _take_rows(attempt: _Attempt, order: _Order, topic: str, rows: pa.RecordBatch) -> None:
    if topic not in attempt.holders:
        terms = settle(rows.schema, order.standings.get(topic)).terms
        attempt.holders[topic] = contracts.Holder(topic, terms)
    attempt.schemas.setdefault(topic, rows.schema)
    rows, misfits = attempt.holders[topic].fit(rows)
    for one in misfits:
        _take_aside(attempt, order, one)
    attempt.rows[topic] = attempt.rows.get(topic, 0) + rows.num_rows
    if topic not in order.standings:
        attempt.observed.setdefault(topic, Observed()).take(rows)
    if topic in order.before and attempt.rows[topic] <= _COMPARED_ROWS:
        attempt.kept.setdefault(topic, []).append(rows)
    if order.keep_rows:
        _keep(attempt.records.setdefault(topic, []), rows)
    sample = attempt.sample.setdefault(topic, [])
    head = rows.slice(0, _SAMPLE_ROWS - len(sample))
    texts = [shown(column) for column in head.columns]
    for values in zip(*texts, strict=True):
        cells = [None if text is None else text[:_CELL_CHARS] for text in values]
        sample.append(dict(zip(head.schema.names, cells, strict=True)))


def _keep(kept: list[list[object]], rows: pa.RecordBatch) -> None:
    """Take rows as plain values."""
    _check_kept(len(kept) + rows.num_rows)
    columns = [_values(column) for column in rows.columns]
    kept += [list(values) for values in zip(*columns, strict=True)]


def _values(column: pa.Array[Any]) -> list[object]:
    try:
        return [_plain(value) for value in column.to_pylist()]
    except (ValueError, OverflowError):  # Python has no such moments
        return list(shown(column))


def _plain(value: object) -> object:
    """A value as JSON has it; what it has no word for as text, bytes and no numbers told apart."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return {str(name): _plain(one) for name, one in members.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("list[object]", value)]
    return str(value)


def _check_kept(count: int) -> None:
    if count > _KEPT_ROWS:
        raise PluginError(
            f"more than {_KEPT_ROWS:,} rows from one sample",
            hint="Keep samples small: a few records of each kind.",
        )


def _take_aside(attempt: _Attempt, order: _Order, event: SetAside) -> None:
    attempt.codes[event.code] = attempt.codes.get(event.code, 0) + 1
    if order.keep_rows:
        _check_kept(len(attempt.aside) + 1)
    if order.keep_rows or len(attempt.aside) < _MOST_ASIDE:
        attempt.aside.append(
            {
                "file": order.shown,
                "line": event.line,
                "reason": event.reason,
                "raw": event.raw[:_CELL_CHARS],
                "code": event.code,
            }
        )


def _outcome(order: _Order, attempt: _Attempt) -> dict[str, object]:
    """What one file gave, as the journal keeps it."""
    return {
        "file": order.shown,
        "reason": "",
        "code": "",
        "rows": attempt.rows,
        "sample": attempt.sample,
        "schemas": {
            topic: base64.b64encode(schema.serialize().to_pybytes()).decode()
            for topic, schema in attempt.schemas.items()
        },
        "aside": attempt.aside,
        "codes": attempt.codes,
        "records": attempt.records,
        "observed": {topic: asdict(one) for topic, one in attempt.observed.items()},
        "changes": {
            topic: asdict(_changes(order, topic, attempt.kept.get(topic, []), attempt.rows))
            for topic in order.before
        },
    }


def _changes(
    order: _Order, topic: str, kept: list[pa.RecordBatch], rows: dict[str, int]
) -> Difference:
    """What the draft changes about the rows that are in force for this file."""
    before = [
        pq.read_table(path).drop_columns(list(RESERVED_COLUMNS)) for path in order.before[topic]
    ]
    count = sum(table.num_rows for table in before)
    if max(count, rows.get(topic, 0)) > _COMPARED_ROWS:
        told = f"{order.shown}: more than {_COMPARED_ROWS:,} rows, counted and not compared"
        return Difference(added=rows.get(topic, 0), removed=count, examples=[told])
    old = pa.concat_tables(before, promote_options="permissive") if before else pa.table({})
    new = pa.Table.from_batches(kept) if kept else pa.table({})
    try:
        return compare(old, new, file=order.shown)
    except (
        ValueError,
        TypeError,
        OverflowError,
        pa.ArrowException,
        pl.exceptions.PolarsError,
    ) as error:
        told = f"{order.shown}: counted and not compared: {error}"
        return Difference(added=rows.get(topic, 0), removed=count, examples=[told[:_CELL_CHARS]])


def _end_with(lifeline: int) -> None:
    """End this process once the other end of a pipe is closed; at once if it does not obey."""
    os.read(lifeline, 1)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(_ENDS_S)
    os._exit(1)


def main() -> None:
    """Read one request from stdin, write to stdout how it ended; outcomes go to the journal.

    The first argument is a descriptor: the reading end of a pipe that closes when we are to end.
    """
    answer: dict[str, object]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o022)  # guests that changed users read the environment; the home is private
    try:
        threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
        run(json.load(sys.stdin))
        answer = {"done": True}
    except CasparianError as error:
        answer = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    except KeyboardInterrupt:
        hint = "Validate again: a backtest goes on where it was."
        answer = {"error": {"code": "ERROR", "message": "the trial was stopped", "hint": hint}}
    json.dump(answer, sys.stdout)

"""Run the jobs of one dispatch: snapshot, guest, stage, promote, deliver."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa

from casparian_flow.errors import (
    CasparianError,
    GuestError,
    PluginError,
    SinkError,
    SourceError,
    SourceTooLarge,
)
from engine import accounts, contracts, snapshot
from engine.bridge import (
    BatchOrder,
    Cancel,
    Input,
    guest_name,
    run_batch,
)
from engine.events import Closed, Opened, Raised, Rows, SetAside
from engine.guest_log import Log
from engine.guests import WarmParent
from engine.line_places import LinePlaces
from engine.messages import CANCELLED, Dispatch, ErrorBody, JobOrder, JobResult, OutputBody
from engine.sinks import lake as lakes
from engine.sinks.interface import JobIdentity, Promotion, only_topics
from engine.sinks.opening import open_delivery

logger = logging.getLogger(__name__)

_LOOK_AT_CANCEL_S = 0.2


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a worker works and within which bounds."""

    installation: str
    worker: str
    guests: threading.BoundedSemaphore
    """Held while a guest runs: bounds how many do at a time."""
    lake: Path
    memfd_limit: int
    snapshot_limit: int
    timeout: timedelta
    timeout_per_gib: timedelta
    """Added for each GiB of a child's inputs."""
    max_rows: int
    max_bytes: int
    quarantine: accounts.Threshold


@dataclass
class _Attempt:
    """One job of the batch on its way through."""

    order: JobOrder
    identity: JobIdentity
    taken: snapshot.Snapshot | None = None
    staging: lakes.Staging | None = None
    holders: dict[str, contracts.Holder] = field(default_factory=dict[str, contracts.Holder])
    result: JobResult | None = None
    error: CasparianError | None = None
    log: str | None = None
    closed: Closed | None = None
    places: LinePlaces | None = None


def run_dispatch(
    bench: Bench,
    dispatch: Dispatch,
    files: dict[str, str],
    parent: WarmParent,
    cancelled: Cancel,
) -> list[JobResult]:
    """Run every job of a dispatch and say how each ended.

    A child that ends without its trailer is discarded. The job that was open then runs alone and
    the others again together; if they fail once more, in halves, down to one.
    """
    attempts = [_Attempt(order, _identity(bench, dispatch, order)) for order in dispatch.jobs]
    for attempt in attempts:
        _adopt(bench, dispatch, attempt)
    pending = [attempt for attempt in attempts if attempt.result is None]
    try:
        for attempt in pending:
            _take(bench, parent, attempt)
        ready = [attempt for attempt in pending if attempt.taken is not None]
        _run_jobs(_Run(bench, dispatch, files, parent, cancelled), ready)
    finally:
        _release(pending)
    return [attempt.result or _failed(attempt, _cancelled()) for attempt in attempts]


@dataclass(frozen=True, slots=True)
class _Run:
    bench: Bench
    dispatch: Dispatch
    files: dict[str, str]
    parent: WarmParent
    cancelled: Cancel


def _identity(bench: Bench, dispatch: Dispatch, order: JobOrder) -> JobIdentity:
    return JobIdentity(
        installation=bench.installation,
        job_id=order.job_id,
        attempt=order.attempt,
        generation=order.generation,
        file_version_id=order.file_version_id,
        location_id=order.location_id,
        path=order.path.decode("utf-8", "backslashreplace"),
        sha256=order.sha256,
        plugin=dispatch.plugin,
        version=dispatch.version,
        artifact_hash=dispatch.artifact_hash,
    )


def _adopt(bench: Bench, dispatch: Dispatch, attempt: _Attempt) -> None:
    """Take over rows that an earlier attempt promoted before its worker was lost."""
    promotion = lakes.find_promotion(bench.lake, attempt.identity)
    if promotion is not None:
        _conclude(
            bench, dispatch, attempt, promotion, {"adopted_attempt": promotion.identity.attempt}
        )


def _take(bench: Bench, parent: WarmParent, attempt: _Attempt) -> None:
    try:
        attempt.taken = snapshot.take(
            attempt.order.path,
            attempt.order.sha256,
            memory_limit=bench.memfd_limit,
            size_limit=bench.snapshot_limit,
            folder=parent.inputs,
        )
    except SourceTooLarge as error:
        attempt.result = _result(attempt, "failed", error=error)
    except SourceError as error:
        attempt.result = _result(attempt, "superseded", error=error)
    except OSError as error:
        full = SourceError(f"no snapshot of {attempt.identity.path}: {error}")
        attempt.result = _result(attempt, "again", error=full)


def _release(attempts: Sequence[_Attempt]) -> None:
    for attempt in attempts:
        if attempt.taken is None:
            continue
        if attempt.taken.fd is not None:
            os.close(attempt.taken.fd)
        if attempt.taken.path is not None:
            attempt.taken.path.unlink(missing_ok=True)


def _run_jobs(run: _Run, attempts: list[_Attempt], *, suspects: bool = True) -> None:
    """Run jobs in one child, and if it fails apart; `suspects`: by who was open, else in halves."""
    if not attempts or run.cancelled.is_set():
        return
    log = Log(len(attempts))
    started = time.monotonic()
    try:
        _run_child(run, attempts, log)
    except CasparianError as error:
        for attempt in attempts:
            _abandon(attempt)
        if run.cancelled.is_set():
            return  # its jobs are told apart by who was cancelled, not by how the child ended
        if len(attempts) == 1:
            attempts[0].result = _failed(attempts[0], error, log=log.text())
            return
        logger.info(
            "batch failed, running it apart", extra={"jobs": len(attempts), "why": str(error)}
        )
        for attempt in attempts:
            attempt.error = None
            attempt.holders.clear()  # what was seen of its keys was of a try that is discarded
        suspect = log.open_job if suspects else None
        if suspect is None:
            middle = len(attempts) // 2
            _run_jobs(run, attempts[:middle])
            _run_jobs(run, attempts[middle:])
        else:
            _run_jobs(run, attempts[:suspect] + attempts[suspect + 1 :], suspects=False)
            _run_jobs(run, [attempts[suspect]])
        return
    if run.cancelled.is_set():
        for attempt in attempts:
            _abandon(attempt)
        return
    _promote(run, attempts, log, elapsed_ms=round((time.monotonic() - started) * 1000))


def _abandon(attempt: _Attempt) -> None:
    if attempt.staging is not None:
        attempt.staging.abandon()
        attempt.staging = None


def _run_child(run: _Run, attempts: list[_Attempt], log: Log) -> None:
    """Run one child to its end; raises unless it said goodbye and exited with 0."""
    order = BatchOrder(
        files=run.files,
        topics=tuple(run.dispatch.topics),
        inputs=tuple(_input(attempt) for attempt in attempts),
        timeout=run.bench.timeout + _extra(run.bench, attempts),
        max_rows=run.bench.max_rows,
        max_bytes=run.bench.max_bytes,
    )
    current = attempts[0]
    events = run_batch(run.parent, order, log, run.cancelled)
    with _slot(run), contextlib.closing(events):
        for event in events:
            match event:
                case Opened(index):
                    current = attempts[index]
                    current.staging = lakes.Staging(run.bench.lake, current.identity)
                case Raised(error):
                    current.error = error
                case Closed():
                    current.closed = event
                case Rows() | SetAside():
                    _store(run, current, event)


def _extra(bench: Bench, attempts: list[_Attempt]) -> timedelta:
    """More time for larger files: nobody's clock should decide that a large file cannot be read."""
    size = sum(attempt.order.size for attempt in attempts)
    return bench.timeout_per_gib * (size / (1 << 30))


@contextlib.contextmanager
def _slot(run: _Run) -> Generator[None]:
    """Wait for a free guest, or for the batch to be cancelled."""
    while not run.bench.guests.acquire(timeout=_LOOK_AT_CANCEL_S):
        if run.cancelled.is_set():
            raise _cancelled()
    try:
        yield
    finally:
        run.bench.guests.release()


def _input(attempt: _Attempt) -> Input:
    taken = attempt.taken
    assert taken is not None  # noqa: S101 - only attempts with a snapshot come here
    return Input(
        guest_name(attempt.order.path), taken.fd, None if taken.path is None else str(taken.path)
    )


def _store(run: _Run, attempt: _Attempt, event: Rows | SetAside) -> None:
    """Stage rows, unless this job already broke its contract: the rest is then read and dropped."""
    if attempt.error is not None or attempt.staging is None:
        return
    if isinstance(event, SetAside):
        attempt.staging.set_aside(event.topic or run.dispatch.topics[0], [event])
        return
    try:
        if event.topic not in attempt.holders:
            terms = cast("contracts.Terms | None", run.dispatch.contract.get(event.topic))
            attempt.holders[event.topic] = contracts.Holder(event.topic, terms)
        fitting, misfits = attempt.holders[event.topic].fit(event.batch)
    except PluginError as error:
        attempt.error = error
        return
    except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
        # Its own rows are to blame: the other files of the batch are not.
        attempt.error = PluginError(f"topic {event.topic}: rows no contract holds: {error}"[:1000])
        return
    attempt.staging.write(event.topic, fitting)
    if misfits:
        attempt.places = attempt.places or LinePlaces(attempt.taken)
        attempt.staging.set_aside(event.topic, attempt.places.of(misfits))


def _promote(run: _Run, attempts: list[_Attempt], log: Log, *, elapsed_ms: int) -> None:
    staged: list[tuple[_Attempt, list[lakes.StagedFile], dict[str, object]]] = []
    for index, attempt in enumerate(attempts):
        attempt.log = log.text(index) or None
        if attempt.staging is not None:
            attempt.error = attempt.error or accounts.too_much_aside(
                attempt.staging.quarantined,
                sum(attempt.staging.rows.values()),
                attempt.staging.first_reason,
                run.bench.quarantine,
            )
        if attempt.error is not None or attempt.staging is None:
            _abandon(attempt)
            error = attempt.error or GuestError("the job was never opened")
            attempt.result = _failed(attempt, error, log=attempt.log)
            continue
        receipt = _receipt(run, attempt, len(attempts), elapsed_ms)
        try:
            staged.append((attempt, attempt.staging.close(), receipt))
        except (SinkError, pa.ArrowException) as error:
            _abandon(attempt)
            attempt.result = _failed(attempt, SinkError(str(error)))
    work = [(a.staging, files, receipt) for a, files, receipt in staged if a.staging is not None]
    try:
        promotions = lakes.promote(run.bench.lake, work)
    except SinkError as error:
        for attempt, _, _ in staged:
            attempt.result = _failed(attempt, error)
        return
    for (attempt, _, receipt), promotion in zip(staged, promotions, strict=True):
        _conclude(run.bench, run.dispatch, attempt, promotion, receipt)


def _receipt(run: _Run, attempt: _Attempt, batch: int, elapsed_ms: int) -> dict[str, object]:
    taken = attempt.taken
    in_memory = taken is not None and taken.fd is not None
    return {
        "worker": run.bench.worker,
        "level": run.parent.wall.level.value,
        "layers": list(run.parent.layers),
        "snapshot": "sealed memory" if in_memory else "spool copy",
        **accounts.of(attempt.staging, attempt.closed),
        "discarded_columns": sorted({n for one in attempt.holders.values() for n in one.dropped}),
        "batch_files": batch,
        "batch_elapsed_ms": elapsed_ms,
    }


def _conclude(
    bench: Bench,
    dispatch: Dispatch,
    attempt: _Attempt,
    promotion: Promotion,
    receipt: dict[str, object],
) -> None:
    """Deliver what was promoted, then call the job done."""
    try:
        for uri, topics in _deliveries(dispatch):
            part = only_topics(promotion, topics)
            open_delivery(uri).deliver(bench.lake, part, is_held=attempt.order.is_held)
    except CasparianError as error:
        attempt.result = _failed(attempt, error)
        return
    outputs = [
        OutputBody(topic=file.topic, path=file.path, rows=file.rows, size=file.size)
        for file in promotion.files
    ]
    attempt.result = JobResult(
        job_id=attempt.order.job_id,
        attempt=attempt.order.attempt,
        outcome="done",
        outputs=outputs,
        quarantined=promotion.quarantined,
        receipt=receipt,
        log=attempt.log,
    )


def _deliveries(dispatch: Dispatch) -> Iterator[tuple[str, set[str]]]:
    """Each sink once, with the topics that go there."""
    for uri in sorted({uri for uris in dispatch.sinks.values() for uri in uris}):
        yield uri, {topic for topic, uris in dispatch.sinks.items() if uri in uris}


def _cancelled() -> GuestError:
    error = GuestError("its child was ended because a job of the batch was cancelled")
    error.code = CANCELLED
    return error


_FINAL = (PluginError,)
"""Errors that the same bytes would give again: not retried."""


def _failed(attempt: _Attempt, error: CasparianError, *, log: str | None = None) -> JobResult:
    outcome = "failed" if isinstance(error, _FINAL) else "again"
    return _result(attempt, outcome, error=error, log=log)


def _result(
    attempt: _Attempt, outcome: str, *, error: CasparianError, log: str | None = None
) -> JobResult:
    return JobResult(
        job_id=attempt.order.job_id,
        attempt=attempt.order.attempt,
        outcome=outcome,
        error=ErrorBody(code=error.code, message=error.message, hint=error.hint),
        log=log or None,
    )

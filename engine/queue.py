"""Every SQL statement that touches a job. Only this module changes a job's status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from casparian_flow.errors import CasparianError
from engine.database import among
from engine.models import (
    ROUNDS_IN_VIEW,
    FileLocation,
    FileVersion,
    JobOutput,
    Json,
    PluginManifest,
    ProcessingJob,
    Round,
    SourceRoot,
)
from engine.orders import ClaimedJob, Conclusion, NewJob, Output
from engine.states import JobStatus, PluginStatus

__all__ = ["ClaimedJob", "Conclusion", "NewJob", "Output"]

_NEXT: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.WAITING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.SUPERSEDED}),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.DONE,
            JobStatus.FAILED,
            JobStatus.WAITING,
            JobStatus.SUPERSEDED,
            JobStatus.CANCELLED,
        }
    ),
    JobStatus.FAILED: frozenset({JobStatus.WAITING}),
    JobStatus.CANCELLED: frozenset({JobStatus.WAITING}),
    JobStatus.DONE: frozenset(),
    JobStatus.SUPERSEDED: frozenset({JobStatus.WAITING}),  # its file is the hashed one after all
}

OPEN = (JobStatus.WAITING, JobStatus.RUNNING)
"""Jobs that have not come to an end."""

_LEAST_FILES = 16
_MAX_BATCH_BYTES = 8 << 20
"""Files whose sizes add up to more do not share a child."""


def enqueue(session: Session, jobs: Sequence[NewJob], *, now: datetime) -> int:
    """Queue jobs; those already known for their version, plugin and generation are left alone."""
    if not jobs:
        return 0
    versions = {job.file_version_id for job in jobs}
    known = {
        tuple(row)
        for row in session.execute(
            select(
                ProcessingJob.file_version_id, ProcessingJob.manifest_id, ProcessingJob.generation
            ).where(among(ProcessingJob.file_version_id, versions))
        )
    }
    rows = [
        {
            "file_version_id": job.file_version_id,
            "location_id": job.location_id,
            "manifest_id": job.manifest_id,
            "generation": job.generation,
            "priority": job.priority,
            "request": job.request,
            "round_id": job.round_id,
            "status": JobStatus.WAITING,
            "created": now,
            "attempt": 0,
            "failures": 0,
            "alone": False,
            "quarantined": 0,
        }
        for job in jobs
        if (job.file_version_id, job.manifest_id, job.generation) not in known
    ]
    if rows:
        session.execute(insert(ProcessingJob), rows)
    return len(rows)


def queued_by(session: Session, request: str) -> list[int]:
    """The jobs that one call queued."""
    if not request:
        return []
    query = select(ProcessingJob.id).where(ProcessingJob.request == request)
    return list(session.scalars(query))


def open_versions(session: Session, manifest_id: int) -> set[int]:
    """File versions with a job of this plugin version that waits or runs."""
    query = select(ProcessingJob.file_version_id).where(
        ProcessingJob.manifest_id == manifest_id,
        ProcessingJob.status.in_(OPEN),
    )
    return set(session.scalars(query))


def claim_batch(
    session: Session, *, worker: str, limit: int, shares: int = 1, now: datetime
) -> tuple[ClaimedJob, ...]:
    """Give the caller the most urgent waiting job, and small ones of the same plugin with it.

    At most `limit`, and of what waits no more than one of `shares`, so that the last batches do not
    leave every slot but one idle; a few files are not worth a child of their own.

    Runs inside one write transaction, so two callers can never hold the same job.
    """
    first = session.execute(_waiting(now).limit(1)).first()
    if first is None:
        return ()
    rows: Sequence[Row[int, int, bool, int]] = [first]
    if not first.alone and limit > 1:
        same = _waiting(now).where(
            ProcessingJob.manifest_id == first.manifest_id, ProcessingJob.alone.is_(False)
        )
        rows = session.execute(same.limit(limit * shares)).all()
        rows = rows[: min(limit, max(_LEAST_FILES, -(-len(rows) // shares)))]
    chosen: list[int] = []
    total = 0
    for row in rows:
        total += row.size
        if chosen and total > _MAX_BATCH_BYTES:
            break
        chosen.append(row.id)
    session.execute(
        update(ProcessingJob)
        .where(ProcessingJob.id.in_(chosen))
        .values(
            status=JobStatus.RUNNING,
            attempt=ProcessingJob.attempt + 1,
            worker=worker,
            not_before=None,
        )
    )
    return _claimed(session, chosen)


def has_due(session: Session, *, now: datetime) -> bool:
    """Whether a job could be claimed now; asked without the write lock."""
    due = select(ProcessingJob.id).where(*_due(now)).limit(1)
    return session.execute(due).first() is not None


def _waiting(now: datetime) -> Select[int, int, bool, int]:
    return (
        select(ProcessingJob.id, ProcessingJob.manifest_id, ProcessingJob.alone, FileVersion.size)
        .join(FileVersion, FileVersion.id == ProcessingJob.file_version_id)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(*_due(now), SourceRoot.removed.is_(None))
        .order_by(ProcessingJob.priority.desc(), ProcessingJob.id)
    )


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    delayed = ProcessingJob.not_before
    return (ProcessingJob.status == JobStatus.WAITING, or_(delayed.is_(None), delayed <= now))


def _claimed(session: Session, ids: list[int]) -> tuple[ClaimedJob, ...]:
    rows = session.execute(
        select(
            ProcessingJob.id,
            ProcessingJob.attempt,
            ProcessingJob.generation,
            ProcessingJob.manifest_id,
            ProcessingJob.file_version_id,
            ProcessingJob.location_id,
            SourceRoot.path,
            FileLocation.path,
            FileVersion.sha256,
            FileVersion.size,
            and_(
                ProcessingJob.round_id.is_not(None), ProcessingJob.round_id.not_in(ROUNDS_IN_VIEW)
            ),
        )
        .join(FileVersion, FileVersion.id == ProcessingJob.file_version_id)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(ProcessingJob.id.in_(ids))
        .order_by(ProcessingJob.id)
    )
    return tuple(ClaimedJob(*row) for row in rows)


def conclude(session: Session, conclusions: Sequence[Conclusion], *, now: datetime) -> list[int]:
    """Record how attempts ended; return the jobs whose conclusion was too late to count.

    A conclusion counts only for the attempt that holds the job: a worker that lost its lease is
    told so and changes nothing. Three statements for a whole batch, past the ORM's one per row.
    """
    held = {
        (row.id, row.attempt): row
        for row in session.execute(
            select(
                ProcessingJob.id,
                ProcessingJob.attempt,
                ProcessingJob.status,
                ProcessingJob.failures,
                ProcessingJob.alone,
            ).where(ProcessingJob.id.in_([one.job_id for one in conclusions]))
        )
        if row.status is JobStatus.RUNNING
    }
    updates: list[Json] = []
    outputs: list[Json] = []
    late: list[int] = []
    for one in conclusions:
        job = held.get((one.job_id, one.attempt))
        if job is None:
            late.append(one.job_id)
            continue
        _require_move(one.job_id, JobStatus.RUNNING, one.status)
        failed = one.error_code is not None and not one.alone
        updates.append(_concluded(one, now) | {
            "failures": job.failures + failed, "alone": one.alone or job.alone,
        })  # fmt: skip
        outputs += [
            Json(job_id=one.job_id, topic=o.topic, path=o.path, rows=o.rows, size=o.size)
            for o in one.outputs
        ]
    if updates:
        session.execute(update(ProcessingJob), updates)
    if outputs:
        session.execute(insert(JobOutput), outputs)
    end_rounds(session, now=now)
    return late


def end_rounds(session: Session, *, now: datetime) -> None:
    """Bring the rows of every reprocess into view whose last job has ended."""
    open_job = exists().where(ProcessingJob.round_id == Round.id, ProcessingJob.status.in_(OPEN))
    session.execute(update(Round).where(Round.ended.is_(None), ~open_job).values(ended=now))


def _concluded(one: Conclusion, now: datetime) -> Json:
    return {
        "id": one.job_id,
        "status": one.status,
        "error_code": one.error_code,
        "error_text": one.error_text,
        "error_hint": one.error_hint,
        "log": one.log,
        "receipt": one.receipt,
        "quarantined": one.quarantined,
        "not_before": one.not_before,
        "ended": None if one.status is JobStatus.WAITING else now,
    }


def failures_of(session: Session, job_id: int) -> int:
    """How many attempts at a job have failed so far."""
    return session.scalar(select(ProcessingJob.failures).where(ProcessingJob.id == job_id)) or 0


def release(session: Session, held: Iterable[tuple[int, int]]) -> int:
    """Give jobs of a lost worker back to the queue: (job, attempt) pairs."""
    count = 0
    for job_id, attempt in held:
        job = session.get(ProcessingJob, job_id)
        if job is not None and job.status is JobStatus.RUNNING and job.attempt == attempt:
            _move(job, JobStatus.WAITING)
            job.worker = None
            count += 1
    return count


def running(session: Session) -> list[tuple[int, int]]:
    """(job, attempt) of every job that some worker held when the engine last stopped."""
    query = select(ProcessingJob.id, ProcessingJob.attempt).where(
        ProcessingJob.status == JobStatus.RUNNING
    )
    return [(job_id, attempt) for job_id, attempt in session.execute(query)]


def retry(session: Session, job_ids: Sequence[int]) -> list[int]:
    """Queue jobs of granted folders again that ended without rows; return those that were."""
    readable = session.scalars(
        select(ProcessingJob.id)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(
            among(ProcessingJob.id, job_ids),
            SourceRoot.removed.is_(None),
            ProcessingJob.status.not_in(OPEN),  # a running one stays with the worker that has it
        )
    ).all()
    return _bulk_move(session, readable, JobStatus.WAITING)


def revive(session: Session, version_ids: Sequence[int]) -> int:
    """Queue superseded jobs of active plugins again whose file turned out to be the hashed one."""
    jobs = session.scalars(
        select(ProcessingJob)
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .where(
            among(ProcessingJob.file_version_id, version_ids),
            ProcessingJob.status == JobStatus.SUPERSEDED,
            PluginManifest.status == PluginStatus.ACTIVE,
        )
    ).all()
    for job in jobs:
        _move(job, JobStatus.WAITING)
    return len(jobs)


def cancel(session: Session, job_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Cancel waiting and running jobs; return those that were."""
    moved = _bulk_move(session, job_ids, JobStatus.CANCELLED)
    session.flush()
    end_rounds(session, now=now)
    return moved


def cancel_waiting_of(session: Session, manifest_ids: Sequence[int], *, now: datetime) -> int:
    """Supersede the waiting jobs of plugin versions that no longer run.

    A reprocess that is cut short by it never comes into view: half of it would be a mixture.
    """
    session.execute(
        update(Round)
        .where(Round.manifest_id.in_(manifest_ids), Round.ended.is_(None))
        .values(ended=now, undone=now)
    )
    waiting = session.scalars(
        select(ProcessingJob).where(
            ProcessingJob.manifest_id.in_(manifest_ids), ProcessingJob.status == JobStatus.WAITING
        )
    ).all()
    for job in waiting:
        _move(job, JobStatus.SUPERSEDED)
        job.error_text = "the plugin version was retired or replaced before the job ran"
    return len(waiting)


def _bulk_move(session: Session, job_ids: Sequence[int], target: JobStatus) -> list[int]:
    moved: list[int] = []
    for job in session.scalars(select(ProcessingJob).where(among(ProcessingJob.id, job_ids))):
        if target in _NEXT[job.status]:
            _move(job, target)
            job.failures, job.not_before = 0, None
            moved.append(job.id)
    return moved


def _move(job: ProcessingJob, target: JobStatus) -> None:
    _require_move(job.id, job.status, target)
    job.status = target


def _require_move(job_id: int, status: JobStatus, target: JobStatus) -> None:
    if target not in _NEXT[status]:
        raise CasparianError(f"job-{job_id} is {status.value} and cannot become {target.value}")


def next_wake(session: Session) -> datetime | None:
    """When the earliest delayed job becomes due."""
    return session.scalar(
        select(func.min(ProcessingJob.not_before)).where(ProcessingJob.status == JobStatus.WAITING)
    )


def counts(session: Session) -> dict[str, int]:
    """Jobs by status."""
    query = select(ProcessingJob.status, func.count()).group_by(ProcessingJob.status)
    return {status.value: count for status, count in session.execute(query)}


def is_idle(session: Session) -> bool:
    """Whether no job waits or runs."""
    return (
        session.scalar(select(ProcessingJob.id).where(ProcessingJob.status.in_(OPEN)).limit(1))
        is None
    )

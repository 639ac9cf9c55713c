"""What the Sentinel asks of the catalog: assign work, record results, recover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from casparian_flow.errors import CasparianError
from engine import queue
from engine.architect import Gate, artifact_of, contract_digest, sinks_digest
from engine.database import Catalog
from engine.messages import CANCELLED, Dispatch, ErrorBody, JobOrder, JobResult, PrepareEnv
from engine.models import (
    FileLocation,
    PluginEnvironment,
    PluginManifest,
    ProcessingJob,
    TopicConfig,
)
from engine.paths import absolute
from engine.states import JobStatus, PluginStatus
from gatekeeper.admission import verify_for_dispatch


@dataclass(frozen=True, slots=True)
class Assignment:
    """A batch for one worker, and what it needs before."""

    prepare: PrepareEnv
    dispatch: Dispatch
    refusal: ErrorBody | None
    """Set if the artifact no longer verifies: nothing may be sent."""


def recover(catalog: Catalog) -> int:
    """Give back what was running when the engine last stopped; its workers went with it.

    A worker that still runs is fenced: its attempt number is old, and the ledger takes the rows of
    one attempt only.
    """
    with catalog.writing() as session:
        return queue.release(session, queue.running(session))


def next_due(catalog: Catalog) -> datetime | None:
    """When the next delayed job becomes due."""
    with catalog.reading() as session:
        return queue.next_wake(session)


def give_back(catalog: Catalog, held: Sequence[tuple[int, int]]) -> None:
    """Queue the jobs of a lost worker again."""
    with catalog.writing() as session:
        queue.release(session, held)


def assign(
    catalog: Catalog, gate: Gate, *, worker: str, limit: int, shares: int
) -> Assignment | None:
    """Claim a batch for a worker; None if nothing waits."""
    now = datetime.now(UTC)
    with catalog.reading() as session:
        if not queue.has_due(session, now=now):
            return None
    with catalog.writing() as session:
        jobs = queue.claim_batch(session, worker=worker, limit=limit, shares=shares, now=now)
        if not jobs:
            return None
        return _assignment(session, gate, jobs)


def _assignment(session: Session, gate: Gate, jobs: Sequence[queue.ClaimedJob]) -> Assignment:
    manifest = session.get_one(PluginManifest, jobs[0].manifest_id)
    environment = session.get_one(PluginEnvironment, manifest.env_hash)
    topics = [str(topic) for topic in _list(manifest.manifest["topics"])]
    sinks = {
        row.topic: list(row.sinks)
        for row in session.scalars(select(TopicConfig).where(TopicConfig.topic.in_(topics)))
        if row.sinks
    }
    prepare = PrepareEnv(
        artifact_hash=manifest.artifact_hash,
        env_hash=manifest.env_hash,
        plugin=manifest.name,
        version=manifest.version,
        files={name: str(text) for name, text in manifest.files.items()},
        lockfile=environment.lockfile,
        envelope=manifest.envelope,
    )
    dispatch = Dispatch(
        artifact_hash=manifest.artifact_hash,
        plugin=manifest.name,
        version=manifest.version,
        topics=topics,
        contract=manifest.contract,
        sinks=sinks,
        jobs=[_order(job) for job in jobs],
    )
    return Assignment(prepare, dispatch, _refusal(manifest, environment.lockfile, sinks, gate))


def _order(job: queue.ClaimedJob) -> JobOrder:
    return JobOrder(
        job_id=job.id,
        attempt=job.attempt,
        generation=job.generation,
        file_version_id=job.file_version_id,
        location_id=job.location_id,
        path=absolute(job.root, job.path),
        sha256=job.sha256,
        size=job.size,
        is_held=job.is_held,
    )


def _refusal(
    manifest: PluginManifest, lockfile: bytes, sinks: Mapping[str, object], gate: Gate
) -> ErrorBody | None:
    """Verify the artifact as it now lies in the catalog, before every dispatch."""
    try:
        admission = verify_for_dispatch(
            artifact_of(manifest, lockfile),
            manifest.envelope,
            trusted=gate.trusted,
            audience=gate.audience,
        )
    except CasparianError as error:
        return ErrorBody(code=error.code, message=error.message, hint=error.hint)
    if admission.statement.contract_digest != contract_digest(manifest.contract):
        what = f"the contract of {manifest.name}@{manifest.version} is not the one that was signed"
        return ErrorBody(code="SIGNATURE_MISMATCH", message=what, hint="Publish the plugin again.")
    if admission.statement.sinks_digest != sinks_digest(sinks):
        what = f"the sinks of {manifest.name}@{manifest.version} are not those that were signed"
        return ErrorBody(code="SIGNATURE_MISMATCH", message=what, hint="Publish the plugin again.")
    stated = (admission.statement.plugin, admission.statement.version)
    if stated != (manifest.name, manifest.version) or manifest.status is not PluginStatus.ACTIVE:
        what = f"{manifest.name}@{manifest.version} is {manifest.status.value}, signed as {stated}"
        return ErrorBody(code="NOT_ADMITTED", message=what, hint="Publish the plugin again.")
    return None


def refused(assignment: Assignment) -> list[JobResult]:
    """Results for jobs whose artifact was refused: final."""
    return _results(assignment, assignment.refusal, "failed")


def failed(assignment: Assignment, error: ErrorBody) -> list[JobResult]:
    """Results for jobs whose environment could not be built: to be tried again."""
    return _results(assignment, error, "again")


def _results(assignment: Assignment, error: ErrorBody | None, outcome: str) -> list[JobResult]:
    return [
        JobResult(job_id=order.job_id, attempt=order.attempt, outcome=outcome, error=error)
        for order in assignment.dispatch.jobs
    ]


def record(
    catalog: Catalog,
    results: Sequence[JobResult],
    *,
    max_attempts: int,
    retry_delay: timedelta,
) -> list[int]:
    """Write results down; return the jobs whose result came too late to count."""
    now = datetime.now(UTC)
    with catalog.writing() as session:
        conclusions = [
            _conclusion(session, result, max_attempts, retry_delay, now) for result in results
        ]
        late = queue.conclude(session, conclusions, now=now)
        stale = [one.job_id for one in conclusions if one.status is JobStatus.SUPERSEDED]
        if stale:
            # The bytes are not the hashed ones any more: look at the file again.
            locations = select(ProcessingJob.location_id).where(ProcessingJob.id.in_(stale))
            session.execute(
                update(FileLocation).where(FileLocation.id.in_(locations)).values(dirty=True)
            )
    return late


def _conclusion(
    session: Session,
    result: JobResult,
    max_attempts: int,
    retry_delay: timedelta,
    now: datetime,
) -> queue.Conclusion:
    outputs = tuple(queue.Output(one.topic, one.path, one.rows, one.size) for one in result.outputs)
    status, not_before = _verdict(session, result, max_attempts, retry_delay, now)
    error = result.error
    return queue.Conclusion(
        job_id=result.job_id,
        attempt=result.attempt,
        status=status,
        outputs=outputs,
        quarantined=result.quarantined,
        error_code=error.code if error else None,
        error_text=error.message if error else None,
        error_hint=error.hint if error else None,
        log=result.log,
        receipt=result.receipt,
        not_before=not_before,
        # A job that shared a child with a cancelled one runs again by itself, at no cost to it.
        alone=error is not None and error.code == CANCELLED,
    )


def _verdict(
    session: Session,
    result: JobResult,
    max_attempts: int,
    retry_delay: timedelta,
    now: datetime,
) -> tuple[JobStatus, datetime | None]:
    match result.outcome:
        case "done":
            return JobStatus.DONE, None
        case "superseded":
            return JobStatus.SUPERSEDED, None
        case "again" if result.error is not None and result.error.code == CANCELLED:
            return JobStatus.WAITING, None  # its neighbour was cancelled; it did not fail
        case "again":
            failures = queue.failures_of(session, result.job_id) + 1
            if failures < max_attempts:
                return JobStatus.WAITING, now + retry_delay * 2 ** (failures - 1)
            return JobStatus.FAILED, None
        case _:
            return JobStatus.FAILED, None


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []

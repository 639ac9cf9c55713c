"""Look at jobs, run plugins over files, cancel and retry."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound, NotGranted
from engine import audit, queue, reprocess
from engine.control import Caller, Progress
from engine.database import among
from engine.house import House
from engine.models import (
    FileLocation,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    RoutingRule,
    SourceRoot,
)
from engine.paths import absolute, display
from engine.service.names import find_file, find_plugin, job_number, sentence
from engine.service.paging import cursor_for, offset_of
from engine.service.results import Job, JobError, Jobs, RunResult
from engine.states import JobStatus, PluginStatus, Reprocess

_Row = tuple[ProcessingJob, PluginManifest, FileLocation, SourceRoot]


def get_jobs(
    house: House,
    _caller: Caller,
    *,
    jobs: list[str] | None = None,
    state: str | None = None,
    plugin: str | None = None,
    file: str | None = None,
    since: str | None = None,
    include: list[str] | None = None,
    wait_s: float = 0,
    cursor: str | None = None,
    limit: int = 20,
    progress: Progress,
) -> Jobs:
    """Jobs, newest first; with `wait_s` after those asked for have ended."""
    question = {"jobs": jobs, "state": state, "plugin": plugin, "file": file, "since": since}
    offset = offset_of(question, cursor)
    conditions = _conditions(house, jobs, state, plugin, file, since)
    whatever_state = _conditions(house, jobs, None, plugin, file, since)
    if wait_s > 0:
        _wait(house, whatever_state, wait_s, progress)
    most = max(1, min(limit, 200))
    page = (
        select(ProcessingJob, PluginManifest, FileLocation, SourceRoot)
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(*conditions)
        .order_by(ProcessingJob.id.desc())
        .offset(offset)
        .limit(most)
    )
    with house.catalog.reading() as session:
        total = sum(_counts(session, conditions).values())
        found = [
            _job(session, (row[0], row[1], row[2], row[3]), include or [])
            for row in session.execute(page)
        ]
        counts = _counts(session, whatever_state)
    more = offset + len(found) < total
    shown = ", ".join(f"{count:,} {name.lower()}" for name, count in sorted(counts.items()))
    failed = [job.job for job in found if job.state == "failed"]
    return Jobs(
        summary=f"{sentence(total, 'job')}{': ' + shown if shown else ''}.",
        jobs=found,
        counts=counts,
        total=total,
        next_cursor=cursor_for(question, offset + len(found)) if more else None,
        next_steps=[f'explain(subject="{failed[0]}")'] if failed else [],
    )


def _conditions(
    house: House,
    jobs: list[str] | None,
    state: str | None,
    plugin: str | None,
    file: str | None,
    since: str | None,
) -> list[ColumnElement[bool]]:
    """The filter, over jobs and plugins alone: counting needs no other table."""
    found: list[ColumnElement[bool]] = []
    if jobs:
        found.append(among(ProcessingJob.id, [job_number(name) for name in jobs]))
    if state:
        found.append(ProcessingJob.status == _status(state))
    if since:
        found.append(ProcessingJob.created >= _moment(since))
    if plugin or file:
        with house.catalog.reading() as session:
            if plugin:
                row = find_plugin(session, plugin)
                found.append(PluginManifest.name == row.name)
                if "@" in plugin:
                    found.append(PluginManifest.version == row.version)
            if file:
                found.append(ProcessingJob.location_id == find_file(session, file)[0].id)
    return found


def _status(state: str) -> JobStatus:
    try:
        return JobStatus(state.upper())
    except ValueError as error:
        known = ", ".join(status.value.lower() for status in JobStatus)
        raise ConfigError(f"state {state!r} is not one of {known}") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not an ISO time, such as 2026-01-31T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _counts(session: Session, conditions: list[ColumnElement[bool]]) -> dict[str, int]:
    rows = session.execute(
        select(ProcessingJob.status, func.count())
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .where(*conditions)
        .group_by(ProcessingJob.status)
    )
    return {status.value: count for status, count in rows.tuples().all()}


def _wait(
    house: House, conditions: list[ColumnElement[bool]], wait_s: float, progress: Progress
) -> bool:
    """Until no job of the filter is open (True), or the time is over."""

    def ended() -> bool:
        with house.catalog.reading() as session:
            counts = _counts(session, conditions)
        open_jobs = sum(counts.get(status.value, 0) for status in queue.OPEN)
        total = sum(counts.values())
        progress("running jobs", total - open_jobs, total)
        return not open_jobs

    return house.changes.wait_until(ended, wait_s)


def _job(session: Session, row: _Row, include: list[str]) -> Job:
    job, manifest, location, root = row
    outputs = session.execute(
        select(JobOutput.topic, JobOutput.rows).where(JobOutput.job_id == job.id)
    )
    error = None
    if job.error_code or job.error_text:
        error = JobError(
            code=job.error_code or job.status.value,
            message=job.error_text or "",
            hint=job.error_hint,
        )
    return Job(
        job=f"job-{job.id}",
        state=job.status.value.lower(),
        plugin=f"{manifest.name}@{manifest.version}",
        file=display(absolute(root.path, location.path)),
        attempt=job.attempt,
        generation=job.generation,
        rows=dict(outputs.tuples().all()),
        quarantined=job.quarantined,
        error=error,
        created=job.created.isoformat(),
        ended=job.ended.isoformat() if job.ended else None,
        log=(job.log or "")[:20_000] if "log" in include else None,
        receipt=job.receipt if "receipt" in include else None,
    )


def run_job(
    house: House,
    caller: Caller,
    *,
    plugin: str,
    files: list[str] | None = None,
    pattern: str | None = None,
    dry_run: bool = False,
    reprocess: str = "new",
    wait_s: float = 15,
    progress: Progress,
) -> RunResult:
    """Queue a plugin over files: those named, those matching, or what is pending."""
    try:
        choice = Reprocess(reprocess)
    except ValueError as error:
        raise ConfigError(f"reprocess {reprocess!r} is not new, all, failed or none") from error
    with house.catalog.writing() as session:
        manifest = find_plugin(session, plugin)
        if manifest.status is not PluginStatus.ACTIVE:
            raise ConfigError(
                f"{manifest.name}@{manifest.version} is {manifest.status.value}, not ACTIVE",
                hint="Publish it first: `casparian publish DRAFT`.",
            )
        matches = _matches(session, manifest, files, pattern)
        wanted = _wanted(session, manifest, matches, choice, named=bool(files))
        if dry_run:
            return _plan(manifest, len(matches), len(wanted), choice, pattern)
        ids = queue.queued_by(session, caller.request)
        ids = ids or _enqueue(session, manifest, wanted, caller)
    house.wake()
    names = [f"job-{one}" for one in ids]
    ended = True
    if ids and wait_s > 0:
        ended = _wait(house, [among(ProcessingJob.id, ids)], wait_s, progress)
    state = "nothing to do" if not ids else "done" if ended and wait_s > 0 else "running"
    return RunResult(
        summary=f"{sentence(len(ids), 'job')} of {manifest.name}@{manifest.version} queued over"
        f" {sentence(len(matches), 'matching file')}.",
        jobs=names[:200],
        matched_files=len(matches),
        state=state,
        next_steps=[f'get_jobs(plugin="{manifest.name}", wait_s=20)'] if ids else [],
    )


def _matches(
    session: Session, manifest: PluginManifest, files: list[str] | None, pattern: str | None
) -> list[reprocess.Match]:
    """Files to run over, never beyond the folders and the pattern that a person approved."""
    roots = session.scalars(
        select(RoutingRule.root_id)
        .join(SourceRoot, SourceRoot.id == RoutingRule.root_id)
        .where(RoutingRule.plugin == manifest.name, SourceRoot.removed.is_(None))
        .distinct()
    ).all()
    approved = reprocess.matching_files(session, str(manifest.manifest["pattern"]), roots)
    if files:
        named = {find_file(session, name)[0].id for name in files}
        beyond = named - {match.location_id for match in approved}
        if beyond:
            raise NotGranted(
                f"{sentence(len(beyond), 'file')} of those named lies outside what"
                f" {manifest.name}@{manifest.version} was approved to read",
                hint="Publish a version whose samples and pattern cover it.",
            )
        return [match for match in approved if match.location_id in named]
    if pattern:
        narrowed = {one.location_id for one in reprocess.matching_files(session, pattern, roots)}
        return [match for match in approved if match.location_id in narrowed]
    return approved


def _wanted(
    session: Session,
    manifest: PluginManifest,
    matches: list[reprocess.Match],
    choice: Reprocess,
    *,
    named: bool,
) -> list[reprocess.Match]:
    """Named files run again whatever the choice; unhashed ones are the scout's to bring.

    Without names, what waits or runs already is left to come to its end.
    """
    hashed = [match for match in matches if match.version_id is not None]
    if named:
        unseen = len(matches) - len(hashed)
        if unseen:
            raise NotFound(
                f"{sentence(unseen, 'file')} of those named: not hashed, for no rule matches",
                hint="Publish a plugin whose pattern matches it, or scan its folder again.",
            )
        return hashed
    open_ones = queue.open_versions(session, manifest.id)
    idle = [match for match in hashed if match.version_id not in open_ones]
    return reprocess.chosen(session, idle, plugin=manifest.name, choice=choice)


def _plan(
    manifest: PluginManifest, matched: int, wanted: int, choice: Reprocess, pattern: str | None
) -> RunResult:
    given = {"plugin": manifest.name, "reprocess": choice.value, "pattern": pattern}
    asked = ", ".join(f"{key}={json.dumps(value)}" for key, value in given.items() if value)
    return RunResult(
        summary=f"{manifest.name}@{manifest.version} would run over {sentence(wanted, 'file')} of"
        f" {matched:,} matching; nothing was queued.",
        jobs=[],
        matched_files=matched,
        state="planned",
        next_steps=[f"run_job({asked})"] if wanted else [],
    )


def _enqueue(
    session: Session, manifest: PluginManifest, wanted: list[reprocess.Match], caller: Caller
) -> list[int]:
    now = datetime.now(UTC)
    versions = [match.version_id for match in wanted if match.version_id is not None]
    generation = reprocess.next_generation(session, manifest.id, versions) if versions else 1
    rounds = reprocess.rounds_for(session, manifest, versions, now=now)
    jobs = [
        queue.NewJob(
            version,
            match.location_id,
            manifest.id,
            generation,
            0,
            caller.request or None,
            rounds.get(version),
        )
        for match, version in zip(wanted, versions, strict=True)
    ]
    queue.enqueue(session, jobs, now=now)
    audit.record(
        session,
        actor=caller.person,
        action="run",
        subject=f"{manifest.name}@{manifest.version}",
        facts={"jobs": len(jobs), "generation": generation},
        now=now,
    )
    query = select(ProcessingJob.id).where(
        ProcessingJob.manifest_id == manifest.id,
        ProcessingJob.generation == generation,
        among(ProcessingJob.file_version_id, versions),
    )
    return list(session.scalars(query))

"""Say why something failed, is missing or waits, with the evidence and the call that mends it."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import CasparianError, NotFound, NotGranted
from engine.control import Caller
from engine.house import House
from engine.models import (
    FileLocation,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    Round,
    SourceRoot,
)
from engine.paths import display, harmless
from engine.queue import OPEN
from engine.service.datasets import HISTORY_SUFFIX, describe, topics
from engine.service.missing import explain_row, records_aside, rows_of_member
from engine.service.names import (
    containing_root,
    find_file,
    full_name,
    job_number,
    live_roots,
    resolve,
    sentence,
    split_part,
)
from engine.service.results import Explanation
from engine.states import QUARANTINE_SUFFIX, JobStatus, LocationState
from engine.tagger import rules_of
from engine.views import current_jobs


def explain(
    house: House, _caller: Caller, *, subject: str, as_file: str | None = None
) -> Explanation:
    """Why a job failed, a file gave no rows or is not known at all, or a row is not there.

    A row is asked for as `topic: value` or `topic: column=value`.

    `as_file` is the path that the subject means where it is neither a job nor a topic.
    """
    if re.fullmatch(r"job-\d+", subject.strip()):
        number = job_number(subject)
        with house.catalog.reading() as session:
            told = _job(session, number)
        return _with_records(house, told, number)
    topic, _, value = (part.strip() for part in subject.partition(":"))
    topic = topic.removesuffix(HISTORY_SUFFIX).removesuffix(QUARANTINE_SUFFIX)
    with house.catalog.reading() as session:
        is_known = topic in topics(session)
        if is_known and not value:
            return _topic(session, topic)
    if is_known:
        return explain_row(house, subject, topic, value)
    with house.catalog.reading() as session:
        subject = as_file or subject
        name, part = split_part(subject)
        try:
            location, root = find_file(session, name)
        except NotGranted as error:
            return _told(subject, "not granted", [error.message], [error.hint])
        except NotFound as error:
            return _unknown(session, subject, error)
        told = _file(session, location, root)
        newest = session.scalar(
            select(func.max(ProcessingJob.id)).where(ProcessingJob.location_id == location.id)
        )
    told = _with_records(house, told, newest)
    if part is not None and newest is not None:
        told.evidence.append(_of_part(house, newest, part))
    return told


def _of_part(house: House, number: int, part: str) -> str:
    """What a job gave of one member of an archive."""
    counts = {
        topic: rows_of_member(house, topic, number, part) for topic in _topics_of(house, number)
    }
    given = [
        sentence(count, "record set aside", "records set aside")
        if topic.endswith(QUARANTINE_SUFFIX)
        else f"{sentence(count, 'row')} of {topic}"
        for topic, count in counts.items()
        if count
    ]
    return f"Of {part} it gave {', '.join(given) or 'nothing: is a part of that name in it?'}"


def _topics_of(house: House, number: int) -> list[str]:
    """The tables that a job gave rows to, quarantines among them."""
    with house.catalog.reading() as session:
        stored = session.scalars(select(JobOutput.topic).where(JobOutput.job_id == number))
        return sorted(set(stored))


def _with_records(house: House, told: Explanation, number: int | None) -> Explanation:
    """What is told, with a few of the records that the job set aside as they stand in the file."""
    if number is None:
        return told
    for topic in _topics_of(house, number):
        if topic.endswith(QUARANTINE_SUFFIX):
            told.evidence += records_aside(
                house, topic.removesuffix(QUARANTINE_SUFFIX), f"_job_id = {number}"
            )
    return told


def _told(subject: str, verdict: str, evidence: list[str], steps: list[str]) -> Explanation:
    return Explanation(
        summary=f"{subject}: {verdict}.",
        subject=subject,
        verdict=verdict,
        evidence=evidence,
        next_steps=steps,
    )


def _job(session: Session, number: int) -> Explanation:
    job = session.get(ProcessingJob, number)
    if job is None:
        raise NotFound(f"no job-{number}", hint="List jobs: `casparian jobs`.")
    manifest = session.get_one(PluginManifest, job.manifest_id)
    location = session.get_one(FileLocation, job.location_id)
    root = session.get_one(SourceRoot, location.root_id)
    name = f"job-{number}"
    evidence = [
        (
            f"{name} runs {manifest.name}@{manifest.version} over {full_name(location, root)}:"
            f" {job.status.value.lower()}, attempt {job.attempt}, {job.failures} failed before."
        )
    ]
    if job.error_text:
        evidence.insert(0, f"{job.error_code or 'ERROR'}: {job.error_text}")
    if job.error_hint:
        evidence.append(f"Advice: {job.error_hint}")
    if job.log:
        evidence.append("Its log ends: " + harmless(job.log.strip()[-400:], lines=True))
    evidence += _out_of_view(session, job)
    dropped = (job.receipt or {}).get("discarded_columns")
    if isinstance(dropped, list) and dropped:
        evidence.append(
            f"By its topic's policy it left out the columns {', '.join(map(str, dropped[:10]))}."
        )
    steps = {
        JobStatus.FAILED: [f'retry_job(jobs=["{name}"])'],
        JobStatus.CANCELLED: [f'retry_job(jobs=["{name}"])'],
        JobStatus.WAITING: [f'get_jobs(jobs=["{name}"], wait_s=20)'],
        JobStatus.RUNNING: [f'get_jobs(jobs=["{name}"], wait_s=20)'],
        JobStatus.SUPERSEDED: [f'get_jobs(file="file-{location.id}")'],
        JobStatus.DONE: [f'query_lineage(target={{"job": "{name}"}})'],
    }[job.status]
    return _told(name, job.status.value.lower(), evidence, [step for step in steps if step])


def _out_of_view(session: Session, job: ProcessingJob) -> list[str]:
    """Why the rows of a job that is done are not in the current view, if a reprocess is why."""
    row = session.get(Round, job.round_id) if job.round_id is not None else None
    if row is None or job.status is not JobStatus.DONE:
        return []
    if row.ended is None:
        waiting = session.scalar(
            select(func.count()).where(
                ProcessingJob.round_id == row.id, ProcessingJob.status.in_(OPEN)
            )
        )
        return [
            f"Its rows come into view with {sentence(waiting or 0, 'other job')} of round-{row.id}."
        ]
    if row.undone is not None:
        return [f"round-{row.id} was taken back or cut short: its rows are in history alone."]
    return []


def _unknown(session: Session, subject: str, error: CasparianError) -> Explanation:
    roots = [display(root.path) for root in live_roots(session)]
    row = re.fullmatch(r"\s*(\w+)\s*:\s*\S.*", subject)
    if row is not None:
        known = sorted(topics(session))
        near = difflib.get_close_matches(row[1], known, n=3, cutoff=0.5) or known[:5]
        there = f"there are {', '.join(near)}" if near else "no plugin published any rows yet"
        why = f"There is no topic {row[1]!r}: {there}."
        return _told(subject, "unknown", [why], ["casparian datasets"])
    if not subject.startswith(("/", "~")):
        return _told(subject, "unknown", [error.message], [error.hint])
    path = resolve(subject)
    if not path.is_absolute() or not _exists(path):
        why = f"There is no such file; granted folders: {', '.join(roots) or 'none'}."
        return _told(subject, "never seen", [why], ["check the path"])
    if path.is_dir():
        return _told(subject, "a folder", [error.message], [error.hint])
    root = containing_root(session, path)
    evidence = [
        (
            f"It lies in the granted folder {display(root.path)}, but the last scan did not see it:"
            " it is newer, or in a hidden folder, or not a regular file."
        )
    ]
    if root.scanned:
        evidence.append(f"Last scan: {root.scanned.isoformat()}.")
    return _told(subject, "never seen", evidence, ["scan(...) its source again"])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _file(session: Session, location: FileLocation, root: SourceRoot) -> Explanation:
    name = full_name(location, root)
    short = f"file-{location.id}"
    if location.state is LocationState.DELETED:
        kept = "kept" if root.on_delete.value == "KEEP" else "left out of the current view"
        return _told(name, "deleted", [f"It is gone; its rows are {kept}."], [])
    if location.state is LocationState.UNREADABLE:
        why = location.problem or "it could not be read"
        return _told(name, "unreadable", [why], ["make it readable", "scan(...) its source"])
    tags = rules_of(session, root.id).tags(location.path)
    given = _rows_in_view(session, location)
    if not tags:
        why = "No routing rule matches its path, so no plugin reads it."
        kept = f" {sentence(given, 'row')} that it gave before stay in view." if given else ""
        verdict = "no longer routed" if given else "unrouted"
        return _told(name, verdict, [why + kept], [f'preview_file(file="{short}")'])
    if location.version_id is None:
        why = "It matches a rule but has not been hashed yet."
        return _told(name, "waiting", [why], ["scan(...) its source"])
    jobs = list(
        session.scalars(
            select(ProcessingJob)
            .where(ProcessingJob.location_id == location.id)
            .order_by(ProcessingJob.id.desc())
            .limit(20)
        )
    )
    if not jobs:
        why = f"It has the tags {', '.join(tags)}, but no active plugin subscribes to them."
        return _told(name, "unsubscribed", [why], ["get_plugins()"])
    return _by_jobs(session, name, location, jobs)


def _rows_in_view(session: Session, location: FileLocation) -> int:
    """Rows of a file in current views."""
    return (
        session.scalar(
            select(func.coalesce(func.sum(JobOutput.rows), 0))
            .join(ProcessingJob, ProcessingJob.id == JobOutput.job_id)
            .where(
                ProcessingJob.location_id == location.id,
                ProcessingJob.id.in_(current_jobs()),
                ~JobOutput.topic.endswith(QUARANTINE_SUFFIX),
            )
        )
        or 0
    )


def _by_jobs(
    session: Session, name: str, location: FileLocation, jobs: list[ProcessingJob]
) -> Explanation:
    newest = jobs[0]
    evidence: list[str] = []
    mine = [job.id for job in jobs]
    shown = set(
        session.scalars(
            select(ProcessingJob.id).where(
                ProcessingJob.id.in_(mine), ProcessingJob.id.in_(current_jobs())
            )
        )
    )
    for job in jobs[:5]:
        rows = session.scalar(
            select(func.coalesce(func.sum(JobOutput.rows), 0)).where(
                JobOutput.job_id == job.id, ~JobOutput.topic.endswith(QUARANTINE_SUFFIX)
            )
        )
        what = f"job-{job.id}: {job.status.value.lower()}, {sentence(rows or 0, 'row')}"
        if job.quarantined:
            what += f", {sentence(job.quarantined, 'record')} quarantined"
        if job.error_text:
            what += f", {job.error_code}: {job.error_text[:300]}"
        if job.status is JobStatus.DONE and job.id not in shown:
            what += ", in history alone"
        evidence.append(f"{what}. {' '.join(_out_of_view(session, job))}".strip())
    if newest.file_version_id != location.version_id:
        evidence.append("Its newest content has not been processed.")
    verdict = newest.status.value.lower()
    if newest.status is JobStatus.DONE and newest.id not in shown:
        row = session.get(Round, newest.round_id) if newest.round_id is not None else None
        is_waiting = row is not None and row.ended is None
        is_back = row is not None and row.undone is not None
        verdict = "waiting" if is_waiting else "taken back" if is_back else "not in view"
    elif newest.status is JobStatus.DONE and newest.quarantined:
        verdict = "partly quarantined"
    return _told(name, verdict, evidence, [f'explain(subject="job-{newest.id}")'])


def _topic(session: Session, topic: str) -> Explanation:
    dataset = describe(session, topic)
    evidence = [
        (
            f"{dataset.files_seen} files match, {dataset.files_read} are read,"
            f" {dataset.files_failed} failed, {dataset.files_pending} pending,"
            f" {dataset.quarantined} records quarantined; newest data {dataset.newest}."
        )
    ]
    is_whole = not (dataset.files_failed or dataset.files_pending or dataset.quarantined)
    steps = ['get_jobs(state="failed")'] if dataset.files_failed else []
    steps += [f"casparian quarantine {topic}"] if dataset.quarantined else []
    return _told(topic, "complete" if is_whole else "incomplete", evidence, steps)

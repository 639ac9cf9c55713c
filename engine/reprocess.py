"""Decide which known file versions a plugin is to run over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.database import among
from engine.models import (
    FileLocation,
    FileVersion,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    Round,
    is_dismissed,
)
from engine.routing import Matcher, Rule
from engine.states import QUARANTINE_SUFFIX, JobStatus, LocationState, Reprocess


@dataclass(frozen=True, slots=True)
class Match:
    """A known file that a pattern matches."""

    location_id: int
    version_id: int | None
    """None: present, but not hashed yet."""
    size: int


def matching_files(session: Session, pattern: str, root_ids: Sequence[int]) -> list[Match]:
    """Every present file of these roots that the pattern matches."""
    matcher = Matcher([Rule(pattern, "x")])
    rows = session.execute(
        select(FileLocation.id, FileLocation.path, FileLocation.version_id, FileLocation.size)
        .where(FileLocation.root_id.in_(root_ids), FileLocation.state != LocationState.DELETED)
        .order_by(FileLocation.id)
    )
    return [Match(one, version, size) for one, path, version, size in rows if matcher.tags(path)]


def chosen(
    session: Session, matches: Sequence[Match], *, plugin: str, choice: Reprocess
) -> list[Match]:
    """Those of the matches that the reprocess choice takes (design §4)."""
    if choice is Reprocess.NONE:
        return []
    if choice is Reprocess.ALL:
        return list(matches)
    processed, troubled = _history(session, plugin)
    return [
        match
        for match in matches
        if match.version_id not in processed
        or (choice is Reprocess.FAILED and match.version_id in troubled)
    ]


def _history(session: Session, plugin: str) -> tuple[set[int], set[int]]:
    """Versions that the plugin has taken on, and those that it left in trouble.

    In trouble: what the last run that counts left failed, cancelled, or with records set aside
    that nobody dismissed. A run of a reprocess that was taken back does not count.
    """
    rows = session.execute(
        select(
            ProcessingJob.id,
            ProcessingJob.file_version_id,
            ProcessingJob.status,
            ProcessingJob.quarantined,
            Round.undone,
        )
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .join(Round, Round.id == ProcessingJob.round_id, isouter=True)
        .where(PluginManifest.name == plugin)
        .order_by(ProcessingJob.id)
    ).all()
    # What only waits or runs is not processed: an upgrade supersedes it and takes it on itself.
    taken = {
        row.file_version_id for row in rows if row.status in (JobStatus.DONE, JobStatus.FAILED)
    }
    last = {row.file_version_id: row for row in rows if row.status in _ENDED and row.undone is None}
    aside = [row.id for row in last.values() if row.quarantined]
    standing = _with_records_aside(session, aside)
    troubled = {
        version
        for version, row in last.items()
        if row.status is not JobStatus.DONE or row.id in standing
    }
    return taken, troubled


def _with_records_aside(session: Session, jobs: Sequence[int]) -> set[int]:
    """Those of these jobs that set records aside in a topic where nobody dismissed them."""
    return set(
        session.scalars(
            select(JobOutput.job_id).where(
                among(JobOutput.job_id, jobs),
                JobOutput.topic.endswith(QUARANTINE_SUFFIX, autoescape=True),
                JobOutput.rows > 0,
                ~is_dismissed(),
            )
        )
    )


_ENDED = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


def rounds_for(
    session: Session, manifest: PluginManifest, version_ids: Sequence[int], *, now: datetime
) -> dict[int, int]:
    """File version → the new round that its next job is of, for those that gave rows before.

    Their rows change together, once the last of them is done; a first run is of no round.
    """
    shown = set(
        session.scalars(
            select(ProcessingJob.file_version_id)
            .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
            .where(PluginManifest.name == manifest.name, ProcessingJob.status == JobStatus.DONE)
        )
    )
    again = [version for version in version_ids if version in shown]
    if not again:
        return {}
    one = Round(manifest_id=manifest.id, created=now)
    session.add(one)
    session.flush()
    return dict.fromkeys(again, one.id)


def next_generation(session: Session, manifest_id: int, version_ids: Sequence[int]) -> int:
    """The how-manieth deliberate run the next one of these versions is."""
    newest = session.scalar(
        select(func.max(ProcessingJob.generation)).where(
            ProcessingJob.manifest_id == manifest_id,
            among(ProcessingJob.file_version_id, version_ids),
        )
    )
    return (newest or 0) + 1


def tag_versions(session: Session, version_ids: Sequence[int], tags: Sequence[str]) -> None:
    """Add tags to versions that were made before the rule came."""
    for version in session.scalars(select(FileVersion).where(among(FileVersion.id, version_ids))):
        version.tags = sorted({*version.tags, *tags})

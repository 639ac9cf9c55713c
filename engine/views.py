"""Say which outputs make up the current view of a topic."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from engine.models import (
    ROUNDS_IN_VIEW,
    FileLocation,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    SourceRoot,
    is_dismissed,
)
from engine.states import JobStatus, PluginStatus


def current_jobs() -> Select[int]:
    """Jobs whose rows are in the current view.

    Per location the newest version with a finished job, and of that the newest plugin version and
    generation, those of a reprocess only once all of it has ended and while nobody took it back;
    locations whose root drops deleted files are left out once they are gone.
    """
    newest = (
        select(
            ProcessingJob.id.label("job_id"),
            func.row_number()
            .over(
                partition_by=(ProcessingJob.location_id, PluginManifest.name),
                order_by=(
                    ProcessingJob.file_version_id.desc(),
                    PluginManifest.version.desc(),
                    ProcessingJob.generation.desc(),
                ),
            )
            .label("rank"),
        )
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(
            ProcessingJob.status == JobStatus.DONE,
            PluginManifest.status != PluginStatus.STAGING,
            _is_in_view(),
            ~_is_dropped(),
        )
        .subquery()
    )
    return select(newest.c.job_id).where(newest.c.rank == 1)


def current_outputs(topic: str) -> Select[int, str, int]:
    """Outputs (job, path, rows) in the current view of a topic.

    Those of the current jobs, without records of a quarantine that a person dismissed.
    """
    newest = current_jobs().subquery()
    return (
        select(JobOutput.job_id, JobOutput.path, JobOutput.rows)
        .join(newest, newest.c.job_id == JobOutput.job_id)
        .where(JobOutput.topic == topic, ~is_dismissed())
        .order_by(JobOutput.job_id, JobOutput.id)
    )


def current_manifests(topic: str) -> Select[int]:
    """Plugin versions that gave what is in the current view of a topic."""
    current = current_outputs(topic).subquery()
    return (
        select(ProcessingJob.manifest_id)
        .where(ProcessingJob.id.in_(select(current.c.job_id)))
        .distinct()
    )


def held_jobs() -> Select[int]:
    """Finished jobs whose rows are in no current view, though newest: what a delivery hides.

    Those of a reprocess that is under way or was taken back, and those of files that are gone from
    a root that drops their rows.
    """
    return (
        select(ProcessingJob.id)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(or_(~_is_in_view(), _is_dropped()))
    )


def _is_dropped() -> ColumnElement[bool]:
    return and_(FileLocation.state == "DELETED", SourceRoot.on_delete == "DROP")


def _is_in_view() -> ColumnElement[bool]:
    return or_(ProcessingJob.round_id.is_(None), ProcessingJob.round_id.in_(ROUNDS_IN_VIEW))

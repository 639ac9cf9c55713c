"""Choose the files that a draft is tried on, and the order: those first that may show it wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import AdmissionError
from engine import reprocess
from engine.database import among
from engine.models import (
    Draft,
    FileLocation,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    SourceRoot,
)
from engine.paths import absolute, display
from engine.service.drafts import location_of
from engine.service.names import find_file
from engine.states import QUARANTINE_SUFFIX, JobStatus
from engine.views import current_jobs
from gatekeeper.manifest import read_manifest

_TROUBLED = 20
"""So many of the files that gave trouble come early, the latest; the others in their turn."""
_EXTREMES = 5
"""The largest and the oldest files, this many of each, are tried early."""


def chosen_files(session: Session, row: Draft, files: list[str] | None, most: int) -> list[int]:
    """Locations to try, worst first.

    The samples, one of each odd shape among them; files that an earlier version failed on or set
    records of aside; the largest and the oldest; the rest.
    """
    if files:
        return [find_file(session, name)[0].id for name in files]
    ids = list(row.samples)
    matching = _matching(session, row)
    ids += _troubled(session, row.name, matching)
    ids += _extremes(session, matching)
    ids += matching
    return list(dict.fromkeys(ids))[: max(1, most)]


def count_matching(session: Session, row: Draft) -> int:
    """How many known files the draft would read."""
    return len(set(_matching(session, row)) | set(row.samples))


def _matching(session: Session, row: Draft) -> list[int]:
    try:
        manifest = read_manifest(str(row.files["plugin.py"]))
    except AdmissionError:
        return []
    roots = sorted({location_of(session, one)[1].id for one in row.samples})
    found = reprocess.matching_files(session, manifest.pattern, roots)
    return [one.location_id for one in found]


def _troubled(session: Session, plugin: str, ids: Sequence[int]) -> list[int]:
    """Files where a job of any version of the plugin failed or set records aside, latest first."""
    rows = session.execute(
        select(ProcessingJob.location_id, func.max(ProcessingJob.id))
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .where(
            PluginManifest.name == plugin,
            (ProcessingJob.status == JobStatus.FAILED) | (ProcessingJob.quarantined > 0),
        )
        .group_by(ProcessingJob.location_id)
    ).all()
    known = set(ids)
    latest = [one for one, _ in sorted(rows, key=lambda pair: -pair[1]) if one in known]
    return latest[:_TROUBLED]


def _extremes(session: Session, ids: Sequence[int]) -> list[int]:
    found: list[int] = []
    for order in (FileLocation.size.desc(), FileLocation.mtime_ns):
        rows = select(FileLocation.id).where(among(FileLocation.id, ids)).order_by(order)
        found += session.scalars(rows.limit(_EXTREMES))
    return found


def as_inputs(session: Session, ids: Sequence[int], active: PluginManifest | None) -> list[Any]:
    """What the trial is told of each file.

    Its `key` (which changes with the file and with what is in force for it), its `path` in
    hexadecimal, `before` (topic → lake files that hold the rows in force for it, for every topic
    of the active version) and `failed_before` (whether that version failed on it).
    """
    rows = session.execute(
        select(FileLocation, SourceRoot.path)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(among(FileLocation.id, ids))
    ).all()
    known = {location.id: (location, root) for location, root in rows}
    in_force = _in_force(session, active, ids) if active is not None else {}
    failed = _failed(session, active, ids) if active is not None else set[int]()
    topics = sorted(active.contract) if active is not None else []
    inputs: list[Any] = []
    for one in ids:
        location, root = known[one]
        before = {topic: in_force.get((one, topic), []) for topic in topics}
        path = absolute(root, location.path)
        state = json.dumps([active.id if active else 0, one in failed, before]).encode()
        stamp = f"{location.size}:{location.mtime_ns}:{location.ctime_ns}"
        inputs.append(
            {
                "key": f"{path.hex()}:{stamp}:{hashlib.sha256(state).hexdigest()[:16]}",
                "path": path.hex(),
                "sha256": "",
                "shown": display(location.path),
                "before": before,
                "failed_before": one in failed,
            }
        )
    return inputs


def _in_force(
    session: Session, active: PluginManifest, ids: Sequence[int]
) -> dict[tuple[int, str], list[str]]:
    """Location, topic → lake files in view, where they are of what the file holds now."""
    rows = session.execute(
        select(ProcessingJob.location_id, JobOutput.topic, JobOutput.path)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .join(JobOutput, JobOutput.job_id == ProcessingJob.id)
        .where(
            ProcessingJob.id.in_(current_jobs()),
            PluginManifest.name == active.name,
            ProcessingJob.file_version_id == FileLocation.version_id,
            among(ProcessingJob.location_id, ids),
        )
        .order_by(JobOutput.id)
    )
    found: dict[tuple[int, str], list[str]] = {}
    for location, topic, path in rows:
        if not topic.endswith(QUARANTINE_SUFFIX):
            found.setdefault((location, topic), []).append(path)
    return found


def _failed(session: Session, active: PluginManifest, ids: Sequence[int]) -> set[int]:
    """Locations on whose present version the active plugin version failed when it ran last."""
    rows = session.execute(
        select(ProcessingJob.location_id, ProcessingJob.status)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .where(
            ProcessingJob.manifest_id == active.id,
            ProcessingJob.file_version_id == FileLocation.version_id,
            ProcessingJob.status.in_((JobStatus.DONE, JobStatus.FAILED)),
            among(ProcessingJob.location_id, ids),
        )
        .order_by(ProcessingJob.id)
    )
    last = {row.location_id: row.status for row in rows}
    return {location for location, status in last.items() if status is JobStatus.FAILED}

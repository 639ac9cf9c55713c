"""Choose the files that a draft is tried on, and the order: those first that may show it wrong."""

from __future__ import annotations

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
from engine.sinks.interface import QUARANTINE_SUFFIX
from engine.states import JobStatus
from gatekeeper.manifest import read_manifest

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
    return [one for one, _ in sorted(rows, key=lambda pair: -pair[1]) if one in known]


def _extremes(session: Session, ids: Sequence[int]) -> list[int]:
    found: list[int] = []
    for order in (FileLocation.size.desc(), FileLocation.mtime_ns):
        rows = select(FileLocation.id).where(among(FileLocation.id, ids)).order_by(order)
        found += session.scalars(rows.limit(_EXTREMES))
    return found


def as_inputs(session: Session, ids: Sequence[int], active: PluginManifest | None) -> list[Any]:
    """What the trial is told of each file, and which lake files hold the rows in force for it."""
    rows = session.execute(
        select(FileLocation, SourceRoot.path)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(among(FileLocation.id, ids))
    ).all()
    known = {location.id: (location, root) for location, root in rows}
    in_force = _in_force(session, active, ids) if active is not None else {}
    inputs: list[Any] = []
    for one in ids:
        location, root = known[one]
        before = in_force.get(one, {})
        path = absolute(root, location.path)
        key = f"{path.hex()}:{location.size}:{location.mtime_ns}:{location.ctime_ns}"
        inputs.append(
            {
                "key": key,
                "path": path.hex(),
                "sha256": "",
                "shown": display(location.path),
                "before": before,
            }
        )
    return inputs


def _in_force(
    session: Session, active: PluginManifest, ids: Sequence[int]
) -> dict[int, dict[str, list[str]]]:
    """Location → topic → lake files of the newest finished job over what the file holds now."""
    newest = (
        select(ProcessingJob.location_id, func.max(ProcessingJob.id).label("job_id"))
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .where(
            PluginManifest.name == active.name,
            ProcessingJob.status == JobStatus.DONE,
            ProcessingJob.file_version_id == FileLocation.version_id,
            among(ProcessingJob.location_id, ids),
        )
        .group_by(ProcessingJob.location_id)
        .subquery()
    )
    rows = session.execute(
        select(newest.c.location_id, JobOutput.topic, JobOutput.path).join(
            JobOutput, JobOutput.job_id == newest.c.job_id
        )
    )
    found: dict[int, dict[str, list[str]]] = {}
    for location, topic, path in rows:
        if not topic.endswith(QUARANTINE_SUFFIX):
            found.setdefault(location, {}).setdefault(topic, []).append(path)
    return found

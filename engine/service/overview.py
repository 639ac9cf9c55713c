"""The state of the house in one answer; find files in it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError
from engine import queue
from engine.control import Caller
from engine.house import House
from engine.models import (
    Approval,
    FileLocation,
    FileVersion,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    SourceRoot,
)
from engine.paths import absolute, display
from engine.routing import Matcher, Rule
from engine.service.darkness import survey
from engine.service.datasets import topics
from engine.service.names import live_roots, sentence, size_told
from engine.service.paging import cursor_for, offset_of
from engine.service.results import File, Files, Overview
from engine.service.sources import describe_source
from engine.states import ApprovalStatus, LocationState, PluginStatus


def get_overview(house: House, _caller: Caller) -> Overview:
    """Sources, dark files, plugins, jobs, topics and what waits for a person."""
    with house.catalog.reading() as session:
        roots = live_roots(session)
        sources = [describe_source(session, root) for root in roots]
        files = _file_counts(session)
        dark = [group for group in survey(session, roots).groups if group.plugin is None]
        active = session.execute(
            select(PluginManifest.name, PluginManifest.version).where(
                PluginManifest.status == PluginStatus.ACTIVE
            )
        )
        plugins = [f"{name}@{version}" for name, version in active]
        jobs = {status.lower(): count for status, count in queue.counts(session).items()}
        waiting = session.scalars(
            select(Approval.id).where(Approval.status == ApprovalStatus.WAITING)
        )
        approvals = [f"approval-{number}" for number in waiting]
        known = topics(session)
    steps = [f'preview_file(file="{dark[0].example_file}")'] if dark else []
    if not sources:
        steps = ["a person grants a folder: casparian init DIR"]
    summary = f"{sentence(len(sources), 'source')}, {sentence(sum(files.values()), 'file')}"
    summary += f", {sentence(len(plugins), 'active plugin')}, {sentence(len(known), 'topic')}."
    if dark:
        one = dark[0]
        summary += (
            f" One plugin would unlock {sentence(one.files, 'file')}, {size_told(one.bytes)}."
        )
    return Overview(
        summary=summary,
        sources=sources,
        files=files,
        dark=dark,
        plugins=plugins,
        jobs=jobs,
        topics=known,
        approvals=approvals,
        mode="read-only" if house.settings.read_only else "local",
        next_steps=steps,
    )


def _file_counts(session: Session) -> dict[str, int]:
    rows = session.execute(select(FileLocation.state, func.count()).group_by(FileLocation.state))
    return {state.value.lower(): count for state, count in rows}


def find_files(
    house: House,
    _caller: Caller,
    *,
    query: str | None = None,
    pattern: str | None = None,
    source: str | None = None,
    state: str | None = None,
    tag: str | None = None,
    cursor: str | None = None,
    limit: int = 25,
) -> Files:
    """Known files by text in their path, by glob, source, state or tag."""
    question = {"query": query, "pattern": pattern, "source": source, "state": state, "tag": tag}
    offset = offset_of(question, cursor)
    most = max(1, min(limit, 200))
    with house.catalog.reading() as session:
        chosen = _chosen(session, query, pattern, source, state, tag)
        found = [_file(session, one) for one in chosen[offset : offset + most]]
    more = offset + len(found) < len(chosen)
    return Files(
        summary=f"{sentence(len(chosen), 'file')}.",
        files=found,
        total=len(chosen),
        next_cursor=cursor_for(question, offset + len(found)) if more else None,
        next_steps=["narrow with pattern or query, or continue with next_cursor"] if more else [],
    )


def _state(name: str) -> LocationState:
    try:
        return LocationState(name.upper())
    except ValueError as error:
        known = ", ".join(state.value.lower() for state in LocationState)
        raise ConfigError(f"state {name!r} is not one of {known}") from error


def _chosen(
    session: Session,
    query: str | None,
    pattern: str | None,
    source: str | None,
    state: str | None,
    tag: str | None,
) -> list[int]:
    rows = select(FileLocation.id, FileLocation.path, SourceRoot.path).join(
        SourceRoot, SourceRoot.id == FileLocation.root_id
    )
    rows = rows.where(SourceRoot.removed.is_(None)).order_by(FileLocation.id)
    if state:
        rows = rows.where(FileLocation.state == _state(state))
    if tag:
        rows = rows.join(FileVersion, FileVersion.id == FileLocation.version_id).where(
            FileVersion.tags.contains(tag)
        )
    matcher = Matcher([Rule(pattern, "x")]) if pattern else None
    text = (query or "").lower()
    return [
        one
        for one, path, root in session.execute(rows)
        if (matcher is None or matcher.tags(path))
        and (not text or text in display(absolute(root, path)).lower())
        and (not source or display(root) == source.rstrip("/"))
    ]


def _file(session: Session, location_id: int) -> File:
    location = session.get_one(FileLocation, location_id)
    root = session.get_one(SourceRoot, location.root_id)
    found = session.scalars(
        select(JobOutput.topic)
        .join(ProcessingJob, ProcessingJob.id == JobOutput.job_id)
        .where(ProcessingJob.location_id == location_id)
        .distinct()
    )
    version = session.get(FileVersion, location.version_id) if location.version_id else None
    return File(
        file=display(absolute(root.path, location.path)),
        id=f"file-{location.id}",
        size_bytes=location.size,
        modified=datetime.fromtimestamp(location.mtime_ns / 1e9, UTC).isoformat(),
        state=location.state.value.lower(),
        version=f"version-{version.id} sha256:{version.sha256}" if version else None,
        topics=sorted(found),
    )

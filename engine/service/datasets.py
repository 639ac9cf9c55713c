"""Say what topics there are, what columns they have and how complete they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine import reprocess, views
from engine.contracts import schema_for
from engine.models import (
    FileLocation,
    FileVersion,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    RoutingRule,
    SourceRoot,
    TopicConfig,
)
from engine.service.names import listed, sentence
from engine.service.results import Dataset, DatasetColumn
from engine.sinks.stamping import stamped_schema
from engine.sql_names import quoted
from engine.states import QUARANTINE_SUFFIX, JobStatus, LocationState, PluginStatus

HISTORY_SUFFIX = "_history"


def topics(session: Session) -> list[str]:
    """Every topic that is fed or holds rows."""
    fed = set(session.scalars(select(TopicConfig.topic)))
    held = set(session.scalars(select(JobOutput.topic).distinct()))
    return sorted(fed | {topic for topic in held if not topic.endswith(QUARANTINE_SUFFIX)})


def describe(session: Session, topic: str) -> Dataset:
    """One topic: columns, counts, completeness."""
    current = session.execute(views.current_outputs(topic)).all()
    history = session.scalar(
        select(func.coalesce(func.sum(JobOutput.rows), 0)).where(JobOutput.topic == topic)
    )
    fed_by = _in_force(feeding(session, topic))
    seen, states = _completeness(session, fed_by)
    read = _files_read(session, fed_by)
    pending = states.get(JobStatus.WAITING, 0) + states.get(JobStatus.RUNNING, 0)
    failed = states.get(JobStatus.FAILED, 0)
    aside = session.execute(views.current_outputs(topic + QUARANTINE_SUFFIX)).all()
    quarantined = sum(row.rows for row in aside)
    unread = len(seen - read) - pending - failed
    config = session.get(TopicConfig, topic)
    schema = topic_schema(session, topic, current=True)
    mixed = mixed_columns(session, topic, current=True)
    as_text = [name for name in mixed if pa.types.is_string(schema.field(name).type)]
    return Dataset(
        topic=topic,
        table=quoted(topic),
        plugin=", ".join(f"{one.name}@{one.version}" for one in fed_by) or "none",
        columns=[DatasetColumn(name=quoted(f.name), type=str(f.type)) for f in schema],
        rows=sum(row.rows for row in current),
        history_rows=history or 0,
        files_seen=len(seen | read),
        files_read=len(read),
        files_failed=failed,
        files_pending=pending,
        quarantined=quarantined,
        newest=_newest(session, topic),
        caveat=_caveat(pending, failed, quarantined, max(0, unread), as_text),
        sinks=list(config.sinks) if config else [],
    )


def _caveat(
    pending: int, failed: int, quarantined: int, unread: int, as_text: list[str]
) -> str | None:
    counts = ((pending, "file", "to be read"), (failed, "file", "failed"),
              (unread, "file", "not to be read by its version in force"),
              (quarantined, "record", "set aside"))  # fmt: skip
    told = [f"{sentence(count, noun)} {state}" for count, noun, state in counts if count]
    missing = [f"Not complete: {', '.join(told)}."] if told else []
    text = [f"Of no one type, so read as text: {listed(as_text, 10)}."] if as_text else []
    return " ".join(missing + text) or None


def feeding(session: Session, topic: str) -> list[PluginManifest]:
    """Plugin versions that publish or published to a topic, the active one first, then newest."""
    rows = session.scalars(
        select(PluginManifest)
        .where(PluginManifest.status.in_((PluginStatus.ACTIVE, PluginStatus.RETIRED)))
        .order_by(PluginManifest.version.desc())
    )
    fed_by = [row for row in rows if topic in cast("list[str]", row.manifest["topics"])]
    return sorted(fed_by, key=lambda row: row.status is not PluginStatus.ACTIVE)


def _completeness(
    session: Session, fed_by: Sequence[PluginManifest]
) -> tuple[set[int], dict[JobStatus, int]]:
    """Files that the plugins' patterns match, and their jobs by state."""
    seen: set[int] = set()
    for plugin in fed_by:
        roots = list(
            session.scalars(
                select(RoutingRule.root_id)
                .join(SourceRoot, SourceRoot.id == RoutingRule.root_id)
                .where(RoutingRule.plugin == plugin.name, SourceRoot.removed.is_(None))
                .distinct()
            )
        )
        matching = reprocess.matching_files(session, str(plugin.manifest["pattern"]), roots)
        seen.update(one.location_id for one in matching)
    return seen, _job_states(session, fed_by)


def _files_read(session: Session, fed_by: Sequence[PluginManifest]) -> set[int]:
    """Files that some version of the plugins has read as they are now, whatever came of it."""
    query = (
        select(ProcessingJob.location_id.distinct())
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
        .where(
            SourceRoot.removed.is_(None),
            PluginManifest.name.in_({one.name for one in fed_by}),
            ProcessingJob.status == JobStatus.DONE,
            ProcessingJob.file_version_id == FileLocation.version_id,
            FileLocation.state != LocationState.DELETED,
        )
    )
    return set(session.scalars(query))


def unfinished(session: Session, topic: str) -> tuple[int, int]:
    """Jobs of a topic that are pending and that failed; one count, whatever its size."""
    states = _job_states(session, _in_force(feeding(session, topic)))
    pending = states.get(JobStatus.WAITING, 0) + states.get(JobStatus.RUNNING, 0)
    return pending, states.get(JobStatus.FAILED, 0)


def _in_force(fed_by: Sequence[PluginManifest]) -> list[PluginManifest]:
    """The plugin versions in force; with none, the newest of those that were."""
    active = [one for one in fed_by if one.status is PluginStatus.ACTIVE]
    return active or list(fed_by[:1])


def _job_states(session: Session, plugins: Sequence[PluginManifest]) -> dict[JobStatus, int]:
    """Jobs of plugin versions over what their files hold now, by state."""
    jobs = session.execute(
        select(ProcessingJob.status, func.count())
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .where(
            ProcessingJob.manifest_id.in_([one.id for one in plugins]),
            ProcessingJob.file_version_id == FileLocation.version_id,
            FileLocation.state != LocationState.DELETED,
        )
        .group_by(ProcessingJob.status)
    )
    return dict(jobs.tuples().all())


def _newest(session: Session, topic: str) -> str | None:
    moment: datetime | None = session.scalar(
        select(func.max(FileVersion.seen))
        .join(ProcessingJob, ProcessingJob.file_version_id == FileVersion.id)
        .join(JobOutput, JobOutput.job_id == ProcessingJob.id)
        .where(JobOutput.topic == topic)
    )
    return moment.isoformat() if moment else None


def _as_text_where_they_differ(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Versions that contradict each other: what has no common type is read as text."""
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            known = pa.schema([fields.get(field.name, field)])
            try:
                both = pa.unify_schemas([known, pa.schema([field])], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                both = pa.schema([pa.field(field.name, pa.string())])
            fields[field.name] = both.field(0)
    return pa.schema(list(fields.values()))


def topic_schema(session: Session, topic: str, *, current: bool = False) -> pa.Schema:
    """The columns of a topic over all versions of the plugins that fed it, lineage last.

    `current`: over those alone that are in force or whose rows are in the current view, so that
    what an older version called otherwise is out of the way once its rows are replaced.
    """
    schemas = _agreed_schemas(session, topic, current=current)
    if not schemas:
        return stamped_schema(pa.schema([]))
    try:
        merged = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        merged = _as_text_where_they_differ(schemas)
    readable = [
        pa.field(field.name, pa.string() if pa.types.is_null(field.type) else field.type)
        for field in merged
    ]
    return stamped_schema(pa.schema(readable))


def _agreed_schemas(session: Session, topic: str, *, current: bool) -> list[pa.Schema]:
    """What the versions that fed a topic agreed to give, the newest last."""
    fed_by = feeding(session, topic)
    if current:
        shown = set(session.scalars(views.current_manifests(topic)))
        fed_by = [
            row for row in fed_by if row.id in shown or row.status is PluginStatus.ACTIVE
        ] or fed_by
    return [
        schema
        for row in reversed(fed_by)
        if (schema := schema_for(row.contract, topic)) is not None
    ]


def mixed_columns(session: Session, topic: str, *, current: bool = False) -> list[str]:
    """Columns whose values are stored in more than one type, as versions changed them.

    Also those of which no sample held a value: such a column takes any type.
    """
    kinds: dict[str, set[str]] = {}
    for schema in _agreed_schemas(session, topic, current=current):
        for field in schema:
            kinds.setdefault(field.name, set()).add(str(field.type))
    return [name for name, several in kinds.items() if len(several) > 1 or "null" in several]

"""Say what topics there are, how complete they are, and answer questions about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import cast

import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound
from engine import answers, reprocess, views
from engine.contracts import schema_for
from engine.control import Caller
from engine.house import House
from engine.models import (
    FileLocation,
    FileVersion,
    JobOutput,
    JobStatus,
    LocationState,
    PluginManifest,
    PluginStatus,
    ProcessingJob,
    RoutingRule,
    SourceRoot,
    TopicConfig,
)
from engine.sandbox import Wall, strongest_wall
from engine.service.names import sentence
from engine.service.paging import cursor_for, offset_of
from engine.service.results import Dataset, DatasetColumn, Datasets, QueryResult
from engine.sinks.interface import QUARANTINE_SUFFIX
from engine.sinks.lake import QUARANTINE_SCHEMA
from engine.sinks.stamping import stamped_schema

HISTORY_SUFFIX = "_history"


def get_datasets(
    house: House,
    _caller: Caller,
    *,
    names: list[str] | None = None,
    search: str | None = None,
    include: list[str] | None = None,
) -> Datasets:
    """Topics with columns, counts and completeness."""
    with house.catalog.reading() as session:
        known = topics(session)
        missing = [name for name in names or [] if name not in known]
        if missing:
            raise NotFound(
                f"no dataset {', '.join(missing)}; there are: {', '.join(known) or 'none yet'}",
                hint="List them: `casparian datasets`.",
            )
        wanted = [name for name in known if not names or name in names]
        if search:
            wanted = [name for name in wanted if search.lower() in name.lower()]
        found = [describe(session, topic) for topic in wanted[:50]]
    if "sample" in (include or []):
        for dataset in found:
            dataset.sample = _sample(house, dataset)
    incomplete = [one.topic for one in found if one.files_failed or one.files_pending]
    summary = f"{sentence(len(found), 'dataset')}."
    if incomplete:
        summary += f" Not complete: {', '.join(incomplete[:5])}."
    steps = [f'query(sql="SELECT * FROM {found[0].table} LIMIT 10")'] if found else []  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
    return Datasets(summary=summary, datasets=found, next_steps=steps)


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
    feeding = _feeding(session, topic)
    seen, states = _completeness(session, feeding)
    aside = session.execute(views.current_outputs(topic + QUARANTINE_SUFFIX)).all()
    config = session.get(TopicConfig, topic)
    schema = topic_schema(session, topic)
    return Dataset(
        topic=topic,
        table=quoted(topic),
        plugin=", ".join(f"{one.name}@{one.version}" for one in feeding[:1]) or "none",
        columns=[DatasetColumn(name=quoted(f.name), type=str(f.type)) for f in schema],
        rows=sum(row.rows for row in current),
        history_rows=history or 0,
        files_seen=seen,
        files_read=len({row.job_id for row in current}),
        files_failed=states.get(JobStatus.FAILED, 0),
        files_pending=states.get(JobStatus.WAITING, 0) + states.get(JobStatus.RUNNING, 0),
        quarantined=sum(row.rows for row in aside),
        newest=_newest(session, topic),
        sinks=list(config.sinks) if config else [],
    )


def quoted(name: str) -> str:
    """A name as it can be copied into SQL."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in _RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'


_RESERVED = frozenset(
    [
        "select",
        "from",
        "where",
        "group",
        "order",
        "by",
        "having",
        "limit",
        "table",
        "view",
        "index",
        "user",
        "all",
        "and",
        "or",
        "not",
        "in",
        "is",
        "as",
        "on",
        "join",
        "left",
        "right",
        "full",
        "cross",
        "union",
        "case",
        "when",
        "then",
        "else",
        "end",
        "desc",
        "asc",
        "default",
        "check",
    ]
)


def _feeding(session: Session, topic: str) -> list[PluginManifest]:
    rows = session.scalars(
        select(PluginManifest)
        .where(PluginManifest.status.in_((PluginStatus.ACTIVE, PluginStatus.RETIRED)))
        .order_by(PluginManifest.version.desc())
    )
    feeding = [row for row in rows if topic in cast("list[str]", row.manifest["topics"])]
    return sorted(feeding, key=lambda row: row.status is not PluginStatus.ACTIVE)


def _completeness(
    session: Session, feeding: Sequence[PluginManifest]
) -> tuple[int, dict[JobStatus, int]]:
    """Files the plugin's pattern matches, and its newest version's jobs by state."""
    if not feeding:
        return 0, {}
    first = feeding[0]
    roots = list(
        session.scalars(
            select(RoutingRule.root_id)
            .join(SourceRoot, SourceRoot.id == RoutingRule.root_id)
            .where(RoutingRule.plugin == first.name, SourceRoot.removed.is_(None))
            .distinct()
        )
    )
    seen = len(reprocess.matching_files(session, str(first.manifest["pattern"]), roots))
    jobs = session.execute(
        select(ProcessingJob.status, func.count())
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .where(
            ProcessingJob.manifest_id == first.id,
            ProcessingJob.file_version_id == FileLocation.version_id,
            FileLocation.state != LocationState.DELETED,
        )
        .group_by(ProcessingJob.status)
    )
    return seen, dict(jobs.tuples().all())


def _newest(session: Session, topic: str) -> str | None:
    moment: datetime | None = session.scalar(
        select(func.max(FileVersion.seen))
        .join(ProcessingJob, ProcessingJob.file_version_id == FileVersion.id)
        .join(JobOutput, JobOutput.job_id == ProcessingJob.id)
        .where(JobOutput.topic == topic)
    )
    return moment.isoformat() if moment else None


def topic_schema(session: Session, topic: str) -> pa.Schema:
    """The columns of a topic over all versions of the plugins that fed it, lineage last."""
    schemas = [
        schema
        for row in reversed(_feeding(session, topic))
        if (schema := schema_for(row.contract, topic)) is not None
    ]
    if not schemas:
        return stamped_schema(pa.schema([]))
    try:
        merged = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        merged = schemas[-1]  # versions that contradict each other: the newest one counts
    readable = [
        pa.field(field.name, pa.string() if pa.types.is_null(field.type) else field.type)
        for field in merged
    ]
    return stamped_schema(pa.schema(readable))


def _sample(house: House, dataset: Dataset) -> list[list[str | None]]:
    answer = _ask(house, f"SELECT * FROM {dataset.table} LIMIT 5", 5, 0)  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
    return [[None if cell is None else str(cell)[:200] for cell in row] for row in answer.rows]


def query(
    house: House,
    _caller: Caller,
    *,
    sql: str,
    max_rows: int = 100,
    cursor: str | None = None,
) -> QueryResult:
    """One SELECT over the current views; `<topic>_history` holds every version."""
    if not sql.strip():
        raise ConfigError("no SQL was given", hint='For example: query(sql="SELECT 1").')
    offset = offset_of(sql, cursor)
    answer = _ask(house, sql, max(1, min(max_rows, 1000)), offset)
    count = len(answer.rows)
    summary = f"{sentence(count, 'row')} from {', '.join(answer.tables) or 'no table'}."
    steps: list[str] = []
    if answer.truncated:
        summary += " There are more: narrow the question, or continue with the cursor."
        steps = ["query(...) again with next_cursor", "or aggregate, filter, or add LIMIT"]
    return QueryResult(
        summary=summary,
        columns=answer.columns,
        types=answer.types,
        rows=answer.rows,
        row_count=count,
        truncated=answer.truncated,
        datasets=answer.tables,
        elapsed_ms=answer.elapsed_ms,
        next_cursor=cursor_for(sql, offset + count) if answer.truncated else None,
        next_steps=steps,
    )


def _ask(house: House, sql: str, max_rows: int, offset: int) -> answers.Answer:
    with house.catalog.reading() as session:
        tables = _tables(house, session, sql)
    return answers.ask(
        sql,
        tables,
        lake=house.home.lake,
        wall=_wall(house.settings.allow_unconfined),
        limits=answers.Limits(max_rows=max_rows),
        offset=offset,
    )


@cache
def _wall(allow_unconfined: bool) -> Wall:  # noqa: FBT001 - a cache key
    return strongest_wall(allow_unconfined=allow_unconfined)


def _tables(house: House, session: Session, sql: str) -> dict[str, answers.Table]:
    """Every table by name; only those the text can mean carry their files."""
    lowered = sql.lower()
    tables: dict[str, answers.Table] = {}
    for topic in topics(session):
        schema = topic_schema(session, topic)
        for suffix, is_history in (("", False), (HISTORY_SUFFIX, True), (QUARANTINE_SUFFIX, False)):
            stored = topic + (suffix if suffix == QUARANTINE_SUFFIX else "")
            shape = stamped_schema(QUARANTINE_SCHEMA) if suffix == QUARANTINE_SUFFIX else schema
            files: tuple[str, ...] = ()
            if topic in lowered:
                files = _files(house, session, stored, is_history=is_history)
            tables[topic + suffix] = answers.Table(shape, files)
    return tables


def _files(house: House, session: Session, stored: str, *, is_history: bool) -> tuple[str, ...]:
    if is_history:
        paths = session.scalars(select(JobOutput.path).where(JobOutput.topic == stored)).all()
    else:
        paths = [row.path for row in session.execute(views.current_outputs(stored))]
    return tuple(str(house.home.lake / path) for path in paths)

"""List topics, with as much about each as was asked for."""

from __future__ import annotations

import time
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound, QueryError
from engine import answers, constraints
from engine.contracts import key_in, rules_in
from engine.control import Caller
from engine.house import House
from engine.models import FileLocation, JobOutput, PluginManifest, ProcessingJob, SourceRoot
from engine.service.datasets import describe, feeding, topics
from engine.service.names import full_name, sentence
from engine.service.questions import ask
from engine.service.results import (
    ColumnStats,
    ContractColumn,
    Dataset,
    Datasets,
    Quarantined,
    VersionRows,
)
from engine.sinks.stamping import LINEAGE_FIELDS
from engine.sql_names import quoted
from engine.states import QUARANTINE_SUFFIX
from engine.topics import newest_contract

_ALWAYS = ("schema", "completeness")
"""Part of every result; accepted, so that asking for them is no error."""
_FROM_ROWS = ("sample", "stats", "quarantine")
_FROM_CATALOG = ("contract", "history")
_MOST_DATASETS = 50
_MOST_WITH_ROWS = 5
"""Topics whose rows are looked at in one call: each look is a confined process of its own."""
_MOST_COLUMNS = 50
_MOST_VERSIONS = 20
_MOST_RECORDS = 10
_MOST_CHARS = 300
_MOST_S = 15.0
"""Seconds for all looks of one call, so that a door can answer in time."""
_LEAST_S = 0.5
_LINEAGE = frozenset(field.name for field in LINEAGE_FIELDS)


def get_datasets(
    house: House,
    _caller: Caller,
    *,
    names: list[str] | None = None,
    search: str | None = None,
    include: list[str] | None = None,
) -> Datasets:
    """Topics with columns, counts and completeness, which are always there.

    `include` adds: `sample` 5 rows; `stats` nulls, least, greatest and how many distinct
    values per column; `quarantine` the 10 newest records set aside; `contract` the columns a
    person agreed to; `history` what each plugin version gave. What is read from rows is read for
    the first 5 topics.
    """
    wanted = _wanted(include or [])
    with house.catalog.reading() as session:
        found = [describe(session, topic) for topic in _chosen(session, names, search)]
        for dataset in found:
            if "contract" in wanted:
                dataset.contract = _contract(session, dataset.topic)
            if "history" in wanted:
                dataset.history = _history(session, dataset.topic)
    notes: list[str] = []
    deadline = time.monotonic() + _MOST_S
    for dataset in found[:_MOST_WITH_ROWS]:
        notes += _look(house, dataset, wanted, deadline)
    incomplete = [one.topic for one in found if one.caveat]
    summary = f"{sentence(len(found), 'dataset')}."
    if incomplete:
        summary += f" Not complete: {', '.join(incomplete[:5])}."
    if len(found) > _MOST_WITH_ROWS and wanted.intersection(_FROM_ROWS):
        notes.append(f"Rows were looked at in the first {_MOST_WITH_ROWS}; name the others.")
    steps = [f'query(sql="SELECT * FROM {found[0].table} LIMIT 10")'] if found else []  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
    return Datasets(summary=" ".join([summary, *notes]), datasets=found, next_steps=steps)


def _wanted(include: list[str]) -> set[str]:
    known = (*_ALWAYS, *_FROM_ROWS, *_FROM_CATALOG)
    unknown = [word for word in include if word not in known]
    if unknown:
        raise ConfigError(
            f"include {', '.join(map(repr, unknown))} is not known",
            hint=f"There are: {', '.join(known)}.",
        )
    return set(include)


def _chosen(session: Session, names: list[str] | None, search: str | None) -> list[str]:
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
    return wanted[:_MOST_DATASETS]


def _contract(session: Session, topic: str) -> list[ContractColumn]:
    """The columns agreed on, with what else was stated about them."""
    contract = newest_contract(session, topic)
    if contract is None:
        return []
    key, rules = key_in(contract.terms), rules_in(contract.terms)
    columns = cast("list[dict[str, object]]", contract.terms["columns"])
    return [
        ContractColumn(
            name=str(column["name"]),
            type=str(column["type"]),
            nullable=bool(column["nullable"]),
            stated=", ".join(
                [
                    *(["key"] if column["name"] in key else []),
                    *([told] if (told := constraints.told(rules[str(column["name"])])) else []),
                ]
            )
            or None,
        )
        for column in columns
    ]


def _history(session: Session, topic: str) -> list[VersionRows]:
    """What each plugin version gave the topic, all runs together."""
    given = {
        row.manifest_id: row
        for row in session.execute(
            select(
                ProcessingJob.manifest_id,
                func.sum(JobOutput.rows).label("rows"),
                func.count(ProcessingJob.location_id.distinct()).label("files"),
                func.max(ProcessingJob.ended).label("newest"),
            )
            .join(JobOutput, JobOutput.job_id == ProcessingJob.id)
            .where(JobOutput.topic == topic)
            .group_by(ProcessingJob.manifest_id)
        )
    }
    versions: list[VersionRows] = []
    for row in feeding(session, topic)[:_MOST_VERSIONS]:
        gave = given.get(row.id)
        versions.append(
            VersionRows(
                plugin=_name(row),
                status=row.status.value,
                published=row.created.isoformat(),
                rows=gave.rows if gave else 0,
                files=gave.files if gave else 0,
                newest=gave.newest.isoformat() if gave and gave.newest else None,
            )
        )
    return versions


def _name(row: PluginManifest) -> str:
    return f"{row.name}@{row.version}"


def _look(house: House, dataset: Dataset, wanted: set[str], deadline: float) -> list[str]:
    """Add what is read from rows; the parts that could not be read, in words."""
    notes: list[str] = []
    for word, look in (("sample", _sample), ("stats", _stats), ("quarantine", _quarantine)):
        if word not in wanted:
            continue
        rest_s = deadline - time.monotonic()
        if rest_s < _LEAST_S:
            notes.append(f"No {word} of {dataset.topic}: no time was left; name it alone.")
            continue
        limits = answers.Limits(max_rows=_MOST_RECORDS, max_cell=_MOST_CHARS, timeout_s=rest_s)
        try:
            look(house, dataset, limits)
        except QueryError as error:
            notes.append(f"No {word} of {dataset.topic}: {error.message}.")
    return notes


def _sample(house: House, dataset: Dataset, limits: answers.Limits) -> None:
    answer = ask(house, f"SELECT * FROM {dataset.table} LIMIT 5", limits)  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
    dataset.sample = [
        [None if cell is None else str(cell)[:200] for cell in row] for row in answer.rows
    ]


def _stats(house: House, dataset: Dataset, limits: answers.Limits) -> None:
    columns = [one.name for one in dataset.columns if one.name not in _LINEAGE][:_MOST_COLUMNS]
    if not columns:
        dataset.stats = []
        return
    parts = [
        f"count(*) - count({name}), count(DISTINCT {name}),"
        f" CAST(min({name}) AS VARCHAR)[:80], CAST(max({name}) AS VARCHAR)[:80]"
        for name in columns
    ]
    answer = ask(house, f"SELECT {', '.join(parts)} FROM {dataset.table}", limits)  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
    cells = answer.rows[0]
    dataset.stats = [
        ColumnStats(
            name=name,
            nulls=cast("int", cells[4 * at]),
            distinct=cast("int", cells[4 * at + 1]),
            min=cast("str | None", cells[4 * at + 2]),
            max=cast("str | None", cells[4 * at + 3]),
        )
        for at, name in enumerate(columns)
    ]


def _quarantine(house: House, dataset: Dataset, limits: answers.Limits) -> None:
    dataset.quarantine = []
    if not dataset.quarantined:
        return
    table = quoted(dataset.topic + QUARANTINE_SUFFIX)
    answer = ask(
        house,
        f"SELECT _job_id, line, reason, raw, code FROM {table}"  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
        f" ORDER BY _job_id DESC, _row DESC LIMIT {_MOST_RECORDS}",
        limits,
    )
    with house.catalog.reading() as session:
        files = _files_of(session, {cast("int", row[0]) for row in answer.rows})
    dataset.quarantine = [
        Quarantined(
            file=files.get(cast("int", job), ""),
            line=cast("int | None", line),
            reason=str(reason)[:_MOST_CHARS],
            raw=str(raw)[:_MOST_CHARS],
            code=str(code),
        )
        for job, line, reason, raw, code in answer.rows
    ]


def _files_of(session: Session, jobs: set[int]) -> dict[int, str]:
    rows = session.execute(
        select(ProcessingJob.id, FileLocation, SourceRoot)
        .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(ProcessingJob.id.in_(jobs))
    )
    return {row[0]: full_name(row[1], row[2]) for row in rows}

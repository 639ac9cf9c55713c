"""Say why a row is not in a topic: by a value that it should hold."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import QueryError
from engine import answers, views
from engine.house import House
from engine.models import (
    Dismissal,
    FileLocation,
    ProcessingJob,
    Round,
    SourceRoot,
)
from engine.service.datasets import HISTORY_SUFFIX, describe, topic_schema
from engine.service.names import full_name, sentence
from engine.service.questions import ask
from engine.service.results import Explanation
from engine.sql_names import quoted
from engine.states import QUARANTINE_SUFFIX, LocationState, OnDelete

_SHOWN = 3
_MOST_WORD = 200
"""Characters of a value that is looked for as a word."""


@dataclass
class _Findings:
    evidence: list[str] = field(default_factory=list[str])
    verdicts: list[str] = field(default_factory=list[str])
    steps: list[str] = field(default_factory=list[str])


def explain_row(house: House, subject: str, topic: str, text: str) -> Explanation:
    """Where a value is that a person misses in a topic: there, superseded, set aside, or to come.

    `text` is a value, or `column=value`.
    """
    with house.catalog.reading() as session:
        schema = topic_schema(session, topic)
        dataset = describe(session, topic)
        passed_over = _passed_over(session, topic)
        unseen = _unseen(session, topic)
    column, value = _asked(schema, text)
    findings = _Findings()
    columns = [column] if column else [one for one in schema.names if not one.startswith("_")]
    condition = " OR ".join(_holds(one, schema.field(one).type, value) for one in columns)
    _in_rows(house, topic, condition or "false", findings)
    found = records_aside(house, topic, _names(value))
    if found:
        findings.verdicts.append("quarantined")
        findings.evidence += found
        findings.steps.append(f'get_datasets(names=["{topic}"], include=["quarantine"])')
    if column is None and not findings.verdicts:
        _near_columns(schema, topic, text, findings)
    if dataset.files_failed:
        findings.evidence.append(
            f"{sentence(dataset.files_failed, 'file')} failed and gave no row; it may stand there."
        )
        findings.steps.append('get_jobs(state="failed")')
    if dataset.files_pending:
        findings.evidence.append(
            f"{sentence(dataset.files_pending, 'file')} still wait; it may stand there."
        )
        findings.steps.append('get_jobs(state="waiting", wait_s=20)')
    if passed_over and not findings.verdicts:
        findings.evidence.append(
            f"Records that are no data by rule were passed over and not kept ({passed_over}); it"
            " may have stood in one of them."
        )
    if not findings.verdicts:
        findings.evidence += unseen
    verdict = findings.verdicts[0] if findings.verdicts else _otherwise(findings)
    return Explanation(
        summary=f"{value!r} in {topic}: {verdict}.",
        subject=subject,
        verdict=verdict,
        evidence=findings.evidence,
        next_steps=findings.steps,
    )


def _asked(schema: pa.Schema, text: str) -> tuple[str | None, str]:
    """Column and value of `column=value`; no column where it is none: a value may hold a `=`."""
    name, found, value = text.partition("=")
    alike = [one for one in schema.names if one.lower() == name.strip().lower()]
    return (alike[0], value.strip()) if found and alike else (None, text)


def _near_columns(schema: pa.Schema, topic: str, text: str, findings: _Findings) -> None:
    """What is meant, perhaps, by a column that is none: else its value would seem to be missing."""
    name, found, value = text.partition("=")
    if not found:
        return
    findings.verdicts.append("no such column")
    findings.evidence.append(
        f"{topic} has no column {name.strip()!r}, and no column holds {text!r} as a whole."
    )
    for near in difflib.get_close_matches(name.strip().lower(), schema.names, n=3, cutoff=0.5):
        findings.steps.append(f"explain(subject={json.dumps(f'{topic}: {near}={value.strip()}')})")


def _passed_over(session: Session, topic: str) -> str:
    """What the jobs in view passed over, by reason; empty if nothing."""
    current = views.current_outputs(topic).subquery()
    receipts = session.scalars(
        select(ProcessingJob.receipt).where(ProcessingJob.id.in_(select(current.c.job_id)))
    )
    counts: Counter[str] = Counter()
    for receipt in receipts:
        counts.update(cast("dict[str, int]", (receipt or {}).get("skipped") or {}))
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common(5))


def _unseen(session: Session, topic: str) -> list[str]:
    """What was read and is in no table: records that were dismissed, columns that were left out."""
    told: list[str] = []
    notes = session.scalars(select(Dismissal.note).where(Dismissal.topic == topic)).all()
    if notes:
        told.append(
            f"Records that {sentence(len(notes), 'job')} set aside are dismissed"
            f" ({'; '.join(dict.fromkeys(notes))[:200]}); it may have stood in one of them:"
            f" `casparian quarantine {topic} --restore`."
        )
    current = views.current_outputs(topic).subquery()
    receipts = session.scalars(
        select(ProcessingJob.receipt).where(ProcessingJob.id.in_(select(current.c.job_id)))
    )
    dropped = sorted(
        {
            str(name)
            for receipt in receipts
            for name in cast("list[object]", (receipt or {}).get("discarded_columns") or [])
        }
    )
    if dropped:
        told.append(
            f"By the topic's policy the columns {', '.join(dropped[:10])} are left out; it may"
            " have stood in one of them."
        )
    return told


def _otherwise(findings: _Findings) -> str:
    if findings.steps:
        return "not seen yet"
    if findings.evidence:
        return "not there, unless filtered"
    findings.evidence.append(
        "No file that was read holds it: not in rows, not among those set aside."
    )
    return "never seen"


def _holds(column: str, kind: pa.DataType, value: str) -> str:
    """SQL that is true for rows which hold the value, however its column writes it: 7 is 7.0."""
    name, text = quoted(column), _literal(value)
    same = f"CAST({name} AS VARCHAR) = {text}"
    wanted = _sql_type(kind, value)
    return f"{same} OR {name} = TRY_CAST({text} AS {wanted})" if wanted else same


def _sql_type(kind: pa.DataType, value: str) -> str | None:
    """As what a value can be compared without being rounded; None for as text alone."""
    if pa.types.is_integer(kind):
        return "HUGEINT" if re.fullmatch(r"[+-]?[0-9]+", value) else None
    if pa.types.is_decimal(kind):
        digits = value.partition(".")[2]
        return f"DECIMAL(38, {kind.scale})" if len(digits) <= kind.scale else None
    if pa.types.is_floating(kind):
        return "DOUBLE"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    return "DATE" if pa.types.is_date(kind) else None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _names(value: str) -> str:
    """SQL that is true for records set aside in whose text the value stands as a word."""
    if len(value) > _MOST_WORD:
        return f"contains(raw, {_literal(value)})"
    word = "".join(one if one.isalnum() else f"\\x{{{ord(one):x}}}" for one in value)
    return f"regexp_matches(raw, '(^|\\W){word}($|\\W)')"


def _in_rows(house: House, topic: str, condition: str, findings: _Findings) -> None:
    current = _places(house, topic, condition)
    if current:
        findings.verdicts.append("it is there")
        findings.evidence.append(f"Rows that hold it: {_named(current)}.")
        return
    gone = _places(house, topic + HISTORY_SUFFIX, condition)
    if gone:
        newest = max(job for job, _ in gone)
        with house.catalog.reading() as session:
            verdict, why = _gone(session, newest)
        findings.verdicts.append(verdict)
        findings.evidence.append(f"Only history holds it ({_named(gone)}): {why}.")
        findings.steps.append(f'get_datasets(names=["{topic}"], include=["history"])')


def _places(house: House, table: str, condition: str) -> list[tuple[int, int]]:
    """Rows that hold the value: job and row number, the newest jobs first."""
    # Names are quoted, the value is a literal, and what comes of it is proven apart.
    sql = (
        f"SELECT _job_id, _row FROM {quoted(table)} WHERE {condition}"  # noqa: S608
        f" ORDER BY _job_id DESC LIMIT {_SHOWN}"
    )
    return [(int(str(job)), int(str(row))) for job, row in _rows(house, sql)]


def _named(places: list[tuple[int, int]]) -> str:
    return ", ".join(f"job-{job} row {row}" for job, row in places)


def _gone(session: Session, number: int) -> tuple[str, str]:
    """Why rows that a job gave are in the current view no more: in a word, and in words."""
    job = session.get_one(ProcessingJob, number)
    location = session.get_one(FileLocation, job.location_id)
    root = session.get_one(SourceRoot, location.root_id)
    name = full_name(location, root)
    if location.state is LocationState.DELETED and root.on_delete is OnDelete.DROP:
        return "deleted", f"{name} is gone, and rows of deleted files of its folder are left out"
    row = session.get(Round, job.round_id) if job.round_id is not None else None
    if row is not None and row.undone is not None:
        return "taken back", f"round-{row.id}, the reprocess that gave it, was taken back"
    if row is not None and row.ended is None:
        return "waiting", f"round-{row.id}, the reprocess that gave it, has not ended yet"
    if job.file_version_id != location.version_id:
        return "superseded", f"{name} has changed since, and does not hold it any more"
    return "superseded", f"a later run over {name} gives it no more"


def records_aside(house: House, topic: str, condition: str) -> list[str]:
    """Records in the quarantine of a topic: where each stands, what is wrong, and its text."""
    named = f"{quoted(topic + QUARANTINE_SUFFIX)} WHERE {condition}"
    sql = f"SELECT file, line, reason, raw FROM {named} ORDER BY _job_id DESC LIMIT {_SHOWN}"  # noqa: S608 - as above
    return [
        f"{file}{'' if line is None else f' line {line}'}: {reason}. The record: {str(raw)[:300]}"
        for file, line, reason, raw in _rows(house, sql)
    ]


def rows_of_member(house: House, table: str, number: int, member: str) -> int:
    """How many rows of a table, or records of a quarantine, a job read from one member."""
    column = "member" if table.endswith(QUARANTINE_SUFFIX) else "_member"
    with house.catalog.reading() as session:
        if column == "_member" and column not in topic_schema(session, table).names:
            return 0
    condition = f"_job_id = {number} AND {column} = {_literal(member)}"
    sql = f"SELECT count(*) FROM {quoted(table)} WHERE {condition}"  # noqa: S608 - as above
    return int(str(_rows(house, sql)[0][0]))


def _rows(house: House, sql: str) -> list[list[object]]:
    """The answer; none where the topic has no such table yet."""
    try:
        return ask(house, sql, answers.Limits(max_rows=_SHOWN)).rows
    except QueryError as error:
        if "no table" in error.message:
            return []
        raise

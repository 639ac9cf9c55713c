"""Say why a row is not in a topic: by a value that it should hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from casparian_flow.errors import QueryError
from engine import answers
from engine.house import House
from engine.service.datasets import describe, quoted, topic_schema
from engine.service.names import sentence
from engine.service.questions import ask
from engine.service.results import Explanation
from engine.sinks.interface import QUARANTINE_SUFFIX

_HISTORY_SUFFIX = "_history"
_SHOWN = 3


@dataclass
class _Findings:
    evidence: list[str] = field(default_factory=list[str])
    verdicts: list[str] = field(default_factory=list[str])
    steps: list[str] = field(default_factory=list[str])


def explain_row(house: House, subject: str, topic: str, text: str) -> Explanation:
    """Where a value is that a person misses in a topic: there, superseded, set aside, or to come.

    `text` is a value, or `column=value`.
    """
    column, found, value = text.partition("=")
    column, value = (column.strip(), value.strip()) if found else ("", text.strip())
    with house.catalog.reading() as session:
        schema = topic_schema(session, topic)
        dataset = describe(session, topic)
    findings = _Findings()
    condition = _condition(schema, column if column in schema.names else "", value)
    _in_rows(house, topic, condition, findings)
    _in_quarantine(house, topic, value, findings)
    if dataset.files_failed:
        findings.evidence.append(
            f"{sentence(dataset.files_failed, 'file')} failed and gave no row; it may stand there."
        )
        findings.steps.append(f'get_jobs(state="failed", plugin="{dataset.plugin}")')
    if dataset.files_pending:
        findings.evidence.append(
            f"{sentence(dataset.files_pending, 'file')} still wait; it may stand there."
        )
        findings.steps.append(f'get_jobs(plugin="{dataset.plugin}", wait_s=20)')
    verdict = findings.verdicts[0] if findings.verdicts else _otherwise(findings)
    return Explanation(
        summary=f"{value!r} in {topic}: {verdict}.",
        subject=subject,
        verdict=verdict,
        evidence=findings.evidence,
        next_steps=findings.steps,
    )


def _otherwise(findings: _Findings) -> str:
    if findings.evidence:
        return "not seen yet"
    findings.evidence.append(
        "No file that was read holds it: not in rows, not among those set aside."
    )
    return "never seen"


def _condition(schema: pa.Schema, column: str, value: str) -> str:
    """SQL that is true for rows which hold the value, in a column or in any."""
    literal = "'" + value.replace("'", "''") + "'"
    names = [column] if column else [name for name in schema.names if not name.startswith("_")]
    return " OR ".join(f"CAST({quoted(name)} AS VARCHAR) = {literal}" for name in names) or "false"


def _in_rows(house: House, topic: str, condition: str, findings: _Findings) -> None:
    current = _places(house, topic, condition)
    if current:
        findings.verdicts.append("it is there")
        findings.evidence.append(f"Rows that hold it: {', '.join(current)}.")
        return
    gone = _places(house, topic + _HISTORY_SUFFIX, condition)
    if gone:
        findings.verdicts.append("superseded")
        findings.evidence.append(
            f"Only history holds it ({', '.join(gone)}): a newer version of the file or of the"
            " plugin took its place, or the file was deleted."
        )
        findings.steps.append(f'get_datasets(names=["{topic}"], include=["history"])')


def _places(house: House, table: str, condition: str) -> list[str]:
    # Names are quoted, the value is a literal, and what comes of it is proven apart.
    sql = f"SELECT _job_id, _row FROM {quoted(table)} WHERE {condition} LIMIT {_SHOWN}"  # noqa: S608
    return [f"job-{job} row {row}" for job, row in _rows(house, sql)]


def _in_quarantine(house: House, topic: str, value: str, findings: _Findings) -> None:
    literal = "'" + value.replace("'", "''") + "'"
    named = f"{quoted(topic + QUARANTINE_SUFFIX)} WHERE contains(raw, {literal})"
    sql = f"SELECT file, line, reason, raw FROM {named} ORDER BY _job_id DESC LIMIT {_SHOWN}"  # noqa: S608 - as above
    rows = _rows(house, sql)
    if not rows:
        return
    findings.verdicts.append("quarantined")
    for file, line, reason, raw in rows:
        findings.evidence.append(f"{file} line {line}: {reason}. The record: {str(raw)[:300]}")
    findings.steps.append(f'get_datasets(names=["{topic}"], include=["quarantine"])')


def _rows(house: House, sql: str) -> list[list[object]]:
    """The answer; none where the topic has no such table yet."""
    try:
        return ask(house, sql, answers.Limits(max_rows=_SHOWN)).rows
    except QueryError as error:
        if "no table" in error.message:
            return []
        raise

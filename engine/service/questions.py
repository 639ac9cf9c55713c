"""Answer a SELECT over topics."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, QueryError
from engine import answers, views
from engine.control import Caller
from engine.house import House
from engine.models import JobOutput
from engine.sandbox import Wall, strongest_wall
from engine.service.datasets import HISTORY_SUFFIX, mixed_columns, topic_schema, topics, unfinished
from engine.service.names import sentence
from engine.service.paging import cursor_for, offset_of
from engine.service.results import QueryResult
from engine.sinks.lake import QUARANTINE_SCHEMA
from engine.sinks.stamping import stamped_schema
from engine.sql_names import quoted
from engine.states import QUARANTINE_SUFFIX

_MOST_BYTES_FOR_A_MODEL = 19_000
"""Of rows in one answer: as JSON, with their columns, less than 8,000 tokens of four characters."""


def query(
    house: House,
    caller: Caller,
    *,
    sql: str,
    max_rows: int = 100,
    cursor: str | None = None,
) -> QueryResult:
    """One SELECT over the current views; `<topic>_history` holds every version."""
    if not sql.strip():
        raise ConfigError("no SQL was given", hint='For example: query(sql="SELECT 1").')
    offset = offset_of(sql, cursor)
    limits = answers.Limits(max_rows=max(1, min(max_rows, 1000)))
    if caller.door == "mcp":
        limits = replace(limits, max_bytes=_MOST_BYTES_FOR_A_MODEL)
    answer = ask(house, sql, limits, offset)
    count = len(answer.rows)
    summary = f"{sentence(count, 'row')} from {', '.join(answer.tables) or 'no table'}."
    summary += _incomplete(house, answer.tables)
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


def _incomplete(house: House, tables: list[str]) -> str:
    """What is still to come, or failed, of the topics an answer rests on."""
    told: list[str] = []
    with house.catalog.reading() as session:
        known = topics(session)
        bare = [one.removesuffix(HISTORY_SUFFIX).removesuffix(QUARANTINE_SUFFIX) for one in tables]
        used = dict.fromkeys(
            table if table in known else base for table, base in zip(tables, bare, strict=True)
        )
        for topic in used:
            pending, failed = unfinished(session, topic)
            if pending:
                are = "is" if pending == 1 else "are"
                told.append(
                    f" Not complete yet: {sentence(pending, 'job')} of {topic} {are} pending."
                )
            if failed:
                told.append(f" {sentence(failed, 'job')} of {topic} failed.")
    return "".join(told)


def ask(house: House, sql: str, limits: answers.Limits, offset: int = 0) -> answers.Answer:
    """Run a SELECT in a confined child, over the topics its text can mean."""
    with house.catalog.reading() as session:
        tables = _tables(house, session, sql)
    try:
        return answers.ask(
            sql,
            tables,
            lake=house.home.lake,
            wall=_wall(house.settings.allow_unconfined),
            limits=limits,
            offset=offset,
        )
    except QueryError as error:
        used = {name: table for name, table in tables.items() if table.files}
        near = _columns_like(error.message, used) or _columns_like(error.message, tables)
        if near:
            error.hint = f"Columns like it: {', '.join(near)}. {error.hint}"
        raise


def _columns_like(message: str, tables: Mapping[str, answers.Table]) -> list[str]:
    """Columns of any table that are named like one that a question looked for in vain."""
    found = re.search(r'(?:Referenced column|does not have a column named) "([^"]+)"', message)
    if found is None:
        return []
    wanted = found[1].lower()
    known: dict[str, list[str]] = {}
    for name, table in tables.items():
        if not name.endswith((HISTORY_SUFFIX, QUARANTINE_SUFFIX)):
            for column in table.schema.names:
                known.setdefault(column.lower(), []).append(f"{quoted(name)}.{quoted(column)}")
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    return [place for one in near for place in known[one][:3]][:5]


@cache
def _wall(allow_unconfined: bool) -> Wall:  # noqa: FBT001 - a cache key
    return strongest_wall(allow_unconfined=allow_unconfined)


def _tables(house: House, session: Session, sql: str) -> dict[str, answers.Table]:
    """Every table by name; only those the text can mean carry their files."""
    lowered = sql.lower()
    tables: dict[str, answers.Table] = {}
    for topic in topics(session):
        whole = topic_schema(session, topic)
        current = topic_schema(session, topic, current=True) if topic in lowered else whole
        for suffix, is_history in (("", False), (HISTORY_SUFFIX, True), (QUARANTINE_SUFFIX, False)):
            stored = topic + (suffix if suffix == QUARANTINE_SUFFIX else "")
            shape = whole if is_history else current
            if suffix == QUARANTINE_SUFFIX:
                shape = stamped_schema(QUARANTINE_SCHEMA)
            files: tuple[str, ...] = ()
            if topic in lowered:
                files = _files(house, session, stored, is_history=is_history)
            is_clean = suffix != QUARANTINE_SUFFIX and topic in lowered
            is_mixed = is_clean and bool(mixed_columns(session, topic, current=not is_history))
            tables[topic + suffix] = answers.Table(shape, files, is_mixed=is_mixed)
    return tables


def _files(house: House, session: Session, stored: str, *, is_history: bool) -> tuple[str, ...]:
    if is_history:
        paths = session.scalars(select(JobOutput.path).where(JobOutput.topic == stored)).all()
    else:
        paths = [row.path for row in session.execute(views.current_outputs(stored))]
    return tuple(str(house.home.lake / path) for path in paths)

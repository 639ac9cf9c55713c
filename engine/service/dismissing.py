"""Look through what was set aside; a person may dismiss it with a note, and take that back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound, NotGranted
from engine import answers, audit, views
from engine.control import Caller
from engine.database import among
from engine.house import House
from engine.models import Dismissal, FileLocation, JobOutput, ProcessingJob
from engine.service.datasets import topics
from engine.service.names import find_file, sentence
from engine.service.questions import ask
from engine.service.results import Done, QuarantineCause, QuarantineCauses
from engine.sql_names import quoted
from engine.states import QUARANTINE_SUFFIX

_MOST_CAUSES = 50
_ORDER = "_job_id * 1000000000000 + _row"
"""Sorts records: the first one of a cause is the same whenever it is asked for."""


def quarantine(house: House, _caller: Caller, *, topic: str) -> QuarantineCauses:
    """What is set aside of a topic, by code and column, with one record of each."""
    with house.catalog.reading() as session:
        _require(session, topic)
    first = ", ".join(f"arg_min({name}, {_ORDER})" for name in ("file", "line", "reason", "raw"))
    table = quoted(topic + QUARANTINE_SUFFIX)
    # The table's name comes from the catalog and is quoted; the statement is proven apart.
    sql = f"SELECT code, field, count(*), count(DISTINCT file), {first} FROM {table}"  # noqa: S608
    sql += f" GROUP BY code, field ORDER BY count(*) DESC, code LIMIT {_MOST_CAUSES}"
    found = ask(house, sql, answers.Limits(max_rows=_MOST_CAUSES, max_cell=300)).rows
    causes = [
        QuarantineCause(
            code=str(row[0]),
            column=cast("str | None", row[1]),
            records=cast("int", row[2]),
            files=cast("int", row[3]),
            file=str(row[4]),
            line=cast("int | None", row[5]),
            reason=str(row[6]),
            raw=str(row[7]),
        )
        for row in found
    ]
    count = sum(one.records for one in causes)
    steps = [
        "casparian publish DRAFT --reprocess failed, once a draft reads them",
        f"casparian quarantine {topic} --dismiss NOTE, if they need no mending",
    ]
    return QuarantineCauses(
        summary=f"{sentence(count, 'record')} of {topic} set aside.",
        topic=topic,
        causes=causes,
        next_steps=steps if causes else [],
    )


def dismiss(
    house: House,
    caller: Caller,
    *,
    topic: str,
    note: str = "",
    file: str | None = None,
    restore: bool = False,
) -> Done:
    """A person says that records set aside need no mending, and why; or takes that back.

    They leave the topic's quarantine and its counts, and stay in the lake.
    """
    if caller.door == "mcp":
        raise NotGranted(
            "only a person dismisses records", hint=f"They run: casparian quarantine {topic}"
        )
    if not restore and not note.strip():
        raise ConfigError("a dismissal needs a note", hint="Say why, for whoever asks later.")
    with house.catalog.writing() as session:
        _require(session, topic)
        location = find_file(session, file)[0].id if file else None
        jobs = _restore(session, topic, location) if restore else _dismiss(
            session, caller, topic, note, location
        )  # fmt: skip
        count, records = len(jobs), _records(session, topic, jobs)
        audit.record(
            session,
            actor=caller.person,
            action="restore quarantine" if restore else "dismiss quarantine",
            subject=topic,
            facts={"files": count, "note": note, "file": file},
            now=datetime.now(UTC),
        )
    house.changes.announce()
    what = "in quarantine again" if restore else "dismissed"
    return Done(
        summary=f"{sentence(records, 'record')} of {sentence(count, 'file')} {what}.",
        next_steps=[f"casparian quarantine {topic}"],
    )


def _require(session: Session, topic: str) -> None:
    known = topics(session)
    if topic not in known:
        raise NotFound(f"no topic {topic!r}", hint=f"There are: {', '.join(known) or 'none yet'}.")


def _records(session: Session, topic: str, jobs: Collection[int]) -> int:
    """How many records these jobs set aside."""
    counted = select(func.coalesce(func.sum(JobOutput.rows), 0)).where(
        JobOutput.topic == topic + QUARANTINE_SUFFIX, among(JobOutput.job_id, jobs)
    )
    return session.scalar(counted) or 0


def _dismiss(
    session: Session, caller: Caller, topic: str, note: str, location: int | None
) -> set[int]:
    rows = session.execute(views.current_outputs(topic + QUARANTINE_SUFFIX)).all()
    jobs = {row.job_id for row in rows if row.rows}
    if location is not None:
        own = select(ProcessingJob.id).where(ProcessingJob.location_id == location)
        jobs &= set(session.scalars(own))
    for job_id in sorted(jobs):
        session.add(
            Dismissal(
                topic=topic, job_id=job_id, note=note, person=caller.person, at=datetime.now(UTC)
            )
        )
    session.flush()
    return jobs


def _restore(session: Session, topic: str, location: int | None) -> set[int]:
    chosen = select(Dismissal.id, Dismissal.job_id).where(Dismissal.topic == topic)
    if location is not None:
        chosen = (
            chosen.join(ProcessingJob, ProcessingJob.id == Dismissal.job_id)
            .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
            .where(FileLocation.id == location)
        )
    found = session.execute(chosen).all()
    session.execute(delete(Dismissal).where(Dismissal.id.in_([row.id for row in found])))
    return {row.job_id for row in found}

"""Stop work, or have it done again: jobs, and trials of drafts."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import NotFound
from engine import audit, queue
from engine.control import Caller
from engine.database import among
from engine.house import House
from engine.models import Draft, ProcessingJob
from engine.service.names import job_number, listed, sentence
from engine.service.results import States


def cancel_job(house: House, caller: Caller, *, jobs: list[str]) -> States:
    """Stop waiting and running jobs, and the trials of drafts that are named.

    What a job promoted already stays; a backtest that is asked for again goes on where it was.
    """
    with house.catalog.reading() as session:
        drafts = [name for name in jobs if session.get(Draft, name) is not None]
    numbers = [job_number(name) for name in jobs if name not in drafts]
    with house.catalog.writing() as session:
        _require_known(session, numbers)
        moved = queue.cancel(session, numbers, now=datetime.now(UTC))
        _audit(session, caller, "cancel", moved)
    house.abort(moved)
    house.changes.announce()
    told = {one: "stopping" if house.trials.stop(one) else "not being tried" for one in drafts}
    if not numbers:
        summary = "".join(f"{draft}: {state}. " for draft, state in told.items()).strip()
        return States(summary=summary, states=told)
    found = _states(house, numbers, f"{sentence(len(moved), 'job')} cancelled.", moved)
    found.states |= told
    return found


def retry_job(house: House, caller: Caller, *, jobs: list[str]) -> States:
    """Queue failed or cancelled jobs again."""
    numbers = [job_number(name) for name in jobs]
    with house.catalog.writing() as session:
        _require_known(session, numbers)
        moved = queue.retry(session, numbers)
        _audit(session, caller, "retry", moved)
    house.wake()
    house.changes.announce()
    return _states(house, numbers, f"{sentence(len(moved), 'job')} queued again.", moved)


def _audit(session: Session, caller: Caller, action: str, moved: list[int]) -> None:
    if moved:
        subject = ", ".join(f"job-{one}" for one in moved[:20])
        facts: dict[str, object] = {"jobs": len(moved)}
        audit.record(
            session,
            actor=caller.person,
            action=action,
            subject=subject,
            facts=facts,
            now=datetime.now(UTC),
        )


def _require_known(session: Session, numbers: list[int]) -> None:
    known = set(session.scalars(select(ProcessingJob.id).where(among(ProcessingJob.id, numbers))))
    missing = [f"job-{one}" for one in numbers if one not in known]
    if missing:
        raise NotFound(f"no {', '.join(missing)}", hint="List jobs: `casparian jobs`.")


def _states(house: House, numbers: list[int], summary: str, moved: list[int]) -> States:
    with house.catalog.reading() as session:
        rows = session.execute(
            select(ProcessingJob.id, ProcessingJob.status).where(among(ProcessingJob.id, numbers))
        )
        states = {f"job-{one}": status.value.lower() for one, status in rows}
    first = next(iter(states), None)
    as_before = [f"job-{one}" for one in dict.fromkeys(numbers) if one not in moved]
    why = [f"{job} is {states[job]}" for job in as_before]
    summary += f" Left as it was: {listed(why)}." if why else ""
    return States(
        summary=summary,
        states=states,
        next_steps=[f'get_jobs(jobs=["{first}"], wait_s=10)'] if first else [],
    )

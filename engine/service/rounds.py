"""What was reprocessed, and taking it back: rows of the generation before come into view again."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound
from engine import audit, queue, views
from engine.control import Caller
from engine.house import House
from engine.models import (
    PluginManifest,
    ProcessingJob,
    Round,
    TopicConfig,
)
from engine.service.names import find_plugin, sentence
from engine.service.results import Done, ReprocessRound, Rounds
from engine.states import JobStatus
from engine.topics import manifest_topics


def get_rounds(house: House, _caller: Caller, *, plugin: str) -> Rounds:
    """The reprocesses of a plugin, newest first, over all its versions."""
    with house.catalog.reading() as session:
        found = [_told(session, row) for row in _rounds(session, plugin)]
    newest = next((one for one in found if one.state != "cut short"), None)
    word = "redo" if newest and newest.state == "taken back" else "undo"
    return Rounds(
        summary=f"{sentence(len(found), 'reprocess', 'reprocesses')} of {plugin}.",
        rounds=found,
        next_steps=[f"casparian rounds {plugin} --{word}"] if newest else [],
    )


def undo_round(house: House, caller: Caller, *, plugin: str, round_name: str | None = None) -> Done:
    """Take a reprocess out of view, at once and whole; what still waits of it is cancelled."""
    now = datetime.now(UTC)
    with house.catalog.writing() as session:
        row = _chosen(session, plugin, round_name, is_undone=False)
        open_jobs = session.scalars(
            select(ProcessingJob.id).where(
                ProcessingJob.round_id == row.id, ProcessingJob.status.in_(queue.OPEN)
            )
        )
        shown = _in_view(session, row)
        row.undone, row.ended = now, row.ended or now
        stopped = queue.cancel(session, list(open_jobs), now=now)
        told = _told(session, row)
        sinks = _sinks(session, row)
        _audit(session, caller, "undo", row, now)
    house.abort(stopped)
    house.changes.announce()
    kept = _late(house, sinks)
    return Done(
        summary=f"{told.round} of {told.plugin} is taken back: of {sentence(shown, 'file')} the"
        f" rows of before are in view again.{_of_later(told.done - shown)}{kept}",
        next_steps=[f"casparian rounds {plugin} --redo"] if told.state == "taken back" else [],
    )


def redo_round(house: House, caller: Caller, *, plugin: str, round_name: str | None = None) -> Done:
    """Bring a reprocess that was taken back into view again."""
    now = datetime.now(UTC)
    with house.catalog.writing() as session:
        row = _chosen(session, plugin, round_name, is_undone=True)
        told = _told(session, row)
        if told.state == "cut short":
            raise ConfigError(
                f"{told.round} was cut short: half of it would be a mixture",
                hint=f"Run it anew: `casparian run {plugin} --reprocess all`.",
            )
        row.undone = None
        session.flush()
        shown = _in_view(session, row)
        sinks = _sinks(session, row)
        _audit(session, caller, "redo", row, now)
    house.changes.announce()
    return Done(
        summary=f"{told.round} of {told.plugin} is in view again: rows of"
        f" {sentence(shown, 'file')}.{_of_later(told.done - shown)}{_late(house, sinks)}",
        next_steps=[f"casparian rounds {plugin} --undo"],
    )


def _in_view(session: Session, row: Round) -> int:
    """Of how many files the rows of a reprocess are in view."""
    query = select(func.count()).where(
        ProcessingJob.round_id == row.id, ProcessingJob.id.in_(views.current_jobs())
    )
    return session.scalar(query) or 0


def _of_later(files: int) -> str:
    return (
        f" Of {sentence(files, 'file')} nothing changes: newer rows are in view." if files else ""
    )


def _late(house: House, sinks: list[str]) -> str:
    """Bring deliveries to show the same; what is said where one cannot be written now."""
    if house.deliveries.settle():
        return ""
    return f" {', '.join(sinks)} cannot be written and follows as soon as it can be."


def _rounds(session: Session, plugin: str) -> list[Round]:
    name = find_plugin(session, plugin).name
    query = (
        select(Round)
        .join(PluginManifest, PluginManifest.id == Round.manifest_id)
        .where(PluginManifest.name == name)
        .order_by(Round.id.desc())
    )
    return list(session.scalars(query))


def _chosen(session: Session, plugin: str, name: str | None, *, is_undone: bool) -> Round:
    rounds = [row for row in _rounds(session, plugin) if (row.undone is not None) is is_undone]
    if name is not None:
        rounds = [row for row in rounds if f"round-{row.id}" == name]
    if not rounds:
        state = "was taken back" if is_undone else "is in view or under way"
        raise NotFound(
            f"no reprocess of {plugin} {state}", hint=f"List them: `casparian rounds {plugin}`."
        )
    return rounds[0]


def _told(session: Session, row: Round) -> ReprocessRound:
    manifest = session.get_one(PluginManifest, row.manifest_id)
    counted = session.execute(
        select(ProcessingJob.status, func.count())
        .where(ProcessingJob.round_id == row.id)
        .group_by(ProcessingJob.status)
    )
    counts = dict(counted.tuples().all())
    state = "in view" if row.ended else "under way"
    if row.undone is not None:  # one that was cut short had not ended before
        state = "cut short" if row.ended == row.undone else "taken back"
    return ReprocessRound(
        round=f"round-{row.id}",
        plugin=f"{manifest.name}@{manifest.version}",
        state=state,
        started=row.created.isoformat(),
        files=sum(counts.values()),
        done=counts.get(JobStatus.DONE, 0),
        failed=counts.get(JobStatus.FAILED, 0),
    )


def _sinks(session: Session, row: Round) -> list[str]:
    topics = manifest_topics(session.get_one(PluginManifest, row.manifest_id))
    configs = session.scalars(select(TopicConfig).where(TopicConfig.topic.in_(topics)))
    return sorted({uri for config in configs for uri in config.sinks})


def _audit(session: Session, caller: Caller, action: str, row: Round, now: datetime) -> None:
    audit.record(
        session, actor=caller.person, action=action, subject=f"round-{row.id}", facts={}, now=now
    )

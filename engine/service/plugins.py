"""List deployed plugins with their source, history and signature; retire them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError
from engine import audit, queue
from engine.control import Caller
from engine.house import House
from engine.models import (
    Approval,
    AuditEntry,
    PluginManifest,
    ProcessingJob,
    Publisher,
    RoutingRule,
    TopicConfig,
)
from engine.service.names import find_plugin, sentence
from engine.service.paging import cursor_for, offset_of
from engine.service.results import Done, Plugin, Plugins
from engine.states import PluginStatus
from engine.topics import feeders, manifest_topics

_PAGE = 25


def _status(name: str) -> PluginStatus:
    try:
        return PluginStatus(name.upper())
    except ValueError as error:
        known = ", ".join(status.value.lower() for status in PluginStatus)
        raise ConfigError(f"status {name!r} is not one of {known}") from error


def get_plugins(
    house: House,
    _caller: Caller,
    *,
    names: list[str] | None = None,
    status: str | None = None,
    include: list[str] | None = None,
    cursor: str | None = None,
) -> Plugins:
    """Deployed plugin versions, newest first."""
    question = {"names": names, "status": status}
    offset = offset_of(question, cursor)
    with house.catalog.reading() as session:
        if names:
            rows = [find_plugin(session, name) for name in names]
        else:
            rows = list(session.scalars(select(PluginManifest).order_by(PluginManifest.id.desc())))
        if status:
            wanted = _status(status)
            rows = [row for row in rows if row.status is wanted]
        page = rows[offset : offset + _PAGE]
        found = [_plugin(session, row, include or []) for row in page]
    more = offset + len(page) < len(rows)
    return Plugins(
        summary=f"{sentence(len(rows), 'plugin version')}.",
        plugins=found,
        next_cursor=cursor_for(question, offset + len(page)) if more else None,
        next_steps=[] if rows else ["draft_plugin(files=[...])"],
    )


def _plugin(session: Session, row: PluginManifest, include: list[str]) -> Plugin:
    jobs = session.execute(
        select(ProcessingJob.status, func.count())
        .where(ProcessingJob.manifest_id == row.id)
        .group_by(ProcessingJob.status)
    )
    return Plugin(
        plugin=f"{row.name}@{row.version}",
        status=row.status.value,
        pattern=str(row.manifest["pattern"]),
        topics=manifest_topics(row),
        jobs={status.value.lower(): count for status, count in jobs},
        created=row.created.isoformat(),
        source={n: str(t) for n, t in row.files.items()} if "source" in include else None,
        manifest=row.manifest if "manifest" in include else None,
        signature=signature_of(session, row) if "signature" in include else None,
        history=_history(session, row) if "history" in include else None,
    )


def signature_of(session: Session, row: PluginManifest) -> dict[str, object]:
    """Who signed what, and who approved it."""
    envelope = json.loads(row.envelope)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    publisher = session.get_one(Publisher, row.publisher_id)
    facts: dict[str, object] = {
        "artifact_hash": row.artifact_hash,
        "lock_hash": row.env_hash,
        "publisher": publisher.name,
        "key_id": publisher.key_id,
        "signature": envelope["signatures"][0]["sig"],
        "signed": statement["created"],
        "ruleset": statement["ruleset_digest"],
    }
    approval = session.get(Approval, row.approval_id) if row.approval_id else None
    if approval is not None:
        facts["approved_by"] = approval.decided_by
        facts["approved_how"] = approval.decided_how
        facts["approval"] = f"approval-{approval.id}"
    return facts


def _history(session: Session, row: PluginManifest) -> list[str]:
    entries = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.subject.startswith(f"{row.name}@"))
        .order_by(AuditEntry.id)
    )
    return [
        f"{entry.at.isoformat()} {entry.action} {entry.subject} by {entry.actor}"
        for entry in entries
    ]


def retire(house: House, caller: Caller, *, plugin: str) -> Done:
    """Take a plugin out of force; its rows stay, its waiting jobs do not run."""
    with house.catalog.writing() as session:
        row = find_plugin(session, plugin)
        if row.status is not PluginStatus.ACTIVE:
            raise ConfigError(f"{row.name}@{row.version} is {row.status.value}, not ACTIVE")
        row.status = PluginStatus.RETIRED
        ids = list(
            session.scalars(select(PluginManifest.id).where(PluginManifest.name == row.name))
        )
        stopped = queue.cancel_waiting_of(session, ids, now=datetime.now(UTC))
        for rule in session.scalars(select(RoutingRule).where(RoutingRule.plugin == row.name)):
            session.delete(rule)
        for topic in manifest_topics(row):
            config = session.get(TopicConfig, topic)
            if config is not None and not feeders(session, topic, but=row.name):
                session.delete(config)
        name = f"{row.name}@{row.version}"
        audit.record(
            session,
            actor=caller.person,
            action="retire",
            subject=name,
            facts={"waiting_jobs": stopped},
            now=datetime.now(UTC),
        )
    house.changes.announce()
    return Done(
        summary=f"{name} is retired; its rows stay, {sentence(stopped, 'waiting job')} dropped.",
        next_steps=[f"casparian plugins {row.name}"],
    )

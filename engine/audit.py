"""Append to the audit log; each entry carries the hash of the one before."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.models import AuditEntry, Json
from gatekeeper.canonical import canonical_json

_GENESIS = "0" * 64


def record(
    session: Session, *, actor: str, action: str, subject: str, facts: Json, now: datetime
) -> None:
    """Add one entry in the caller's transaction: it stands exactly if the deed does."""
    previous = session.scalar(select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1))
    previous = previous or _GENESIS
    entry = AuditEntry(
        at=now, actor=actor, action=action, subject=subject, facts=facts, previous_hash=previous
    )
    entry.hash = _hash(entry)
    session.add(entry)
    session.flush()


def broken_links(session: Session) -> list[int]:
    """Entries whose hash, or whose link to the entry before, does not hold."""
    broken: list[int] = []
    previous = _GENESIS
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id)):
        if entry.previous_hash != previous or entry.hash != _hash(entry):
            broken.append(entry.id)
        previous = entry.hash
    return broken


def _hash(entry: AuditEntry) -> str:
    content = {
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "facts": entry.facts,
        "previous": entry.previous_hash,
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()

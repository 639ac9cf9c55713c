"""Hash dirty files that some rule wants, make versions of them, tag them, queue their jobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import SourceError
from engine import queue, snapshot
from engine.database import Catalog, among
from engine.models import (
    FileLocation,
    FileVersion,
    PluginConfig,
    PluginManifest,
    RoutingRule,
    SourceRoot,
)
from engine.paths import absolute
from engine.routing import Matcher, Rule
from engine.states import LocationState, PluginStatus

logger = logging.getLogger(__name__)

_RACY_NS = 2_000_000_000
"""A file modified this shortly before it was hashed may change again without showing it."""
CHUNK = 500
"""Files that are hashed, and then recorded in one transaction."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """What one pass did."""

    hashed: int
    versions: int
    jobs: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class _Hashed:
    location_id: int
    path: bytes
    digest: snapshot.Digest | None
    problem: str | None
    is_racy: bool


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An active plugin version and the tags it wants."""

    manifest_id: int
    name: str
    tags: frozenset[str]
    priority: int


def tag_dirty(
    catalog: Catalog,
    root_id: int,
    *,
    extra_rules: Sequence[Rule] = (),
    but_not_for: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tagged:
    """Process every dirty file of a root that matches a rule; files no rule wants stay unread.

    `extra_rules` are those of a plugin about to be deployed: its files get their versions first,
    so that the deployment itself only writes to the catalog. No job is queued for the plugin
    `but_not_for`: its new version, not the old one, is to read them.
    """
    with catalog.reading() as session:
        root = session.get_one(SourceRoot, root_id).path
        matcher = rules_of(session, root_id, extra_rules)
        if not matcher:
            return Tagged(0, 0, 0, 0)
        dirty = session.execute(
            select(FileLocation.id, FileLocation.path).where(
                FileLocation.root_id == root_id,
                FileLocation.dirty,
                FileLocation.state != LocationState.DELETED,
            )
        ).all()
    wanted = [(row.id, row.path) for row in dirty if matcher.tags(row.path)]
    totals = [0, 0, 0, 0]
    for start in range(0, len(wanted), CHUNK):
        chunk = [_hash(root, one, path) for one, path in wanted[start : start + CHUNK]]
        with catalog.writing() as session:
            if session.get_one(SourceRoot, root_id).removed is not None:
                break  # taken away while it was read
            step = _record(session, matcher, chunk, but_not_for)
        totals = [a + b for a, b in zip(totals, step, strict=True)]
        if progress is not None:
            progress(min(start + CHUNK, len(wanted)), len(wanted))
    return Tagged(*totals)


def rules_of(session: Session, root_id: int, extra: Sequence[Rule] = ()) -> Matcher:
    """The routing rules in force for one root, compiled; a root taken away has none."""
    rows = session.execute(
        select(RoutingRule.pattern, RoutingRule.tag)
        .join(SourceRoot, SourceRoot.id == RoutingRule.root_id)
        .where(RoutingRule.root_id == root_id, SourceRoot.removed.is_(None))
    )
    return Matcher([*(Rule(pattern, tag) for pattern, tag in rows), *extra])


def subscribers(session: Session) -> list[Subscriber]:
    """Every active plugin version with its subscriptions."""
    rows = session.execute(
        select(
            PluginManifest.id,
            PluginManifest.name,
            PluginConfig.subscriptions,
            PluginConfig.priority,
        )
        .join(PluginConfig, PluginConfig.name == PluginManifest.name)
        .where(PluginManifest.status == PluginStatus.ACTIVE)
    )
    return [Subscriber(one, name, frozenset(tags), rank) for one, name, tags, rank in rows]


def _hash(root: bytes, location_id: int, path: bytes) -> _Hashed:
    now = time.time_ns()
    try:
        found = snapshot.digest(absolute(root, path))
    except SourceError as error:
        return _Hashed(location_id, path, None, error.message, is_racy=False)
    return _Hashed(location_id, path, found, None, is_racy=now - found.mtime_ns < _RACY_NS)


def _record(
    session: Session, matcher: Matcher, chunk: Sequence[_Hashed], but_not_for: str | None
) -> tuple[int, ...]:
    now = datetime.now(UTC)
    plugins = [one for one in subscribers(session) if one.name != but_not_for]
    locations = {
        row.id: row
        for row in session.scalars(
            select(FileLocation).where(FileLocation.id.in_([one.location_id for one in chunk]))
        )
    }
    newest = [row.version_id for row in locations.values() if row.version_id]
    current = {
        row.id: row
        for row in session.scalars(select(FileVersion).where(among(FileVersion.id, newest)))
    }
    fresh: list[FileVersion] = []
    same: list[int] = []
    offered: list[tuple[FileVersion, set[str]]] = []
    unreadable = 0
    for one in chunk:
        location = locations[one.location_id]
        if one.digest is None:
            location.state, location.problem = LocationState.UNREADABLE, one.problem
            unreadable += 1
            continue
        location.state, location.problem = LocationState.PRESENT, None
        location.dirty = one.is_racy
        known = current.get(location.version_id or 0)
        if known is not None and known.sha256 == one.digest.sha256:
            same.append(known.id)
            added = set(matcher.tags(one.path)).difference(known.tags)
            if added:  # renamed into what another rule matches
                known.tags = sorted({*known.tags, *added})
                offered.append((known, added))
            continue
        fresh.append(
            FileVersion(
                location_id=location.id,
                sha256=one.digest.sha256,
                size=one.digest.size,
                mtime_ns=one.digest.mtime_ns,
                seen=now,
                tags=list(matcher.tags(one.path)),
            )
        )
    session.add_all(fresh)
    session.flush()
    for version in fresh:
        locations[version.location_id].version_id = version.id
    offered += [(version, set(version.tags)) for version in fresh]
    jobs = queue.enqueue(session, _jobs_for(offered, plugins), now=now)
    jobs += queue.revive(session, same)
    return (len(chunk) - unreadable, len(fresh), jobs, unreadable)


def _jobs_for(
    offered: Sequence[tuple[FileVersion, set[str]]], plugins: Sequence[Subscriber]
) -> list[queue.NewJob]:
    """One job for each version and each plugin that subscribes to a tag it has just got."""
    return [
        queue.NewJob(version.id, version.location_id, plugin.manifest_id, 1, plugin.priority)
        for version, tags in offered
        for plugin in plugins
        if plugin.tags & tags
    ]

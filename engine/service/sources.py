"""Grant folders, scan them, take them away again."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound, NotGranted
from engine import audit, queue
from engine.control import Caller, Progress
from engine.house import House
from engine.models import (
    FileLocation,
    ProcessingJob,
    RoutingRule,
    SourceRoot,
)
from engine.paths import display
from engine.scanning import Scanned
from engine.service.darkness import survey
from engine.service.names import containing_root, live_roots, resolve, sentence
from engine.service.results import Done, ScanResult, Source, Sources
from engine.states import LocationState, OnDelete
from engine.waiting import result_within

_NEVER = ("/", "/proc", "/sys", "/dev")


def grant(house: House, caller: Caller, *, path: str, unless_removed: bool = False) -> Done:
    """A person allows a folder to be read.

    With `unless_removed`, for what a server's own options name at each of its starts, a folder that
    a person took away since stays away.
    """
    folder = resolve(path).resolve()
    if caller.door == "mcp":
        raise NotGranted(
            f"an agent cannot grant {folder}",
            hint=f"A person grants it in a terminal: `casparian init {folder}`.",
        )
    _check_folder(folder, house.home.root)
    with house.catalog.writing() as session:
        known = session.scalar(select(SourceRoot).where(SourceRoot.path == os.fsencode(folder)))
        if unless_removed and known is not None and known.removed is not None:
            raise NotGranted(
                f"{folder} was taken away by a person",
                hint=f"A person gives it back in a terminal: `casparian init {folder}`.",
            )
        part_of = _check_overlap(session, folder)
        if part_of is not None:
            return Done(
                summary=f"{folder} is granted already, as part of {part_of}; nothing new.",
                next_steps=[f"casparian scan {folder}"],
            )
        root = _add_root(session, folder, caller)
        audit.record(
            session,
            actor=caller.person,
            action="grant",
            subject=str(folder),
            facts={"door": caller.door},
            now=datetime.now(UTC),
        )
        root_id = root.id
        readers = _readers_of(session, root_id)
    house.changes.announce()
    again = f" {', '.join(readers)} read it again." if readers else ""
    return Done(
        summary=f"{folder} is granted as source {root_id}.{again}",
        next_steps=[f"casparian scan {folder}", *(f"casparian run {one}" for one in readers)],
    )


def _readers_of(session: Session, root_id: int) -> list[str]:
    """Plugins whose rules outlasted the folder's removal."""
    rules = session.scalars(select(RoutingRule.plugin).where(RoutingRule.root_id == root_id))
    return sorted({name for name in rules if name})


def _check_folder(folder: Path, home: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except OSError as error:
        raise NotFound(
            f"{folder}: {error.strerror}", hint="Check the path; folders are granted, not files."
        ) from error
    if not is_folder:
        raise ConfigError(
            f"{folder} is a file", hint=f"Grant the folder it lies in: {folder.parent}"
        )
    if str(folder) in _NEVER or folder == Path.home():
        raise ConfigError(
            f"{folder} is too wide to grant: keys and other people's files lie there",
            hint="Grant the folder that holds the data.",
        )
    if home == folder or home.is_relative_to(folder) or folder.is_relative_to(home):
        raise ConfigError(f"{folder} holds this installation's own home {home}")


def _check_overlap(session: Session, folder: Path) -> str | None:
    """The granted folder that this one lies in, if any: a file has one source, and is read once.

    Raises:
        ConfigError: granted folders lie in this one.
    """
    roots = {Path(os.fsdecode(root.path)): root for root in live_roots(session)}
    inner = [display(root.path) for path, root in roots.items() if folder in path.parents]
    if inner:
        first = "`, `".join(f"casparian sources --remove {one}" for one in inner)
        raise ConfigError(
            f"in {folder} lies {', '.join(inner)}, granted already: its files would be read twice",
            hint=f"Take the inner one away first, its rows stay: `{first}`;"
            f" then `casparian init {folder}`.",
        )
    outer = [display(root.path) for path, root in roots.items() if path in folder.parents]
    return outer[0] if outer else None


def _add_root(session: Session, folder: Path, caller: Caller) -> SourceRoot:
    path = os.fsencode(folder)
    root = session.scalar(select(SourceRoot).where(SourceRoot.path == path))
    if root is None:
        root = SourceRoot(path=path, granted_by=caller.person, on_delete=OnDelete.KEEP)
        session.add(root)
    root.removed, root.watched = None, True
    session.flush()
    return root


def sources(house: House, _caller: Caller, *, path: str | None = None) -> Sources:
    """The granted folders, or one of them."""
    with house.catalog.reading() as session:
        roots = [_granted_itself(session, path)] if path else live_roots(session)
        found = [describe_source(session, root) for root in roots]
    steps = ["casparian init DIR"] if not found else []
    return Sources(
        summary=f"{sentence(len(found), 'folder')} granted.", sources=found, next_steps=steps
    )


def describe_source(session: Session, root: SourceRoot) -> Source:
    """A granted folder and how much lies in it."""
    count, size = session.execute(
        select(func.count(), func.coalesce(func.sum(FileLocation.size), 0)).where(
            FileLocation.root_id == root.id, FileLocation.state != LocationState.DELETED
        )
    ).one()
    return Source(
        id=root.id,
        path=display(root.path),
        files=count,
        bytes=size,
        scanned=root.scanned.isoformat() if root.scanned else None,
        watched=root.watched,
        on_delete=root.on_delete.value.lower(),
    )


def remove_source(house: House, caller: Caller, *, path: str) -> Done:
    """Stop reading a folder; what it gave stays, its waiting jobs do not run.

    Its routing rules stay, out of force, for the day it is granted again.
    """
    _require_person(caller, "takes a folder away")
    with house.catalog.writing() as session:
        root = _granted_itself(session, path)
        root.removed, root.watched = datetime.now(UTC), False
        waiting = session.scalars(
            select(ProcessingJob.id)
            .join(FileLocation, FileLocation.id == ProcessingJob.location_id)
            .where(FileLocation.root_id == root.id, ProcessingJob.status.in_(queue.OPEN))
        ).all()
        queue.cancel(session, waiting, now=datetime.now(UTC))
        audit.record(
            session,
            actor=caller.person,
            action="remove source",
            subject=display(root.path),
            facts={"cancelled_jobs": len(waiting)},
            now=datetime.now(UTC),
        )
        name = display(root.path)
    house.abort(list(waiting))
    return Done(
        summary=f"{name} is no longer read; its rows stay, {len(waiting)} open jobs are cancelled.",
        next_steps=[f"casparian init {name}"],
    )


def set_on_delete(house: House, caller: Caller, *, path: str, on_delete: str) -> Done:
    """Decide whether rows of files deleted from a folder stay in the current view of topics.

    `drop` takes them out, `keep` brings them back; history has them either way.
    """
    _require_person(caller, "decides which rows a table shows")
    try:
        choice = OnDelete(on_delete.upper())
    except ValueError as error:
        raise ConfigError(f"on-delete {on_delete!r} is neither keep nor drop") from error
    with house.catalog.writing() as session:
        root = _granted_itself(session, path)
        before, root.on_delete = root.on_delete, choice
        audit.record(
            session,
            actor=caller.person,
            action="on delete",
            subject=display(root.path),
            facts={"from": before.value, "to": choice.value},
            now=datetime.now(UTC),
        )
        name = display(root.path)
        gone = session.scalar(
            select(func.count()).where(
                FileLocation.root_id == root.id, FileLocation.state == LocationState.DELETED
            )
        )
    house.changes.announce()
    where = "are only in history" if choice is OnDelete.DROP else "stay in the current view"
    return Done(
        summary=f"Rows of files deleted from {name} {where};"
        f" {sentence(gone or 0, 'known file')} deleted so far.",
        next_steps=["casparian datasets"],
    )


def _require_person(caller: Caller, what: str) -> None:
    if caller.door == "mcp":
        raise NotGranted(
            f"only a person {what}", hint="Ask them; they find it in `casparian sources --help`."
        )


def _granted_itself(session: Session, path: str) -> SourceRoot:
    folder = resolve(path)
    root = containing_root(session, folder)
    if os.fsencode(folder) != root.path:
        shown = display(root.path)
        raise NotFound(
            f"{display(os.fsencode(folder))} is not a granted folder itself, it lies in {shown}",
            hint=f"Name that one: {shown}",
        )
    return root


def scan(
    house: House,
    caller: Caller,
    *,
    path: str,
    pattern: str = "**/*",
    wait_s: float = 20,
    accept_deletions: bool = False,
    progress: Progress,
) -> ScanResult:
    """Bring a granted folder's inventory up to date, and queue what is new in it."""
    folder = resolve(path)
    with house.catalog.reading() as session:
        try:
            root = containing_root(session, folder)
        except NotGranted:
            if caller.door == "mcp":
                raise
            root = None
        root_id = root.id if root is not None else None
    if root_id is None:
        grant(house, caller, path=str(folder))
        with house.catalog.reading() as session:
            root_id = containing_root(session, folder.resolve()).id
    future = house.scanner.request(root_id, accept_deletions=accept_deletions)
    scanned = result_within(
        future, wait_s, lambda: progress("hashing files", *house.scanner.progress(root_id))
    )
    result = _scan_result(house, root_id, pattern, scanned)
    if display(os.fsencode(folder.resolve())) != result.source:
        result.summary += f" {display(os.fsencode(folder))} is part of it."
    return result


def _scan_result(house: House, root_id: int, pattern: str, scanned: Scanned | None) -> ScanResult:
    with house.catalog.reading() as session:
        root = session.get_one(SourceRoot, root_id)
        name = display(root.path)
        found = survey(session, [root], pattern=pattern)
    if scanned is None:
        return ScanResult(
            summary=f"The scan of {name} goes on in the background.",
            source=name,
            state="running",
            groups=found.groups,
            next_steps=["get_overview()", "scan(...) again with the same path"],
        )
    inventory, tagged = scanned.inventory, scanned.tagged
    total = inventory.new + inventory.changed + inventory.unchanged + inventory.renamed
    skipped = dict(inventory.skipped)
    if tagged.unreadable:
        skipped["unreadable file"] = tagged.unreadable
    summary = (
        f"{sentence(total, 'file')} in {name}: {inventory.new:,} new, {inventory.changed:,}"
        f" changed, {inventory.deleted:,} deleted;"
        f" {sentence(found.unrouted, 'file')} no plugin reads."
    )
    steps = [f'preview_file(file="{g.example_file}")' for g in found.groups if g.plugin is None][:1]
    return ScanResult(
        summary=summary,
        source=name,
        state="done",
        new=inventory.new,
        changed=inventory.changed + inventory.renamed,
        deleted=inventory.deleted,
        unchanged=inventory.unchanged,
        unrouted=found.unrouted,
        jobs=tagged.jobs,
        skipped=skipped,
        groups=found.groups,
        next_steps=steps,
    )

"""Rescan watched roots when something in them changes, and every so often anyway."""

from __future__ import annotations

import logging
import os
import threading
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import watchfiles
import watchfiles._rust_notify as watchfiles_rust
from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.house import House
from engine.models import SourceRoot

logger = logging.getLogger(__name__)

_LOOK_FOR_ROOTS_S = 2.0
_DEBOUNCE_MS, _WAIT_MS = 1000, 5000


def watched_roots(session: Session) -> dict[int, Path]:
    """Roots to watch, by id."""
    rows = session.execute(
        select(SourceRoot.id, SourceRoot.path).where(
            SourceRoot.watched, SourceRoot.removed.is_(None)
        )
    )
    return {one: Path(os.fsdecode(path)) for one, path in rows}


async def watch(house: House) -> None:
    """Keep one watcher per root that is there; follow grants and removals."""
    async with anyio.create_task_group() as tasks:
        scopes: dict[int, anyio.CancelScope] = {}
        while True:
            roots = await anyio.to_thread.run_sync(partial(_roots, house))
            for root_id in scopes.keys() - roots.keys():
                scopes.pop(root_id).cancel()
            for root_id in roots.keys() - scopes.keys():
                scope = scopes[root_id] = anyio.CancelScope()
                tasks.start_soon(_watch_one, house, root_id, roots[root_id], scope)
            await anyio.sleep(_LOOK_FOR_ROOTS_S)


def _roots(house: House) -> dict[int, Path]:
    with house.catalog.reading() as session:
        return watched_roots(session)


async def _watch_one(house: House, root_id: int, path: Path, scope: anyio.CancelScope) -> None:
    with scope:
        house.scanner.request(root_id)  # what happened while no engine ran
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_rescan, house, root_id)
            while True:
                await _follow_events(house, root_id, path)
                await anyio.sleep(_LOOK_FOR_ROOTS_S)


async def _follow_events(house: House, root_id: int, path: Path) -> None:
    """Ask for a scan after every burst of events, until the root cannot be watched."""
    stop = threading.Event()
    bursts = watchfiles.watch(
        path,
        watch_filter=None,
        debounce=_DEBOUNCE_MS,
        rust_timeout=_WAIT_MS,
        yield_on_timeout=True,
        stop_event=stop,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )
    try:
        while True:
            changes = await anyio.to_thread.run_sync(next, bursts, abandon_on_cancel=True)
            if changes:
                house.scanner.request(root_id)
    except watchfiles_rust.WatchfilesRustInternalError:
        house.scanner.request(root_id)  # a name it cannot decode: something happened all the same
    except (OSError, RuntimeError) as error:
        # Too many watches, or the root is gone: the periodic rescan goes on.
        logger.warning("not watched", extra={"root": str(path), "error": str(error)})
        await anyio.sleep(60)
    finally:
        stop.set()


async def _rescan(house: House, root_id: int) -> None:
    while house.settings.rescan_s:
        await anyio.sleep(house.settings.rescan_s)
        house.scanner.request(root_id)
    await anyio.sleep_forever()

"""Run scans: one at a time per root, in the background, with their state to ask for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from engine import scout, tagger
from engine.database import Catalog
from engine.routing import Rule

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scanned:
    """One finished scan."""

    inventory: scout.Inventory
    tagged: tagger.Tagged


@dataclass
class _Running:
    future: Future[Scanned]
    done: int = 0
    total: int = 0
    is_stale: bool = False
    """Asked for again while it ran: another pass follows."""


@dataclass
class Scanner:
    """Scans roots in threads of its own; asking for a running scan joins it."""

    catalog: Catalog
    on_jobs: Callable[[], None]
    """Called when a scan queued jobs."""
    _executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=2, thread_name_prefix="scan")
    )
    _running: dict[int, _Running] = field(default_factory=dict[int, _Running])
    _roots: dict[int, threading.Lock] = field(default_factory=dict[int, threading.Lock])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def request(self, root_id: int, *, accept_deletions: bool = False) -> Future[Scanned]:
        """Scan a root, or join the scan that waits to start."""
        with self._lock:
            running = self._running.get(root_id)
            if running is not None and not running.future.done():
                if not running.future.running():
                    return running.future
                running.is_stale = True
                return running.future
            entry = _Running(Future())
            entry.future = self._executor.submit(self._scan, root_id, accept_deletions)
            self._running[root_id] = entry
            return entry.future

    def tag(self, root_id: int, extra_rules: Sequence[Rule], *, plugin: str) -> tagger.Tagged:
        """Hash what a plugin about to be deployed will read; waits for a scan of the root."""
        with self._of_root(root_id):
            return tagger.tag_dirty(
                self.catalog, root_id, extra_rules=extra_rules, but_not_for=plugin
            )

    def _of_root(self, root_id: int) -> threading.Lock:
        """One pass at a time over one root: two would make two versions of one content."""
        with self._lock:
            return self._roots.setdefault(root_id, threading.Lock())

    def progress(self, root_id: int) -> tuple[int, int]:
        """Files hashed so far, of how many; (0, 0) if unknown."""
        running = self._running.get(root_id)
        return (0, 0) if running is None else (running.done, running.total)

    @property
    def is_idle(self) -> bool:
        """Whether no scan runs."""
        with self._lock:
            return all(entry.future.done() for entry in self._running.values())

    def close(self) -> None:
        """Finish what runs, take nothing more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _scan(self, root_id: int, accept_deletions: bool) -> Scanned:  # noqa: FBT001 - private
        def report(done: int, total: int) -> None:
            with self._lock:
                entry = self._running[root_id]
                entry.done, entry.total = done, total

        try:
            while True:
                with self._lock:
                    self._running[root_id].is_stale = False
                with self._of_root(root_id):
                    inventory = scout.scan(self.catalog, root_id, accept_deletions=accept_deletions)
                    tagged = tagger.tag_dirty(self.catalog, root_id, progress=report)
                if tagged.jobs:
                    self.on_jobs()
                with self._lock:
                    if not self._running[root_id].is_stale:
                        # Whoever asks from here on starts a scan of their own.
                        del self._running[root_id]
                        return Scanned(inventory, tagged)
        except BaseException:
            logger.warning("scan failed", extra={"root": root_id}, exc_info=True)
            with self._lock:
                del self._running[root_id]
            raise

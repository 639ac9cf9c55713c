"""Keep a few warm parents, one per environment, and hand them to whoever runs a batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from engine.guests import WarmParent

_MOST = 4


@dataclass
class _Entry:
    parent: WarmParent
    users: int = 0
    is_stale: bool = False


@dataclass
class ParentPool:
    """Warm parents by key; the longest unused leaves when there are too many. Thread-safe."""

    _entries: OrderedDict[str, _Entry] = field(default_factory=OrderedDict[str, _Entry])
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def lend(self, key: str, start: Callable[[], WarmParent]) -> AbstractContextManager[WarmParent]:
        """A parent for the length of a `with`; started if there is none that lives."""
        return self._lend(key, start)

    @contextmanager
    def _lend(self, key: str, start: Callable[[], WarmParent]) -> Generator[WarmParent]:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and not entry.parent.is_alive:
                self._retire(key)
                entry = None
            if entry is None:
                entry = self._entries[key] = _Entry(start())
            entry.users += 1
            self._entries.move_to_end(key)
            self._shrink()
        try:
            yield entry.parent
        finally:
            with self._lock:
                entry.users -= 1
                if entry.is_stale and not entry.users:
                    entry.parent.close()

    def _shrink(self) -> None:
        for key in [key for key, entry in self._entries.items() if not entry.users]:
            if len(self._entries) <= _MOST:
                return
            self._retire(key)

    def _retire(self, key: str) -> None:
        entry = self._entries.pop(key)
        entry.is_stale = True
        if not entry.users:
            entry.parent.close()

    def close(self) -> None:
        """End all of them, in use or not."""
        with self._lock:
            for entry in self._entries.values():
                entry.parent.close()
            self._entries.clear()

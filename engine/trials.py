"""Keep trials of drafts that are under way, so that asking again picks them up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar, cast

_Report = TypeVar("_Report")


@dataclass
class Trials:
    """Runs by key, two at a time."""

    _executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=2, thread_name_prefix="trial")
    )
    _running: dict[str, Future[object]] = field(default_factory=dict[str, Future[object]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, key: str, work: Callable[[], _Report]) -> Future[_Report]:
        """Run `work`, or join the run with the same key."""
        with self._lock:
            future = self._running.get(key)
            if future is None:
                future = self._running[key] = cast("Future[object]", self._executor.submit(work))
            return cast("Future[_Report]", future)

    def forget(self, key: str) -> None:
        """Drop a run whose report was given: the next call tries again."""
        with self._lock:
            self._running.pop(key, None)

    @property
    def is_idle(self) -> bool:
        """Whether no trial runs."""
        with self._lock:
            return all(future.done() for future in self._running.values())

    def close(self) -> None:
        """Take nothing more; what runs ends with its process."""
        self._executor.shutdown(wait=False, cancel_futures=True)

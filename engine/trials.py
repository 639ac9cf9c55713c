"""Keep trials of drafts that are under way, so that asking again picks them up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar, cast

_Report = TypeVar("_Report")


@dataclass(frozen=True, slots=True)
class _Run:
    future: Future[object]
    stop: threading.Event


@dataclass
class Trials:
    """Runs by key, two at a time. A key begins with what is tried, and a colon."""

    _executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=2, thread_name_prefix="trial")
    )
    _running: dict[str, _Run] = field(default_factory=dict[str, _Run])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, key: str, work: Callable[[threading.Event], _Report]) -> Future[_Report]:
        """Run `work`, or join the run with the same key; the event it is given says to end."""
        with self._lock:
            run = self._running.get(key)
            if run is None:
                stop = threading.Event()
                future = cast("Future[object]", self._executor.submit(work, stop))
                run = self._running[key] = _Run(future, stop)
            return cast("Future[_Report]", run.future)

    def forget(self, key: str) -> None:
        """Drop a run whose report was given: the next call tries again."""
        with self._lock:
            self._running.pop(key, None)

    def stop(self, tried: str) -> bool:
        """Have the runs of one draft end; whether there was one."""
        with self._lock:
            mine = [key for key in self._running if key.startswith(f"{tried}:")]
            # Whoever asks again starts anew; who waits for these has them in hand.
            runs = [self._running.pop(key) for key in mine]
        found = [run for run in runs if not run.future.done()]
        for run in found:
            run.stop.set()
        return bool(found)

    @property
    def is_idle(self) -> bool:
        """Whether no trial runs."""
        with self._lock:
            return all(run.future.done() for run in self._running.values())

    def close(self) -> None:
        """Take nothing more, and have what runs end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for run in self._running.values():
                run.stop.set()

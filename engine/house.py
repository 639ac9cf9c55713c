"""What every use case may touch: catalog, home, settings, and the engine's moving parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.database import Catalog
from engine.deliveries import Deliveries
from engine.home import Home
from engine.scanning import Scanner
from engine.settings import Settings
from engine.trials import Trials

_LEAST_PAUSE_S = 0.05


@dataclass
class Changes:
    """Tells threads that wait that something in the catalog changed."""

    _condition: threading.Condition = field(default_factory=threading.Condition)

    def announce(self) -> None:
        """Wake everybody who waits."""
        with self._condition:
            self._condition.notify_all()

    def wait_until(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        """Whether `is_true` came true within `timeout_s`; asked at most twenty times a second."""
        deadline = time.monotonic() + timeout_s
        while not is_true():
            rest = deadline - time.monotonic()
            if rest <= 0:
                return False
            asked = time.monotonic()
            with self._condition:
                self._condition.wait(min(rest, 0.5))
            time.sleep(max(0.0, min(rest, asked + _LEAST_PAUSE_S - time.monotonic())))
        return True


@dataclass(frozen=True, slots=True)
class House:
    """The engine, as use cases see it."""

    catalog: Catalog
    home: Home
    settings: Settings
    scanner: Scanner
    trials: Trials
    changes: Changes
    deliveries: Deliveries
    wake: Callable[[], None]
    """Have the Sentinel look for work; callable from any thread."""
    abort: Callable[[list[int]], None]
    """Have workers stop these jobs; callable from any thread."""
    page_url: Callable[[int], str | None]
    """Where a person decides an approval in the browser; None without a page."""
    stop: Callable[[], None]
    """End the engine."""

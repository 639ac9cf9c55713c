"""Wait for background work for a bounded time, saying meanwhile how far it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

_Outcome = TypeVar("_Outcome")
_STEP_S = 0.3


def result_within(
    future: Future[_Outcome], wait_s: float, tell: Callable[[], None]
) -> _Outcome | None:
    """The outcome, or None if it takes longer than `wait_s`; `tell` is called while waiting.

    Raises:
        Exception: whatever the work raised.
    """
    rest = max(0.0, wait_s)
    while True:
        step = min(rest, _STEP_S)
        try:
            return future.result(timeout=step)
        except FutureTimeoutError:
            rest -= step
            if rest <= 0:
                return None
            tell()

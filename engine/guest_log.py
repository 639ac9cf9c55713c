"""Keep what a guest wrote to stdout and stderr, each job's apart, within bounds."""

from __future__ import annotations

import os

_ONE_JOB_BYTES, _BATCH_BYTES = 128 << 10, 1 << 20
"""What is kept of a job that ran alone, and of all jobs of a batch together."""


class Log:
    """The log of one child: a part for each of its jobs."""

    def __init__(self, jobs: int = 1) -> None:
        """Start empty; several jobs are told apart by a mark that the guest writes before each."""
        self.mark = os.urandom(12).hex() if jobs > 1 else ""
        room = min(_ONE_JOB_BYTES, _BATCH_BYTES // max(1, jobs))
        self._parts = [_LogPart(room // 2) for _ in range(jobs)]
        self._begun = 0
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Take what came; a mark may be cut in two between chunks."""
        if not self.mark:
            self._parts[0].add(chunk)
            return
        mark = self.mark.encode()
        *ended, last = (self._rest + chunk).split(mark)
        for piece in ended:
            self._current.add(piece)
            self._begun += 1
        cut = next((n for n in range(len(mark) - 1, 0, -1) if last.endswith(mark[:n])), 0)
        self._rest = last[len(last) - cut :]
        self._current.add(last[: len(last) - cut])

    @property
    def _current(self) -> _LogPart:
        """The job that is open; what comes before the first belongs to the first."""
        return self._parts[min(max(0, self._begun - 1), len(self._parts) - 1)]

    @property
    def open_job(self) -> int | None:
        """The job that began last; None if that cannot be told."""
        return self._begun - 1 if 0 < self._begun <= len(self._parts) else None

    def text(self, job: int = 0) -> str:
        """What was kept of one job."""
        if self._rest:
            self._current.add(self._rest)
            self._rest = b""
        return self._parts[job].text()


class _LogPart:
    """The first and last part of what was written."""

    def __init__(self, half: int) -> None:
        self._half = half
        self._head = bytearray()
        self._tail = bytearray()
        self._lost = 0

    def add(self, chunk: bytes) -> None:
        """Keep `chunk`, within bounds."""
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room > 0 else chunk
        surplus = len(self._tail) - self._half
        if surplus > 0:
            del self._tail[:surplus]
            self._lost += surplus

    def text(self) -> str:
        """What was kept, with a line that says how much was not."""
        gap = f"\n… {self._lost} bytes left out …\n".encode() if self._lost else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "backslashreplace")

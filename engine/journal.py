"""The journal of a trial: one line a file, so that a run that breaks off goes on where it was."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import Any, cast

_END = "end"


@contextlib.contextmanager
def only_writer(path: Path) -> Generator[Journal]:
    """The journal at `path`, once no other process writes to it; others wait meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield Journal(path)
    finally:
        os.close(fd)


class Journal:
    """Outcomes by file, in the order they came; kept in a file of its own."""

    def __init__(self, path: Path) -> None:
        """Go on with what is there; a last line that was cut off does not count."""
        self.path = path
        self._keys = {str(one["key"]) for one in self.outcomes()}

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """What is known of each file."""
        for line in self._lines():
            if _END not in line:
                yield line

    def log(self) -> str:
        """What the plugin wrote to its log in the run that ended last."""
        return next((str(line[_END]) for line in reversed(list(self._lines())) if _END in line), "")

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                value: object = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield cast("dict[str, Any]", value)

    def has(self, key: str) -> bool:
        """Whether this file was tried."""
        return key in self._keys

    def of(self, keys: Collection[str]) -> Iterator[dict[str, Any]]:
        """The outcomes of these files."""
        return (one for one in self.outcomes() if one["key"] in keys)

    def add(self, outcome: dict[str, object]) -> None:
        """Keep one file's outcome."""
        self._keys.add(str(outcome["key"]))
        self._append(outcome)

    def end(self, log: str) -> None:
        """Say that all that was asked for was tried."""
        self._append({_END: log})

    def _append(self, value: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            cut = b"\n" if self._is_cut() else b""
            os.write(fd, cut + json.dumps(value).encode() + b"\n")
        finally:
            os.close(fd)

    def _is_cut(self) -> bool:
        """Whether the last line was never finished: what follows begins on a new one."""
        with self.path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

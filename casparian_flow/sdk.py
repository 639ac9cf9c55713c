"""What a plugin author writes against.

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="sales")

class Handler(BasePlugin):
    def execute(self, path):
        self.publish("sales", pandas.read_csv(path))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["RESERVED_COLUMNS", "BasePlugin", "Outlet", "PluginMetadata"]

RESERVED_COLUMNS = ("_job_id", "_file_version_id", "_row")
"""Columns the host stamps on every row; a plugin that sends one of them is refused."""


@dataclass(frozen=True)
class PluginMetadata:
    """What a plugin reads and what it publishes; read from the syntax tree, never by running it."""

    pattern: str
    """Gitignore-style glob under one source root: `*.csv` matches at any depth."""

    topic: str = ""
    """The one topic it publishes; for several, use `topics`."""

    priority: int = 0
    """Higher runs earlier. It orders; it does not exclude other plugins."""

    subscriptions: Sequence[str] = ()
    """Tags of file versions it wants; with none, its topic is its tag."""

    topics: Sequence[str] = ()
    """All topics it publishes, where there are several."""


class Outlet(Protocol):
    """Where a running plugin's output goes: the link in a guest, a list in a unit test."""

    def publish(self, topic: str, data: object) -> None:
        """Send `data` to `topic`; return when it has been handed over."""
        ...

    def quarantine(self, record: object, reason: str, line: int | None) -> None:
        """Send one record that does not fit, with the reason."""
        ...


class BasePlugin:
    """One object per file. Subclass as `Handler` and write `execute`."""

    def __init__(self, outlet: Outlet) -> None:
        """Remember where output goes; plugins do not override this."""
        self._outlet = outlet

    def execute(self, path: str) -> None:
        """Read the file at `path` and publish what is in it."""
        raise NotImplementedError

    def publish(self, topic: str, data: object) -> None:
        """Publish rows to one of the topics that the manifest declares.

        Args:
            topic: A topic of the manifest.
            data: A pandas or polars DataFrame, a pyarrow Table, RecordBatch or
                RecordBatchReader, anything else with `__arrow_c_stream__`, or an iterable
                of dicts (a generator streams: memory stays flat).
        """
        self._outlet.publish(topic, data)

    def quarantine(self, record: object, reason: str, line: int | None = None) -> None:
        """Set one record aside with the reason; it is kept, counted and never published.

        Args:
            record: The raw record: text, bytes or a dict.
            reason: Why it does not fit, for a person to read.
            line: Its line in the source, counted from 1.
        """
        self._outlet.quarantine(record, reason, line)

"""What a plugin author writes against.

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="sales")

class Handler(BasePlugin):
    def execute(self, path):
        self.publish("sales", pandas.read_csv(path))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["RESERVED_COLUMNS", "BasePlugin", "Outlet", "PluginMetadata", "Position"]

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
    """Tags of file versions it wants; with none, those that its pattern matches."""

    topics: Sequence[str] = ()
    """All topics it publishes, where there are several."""


@dataclass(frozen=True)
class Position:
    """What else is known of a record that is set aside."""

    code: str = "REFUSED"
    """Stable and short, in capitals, so that causes can be counted: `TYPE_MISMATCH`."""

    column: str | None = None
    """The column that did not fit."""

    offset: int | None = None
    """Its first byte in the (unpacked) source, counted from 0."""

    length: int | None = None
    """Its length in bytes."""

    member: str | None = None
    """The archive member it stands in."""

    topic: str | None = None
    """The topic whose row it would have been; with none, the first of the manifest."""


NOWHERE = Position()
"""Nothing more is known."""


class Outlet(Protocol):
    """Where a running plugin's output goes: the link in a guest, a list in a unit test."""

    def publish(self, topic: str, data: object) -> None:
        """Send `data` to `topic`; return when it has been handed over."""
        ...

    def quarantine(
        self, record: object, reason: str, line: int | None, position: Position = NOWHERE
    ) -> None:
        """Send one record that does not fit, with the reason."""
        ...

    def account(self, read: int, skipped: Mapping[str, int]) -> None:
        """Count records that were read, and those of them that were passed over."""
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

    def quarantine(  # noqa: PLR0913 - each says where the record stands; all are optional
        self,
        record: object,
        reason: str,
        line: int | None = None,
        *,
        code: str = "REFUSED",
        column: str | None = None,
        offset: int | None = None,
        length: int | None = None,
        member: str | None = None,
        topic: str | None = None,
    ) -> None:
        """Set one record aside with the reason; it is kept, counted and never published.

        Args:
            record: The raw record: text, bytes or a dict.
            reason: Why it does not fit, for a person to read.
            line: Its line in the source, counted from 1.
            code: The cause in short, so that records can be counted by it: `TYPE_MISMATCH`.
            column: The column that did not fit.
            offset: Its first byte in the source, counted from 0.
            length: Its length in bytes.
            member: The archive member it stands in.
            topic: The topic whose row it would have been; with none, the first of the manifest.
        """
        position = Position(code, column, offset, length, member, topic)
        self._outlet.quarantine(record, reason, line, position)

    def account(self, *, read: int, skipped: Mapping[str, int] | None = None) -> None:
        """Say how many records were read, and how many of them were passed over by rule.

        Once this was called, a job only succeeds if the numbers agree: records read are rows
        published, records set aside and records passed over. The readers of
        `casparian_flow.reading` call it; a plugin that reads by itself may.

        Args:
            read: Records read since the last call, those passed over included.
            skipped: Why records were passed over → how many.
        """
        self._outlet.account(read, skipped or {})

"""Results about folders and files."""

from __future__ import annotations

from engine.service.results.base import Part, Result


class Source(Part):
    """A granted folder."""

    id: int
    path: str
    files: int
    bytes: int
    scanned: str | None
    watched: bool
    on_delete: str


class Group(Part):
    """Files of one shape."""

    fingerprint: str
    format: str
    files: int
    bytes: int
    example: str
    example_file: str
    """The example's id, safe to repeat where a path is not."""
    plugin: str | None
    shape: str | None = None
    """What a few of its files hold, where they were looked into."""
    note: str | None = None
    """What drifts within it, or in comparison with a group it is like."""


class Overview(Result):
    """The state of the house."""

    sources: list[Source]
    files: dict[str, int]
    dark: list[Group]
    plugins: list[str]
    jobs: dict[str, int]
    topics: list[str]
    approvals: list[str]
    mode: str


class Sources(Result):
    """Granted folders."""

    sources: list[Source]


class ScanResult(Result):
    """What a scan found."""

    source: str
    state: str
    new: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    unrouted: int = 0
    jobs: int = 0
    skipped: dict[str, int] = {}
    groups: list[Group] = []


class File(Part):
    """A known file."""

    file: str
    id: str
    size_bytes: int
    modified: str
    state: str
    version: str | None
    topics: list[str]


class Files(Result):
    """A page of files."""

    files: list[File]
    total: int
    next_cursor: str | None = None


class Column(Part):
    """One column as the sample shows it."""

    name: str
    type: str
    candidates: list[str] = []
    nulls: int = 0
    examples: list[str] = []
    ambiguity: str | None = None
    null_words: list[str] = []
    unit: str | None = None
    meaning: str | None = None
    optional: bool = False
    aliases: list[str] = []


class Preview(Result):
    """What a file looks like."""

    file: str
    format: str
    encoding: str | None = None
    compression: str | None = None
    dialect: dict[str, str | int | None] = {}
    header: bool | None = None
    columns: list[Column] = []
    rows: list[list[str | None]] = []
    problems: list[str] = []
    parts: list[str] = []
    """Members, sheets or tables, each to be looked at as `file::part`."""

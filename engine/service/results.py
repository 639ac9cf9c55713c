"""What use cases answer with; the models every door shares."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


def _without_titles(schema: dict[str, Any]) -> None:
    """Drop what only repeats a field's name: every model reads the schema, and pays for it."""
    schema.pop("title", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)


class Part(BaseModel):
    """A piece of a result."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_titles)


class Result(Part):
    """Every result: a sentence a person could be shown, and the exact next calls."""

    summary: str
    next_steps: list[str] = []


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


class FindingPart(Part):
    """One finding of the gatekeeper."""

    rule: str
    line: int
    column: int
    message: str
    fix: str


class DraftResult(Result):
    """A drafted plugin."""

    draft: str
    revision: int
    source: str
    manifest: dict[str, object] | None
    dependencies: list[str]
    method: str
    findings: list[FindingPart] = []
    ambiguities: list[str] = []


class TopicRows(Part):
    """Rows of one topic from a trial."""

    topic: str
    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    row_count: int


class Quarantined(Part):
    """A record the plugin set aside."""

    file: str
    line: int | None
    reason: str
    raw: str


class FailedFile(Part):
    """A file the plugin could not read."""

    file: str
    reason: str


class Validation(Result):
    """A draft run over real files."""

    draft: str
    ok: bool
    state: str
    findings: list[FindingPart] = []
    manifest: dict[str, object] | None = None
    contract: dict[str, list[str]] = {}
    rows: list[TopicRows] = []
    quarantined: list[Quarantined] = []
    quarantined_count: int = 0
    failed: list[FailedFile] = []
    files_passed: int = 0
    files_tried: int = 0
    level: str | None = None
    digest: str | None = None
    diff: str | None = None
    log: str | None = None


class Effects(Part):
    """What publishing would do."""

    files: int
    bytes: int
    topics: list[str]
    jobs: int
    roots: list[str]


class ApprovalPart(Part):
    """Where a person says yes."""

    id: str
    command: str
    url: str | None = None


class Publication(Result):
    """What publishing led to."""

    status: str
    plugin: str | None = None
    version: int | None = None
    effects: Effects | None = None
    approval: ApprovalPart | None = None
    review: str | None = None
    """Deterministic text for the person who approves."""


class ApprovalDetail(Result):
    """Everything a person needs to decide."""

    id: str
    status: str
    draft: str
    plugin: str
    version: int
    digest: str
    reprocess: str
    effects: Effects
    source: dict[str, str]
    findings: list[FindingPart]
    validation: Validation | None
    dependencies: list[str]


class Approvals(Result):
    """Approvals, newest first."""

    approvals: list[ApprovalDetail]


class Plugin(Part):
    """A deployed plugin version."""

    plugin: str
    status: str
    pattern: str
    topics: list[str]
    jobs: dict[str, int]
    created: str
    source: dict[str, str] | None = None
    manifest: dict[str, object] | None = None
    signature: dict[str, object] | None = None
    history: list[str] | None = None


class Plugins(Result):
    """Deployed plugins."""

    plugins: list[Plugin]
    next_cursor: str | None = None


class JobError(Part):
    """Why a job failed."""

    code: str
    message: str
    hint: str | None


class Job(Part):
    """One job."""

    job: str
    state: str
    plugin: str
    file: str
    attempt: int
    generation: int
    rows: dict[str, int] = {}
    quarantined: int = 0
    error: JobError | None = None
    created: str
    ended: str | None
    log: str | None = None
    receipt: dict[str, object] | None = None


class Jobs(Result):
    """A page of jobs."""

    jobs: list[Job]
    counts: dict[str, int]
    total: int
    next_cursor: str | None = None


class RunResult(Result):
    """What a run queued, or would queue."""

    jobs: list[str]
    matched_files: int
    state: str


class States(Result):
    """New states of jobs."""

    states: dict[str, str]


class DatasetColumn(Part):
    """A column to copy into SQL."""

    name: str
    type: str


class Dataset(Part):
    """A topic."""

    topic: str
    table: str
    plugin: str
    columns: list[DatasetColumn]
    rows: int
    history_rows: int
    files_seen: int
    files_read: int
    files_failed: int
    files_pending: int
    quarantined: int
    newest: str | None
    sinks: list[str]
    sample: list[list[str | None]] | None = None


class Datasets(Result):
    """Topics."""

    datasets: list[Dataset]


class QueryResult(Result):
    """Rows, and what they rest on."""

    columns: list[str]
    types: list[str]
    rows: list[list[object]]
    row_count: int
    truncated: bool
    datasets: list[str]
    elapsed_ms: int
    next_cursor: str | None = None


class Node(Part):
    """A thing in a lineage."""

    id: str
    kind: str
    facts: dict[str, object]


class Edge(Part):
    """How two things are connected."""

    source: str
    target: str
    relation: str


class Lineage(Result):
    """Where something came from, or went."""

    root: str
    nodes: list[Node]
    edges: list[Edge]


class Explanation(Result):
    """Why something is as it is."""

    subject: str
    verdict: str
    evidence: list[str]


class Check(Part):
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


class Checks(Result):
    """Checks, and whether all hold."""

    ok: bool
    checks: list[Check]


class Done(Result):
    """It was done."""

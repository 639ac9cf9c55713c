"""Results about jobs, datasets, answers and lineage."""

from __future__ import annotations

from engine.service.results.base import Part, Result
from engine.service.results.plugins import Quarantined


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


class ReprocessRound(Part):
    """One reprocess."""

    round: str
    plugin: str
    state: str
    """under way, in view, taken back or cut short."""
    started: str
    files: int
    done: int
    failed: int


class Rounds(Result):
    """What a plugin was run over again."""

    rounds: list[ReprocessRound]


class DatasetColumn(Part):
    """A column to copy into SQL."""

    name: str
    type: str


class ColumnStats(Part):
    """A column over all current rows."""

    name: str
    nulls: int
    distinct: int
    min: str | None
    max: str | None


class ContractColumn(Part):
    """A column a person agreed to."""

    name: str
    type: str
    nullable: bool
    stated: str | None = None
    """What else holds for its values, such as `key, minimum 0`."""


class QuarantineCause(Part):
    """Records set aside for one reason, with one of them."""

    code: str
    column: str | None
    records: int
    files: int
    file: str
    line: int | None
    reason: str
    raw: str


class QuarantineCauses(Result):
    """What is set aside of a topic."""

    topic: str
    causes: list[QuarantineCause]


class ContractTerms(Result):
    """A topic's contract, for other tools."""

    topic: str
    version: int
    versions: list[int]
    agreed: str
    brought_by: str
    """The plugin version that a person approved, or "a person"."""
    policy: str
    """ask, evolve, freeze or discard: what becomes of other columns."""
    fed_by: list[str]
    table_schema: dict[str, object]


class VersionRows(Part):
    """What a plugin version gave a topic."""

    plugin: str
    status: str
    published: str
    rows: int
    files: int
    newest: str | None


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
    caveat: str | None
    """What an answer from this table should say about what is missing; None: nothing is."""
    sinks: list[str]
    sample: list[list[str | None]] | None = None
    stats: list[ColumnStats] | None = None
    quarantine: list[Quarantined] | None = None
    contract: list[ContractColumn] | None = None
    history: list[VersionRows] | None = None


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

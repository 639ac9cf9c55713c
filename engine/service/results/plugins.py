"""Results about drafts, approvals and plugins."""

from __future__ import annotations

from engine.service.results.base import Part, Result


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


class DraftFiles(DraftResult):
    """A draft with everything that is needed to go on writing it."""

    files: dict[str, str]
    digest: str | None = None
    """Of all that publishing would put in force; None where it has not passed validation."""


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
    code: str | None = None


class FailedFile(Part):
    """A file the plugin could not read."""

    file: str
    reason: str


class FailureCause(Part):
    """Files that failed for one reason, with one of them."""

    cause: str
    files: int
    file: str
    example: str


class TopicChanges(Part):
    """Rows of a topic against the version in force."""

    topic: str
    added: int
    removed: int
    changed: int
    same: int
    by_order: int
    """Of those changed, rows that name no line of their own and were paired by their order."""
    columns: dict[str, int]
    """Column → rows in which it differs."""
    examples: list[str]


class Validation(Result):
    """A draft run over real files."""

    draft: str
    ok: bool
    state: str
    findings: list[FindingPart] = []
    manifest: dict[str, object] | None = None
    contract: dict[str, list[str]] = {}
    agreement: list[str] = []
    """How its contracts differ from those that hold: what is refused, to be decided, changed."""
    rows: list[TopicRows] = []
    quarantined: list[Quarantined] = []
    quarantined_count: int = 0
    quarantined_by: dict[str, int] = {}
    failed: list[FailedFile] = []
    causes: list[FailureCause] = []
    changes: list[TopicChanges] = []
    files_matching: int = 0
    files_passed: int = 0
    files_tried: int = 0
    level: str | None = None
    digest: str | None = None
    diff: str | None = None
    log: str | None = None


class TestedTopic(Part):
    """All rows of one topic from a plugin's own samples."""

    topic: str
    columns: list[str]
    types: list[str]
    rows: list[list[object]]


class PluginTest(Result):
    """A plugin run over its own samples."""

    findings: list[FindingPart] = []
    topics: list[TestedTopic] = []
    quarantined: list[Quarantined] = []
    failed: list[FailedFile] = []


class Effects(Part):
    """What publishing would do."""

    files: int
    bytes: int
    topics: list[str]
    jobs: int
    roots: list[str]
    sinks: list[str] = []
    choices: dict[str, int] = {}
    """How many jobs each choice of `reprocess` would queue."""


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


class Proposal(Publication):
    """What publishing would do, for a door that may ask the person itself."""

    form: bool
    """Whether a yes in the host's form counts here."""


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
    diff: str | None = None
    """What would change about the version in force."""
    replaces: str | None = None
    """The same in a sentence: what is replaced, and what is no longer read."""
    instead: str | None = None
    """What another choice of `reprocess` would do, in a sentence, where the choice matters."""
    url: str | None = None
    """Where a person decides it in the browser, while it can be decided."""


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

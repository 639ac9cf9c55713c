"""The catalog's tables. Rows stay inside the session that read them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Enum,
    Exists,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    exists,
    select,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from engine.states import (
    QUARANTINE_SUFFIX,
    ApprovalStatus,
    JobStatus,
    LocationState,
    OnDelete,
    PluginStatus,
)

Json = dict[str, object]

_BigKey = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time; SQLite would drop the zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: UtcDateTime, Json: JSON}  # noqa: RUF012 - SQLAlchemy's name


class Installation(Base):
    """This installation; one row."""

    __tablename__ = "installation"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    created: Mapped[datetime]


class SourceRoot(Base):
    """A granted folder."""

    __tablename__ = "source_root"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    granted_by: Mapped[str] = mapped_column(String(200))
    on_delete: Mapped[OnDelete] = mapped_column(Enum(OnDelete), default=OnDelete.KEEP)
    watched: Mapped[bool] = mapped_column(default=True)
    removed: Mapped[datetime | None]
    scanned: Mapped[datetime | None]
    scan_summary: Mapped[Json | None]


class FileLocation(Base):
    """A path, and what the last inventory saw there."""

    __tablename__ = "file_location"
    id: Mapped[int] = mapped_column(_BigKey, primary_key=True)
    root_id: Mapped[int] = mapped_column(ForeignKey("source_root.id"))
    path: Mapped[bytes] = mapped_column(LargeBinary)
    """Relative to the root."""
    member: Mapped[str] = mapped_column(Text, default="")
    """Path inside an archive; empty for a plain file."""
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    ctime_ns: Mapped[int] = mapped_column(BigInteger)
    inode: Mapped[int] = mapped_column(BigInteger)
    device: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[LocationState] = mapped_column(Enum(LocationState))
    dirty: Mapped[bool]
    """Not hashed since its inventory state last changed."""
    problem: Mapped[str | None] = mapped_column(Text)
    version_id: Mapped[int | None] = mapped_column(BigInteger)
    """The newest FileVersion."""

    __table_args__ = (
        Index("ix_location_path", "root_id", "path", "member", unique=True),
        Index("ix_location_dirty", "root_id", sqlite_where=text("dirty")),
    )


class FileVersion(Base):
    """One location's content at one time; never changes."""

    __tablename__ = "file_version"
    id: Mapped[int] = mapped_column(_BigKey, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("file_location.id"), index=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    seen: Mapped[datetime]
    tags: Mapped[list[str]] = mapped_column(JSON)


class RoutingRule(Base):
    """Files of one root that match `pattern` get `tag`."""

    __tablename__ = "routing_rule"
    id: Mapped[int] = mapped_column(primary_key=True)
    root_id: Mapped[int] = mapped_column(ForeignKey("source_root.id"), index=True)
    pattern: Mapped[str] = mapped_column(Text)
    tag: Mapped[str] = mapped_column(String(100))
    plugin: Mapped[str | None] = mapped_column(String(100), index=True)
    """The plugin whose publishing made it; NULL for an operator's own."""
    __table_args__ = (UniqueConstraint("root_id", "pattern", "tag", "plugin"),)


class PluginConfig(Base):
    """A plugin's settings and subscriptions, across its versions."""

    __tablename__ = "plugin_config"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    subscriptions: Mapped[list[str]] = mapped_column(JSON)
    priority: Mapped[int]
    isolation: Mapped[str] = mapped_column(String(10), default="batch")
    settings: Mapped[Json]


class TopicConfig(Base):
    """A topic that a plugin in force feeds, and where it is delivered."""

    __tablename__ = "topic_config"
    topic: Mapped[str] = mapped_column(String(100), primary_key=True)
    sinks: Mapped[list[str]] = mapped_column(JSON)
    """URIs beyond the lake, such as sqlite:///path."""
    created: Mapped[datetime]


class TopicPolicy(Base):
    """What a person decided about columns that are not a topic's; see engine/agreements.py."""

    __tablename__ = "topic_policy"
    topic: Mapped[str] = mapped_column(String(100), primary_key=True)
    policy: Mapped[str] = mapped_column(String(10))


class Contract(Base):
    """A version of the schema that a person agreed to for a topic."""

    __tablename__ = "contract"
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    """Rises with every change that was approved."""
    terms: Mapped[Json]
    """Columns with type and nullability, and the Arrow schema; see engine/contracts.py."""
    manifest_id: Mapped[int | None] = mapped_column(ForeignKey("plugin_manifest.id"))
    """The plugin version that brought it; NULL if a person did."""
    agreed: Mapped[datetime]
    __table_args__ = (UniqueConstraint("topic", "version"),)


class Publisher(Base):
    """Who deploys."""

    __tablename__ = "publisher"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(200))
    entra_oid: Mapped[str | None] = mapped_column(String(100))
    key_id: Mapped[str] = mapped_column(String(64), unique=True)
    last_active: Mapped[datetime]


class PluginEnvironment(Base):
    """A lockfile by its hash."""

    __tablename__ = "plugin_environment"
    env_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    lockfile: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[datetime]


class PluginManifest(Base):
    """A deployed plugin version."""

    __tablename__ = "plugin_manifest"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    status: Mapped[PluginStatus] = mapped_column(Enum(PluginStatus), index=True)
    env_hash: Mapped[str] = mapped_column(ForeignKey("plugin_environment.env_hash"))
    artifact_hash: Mapped[str] = mapped_column(String(64), index=True)
    files: Mapped[Json]
    """File name → source text."""
    manifest: Mapped[Json]
    contract: Mapped[Json]
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    publisher_id: Mapped[int] = mapped_column(ForeignKey("publisher.id"))
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approval.id"))
    system_requirements: Mapped[Json]
    created: Mapped[datetime]
    note: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (UniqueConstraint("name", "version"),)


class Round(Base):
    """One deliberate reprocess: its jobs' rows come into view together, and can go again."""

    __tablename__ = "round"
    id: Mapped[int] = mapped_column(primary_key=True)
    manifest_id: Mapped[int] = mapped_column(ForeignKey("plugin_manifest.id"))
    created: Mapped[datetime]
    ended: Mapped[datetime | None]
    """When its last job ended: from then on its rows are shown, whatever is retried."""
    undone: Mapped[datetime | None]
    """Since when its rows are out of view again: a person took it back, or it was cut short."""


ROUNDS_IN_VIEW = select(Round.id).where(Round.ended.is_not(None), Round.undone.is_(None))
"""Of jobs that are of any reprocess, those of these are shown."""


class ProcessingJob(Base):
    """One version × one plugin artifact × one generation."""

    __tablename__ = "processing_job"
    id: Mapped[int] = mapped_column(_BigKey, primary_key=True)
    file_version_id: Mapped[int] = mapped_column(ForeignKey("file_version.id"), index=True)
    location_id: Mapped[int] = mapped_column(BigInteger, index=True)
    manifest_id: Mapped[int] = mapped_column(ForeignKey("plugin_manifest.id"))
    generation: Mapped[int] = mapped_column(default=1)
    attempt: Mapped[int] = mapped_column(default=0)
    """Fencing number: raised by every claim."""
    failures: Mapped[int] = mapped_column(default=0)
    status: Mapped[JobStatus] = mapped_column(Enum(JobStatus))
    priority: Mapped[int] = mapped_column(default=0)
    alone: Mapped[bool] = mapped_column(default=False)
    """Run in a child of its own, after a batch failed."""
    not_before: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(String(100))
    error_code: Mapped[str | None] = mapped_column(String(50))
    error_text: Mapped[str | None] = mapped_column(Text)
    error_hint: Mapped[str | None] = mapped_column(Text)
    log: Mapped[str | None] = mapped_column(Text)
    receipt: Mapped[Json | None]
    quarantined: Mapped[int] = mapped_column(default=0)
    request: Mapped[str | None] = mapped_column(String(32))
    """The call that queued it, so that a call sent twice queues once; NULL for the scout's."""
    round_id: Mapped[int | None] = mapped_column(ForeignKey("round.id"))
    """The reprocess it is of; NULL for the first run of a file version."""
    created: Mapped[datetime]
    ended: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_job_round", "round_id", sqlite_where=text("round_id IS NOT NULL")),
        Index("ix_job_request", "request", sqlite_where=text("request IS NOT NULL")),
        UniqueConstraint("file_version_id", "manifest_id", "generation"),
        Index("ix_job_status", "status", "manifest_id", "id"),
        Index("ix_job_claim", "status", text("priority DESC"), "id"),
        Index("ix_job_manifest", "manifest_id", "location_id"),
    )


class JobOutput(Base):
    """One file that a done job put into the lake; a cache of the ledger."""

    __tablename__ = "job_output"
    id: Mapped[int] = mapped_column(_BigKey, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("processing_job.id"), index=True)
    topic: Mapped[str] = mapped_column(String(110), index=True)
    path: Mapped[str] = mapped_column(Text)
    """Relative to the lake."""
    rows: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)


class Dismissal(Base):
    """Records of one job's quarantine that a person said need no mending."""

    __tablename__ = "dismissal"
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(110))
    job_id: Mapped[int] = mapped_column(ForeignKey("processing_job.id"))
    note: Mapped[str] = mapped_column(Text)
    person: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("topic", "job_id"),)


def is_dismissed() -> Exists:
    """Whether an output holds records of a quarantine that a person dismissed, in SQL."""
    named = Dismissal.topic + QUARANTINE_SUFFIX
    return exists().where(Dismissal.job_id == JobOutput.job_id, named == JobOutput.topic)


class Draft(Base):
    """A plugin that is not published yet."""

    __tablename__ = "draft"
    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    revision: Mapped[int]
    method: Mapped[str] = mapped_column(String(20))
    files: Mapped[Json]
    dependencies: Mapped[list[str]] = mapped_column(JSON)
    sinks: Mapped[list[str]] = mapped_column(JSON)
    """URIs beyond the lake that a person chose for its topics."""
    samples: Mapped[list[int]] = mapped_column(JSON)
    """Location ids the draft was made from."""
    profile: Mapped[Json | None]
    lockfile: Mapped[bytes | None] = mapped_column(LargeBinary)
    report: Mapped[Json | None]
    """The newest validation."""
    digest: Mapped[str | None] = mapped_column(String(64))
    created: Mapped[datetime]


class Approval(Base):
    """A person's recorded yes or no to exactly one digest, version and reprocess choice."""

    __tablename__ = "approval"
    id: Mapped[int] = mapped_column(primary_key=True)
    draft_id: Mapped[str] = mapped_column(String(120), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    reprocess: Mapped[str] = mapped_column(String(10))
    status: Mapped[ApprovalStatus] = mapped_column(Enum(ApprovalStatus))
    effects: Mapped[Json]
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_how: Mapped[str | None] = mapped_column(String(50))
    created: Mapped[datetime]
    decided: Mapped[datetime | None]


class AuditEntry(Base):
    """What was done by whom; each entry carries the hash of the one before."""

    __tablename__ = "audit_entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(Text)
    facts: Mapped[Json]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

"""Follow a row to the bytes it came from, and a file to the rows it became."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, NotFound
from engine.control import Caller
from engine.house import House
from engine.models import (
    FileLocation,
    FileVersion,
    JobOutput,
    PluginManifest,
    ProcessingJob,
    SourceRoot,
)
from engine.service.datasets import feeding, topic_schema, topics
from engine.service.fields import source_field
from engine.service.names import find_file, find_plugin, full_name, job_number, sentence
from engine.service.plugins import signature_of
from engine.service.results import Edge, Lineage, Node
from engine.states import QUARANTINE_SUFFIX, JobStatus

_HAD = "had the content"


@dataclass
class _Graph:
    """Nodes and edges, each once."""

    limit: int
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    edges: dict[tuple[str, str, str], Edge] = field(
        default_factory=dict[tuple[str, str, str], Edge]
    )
    cut: bool = False

    def add(self, identity: str, kind: str, facts: dict[str, object]) -> bool:
        """Add a node; False if it was there, or there is no room."""
        if identity in self.nodes:
            return False
        if len(self.nodes) >= self.limit:
            self.cut = True
            return False
        self.nodes[identity] = Node(id=identity, kind=kind, facts=facts)
        return True

    def connect(self, source: str, target: str, relation: str) -> None:
        """Add an edge between nodes that are there."""
        if source in self.nodes and target in self.nodes:
            key = (source, target, relation)
            self.edges[key] = Edge(source=source, target=target, relation=relation)

    def keep_near(self, root: str, direction: str, depth: int) -> None:
        """Keep what lies within `depth` hops of the root.

        Edges point from cause to effect: `back` goes against them, `forward` along, `both` either
        way. A file and its versions count as one, so the hop between them costs nothing.
        """
        near = newest = self._with_contents({root})
        for _ in range(max(0, depth)):
            newest = self._with_contents(self._neighbours(newest, direction)) - near
            if not newest:
                break
            near |= newest
        self.nodes = {name: node for name, node in self.nodes.items() if name in near}
        self.edges = {key: edge for key, edge in self.edges.items() if {key[0], key[1]} <= near}

    def _neighbours(self, names: set[str], direction: str) -> set[str]:
        back = {edge.source for edge in self.edges.values() if edge.target in names}
        forward = {edge.target for edge in self.edges.values() if edge.source in names}
        return {"back": back, "forward": forward, "both": back | forward}[direction]

    def _with_contents(self, names: set[str]) -> set[str]:
        """The names, the files of the versions and the versions of the files among them."""
        had = [edge for edge in self.edges.values() if edge.relation == _HAD]
        files = names | {edge.source for edge in had if edge.target in names}
        return files | {edge.target for edge in had if edge.source in files & names}


def query_lineage(
    house: House,
    _caller: Caller,
    *,
    target: dict[str, object],
    direction: str = "both",
    depth: int = 2,
    limit: int = 100,
) -> Lineage:
    """Where something came from, or what came of it.

    `direction` is back (causes), forward (effects) or both, `depth` the hops from the target; a
    file and its versions count as one. A row gives its whole chain back to the source bytes
    whatever these say.
    """
    if direction not in ("both", "back", "forward"):
        raise ConfigError(f"direction {direction!r} is not both, back or forward")
    graph = _Graph(max(1, min(limit, 500)))
    with house.catalog.reading() as session:
        match sorted(target):
            case ["job_id", "row", "topic"]:
                root = _row(session, graph, target)
            case ["column", "topic"]:
                root = _column(session, graph, str(target["topic"]), str(target["column"]))
            case ["topic"]:
                root = _topic(session, graph, str(target["topic"]))
            case ["file"]:
                root = _file(session, graph, str(target["file"]))
            case ["job"]:
                root = _job(session, graph, job_number(str(target["job"])), outputs=True)
            case ["plugin"]:
                root = _plugin(session, graph, str(target["plugin"]))
            case _:
                raise ConfigError(
                    f"target {sorted(target)} is not one that has a lineage",
                    hint='Use {"topic": …}, {"topic": …, "column": …},'
                    ' {"topic": …, "job_id": …, "row": …}, {"file": …},'
                    ' {"job": …} or {"plugin": …}.',
                )
    if "row" not in target:
        graph.keep_near(root, direction, depth)
    summary = _told(graph, root)
    if graph.cut:
        summary += f" Cut at {graph.limit} nodes; raise `limit` or start from a file."
    return Lineage(
        summary=summary,
        root=root,
        nodes=list(graph.nodes.values()),
        edges=list(graph.edges.values()),
        next_steps=_next(graph),
    )


def _told(graph: _Graph, root: str) -> str:
    versions = [node for node in graph.nodes.values() if node.kind == "file version"]
    if len(versions) == 1:
        facts = versions[0].facts
        return f"{root} rests on {facts['path']} with SHA-256 {facts['sha256']}."
    return f"{root}: {sentence(len(graph.nodes), 'node')}, {sentence(len(graph.edges), 'edge')}."


def _next(graph: _Graph) -> list[str]:
    plugins = [node.id for node in graph.nodes.values() if node.kind == "plugin"]
    return [f'get_plugins(names=["{name}"], include=["source"])' for name in plugins[:1]]


def _row(session: Session, graph: _Graph, target: dict[str, object]) -> str:
    topic, number = str(target["topic"]), job_number(str(target["job_id"]))
    try:
        row = int(str(target["row"]))
    except ValueError as error:
        raise ConfigError(f"row {target['row']!r} is not a number: use the row's _row") from error
    _require_topic(session, topic)
    if session.get(ProcessingJob, number) is None:
        raise NotFound(f"no job-{number}", hint="List jobs: `casparian jobs`.")
    outputs = session.execute(
        select(JobOutput.rows, JobOutput.path).where(
            JobOutput.job_id == number, JobOutput.topic == topic
        )
    ).all()
    total = sum(one.rows for one in outputs)
    if not 0 <= row < total:
        raise NotFound(
            f"job-{number} gave {topic} {sentence(total, 'row')}, there is no row {row}",
            hint="Take _job_id and _row from the row itself: SELECT _job_id, _row, * FROM …",
        )
    identity = f"{topic}/job-{number}/{row}"
    graph.add(
        identity, "row", {"topic": topic, "job_id": number, "row": row, "file": outputs[0].path}
    )
    job = _job(session, graph, number, outputs=False)
    graph.connect(job, identity, "produced")
    return identity


def _job(session: Session, graph: _Graph, number: int, *, outputs: bool) -> str:
    job = session.get(ProcessingJob, number)
    if job is None:
        raise NotFound(f"no job-{number}", hint="List jobs: `casparian jobs`.")
    identity = f"job-{number}"
    receipt = job.receipt or {}
    graph.add(
        identity,
        "job",
        {
            "state": job.status.value.lower(),
            "attempt": job.attempt,
            "generation": job.generation,
            "worker": receipt.get("worker"),
            "sandbox": receipt.get("level"),
            "layers": receipt.get("layers"),
            "snapshot": receipt.get("snapshot"),
            "ended": job.ended.isoformat() if job.ended else None,
        },
    )
    version = _version(session, graph, job.file_version_id)
    plugin = _plugin_node(session, graph, session.get_one(PluginManifest, job.manifest_id))
    graph.connect(version, identity, "was read by")
    graph.connect(plugin, identity, "ran as")
    if outputs:
        rows = session.execute(
            select(JobOutput.topic, JobOutput.rows).where(JobOutput.job_id == number)
        )
        for topic, count in rows:
            graph.add(topic, "topic", {})
            graph.connect(identity, topic, f"gave {sentence(count, 'row')}")
    return identity


def _version(session: Session, graph: _Graph, version_id: int) -> str:
    version = session.get_one(FileVersion, version_id)
    location = session.get_one(FileLocation, version.location_id)
    root = session.get_one(SourceRoot, location.root_id)
    identity, file = f"version-{version_id}", f"file-{location.id}"
    path = full_name(location, root)
    graph.add(
        identity,
        "file version",
        {
            "path": path,
            "sha256": version.sha256,
            "size_bytes": version.size,
            "seen": version.seen.isoformat(),
            "is_newest": location.version_id == version_id,
        },
    )
    graph.add(file, "file", {"path": path, "state": location.state.value.lower()})
    graph.connect(file, identity, _HAD)
    return identity


def _plugin_node(session: Session, graph: _Graph, row: PluginManifest) -> str:
    identity = f"{row.name}@{row.version}"
    graph.add(identity, "plugin", {"status": row.status.value, **signature_of(session, row)})
    return identity


def _file(session: Session, graph: _Graph, name: str) -> str:
    location, root = find_file(session, name)
    identity = f"file-{location.id}"
    graph.add(
        identity,
        "file",
        {"path": full_name(location, root), "state": location.state.value.lower()},
    )
    versions = session.scalars(
        select(FileVersion.id)
        .where(FileVersion.location_id == location.id)
        .order_by(FileVersion.id.desc())
    )
    for version_id in versions:
        _version(session, graph, version_id)
        jobs = session.scalars(
            select(ProcessingJob.id)
            .where(ProcessingJob.file_version_id == version_id)
            .order_by(ProcessingJob.id.desc())
        )
        for number in jobs:
            _job(session, graph, number, outputs=True)
    return identity


def _require_topic(session: Session, topic: str) -> None:
    known = topics(session)
    if topic.removesuffix(QUARANTINE_SUFFIX) not in known:
        shown = ", ".join(known) or "none yet"
        raise NotFound(f"no topic {topic!r}; there are: {shown}", hint="`casparian datasets`")


def _topic(session: Session, graph: _Graph, topic: str) -> str:
    _require_topic(session, topic)
    graph.add(topic, "topic", {})
    rows = session.scalars(
        select(PluginManifest).order_by(PluginManifest.name, PluginManifest.version.desc())
    )
    for row in rows:
        if topic not in cast("list[str]", row.manifest["topics"]):
            continue
        plugin = _plugin_node(session, graph, row)
        graph.connect(plugin, topic, "feeds")
        jobs = session.scalars(
            select(ProcessingJob.id)
            .join(JobOutput, JobOutput.job_id == ProcessingJob.id)
            .where(ProcessingJob.manifest_id == row.id, JobOutput.topic == topic)
            .order_by(ProcessingJob.id.desc())
            .limit(graph.limit)
        )
        for number in jobs:
            _job(session, graph, number, outputs=True)
    return topic


def _column(session: Session, graph: _Graph, topic: str, column: str) -> str:
    """A column, the plugin versions that fill it, and the fields of their sources."""
    _require_topic(session, topic)
    names = topic_schema(session, topic).names
    if column not in names:
        near = difflib.get_close_matches(column, names, n=3) or names[:20]
        raise NotFound(
            f"{topic} has no column {column!r}", hint=f"Its columns are like {', '.join(near)}."
        )
    identity = f"{topic}.{column}"
    graph.add(identity, "column", {"topic": topic})
    for row in feeding(session, topic):
        plugin = _plugin_node(session, graph, row)
        graph.connect(plugin, identity, "fills")
        found = source_field(row.files, column)
        if found is not None:
            field_id = f"field {found.names[0]} of {row.manifest['pattern']}"
            facts: dict[str, object] = {"names": list(found.names), "read_as": found.kind}
            graph.add(field_id, "source field", facts)
            graph.connect(field_id, plugin, "is read by")
    return identity


def _plugin(session: Session, graph: _Graph, name: str) -> str:
    row = find_plugin(session, name)
    identity = _plugin_node(session, graph, row)
    for topic in cast("list[str]", row.manifest["topics"]):
        graph.add(topic, "topic", {})
        graph.connect(identity, topic, "feeds")
    jobs = session.scalars(
        select(ProcessingJob.id)
        .where(ProcessingJob.manifest_id == row.id, ProcessingJob.status == JobStatus.DONE)
        .order_by(ProcessingJob.id.desc())
        .limit(graph.limit)
    )
    for number in jobs:
        _job(session, graph, number, outputs=True)
    return identity

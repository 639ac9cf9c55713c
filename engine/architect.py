"""Put an approved, signed artifact in force: everything it needs, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import AdmissionError, ApprovalError, SignatureMismatch
from engine import audit, queue, reprocess, venvs
from engine.database import Catalog
from engine.messages import Deploy, Deployed
from engine.models import (
    Approval,
    Contract,
    Json,
    PluginConfig,
    PluginEnvironment,
    PluginManifest,
    Publisher,
    RoutingRule,
    SourceRoot,
    TopicConfig,
)
from engine.paths import display
from engine.states import ApprovalStatus, PluginStatus, Reprocess
from engine.topics import (
    as_list,
    manifest_topics,
    next_contracts,
    require_same_sinks,
    tags_of,
)
from gatekeeper.admission import Admission, admit
from gatekeeper.artifact import Artifact, make_artifact
from gatekeeper.canonical import canonical_json, sha256_hex

_IN_CHUNKS = 10_000


def digest_in_force(
    artifact: Artifact, *, contract: Mapping[str, object], sinks: Mapping[str, object]
) -> str:
    """One digest over everything that publishing would put in force (design §6)."""
    return sha256_hex(
        canonical_json(
            {
                "files": {name: sha256_hex(content) for name, content in artifact.files},
                "lockfile": sha256_hex(artifact.lockfile),
                "manifest": artifact.manifest.to_json(),
                "contract": contract_digest(contract),
                "sinks": sinks_digest(sinks),
            }
        )
    )


def contract_digest(contract: Mapping[str, object]) -> str:
    """Digest of a contract as it is signed."""
    return sha256_hex(canonical_json(contract))


def sinks_digest(sinks: Mapping[str, object]) -> str:
    """Digest of the sinks as they are signed."""
    return sha256_hex(canonical_json(sinks))


@dataclass(frozen=True, slots=True)
class Gate:
    """Whom this installation believes."""

    trusted: Mapping[str, bytes]
    audience: str


def deploy(catalog: Catalog, body: Deploy, gate: Gate, *, now: datetime) -> Deployed:
    """Admit and put in force, all or nothing (G6).

    1. The gatekeeper admits the artifact: signature, audience, digests, manifest, rules, expiry.
    2. Its lockfile installs from hashed wheels alone.
    3. Contract and sinks are the signed ones.
    4. A person approved exactly this digest and version, and the yes was not used before.
    5. The version is higher than every earlier one, and the folders are still granted.
    6. Each topic's contract is the one that holds or its next; a topic that another plugin feeds
       too changes for neither, but by growing, and is delivered to where it is now.

    Raises:
        AdmissionError: 1, 2, 3, 5 or 6 fail. ApprovalError: 4 fails.
    """
    files = {name: text.encode() for name, text in body.files.items()}
    artifact = make_artifact(files, body.lockfile)
    # 1
    admission = admit(
        artifact, body.envelope, trusted=gate.trusted, audience=gate.audience, now=now,
        deploying=True,
    )  # fmt: skip
    # 2
    venvs.check_lock(body.lockfile)
    # 3
    if admission.statement.contract_digest != contract_digest(body.contract):
        raise SignatureMismatch("the contract is not the one that was signed")
    if admission.statement.sinks_digest != sinks_digest(body.sinks):
        raise SignatureMismatch("the sinks are not the ones that were signed")
    with catalog.writing() as session:
        # 4
        approval = _approval(session, body, artifact, admission)
        # 5, 6
        earlier = _earlier(session, admission)
        require_same_sinks(
            session,
            admission.statement.plugin,
            topics=admission.manifest.topics,
            sinks=body.sinks,
        )
        manifest = _write(session, body, admission, approval, now=now)
        _agree(session, manifest, now=now)
        return _wire(session, admission, manifest, approval, earlier, now=now)


def _approval(session: Session, body: Deploy, artifact: Artifact, admission: Admission) -> Approval:
    approval = session.get(Approval, body.approval_id)
    digest = digest_in_force(artifact, contract=body.contract, sinks=body.sinks)
    if approval is None or approval.status is not ApprovalStatus.APPROVED:
        state = "unknown" if approval is None else approval.status.value
        raise ApprovalError(f"approval {body.approval_id} is {state}")
    if approval.digest != digest or approval.version != admission.statement.version:
        raise ApprovalError(
            f"approval {approval.id} is for digest {approval.digest[:12]} version"
            f" {approval.version}, this is {digest[:12]} version {admission.statement.version}",
            hint="Validate and ask for approval again: what was approved is not what came.",
        )
    approval.status = ApprovalStatus.USED
    return approval


def _earlier(session: Session, admission: Admission) -> list[PluginManifest]:
    statement = admission.statement
    earlier = list(
        session.scalars(select(PluginManifest).where(PluginManifest.name == statement.plugin))
    )
    highest = max((one.version for one in earlier), default=0)
    if statement.version <= highest:
        raise AdmissionError(
            f"{statement.plugin}@{statement.version} is not higher than {highest}",
            hint=f"Versions only rise; publish {statement.plugin}@{highest + 1}.",
        )
    return earlier


def _agree(session: Session, manifest: PluginManifest, *, now: datetime) -> None:
    """Write down what the person agreed to, where it differs from what was agreed before."""
    coming = next_contracts(
        session, manifest.name, topics=manifest_topics(manifest), contract=manifest.contract
    )
    for topic in coming:
        terms = cast("Json", manifest.contract[topic])
        session.add(
            Contract(
                topic=topic,
                version=cast("int", terms["number"]),
                terms={word: terms[word] for word in _SHARED if word in terms},
                manifest_id=manifest.id,
                agreed=now,
            )
        )


_SHARED = ("columns", "arrow", "key")
"""What is the topic's of a plugin version's terms; the rest is its own."""


def _write(
    session: Session, body: Deploy, admission: Admission, approval: Approval, *, now: datetime
) -> PluginManifest:
    statement, manifest = admission.statement, admission.manifest
    session.merge(
        PluginEnvironment(env_hash=admission.env_hash, lockfile=body.lockfile, created=now)
    )
    row = PluginManifest(
        name=statement.plugin,
        version=statement.version,
        status=PluginStatus.ACTIVE,
        env_hash=admission.env_hash,
        artifact_hash=admission.artifact_hash,
        files=dict(body.files),
        manifest=manifest.to_json(),
        contract=dict(body.contract),
        envelope=body.envelope,
        publisher_id=_publisher(session, statement.publisher, body.envelope, now=now),
        approval_id=approval.id,
        system_requirements={},
        created=now,
        note=body.note,
    )
    session.add(row)
    session.merge(
        PluginConfig(
            name=statement.plugin,
            subscriptions=tags_of(statement.plugin, manifest.subscriptions),
            priority=manifest.priority,
            settings={},
        )
    )
    for topic in manifest.topics:
        sinks = list(body.sinks.get(topic, ()))
        session.merge(TopicConfig(topic=topic, sinks=sinks, created=now))
    session.flush()
    return row


def _publisher(session: Session, name: str, envelope: bytes, *, now: datetime) -> int:
    import json

    key_id = str(json.loads(envelope)["signatures"][0]["keyid"])
    row = session.scalar(select(Publisher).where(Publisher.key_id == key_id))
    if row is None:
        row = Publisher(name=name, key_id=key_id, last_active=now)
        session.add(row)
    row.name, row.last_active = name, now
    session.flush()
    return row.id


def _wire(
    session: Session,
    admission: Admission,
    manifest: PluginManifest,
    approval: Approval,
    earlier: Sequence[PluginManifest],
    *,
    now: datetime,
) -> Deployed:
    """Routes, the end of older versions, and the jobs of the reprocess choice."""
    name, pattern = admission.statement.plugin, admission.manifest.pattern
    roots = _granted(session, approval)
    tags = tags_of(name, admission.manifest.subscriptions)
    for rule in session.scalars(select(RoutingRule).where(RoutingRule.plugin == name)):
        session.delete(rule)
    session.flush()
    for root_id in roots:
        for tag in tags:
            session.add(RoutingRule(root_id=root_id, pattern=pattern, tag=tag, plugin=name))
    matches = reprocess.matching_files(session, pattern, roots)
    wanted = reprocess.chosen(session, matches, plugin=name, choice=Reprocess(approval.reprocess))
    for older in earlier:
        if older.status is PluginStatus.ACTIVE:
            older.status = PluginStatus.RETIRED
    queue.cancel_waiting_of(session, [older.id for older in earlier], now=now)
    versions = [(match.version_id, match.location_id) for match in matches if match.version_id]
    for start in range(0, len(versions), _IN_CHUNKS):
        ids = [version for version, _ in versions[start : start + _IN_CHUNKS]]
        reprocess.tag_versions(session, ids, tags)
    rounds = reprocess.rounds_for(
        session, manifest, [one.version_id for one in wanted if one.version_id], now=now
    )
    jobs = [
        queue.NewJob(
            match.version_id,
            match.location_id,
            manifest.id,
            generation=1,
            priority=admission.manifest.priority,
            round_id=rounds.get(match.version_id),
        )
        for match in wanted
        if match.version_id is not None
    ]
    queued = sum(
        queue.enqueue(session, jobs[start : start + _IN_CHUNKS], now=now)
        for start in range(0, len(jobs), _IN_CHUNKS)
    )
    audit.record(
        session,
        actor=approval.decided_by or "unknown",
        action="deploy",
        subject=f"{name}@{admission.statement.version}",
        facts={
            "artifact_hash": admission.artifact_hash,
            "approval": approval.id,
            "decided_how": approval.decided_how or "",
            "digest": approval.digest,
            "jobs": queued,
        },
        now=now,
    )
    return Deployed(status="ACTIVE", plugin=name, version=admission.statement.version, jobs=queued)


def _granted(session: Session, approval: Approval) -> list[int]:
    """The folders that the person saw; each must still be granted."""
    roots = [int(str(one)) for one in as_list(approval.effects.get("roots"))]
    removed = session.scalar(
        select(SourceRoot.path).where(SourceRoot.id.in_(roots), SourceRoot.removed.is_not(None))
    )
    if removed is not None:
        raise ApprovalError(
            f"approval {approval.id} was given for {display(removed)}, which was taken away since",
            hint="Grant the folder again, or draft from files of another one.",
        )
    return roots


def artifact_of(row: PluginManifest, lockfile: bytes) -> Artifact:
    """The artifact of a deployed version, from the catalog."""
    return make_artifact({name: str(text).encode() for name, text in row.files.items()}, lockfile)

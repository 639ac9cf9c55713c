"""From a validated draft to a plugin in force: ask a person, sign, deploy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import ApprovalError, ConfigError, NotFound
from engine import audit, publisher, queue, reprocess, tagger
from engine.control import Caller
from engine.house import House
from engine.messages import Deploy
from engine.models import (
    Approval,
    ApprovalStatus,
    Draft,
    FileLocation,
    PluginManifest,
    PluginStatus,
    Reprocess,
    RoutingRule,
    SourceRoot,
    TopicConfig,
)
from engine.paths import display
from engine.routing import Rule
from engine.service.drafts import active_version, sinks_of
from engine.service.names import approval_number, find_plugin, sentence
from engine.service.results import (
    ApprovalDetail,
    ApprovalPart,
    Approvals,
    Done,
    Effects,
    FindingPart,
    Publication,
    Validation,
)
from gatekeeper.artifact import make_artifact
from gatekeeper.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A draft, as it would take effect."""

    draft: str
    name: str
    version: int
    digest: str
    manifest: Manifest
    contract: dict[str, object]
    sinks: dict[str, list[str]]
    roots: list[int]


def publish_plugin(
    house: House,
    caller: Caller,
    *,
    draft: str,
    digest: str,
    version: int | None = None,
    reprocess: str = "new",
    note: str | None = None,
) -> Publication:
    """Put a validated draft in force, once a person has approved exactly this.

    Asking again for what is in force already changes nothing.
    """
    choice = _choice(reprocess)
    with house.catalog.writing() as session:
        standing = _in_force(session, draft, digest, version, choice)
        if standing is not None:
            return standing
        proposal = _proposal(session, draft, digest, version)
        effects = _effects(session, proposal, choice)
        approval = _approval(session, proposal, choice, effects)
        number = approval.id
        if approval.status is ApprovalStatus.WAITING and _host_decides(house, caller):
            _decide(session, approval, caller, yes=True, how="host confirmation")
        status = approval.status
    if status is ApprovalStatus.APPROVED:
        return _deploy(house, proposal, number, effects, note)
    return _undecided(house, proposal, number, effects, status)


def propose_plugin(
    house: House,
    caller: Caller,
    *,
    draft: str,
    digest: str,
    version: int | None = None,
    reprocess: str = "new",
) -> Publication:
    """What publishing would do and whether a person has decided; puts nothing in force."""
    choice = _choice(reprocess)
    with house.catalog.writing() as session:
        standing = _in_force(session, draft, digest, version, choice)
        if standing is not None:
            return standing
        proposal = _proposal(session, draft, digest, version)
        effects = _effects(session, proposal, choice)
        approval = _approval(session, proposal, choice, effects)
        number, status = approval.id, approval.status
    if status is ApprovalStatus.WAITING and _host_decides(house, caller):
        status = ApprovalStatus.APPROVED
    return _undecided(house, proposal, number, effects, status)


def _in_force(
    session: Session, draft: str, digest: str, version: int | None, choice: Reprocess
) -> Publication | None:
    """The publication that already answers this request."""
    query = (
        select(PluginManifest)
        .join(Approval, Approval.id == PluginManifest.approval_id)
        .where(
            PluginManifest.status == PluginStatus.ACTIVE,
            Approval.draft_id == draft,
            Approval.digest == digest,
            Approval.reprocess == choice.value,
        )
    )
    row = session.scalar(query)
    if row is None or version not in (None, row.version):
        return None
    return Publication(
        summary=f"{row.name}@{row.version} is in force.",
        status="published",
        plugin=row.name,
        version=row.version,
        next_steps=[f'get_jobs(plugin="{row.name}@{row.version}", wait_s=20)'],
    )


def _undecided(
    house: House, proposal: _Proposal, number: int, effects: Effects, status: ApprovalStatus
) -> Publication:
    """What to tell a caller while nothing is in force."""
    name = f"{proposal.name}@{proposal.version}"
    common = {"plugin": proposal.name, "version": proposal.version, "effects": effects}
    if status is ApprovalStatus.DECLINED:
        return Publication.model_validate(
            {
                **common,
                "summary": f"A person declined {name}.",
                "status": "declined",
                "next_steps": ["ask the person why, change the draft, validate again"],
            }
        )
    if status is ApprovalStatus.APPROVED:
        return Publication.model_validate(
            {**common, "summary": f"{name} is approved.", "status": "approved"}
        )
    url = house.page_url(number)
    command = f"casparian approve approval-{number}"
    where = f"at {url} or with `{command}`" if url else f"with `{command}`"
    return Publication.model_validate(
        {
            **common,
            "summary": f"{name} waits for a person's approval, {where}.",
            "status": "approval_required",
            "approval": ApprovalPart(id=f"approval-{number}", command=command, url=url),
            "review": _review_text(house, number),
            "next_steps": [
                "tell the person where to approve",
                "then call publish_plugin again, unchanged",
            ],
        }
    )


def _host_decides(house: House, caller: Caller) -> bool:
    """Whether the operator lets the agent's host confirm in a person's place."""
    return caller.door == "mcp" and house.settings.approval == "host"


def _choice(text: str) -> Reprocess:
    try:
        return Reprocess(text)
    except ValueError as error:
        raise ConfigError(
            f"reprocess {text!r} is not one of {', '.join(one.value for one in Reprocess)}"
        ) from error


def _proposal(session: Session, draft: str, digest: str, version: int | None) -> _Proposal:
    row = session.get(Draft, draft)
    if row is None:
        raise NotFound(f"no draft {draft!r}", hint="Draft one first: `casparian draft FILE`.")
    if row.digest is None or row.report is None or row.lockfile is None:
        raise ApprovalError(
            f"{draft} has not passed validation in its present revision {row.revision}",
            hint=f"Validate it first: `casparian validate {draft}`.",
        )
    if row.digest != digest:
        raise ApprovalError(
            f"digest {digest[:12]} is not what was validated ({row.digest[:12]})",
            hint=f"Validate again and use its digest: `casparian validate {draft}`.",
        )
    manifest = read_manifest(str(row.files["plugin.py"]))
    newest = active_version(session, row.name)
    wanted = version if version is not None else newest + 1
    if wanted <= newest:
        raise ConfigError(
            f"{row.name}@{wanted} is not higher than {row.name}@{newest}",
            hint=f"Versions only rise: leave the version out, or take {newest + 1}.",
        )
    locations = session.scalars(
        select(FileLocation.root_id).where(FileLocation.id.in_(row.samples)).distinct()
    )
    return _Proposal(
        draft=draft,
        name=row.name,
        version=wanted,
        digest=digest,
        manifest=manifest,
        contract=cast("dict[str, object]", row.report["contract"]),
        sinks=sinks_of(session, manifest),
        roots=sorted(locations),
    )


def _effects(session: Session, proposal: _Proposal, choice: Reprocess) -> Effects:
    for topic in proposal.manifest.topics:
        config = session.get(TopicConfig, topic)
        if config is not None and config.plugin != proposal.name:
            raise ConfigError(
                f"topic {topic} is fed by plugin {config.plugin}",
                hint="Choose another topic name, or retire that plugin first.",
            )
    matches = reprocess.matching_files(session, proposal.manifest.pattern, proposal.roots)
    wanted = reprocess.chosen(session, matches, plugin=proposal.name, choice=choice)
    roots = [display(session.get_one(SourceRoot, one).path) for one in proposal.roots]
    return Effects(
        files=len(matches),
        bytes=sum(match.size for match in matches),
        topics=list(proposal.manifest.topics),
        jobs=len(wanted),
        roots=roots,
    )


def _approval(
    session: Session, proposal: _Proposal, choice: Reprocess, effects: Effects
) -> Approval:
    """The approval for exactly this; asked for now if it was not before."""
    known = session.scalar(
        select(Approval)
        .where(
            Approval.draft_id == proposal.draft,
            Approval.digest == proposal.digest,
            Approval.version == proposal.version,
            Approval.reprocess == choice.value,
            Approval.status != ApprovalStatus.USED,
        )
        .order_by(Approval.id.desc())
    )
    if known is not None:
        return known
    approval = Approval(
        draft_id=proposal.draft,
        digest=proposal.digest,
        version=proposal.version,
        reprocess=choice.value,
        status=ApprovalStatus.WAITING,
        effects={"roots": proposal.roots, "shown": effects.model_dump()},
        created=datetime.now(UTC),
    )
    session.add(approval)
    session.flush()
    return approval


def _deploy(
    house: House, proposal: _Proposal, approval_id: int, effects: Effects, note: str | None
) -> Publication:
    """Hash what it will read, sign, and hand it to the Sentinel."""
    tag = (proposal.manifest.subscriptions or proposal.manifest.topics)[0]
    rules = [Rule(proposal.manifest.pattern, tag)]
    for root_id in proposal.roots:
        tagger.tag_dirty(house.catalog, root_id, extra_rules=rules)
    with house.catalog.reading() as session:
        row = session.get_one(Draft, proposal.draft)
        files = {name: str(text) for name, text in row.files.items()}
        lockfile = row.lockfile or b""
    artifact = make_artifact({name: text.encode() for name, text in files.items()}, lockfile)
    envelope = publisher.sign_artifact(
        artifact,
        keys=house.home.keys,
        plugin=proposal.name,
        version=proposal.version,
        audience=house.catalog.installation_id,
        publisher=publisher.who(),
        contract=proposal.contract,
        sinks=proposal.sinks,
    )
    body = Deploy(
        files=files,
        lockfile=lockfile,
        envelope=envelope,
        contract=proposal.contract,
        sinks=proposal.sinks,
        approval_id=approval_id,
        note=note,
    )
    deployed = publisher.deploy(house.home.sentinel_socket, body)
    house.changes.announce()
    plugin = f"{deployed.plugin}@{deployed.version}"
    return Publication(
        summary=f"{plugin} is in force: {sentence(deployed.jobs, 'job')} queued.",
        status="published",
        plugin=deployed.plugin,
        version=deployed.version,
        effects=effects,
        next_steps=[
            f'get_jobs(plugin="{plugin}", wait_s=20)',
            f'query(sql="SELECT * FROM {proposal.manifest.topics[0]} LIMIT 10")',  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
        ],
    )


def approve(
    house: House, caller: Caller, *, approval: str, digest: str | None = None, how: str = "command"
) -> Done:
    """A person says yes; `digest` makes sure it is to what they saw."""
    return _settle(house, caller, approval, digest, how, yes=True)


def decline(
    house: House, caller: Caller, *, approval: str, digest: str | None = None, how: str = "command"
) -> Done:
    """A person says no."""
    return _settle(house, caller, approval, digest, how, yes=False)


def _settle(
    house: House, caller: Caller, approval: str, digest: str | None, how: str, *, yes: bool
) -> Done:
    if caller.door == "mcp" and how != "host form":
        raise ApprovalError("an agent cannot approve", hint="Ask the person to approve.")
    with house.catalog.writing() as session:
        row = session.get(Approval, approval_number(approval))
        if row is None:
            raise NotFound(f"no {approval}", hint="List them: `casparian approve`.")
        if digest is not None and row.digest != digest:
            raise ApprovalError(f"{approval} is for digest {row.digest[:12]}, not {digest[:12]}")
        if row.status is not ApprovalStatus.WAITING:
            raise ApprovalError(
                f"approval-{row.id} is {row.status.value.lower()} already",
                hint="Publish again to ask anew.",
            )
        if caller.door == "mcp" and house.settings.approval == "person":
            raise ApprovalError("this installation wants every approval out of band")
        _decide(session, row, caller, yes=yes, how=how)
        draft, number, digest_in_full = row.draft_id, row.id, row.digest
    house.changes.announce()
    word = "approved" if yes else "declined"
    step = f"casparian publish {draft} --digest {digest_in_full}"
    return Done(
        summary=f"approval-{number} for {draft} is {word}.", next_steps=[step] if yes else []
    )


def _decide(session: Session, row: Approval, caller: Caller, *, yes: bool, how: str) -> None:
    row.status = ApprovalStatus.APPROVED if yes else ApprovalStatus.DECLINED
    row.decided_by, row.decided_how = caller.person, f"{caller.door}: {how}"
    row.decided = now = datetime.now(UTC)
    audit.record(
        session,
        actor=caller.person,
        action="approve" if yes else "decline",
        subject=f"approval-{row.id}",
        facts={"draft": row.draft_id, "digest": row.digest, "how": row.decided_how},
        now=now,
    )


def approvals(
    house: House, _caller: Caller, *, approval: str | None = None, waiting: bool = True
) -> Approvals:
    """Approvals with everything a person needs to decide."""
    with house.catalog.reading() as session:
        query = select(Approval).order_by(Approval.id.desc()).limit(50)
        if approval is not None:
            query = query.where(Approval.id == approval_number(approval))
        elif waiting:
            query = query.where(Approval.status == ApprovalStatus.WAITING)
        found = [_detail(session, row) for row in session.scalars(query)]
    if approval is not None and not found:
        raise NotFound(f"no {approval}", hint="List them: `casparian approve`.")
    return Approvals(
        summary=f"{sentence(len(found), 'approval')}.",
        approvals=found,
        next_steps=[f"casparian approve {one.id}" for one in found[:1] if one.status == "waiting"],
    )


def _detail(session: Session, row: Approval) -> ApprovalDetail:
    draft = session.get_one(Draft, row.draft_id)
    report = draft.report or {}
    validation = report.get("validation")
    checked = Validation.model_validate(validation) if validation else None
    changed = "" if draft.digest == row.digest else " The draft has changed since."
    findings: list[FindingPart] = checked.findings if checked else []
    return ApprovalDetail(
        summary=f"{draft.name}@{row.version} from {row.draft_id}: {row.status.value.lower()}."
        + changed,
        id=f"approval-{row.id}",
        status=row.status.value.lower(),
        draft=row.draft_id,
        plugin=draft.name,
        version=row.version,
        digest=row.digest,
        reprocess=row.reprocess,
        effects=Effects.model_validate(row.effects["shown"]),
        source={name: str(text) for name, text in draft.files.items()},
        findings=findings,
        validation=checked,
        dependencies=draft.dependencies,
    )


def _review_text(house: House, number: int) -> str:
    """The text a person is shown; the same for the same proposal."""
    with house.catalog.reading() as session:
        detail = _detail(session, session.get_one(Approval, number))
    return review_of(detail)


def review_of(detail: ApprovalDetail) -> str:
    """What is to be approved, in plain words; deterministic."""
    effects = detail.effects
    lines = [
        f"Publish plugin {detail.plugin}@{detail.version} from {detail.draft}?",
        f"It reads {effects.files} files ({effects.bytes} bytes) below {', '.join(effects.roots)},",
        (
            f"publishes to {', '.join(effects.topics)}, and queues {effects.jobs} jobs"
            f" (reprocess: {detail.reprocess})."
        ),
        f"Dependencies: {', '.join(detail.dependencies) or 'none'}.",
        f"Gatekeeper findings: {len(detail.findings)}.",
    ]
    if detail.validation is not None:
        lines.append(f"Validation: {detail.validation.summary}")
    lines.append(f"Digest of everything that takes effect: {detail.digest}")
    for name, text in _escaped(detail.source).items():
        lines += [f"--- {name} ---", text]
    return "\n".join(lines)


def _escaped(source: Mapping[str, str]) -> dict[str, str]:
    """Sources as text that cannot restyle a terminal or reorder itself."""
    return {
        name: "\n".join(display(line.encode()) for line in text.split("\n"))
        for name, text in source.items()
    }


def retire(house: House, caller: Caller, *, plugin: str) -> Done:
    """Take a plugin out of force; its rows stay, its waiting jobs do not run."""
    with house.catalog.writing() as session:
        row = find_plugin(session, plugin)
        if row.status is not PluginStatus.ACTIVE:
            raise ConfigError(f"{row.name}@{row.version} is {row.status.value}, not ACTIVE")
        row.status = PluginStatus.RETIRED
        ids = list(
            session.scalars(select(PluginManifest.id).where(PluginManifest.name == row.name))
        )
        stopped = queue.cancel_waiting_of(session, ids)
        for rule in session.scalars(select(RoutingRule).where(RoutingRule.plugin == row.name)):
            session.delete(rule)
        for config in session.scalars(select(TopicConfig).where(TopicConfig.plugin == row.name)):
            session.delete(config)
        name = f"{row.name}@{row.version}"
        audit.record(
            session,
            actor=caller.person,
            action="retire",
            subject=name,
            facts={"waiting_jobs": stopped},
            now=datetime.now(UTC),
        )
    house.changes.announce()
    return Done(
        summary=f"{name} is retired; its rows stay, {sentence(stopped, 'waiting job')} dropped.",
        next_steps=[f"casparian plugins {row.name}"],
    )

"""From a validated draft to a plugin in force: propose, sign, deploy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import ApprovalError, ConfigError, NotFound
from engine import publisher, reprocess
from engine.control import Caller
from engine.house import House
from engine.messages import Deploy
from engine.models import (
    Approval,
    Draft,
    FileLocation,
    PluginManifest,
    SourceRoot,
)
from engine.paths import display
from engine.routing import Rule
from engine.service.approving import decide, review_text
from engine.service.drafts import active_version, sinks_of
from engine.service.names import sentence
from engine.service.replacing import replacement
from engine.service.results import (
    ApprovalPart,
    Effects,
    Proposal,
    Publication,
)
from engine.states import ApprovalStatus, PluginStatus, Reprocess
from engine.topics import next_contracts, require_same_sinks, tags_of
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
    decisions: list[str]
    """What a topic's policy leaves to a person."""
    replaces: str | None
    """What this takes the place of, in words."""


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

    Asking again for what is in force already changes nothing. What a person declined stays
    declined until a person approves it; asking again asks nobody.
    """
    choice = _choice(reprocess)
    with house.catalog.writing() as session:
        standing = _in_force(session, draft, digest, version, choice)
        if standing is not None:
            return standing
        proposal = _proposal(session, draft, digest, version)
        effects = _effects(session, proposal, choice)
        approval = _approval(session, proposal, choice, effects, caller)
        number = approval.id
        if approval.status is ApprovalStatus.WAITING and _host_decides(house, caller, proposal):
            decide(session, approval, caller, yes=True, how="host confirmation")
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
) -> Proposal:
    """What publishing would do and whether a person has decided; puts nothing in force."""
    choice = _choice(reprocess)
    form = house.settings.approval != "person"
    with house.catalog.writing() as session:
        standing = _in_force(session, draft, digest, version, choice)
        if standing is not None:
            return Proposal(**standing.model_dump(), form=form)
        proposal = _proposal(session, draft, digest, version)
        effects = _effects(session, proposal, choice)
        approval = _approval(session, proposal, choice, effects, caller)
        number, status = approval.id, approval.status
    if status is ApprovalStatus.WAITING and _host_decides(house, caller, proposal):
        status = ApprovalStatus.APPROVED
    undecided = _undecided(house, proposal, number, effects, status)
    return Proposal(**undecided.model_dump(), form=form)


def _in_force(
    session: Session, draft: str, digest: str, version: int | None, choice: Reprocess
) -> Publication | None:
    """The publication that already answers this request.

    The same code over sample files in one more folder is a new request.
    """
    query = (
        select(PluginManifest, Approval)
        .join(Approval, Approval.id == PluginManifest.approval_id)
        .where(
            PluginManifest.status == PluginStatus.ACTIVE,
            Approval.draft_id == draft,
            Approval.digest == digest,
            Approval.reprocess == choice.value,
        )
    )
    found = session.execute(query).first()
    if found is None or version not in (None, found[0].version):
        return None
    row, approval = found[0], found[1]
    now = session.get(Draft, draft)
    covered = cast("list[int]", approval.effects["roots"])
    if now is not None and now.digest == digest and not set(_roots(session, now)) <= set(covered):
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
    url = house.page_url(number)
    command = f"casparian approve approval-{number}"
    where = f"at {url} or with `{command}`" if url else f"with `{command}`"
    first = f"{proposal.replaces} " if proposal.replaces else ""
    common = {
        "plugin": proposal.name,
        "version": proposal.version,
        "effects": effects,
        "approval": ApprovalPart(id=f"approval-{number}", command=command, url=url),
    }
    if status is ApprovalStatus.DECLINED:
        return Publication.model_validate(
            {
                **common,
                "summary": f"A person declined {name}; a person can still approve it, {where}.",
                "status": "declined",
                "next_steps": [
                    "ask the person why, change the draft, validate again",
                    "calling publish_plugin again, unchanged, asks nobody",
                ],
            }
        )
    if status is ApprovalStatus.APPROVED:
        return Publication.model_validate(
            {**common, "summary": f"{name} is approved.", "status": "approved"}
        )
    return Publication.model_validate(
        {
            **common,
            "summary": f"{first}{name} waits for a person's approval, {where}.",
            "status": "approval_required",
            "review": review_text(house, number),
            "next_steps": [
                "tell the person where to approve",
                "then call publish_plugin again, unchanged",
            ],
        }
    )


def _host_decides(house: House, caller: Caller, proposal: _Proposal) -> bool:
    """Whether the operator lets the agent's host confirm in a person's place."""
    return caller.door == "mcp" and house.settings.approval == "host" and not proposal.decisions


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
    roots, contract = _roots(session, row), cast("dict[str, object]", row.report["contract"])
    sinks = sinks_of(session, row, manifest)
    next_contracts(session, row.name, topics=manifest.topics, contract=contract)
    require_same_sinks(session, row.name, topics=manifest.topics, sinks=sinks)
    replaces = replacement(
        session, row.name, pattern=manifest.pattern, roots=roots, contract=contract, sinks=sinks
    )
    return _Proposal(
        draft=draft,
        name=row.name,
        version=wanted,
        digest=digest,
        manifest=manifest,
        contract=contract,
        sinks=sinks,
        decisions=cast("list[str]", row.report.get("decisions") or []),
        roots=roots,
        replaces=replaces,
    )


def _roots(session: Session, draft: Draft) -> list[int]:
    """The granted folders that the samples of a draft lie in."""
    roots = session.scalars(
        select(FileLocation.root_id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(FileLocation.id.in_(draft.samples), SourceRoot.removed.is_(None))
        .distinct()
    )
    return sorted(roots)


def _effects(session: Session, proposal: _Proposal, choice: Reprocess) -> Effects:
    matches = reprocess.matching_files(session, proposal.manifest.pattern, proposal.roots)
    choices = {
        one.value: len(reprocess.chosen(session, matches, plugin=proposal.name, choice=one))
        for one in Reprocess
    }
    roots = [display(session.get_one(SourceRoot, one).path) for one in proposal.roots]
    return Effects(
        files=len(matches),
        bytes=sum(match.size for match in matches),
        topics=list(proposal.manifest.topics),
        jobs=choices[choice.value],
        choices=choices,
        roots=roots,
        sinks=sorted({uri for uris in proposal.sinks.values() for uri in uris}),
    )


def _approval(
    session: Session, proposal: _Proposal, choice: Reprocess, effects: Effects, caller: Caller
) -> Approval:
    """The approval for exactly this; asked for now if it was not before.

    To an agent a decline of the same digest holds whatever version and reprocess it asks for.
    """
    known = session.scalars(
        select(Approval)
        .where(
            Approval.draft_id == proposal.draft,
            Approval.digest == proposal.digest,
            Approval.status != ApprovalStatus.USED,
        )
        .order_by(Approval.id.desc())
    ).all()
    for one in known:
        same = (one.version, one.reprocess) == (proposal.version, choice.value)
        if same and one.effects["roots"] == proposal.roots:
            return one
    if known and known[0].status is ApprovalStatus.DECLINED and caller.door == "mcp":
        return known[0]
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
    tag = tags_of(proposal.name, proposal.manifest.subscriptions)[0]
    rules = [Rule(proposal.manifest.pattern, tag)]
    for root_id in proposal.roots:
        house.scanner.tag(root_id, rules, plugin=proposal.name)
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

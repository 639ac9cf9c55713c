"""Ask a person, show them everything, record their yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import ApprovalError, NotFound
from engine import audit
from engine.control import Caller
from engine.house import House
from engine.models import (
    Approval,
    Draft,
)
from engine.paths import harmless
from engine.service.differences import against_active
from engine.service.drafts import active_version, sinks_of
from engine.service.names import approval_number, sentence
from engine.service.replacing import replacement
from engine.service.results import (
    ApprovalDetail,
    Approvals,
    Done,
    Effects,
    FindingPart,
    Validation,
)
from engine.states import ApprovalStatus, Reprocess
from gatekeeper.manifest import read_manifest

_YES_FROM = (ApprovalStatus.WAITING, ApprovalStatus.DECLINED)
"""A person may change their mind, either way, until the yes is used."""
_NO_FROM = (ApprovalStatus.WAITING, ApprovalStatus.APPROVED)


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
        if row.status not in (_YES_FROM if yes else _NO_FROM):
            raise ApprovalError(
                f"approval-{row.id} is {row.status.value.lower()} already",
                hint="Publish again to ask anew."
                if yes
                else "What is in force goes out of it with `casparian retire PLUGIN`.",
            )
        if caller.door == "mcp" and row.status is not ApprovalStatus.WAITING:
            raise ApprovalError(
                f"a person decided approval-{row.id} already",
                hint=f"Only a person changes that: `casparian approve approval-{row.id}`.",
            )
        if yes and session.get_one(Draft, row.draft_id).digest != row.digest:
            raise ApprovalError(
                f"{row.draft_id} has changed since approval-{row.id} was asked for",
                hint=f"Look at it again: `casparian validate {row.draft_id}`, then publish anew.",
            )
        if caller.door == "mcp" and house.settings.approval == "person":
            raise ApprovalError("this installation wants every approval out of band")
        decide(session, row, caller, yes=yes, how=how)
        draft, number, step = row.draft_id, row.id, _publish_command(session, row)
    house.changes.announce()
    if not yes:
        return Done(
            summary=f"approval-{number} for {draft} is declined; nothing was published.",
            next_steps=[f"casparian approve approval-{number}"],
        )
    return Done(
        summary=f"approval-{number} for {draft} is approved. That does not publish it yet:"
        f" `{step}` does, or the agent's next call.",
        next_steps=[step],
    )


def _publish_command(session: Session, row: Approval) -> str:
    """The command that publishes exactly what this approval is for."""
    words = ["casparian publish", row.draft_id]
    draft = session.get_one(Draft, row.draft_id)
    if row.version != active_version(session, draft.name) + 1:
        words.append(f"--version {row.version}")
    if row.reprocess != Reprocess.NEW.value:
        words.append(f"--reprocess {row.reprocess}")
    return " ".join(words)


def decide(session: Session, row: Approval, caller: Caller, *, yes: bool, how: str) -> None:
    """Write a decision down, and into the audit log."""
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
        found = [_open_to(session, house, row) for row in session.scalars(query)]
    if approval is not None and not found:
        raise NotFound(f"no {approval}", hint="List them: `casparian approve`.")
    return Approvals(
        summary=f"{sentence(len(found), 'approval')}.",
        approvals=found,
        next_steps=[f"casparian approve {one.id}" for one in found[:1] if one.status == "waiting"],
    )


def _open_to(session: Session, house: House, row: Approval) -> ApprovalDetail:
    """An approval, with where it is decided or what comes after it."""
    detail = _detail(session, row)
    if detail.status == "approved":
        detail.next_steps = [_publish_command(session, row)]
    if detail.status in ("waiting", "declined"):
        detail.url = house.page_url(row.id)
        detail.next_steps = [f"casparian approve {detail.id}"]
    return detail


def _detail(session: Session, row: Approval) -> ApprovalDetail:
    draft = session.get_one(Draft, row.draft_id)
    if draft.digest != row.digest and row.status in _YES_FROM:
        return _stale(draft, row)
    report = draft.report or {}
    validation = report.get("validation")
    checked = Validation.model_validate(validation) if validation else None
    findings: list[FindingPart] = checked.findings if checked else []
    return ApprovalDetail(
        summary=f"{draft.name}@{row.version} from {row.draft_id}: {row.status.value.lower()}.",
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
        diff=_diff(session, draft, row),
        replaces=_replaces(session, draft, row),
        instead=_instead(Effects.model_validate(row.effects["shown"])),
    )


def _instead(effects: Effects) -> str | None:
    """What each choice of reprocess would do; nothing where files were never read before."""
    choices = effects.choices
    if choices.get("new") == choices.get("all"):
        return None
    words = {"failed": "failed or with records set aside"}
    listed = ", ".join(f"{words.get(name, name)} {count}" for name, count in choices.items())
    return f"Jobs by choice of reprocess: {listed}."


def _diff(session: Session, draft: Draft, row: Approval) -> str | None:
    """The difference as it stands now: another version may be in force than at validation."""
    if row.status is ApprovalStatus.USED or draft.digest != row.digest:
        return None
    if draft.report is None or draft.lockfile is None:
        return None
    manifest = read_manifest(str(draft.files["plugin.py"]))
    return against_active(
        session,
        draft,
        lockfile=draft.lockfile,
        manifest=manifest,
        contract=cast("dict[str, object]", draft.report["contract"]),
        sinks=sinks_of(session, draft, manifest),
    )


def _replaces(session: Session, draft: Draft, row: Approval) -> str | None:
    """What this would replace as things stand now."""
    if row.status is ApprovalStatus.USED or draft.digest != row.digest or draft.report is None:
        return None
    manifest = read_manifest(str(draft.files["plugin.py"]))
    return replacement(
        session,
        draft.name,
        pattern=manifest.pattern,
        roots=cast("list[int]", row.effects["roots"]),
        contract=cast("dict[str, object]", draft.report["contract"]),
        sinks=sinks_of(session, draft, manifest),
    )


def _stale(draft: Draft, row: Approval) -> ApprovalDetail:
    """Nothing of a draft that is no longer the one to be approved: it must not lend its face."""
    return ApprovalDetail(
        summary=f"{row.draft_id} has changed since this was asked for; publish it again.",
        id=f"approval-{row.id}",
        status="stale",
        draft=row.draft_id,
        plugin=draft.name,
        version=row.version,
        digest=row.digest,
        reprocess=row.reprocess,
        effects=Effects.model_validate(row.effects["shown"]),
        source={},
        findings=[],
        validation=None,
        dependencies=[],
    )


def review_text(house: House, number: int) -> str:
    """The text a person is shown; the same for the same proposal."""
    with house.catalog.reading() as session:
        detail = _detail(session, session.get_one(Approval, number))
    return review_of(detail)


def review_of(detail: ApprovalDetail) -> str:
    """What is to be approved, in plain words; deterministic."""
    effects = detail.effects
    lines = [
        *([detail.replaces] if detail.replaces else []),
        f"Publish plugin {detail.plugin}@{detail.version} from {detail.draft}?",
        f"It reads {effects.files} files ({effects.bytes} bytes) below {', '.join(effects.roots)},",
        (
            f"publishes to {', '.join(effects.topics)}, and queues {effects.jobs} jobs"
            f" (reprocess: {detail.reprocess})."
        ),
        *([detail.instead] if detail.instead else []),
        *(detail.validation.agreement if detail.validation is not None else []),
        f"Delivered to the lake{''.join(f' and {uri}' for uri in effects.sinks)}.",
        f"Dependencies: {', '.join(detail.dependencies) or 'none'}.",
        f"Gatekeeper findings: {len(detail.findings)}.",
    ]
    if detail.validation is not None:
        lines.append(f"Validation: {detail.validation.summary}")
    lines.append(f"Digest of everything that takes effect: {detail.digest}")
    if detail.diff is not None:
        lines += ["--- what changes ---", harmless(detail.diff, lines=True)]
    for name, text in _escaped(detail.source).items():
        lines += [f"--- {name} ---", text]
    return "\n".join(lines)


def _escaped(source: Mapping[str, str]) -> dict[str, str]:
    """Sources as text that cannot restyle a terminal or reorder itself."""
    return {harmless(name): harmless(text, lines=True) for name, text in source.items()}

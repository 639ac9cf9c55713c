"""Run a draft over real files, confined; nothing is put in force."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from engine import publisher
from engine.agreements import Standing
from engine.architect import digest_in_force
from engine.comparing import Difference
from engine.contracts import Terms, schema_in
from engine.control import Caller, Progress
from engine.folding import Report, fold
from engine.house import House
from engine.journal import Journal
from engine.models import Draft
from engine.observed import could_be_stated
from engine.service.agreeing import Agreement, agreement, standings
from engine.service.choosing import as_inputs, chosen_files, count_matching
from engine.service.differences import against_active
from engine.service.drafts import (
    gated,
    known_draft,
    location_of,
    samples_missed,
    sinks_of,
)
from engine.service.names import active_plugin, sentence
from engine.service.replacing import read_twice, replacement
from engine.service.results import (
    FailedFile,
    FailureCause,
    FindingPart,
    Quarantined,
    TopicChanges,
    TopicRows,
    Validation,
)
from engine.service.trying import run_trial
from engine.waiting import result_within
from gatekeeper.artifact import Artifact, artifact_hash, make_artifact
from gatekeeper.manifest import Manifest

_MOST_FILES = 10_000


def validate_plugin(
    house: House,
    _caller: Caller,
    *,
    draft: str,
    files: list[str] | None = None,
    max_files: int = 5,
    all_files: bool = False,
    wait_s: float = 25,
    progress: Progress,
) -> Validation:
    """Gate a draft, then run it, confined, over real files; nothing is promoted."""
    with house.catalog.reading() as session:
        row = known_draft(session, draft)
        assert row is not None  # noqa: S101 - draft is a str here, so it was found
        sources = {name: str(text) for name, text in row.files.items()}
        unmatched = samples_missed(session, sources["plugin.py"], row.samples)
        ids = chosen_files(session, row, files, _MOST_FILES if all_files else max_files)
        asked = _Asked(
            as_inputs(session, ids, active_plugin(session, row.name)),
            total=count_matching(session, row),
            all_files=all_files,
        )
        key = f"{draft}:{row.revision}:{','.join(one['key'] for one in asked.inputs)}"
    manifest, findings = gated(sources)
    findings += unmatched
    if findings or manifest is None:
        return _refused(draft, manifest, findings)
    journal = _journal(house, draft, key if files or not all_files else "")
    future = house.trials.start(
        key, lambda stop: _try(house, draft, asked, manifest, journal, stop)
    )
    try:
        report = result_within(
            future,
            wait_s,
            lambda: progress("trying the draft on real files", *_progress(journal, asked)),
        )
    finally:
        if future.done():
            house.trials.forget(key)
    if report is None:
        return Validation(
            summary="The draft's environment is being built and the files are being tried.",
            draft=draft,
            ok=False,
            state="running",
            manifest=manifest.to_json(),
            next_steps=[f'validate_plugin(draft="{draft}") again picks the run up'],
        )
    return report


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a draft is tried on."""

    inputs: list[Any]
    total: int
    """Files it would read, tried or not."""
    all_files: bool

    @property
    def keys(self) -> set[str]:
        """What the files are called in a journal."""
        return {str(one["key"]) for one in self.inputs}


def _journal(house: House, draft: str, run: str) -> Path:
    """Where the outcomes of a run are kept: of a backtest by the draft, so that it is resumed."""
    name = hashlib.sha256(run.encode()).hexdigest()[:16] if run else "all"
    return house.home.drafts / draft / f"{name}.jsonl"


def _refused(draft: str, manifest: Manifest | None, findings: list[FindingPart]) -> Validation:
    return Validation(
        summary=f"The gatekeeper has {sentence(len(findings), 'finding')}; nothing was run.",
        draft=draft,
        ok=False,
        state="rejected",
        findings=findings,
        manifest=manifest.to_json() if manifest else None,
        next_steps=[f'draft_plugin(draft="{draft}", source=...) with the findings mended'],
    )


def _try(
    house: House,
    draft: str,
    asked: _Asked,
    manifest: Manifest,
    journal: Path,
    stop: threading.Event,
) -> Validation:
    with house.catalog.reading() as session:
        row = session.get_one(Draft, draft)
        sources, dependencies = dict(row.files), list(row.dependencies)
        revision, lockfile = row.revision, row.lockfile
        before = standings(session, row.name, manifest.topics)
    lockfile = lockfile or publisher.lock(dependencies)
    artifact = make_artifact({n: str(t).encode() for n, t in sources.items()}, lockfile)
    path = journal.with_suffix(f".{_run(house, artifact, before)}.jsonl")
    if not asked.all_files:
        path.unlink(missing_ok=True)  # a few files are tried anew each time
    run_trial(
        house, artifact, topics=manifest.topics, inputs=_inputs(house, asked), journal=path,
        may_stop=asked.all_files, standings=before, stop=stop,
    )  # fmt: skip
    found = Journal(path)
    report = fold(found.of(asked.keys))
    with house.catalog.writing() as session:
        row = session.get_one(Draft, draft)
        agreed = agreement(session, row.name, report.schemas)
        roots = sorted({location_of(session, one)[1].id for one in row.samples})
        agreed.decisions += read_twice(
            session, row.name, topics=list(report.schemas), pattern=manifest.pattern, roots=roots
        )
        contract = agreed.contract
        sinks = sinks_of(session, row, manifest)
        digest = digest_in_force(artifact, contract=contract, sinks=sinks)
        result = _validation(draft, report, manifest, digest, agreed, asked)
        result.log = found.log() or None
        result.diff = against_active(
            session, row, lockfile=lockfile, manifest=manifest, contract=contract, sinks=sinks
        )
        if row.revision == revision:
            row.lockfile = lockfile
            row.digest = digest if result.ok else None
            row.report = {
                "contract": contract,
                "decisions": agreed.decisions,
                "validation": result.model_dump(),
            }
        replaced = replacement(
            session, row.name, pattern=manifest.pattern, roots=roots, contract=contract, sinks=sinks
        )
        if replaced and result.ok:
            result.summary = f"{replaced} {result.summary}"
    return result


def _progress(journal: Path, asked: _Asked) -> tuple[int, int]:
    """Files tried so far, of how many."""
    runs = journal.parent.glob(f"{journal.stem}.*.jsonl")
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    tried = 0 if newest is None else sum(1 for _ in Journal(newest).of(asked.keys))
    return tried, len(asked.inputs)


def _inputs(house: House, asked: _Asked) -> list[Any]:
    """The files as the trial takes them: lake files by their whole path."""
    lake = house.home.lake
    return [
        {**one, "before": {t: [str(lake / p) for p in paths] for t, paths in one["before"].items()}}
        for one in asked.inputs
    ]


def _run(house: House, artifact: Artifact, before: Mapping[str, Standing]) -> str:
    """A name for all that the outcomes depend on, but for the files and what is in force."""
    settings = house.settings
    held_to = [f"{topic} {one}" for topic, one in sorted(before.items())]
    limits = [
        settings.quarantine_most,
        settings.quarantine_share,
        settings.job_timeout_s,
        settings.guest_memory_mb,
        settings.scratch_mb,
    ]
    told = f"{artifact_hash(artifact)} {held_to} {limits}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _validation(
    draft: str, report: Report, manifest: Manifest, digest: str, agreed: Agreement, asked: _Asked
) -> Validation:
    topics = [
        TopicRows(
            topic=topic,
            columns=schema.names,
            types=[str(kind) for kind in schema.types],
            rows=[[row.get(name) for name in schema.names] for row in report.sample.get(topic, [])],
            row_count=report.rows.get(topic, 0),
        )
        for topic, terms in agreed.contract.items()
        for schema in (schema_in(cast("Terms", terms)),)
    ]
    tried = report.passed + len(report.failed)
    rows = sum(report.rows.values())
    stopped = asked.all_files and tried < len(asked.inputs)
    # In a backtest some files may fail: a person sees which, and they would fail in production.
    failed_anew = len(report.failed) - report.failed_before
    may_fail = asked.all_files and not stopped and failed_anew < report.passed
    is_good = report.passed > 0 and rows > 0 and (not report.failed or may_fail)
    ok = is_good and not agreed.refusals
    steps = [f'publish_plugin(draft="{draft}", digest="{digest}")'] if ok else []
    if is_good and not ok:
        steps = [
            f"a person may let it in: `casparian contract {one} --policy ask`"
            for one in list(agreed.contract)[:1]
        ]
    elif not ok:
        steps = [f'draft_plugin(draft="{draft}", source=...) with the failures mended']
    return Validation(
        summary=_summary(report, asked, agreed, stopped=stopped),
        draft=draft,
        ok=ok,
        state="stopped" if stopped else "done",
        manifest=manifest.to_json(),
        contract={topic: _columns(entry) for topic, entry in agreed.contract.items()},
        agreement=[
            *(f"REFUSED: {one}" for one in agreed.refusals),
            *(f"TO DECIDE: {one}" for one in agreed.decisions),
            *agreed.changes,
            *_could_be_stated(report),
        ],
        rows=topics,
        quarantined=[Quarantined(**one) for one in report.aside],
        quarantined_count=sum(report.codes.values()),
        quarantined_by=report.codes,
        failed=[FailedFile(**one) for one in report.failed[:20]],
        causes=[
            FailureCause(cause=c.cause, files=c.files, file=c.example_file, example=c.example)
            for c in sorted(report.causes.values(), key=lambda cause: -cause.files)[:10]
        ],
        changes=[
            TopicChanges(topic=topic, **_limited(change))
            for topic, change in report.changes.items()
        ],
        files_passed=report.passed,
        files_tried=tried,
        files_matching=asked.total,
        level=report.level,
        digest=digest if ok else None,
        next_steps=steps,
    )


def _could_be_stated(report: Report) -> list[str]:
    told = [
        could_be_stated(topic, seen, files=report.passed) for topic, seen in report.observed.items()
    ]
    return [one for one in told if one is not None]


def _limited(change: Difference) -> dict[str, Any]:
    columns = sorted(change.columns.items(), key=lambda pair: -pair[1])[:20]
    return {**asdict(change), "columns": dict(columns)}


def _summary(report: Report, asked: _Asked, agreed: Agreement, *, stopped: bool) -> str:
    tried = report.passed + len(report.failed)
    rows, aside = sum(report.rows.values()), sum(report.codes.values())
    text = f"{report.passed} of {sentence(tried, 'file')} passed: {sentence(rows, 'row')}"
    text += f", {sentence(aside, 'record')} quarantined." if aside else "."
    if report.failed_before:
        text += f" The version in force fails on {report.failed_before:,} of the failed files, too."
    if stopped:
        text += f" Stopped early: the draft is plainly wrong for {len(report.failed)} of {tried}."
    elif tried < asked.total:
        text += f" {asked.total - tried:,} more match and were not tried."
    if report.passed and not rows:
        text += " No row was published, so there is nothing to approve."
    for one in agreed.refusals[:1]:
        text += f" It cannot be published: {one}"
    for topic, change in report.changes.items():
        text += (
            f" Against the version in force {topic} has {change.added:,} rows added,"
            f" {change.removed:,} removed, {change.changed:,} changed, {change.same:,} the same."
        )
        if change.by_order:
            text += (
                f" Of those changed, {change.by_order:,} name no line of their own and were paired"
                " by their order."
            )
    return text


def _columns(entry: object) -> list[str]:
    columns = cast("dict[str, list[dict[str, object]]]", entry)["columns"]
    return [f"{column['name']}: {column['type']}" for column in columns]

"""Run a draft over real files, confined; nothing is put in force."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import cast

from sqlalchemy.orm import Session

from casparian_flow.errors import (
    AdmissionError,
    CasparianError,
    error_from_code,
)
from engine import publisher, reprocess
from engine.architect import digest_in_force
from engine.control import Caller, Progress
from engine.house import House
from engine.models import Draft
from engine.paths import absolute, display
from engine.service.differences import against_active
from engine.service.drafts import (
    findings_of,
    known_draft,
    location_of,
    manifest_or_finding,
    samples_missed,
    sinks_of,
)
from engine.service.names import find_file, sentence
from engine.service.replacing import replacement
from engine.service.results import (
    FailedFile,
    FindingPart,
    Quarantined,
    TopicRows,
    Validation,
)
from engine.waiting import result_within
from gatekeeper.artifact import make_artifact
from gatekeeper.manifest import Manifest, read_manifest
from gatekeeper.rules import inspect_files

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
        inputs = _inputs(session, row, files, _MOST_FILES if all_files else max_files)
        key = f"{draft}:{row.revision}:{','.join(one['path'] for one in inputs)}"
    findings = findings_of(
        inspect_files({name: text.encode() for name, text in sources.items()}, entry="plugin.py")
    )
    manifest, trouble = manifest_or_finding(sources["plugin.py"])
    trouble += unmatched
    if findings or trouble or manifest is None:
        return _refused(draft, manifest, findings + trouble)
    future = house.trials.start(key, lambda: _try(house, draft, inputs, manifest))
    try:
        report = result_within(
            future, wait_s, lambda: progress("trying the draft on real files", 0, 0)
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


def _inputs(
    session: Session, row: Draft, files: list[str] | None, most: int
) -> list[dict[str, str]]:
    if files:
        ids = [find_file(session, name)[0].id for name in files]
    else:
        ids = list(row.samples)
        try:
            manifest = read_manifest(str(row.files["plugin.py"]))
        except AdmissionError:
            manifest = None
        if manifest is not None:
            roots = sorted({location_of(session, one)[1].id for one in row.samples})
            matching = reprocess.matching_files(session, manifest.pattern, roots)
            ids += [one.location_id for one in matching if one.location_id not in set(ids)]
    found = [location_of(session, one) for one in ids[: max(1, most)]]
    return [
        {
            "path": absolute(root.path, location.path).hex(),
            "sha256": "",
            "shown": display(location.path),
        }
        for location, root in found
    ]


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


def _try(house: House, draft: str, inputs: list[dict[str, str]], manifest: Manifest) -> Validation:
    with house.catalog.reading() as session:
        row = session.get_one(Draft, draft)
        sources, dependencies = dict(row.files), list(row.dependencies)
        revision, lockfile = row.revision, row.lockfile
    lockfile = lockfile or publisher.lock(dependencies)
    report = _run_trial(house, sources, lockfile, manifest, inputs)
    contract = cast("dict[str, object]", report.pop("contract"))
    artifact = make_artifact({n: str(t).encode() for n, t in sources.items()}, lockfile)
    with house.catalog.writing() as session:
        row = session.get_one(Draft, draft)
        sinks = sinks_of(session, row, manifest)
        digest = digest_in_force(artifact, contract=contract, sinks=sinks)
        result = _validation(draft, report, manifest, contract, digest)
        result.diff = against_active(
            session, row, lockfile=lockfile, manifest=manifest, contract=contract, sinks=sinks
        )
        if row.revision == revision:
            row.lockfile = lockfile
            row.digest = digest if result.ok else None
            row.report = {"contract": contract, "validation": result.model_dump()}
        roots = sorted({location_of(session, one)[1].id for one in row.samples})
        replaced = replacement(
            session, row.name, pattern=manifest.pattern, roots=roots, contract=contract
        )
        if replaced and result.ok:
            result.summary = f"{replaced} {result.summary}"
    return result


def _run_trial(
    house: House,
    sources: dict[str, object],
    lockfile: bytes,
    manifest: Manifest,
    inputs: list[dict[str, str]],
) -> dict[str, object]:
    request = {
        "home": str(house.home.root),
        "files": sources,
        "lockfile": lockfile.hex(),
        "topics": list(manifest.topics),
        "inputs": inputs,
        "timeout_s": house.settings.job_timeout_s,
    }
    environment = {**os.environ, "CASPARIAN_HOME": str(house.home.root)}
    done = subprocess.run(
        [sys.executable, "-I", "-c", "from engine.trial import main; main()"],
        input=json.dumps(request), capture_output=True, text=True, cwd="/", check=False,
        env=environment,
    )  # fmt: skip
    try:
        answer = cast("dict[str, dict[str, object]]", json.loads(done.stdout))
    except ValueError as error:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise CasparianError(f"the trial broke off: {last[0][:500]}") from error
    if "error" in answer:
        error_body = cast("dict[str, str]", answer["error"])
        raise error_from_code(error_body["code"], error_body["message"], error_body["hint"])
    return answer["result"]


def _validation(
    draft: str,
    report: dict[str, object],
    manifest: Manifest,
    contract: dict[str, object],
    digest: str,
) -> Validation:
    failed = [FailedFile(**one) for one in cast("list[dict[str, str]]", report["failed"])]
    topics = [TopicRows(**one) for one in cast("list[dict[str, object]]", report["sample"])]  # pyright: ignore[reportArgumentType] - checked by pydantic
    aside = [Quarantined(**one) for one in cast("list[dict[str, object]]", report["quarantined"])]  # pyright: ignore[reportArgumentType] - checked by pydantic
    passed = cast("int", report["passed"])
    tried = passed + len(failed)
    rows = sum(topic.row_count for topic in topics)
    count = cast("int", report["quarantined_count"])
    ok = passed > 0 and not failed and rows > 0
    summary = f"{passed} of {sentence(tried, 'file')} passed: {sentence(rows, 'row')}"
    summary += f", {sentence(count, 'record')} quarantined." if count else "."
    if passed and not rows:
        summary += " No row was published, so there is nothing to approve."
    steps = [f'publish_plugin(draft="{draft}", digest="{digest}")'] if ok else []
    if not ok:
        steps = [f'draft_plugin(draft="{draft}", source=...) with the failures mended']
    return Validation(
        summary=summary,
        draft=draft,
        ok=ok,
        state="done",
        manifest=manifest.to_json(),
        contract={topic: _columns(entry) for topic, entry in contract.items()},
        rows=topics,
        quarantined=aside,
        quarantined_count=count,
        failed=failed[:20],
        files_passed=passed,
        files_tried=tried,
        level=str(report["level"]),
        digest=digest if ok else None,
        log=str(report["log"]) or None,
        next_steps=steps,
    )


def _columns(entry: object) -> list[str]:
    columns = cast("dict[str, list[dict[str, object]]]", entry)["columns"]
    return [f"{column['name']}: {column['type']}" for column in columns]

"""Run a plugin folder over its own samples, as its author asks; nothing is kept of it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from casparian_flow.errors import ConfigError, NotGranted
from engine import publisher
from engine.control import Caller, Progress
from engine.folding import fold
from engine.house import House
from engine.journal import Journal
from engine.service.dependencies import wanted_dependencies
from engine.service.drafts import gated
from engine.service.names import sentence
from engine.service.results import FailedFile, PluginTest, Quarantined, TestedTopic
from engine.service.trying import run_trial
from gatekeeper.artifact import make_artifact


def try_samples(
    house: House,
    caller: Caller,
    *,
    samples: list[str],
    source: str,
    modules: dict[str, str] | None = None,
    dependencies: list[str] | None = None,
    lockfile: str | None = None,
    progress: Progress,
) -> PluginTest:
    """Gate a plugin and run it, confined, over sample files that its author names.

    All rows come back, in the order of the samples. Only a person may name files outside of the
    folders that were granted.
    """
    if caller.door == "mcp":
        raise NotGranted("only a person tests a folder", hint="They run: casparian test FOLDER")
    if not samples:
        raise ConfigError("no samples", hint="Put a few small files into the folder's sample/.")
    files = {"plugin.py": source, **(modules or {})}
    manifest, findings = gated(files)
    if findings or manifest is None:
        return PluginTest(
            summary=f"The gatekeeper has {sentence(len(findings), 'finding')}; nothing was run.",
            findings=findings,
        )
    progress("building the environment", 0, len(samples))
    lock = publisher.lock(
        wanted_dependencies(files, dependencies), lockfile.encode() if lockfile else None
    )
    inputs = [_input(Path(sample)) for sample in samples]
    encoded = {name: text.encode() for name, text in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "test.jsonl")
        run_trial(
            house, make_artifact(encoded, lock), topics=manifest.topics, inputs=inputs,
            journal=journal.path, may_stop=False, stop=threading.Event(), keep_rows=True,
        )  # fmt: skip
        return _told(list(journal.outcomes()), manifest.topics)


def _input(sample: Path) -> dict[str, Any]:
    path = os.fsencode(sample.resolve())
    given = {"key": path.hex(), "path": path.hex(), "sha256": "", "shown": sample.name}
    return {**given, "before": {}, "failed_before": False}


def _told(outcomes: list[dict[str, Any]], declared: Sequence[str]) -> PluginTest:
    report = fold(outcomes)
    topics = [
        TestedTopic(
            topic=topic,
            columns=schema.names,
            types=[str(kind) for kind in schema.types],
            rows=[row for one in outcomes for row in one.get("records", {}).get(topic, [])],
        )
        for topic, schema in report.schemas.items()
    ]
    silent = [topic for topic in declared if topic not in report.schemas]
    topics += [TestedTopic(topic=topic, columns=[], types=[], rows=[]) for topic in silent]
    count = sum(len(topic.rows) for topic in topics)
    summary = f"{report.passed} of {sentence(len(outcomes), 'sample')} passed: "
    summary += (
        f"{sentence(count, 'row')}, {sentence(sum(report.codes.values()), 'record')} set aside."
    )
    return PluginTest(
        summary=summary,
        topics=topics,
        quarantined=[Quarantined(**aside) for one in outcomes for aside in one.get("aside", [])],
        failed=[FailedFile(**one) for one in report.failed],
    )

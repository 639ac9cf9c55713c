"""Look at files and make drafts of plugins for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import (
    AdmissionError,
    ConfigError,
    NotFound,
    NotGranted,
)
from engine import reprocess
from engine.control import Caller
from engine.drafting import draft_source
from engine.filenames import pattern_from, topic_from
from engine.goals import steered, with_texts
from engine.house import House
from engine.models import Draft, FileLocation, PluginManifest, SourceRoot, TopicConfig
from engine.paths import absolute, display
from engine.profiling import Group, profile_group
from engine.routing import matching
from engine.service.dependencies import wanted_dependencies
from engine.service.names import active_plugin, find_file, full_name, listed, live_roots, sentence
from engine.service.replacing import files_read, taken
from engine.service.requirements import check_sinks, check_topic, stated_texts
from engine.service.results import (
    DraftFiles,
    DraftResult,
    FindingPart,
)
from gatekeeper.manifest import Manifest, read_manifest
from gatekeeper.rules import Finding, inspect_files

_MOST_SAMPLES = 20


def draft_plugin(
    house: House,
    caller: Caller,
    *,
    files: list[str] | None = None,
    pattern: str | None = None,
    topic: str | None = None,
    goal: str | None = None,
    source: str | None = None,
    modules: dict[str, str] | None = None,
    dependencies: list[str] | None = None,
    lockfile: str | None = None,
    sinks: list[str] | None = None,
    draft: str | None = None,
) -> DraftResult:
    """Write a plugin for sample files from their profile, or take the source that is given.

    `sinks` are URIs that the topics are delivered to besides the lake; a person chooses them.
    """
    check_sinks(house, caller, sinks or [])
    check_topic(topic)
    with house.catalog.reading() as session:
        known = known_draft(session, draft)
        known_name = known.name if known else None
        topic = topic or (_topic_of(known) if known else None)
        samples = _samples(session, files, pattern) or (known.samples if known else [])
        if not samples and source is not None:
            samples = _matched_by(session, source)
        if not samples:
            raise NotFound(
                "a draft needs at least one sample file",
                hint="Name files that a scan has seen: `casparian files`.",
            )
        paths = [path_of(session, one) for one in samples]
        path = paths[0]
        alike = pattern or _kept_pattern(session, known, samples) or pattern_from(paths)
        sisters = _sisters(session, samples, alike) if source is None else {}
        texts = stated_texts(session, topic or topic_from(path))
    followed: list[str] = []
    if source is not None:
        made = _given(source, modules or {}, dependencies)
    else:
        group = profile_group([path, *(one for one in sisters if one != path)])
        group.merged.profile, followed = steered(with_texts(group.merged.profile, texts), goal)
        made = _drafted(path, group, alike, topic)
        samples = _with_odd(samples, group, sisters)
    manifest, findings = gated(made.files)
    with house.catalog.writing() as session:
        base = (manifest.topics[0] if manifest else None) or topic or topic_from(path)
        name = known_name or _plugin_name(session, base, samples, path)
        row = _store(session, draft, name, samples, made, lockfile)
        row.sinks = sinks if sinks is not None else row.sinks or []
        identity, revision = row.id, row.revision
        findings += samples_missed(session, made.files["plugin.py"], samples)
        notice = taken(session, name, manifest.topics) if manifest else ""
    result = _draft_result(identity, revision, made, manifest, findings)
    if goal:
        result.next_steps.append(_rest_of_goal(identity))
        result.summary += (
            f" Of the goal was followed: {'; '.join(followed)}."
            if followed
            else " Nothing of the goal could be followed without guessing."
        )
    result.summary += notice
    return result


def get_draft(house: House, _caller: Caller, *, draft: str) -> DraftFiles:
    """A draft as it stands, with all its files."""
    with house.catalog.reading() as session:
        row = known_draft(session, draft)
        assert row is not None  # noqa: S101 - draft is a str here, so it was found
        files = {name: str(text) for name, text in row.files.items()}
        made = _Made(files, list(row.dependencies), row.method, [], row.profile)
        revision, digest = row.revision, row.digest
    found = _draft_result(draft, revision, made, *gated(files))
    return DraftFiles(**found.model_dump(), files=files, digest=digest)


@dataclass(frozen=True, slots=True)
class _Made:
    """A draft's content."""

    files: dict[str, str]
    dependencies: list[str]
    method: str
    ambiguities: list[str]
    profile: dict[str, object] | None


def known_draft(session: Session, name: str | None) -> Draft | None:
    """The draft of this name; None if none is named."""
    if name is None:
        return None
    row = session.get(Draft, name)
    if row is None:
        raise NotFound(f"no draft {name!r}", hint="Leave `draft` out to make a new one.")
    return row


def _topic_of(known: Draft) -> str | None:
    """The topic that a draft was asked for, or the one that its source names."""
    manifest, _ = manifest_or_finding(str(known.files["plugin.py"]))
    if manifest is not None and len(manifest.topics) == 1:
        return manifest.topics[0]
    asked = (known.profile or {}).get("topic")
    return asked if isinstance(asked, str) else None


def _kept_pattern(session: Session, known: Draft | None, samples: Sequence[int]) -> str | None:
    """The pattern of a draft that is revised, if it matches the samples."""
    source = str(known.files["plugin.py"]) if known else ""
    manifest, _ = manifest_or_finding(source)
    is_kept = manifest is not None and not samples_missed(session, source, samples)
    return manifest.pattern if manifest and is_kept else None


def _samples(session: Session, files: list[str] | None, pattern: str | None) -> list[int]:
    if files:
        return [find_file(session, name)[0].id for name in files]
    if pattern:
        roots = [root.id for root in live_roots(session)]
        return [one.location_id for one in reprocess.matching_files(session, pattern, roots)][
            :_MOST_SAMPLES
        ]
    return []


def _matched_by(session: Session, source: str) -> list[int]:
    """Known files that the pattern of a given source matches."""
    manifest, trouble = manifest_or_finding(source)
    if manifest is None:
        raise ConfigError(
            f"{trouble[0].message}, so it names no files to try it on",
            hint=f"{trouble[0].fix} Or name samples: `casparian draft PLUGIN FILE`.",
        )
    found = _samples(session, None, manifest.pattern)
    if not found:
        raise NotFound(
            f"no known file matches its pattern {manifest.pattern!r}",
            hint="Scan the folder of its files first: `casparian scan DIR`; or name samples.",
        )
    return found


def samples_missed(session: Session, source: str, samples: Sequence[int]) -> list[FindingPart]:
    """A finding if the pattern of a source does not match what it is a draft for."""
    manifest, _ = manifest_or_finding(source)
    if manifest is None:
        return []
    paths = [session.get_one(FileLocation, one).path for one in samples]
    matched = set(matching(manifest.pattern, paths))
    missed = [display(path) for number, path in enumerate(paths) if number not in matched]
    if not missed:
        return []
    line = next((n for n, text in enumerate(source.splitlines(), 1) if manifest.pattern in text), 1)
    return [
        FindingPart(
            rule="pattern",
            line=line,
            column=0,
            message=f"pattern {manifest.pattern!r} does not match {listed(missed, 3)}, a sample"
            " file of this very draft: published, it would not be read",
            fix="Change the pattern in MANIFEST, or draft from files that it matches.",
        )
    ]


def location_of(session: Session, location_id: int) -> tuple[FileLocation, SourceRoot]:
    """A location and its root."""
    location = session.get_one(FileLocation, location_id)
    root = session.get_one(SourceRoot, location.root_id)
    if root.removed is not None:
        raise NotGranted(
            f"{full_name(location, root)} is in a folder that a person took away",
            hint="A person grants it again: `casparian init DIR`.",
        )
    return location, root


def path_of(session: Session, location_id: int) -> bytes:
    """Where a location lies."""
    location, root = location_of(session, location_id)
    return absolute(root.path, location.path)


def _given(source: str, modules: dict[str, str], dependencies: list[str] | None) -> _Made:
    files = {"plugin.py": source, **modules}
    return _Made(files, wanted_dependencies(files, dependencies), "given", [], None)


def _sisters(session: Session, samples: Sequence[int], pattern: str) -> dict[bytes, int]:
    """Path → location of the files beside the samples that the same plugin would read."""
    roots = sorted({location_of(session, one)[1].id for one in samples})
    ids = {one.location_id for one in reprocess.matching_files(session, pattern, roots)}
    rows = session.execute(
        select(FileLocation.id, FileLocation.path, SourceRoot.path)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(FileLocation.root_id.in_(roots), FileLocation.size > 0)
    )
    wanted = ids | set(samples)
    return {absolute(root, path): one for one, path, root in rows if one in wanted}


def _with_odd(samples: list[int], group: Group, sisters: Mapping[bytes, int]) -> list[int]:
    """The samples, and one file of each other shape of the group, so that a trial tries it."""
    odd = [sisters[path] for path in group.odd if path in sisters]
    return list(dict.fromkeys([*samples, *odd]))[:_MOST_SAMPLES]


def _drafted(path: bytes, group: Group, pattern: str, topic: str | None) -> _Made:
    profile = group.merged.profile
    drafted = draft_source(
        profile,
        topic=topic or topic_from(path),
        pattern=pattern,
        sample=display(path.rpartition(b"/")[2]),
    )
    return _Made(
        {"plugin.py": drafted.source},
        list(drafted.dependencies),
        "template",
        [*group.merged.drift, *drafted.ambiguities],
        {"format": profile.format, "fingerprint": profile.fingerprint, "topic": topic},
    )


def gated(files: Mapping[str, str]) -> tuple[Manifest | None, list[FindingPart]]:
    """The manifest of a plugin, if it has one, and what the gatekeeper finds in its files."""
    encoded = {name: text.encode() for name, text in files.items()}
    findings = findings_of(inspect_files(encoded, entry="plugin.py"))
    manifest, trouble = manifest_or_finding(files["plugin.py"])
    return manifest, findings or trouble


def manifest_or_finding(source: str) -> tuple[Manifest | None, list[FindingPart]]:
    """The manifest of a source, or why there is none."""
    try:
        return read_manifest(source), []
    except AdmissionError as error:
        part = FindingPart(rule="manifest", line=1, column=0, message=error.message, fix=error.hint)
        return None, [part]


def _plugin_name(session: Session, topic: str, samples: list[int], path: bytes) -> str:
    """The plugin that a draft is of: the one that reads its samples into the topic, else a new one.

    A topic that is fed from other files keeps its plugin: the new one stands beside it.
    """
    ending = re.sub(r"[^a-z0-9]+", "", display(path).lower().rpartition(".")[2])[:20] or "more"
    names = [topic, f"{topic}_{ending}", *(f"{topic}_{ending}_{n}" for n in range(2, 1000))]
    for name in names:
        active = active_plugin(session, name)
        if active is None or set(samples) & set(files_read(session, active)):
            return name
    raise ConfigError(f"there are {len(names)} plugins for topic {topic} already")


def _store(
    session: Session,
    identity: str | None,
    name: str,
    samples: list[int],
    made: _Made,
    lockfile: str | None,
) -> Draft:
    row = session.get(Draft, identity) if identity else None
    if row is None:
        taken = set(session.scalars(select(Draft.id).where(Draft.id.startswith(f"draft-{name}-"))))
        number = next(n for n in range(1, len(taken) + 2) if f"draft-{name}-{n}" not in taken)
        row = Draft(id=f"draft-{name}-{number}", name=name, revision=0, created=datetime.now(UTC))
        row.sinks = []
        session.add(row)
    row.revision += 1
    row.method, row.files = made.method, dict(made.files)
    row.dependencies, row.samples, row.profile = made.dependencies, samples, made.profile
    row.lockfile = lockfile.encode() if lockfile else None
    row.report, row.digest = None, None
    session.flush()
    return row


def findings_of(findings: Sequence[Finding]) -> list[FindingPart]:
    """Findings as a result carries them."""
    return [FindingPart(**asdict(finding)) for finding in findings]


def _draft_result(
    identity: str,
    revision: int,
    made: _Made,
    manifest: Manifest | None,
    findings: list[FindingPart],
) -> DraftResult:
    steps = [f'validate_plugin(draft="{identity}")']
    if findings:
        steps = [f'draft_plugin(draft="{identity}", source=...) with the findings mended']
    if made.ambiguities:
        steps.append("ask the person about the ambiguities, set the constants at the top")
    topics = ", ".join(manifest.topics) if manifest else "no topic yet"
    return DraftResult(
        summary=f"{identity} publishes {topics}; {sentence(len(findings), 'finding')}.",
        draft=identity,
        revision=revision,
        source=made.files["plugin.py"],
        manifest=manifest.to_json() if manifest else None,
        dependencies=made.dependencies,
        method=made.method,
        findings=findings,
        ambiguities=made.ambiguities,
        next_steps=steps,
    )


def _rest_of_goal(identity: str) -> str:
    """What to do about that part of a goal which steers nothing."""
    return f'for what else the goal wants, edit the source: draft="{identity}", source=...'


def sinks_of(session: Session, draft: Draft, manifest: Manifest) -> dict[str, list[str]]:
    """Where the topics of a draft are delivered: as its person chose, else as they are now."""
    if draft.sinks:
        return {topic: list(draft.sinks) for topic in manifest.topics}
    rows = session.scalars(select(TopicConfig).where(TopicConfig.topic.in_(manifest.topics)))
    return {row.topic: list(row.sinks) for row in rows if row.sinks}


def active_version(session: Session, name: str) -> int:
    """The highest version of a plugin; 0 if it has none."""
    versions = session.scalars(select(PluginManifest.version).where(PluginManifest.name == name))
    return max(versions, default=0)

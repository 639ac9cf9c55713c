"""Check the promises on this installation, and the installation itself."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import CasparianError
from engine import audit, proving
from engine.architect import artifact_of
from engine.control import Caller, Progress
from engine.house import House
from engine.models import (
    FileLocation,
    FileVersion,
    JobOutput,
    PluginEnvironment,
    PluginManifest,
    ProcessingJob,
    SourceRoot,
)
from engine.sandbox import strongest_wall
from engine.service.names import sentence
from engine.service.results import Check, Checks
from engine.sinks.lake import ledger_entries
from engine.states import JobStatus, PluginStatus
from engine.tagger import subscribers
from gatekeeper.admission import verify_for_dispatch
from gatekeeper.identity import load_trusted

_ROOM_BYTES = 1 << 30


def verify(house: House, _caller: Caller, *, progress: Progress) -> Checks:
    """Check what the design promises against what is on disk."""
    checks: list[Check] = []
    with house.catalog.reading() as session:
        for name, work in (
            ("G1 every ledger entry's files are whole, and the catalog agrees", _ledger),
            ("G2 no version with a subscriber is without a job", _no_lost_work),
            ("no record is lost: read = promoted + quarantined + passed over", _accounts),
            ("G4 every output names a file version with a hash", _provenance),
            ("signatures of deployed plugins hold", _signatures),
            ("the audit log is unbroken", _audit),
        ):
            progress(name, len(checks), 6)
            problems = work(house, session)
            detail = "; ".join(problems[:5]) or "holds"
            checks.append(Check(name=name, ok=not problems, detail=detail))
    return _checks(checks, "promise")


def _checks(checks: list[Check], noun: str) -> Checks:
    broken = [check.name for check in checks if not check.ok]
    summary = f"{sentence(len(checks) - len(broken), noun)} of {len(checks)} hold."
    if broken:
        summary += f" Not: {'; '.join(broken)}."
    return Checks(summary=summary, ok=not broken, checks=checks)


def _ledger(house: House, session: Session) -> list[str]:
    problems: list[str] = []
    listed: dict[int, set[tuple[str, int]]] = {}
    for promotion in ledger_entries(house.home.lake):
        for file in promotion.files:
            path = house.home.lake / file.path
            problems += _file_problems(path, file.sha256, file.rows)
            listed.setdefault(promotion.identity.job_id, set()).add((file.path, file.rows))
    cached: dict[int, set[tuple[str, int]]] = {}
    for job_id, path, rows in session.execute(
        select(JobOutput.job_id, JobOutput.path, JobOutput.rows)
    ):
        cached.setdefault(job_id, set()).add((path, rows))
    done = set(
        session.scalars(select(ProcessingJob.id).where(ProcessingJob.status == JobStatus.DONE))
    )
    for job_id in cached.keys() | (listed.keys() & done):
        if cached.get(job_id) != listed.get(job_id, set()):
            problems.append(f"job-{job_id}: catalog and ledger differ")
    return problems


def _file_problems(path: Path, sha256: str, rows: int) -> list[str]:
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            return [f"{path.name}: its bytes are not those that were promoted"]
        if pq.ParquetFile(path).metadata.num_rows != rows:
            return [f"{path.name}: its row count is not the ledger's"]
    except OSError as error:
        return [f"{path.name}: {error.strerror or error}"]
    return []


def _no_lost_work(_house: House, session: Session) -> list[str]:
    plugins = subscribers(session)
    taken = {
        (version, name)
        for version, name in session.execute(
            select(ProcessingJob.file_version_id, PluginManifest.name)
            .join(PluginManifest, PluginManifest.id == ProcessingJob.manifest_id)
            .where(ProcessingJob.status != JobStatus.SUPERSEDED)
        )
    }
    deployed = {
        row.id: row.created
        for row in session.scalars(
            select(PluginManifest).where(PluginManifest.status == PluginStatus.ACTIVE)
        )
    }
    versions = session.execute(
        select(FileVersion.id, FileVersion.tags, FileVersion.seen)
        .join(FileLocation, FileLocation.version_id == FileVersion.id)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(SourceRoot.removed.is_(None))
    )
    return [
        f"version-{version} has no job of {plugin.name}"
        for version, tags, seen in versions
        for plugin in plugins
        if plugin.tags.intersection(tags)
        and (version, plugin.name) not in taken
        and seen >= deployed[plugin.manifest_id]
    ]


def _accounts(_house: House, session: Session) -> list[str]:
    """Jobs whose plugin counts its records, held against what the catalog says they gave."""
    given: dict[int, int] = {}
    for job_id, rows in session.execute(select(JobOutput.job_id, JobOutput.rows)):
        given[job_id] = given.get(job_id, 0) + rows
    jobs = session.execute(
        select(ProcessingJob.id, ProcessingJob.receipt).where(
            ProcessingJob.status == JobStatus.DONE
        )
    )
    problems: list[str] = []
    for job_id, receipt in jobs:
        read = (receipt or {}).get("read")
        if not isinstance(read, int):
            continue
        skipped = sum(cast("dict[str, int]", (receipt or {}).get("skipped") or {}).values())
        kept = given.get(job_id, 0) + skipped
        if read != kept:
            problems.append(f"job-{job_id}: {read} records read, {kept} accounted for")
    return problems


def _provenance(_house: House, session: Session) -> list[str]:
    rows = session.execute(
        select(JobOutput.job_id, FileVersion.sha256)
        .join(ProcessingJob, ProcessingJob.id == JobOutput.job_id)
        .outerjoin(FileVersion, FileVersion.id == ProcessingJob.file_version_id)
    )
    return [f"job-{job_id} names no hash" for job_id, sha256 in rows if len(sha256 or "") != 64]


def _signatures(house: House, session: Session) -> list[str]:
    trusted = load_trusted(house.home.keys)
    problems: list[str] = []
    for row in session.scalars(select(PluginManifest)):
        environment = session.get_one(PluginEnvironment, row.env_hash)
        try:
            verify_for_dispatch(
                artifact_of(row, environment.lockfile),
                row.envelope,
                trusted=trusted,
                audience=house.catalog.installation_id,
            )
        except CasparianError as error:
            problems.append(f"{row.name}@{row.version}: {error.message}")
    return problems


def _audit(_house: House, session: Session) -> list[str]:
    return [f"entry {number} does not follow" for number in audit.broken_links(session)]


def doctor(house: House, _caller: Caller) -> Checks:
    """Check the machine and the home; prove the wall by trying to get out of it."""
    found: list[Check] = []
    for name, look in (
        ("wall", _wall),
        ("space", _space),
        ("sqlite", _sqlite),
        ("python", _python),
        ("home", _home),
    ):
        ok, detail = look(house)
        found.append(Check(name=name, ok=ok, detail=detail))
    return _checks(found, "check")


def _wall(house: House) -> tuple[bool, str]:
    try:
        wall = strongest_wall()
        probes = proving.prove(wall, house.home.spool)
    except CasparianError as error:
        return False, f"{error.message} {error.hint}"
    out = [probe.attack for probe in probes if not probe.contained]
    if out:
        return False, f"level {wall.level.value}, but a plugin could: {', '.join(out)}"
    user = f" as user {wall.user[0]}" if wall.user else ""
    return (
        True,
        f"level {wall.level.value}{user}: {len(probes)} of {len(probes)} attempts contained",
    )


def _space(house: House) -> tuple[bool, str]:
    usage = shutil.disk_usage(house.home.root)
    return usage.free > _ROOM_BYTES, f"{usage.free / 2**30:.1f} GiB free at {house.home.root}"


def _sqlite(_house: House) -> tuple[bool, str]:
    version = sqlite3.sqlite_version
    fixed = sqlite3.sqlite_version_info >= (3, 51, 3)
    note = "" if fixed else "; before 3.51.3 a rare write-ahead-log reset can lose data, so only"
    note += "" if fixed else " the engine checkpoints"
    return True, f"{version}{note}"


def _python(_house: House) -> tuple[bool, str]:
    return sys.version_info >= (3, 11), sys.version.split()[0]


def _home(house: House) -> tuple[bool, str]:
    mode = house.home.root.stat().st_mode & 0o077
    if mode:
        return False, f"{house.home.root} is open to others: chmod 700 {house.home.root}"
    return True, f"{house.home.root}, private"

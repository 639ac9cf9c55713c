"""What every sink is told about a job, and what every sink must be able to do."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from engine.states import QUARANTINE_SUFFIX


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """Which attempt at which job produced some rows."""

    installation: str
    job_id: int
    attempt: int
    generation: int
    file_version_id: int
    location_id: int
    path: str
    """Display form of the source path."""
    sha256: str
    plugin: str
    version: int
    artifact_hash: str

    @property
    def ledger_key(self) -> str:
        """The key under which production may hold the rows of only one attempt (G1)."""
        parts = (
            self.installation,
            str(self.location_id),
            str(self.file_version_id),
            self.sha256,
            self.artifact_hash,
            f"{self.plugin}@{self.version}",
            str(self.generation),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One finished output file of an attempt, not yet visible to any reader."""

    topic: str
    path: str
    """Relative to the lake."""
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """What production now holds for a job."""

    identity: JobIdentity
    """Of the attempt whose rows count; not the caller's if another attempt came first."""
    files: tuple[StagedFile, ...]
    quarantined: int
    is_mine: bool


class Delivery(Protocol):
    """A sink beside the lake."""

    def deliver(self, lake: Path, promotion: Promotion, *, is_held: bool = False) -> bool:
        """Copy a job's promoted files there, in one transaction with its ledger row.

        `is_held` keeps the rows out of the current view until `hold` releases the job.

        Returns:
            False if this sink already has the job's rows.

        Raises:
            SinkError: nothing was written.
        """
        ...

    def held(self, installation: str) -> frozenset[int]:
        """The delivered jobs that are in no current view.

        Raises:
            SinkError: it cannot be read, or is another installation's.
        """
        ...

    def hold(self, installation: str, jobs: Collection[int], release: Collection[int]) -> None:
        """Take some jobs out of the current view, and bring others into it, at once.

        Raises:
            SinkError: the view is as it was.
        """
        ...


def only_topics(promotion: Promotion, topics: Collection[str]) -> Promotion:
    """The part of a promotion that belongs to some topics, their quarantine included."""
    files = [
        file for file in promotion.files if file.topic.removesuffix(QUARANTINE_SUFFIX) in topics
    ]
    return replace(promotion, files=tuple(files))


def files_of(promotion: Promotion, *, quarantine: bool = False) -> Sequence[StagedFile]:
    """The clean files of a promotion, or those of its quarantine."""
    return [
        file for file in promotion.files if file.topic.endswith(QUARANTINE_SUFFIX) is quarantine
    ]

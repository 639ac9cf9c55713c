"""What goes into the queue and comes out of it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.models import (
    Json,
)
from engine.states import JobStatus


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that one worker holds, with what it needs to run it."""

    id: int
    attempt: int
    generation: int
    manifest_id: int
    file_version_id: int
    location_id: int
    root: bytes
    path: bytes
    sha256: str
    size: int
    is_held: bool
    """Whether its reprocess is not in view yet."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be queued."""

    file_version_id: int
    location_id: int
    manifest_id: int
    generation: int
    priority: int
    request: str | None = None
    round_id: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One file a job put into the lake."""

    topic: str
    path: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How one attempt at a job ended."""

    job_id: int
    attempt: int
    status: JobStatus
    """DONE, FAILED, SUPERSEDED, or WAITING for another attempt."""
    outputs: tuple[Output, ...] = ()
    quarantined: int = 0
    error_code: str | None = None
    error_text: str | None = None
    error_hint: str | None = None
    log: str | None = None
    receipt: Json | None = None
    alone: bool = False
    not_before: datetime | None = None

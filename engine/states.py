"""The states that things of the catalog are in, and the choices people make about them."""

from __future__ import annotations

from enum import StrEnum

QUARANTINE_SUFFIX = "_quarantine"
"""After a topic's name: the topic of the records that were set aside."""


class OnDelete(StrEnum):
    """What happens to the rows of a file that is gone."""

    KEEP = "KEEP"
    DROP = "DROP"


class LocationState(StrEnum):
    """What the last inventory saw."""

    PRESENT = "PRESENT"
    DELETED = "DELETED"
    UNREADABLE = "UNREADABLE"


class JobStatus(StrEnum):
    """Where a job stands; the allowed moves are one table in queue.py."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    CANCELLED = "CANCELLED"


class PluginStatus(StrEnum):
    """Where a deployed plugin version stands."""

    PENDING = "PENDING"
    STAGING = "STAGING"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"
    RETIRED = "RETIRED"


class Reprocess(StrEnum):
    """Which known versions a newly published plugin runs over."""

    NEW = "new"
    ALL = "all"
    FAILED = "failed"
    NONE = "none"


class ApprovalStatus(StrEnum):
    """Where a person's yes stands."""

    WAITING = "WAITING"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    USED = "USED"

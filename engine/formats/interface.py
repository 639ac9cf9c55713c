"""The profile of a file: what its sample shows, what it leaves open, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column, as far as the sample decides."""

    name: str
    type: str
    """`int64`, `double`, `bool`, `date`, `timestamp`, `json` or `string`: what all values allow."""
    candidates: list[str] = field(default_factory=list[str])
    """What stays possible where the values do not decide; formats of dates and numbers."""
    nulls: int = 0
    examples: list[str] = field(default_factory=list[str])
    ambiguity: str | None = None
    """What is open and the evidence, for a person."""
    null_words: list[str] = field(default_factory=list[str])
    """Spellings of a missing value, besides nothing, that a typed column uses."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One file."""

    format: str
    """`csv`, `jsonl`, `log`, `empty`, `binary` or `text`."""
    encoding: str | None = None
    compression: str | None = None
    dialect: Mapping[str, str | int | None] = field(default_factory=dict[str, "str | int | None"])
    header: bool | None = None
    columns: tuple[ColumnProfile, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    """The first records, as text."""
    problems: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The part of a file that was looked at."""

    name: str
    text: str
    """Whole lines only."""
    encoding: str
    encoding_problem: str | None
    size: int
    is_whole: bool
    newline: str

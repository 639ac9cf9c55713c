"""The profile of a file: what its sample shows, what it leaves open, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Argument = str | int | bool | None | Sequence["Argument"] | Mapping[str, str]
"""What a reader is told about a file: plain values, as they stand in a plugin's source."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read: the reader of `casparian_flow.reading` that a plugin calls."""

    module: str
    function: str
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    is_typed: bool = False
    """Whether it yields rows in their types already (Parquet and the like), and not text."""
    is_open: bool = False
    """Whether records may have fields that the sample did not show (JSON, mail, FIX)."""
    packages: tuple[str, ...] = ()
    """What it needs besides pyarrow."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column, as far as the sample decides."""

    name: str
    type: str
    """`int64`, `double`, `bool`, `date`, `timestamp`, `json` or `string`: what all values allow;
    of files that are typed themselves, their own type."""
    candidates: list[str] = field(default_factory=list[str])
    """What stays possible where the values do not decide; formats of dates and numbers."""
    nulls: int = 0
    examples: list[str] = field(default_factory=list[str])
    ambiguity: str | None = None
    """What is open and the evidence, for a person."""
    null_words: list[str] = field(default_factory=list[str])
    """Spellings of a missing value, besides nothing, that a typed column uses."""
    unit: str | None = None
    """What stands around each number: `%`, `EUR`, `kg`."""
    optional: bool = False
    """Whether some file of its kind lacks it."""
    aliases: list[str] = field(default_factory=list[str])
    """Names it has in other files of its kind."""
    meaning: str | None = None
    """What the values look like beyond their type, as a hint: `uuid`, `key`, `epoch s` ..."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One file, or one table of a file that holds several."""

    format: str
    """`csv`, `jsonl`, `log`, `xlsx` ...; `empty`, `binary` or `text` where none is known."""
    encoding: str | None = None
    compression: str | None = None
    """Layers around it, the outermost first: `gzip`, `zip+gzip`."""
    header: bool | None = None
    columns: tuple[ColumnProfile, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    """The first records, as text."""
    problems: tuple[str, ...] = ()
    fingerprint: str = ""
    reading: Reading | None = None
    """How to read it; None where no plugin can be drafted."""
    part: str | None = None
    """Which table of its file this is: a member of an archive, a sheet, a table."""
    parts: tuple[Profile, ...] = ()
    """The tables of a file that holds several; the first is the largest."""

    is_ascii: bool = False
    """Whether the sample holds nothing but ASCII, so that its encoding is not shown."""
    others: tuple[str, ...] = ()
    """Members of an archive that are no table."""

    @property
    def dialect(self) -> Mapping[str, str | int | None]:
        """The reader's settings that are single values, as a person is shown them."""
        if self.reading is None:
            return {}
        arguments = self.reading.arguments.items()
        return {name: value for name, value in arguments if isinstance(value, str | int)}


@dataclass(frozen=True, slots=True)
class Sample:
    """The part of a source that was looked at, and that is text."""

    name: str
    content: bytes
    """Whole lines of head, middle and tail."""
    head: bytes
    """The head alone, as it lies there: for documents, which cannot be put together from parts."""
    text: str
    """`content`, decoded, lines ending with LF."""
    encoding: str
    encoding_problem: str | None
    size: int | None
    """In bytes, unpacked; None where it is packed and more than was looked at."""
    is_whole: bool
    newline: str

    @property
    def lines(self) -> list[str]:
        """The lines that are not blank."""
        return [line for line in self.text.split("\n") if line.strip()]

    @property
    def is_markup(self) -> bool:
        """Whether it is marked up text, whatever its commas and blanks look like."""
        return re.match(r"\ufeff?\s*<[!?A-Za-z]", self.text) is not None

"""Give columns names that a table can have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from casparian_flow.reading.splitting import WEAK, WHITESPACE

_NAME = re.compile(r"[A-Za-z_][\w.-]*(?: [\w.-]+){0,3}")
"""What a column may be called in a comment above its table."""
_SENTENCE = re.compile(
    r"(?i)\b(?:all|also|an|and|are|as|be|been|but|do|don't|each|edit|has|have|if|is|must|no|not|only"
    r"|please|should|that|the|these|this|was|were|which|you)\b"
)
"""Words of which sentences are made, and names of columns hardly."""


def header_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Column names from the rows of a header: filled rightwards, joined, made distinct.

    Dashes that only underline other rows are no part of a name.
    """
    width = max((len(row) for row in rows), default=0)
    parts: list[list[str]] = [[] for _ in range(width)]
    for number, row in enumerate(rows):
        last = ""
        for index in range(width):
            cell = " ".join(row[index].replace("\ufeff", "").split()) if index < len(row) else ""
            last = cell or (last if number < len(rows) - 1 else "")  # merged cells, but the last
            is_rule = len(rows) > 1 and re.fullmatch(r"[-=_+:|]{2,}", last) is not None
            if last and not is_rule and last not in parts[index]:
                parts[index].append(last)
    return distinct([" ".join(part) for part in parts])


def distinct(names: Sequence[str]) -> list[str]:
    """Names that no other column has, capitals aside; what is empty or reserved gets a number."""
    seen: set[str] = set()
    counts: dict[str, int] = {}  # the next number to try, so that a thousand alike take no square
    given: list[str] = []
    for number, name in enumerate(names, 1):
        base = name or f"column_{number}"
        if base.lower() in ("_job_id", "_file_version_id", "_row", "_line", "_member", "_other"):
            base = f"source{base}"
        unique, count = base, counts.get(base.lower(), 2)
        while unique.lower() in seen:
            unique, count = f"{base}_{count}", count + 1
        counts[base.lower()] = count
        seen.add(unique.lower())
        given.append(unique)
    return given


def named_above(
    comments: Sequence[str], mark: str, delimiter: str, width: int, *, may_lack: bool = False
) -> list[str]:
    """The names of so many columns, from the last comment above a table that has them; or none.

    With `may_lack` of more columns, too: the record that was counted lacks its last. A sentence
    has as many words as there are columns by chance: with blanks or colons between cells only the
    very last comment counts.
    """
    for comment in reversed(comments[-1:] if delimiter in WEAK else comments):
        names = names_in(comment.lstrip(mark).strip(), delimiter)
        if len(names) == width > 1 or (may_lack and len(names) > width):
            return names
    return []


def names_in(comment: str, delimiter: str) -> list[str]:
    """The names of columns that a comment is; none if it says something else."""
    is_weak = delimiter in WEAK
    cells = comment.split(None if delimiter == WHITESPACE else delimiter)
    names = [cell.strip() for cell in cells]
    phrases = [comment] if is_weak else [name for name in names if " " in name]
    if not all(map(_NAME.fullmatch, names)) or any(map(_SENTENCE.search, phrases)):
        return []
    return names

"""Give columns names that a table can have."""

from __future__ import annotations

import re
from collections.abc import Sequence


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

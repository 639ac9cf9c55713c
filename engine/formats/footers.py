"""Tell the total at the end of a report from a record."""

from __future__ import annotations

import re
from collections.abc import Sequence

from casparian_flow.reading.splitting import WHITESPACE
from engine.formats.elimination import looks_typed

_FOOTER = re.compile(
    r"(?i)^\W*(?:grand total|sub-?totals?|totals?|summe|gesamt|somme|suma|totaal)(?![a-z])"
)
"""Begins the sum at the end of a report."""
_FOOTER_LINE = re.compile(
    r"(?i)^\W*(?:sum|count|\d+ (?:rows?|records?)|(?:rows?|records?)\W*\d+|end of \w+|eof"
    r"|trailer)\W*$"
)
"""Is all that such a line says."""
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")


def footer_of(
    line: str,
    last: Sequence[str],
    before: Sequence[Sequence[str]],
    *,
    delimiter: str,
    least: int,
    is_whole: bool,
) -> tuple[str, list[str]]:
    """A pattern of the lines at the end that are no records, and what is said of them.

    Args:
        line: The last line as it is written.
        last: Its cells.
        before: The cells of the records above it.
        delimiter: What ends a cell.
        least: Cells that a record has at least.
        is_whole: Whether these are all records, so that sums can be checked.
    """
    cells = [cell.strip() for cell in last]
    lead = _lead(cells)
    found = _match(lead)
    is_ragged = len(last) < least
    is_word = found is not None and found[0].strip("\"' :") == lead.strip("\"' :")
    if found is None or not (is_ragged or is_word or not all(cells)):
        return "", []
    others = [cell for cell in cells if cell and cell != lead]
    if not is_ragged and not _FOOTER.match(lead) and not all(map(looks_typed, others)):
        return "", []  # words beside `Count` are no sum: he is a person
    if any(map(_match, map(_lead, before))):
        return "", []  # an ordinary value, then
    if is_whole and _is_disproved(cells, before):
        why = f"the last line ({lead[:40]!r}) is called like a total, and no number in it is one"
        return "", [f"{why}; it is read as a record"]
    at = line.lower().find(lead.lower())
    if at < 0:
        return "", []  # written with quotes or escapes within it
    end = r"\s" if delimiter == WHITESPACE else re.escape(delimiter)
    pattern = (
        "(?i)^"
        + re.escape(line[:at])
        + re.sub(r"\d+", lambda _: r"\d+", re.escape(found[0].strip("\"' ")))
        + (rf"[\"' :]*(?:{end}|$)" if is_word else r"(?!\w)")
    )  # TotalEnergies is no total, nor is Total SA where the word stood alone
    why = f"the last line ({lead[:40]!r}) looks like a total and not like a record"
    return pattern, [f"{why}; the draft passes over it (`footer`)"]


def _is_disproved(last: Sequence[str], before: Sequence[Sequence[str]]) -> bool:
    """Whether numbers stand in the line, and none is a sum, a count or the like of those above."""
    checked = False
    for place, cell in enumerate(last):
        above = [row[place].strip() for row in before if place < len(row)]
        above = [text for text in above if text]
        if not _PLAIN.fullmatch(cell) or not above or not all(map(_PLAIN.fullmatch, above)):
            continue
        numbers = [float(text) for text in above]
        total, count = sum(numbers), len(numbers)
        known = (total, total / count, count, count + 1, min(numbers), max(numbers))
        room = 0.01 * count + 1e-9 * abs(total)  # each may have been rounded
        if any(abs(float(cell) - one) <= room for one in known):
            return False
        checked = True
    return checked


def _lead(cells: Sequence[str]) -> str:
    return next((cell.strip() for cell in cells if cell.strip()), "")


def _match(lead: str) -> re.Match[str] | None:
    return _FOOTER.match(lead) or _FOOTER_LINE.match(lead)

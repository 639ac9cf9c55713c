"""Recognise lines whose fields stand at fixed places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from casparian_flow.reading.fixed_width import heading
from casparian_flow.reading.naming import distinct
from engine.formats.elimination import looks_typed
from engine.formats.interface import Profile, Reading, Sample
from engine.formats.tabulating import profile_of

_LEAST_LINES, _JUDGED_LINES, _MOST_LINE = 4, 2_000, 1_000
_LEAST_WIDE, _WIDE_GAP = 3, 3
_TOP = 8
"""Lines in which a report's heading stands."""
_MORE = 1.5
"""How many times as many fields a table has without a title: one more comes of chance."""
_SHARE_OF_PAGES = 0.1
_JUDGED_RULED, _FEW_CROSSING = 100, 0.1
"""Lines below a rule, and the share of them whose text may run into the next field."""
_RULE = re.compile(r"(?=.*[-=_]{2})[-=_]+(?:[ +|]+[-=_]+)+\s*")


def recognise(sample: Sample) -> Profile | None:
    """The profile of fixed-width text; None if no blanks run down between its fields."""
    if sample.is_markup:
        return None
    numbered = [
        (number, line.expandtabs())
        for number, line in enumerate(sample.text.split("\n"), 1) if line.strip()
    ][:_JUDGED_LINES]  # fmt: skip
    if len(numbered) < _LEAST_WIDE or "\t" in sample.text:
        return None
    if any(len(line) > _MOST_LINE for _, line in numbered):
        return None
    whole, numbered = numbered, _first_page(numbered)
    start = _first_of_table(numbered)
    rule = next((n for n, (_, line) in enumerate(numbered[:10]) if _RULE.fullmatch(line)), None)
    table = numbered[start:] if rule is None else numbered[max(0, rule - 1) :]
    lines = [line for _, line in table if not _RULE.fullmatch(line)]
    spans = _spans(lines) if rule is None else _ruled(numbered[rule][1])
    least = 2 if rule is not None else _LEAST_WIDE if _has_wide_gap(lines) else _LEAST_LINES
    if len(spans) < 2 or len(lines) < least:
        return None
    joined = _joined(lines, spans)
    spans = joined if rule is None and _is_header(lines, joined) else spans
    header = _is_header(lines, spans)
    names = [lines[0][begin:end].strip() if header else "" for begin, end in spans]
    fields = [[name, begin, end] for name, (begin, end) in zip(distinct(names), spans, strict=True)]
    first = table[0][0] if header else table[0][0] - 1
    encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    reading = Reading(
        "fixed_width", "read", {"encoding": encoding, "fields": fields, "skip": first}
    )
    shape = "|".join(f"{name}@{begin}" for name, begin, _ in fields)
    above = numbered.index(table[0])
    told = f"{above} lines above the table are" if above > 1 else "1 line above the table is"
    problems = [f"{told} passed over"] if above else []
    problems += _other_headings(whole, numbered)
    return profile_of("fixed width", reading, sample, header=header, problems=problems, shape=shape)


def is_ruled(text: str) -> bool:
    """Whether dashes near the top say where the fields of nearly all lines below them begin."""
    lines = [line.expandtabs() for line in text[: _MOST_LINE * _JUDGED_RULED].split("\n")]
    rule = next((at for at, line in enumerate(lines[:10]) if _RULE.fullmatch(line)), None)
    if rule is None or set(lines[rule]) & set("+|"):
        return False
    edges = [begin for begin, _ in _ruled(lines[rule])[1:]]
    below = [line for line in lines[rule + 1 : rule + _JUDGED_RULED] if line.strip()]
    crossing = sum(any(line[at - 1 : at].strip() for at in edges) for line in below)
    return bool(below) and crossing <= _FEW_CROSSING * len(below)


def _first_page(numbered: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Lines without those that come again from the first ones, as at the top of each page.

    What comes again more often, or on the first page itself, is a record.
    """
    counts = Counter(heading(line) for _, line in numbered)
    first = Counter(heading(line) for _, line in numbered[:_TOP])
    top = {
        text for text, count in first.items()
        if text is not None and count == 1 and counts[text] <= _SHARE_OF_PAGES * len(numbered)
    }  # fmt: skip
    return [
        (number, line)
        for at, (number, line) in enumerate(numbered)
        if at < _TOP or heading(line) not in top
    ]


def _other_headings(whole: Sequence[tuple[int, str]], kept: Sequence[tuple[int, str]]) -> list[str]:
    """What is said of lines that are passed over though they say something of their own."""
    first = {" ".join(line.split()) for _, line in kept[:_TOP]}
    left = {number for number, _ in whole} - {number for number, _ in kept}
    for number, line in whole:
        if number in left and " ".join(line.split()) not in first:
            again = f"come again with other numbers ({line.strip()[:60]!r} in line {number})"
            return [f"lines above the table {again}; they are passed over"]
    return []


def _first_of_table(numbered: Sequence[tuple[int, str]]) -> int:
    """Pass over a title: lines whose text runs across the gaps of all that follow."""
    lines = [line for _, line in numbered]
    fields = [
        len(_spans(lines[start:])) for start in range(min(_TOP, len(lines) - _LEAST_LINES + 1))
    ]
    start = next(
        (at for at, count in enumerate(fields) if count > 1 and max(fields[at:]) < _MORE * count), 0
    )
    return 0 if any(map(_has_numbers, lines[:start])) else start


def _has_numbers(line: str) -> bool:
    """Whether a line is a record rather than a title: two words in it and more are numbers."""
    words = line.split()
    return sum(map(looks_typed, words)) >= max(2, len(words) / 2)


def _spans(lines: Sequence[str]) -> list[tuple[int, int | None]]:
    """Fields between the columns of characters that are blank on every line."""
    width = max((len(line) for line in lines), default=0)
    blank = [all(line[at : at + 1] in ("", " ") for line in lines) for at in range(width)]
    starts = [at for at in range(width) if not blank[at] and (at == 0 or blank[at - 1])]
    if not starts:
        return []
    ends: list[int | None] = [*starts[1:], None]
    starts[0] = 0
    return list(zip(starts, ends, strict=True))


def _joined(
    lines: Sequence[str], spans: Sequence[tuple[int, int | None]]
) -> list[tuple[int, int | None]]:
    """Fields, with those that the first line leaves empty joined to the one before.

    Where never more than one blank stands between the two they are words of one text, or a date
    and its time.
    """
    joined: list[tuple[int, int | None]] = []
    for begin, end in spans:
        gaps = {
            len(line[:begin]) - len(line[:begin].rstrip())
            for line in lines[1:]
            if begin < len(line) and line[begin:end].strip() and not line[begin].isspace()
        }
        if joined and not lines[0][begin:end].strip() and gaps == {1}:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _has_wide_gap(lines: Sequence[str]) -> bool:
    """Whether some blanks side by side run down all lines, with text on both sides on each."""
    width = min(map(len, lines), default=0)
    gap = " " * _WIDE_GAP
    return any(
        all(line[at : at + _WIDE_GAP] == gap for line in lines)
        for at in range(1, width - _WIDE_GAP)
    )


def _ruled(rule: str) -> list[tuple[int, int | None]]:
    """Fields over the dashes of a line that underlines the header."""
    starts = [found.start() for found in re.finditer(r"[-=_]+", rule)]
    return list(zip([0, *starts[1:]], [*starts[1:], None], strict=True))


def _is_header(lines: Sequence[str], spans: Sequence[tuple[int, int | None]]) -> bool:
    cells = [lines[0][begin:end].strip() for begin, end in spans]
    if any(looks_typed(cell) for cell in cells) or sum(map(bool, cells)) < len(cells) - 1:
        return False
    body = [[line[begin:end].strip() for begin, end in spans] for line in lines[1:200]]
    typed = any(looks_typed(cell) for row in body for cell in row)
    return typed and not any(
        cell and cell in {row[n] for row in body} for n, cell in enumerate(cells)
    )

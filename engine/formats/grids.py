"""Recognise tables that are drawn with lines: of psql and mysql, of Markdown."""

from __future__ import annotations

from casparian_flow.reading.grids import cells, is_rule
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of

_MOST_ABOVE = 40
_LEAST_SHARE = 0.9


def recognise(sample: Sample) -> Profile | None:
    """The profile of a drawn table; None if no line under a header is drawn."""
    lines = sample.text.split("\n")
    for mark in ("|", "│"):
        header = _header(lines, mark)
        if header is None:
            continue
        width = len(cells(lines[header], mark))
        below = [line for line in lines[header + 1 :] if line.strip() and not is_rule(line)]
        whole = sum(len(cells(line, mark)) == width for line in below)
        if width < 2 or not below or whole < _LEAST_SHARE * (len(below) - 1):
            continue
        encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
        arguments: dict[str, Argument] = {"encoding": encoding, "mark": mark}
        if header:
            arguments["skip"] = header
        return profile_of("drawn table", Reading("grids", "read", arguments), sample, header=True)
    return None


def _header(lines: list[str], mark: str) -> int | None:
    """The line above the first that only draws, if it has cells."""
    for number, line in enumerate(lines[1 : _MOST_ABOVE + 1], 1):
        if is_rule(line) and mark in lines[number - 1] and not is_rule(lines[number - 1]):
            return number - 1
    return None

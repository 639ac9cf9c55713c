"""Recognise line logs by the patterns real programs write."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.formats.elimination import fits_format
from engine.formats.interface import ColumnProfile, Profile, Sample

_LEAST_SHARE = 0.8
_LEAST_STARTS = 0.05
_SHOWN_ROWS = 50
_TIME_FORMATS = tuple(
    f"%Y-%m-%d{between}%H:%M:%S{fraction}{zone}"
    for between in (" ", "T")
    for fraction in ("", ",%f", ".%f")
    for zone in ("", "%z")
)


@dataclass(frozen=True, slots=True)
class LogShape:
    """A kind of log."""

    name: str
    pattern: str
    """Named groups become columns."""
    types: dict[str, str]
    """Columns that are not text: `int64`, or a time format."""
    has_continuations: bool = False
    """Lines that do not match belong to the entry before."""


SHAPES = (
    LogShape(
        "access log (combined)",
        r'(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)"'
        r' (?P<status>\d{3}) (?P<size>\d+|-) "(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"',
        {"status": "int64", "size": "int64", "time": "%d/%b/%Y:%H:%M:%S %z"},
    ),
    LogShape(
        "access log (common)",
        r'(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)"'
        r" (?P<status>\d{3}) (?P<size>\d+|-)",
        {"status": "int64", "size": "int64", "time": "%d/%b/%Y:%H:%M:%S %z"},
    ),
    LogShape(
        "syslog (RFC 5424)",
        r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>\S+) (?P<app>\S+) (?P<pid>\S+)"
        r" (?P<message_id>\S+) (?P<data>-|(?:\[.*?\])+) ?(?P<message>.*)",
        {"priority": "int64"},
    ),
    LogShape(
        "syslog (RFC 3164)",
        r"(?:<(?P<priority>\d{1,3})>)?(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+)"
        r" (?P<app>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: (?P<message>.*)",
        {"priority": "int64", "pid": "int64"},
        has_continuations=True,
    ),
    LogShape(
        "application log",
        r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
        r"\s+(?:\[(?P<context>[^\]]*)\]\s+)?(?P<level>[A-Z]{4,8})\s+(?P<message>.*)",
        {},
        has_continuations=True,
    ),
    LogShape(
        "timed lines",
        r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
        r"\s+(?P<message>.*)",
        {},
        has_continuations=True,
    ),
)


def recognise(sample: Sample) -> Profile | None:
    """The profile of a line log; None if no known shape fits."""
    lines = [line for line in sample.text.split("\n") if line.strip()][:5000]
    if not lines:
        return None
    for shape in SHAPES:
        matches = [re.fullmatch(shape.pattern, line) for line in lines]
        hits = [match for match in matches if match is not None]
        share = len(hits) / len(lines)
        enough = share >= _LEAST_SHARE
        if shape.has_continuations and matches[0] is not None:
            enough = share >= _LEAST_STARTS
        if enough:
            return _profile(sample, shape, [match.groupdict() for match in hits], len(lines))
    return None


def _time_format(values: list[str]) -> str:
    """The one way in which all times are written; text if there is none."""
    for form in _TIME_FORMATS:
        if values and all(fits_format(value, form) for value in values):
            return form
    return "string"


def _profile(
    sample: Sample, shape: LogShape, records: list[dict[str, str | None]], lines: int
) -> Profile:
    columns: list[ColumnProfile] = []
    for name in re.compile(shape.pattern).groupindex:
        values = [record[name] for record in records]
        filled = [value for value in values if value is not None and value != "-"]
        kind = shape.types.get(name) or (_time_format(filled) if name == "time" else "string")
        columns.append(
            ColumnProfile(
                name,
                "timestamp" if kind.startswith("%") else kind,
                [kind] if kind.startswith("%") else [],
                len(values) - len(filled),
                list(dict.fromkeys(filled))[:3],
            )
        )
    problems = [sample.encoding_problem] if sample.encoding_problem else []
    others = lines - len(records)
    if others:
        what = "continue the entry before" if shape.has_continuations else "do not fit"
        problems.append(f"{others} lines of the sample {what}")
    if shape.name == "syslog (RFC 3164)":
        problems.append("its times name no year, so they stay text")
    if not sample.is_whole:
        problems.append("profiled from head, middle and tail; the whole file may hold more")
    return Profile(
        format="log",
        encoding=sample.encoding,
        dialect={"shape": shape.name},
        columns=tuple(columns),
        rows=tuple(tuple(record.values()) for record in records[:_SHOWN_ROWS]),
        problems=tuple(problems),
        fingerprint=f"log|{shape.name}",
    )

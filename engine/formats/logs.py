"""Recognise logs: entries of a known shape, one a line or continued on the next."""

from __future__ import annotations

import re
from dataclasses import dataclass

from casparian_flow.reading.w3c_logs import FIELDS
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of

_LEAST_SHARE, _LEAST_STARTS, _MOST_ODD = 0.8, 0.05, 0.02
_JUDGED_LINES, _TOP = 3_000, 20
_NOT_FIRST = (" ", "\t")
"""How lines above the first entry begin: the end of one in the file before."""
_DAY = r"(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.]\d\d[-/.]\d{4}|\d\d[-/ ][A-Z][a-z]{2}[-/ ]\d{4})"
_TIME = rf"{_DAY}[ T:]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_LEVEL = (
    r"(?i:trace|debug|info|information|notice|warn|warning|err|error|crit|critical|fatal|severe"
    r"|alert|emerg|panic|fine|finer|finest|config|verbose)"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of log."""

    name: str
    pattern: str
    """Of an entry's first line; its named groups become columns."""
    continues: str = ""
    """The column that lines which are no entry belong to; empty where each line is one."""
    note: str = ""
    begins: str = ""
    """How entries begin: with a time; empty where that is not certain."""


_BEGINS = rf"\[?{_TIME}"
_HOST = r"(?P<host>[\w.:/%-]+|\[[\da-fA-F:.%\w]+\])"
_ACCESS = (
    r"(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\]"
    r' "(?P<request>(?:[^"\\]|\\.)*)"'
    r" (?P<status>\d{3}|-) (?P<size>\d+|-)"
)
_APP = r"(?:(?P<app>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: ?)?(?P<message>.*)"
"""Without an application: `last message repeated 2 times`."""
_DAY_AND_TIME = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
_ISO_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
_NO_YEAR = "its times name no year, so they stay text"
SHAPES = (
    Shape(
        "access log (combined)",
        _ACCESS
        + r' "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"(?: (?P<extra>.*))?',
    ),
    Shape("access log (common)", _ACCESS),
    Shape(
        "access log (virtual hosts)",
        r"(?P<site>[\w.-]+:\d+) " + _ACCESS
        + r' "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"',
    ),
    Shape(
        "syslog (RFC 5424)",
        r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>\S+) (?P<app>\S+) (?P<pid>\S+)"
        r" (?P<message_id>\S+) (?P<data>-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(?P<message>.*)",
    ),
    Shape(
        "syslog (RFC 3164)",
        rf"(?:<(?P<priority>\d{{1,3}})>)?(?P<time>{_DAY_AND_TIME}) {_HOST} {_APP}",
        "message",
        _NO_YEAR,
        rf"(?:<\d{{1,3}}>)?{_DAY_AND_TIME} ",
    ),
    Shape(
        "syslog (ISO times)",
        rf"(?P<time>{_ISO_TIME}) {_HOST} (?P<app>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: ?(?P<message>.*)",
        "message",
        begins=rf"{_ISO_TIME} ",
    ),
    Shape(
        "nginx error log",
        r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>\w+)\]"
        r"(?: (?P<pid>\d+)#(?P<tid>\d+):)? (?:\*(?P<connection>\d+) )?(?P<message>.*)",
        "message",
        begins=r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ",
    ),
    Shape(
        "Apache error log",
        r"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\]"
        r"(?: \[(?:(?P<module>\w*):)?(?P<level>\w+)\])?"
        r"(?: \[pid (?P<pid>\d+)(?::tid (?P<tid>\d+))?\])?"
        r"(?: \[client (?P<client>[^\]]+)\])? ?(?P<message>.*)",
        "message",
        begins=r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d",
    ),
    Shape(
        "application log (time, thread, level, logger)",
        rf"(?P<time>{_TIME})[ -]+\[(?P<thread>[^\]]*)\]\s+(?P<level>{_LEVEL})"
        r"\s+(?P<logger>[\w.$/*\[\]-]+)\s*(?:-|:)\s+(?P<message>.*)",
        "message",
        begins=_BEGINS,
    ),
    Shape(
        "application log (time, logger, level)",
        rf"(?P<time>{_TIME}) - (?P<logger>[\w.]+) - (?P<level>{_LEVEL}) - (?P<message>.*)",
        "message",
        begins=_BEGINS,
    ),
    Shape(
        "application log (bracketed time, channel, level)",
        rf"\[(?P<time>{_TIME})\] (?P<channel>[\w-]+)\.(?P<level>{_LEVEL}): (?P<message>.*)",
        "message",
        begins=_BEGINS,
    ),
    Shape(
        "application log (bracketed)",
        rf"\[(?P<time>{_TIME})\]\s*\[?(?P<level>{_LEVEL})\]?:?\s+(?P<message>.*)",
        "message",
        begins=_BEGINS,
    ),
    Shape(
        "application log",
        rf"(?P<time>{_TIME})[ ,]+(?:\[(?P<context>[^\]]*)\]\s+)?"
        rf"[\[<(]?(?P<level>{_LEVEL})[\]>)]?:?\s+(?P<message>.*)",
        "message",
        begins=_BEGINS,
    ),
    Shape(
        "application log (level first)",
        rf"(?P<level>{_LEVEL}):(?P<logger>[\w.]+):(?P<message>.*)",
        "message",
    ),
    Shape(
        "timed lines", rf"\[?(?P<time>{_TIME})\]?[:,]?\s+(?P<message>.*)", "message",
        begins=_BEGINS,
    ),
    Shape(
        "timed lines behind a name",
        rf"(?P<program>[\w.-]+) (?P<time>{_TIME}):?\s+(?P<message>.*)", "message",
    ),
    Shape(
        "timed lines (Unix seconds)",
        r"(?P<time>1[0-9]{9}(?:\.[0-9]+)?):?\s+(?P<message>.*)", "message",
    ),
    Shape(
        "kernel log",
        r"(?:<(?P<priority>\d+)>)?\[ *(?P<seconds>\d+\.\d{6})\] (?P<message>.*)", "message",
    ),
)  # fmt: skip


def recognise(sample: Sample) -> Profile | None:
    """The profile of a log; None if no known shape fits."""
    lines = sample.lines[:_JUDGED_LINES]
    if not lines:
        return None
    if lines[0].startswith("#") and any(line.startswith(FIELDS) for line in lines[:_TOP]):
        return _w3c(sample)
    shape = next((one for one in SHAPES if _fits(one, lines)), None)
    if shape is None:
        return None
    encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    arguments: dict[str, Argument] = {
        "encoding": encoding, "pattern": shape.pattern, "continues": shape.continues,
    }  # fmt: skip
    if shape.begins:
        arguments["begins"] = shape.begins
    reading = Reading("loglines", "read", arguments)
    others = [line for line in lines if re.fullmatch(shape.pattern, line) is None]
    odd = _begun(shape, others)
    told = [shape.note] if shape.note else []
    if len(others) > odd and shape.continues:
        told.append(f"{len(others) - odd} lines of the sample continue the entry before")
    if odd:
        told.append(f"{odd} lines of the sample begin as entries do and are none: set aside")
    return profile_of("log", reading, sample, problems=told, shape=shape.name)


def _w3c(sample: Sample) -> Profile:
    encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    reading = Reading("w3c_logs", "read", {"encoding": encoding}, is_open=True)
    return profile_of("log", reading, sample, from_head=True, shape="W3C extended")


def _begun(shape: Shape, lines: list[str]) -> int:
    """How many of these lines begin as entries do."""
    return sum(re.match(shape.begins, line) is not None for line in lines) if shape.begins else 0


def _fits(shape: Shape, lines: list[str]) -> bool:
    pattern = re.compile(shape.pattern)
    first = next((line for line in lines if not line.startswith(_NOT_FIRST)), lines[0])
    if pattern.fullmatch(first) is None and shape.continues:
        return False
    others = [line for line in lines if pattern.fullmatch(line) is None]
    hits = len(lines) - len(others)
    if _begun(shape, others) > _MOST_ODD * hits:
        return False  # another shape takes these, too
    if hits >= _LEAST_SHARE * len(lines):
        return True
    if not shape.continues or hits < _LEAST_STARTS * len(lines):
        return False
    return bool(shape.begins) or not any(_is_entry(line) for line in others[:200])


def _is_entry(line: str) -> bool:
    """Whether a line begins as entries do: with a time."""
    return re.match(_BEGINS, line) is not None

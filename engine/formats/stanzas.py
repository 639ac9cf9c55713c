"""Recognise fields under each other: mail, package indexes, vCard, iCalendar, OFX."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from casparian_flow.reading.stanzas import block_cells
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of, tabulate

_FIELD = re.compile(r"[A-Za-z][\w-]*:(?:[ \t]|$)")
_MAIL_FIELDS = (
    "from",
    "to",
    "date",
    "subject",
    "received",
    "message-id",
    "return-path",
    "delivered-to",
    "content-type",
    "mime-version",
)
_MAIL_ENDINGS = (".eml", ".mbox", ".mbx")
_OFX_RECORDS = (
    "INVTRAN", "STMTTRN", "INVPOS", "SECINFO", "ACCTINFO", "STMTRS", "CCSTMTRS", "INVSTMTRS",
    "SONRS",
)  # fmt: skip
"""What a row is of, the first that there is: transactions before accounts before the session."""
_COMPONENTS = (
    "VCARD", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VTIMEZONE", "VCALENDAR",
)  # fmt: skip
_LEAST_BLOCKS, _BLOCK_LINES, _MOST_HEADS = 8, 2_000, 20
_LEAST_SHARE = 0.9


def recognise(sample: Sample) -> Profile | None:
    """The profile of a file of fields; None if it is none."""
    return _cards(sample) or _ofx(sample) or _mail(sample) or _paragraphs(sample) or _blocks(sample)


def _cards(sample: Sample) -> Profile | None:
    head = sample.text.lstrip("\ufeff \n")[:200].upper()
    if not head.startswith("BEGIN:"):
        return None
    kinds = Counter(re.findall(r"(?im)^BEGIN:([\w-]+)\s*$", sample.text))
    inner = {kind.upper(): count for kind, count in kinds.items()}
    wanted = [kind for kind in _COMPONENTS if kind in inner]
    if not wanted:
        why = "a calendar or card without entries: nothing to draft from"
        return Profile(format="icalendar", problems=(why,), fingerprint="icalendar|")
    main = [kind for kind in wanted if kind in _COMPONENTS[:4]] or wanted
    component = max(main, key=lambda kind: inner[kind])
    reading = Reading(
        "stanzas", "cards", {"component": component, "encoding": _encoding(sample)}, is_open=True
    )
    others = [
        f"{count} {kind}"
        for kind, count in inner.items()
        if kind not in (component, "VCALENDAR", "VTIMEZONE", "STANDARD", "DAYLIGHT", "VALARM")
    ]
    told = [f"also holds {', '.join(others)}, which the draft does not read"] if others else []
    form = "vcard" if component == "VCARD" else "icalendar"
    return profile_of(form, reading, sample, shape=component, problems=told)


def _ofx(sample: Sample) -> Profile | None:
    head = sample.text[:2_000].upper()
    if "OFXHEADER" not in head and "<OFX>" not in head:
        return None
    upper = sample.text.upper()
    record = next((one for one in _OFX_RECORDS if f"<{one}>" in upper), None)
    if record is None:
        why = "a bank statement without transactions, positions or accounts: nothing to draft from"
        return Profile(format="ofx", problems=(why,), fingerprint="ofx|")
    reading = Reading(
        "ofx", "read", {"record": record, "encoding": _encoding(sample)}, is_open=True
    )
    return profile_of("ofx", reading, sample, shape=record)


def _mail(sample: Sample) -> Profile | None:
    lines = sample.text.lstrip("\n").split("\n", 400)[:400]
    is_mbox = lines[0].startswith("From ") and ":" in lines[1] if len(lines) > 1 else False
    names: list[str] = []
    for line in lines[1:] if is_mbox else lines:
        if not line.strip():
            break
        if line[:1] in (" ", "\t") and names:
            continue
        found = re.match(r"([!-9;-~]+):", line)
        if found is None:
            return None
        names.append(found[1].lower())
    least = 1 if sample.name.lower().endswith(_MAIL_ENDINGS) else 2
    if sum(name in _MAIL_FIELDS for name in set(names)) < least:
        return None
    reading = Reading("mail", "read", {"mbox": True} if is_mbox else {}, is_open=True)
    one = profile_of(
        "mbox" if is_mbox else "mail", reading, sample, from_head=True, shape="message"
    )
    if any(column.name == "attachments" for column in one.columns):
        return replace(
            one, problems=(*one.problems, "parts beside the body are named and not read")
        )
    return one


def _paragraphs(sample: Sample) -> Profile | None:
    lines = sample.lines[:2_000]
    if len(lines) < 2 or not _FIELD.match(lines[0]):
        return None
    fields = sum(_FIELD.match(line) is not None for line in lines)
    continued = sum(line[0] in " \t" for line in lines)
    if fields + continued < _LEAST_SHARE * len(lines) or fields < 2:
        return None
    reading = Reading("stanzas", "paragraphs", {"encoding": _encoding(sample)}, is_open=True)
    found = tabulate(reading, sample.content)
    if found.rows < 1 or len(found.faults) > found.rows * 0.2:
        return None
    return profile_of("stanzas", reading, sample, shape=next(iter(found.columns)), found=found)


def _blocks(sample: Sample) -> Profile | None:
    """Blocks of lines of one shape with blank lines between, their first lines split by tabs."""
    lines = sample.text.split("\n")
    groups: list[list[str]] = [[]]
    firsts: list[int] = []
    for number, line in enumerate(lines[:_BLOCK_LINES], 1):
        if not line.strip():
            groups.append([])
        else:
            if not groups[-1]:
                firsts.append(number)
            groups[-1].append(line)
    groups = [group for group in groups if group]
    if len(groups) < _LEAST_BLOCKS:
        return None
    skip = 0 if _shape(groups[0]) == _shape(groups[1]) else 1
    body = groups[skip:-1]
    if _is_a_table(body):
        return None
    heads: list[int] = []
    while len(heads) < _MOST_HEADS and (count := _common(body, len(heads))) > 1:
        heads.append(count)
    if not heads:
        return None
    arguments: dict[str, Argument] = {"heads": heads, "encoding": _encoding(sample)}
    if skip:
        arguments["skip"] = firsts[1] - 1
    told = ["blocks of lines with blank lines between; their fields have no names, only places"]
    return profile_of("blocks", Reading("stanzas", "blocks", arguments), sample, problems=told)


def _is_a_table(groups: list[list[str]]) -> bool:
    """Whether every line has the same cells: then it is a table with blank lines in between."""
    if sum(len(group) > 1 for group in groups) <= len(groups) / 2:
        return False
    lines = [line for group in groups for line in group]
    for cells in (block_cells, str.split):
        (usual, count), *_ = Counter(len(cells(line)) for line in lines).most_common(1)
        if usual > 1 and count >= _LEAST_SHARE * len(lines):
            return True
    return False


def _shape(group: list[str]) -> tuple[int, ...]:
    return tuple(len(block_cells(line)) for line in group)


def _common(groups: list[list[str]], line: int) -> int:
    """Into how many cells nearly every block's nth line is split, at least; 0 if many lack it."""
    counts = sorted(len(block_cells(group[line])) for group in groups if len(group) > line)
    if len(counts) < _LEAST_SHARE * len(groups):
        return 0
    return counts[int(len(counts) * (1 - _LEAST_SHARE))]


def _encoding(sample: Sample) -> str:
    return {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)

"""Recognise fields under each other: mail, package indexes, vCard, iCalendar, OFX."""

from __future__ import annotations

import re
from collections import Counter

from engine.formats.interface import Profile, Reading, Sample
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
)
_COMPONENTS = (
    "VCARD", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VTIMEZONE", "VCALENDAR",
)  # fmt: skip
_LEAST_SHARE = 0.9


def recognise(sample: Sample) -> Profile | None:
    """The profile of a file of fields; None if it is none."""
    return _cards(sample) or _ofx(sample) or _mail(sample) or _paragraphs(sample)


def _cards(sample: Sample) -> Profile | None:
    head = sample.text.lstrip("\ufeff \n")[:200].upper()
    if not head.startswith("BEGIN:"):
        return None
    kinds = Counter(re.findall(r"(?im)^BEGIN:([\w-]+)\s*$", sample.text))
    inner = {kind.upper(): count for kind, count in kinds.items()}
    wanted = [kind for kind in _COMPONENTS if kind in inner]
    if not wanted:
        return None
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
    record = next(
        (
            one
            for one in ("STMTTRN", "INVTRAN", "STOCKINFO", "INVPOS")
            if f"<{one}>" in sample.text.upper()
        ),
        None,
    )
    if record is None:
        return None
    reading = Reading(
        "stanzas", "ofx", {"record": record, "encoding": _encoding(sample)}, is_open=True
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
    if len(names) < 2 or sum(name in _MAIL_FIELDS for name in set(names)) < 2:
        return None
    reading = Reading("stanzas", "mail", {}, is_open=True)
    return profile_of(
        "mbox" if is_mbox else "mail", reading, sample, from_head=True, shape="message"
    )


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


def _encoding(sample: Sample) -> str:
    return {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)

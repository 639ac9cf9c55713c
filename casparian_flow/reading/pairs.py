"""Read lines of pairs: logfmt, FIX messages, settings in sections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from casparian_flow.reading.blocks import Block, Fault, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source

_LOGFMT = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?(?:\s+|$)')
_FIX_START = re.compile(r"(?<!\d)8=FIXT?\.\d")
_SECTION = re.compile(r"\[(?P<name>[^\]]*)\]\s*(?:[;#].*)?$")
_SETTING = re.compile(r"(?P<key>(?:\\.|[^=:\\])+?)\s*[=:]\s*(?P<value>.*)$")


def logfmt(source: Source, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a line of `key=value key="a value"`."""
    return from_records(_logfmt(source, encoding))


def _logfmt(source: Source, encoding: str) -> Iterator[Record | Fault]:
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
        elif line.raw.strip():
            values = logfmt_pairs(line.raw)
            if values is None:
                yield Fault(line, "NO_MATCH", "not a line of key=value pairs")
            else:
                yield Record(line, values)


def logfmt_pairs(text: str) -> dict[str, str | None] | None:
    """The pairs of a line; None if it has anything else, or no pair at all."""
    values: dict[str, str | None] = {}
    at, has_pair = 0, False
    text = text.strip()
    while at < len(text):
        found = _LOGFMT.match(text, at)
        if found is None or found.end() == at:
            return None
        key, value = found.groups()
        if value is not None and value.startswith('"'):
            try:
                value = str(json.loads(value, strict=False))
            except ValueError:
                value = value[1:-1].replace('\\"', '"')
        has_pair |= value is not None
        if key in values:
            return None  # one of the two would be lost
        values[key] = "true" if value is None else value
        at = found.end()
    return values if has_pair else None


def fix(
    source: Source,
    *,
    separator: str = "\x01",
    names: Mapping[str, str] | None = None,
    encoding: str = "latin-1",
) -> Iterator[Block]:
    """Yield one row a FIX message; what stands before it on its line is `prefix`.

    Args:
        source: What to read.
        separator: Ends each field: SOH, `|`, `^A` or `;`.
        names: Tag → column; others are `tag_N`.
        encoding: The source's encoding.
    """
    return from_records(_fix(source, separator, names or {}, encoding))


def _fix(
    source: Source, separator: str, names: Mapping[str, str], encoding: str
) -> Iterator[Record | Fault]:
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        if not line.raw.strip():
            continue
        starts = [found.start() for found in _FIX_START.finditer(line.raw)]
        if not starts:
            yield Fault(line, "NO_MATCH", "no FIX message on this line")
        for number, start in enumerate(starts):
            end = starts[number + 1] if number + 1 < len(starts) else len(line.raw)
            fields = line.raw[start:end].strip().split(separator)
            broken = [field for field in fields if field.strip() and "=" not in field]
            if broken:
                reason = f"a field without a tag: {broken[0][:60]!r}"
                yield Fault(line, "NO_MATCH", reason)
                continue
            values: dict[str, str | None] = {}
            if number == 0 and starts[0]:
                values["prefix"] = line.raw[: starts[0]].strip()
            _add_fields(values, fields, names)
            yield Record(line, values)


def _add_fields(values: dict[str, str | None], fields: list[str], names: Mapping[str, str]) -> None:
    """Tags that come again (repeating groups) are kept in order, with `;` between."""
    for field in fields:
        tag, found, value = field.partition("=")
        if found:
            name = names.get(tag.strip(), f"tag_{tag.strip()}")
            values[name] = value if name not in values else f"{values[name]};{value}"


def settings(
    source: Source, *, encoding: str = "utf-8", continued: bool = False
) -> Iterator[Block]:
    """Yield one row a setting of an INI or properties file: section, key, value.

    `continued`: a backslash at its end continues a line, as in properties files.
    """
    return from_records(_settings(source, encoding, continued=continued))


def _settings(source: Source, encoding: str, *, continued: bool) -> Iterator[Record | Fault]:
    section: str | None = None
    held: Record | None = None
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        text = line.raw.strip()
        if held is not None and _goes_on(held, line.raw, continued=continued):
            held = _longer(held, line.raw, continued=continued)
            continue
        if held is not None:
            yield held
            held = None
        if not text or text.startswith(("#", ";", "!")):
            continue
        heading = _SECTION.match(text)
        if heading is not None:
            section = heading["name"].strip()
            continue
        found = _SETTING.match(text)
        if found is None:
            yield Fault(line, "NO_MATCH", "not a setting, section or comment")
            continue
        values = {"section": section, "key": found["key"].strip(), "value": found["value"].strip()}
        held = Record(line, values)
    if held is not None:
        yield held


def _goes_on(held: Record, text: str, *, continued: bool) -> bool:
    value = held.values["value"] or ""
    is_escaped = continued and value.endswith("\\") and not value.endswith("\\\\")
    return is_escaped or (text[:1] in (" ", "\t") and bool(text.strip()) and "=" not in text)


def _longer(held: Record, text: str, *, continued: bool) -> Record:
    value = held.values["value"] or ""
    is_escaped = continued and value.endswith("\\")
    joined = value[:-1] + text.strip() if is_escaped else f"{value}\n{text.strip()}"
    return held._replace(values={**held.values, "value": joined})

"""Read lines of pairs: logfmt, FIX messages, settings in sections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source

_LOGFMT = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?(?:\s+|$)')
_FIX_START = re.compile(r"(?<!\d)8=FIXT?\.\d")
_SECTION = re.compile(r"\[(?P<name>\[?[^\[\]]*\]?)\]\s*(?:[;#].*)?$")
_KEY = re.compile(r"(?:\\.|[^=:\\])+")
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w.-]*\s*=")
_BRACKETS = {"]": "[", "}": "{", ")": "("}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[tnrf:=#!\\ ])")


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
            fields = _fields(line.raw[start:end].strip(), separator)
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


def _fields(message: str, separator: str) -> list[str]:
    """The fields of a message; what has no number before its `=` is text of the field before."""
    fields: list[list[str]] = []
    for piece in message.split(separator):
        tag, found, _ = piece.partition("=")
        if fields and found and not tag.strip().isdecimal():
            fields[-1].append(piece)
        else:
            fields.append([piece])
    return [separator.join(pieces) for pieces in fields]


def _add_fields(values: dict[str, str | None], fields: list[str], names: Mapping[str, str]) -> None:
    """Tags that come again (repeating groups) are kept in order, with `;` between."""
    texts: dict[str, list[str]] = {}
    for field in fields:
        tag, found, value = field.partition("=")
        if found:
            name = names.get(tag.strip(), f"tag_{tag.strip()}")
            texts.setdefault(name, []).append(value)
    values.update({name: ";".join(several) for name, several in texts.items()})


def settings(
    source: Source, *, encoding: str = "utf-8", continued: bool = False
) -> Iterator[Block]:
    """Yield one row a setting of an INI or properties file: section, key, value.

    `continued`: as in Java's properties files, a backslash at its end continues a line, and
    elsewhere begins an escape. Else lines that are indented deeper continue a setting.
    """
    return from_records(_settings(source, encoding, continued=continued))


def _settings(source: Source, encoding: str, *, continued: bool) -> Iterator[Record | Fault]:
    section: str | None = None
    held: _Setting | None = None
    for line in lines(source, encoding):
        if held is not None and not isinstance(line, Fault) and held.takes(line.raw):
            continue
        if held is not None:
            yield held.record()
            held = None
        if isinstance(line, Fault):
            yield line
            continue
        text = line.raw.strip()
        if text.startswith("["):
            heading = _SECTION.match(text)
            section = heading["name"].strip() if heading else text
            if heading is None:  # what follows is not of the section before
                yield Fault(line, "NO_MATCH", "not a heading of a section")
        elif text and not _is_comment(text, continued=continued):
            key = _KEY.match(text)
            if key is None or key.end() == len(text) or not key[0].strip():
                yield Fault(line, "NO_MATCH", "not a setting, section or comment")
            else:
                value = text[key.end() + 1 :].strip()
                held = _Setting(line, section, continued, key[0], [value])
    if held is not None:
        yield held.record()


def _is_comment(text: str, *, continued: bool) -> bool:
    return text.startswith(("#", ";", "!") if continued else ("#", ";"))


@dataclass
class _Setting:
    """A setting that may go on with the next line."""

    place: Place
    section: str | None
    continued: bool
    """Whether a backslash at its end continues a line; else a deeper indentation does."""
    key: str
    pieces: list[str]

    @property
    def is_escaped(self) -> bool:
        """Whether the line so far ends in a backslash that is not itself escaped."""
        last = self.pieces[-1]
        return self.continued and (len(last) - len(last.rstrip("\\"))) % 2 == 1

    def takes(self, line: str) -> bool:
        """Take the next line if it goes on with this setting, or is a comment within it.

        One that is indented deeper does, unless it is a setting itself: `requests>=2` and
        `--cov=x` are none, and nothing is below `key =`; and so does the end of a list.
        """
        text = line.strip()
        if self.is_escaped:
            self.pieces[-1] = self.pieces[-1][:-1]
        elif not text:
            return False
        elif _is_comment(text, continued=self.continued):
            return True
        else:
            is_deeper = _indentation(line) > _indentation(self.place.raw)
            is_end = text in _BRACKETS and self.pieces[0].startswith(_BRACKETS[text])
            is_setting = bool(self.pieces[0]) and _PLAIN_KEY.match(text) is not None
            if self.continued or not (is_end or (is_deeper and not is_setting)):
                return False
        self.pieces.append(text)
        return True

    def record(self) -> Record:
        """The setting as a row."""
        if self.is_escaped:  # the file ends in it
            self.pieces[-1] = self.pieces[-1][:-1]
        value = ("" if self.continued else "\n").join(self.pieces).strip()
        key = self.key.strip()
        if self.continued:
            key, value = _without_escapes(key), _without_escapes(value)
        return Record(self.place, {"section": self.section, "key": key, "value": value})


def _indentation(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def _without_escapes(text: str) -> str:
    """Text without the escapes of a properties file; two of them may be one character."""
    plain = _ESCAPE.sub(_unescaped, text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _unescaped(found: re.Match[str]) -> str:
    """What an escape of a properties file stands for."""
    code = found[1]
    if code[0] == "u":
        return chr(int(code[1:], 16))
    return {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(code, code)

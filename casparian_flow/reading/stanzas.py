"""Read fields under each other: package metadata, vCard, iCalendar."""

from __future__ import annotations

import quopri
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from casparian_flow.reading.blocks import Block, Fault, Passed, Place, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source

_FIELD = re.compile(r"(?P<name>[!-9;-~]+):(?:[ \t]+|$)(?P<value>.*)")
_CARD_FIELD = re.compile(
    r'(?:(?P<group>[\w-]+)\.)?(?P<name>[^\s:;="]+)'
    r'(?P<parameters>(?:;[^":;]*(?:"[^"]*"[^":;]*)*)*):(?P<value>.*)',
    re.DOTALL,
)
_PARAMETER = re.compile(r';([^"=;]+)(?:=((?:"[^"]*"|[^";])*))?')
_PROPERTY = re.compile(r"[A-Z][A-Z-]*[;:]")
_COMPONENTS = ("VCARD", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY")
_PRINTABLE = re.compile(r"[^:]*;(?:ENCODING=)?QUOTED-PRINTABLE[;:]", re.IGNORECASE)
_OF_PARTS = ("N", "ADR", "ORG", "CATEGORIES", "NICKNAME", "RESOURCES", "REQUEST-STATUS", "GEO")
"""Properties of several parts, with `;` or `,` between."""
_MOST_LINES = 100_000


def paragraphs(source: Source, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a paragraph of `Name: value` lines, as in package indexes.

    Lines that begin with a blank continue the value before; a blank line ends the paragraph.
    """
    return from_records(_paragraphs(source, encoding))


def _paragraphs(source: Source, encoding: str) -> Iterator[Record | Fault]:
    held = Held()
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            held.spoil(line)
        elif line.raw.strip():
            if len(held.places) >= _MOST_LINES:
                yield held.end(_paragraph)
            if not line.raw.startswith("#"):
                held.places.append(line)
        elif held.places:
            yield held.end(_paragraph)
    if held.places:
        yield held.end(_paragraph)


@dataclass
class Held:
    """The lines of a record so far, and the first of them that is no text."""

    places: list[Place] = field(default_factory=list[Place])
    fault: Fault | None = None

    def spoil(self, fault: Fault) -> None:
        """Take a line that cannot be read: without it the record would seem whole."""
        self.places.append(fault.place)
        self.fault = self.fault or fault

    def end(self, read: Callable[[Sequence[Place]], Record | Fault]) -> Record | Fault:
        """The record that the lines make; none if one of them cannot be read."""
        places, fault = self.places, self.fault
        self.places, self.fault = [], None
        if fault is None:
            return read(places)
        reason = f"line {fault.place.line}: {fault.reason}"
        return Fault(whole(places), fault.code, reason if len(places) > 1 else fault.reason)


def _paragraph(held: Sequence[Place]) -> Record | Fault:
    values: dict[str, list[str]] = {}
    name = ""
    for line in held:
        if line.raw[0] in " \t" and name:
            more = line.raw.strip()
            values[name].append("" if more == "." else more)
            continue
        found = _FIELD.match(line.raw)
        if found is None:
            reason = f"line {line.line} is neither a field nor continues one"
            return Fault(whole(held), "NO_MATCH", reason)
        name = found["name"]
        values.setdefault(name, []).append(found["value"])
    return Record(whole(held), {name: "\n".join(texts) for name, texts in values.items()})


def whole(held: Sequence[Place]) -> Place:
    """Lines that follow each other as one place."""
    first = held[0]
    last = held[-1]
    length = None
    if first.offset is not None and last.offset is not None:  # with what is passed over between
        length = last.offset + (last.length or 0) - first.offset
    return Place(first.line, first.offset, length, "\n".join(line.raw for line in held))


def blocks(
    source: Source, *, heads: Sequence[int], skip: int = 0, encoding: str = "utf-8"
) -> Iterator[Block]:
    """Yield one row a block of lines; blank lines end a block.

    The first lines are split at tabs and runs of blanks into `line_1_1`, `line_1_2` ...; those
    after them are kept together in `rest`.

    Args:
        source: What to read.
        heads: For each line that is split, into how many cells; the last takes what is left.
        skip: Lines above the first block.
        encoding: The source's encoding.
    """
    return from_records(_blocks(source, heads, skip, encoding))


def _blocks(
    source: Source, heads: Sequence[int], skip: int, encoding: str
) -> Iterator[Record | Fault]:
    held = Held()
    read = partial(_block_record, heads=heads)
    for line in lines(source, encoding):
        place = line.place if isinstance(line, Fault) else line
        if (place.line or 0) <= skip:
            continue
        if isinstance(line, Fault):
            held.spoil(line)
        elif line.raw.strip():
            if len(held.places) >= _MOST_LINES:
                yield held.end(read)
            held.places.append(line)
        elif held.places:
            yield held.end(read)
    if held.places:
        yield held.end(read)


def _block_record(held: Sequence[Place], heads: Sequence[int]) -> Record | Fault:
    values: dict[str, str | None] = {}
    for number, (line, count) in enumerate(zip(held, heads, strict=False), 1):
        cells = block_cells(line.raw, count)
        if len(cells) < count:
            reason = f"line {line.line} has {len(cells)} cells instead of {count}"
            return Fault(whole(held), "FIELD_COUNT", reason)
        values |= {f"line_{number}_{place}": cell for place, cell in enumerate(cells, 1)}
    rest = "\n".join(line.raw.strip() for line in held[len(heads) :])
    values["rest"] = rest or None
    return Record(whole(held), values)


def block_cells(text: str, most: int = 0) -> list[str]:
    """What tabs and runs of blanks divide in a line, into `most` cells; 0 for any number."""
    cells = re.split(r"\t+| {2,}", text.strip(), maxsplit=most - 1 if most else 0)
    return [cell.strip() for cell in cells]


def cards(source: Source, *, component: str, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a component (`VCARD`, `VEVENT` ...): its properties, unfolded.

    A property's parameters stand in columns of their own, `DTSTART;TZID`; those of vCard 2.1 that
    have no name (`TEL;CELL:`) in `TEL;TYPE`, the group of `item1.URL` in `URL;GROUP`. Values in
    quoted-printable are read.
    """
    return from_records(_cards(source, component.upper(), encoding))


def _cards(source: Source, component: str, encoding: str) -> Iterator[Record | Fault | Passed]:
    held = Held()
    depth = 0
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            if depth:
                held.spoil(line)
            else:
                yield line
            continue
        word = line.raw.rstrip().upper()  # what begins with a blank goes on with the line before
        if word == f"BEGIN:{component}" and depth <= 1:
            if held.places:
                yield Fault(whole(held.places), "CUT_OFF", f"BEGIN:{component} without its end")
            held, depth = Held([line]), 1
        elif depth:
            held.places.append(line)
            depth += word.startswith("BEGIN:") - word.startswith("END:")
            if depth == 0:
                yield held.end(_card)
        elif word.startswith("BEGIN:") and word[6:] in _COMPONENTS:
            yield Passed(f"{word[6:]}, which is not read")
    if held.places:
        yield Fault(whole(held.places), "CUT_OFF", f"BEGIN:{component} without its end")


def _card(held: Sequence[Place]) -> Record | Fault:
    values: dict[str, list[str]] = {}
    depth = 0
    for text in _unfolded(held[1:-1]):
        word = text[:200].upper()
        depth += word.startswith("BEGIN:") - word.startswith("END:")
        if depth or word.startswith("END:"):
            continue  # alarms and the like inside an event are not its own properties
        found = _CARD_FIELD.fullmatch(text)
        if found is None:
            return Fault(whole(held), "NO_MATCH", f"not a property: {text[:60]!r}")
        _add_property(values, found)
    return Record(whole(held), {name: "\n".join(texts) for name, texts in values.items()})


def _add_property(values: dict[str, list[str]], found: re.Match[str]) -> None:
    name = found["name"].upper()
    parameters: list[tuple[str, str]] = [("GROUP", found["group"])] if found["group"] else []
    for one in _PARAMETER.finditer(found["parameters"]):
        key, text = one.groups()
        parameters.append(("TYPE", key) if text is None else (key.upper(), text.replace('"', "")))
    value = found["value"]
    encoded = [one for one in parameters if one[1].upper() == "QUOTED-PRINTABLE"]
    if encoded:
        charset = dict(parameters).get("CHARSET", "utf-8")
        value = _printable(value, charset)
        parameters = [one for one in parameters if one not in encoded and one[0] != "CHARSET"]
    if values.get("VERSION") != ["2.1"]:  # which has no such escapes
        value = _without_escapes(name, value)
    for key, text in [(name, value), *((f"{name};{key}", text) for key, text in parameters)]:
        values.setdefault(key, []).append(text)


def _without_escapes(name: str, value: str) -> str:
    """A value as text; as it stands where its parts could not be told apart any more."""
    if name in _OF_PARTS and re.search(r"\\[;,\\]", value):
        return value
    return re.sub(r"\\([nN,;\\])", _unescaped, value)


def _printable(value: str, charset: str) -> str:
    """A value in quoted-printable as text; as it stands where it is in no such charset."""
    raw = quopri.decodestring(value.encode("utf-8"))
    try:
        return raw.decode(charset).replace("\r\n", "\n")
    except (LookupError, UnicodeDecodeError):
        return value


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]


def _unfolded(held: Sequence[Place]) -> list[str]:
    texts: list[list[str]] = []
    for line in held:
        is_open = bool(texts) and texts[-1][-1].endswith("=") and _is_printable(texts[-1])
        if is_open and not _PROPERTY.match(line.raw):
            texts[-1][-1] = texts[-1][-1][:-1]
            texts[-1].append(line.raw.rstrip())
        elif line.raw[:1] in (" ", "\t") and texts:
            texts[-1].append(line.raw[1:])
        elif line.raw.strip():
            texts.append([line.raw])
    return ["".join(pieces) for pieces in texts]


def _is_printable(pieces: Sequence[str]) -> bool:
    """Whether a property is in quoted-printable, as its beginning says."""
    return _PRINTABLE.match("".join(pieces[:8])) is not None

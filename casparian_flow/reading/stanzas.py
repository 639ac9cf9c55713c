"""Read fields under each other: package metadata, vCard, iCalendar, OFX."""

from __future__ import annotations

import html
import quopri
import re
from collections.abc import Callable, Collection, Iterator, Sequence
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
_OFX_NAME = r"[A-Za-z][\w.]*(?:\s[^<>]*)?>"
_OFX_TAG = re.compile(
    rf"<(?P<close>/?)(?P<name>[\w.]+)(?:\s[^<>]*)?>(?P<value>(?:[^<]|<(?!/?{_OFX_NAME}))*)"
)
_OFX_ACCOUNT = ("BANKID", "ACCTID", "ACCTTYPE", "CURDEF")
_OFX_AGGREGATES = ("BANKACCTTO", "CCACCTTO", "PAYEE", "CURRENCY", "ORIGCURRENCY")
_OFX_TRADES = (
    "BUYDEBT", "BUYMF", "BUYOPT", "BUYOTHER", "BUYSTOCK", "CLOSUREOPT", "INCOME", "INVBANKTRAN",
    "INVEXPENSE", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "REINVEST", "RETOFCAP", "SELLDEBT",
    "SELLMF", "SELLOPT", "SELLOTHER", "SELLSTOCK", "SPLIT", "TRANSFER",
)  # fmt: skip
"""What an investment account does; each holds an INVTRAN and what else is known of it."""
_OFX_ROWS = (*_OFX_TRADES, "STMTTRN")
_OFX_STATEMENTS = ("STMTRS", "CCSTMTRS", "INVSTMTRS")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MOST_LINES = 100_000


def paragraphs(source: Source, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a paragraph of `Name: value` lines, as in package indexes.

    Lines that begin with a blank continue the value before; a blank line ends the paragraph.
    """
    return from_records(_paragraphs(source, encoding))


def _paragraphs(source: Source, encoding: str) -> Iterator[Record | Fault]:
    held = _Held()
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
class _Held:
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
    held = _Held()
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
    held = _Held()
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
            held, depth = _Held([line]), 1
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


def ofx(source: Source, *, record: str = "STMTTRN", encoding: str = "cp1252") -> Iterator[Block]:
    """Yield one row a transaction of a bank statement, with the account it belongs to.

    Reads OFX 1 (SGML, whose values have no closing tags) and OFX 2 (XML). With INVTRAN for its
    `record` a row is whatever an investment account did, and `TRANSACTION` says what that was.
    """
    records = _OFX_ROWS if record == "INVTRAN" else (record,)
    return from_records(_ofx(source, records, encoding))


def _ofx(
    source: Source, records: Collection[str], encoding: str
) -> Iterator[Record | Fault | Passed]:
    statement = _Ofx()
    record = ""  # the one that is open
    held = _Held()
    for line, text in _ofx_lines(source, encoding):
        if isinstance(line, Fault):
            if record:
                held.spoil(line)
            else:
                yield line
            continue
        if record:
            held.places.append(line)
        statement.go_on(text)
        for found in _OFX_TAG.finditer(text):
            is_end, name = bool(found["close"]), found["name"].upper()
            if not _is_of_rows(name, record, records, is_end=is_end):
                if name in _OFX_ROWS and not (record or is_end):
                    yield Passed(f"{name}, which is not read")
                statement.take(found, is_inside=bool(record))
                continue
            if record:
                begun = held.places[:-1] or held.places
                yield held.end(statement.record) if is_end else _cut_off(begun, record)
            statement.begin(name if len(records) > 1 else "")
            record, held = ("", _Held()) if is_end else (name, _Held([line]))
    if record:
        yield _cut_off(held.places, record)


def _cut_off(held: Sequence[Place], record: str) -> Fault:
    return Fault(whole(held), "CUT_OFF", f"<{record}> without its end")


def _ofx_lines(source: Source, encoding: str) -> Iterator[tuple[Place | Fault, str]]:
    """The lines, each with its text without CDATA sections."""
    for line in lines(source, encoding):
        text = "" if isinstance(line, Fault) else _without_cdata(line.raw)
        if isinstance(line, Place) and text is None:
            yield Fault(line, "NO_MATCH", "a CDATA section that does not end on its line"), ""
        else:
            yield line, text or ""


def _without_cdata(text: str) -> str | None:
    """A line with entities in place of its CDATA sections; None if one of them is not closed."""
    pieces: list[str] = []
    while "<![CDATA[" in text:
        before, _, rest = text.partition("<![CDATA[")
        inner, closed, text = rest.partition("]]>")
        if not closed:
            return None
        pieces += [before, html.escape(inner)]
    return "".join([*pieces, text])


def _is_of_rows(name: str, record: str, records: Collection[str], *, is_end: bool) -> bool:
    """Whether a tag begins or ends a row; a trade holds a STMTTRN that is none."""
    is_inner = name != record and record in _OFX_TRADES and name == "STMTTRN"
    return name in records and not is_inner and not (is_end and name != record)


@dataclass
class _Ofx:
    """What was met of a statement so far."""

    around: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """Whose statement it is."""
    values: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Of the transaction that is open."""
    _within: list[str] = field(default_factory=list[str])
    _last: str = ""
    """The field that a line without a tag goes on with."""

    def begin(self, kind: str) -> None:
        """A record begins or has ended; `kind`: what its column TRANSACTION says, if it has one."""
        self.values = {"TRANSACTION": [kind]} if kind else {}
        self._within, self._last = [], ""

    def record(self, held: Sequence[Place]) -> Record:
        """The transaction that ends, on these lines."""
        values = {name: "\n".join(texts) for name, texts in self.values.items()}
        return Record(whole(held), {**self.around, **values})

    def go_on(self, line: str) -> None:
        """Take what stands before the first tag of a line: it belongs to the value before."""
        tag = _OFX_TAG.search(line)
        text = (line if tag is None else line[: tag.start()]).strip()
        if text and self._last:
            self.values.setdefault(self._last, []).append(_unentitied(text))

    def take(self, found: re.Match[str], *, is_inside: bool) -> None:
        """Take a tag; in an aggregate of its own, such as whom money went to, it is prefixed."""
        name, value = found["name"].upper(), _unentitied(found["value"].strip())
        self._last = ""
        if name in _OFX_STATEMENTS and not found["close"]:
            self.around = {}
        elif name in _OFX_AGGREGATES and found["close"]:
            self._within = self._within[:-1]
        elif name in _OFX_AGGREGATES and not value:
            self._within.append(name)
        elif is_inside and not found["close"]:
            self._last = ".".join([*self._within, name])
            if value:  # else it may stand on the next line
                self.values.setdefault(self._last, []).append(value)
        elif value and name in _OFX_ACCOUNT and not found["close"]:
            self.around[name] = value


def _unentitied(text: str) -> str:
    """Text without entities; an ampersand that begins none stays what it is."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)

"""Read fields under each other: mail, package metadata, vCard, iCalendar, OFX."""

from __future__ import annotations

import email
import email.policy
import html
import json
import quopri
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

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
_OFX_TAG = re.compile(r"<(?P<close>/?)(?P<name>[\w.]+)>(?P<value>[^<]*)")
_OFX_ACCOUNT = ("BANKID", "ACCTID", "ACCTTYPE", "CURDEF")
_OFX_AGGREGATES = ("BANKACCTTO", "CCACCTTO", "PAYEE", "CURRENCY", "ORIGCURRENCY")
_OFX_TRADES = (
    "BUYDEBT", "BUYMF", "BUYOPT", "BUYOTHER", "BUYSTOCK", "CLOSUREOPT", "INCOME", "INVBANKTRAN",
    "INVEXPENSE", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "REINVEST", "RETOFCAP", "SELLDEBT",
    "SELLMF", "SELLOPT", "SELLOTHER", "SELLSTOCK", "SPLIT", "TRANSFER",
)  # fmt: skip
"""What an investment account does; each holds an INVTRAN and what else is known of it."""
_OFX_STATEMENTS = ("STMTRS", "CCSTMTRS", "INVSTMTRS")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MOST_LINES = 100_000


def paragraphs(source: Source, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a paragraph of `Name: value` lines, as in package indexes.

    Lines that begin with a blank continue the value before; a blank line ends the paragraph.
    """
    return from_records(_paragraphs(source, encoding))


def _paragraphs(source: Source, encoding: str) -> Iterator[Record | Fault]:
    held: list[Place] = []
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
        elif line.raw.strip():
            if len(held) >= _MOST_LINES:
                yield _paragraph(held)
                held = []
            if not line.raw.startswith("#"):
                held.append(line)
        elif held:
            yield _paragraph(held)
            held = []
    if held:
        yield _paragraph(held)


def _paragraph(held: Sequence[Place]) -> Record | Fault:
    values: dict[str, str | None] = {}
    name = ""
    for line in held:
        if line.raw[0] in " \t" and name:
            more = line.raw.strip()
            values[name] = f"{values[name]}\n{'' if more == '.' else more}"
            continue
        found = _FIELD.match(line.raw)
        if found is None:
            reason = f"line {line.line} is neither a field nor continues one"
            return Fault(_whole(held), "NO_MATCH", reason)
        name, value = found["name"], found["value"]
        values[name] = value if name not in values else f"{values[name]}\n{value}"
    return Record(_whole(held), values)


def _whole(held: Sequence[Place]) -> Place:
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
    held: list[Place] = []
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
        elif (line.line or 0) <= skip:
            continue
        elif line.raw.strip():
            if len(held) >= _MOST_LINES:
                yield _block_record(held, heads)
                held = []
            held.append(line)
        elif held:
            yield _block_record(held, heads)
            held = []
    if held:
        yield _block_record(held, heads)


def _block_record(held: Sequence[Place], heads: Sequence[int]) -> Record | Fault:
    values: dict[str, str | None] = {}
    for number, (line, count) in enumerate(zip(held, heads, strict=False), 1):
        cells = block_cells(line.raw, count)
        if len(cells) < count:
            reason = f"line {line.line} has {len(cells)} cells instead of {count}"
            return Fault(_whole(held), "FIELD_COUNT", reason)
        values |= {f"line_{number}_{place}": cell for place, cell in enumerate(cells, 1)}
    rest = "\n".join(line.raw.strip() for line in held[len(heads) :])
    values["rest"] = rest or None
    return Record(_whole(held), values)


def block_cells(text: str, most: int = 0) -> list[str]:
    """What tabs and runs of blanks divide in a line, into `most` cells; 0 for any number."""
    cells = re.split(r"\t+| {2,}", text.strip(), maxsplit=most - 1 if most else 0)
    return [cell.strip() for cell in cells]


def mail(source: Source, *, mbox: bool = False) -> Iterator[Block]:
    """Yield one row a message: its header fields as they are decoded, and `body`.

    What is attached is named in `attachments`, a JSON array, and not read.
    A mailbox (`mbox`) holds several, each after a line that begins with `From `.
    """
    return from_records(_mail(source, mbox=mbox), at_once=64)


def _mail(source: Source, *, mbox: bool) -> Iterator[Record | Fault]:
    held: list[Place] = []
    was_blank = True
    for line in lines(source, "latin-1"):  # bytes; the message itself says how it is encoded
        if isinstance(line, Fault):
            yield line
            continue
        if mbox and line.raw.startswith("From ") and was_blank:
            if any(one.raw.strip() for one in held):
                yield _message(held)
            held = []
        else:
            held.append(line)
        was_blank = not line.raw.strip()
    if any(one.raw.strip() for one in held):
        yield _message(held)


def _message(held: Sequence[Place]) -> Record | Fault:
    place = _whole(held)
    try:
        message = email.message_from_bytes(place.raw.encode("latin-1"), policy=email.policy.default)
        values: dict[str, str | None] = {}
        for name, value in message.items():
            text = str(value)
            known = next((one for one in values if one.lower() == name.lower()), name)
            values[known] = text if known not in values else f"{values[known]}\n{text}"
        body = message.get_body(("plain", "html"))
        values["body"] = None if body is None else str(body.get_content()).rstrip("\r\n")
        attached = [
            one.get_filename() or one.get_content_type()
            for one in message.walk()
            if one.is_attachment()
        ]
        if attached:
            values["attachments"] = json.dumps(attached, ensure_ascii=False)
    except Exception as error:  # noqa: BLE001 - the parser of the standard library raises anything
        return Fault(place, "NOT_MAIL", f"not a message: {type(error).__name__}: {error}")
    if len(values) < 2:
        return Fault(place, "NOT_MAIL", "no header fields")
    return Record(place, values)


def cards(source: Source, *, component: str, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a component (`VCARD`, `VEVENT` ...): its properties, unfolded.

    A property's parameters stand in columns of their own, `DTSTART;TZID`; those of vCard 2.1 that
    have no name (`TEL;CELL:`) in `TEL;TYPE`, the group of `item1.URL` in `URL;GROUP`. Values in
    quoted-printable are read.
    """
    return from_records(_cards(source, component.upper(), encoding))


def _cards(source: Source, component: str, encoding: str) -> Iterator[Record | Fault | Passed]:
    held: list[Place] = []
    depth = 0
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        word = line.raw.strip().upper()
        if word == f"BEGIN:{component}" and depth <= 1:
            if held:
                yield Fault(_whole(held), "CUT_OFF", f"BEGIN:{component} without its end")
            held, depth = [line], 1
        elif depth:
            held.append(line)
            depth += word.startswith("BEGIN:") - word.startswith("END:")
            if depth == 0:
                yield _card(held)
                held = []
        elif word.startswith("BEGIN:") and word[6:] in _COMPONENTS:
            yield Passed(f"{word[6:]}, which is not read")
    if held:
        yield Fault(_whole(held), "CUT_OFF", f"BEGIN:{component} without its end")


def _card(held: Sequence[Place]) -> Record | Fault:
    values: dict[str, str | None] = {}
    depth = 0
    for text in _unfolded(held[1:-1]):
        word = text.upper()
        depth += word.startswith("BEGIN:") - word.startswith("END:")
        if depth or word.startswith("END:"):
            continue  # alarms and the like inside an event are not its own properties
        found = _CARD_FIELD.fullmatch(text)
        if found is None:
            return Fault(_whole(held), "NO_MATCH", f"not a property: {text[:60]!r}")
        _add_property(values, found)
    return Record(_whole(held), values)


def _add_property(values: dict[str, str | None], found: re.Match[str]) -> None:
    name = found["name"].upper()
    parameters: list[tuple[str, str]] = [("GROUP", found["group"])] if found["group"] else []
    for key, text in _PARAMETER.findall(found["parameters"]):
        is_bare = not text
        value = text.replace('"', "")
        parameters.append(("TYPE" if is_bare else key.upper(), key if is_bare else value))
    value = found["value"]
    encoded = [one for one in parameters if one[1].upper() == "QUOTED-PRINTABLE"]
    if encoded:
        charset = dict(parameters).get("CHARSET", "utf-8")
        value = _printable(value, charset)
        parameters = [one for one in parameters if one not in encoded and one[0] != "CHARSET"]
    if values.get("VERSION") != "2.1":  # which has no such escapes
        value = re.sub(r"\\([nN,;\\])", _unescaped, value)
    for key, text in [(name, value), *((f"{name};{key}", text) for key, text in parameters)]:
        values[key] = text if key not in values else f"{values[key]}\n{text}"


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
    texts: list[str] = []
    for line in held:
        is_open = bool(texts) and texts[-1].endswith("=") and _PRINTABLE.match(texts[-1])
        if is_open and not _PROPERTY.match(line.raw):
            texts[-1] = texts[-1][:-1] + line.raw.rstrip()
        elif line.raw[:1] in (" ", "\t") and texts:
            texts[-1] += line.raw[1:]
        elif line.raw.strip():
            texts.append(line.raw)
    return texts


def ofx(source: Source, *, record: str = "STMTTRN", encoding: str = "cp1252") -> Iterator[Block]:
    """Yield one row a transaction of a bank statement, with the account it belongs to.

    Reads OFX 1 (SGML, whose values have no closing tags) and OFX 2 (XML). With INVTRAN for its
    `record` a row is whatever an investment account did, and `TRANSACTION` says what that was.
    """
    records = (*_OFX_TRADES, "STMTTRN") if record == "INVTRAN" else (record,)
    return from_records(_ofx(source, records, encoding))


def _ofx(source: Source, records: Collection[str], encoding: str) -> Iterator[Record | Fault]:
    statement = _Ofx()
    record = ""  # the one that is open
    held: list[Place] = []
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        if held:
            held.append(line)
        statement.go_on(line.raw)
        for found in _OFX_TAG.finditer(line.raw):
            is_end, name = bool(found["close"]), found["name"].upper()
            is_inner = name != record and record in _OFX_TRADES and name == "STMTTRN"
            if name not in records or is_inner or (is_end and name != record):
                statement.take(found, is_inside=bool(held))
                continue
            if held and not is_end:
                yield Fault(_whole(held[:-1] or held), "CUT_OFF", f"<{record}> without its end")
            elif held:
                yield Record(_whole(held), {**statement.around, **statement.values})
            statement.begin({"TRANSACTION": name} if len(records) > 1 else {})
            record, held = ("", []) if is_end else (name, [line])
    if held:
        yield Fault(_whole(held), "CUT_OFF", f"<{record}> without its end")


@dataclass
class _Ofx:
    """What was met of a statement so far."""

    around: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """Whose statement it is."""
    values: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """Of the transaction that is open."""
    _within: list[str] = field(default_factory=list[str])
    _last: str = ""
    """The field that a line without a tag goes on with."""

    def begin(self, values: dict[str, str | None]) -> None:
        """A record begins or has ended."""
        self.values, self._within, self._last = values, [], ""

    def go_on(self, line: str) -> None:
        """Take what stands before the first tag of a line: it belongs to the value before."""
        text = line.partition("<")[0].strip()
        if text and self._last:
            self.values[self._last] = f"{self.values[self._last]}\n{_unentitied(text)}"

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
        elif value and not found["close"]:
            if is_inside:
                self._last = key = ".".join([*self._within, name])
                before = self.values.get(key)
                self.values[key] = value if before is None else f"{before}\n{value}"
            elif name in _OFX_ACCOUNT:
                self.around[name] = value


def _unentitied(text: str) -> str:
    """Text without entities; an ampersand that begins none stays what it is."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)

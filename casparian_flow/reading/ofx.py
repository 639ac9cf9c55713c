"""Read the transactions of bank statements, in OFX 1 and 2."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from casparian_flow.reading.blocks import Block, Fault, Passed, Place, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source
from casparian_flow.reading.stanzas import Held, whole

_NAME = r"[A-Za-z][\w.]*(?:\s[^<>]*)?>"
_TAG = re.compile(
    rf"<(?P<close>/?)(?P<name>[\w.]+)(?:\s[^<>]*)?>(?P<value>(?:[^<]|<(?!/?{_NAME}))*)"
)
_ACCOUNT = ("BANKID", "ACCTID", "ACCTTYPE", "CURDEF")
_AGGREGATES = ("BANKACCTTO", "CCACCTTO", "PAYEE", "CURRENCY", "ORIGCURRENCY")
_TRADES = (
    "BUYDEBT", "BUYMF", "BUYOPT", "BUYOTHER", "BUYSTOCK", "CLOSUREOPT", "INCOME", "INVBANKTRAN",
    "INVEXPENSE", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "REINVEST", "RETOFCAP", "SELLDEBT",
    "SELLMF", "SELLOPT", "SELLOTHER", "SELLSTOCK", "SPLIT", "TRANSFER",
)  # fmt: skip
"""What an investment account does; each holds an INVTRAN and what else is known of it."""
_ROWS = (*_TRADES, "STMTTRN")
_STATEMENTS = ("STMTRS", "CCSTMTRS", "INVSTMTRS")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def read(source: Source, *, record: str = "STMTTRN", encoding: str = "cp1252") -> Iterator[Block]:
    """Yield one row a transaction of a bank statement, with the account it belongs to.

    Reads OFX 1 (SGML, whose values have no closing tags) and OFX 2 (XML). With INVTRAN for its
    `record` a row is whatever an investment account did, and `TRANSACTION` says what that was.
    """
    records = _ROWS if record == "INVTRAN" else (record,)
    return from_records(_statement(source, records, encoding))


def _statement(
    source: Source, records: Collection[str], encoding: str
) -> Iterator[Record | Fault | Passed]:
    statement = _Ofx()
    record = ""  # the one that is open
    held = Held()
    for line, text in _lines(source, encoding):
        if isinstance(line, Fault):
            if record:
                held.spoil(line)
            else:
                yield line
            continue
        if record:
            held.places.append(line)
        statement.go_on(text)
        for found in _TAG.finditer(text):
            is_end, name = bool(found["close"]), found["name"].upper()
            if not _is_of_rows(name, record, records, is_end=is_end):
                if name in _ROWS and not (record or is_end):
                    yield Passed(f"{name}, which is not read")
                statement.take(found, is_inside=bool(record))
                continue
            if record:
                begun = held.places[:-1] or held.places
                yield held.end(statement.record) if is_end else _cut_off(begun, record)
            statement.begin(name if len(records) > 1 else "")
            record, held = ("", Held()) if is_end else (name, Held([line]))
    if record:
        yield _cut_off(held.places, record)


def _cut_off(held: Sequence[Place], record: str) -> Fault:
    return Fault(whole(held), "CUT_OFF", f"<{record}> without its end")


def _lines(source: Source, encoding: str) -> Iterator[tuple[Place | Fault, str]]:
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
    is_inner = name != record and record in _TRADES and name == "STMTTRN"
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
        tag = _TAG.search(line)
        text = (line if tag is None else line[: tag.start()]).strip()
        if text and self._last:
            self.values.setdefault(self._last, []).append(_unentitied(text))

    def take(self, found: re.Match[str], *, is_inside: bool) -> None:
        """Take a tag; in an aggregate of its own, such as whom money went to, it is prefixed."""
        name, value = found["name"].upper(), _unentitied(found["value"].strip())
        self._last = ""
        if name in _STATEMENTS and not found["close"]:
            self.around = {}
        elif name in _AGGREGATES and found["close"]:
            self._within = self._within[:-1]
        elif name in _AGGREGATES and not value:
            self._within.append(name)
        elif is_inside and not found["close"]:
            self._last = ".".join([*self._within, name])
            if value:  # else it may stand on the next line
                self.values.setdefault(self._last, []).append(value)
        elif value and name in _ACCOUNT and not found["close"]:
            self.around[name] = value


def _unentitied(text: str) -> str:
    """Text without entities; an ampersand that begins none stays what it is."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)

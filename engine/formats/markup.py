"""Recognise XML documents and the tables of HTML pages."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast
from xml.parsers import expat

from casparian_flow.reading.html_tables import Table, column_names, tables
from casparian_flow.reading.sources import Source
from casparian_flow.reading.xml_encodings import Pieces, encoding_of
from casparian_flow.reading.xml_text import is_xml
from engine.formats import headers
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of

_HTML = re.compile(r"(?i)<!doctype html|<html[\s>]|<table[\s>]")
_PAGE = re.compile(
    r"(?is)(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype html|(?:html|head|body|div|p|table)[\s>])"
)
_CHARSET = re.compile(rb"(?i)<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})")
_MOST_TABLES, _MOST_OPEN_TAGS, _MOST_DEPTH = 20, 500, 60


def recognise(sample: Sample) -> Profile | None:
    """The profile of XML or HTML; None if it is neither."""
    text = sample.text.lstrip("\ufeff \n\t")
    if not text.startswith("<") or "<OFX>" in text[:2_000].upper():
        return None  # a statement of a bank has its own reader, in XML, too
    if not _PAGE.match(text) and is_xml(text):
        found = _xml(sample)
        if found is not None:
            return found
    return _html(sample) if _HTML.search(text) else None


def recognise_broken(sample: Sample) -> Profile | None:
    """What is said of a document that claims to be XML and cannot be read as such."""
    if not sample.text.lstrip("\ufeff \n\t").startswith("<?xml"):
        return None
    error = _Ways().read(sample.head)
    text = f"not well-formed XML: {error}; have it mended, or give the plugin's source yourself"
    rows = tuple((line,) for line in sample.text.split("\n")[:50])
    return Profile(
        format="xml", encoding=sample.encoding, rows=rows, problems=(text,),
        fingerprint="damaged|xml",
    )  # fmt: skip


def _html(sample: Sample) -> Profile | None:
    encoding = _declared(sample) or {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    if encoding != sample.encoding and sample.encoding_problem:
        sample = replace(sample, encoding=encoding, encoding_problem=None)  # it says so itself
    if sample.text.count("<") - sample.text.count(">") > _MOST_OPEN_TAGS:
        return None  # the parser of the standard library takes quadratic time over these
    try:
        found = tables(Source(cast("BinaryIO", io.BytesIO(sample.head))), encoding)
    except AssertionError:  # what it raises over markup it cannot follow
        return None
    profiles = [
        _table(sample, number, table, encoding)
        for number, table in enumerate(found[:_MOST_TABLES], 1)
    ]
    profiles.sort(key=lambda one: -len(one.rows))
    if not profiles:
        return None
    if len(found) > _MOST_TABLES:
        told = f"{len(found) - _MOST_TABLES} further tables of the page are not read"
        profiles[0] = replace(profiles[0], problems=(*profiles[0].problems, told))
    return profiles[0] if len(profiles) == 1 else replace(profiles[0], parts=tuple(profiles))


def _declared(sample: Sample) -> str | None:
    """The charset that a page names, where its bytes do not tell another: all of it is text so."""
    found = _CHARSET.search(sample.head[:4096])
    if found is None or not sample.encoding_problem:
        return None
    try:
        name = codecs.lookup(found[1].decode("ascii")).name
        codecs.getincrementaldecoder(name)().decode(sample.head, final=sample.is_whole)
    except (LookupError, UnicodeError):
        return None
    return None if name.startswith(("utf-16", "utf-32", "undefined")) else name


def _table(sample: Sample, number: int, table: Table, encoding: str) -> Profile:
    arguments: dict[str, Argument] = {"table": number, "encoding": encoding}
    body = [cells for _, cells in table.rows]
    header = table.header_rows
    told: list[str] = []
    if not header:  # no <th>: the first row is one if it reads like one
        width = max(map(len, body))
        whole = [cells for cells in body[1:] if len(cells) == width and cells != body[0]]
        header = int(headers.names_columns(body[0], whole, width))
    if not header:
        arguments["names"] = column_names(table, 0)
    arguments["header"] = header
    again = sum(cells == body[header - 1] for cells in body[header:]) if header else 0
    if again:
        told.append(f"{again} rows of the table are passed over: the header again")
    for why in dict.fromkeys(table.passed.values()):
        count = sum(one == why for one in table.passed.values())
        told.append(f"{count} rows of the table are passed over: {why}")
    reading = Reading("html_tables", "read", arguments)
    one = profile_of("html", reading, sample, from_head=True, header=header > 0, problems=told)
    return replace(one, part=f"table {number}")


def _xml(sample: Sample) -> Profile | None:
    ways = _Ways()
    error = ways.read(sample.head)
    if error is not None and (sample.is_whole or not ways.counts):
        return None
    record = ways.record()
    if record is None:
        return None
    reading = Reading("xml_text", "read", {"record": list(record)}, is_open=True)
    told = [*ways.beside(record), *ways.unread()]
    sample = replace(sample, encoding=encoding_of(sample.head), encoding_problem=None)  # it says so
    found = profile_of(
        "xml", reading, sample, from_head=True, shape="/".join(record),
        problems=told,
    )  # fmt: skip
    if found.columns:
        return found
    text = "its elements hold no values" if sample.is_whole else "no record is whole in the sample"
    return replace(found, reading=None, rows=(), problems=(*found.problems, text))


@dataclass
class _Ways:
    """Counts the ways from the root to each element."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])
    values: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])
    _stack: list[str] = field(default_factory=list[str])
    _texts: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    """Ways to elements that hold text of their own."""
    _attributes: dict[tuple[str, ...], set[str]] = field(
        default_factory=dict[tuple[str, ...], set[str]]
    )
    _dtd: str | None = None

    def read(self, head: bytes) -> str | None:
        """Count the elements of a document's beginning; what is wrong with it, if anything is."""
        pieces = Pieces(cast("BinaryIO", io.BytesIO(head)))
        try:
            first = pieces.begin()
            parser = expat.ParserCreate(pieces.parser_encoding)
            parser.StartElementHandler = self._start
            parser.EndElementHandler = self._end
            parser.CharacterDataHandler = self._text
            parser.StartDoctypeDeclHandler = self._doctype
            for piece in pieces.rest(first):
                parser.Parse(piece, False)
        except (expat.ExpatError, UnicodeError, LookupError) as error:
            return str(error)
        return None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._stack.append(name.rpartition(":")[2])
        if len(self._stack) > _MOST_DEPTH:
            return
        way = tuple(self._stack)
        self.counts[way] += 1
        named = {one for one in attributes if one.partition(":")[0] not in ("xmlns", "xsi", "xml")}
        if named:
            self._attributes.setdefault(way, set()).update(named)
        for depth in range(1, len(way)):
            self.values[way[:depth]] += 1 + len(attributes)
        self.values[way] += len(attributes)

    def _end(self, _name: str) -> None:
        self._stack.pop()

    def _text(self, text: str) -> None:
        if self._stack and len(self._stack) <= _MOST_DEPTH and not text.isspace():
            self._texts.add(tuple(self._stack))

    def _doctype(self, _name: str, where: str | None, *_: object) -> None:
        self._dtd = where

    def unread(self) -> list[str]:
        """What is said of a DTD that lies elsewhere."""
        if self._dtd is None:
            return []
        return [
            f"its DTD {self._dtd[:100]!r} is not read: values that it would fill in are missing"
        ]

    def record(self) -> tuple[str, ...] | None:
        """The element that repeats and holds the most, the nearest to the root; else the root."""
        if not self.counts:
            return None
        repeated = [
            way for way, count in self.counts.items() if count > 1 and len(way) > 1
            and all(self.counts[way[:depth]] == 1 for depth in range(1, len(way)))
        ]  # fmt: skip
        if repeated:
            return max(repeated, key=lambda way: (self.values[way] + self.counts[way], -len(way)))
        return next(iter(self.counts))

    def beside(self, record: tuple[str, ...]) -> list[str]:
        """What is said of other elements that hold values and are not read."""
        others = [
            "/".join(way) for way, count in self.counts.items()
            if way[: len(record)] != record and record[: len(way)] != way
            and len(way) <= len(record) and (self.values[way] or count > 1 or way in self._texts)
        ]  # fmt: skip
        told: list[str] = []
        if others:
            told.append(f"other elements hold values and are not read: {', '.join(others[:6])}")
        above = [record[:depth] for depth in range(1, len(record))]
        lost = [
            f"{way[-1]}@{name}" for way in above for name in sorted(self._attributes.get(way, ()))
        ]
        lost += [f"the text of {way[-1]}" for way in above if way in self._texts]
        if lost:
            told.append(f"what stands above the records is not read: {', '.join(lost[:6])}")
        return told

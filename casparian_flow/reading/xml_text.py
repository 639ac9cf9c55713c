"""Read the records of an XML document as they come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.sources import Source
from casparian_flow.reading.xml_encodings import Pieces

_MOST_RAW = 1 << 16


def read(source: Source, *, record: Sequence[str], encoding: str = "") -> Iterator[Block]:
    """Yield one row an element at the end of the way `record`, from the root on.

    Columns are the ways inside it: `@id` an attribute, `name` a child's text, `address.city`
    deeper, `.` the element's own text; what comes more than once is a JSON array. Namespaces'
    prefixes are left out.

    Args:
        source: What to read.
        record: Names of elements from the root to the record.
        encoding: In place of what the document says of itself; empty for what it says.
    """
    return from_records(_records(source, list(record), encoding))


def _records(source: Source, way: list[str], encoding: str) -> Iterator[Record | Fault]:
    pieces = Pieces(source.stream, encoding)
    try:
        first = pieces.begin()
    except LookupError as error:
        reason = f"{error}: name the one it is in (`encoding`)"
        yield Fault(Place(1, 0, None, ""), "NOT_TEXT", reason)
        return
    builder = Builder(way, pieces)
    parser = builder.parser()
    try:
        for piece in pieces.rest(first):
            parser.Parse(piece, not piece)
            yield from builder.done()
    except (expat.ExpatError, UnicodeError) as error:
        yield from builder.done()
        offset = parser.ErrorByteIndex if pieces.is_native else None
        place = Place(parser.ErrorLineNumber, offset, None, "")
        yield Fault(place, "NOT_XML", f"not XML from here on: {error}")
        return
    if not builder.found:
        reason = f"no element {'/'.join(way)}, which the records are"
        yield Fault(Place(1, 0, None, ""), "NO_RECORDS", reason)


@dataclass
class Builder:
    """Turns what the parser meets into records."""

    way: list[str]
    pieces: Pieces
    most_values: int = 10_000
    """Values that one record may have; those after it are left out, and it is set aside."""
    found: bool = False
    """Whether any record was met."""
    _stack: list[str] = field(default_factory=list[str])
    _texts: list[list[str]] = field(default_factory=list[list[str]])
    _values: dict[str, list[str]] | None = None
    _count: int = 0
    _place: tuple[int, int] = (0, 0)
    _done: list[Record | Fault] = field(default_factory=list[Record | Fault])
    _parser: expat.XMLParserType | None = None

    def parser(self) -> expat.XMLParserType:
        """The parser that feeds this."""
        parser = expat.ParserCreate(self.pieces.parser_encoding)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse_entity
        self._parser = parser
        return parser

    def done(self) -> list[Record | Fault]:
        """The records that are complete since this was asked last."""
        done, self._done = self._done, []
        return done

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise expat.ExpatError(f"entity {name} is declared; documents with their own are not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._stack.append(name.rpartition(":")[2])
        if self._values is None and self._stack == self.way:
            parser = self._parser
            assert parser is not None  # noqa: S101 - it is what calls this
            self._values, self._count = {}, 0
            self._place = (parser.CurrentLineNumber, parser.CurrentByteIndex)
        if self._values is not None:
            self._texts.append([])
            inside = ".".join(self._stack[len(self.way) :])
            for key, value in attributes.items():
                if not key.startswith("xmlns"):
                    self._add(f"{inside}@{key.rpartition(':')[2]}", value)

    def _text(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)

    def _end(self, _name: str) -> None:
        if self._values is not None:
            text = "".join(self._texts.pop()).strip()
            inside = ".".join(self._stack[len(self.way) :]) or "."
            if text:
                self._add(inside, text)
            if len(self._stack) == len(self.way):
                self._finish()
        self._stack.pop()

    def _add(self, name: str, value: str) -> None:
        self._count += 1
        if self._values is not None and self._count <= self.most_values:
            self._values.setdefault(name, []).append(value)

    def _finish(self) -> None:
        self.found = True
        values, self._values = self._values or {}, None
        parser = self._parser
        assert parser is not None  # noqa: S101 - it is what calls this
        line, offset = self._place
        flat = {
            name: found[0] if len(found) == 1 else json.dumps(found, ensure_ascii=False)
            for name, found in values.items()
        }
        raw = json.dumps(flat, ensure_ascii=False)[:_MOST_RAW]
        place = Place(line, None, None, raw)
        if self.pieces.is_native:
            end = self.pieces.end_of_tag(parser.CurrentByteIndex)
            place = Place(line, offset, end - offset, raw)
        if self._count > self.most_values:
            reason = f"more than {self.most_values} values in one record"
            self._done.append(Fault(place, "TOO_MANY_FIELDS", reason))
        else:
            self._done.append(Record(place, flat))


def is_xml(head: str) -> bool:
    """Whether a text begins as XML does."""
    return re.match(r"\ufeff?\s*<(\?xml|!--|!DOCTYPE\s|[A-Za-z_][\w.:-]*[\s/>])", head) is not None

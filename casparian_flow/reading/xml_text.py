"""Read the records of an XML document as they come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.entities import name2codepoint
from xml.parsers import expat

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.sources import Source
from casparian_flow.reading.xml_encodings import Pieces

_MOST_RAW = 1 << 16
_ENTITY = re.compile(r"&([^#&;\s][^&;\s]*);")
_XML_NAMES = frozenset(("amp", "apos", "gt", "lt", "quot"))
_HTML_NAMES = "".join(
    f'<!ENTITY {name} "&#{code};">' for name, code in name2codepoint.items()
    if name not in _XML_NAMES
)  # fmt: skip


def read(source: Source, *, record: Sequence[str], encoding: str = "") -> Iterator[Block]:
    """Yield one row an element at the end of the way `record`, from the root on.

    Columns are the ways inside it: `@id` an attribute, `name` a child's text, `address.city`
    deeper, `.` the element's own text; what comes more than once is a JSON array. Namespaces'
    prefixes are left out. A DTD that lies elsewhere is not fetched: `&eacute;` and the like are
    the characters that HTML 4 names so, and a record with another entity is set aside.

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
    most_depth: int = 200
    """Elements that may lie in one another in a record; with more it is set aside."""
    found: bool = False
    """Whether any record was met."""
    _stack: list[str] = field(default_factory=list[str])
    _texts: list[list[str]] = field(default_factory=list[list[str]])
    _values: dict[str, list[str]] | None = None
    _count: int = 0
    _trouble: tuple[str, str] | None = None
    """Code and reason why the record is set aside."""
    _place: tuple[int, int] = (0, 0)
    _is_just_begun: bool = False
    """Whether nothing came since an element began."""
    _has_dtd: bool = False
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
        parser.SkippedEntityHandler = self._skipped
        parser.ExternalEntityRefHandler = self._stand_in
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_ALWAYS)
        self._parser = parser
        return parser

    def done(self) -> list[Record | Fault]:
        """The records that are complete since this was asked last."""
        done, self._done = self._done, []
        return done

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise expat.ExpatError(f"entity {name} is declared; documents with their own are not read")

    def _stand_in(self, context: str | None, *_: object) -> int:
        """Give the names of HTML in place of a DTD that lies elsewhere."""
        parser = self._parser
        assert parser is not None  # noqa: S101 - it is what calls this
        self._has_dtd = True
        inner = parser.ExternalEntityParserCreate(context, "UTF-8")
        inner.EntityDeclHandler = None
        inner.Parse(_HTML_NAMES, True)
        return 1

    def _skipped(self, name: str, *_: object) -> None:
        self._set_aside("UNKNOWN_ENTITY", f"&{name}; is declared in a DTD that was not read")

    def _set_aside(self, code: str, reason: str) -> None:
        if self._values is not None and self._trouble is None:
            self._trouble = (code, reason)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._stack.append(name.rpartition(":")[2])
        self._is_just_begun = True
        if self._values is None and self._stack == self.way:
            parser = self._parser
            assert parser is not None  # noqa: S101 - it is what calls this
            self._values, self._count, self._trouble = {}, 0, None
            self._place = (parser.CurrentLineNumber, parser.CurrentByteIndex)
        if self._values is not None:
            self._texts.append([])
            inside = self._inside()
            for key, value in attributes.items():
                if not key.startswith("xmlns"):
                    self._add(f"{inside}@{key.rpartition(':')[2]}", value)
            if attributes and self._has_dtd:
                self._look_for_entities()

    def _look_for_entities(self) -> None:
        """Set aside a record whose attributes lost an entity: of these the parser says nothing."""
        parser = self._parser
        assert parser is not None  # noqa: S101 - it is what calls this
        tag = self.pieces.up_to_next_tag(parser.CurrentByteIndex)
        if tag is None:
            self._set_aside("UNKNOWN_ENTITY", "a tag is too long to be looked through for entities")
            return
        for name in _ENTITY.findall(tag):
            if name not in _XML_NAMES and name not in name2codepoint:
                self._skipped(name)

    def _inside(self) -> str:
        """The way from the record to where we are; empty at the record, and where too deep."""
        if len(self._stack) - len(self.way) > self.most_depth:
            self._set_aside("TOO_DEEP", f"more than {self.most_depth} elements in one another")
            return ""
        return ".".join(self._stack[len(self.way) :])

    def _text(self, text: str) -> None:
        self._is_just_begun = False
        if self._texts:
            self._texts[-1].append(text)

    def _end(self, _name: str) -> None:
        if self._values is not None:
            text = "".join(self._texts.pop()).strip()
            if text:
                self._add(self._inside() or ".", text)
            if len(self._stack) == len(self.way):
                self._finish()
        self._is_just_begun = False
        self._stack.pop()

    def _add(self, name: str, value: str) -> None:
        self._count += 1
        if self._count > self.most_values:
            reason = f"more than {self.most_values} values in one record"
            self._set_aside("TOO_MANY_FIELDS", reason)
        elif self._values is not None:
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
            end = parser.CurrentByteIndex
            if not (self._is_just_begun and self.pieces.is_behind("/>", end)):
                end = self.pieces.end_of_tag(end)
            place = Place(line, offset, end - offset, raw)
        if self._trouble is not None:
            self._done.append(Fault(place, *self._trouble))
        else:
            self._done.append(Record(place, flat))


def is_xml(head: str) -> bool:
    """Whether a text begins as XML does."""
    return re.match(r"\ufeff?\s*<(\?xml|!--|!DOCTYPE\s|[A-Za-z_][\w.:-]*[\s/>])", head) is not None

"""Read JSON: one object a line, one after the other, or records inside a document."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.lines import MARK, MARKED, lines, not_text
from casparian_flow.reading.sources import Source

_PIECE = 1 << 20
_BEHIND = frozenset(",]}: \t\r\n")
"""What may follow a number or word: only then it is whole."""
_MOST_VALUE = 64 << 20
_BLANKS = re.compile(r"[ \t\r\n]*")


class _Number(str):
    """A number as it is written, so that none is rounded on its way to its column."""

    __slots__ = ()


class Doubled(dict[str, object]):
    """An object that has a key twice: one of its values would be lost."""


class KeyTwice(ValueError):
    """An object has a key twice."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(found)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_Number,
    strict=False,
)


_SCAN = cast("Callable[[str, int], tuple[object, int]]", getattr(_DECODER, "scan_once"))  # noqa: B009 - not in its stub
_PLAIN = frozenset([str, _Number, type(None)])
"""Kinds of values that are their column's text already."""


def by_line(source: Source, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Yield one row a line that holds a JSON object."""
    return from_records(_by_line(source, encoding))


def _by_line(source: Source, encoding: str) -> Iterator[Record | Fault]:
    for line in lines(source, encoding):
        if isinstance(line, Fault):
            yield line
            continue
        if not line.raw.strip():
            continue
        try:
            value = _decoded(line.raw)
        except (ValueError, RecursionError) as error:
            yield Fault(line, "NOT_JSON", f"not JSON: {error}")
            continue
        yield record_of(line, value)


def _decoded(text: str) -> object:
    """The one value of a text; the scanner itself is three times as fast as `decode`."""
    if text.startswith("{"):
        try:
            value, end = _SCAN(text, 0)
        except StopIteration:
            return cast("object", _DECODER.decode(text))  # which says what is wrong
        if end == len(text):
            return value
    return cast("object", _DECODER.decode(text))


def document(
    source: Source,
    *,
    at: Sequence[str] = (),
    names: Sequence[str] = (),
    header: bool = False,
    keyed: str = "",
    encoding: str = "utf-8",
) -> Iterator[Block]:
    """Yield one row a record of a document, or of several one after the other, as they come.

    Args:
        source: What to read.
        at: Keys on the way to the array of records, or to the object that holds them by name;
            empty where the document itself is the array, or a record.
        names: Columns of records that are arrays.
        header: Whether the first such array names the columns.
        keyed: The column for the keys, where the records are the values of one object.
        encoding: The source's encoding.
    """
    form = _Form(tuple(names), header=header, keyed=keyed)
    found = _documents(Text(source, encoding), tuple(at), form)
    return from_records(
        not_text(one.place, encoding) if MARK in one.place.raw else one for one in found
    )


class _Form(NamedTuple):
    """How records are written."""

    names: tuple[str, ...]
    header: bool
    keyed: str


def _documents(text: Text, at: tuple[str, ...], form: _Form) -> Iterator[Record | Fault]:
    found = False
    try:
        while text.peek():
            for one in _records(text, at, form):
                found = True
                yield one
        if not found and at:
            reason = f"nothing at {'.'.join(at)}, where the records are"
            yield Fault(text.place(""), "NO_RECORDS", reason)
    except Broken as error:
        yield Fault(text.place(text.rest(200)), "NOT_JSON", f"not JSON from here on: {error}")


def _records(text: Text, at: tuple[str, ...], form: _Form) -> Iterator[Record | Fault]:
    """The records at the end of a way of keys; what lies beside the way is passed over."""
    if at and text.peek() == "{":
        for key in text.entries():
            if key == at[0]:
                yield from _records(text, at[1:], form)
            else:
                text.value()
        return
    if form.keyed and text.peek() == "{":
        for key in text.entries():
            place, value = text.value()
            record = record_of(place, value, form.names)
            if isinstance(record, Record):
                record = record._replace(values={form.keyed: key, **record.values})
            yield record
        return
    names = form.names
    if text.peek() == "[":
        is_first = form.header
        for _ in text.items():
            place, value = text.value()
            if is_first and isinstance(value, list):
                names = tuple(str(name) for name in cast("list[object]", value))
            else:
                yield record_of(place, value, names)
            is_first = False
        return
    place, value = text.value()
    yield record_of(place, value, names)


def record_of(place: Place, value: object, names: Sequence[str] = ()) -> Record | Fault:
    """A value as a record: an object by its keys, an array by `names`; or why it is none."""
    try:
        return _fitted(place, value, names)
    except KeyTwice:
        return Fault(place, "DUPLICATE_KEY", "an object within the record has a key twice")
    except RecursionError:
        return Fault(place, "TOO_DEEP", "nested too deeply")


def _fitted(  # noqa: PLR0911 - one return per shape reads best
    place: Place, value: object, names: Sequence[str]
) -> Record | Fault:
    if isinstance(value, Doubled):
        return Fault(place, "DUPLICATE_KEY", "an object has a key twice")
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        if _are_plain(pairs):
            if _PLAIN.issuperset(map(type, pairs.values())):
                return Record(place, cast("dict[str, str | None]", pairs))
            return Record(place, dict(zip(pairs, map(as_text, pairs.values()), strict=True)))
        return Record(place, {_name(key, pairs): as_text(item) for key, item in pairs.items()})
    if isinstance(value, list) and names:
        items = cast("list[object]", value)
        if len(items) != len(names):
            reason = f"{len(items)} values instead of {len(names)}"
            return Fault(place, "FIELD_COUNT", reason)
        return Record(place, {name: as_text(item) for name, item in zip(names, items, strict=True)})
    if not isinstance(value, dict | list):
        return Record(place, {"value": as_text(value)})
    return Fault(place, "NOT_AN_OBJECT", "not a JSON object")


def _are_plain(names: Mapping[str, object]) -> bool:
    """Whether columns can be called like this as it is; asked of every record."""
    return "" not in names and "".join(names).isascii()


def _name(key: str, pairs: Mapping[str, object]) -> str:
    """A key as a column can be called: not empty, and text that can be stored."""
    if key:
        return key.encode("utf-8", "backslashreplace").decode()
    name = "unnamed"
    while name in pairs:
        name += "_"
    return name


def as_text(value: object) -> str | None:
    """A value as its column's text: what is nested as JSON, a number as it was written.

    Raises:
        KeyTwice: an object in it has a key twice.
        RecursionError: it is nested too deeply.
    """
    if type(value) in _PLAIN:
        return cast("str | None", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _written(value)


def _written(value: object) -> str:
    """A nested value as JSON, with its numbers as they were."""
    match value:
        case _Number():
            return str(value)
        case Doubled():
            raise KeyTwice
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in pairs) + "}"
        case list():
            return "[" + ", ".join(_written(item) for item in cast("list[object]", value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


class Broken(ValueError):
    """The text is not JSON from here on."""


class Text:
    """A document that is taken apart while it is read; holds one value at a time."""

    def __init__(self, source: Source, encoding: str) -> None:
        self._stream = source.stream
        codec = codecs.lookup(encoding).name
        self._encoding = codec.removesuffix("-sig")  # the mark is kept, passed over and counted
        self._has_offsets = not codec.startswith(("utf-16", "utf-32"))
        self._decode = codecs.getincrementaldecoder(self._encoding)(MARKED)
        self._kept, self._at = "", 0
        self._is_last = False
        self._line, self._offset = 1, 0

    def rest(self, count: int) -> str:
        """Some of what follows."""
        return self._kept[self._at : self._at + count]

    def place(self, raw: str) -> Place:
        """Where the reading stands."""
        if not self._has_offsets:
            return Place(self._line, None, None, raw)
        return Place(self._line, self._offset, len(raw.encode(self._encoding, "replace")), raw)

    def peek(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            blanks = _BLANKS.match(self._kept, self._at)
            self._pass(blanks.end() if blanks else self._at)
            if self._at < len(self._kept) or not self._more():
                break
        if self._kept[self._at : self._at + 1] == "\ufeff":
            self._pass(self._at + 1)
            return self.peek()
        return self._kept[self._at : self._at + 1]

    def value(self) -> tuple[Place, object]:
        """The next value, and where it stands."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._kept, self._at)
                behind = self._kept[end : end + 1]
                if self._is_last or self._kept[end - 1] in '}]"' or behind in _BEHIND:
                    break
            except RecursionError as error:
                raise Broken("nested too deeply") from error
            except ValueError as error:
                if self._is_last or len(self._kept) - self._at > _MOST_VALUE:
                    raise Broken(str(error)) from error
            self._more(len(self._kept) - self._at)
        place = self.place(self._kept[self._at : end])
        self._pass(end)
        return place, value

    def entries(self) -> Iterator[str]:
        """The keys of the object that begins here; the caller takes each value."""
        self._take("{")
        if self.peek() == "}":
            self._take("}")
            return
        while True:
            _, key = self.value()
            self._take(":")
            yield str(key)
            if self._take(",}") == "}":
                return

    def items(self) -> Iterator[None]:
        """Once for each item of the array that begins here; the caller takes each value."""
        self._take("[")
        if self.peek() == "]":
            self._take("]")
            return
        while True:
            yield None
            if self._take(",]") == "]":
                return

    def _take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise Broken(f"{found!r} where {' or '.join(expected)} belongs")
        self._pass(self._at + 1)
        return found

    def _pass(self, end: int) -> None:
        passed = self._kept[self._at : end]
        self._line += passed.count("\n")
        self._offset += (
            len(passed) if passed.isascii() else len(passed.encode(self._encoding, "replace"))
        )
        self._at = end

    def _more(self, least: int = 0) -> bool:
        """Read on; as much as is kept at least, or a long value is parsed over and over."""
        if self._is_last:
            return False
        piece = self._stream.read(max(_PIECE, least))
        self._is_last = not piece
        self._kept = self._kept[self._at :] + self._decode.decode(piece, final=not piece)
        self._at = 0
        return not self._is_last

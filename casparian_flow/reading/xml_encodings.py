"""Which encoding an XML document is in, and its bytes as the parser takes them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_PIECE = 1 << 18
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SHAPES = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_EXPATS = {
    "utf-8": "UTF-8",
    "ascii": "US-ASCII",
    "iso8859-1": "ISO-8859-1",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
}
"""What expat reads itself, by Python's name for it."""
_SHIFTING = ("iso2022", "hz", "utf-7")
"""Encodings in which a byte means what the ones before it say."""


def encoding_of(head: bytes) -> str:
    """Python's name of a document's encoding: its mark, its first bytes, its declaration, UTF-8.

    A document that declares UTF-16 in readable ASCII is not in UTF-16; it is read as UTF-8.

    Raises:
        LookupError: it declares an encoding that is not known.
    """
    for mark, encoding in _MARKS + _SHAPES:
        if head.startswith(mark):
            return encoding
    declared = _DECLARED.match(head)
    name = _known(declared[1].decode("ascii") if declared else "utf-8")
    return "utf-8" if name.startswith(("utf-16", "utf-32")) else name


def _known(name: str) -> str:
    b"".decode(name)  # raises for what is no encoding of text, too
    return codecs.lookup(name).name


@dataclass
class Pieces:
    """A document in pieces for `expat.ParserCreate(parser_encoding)`."""

    stream: BinaryIO
    encoding: str = ""
    """Python's name of its encoding; empty until it is found in the first piece."""
    _held: bytes = field(default=b"", init=False)
    """The last two pieces, so that a tag that runs across their border is there whole."""
    _held_at: int = field(default=0, init=False)
    _last: int = field(default=0, init=False)

    def begin(self) -> bytes:
        """The first bytes; the encoding is known from here on.

        Raises:
            LookupError: the encoding is not known.
        """
        first = self.stream.read(_PIECE)
        self.encoding = _known(self.encoding) if self.encoding else encoding_of(first)
        return first

    @property
    def parser_encoding(self) -> str:
        """What the parser is told; UTF-8 for what is transcoded here."""
        if self.encoding in _EXPATS:
            return _EXPATS[self.encoding]
        return self.encoding if _is_of_bytes(self.encoding) else "UTF-8"

    @property
    def is_native(self) -> bool:
        """Whether the parser sees the source's own bytes, so that its offsets are the source's."""
        return self.encoding in _EXPATS or _is_of_bytes(self.encoding)

    def rest(self, first: bytes) -> Iterator[bytes]:
        """Each piece from the first on, the last one empty.

        Raises:
            UnicodeError: bytes that are none in its encoding.
        """
        decoder = None if self.is_native else codecs.getincrementaldecoder(self.encoding)()
        piece = first
        while piece:
            given = piece if decoder is None else decoder.decode(piece).encode()
            self._hold(given)
            if given:
                yield given
            piece = self.stream.read(_PIECE)
        yield b"" if decoder is None else decoder.decode(b"", True).encode()

    def _hold(self, piece: bytes) -> None:
        start = self._held_at + len(self._held)
        self._held = self._held[self._last - self._held_at :] + piece
        self._held_at, self._last = self._last, start

    def end_of_tag(self, at: int) -> int:
        """Where the closing tag that begins at a byte ends; `at` itself where none begins."""
        start, unit = at - self._held_at, self._unit
        if self._held[start : start + unit].strip(b"\0") != b"<":
            return at  # an empty element: the parser has passed its end already
        end = self._held.find(b">", start) - start
        return at + (end - end % unit + unit if end >= 0 else 0)

    def is_behind(self, text: str, at: int) -> bool:
        """Whether a text of ASCII ends where a byte is."""
        end = at - self._held_at
        start = end - len(text) * self._unit
        return start >= 0 and self._held[start:end].replace(b"\0", b"") == text.encode()

    def up_to_next_tag(self, at: int) -> str | None:
        """The tag that begins at a byte with the text behind it; None where it is too long."""
        start = at - self._held_at
        if start < 0:
            return None
        end = self._held.find(b"<", start + self._unit)
        held = self._held[start : end if end >= 0 else None].replace(b"\0", b"")
        return held.decode("latin-1")  # names of entities are told by their ASCII marks

    @property
    def _unit(self) -> int:
        """Bytes of an ASCII character as the parser sees it."""
        return 2 if self.encoding.startswith("utf-16") else 1


def _is_of_bytes(encoding: str) -> bool:
    """Whether each byte is a character, the first half as in ASCII: the parser learns such."""
    if encoding.startswith(_SHIFTING):
        return False
    text = bytes(range(256)).decode(encoding, "replace")
    return len(text) == 256 and text[:128] == bytes(range(128)).decode("ascii")

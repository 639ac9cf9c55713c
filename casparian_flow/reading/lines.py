"""Lines of a source, each as a place: its number, its bytes, its text without the end."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from casparian_flow.errors import PluginError
from casparian_flow.reading.blocks import Fault, Place
from casparian_flow.reading.sources import Source

MOST_LINE_BYTES = 16 << 20
MARKED = "casparian_flow.marked"
"""An error handler: puts MARK, which no text in Unicode holds, for bytes that are no text."""
MARK = "\udfff"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return MARK * (error.end - error.start), error.end  # one a byte, so that bytes count on
    raise error


codecs.register_error(MARKED, _mark)


def not_text(place: Place, encoding: str) -> Fault:
    """The fault of a record in which bytes were marked."""
    shown = place._replace(raw=place.raw.replace(MARK, "\ufffd"))
    return Fault(shown, "NOT_TEXT", f"bytes that are not {encoding}")


class OtherEncoding(PluginError):
    """A source is text in another encoding than the one it is read in."""

    code = "OTHER_ENCODING"


def splits_utf8(encoding: str) -> bool:
    """Whether the two bytes of a letter in UTF-8 are two characters: text in it seems right."""
    return len("é".encode().decode(encoding, "replace")) == 2


def refuse_utf8(data: bytes, encoding: str) -> None:
    """Refuse text in UTF-8 where another encoding was said: `Zürich` would become `ZÃ¼rich`.

    Raises:
        OtherEncoding: all that is not ASCII in the data is UTF-8.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=False)
    except UnicodeDecodeError:
        return
    if text.isascii():  # nothing else, or the last byte alone: `Bogotá` in another encoding
        return
    raise OtherEncoding(
        f"the file is text in UTF-8, this plugin reads {encoding}",
        hint="Draft a plugin from files that are in UTF-8, with a pattern that matches only them.",
    )


def lines(
    source: Source, encoding: str = "utf-8", *, as_bytes: bool = False
) -> Iterator[Place | Fault]:
    """Yield the lines of a source; one that is not text in its encoding, or endless, as a fault.

    `as_bytes`: the encoding stands for bytes, of whatever text they are. Lines end with LF, CR LF
    or, where a source has no LF at all in its first 64 KiB, CR.
    """
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        yield from _wide_lines(source, encoding)
        return
    offset = 0
    for number, raw in enumerate(_split(source, None if as_bytes else encoding), 1):
        body = raw.rstrip(b"\r\n")
        if number == 1 and body.startswith(codecs.BOM_UTF8):
            body = body[3:]
        try:
            line = Place(number, offset, len(raw), body.decode(encoding))
            if len(raw) < MOST_LINE_BYTES:
                yield line
            else:
                reason = f"a line of more than {MOST_LINE_BYTES} bytes"
                yield Fault(line._replace(raw=line.raw[:1000]), "LINE_TOO_LONG", reason)
        except UnicodeDecodeError:
            place = Place(number, offset, len(raw), body.decode(encoding, "backslashreplace"))
            yield Fault(place, "NOT_TEXT", f"bytes that are not {encoding}")
        offset += len(raw)


def _wide_lines(source: Source, encoding: str) -> Iterator[Place | Fault]:
    """The lines of a source whose characters take two bytes or more."""
    text = io.TextIOWrapper(source.stream, encoding, errors=MARKED, newline=None)
    number = 0
    try:
        while line := text.readline(MOST_LINE_BYTES):
            number += 1
            place = Place(number, None, None, line.rstrip("\n"))
            if len(line) >= MOST_LINE_BYTES:
                _pass_over(text, line)
                reason = f"a line of more than {MOST_LINE_BYTES} characters"
                yield Fault(place._replace(raw=line[:1000]), "LINE_TOO_LONG", reason)
            elif MARK in line:
                yield not_text(place, encoding)
            else:
                yield place
    finally:
        if not source.stream.closed:
            text.detach()  # or it would close what is not its own


def _pass_over(text: io.TextIOWrapper, begun: str) -> None:
    """Read to the end of a line that has begun."""
    while begun and not begun.endswith("\n"):
        begun = text.readline(1 << 20)


def _split(source: Source, encoding: str | None) -> Iterator[bytes]:
    stream = source.stream
    head = stream.read(1 << 16)
    if encoding is not None and splits_utf8(encoding):
        refuse_utf8(head, encoding)
    if b"\r" in head and b"\n" not in head:
        yield from _old_mac(head, source)
        return
    begun = io.BytesIO(head)
    rest = b""
    for raw in begun:
        if raw.endswith(b"\n"):
            yield raw
        else:
            rest = raw
    first = True
    while raw := stream.readline(MOST_LINE_BYTES):
        if len(raw) == MOST_LINE_BYTES and not raw.endswith(b"\n"):
            raw = _cut_line(source, raw)
        yield rest + raw if first else raw
        rest, first = b"", False
    if rest and first:
        yield rest


def _cut_line(source: Source, begun: bytes) -> bytes:
    """An endless line's beginning, with NULs for what is left out, so that offsets stay right."""
    length = 0
    while piece := source.stream.readline(1 << 20):
        length += len(piece)
        if piece.endswith(b"\n"):
            break
    return begun + bytes(min(length, MOST_LINE_BYTES))


def _old_mac(head: bytes, source: Source) -> Iterator[bytes]:
    kept = head
    while True:
        *whole, kept = kept.split(b"\r")
        yield from (piece + b"\r" for piece in whole)
        more = source.stream.read(1 << 16)
        if not more:
            break
        kept += more
    if kept:
        yield kept

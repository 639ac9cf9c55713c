"""Read a bounded sample of a source and decode it without guessing in silence."""

from __future__ import annotations

import codecs
import os
import re

from charset_normalizer import from_bytes

from casparian_flow.errors import SourceError
from casparian_flow.reading.sources import Source
from engine import snapshot
from engine.formats.interface import Sample

HEAD_BYTES, PART_BYTES = 512 << 10, 64 << 10
MAGIC = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"ORC": "orc",
    b"SQLite format 3\x00": "sqlite",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "xls",
    b"%PDF": "pdf",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"\xff\xd8\xff": "jpeg",
    b"\x7fELF": "program",
    b"MZ": "program",
    b"RIFF": "riff",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ESTIMATED = "not UTF-8; read as"
"""How the note begins that an encoding is an estimate."""
_LEAST_BINARY, _FEW_CONTROLS = 0.02, 2
_CONTROLS = bytes((*range(1, 9), 11, *range(14, 27), 28, 29, 30, 31))
"""Bytes that text rarely holds; not SOH's kin that FIX uses, nor the escape of colours."""


def read_parts(path: bytes) -> tuple[bytes, bytes, int]:
    """The head of a file, whole lines from its middle and tail, and its size.

    Raises:
        SourceError: gone, unreadable, or not a regular file.
    """
    fd = snapshot.open_regular(path)
    try:
        size = os.fstat(fd).st_size
        head = os.pread(fd, HEAD_BYTES, 0)
        if size <= HEAD_BYTES:
            return head, b"", size
        middle = os.pread(fd, PART_BYTES, size // 2)
        tail = os.pread(fd, PART_BYTES, max(len(head), size - PART_BYTES))
    except OSError as error:
        raise SourceError(f"{os.fsdecode(path)}: {error.strerror}") from error
    finally:
        os.close(fd)
    inner = middle[middle.find(b"\n") + 1 : middle.rfind(b"\n") + 1]
    return head, inner + tail[tail.find(b"\n") + 1 :], size


def magic_of(head: bytes) -> str | None:
    """The name of a binary format by its first bytes."""
    found = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    if found in ("orc", "program") and b"\0" not in head and not _control_share(head):
        return None  # a text that begins with these letters
    return found


def read_head(source: Source) -> tuple[bytes, bool]:
    """The first bytes of an unpacked source, and whether they are all of it."""
    pieces: list[bytes] = []
    room = HEAD_BYTES + 1
    while room and (piece := source.stream.read(room)):
        pieces.append(piece)
        room -= len(piece)
    head = b"".join(pieces)
    return head[:HEAD_BYTES], len(head) <= HEAD_BYTES


def decode(name: str, head: bytes, more: bytes, size: int | None, *, whole: bool) -> Sample | None:
    """The sample as text; None if it is not text.

    A byte order mark decides, then strict UTF-8, then the shape of UTF-16; only after that is an
    encoding estimated, and then it is said.
    """
    encoding, problem = _encoding(head + more, whole=whole)
    if encoding is None:
        return None
    content = head
    if not whole:
        content = head[: head.rfind(b"\n") + 1] or head
        content += b"" if encoding.startswith(("utf-16", "utf-32")) else more
    if encoding.startswith(("utf-16", "utf-32")):
        content = content[: len(content) // 4 * 4]
    text = content.decode(encoding, "replace")
    newline = "\r\n" if "\r\n" in text else "\r" if "\r" in text and "\n" not in text else "\n"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Sample(name, content, head, text, encoding, problem, size, whole, newline)


def _encoding(content: bytes, *, whole: bool) -> tuple[str | None, str | None]:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return encoding, None
    if _control_share(content) > _LEAST_BINARY:
        return _without_bom(content)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if not whole and error.start >= HEAD_BYTES - 4 and _is_utf8_but_cut(content):
            return "utf-8", None
        return _estimated(content, error)
    return "utf-8", None


def _is_utf8_but_cut(content: bytes) -> bool:
    """Whether only the character that the head ends within is not whole."""
    text = content.decode("utf-8", "replace")
    return text.count("\ufffd") <= 4


def _estimated(content: bytes, error: UnicodeDecodeError) -> tuple[str, str]:
    text = content.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if bad <= 3 and sum(one > "\x7f" for one in text) - bad > 10 * bad:
        broken = content[error.start : error.start + 1].hex()
        return "utf-8", (
            f"UTF-8, but {bad} bytes in the sample are not (the first: 0x{broken} at byte"
            f" {error.start}); records that hold such are set aside"
        )
    guesses = [str(guess.encoding) for guess in from_bytes(content[:PART_BYTES])]
    western = _is_western(content)
    first = "cp1252" if western or not guesses else guesses[0]
    others = [guess for guess in ("cp1252", *guesses) if guess not in (first, "utf_8")]
    others = list(dict.fromkeys(others))[:3]
    also = f" (also possible: {', '.join(others)})" if others else ""
    return first, f"{ESTIMATED} {first}, which is an estimate{also}"


def _is_western(content: bytes) -> bool:
    """Whether what is not ASCII stands alone between letters, as accents do; none undefined."""
    if re.search(rb"[\x81\x8d\x8f\x90\x9d]", content):
        return False
    high = len(re.findall(rb"[\x80-\xff]", content))
    runs = len(re.findall(rb"[\x80-\xff]{3,}", content))
    return runs * 10 <= high


def _control_share(head: bytes) -> float:
    sample = head[: 1 << 16]
    odd = sum(sample.count(bytes([one])) for one in _CONTROLS if one != 1) + sample.count(b"\0")
    odd += 0 if b"8=FIX" in sample else sample.count(b"\x01") // 8
    return odd / max(1, len(sample)) if odd > _FEW_CONTROLS else 0.0


def _without_bom(head: bytes) -> tuple[str | None, str | None]:
    """UTF-16 without a mark has a zero in every other byte of western text."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le", "UTF-16 without a byte order mark"
    if half and even > half * 0.6 and odd < half * 0.05:
        return "utf-16-be", "UTF-16 without a byte order mark"
    return None, None

"""Read a bounded sample of a file and decode it without guessing in silence."""

from __future__ import annotations

import codecs
import os

from charset_normalizer import from_bytes

from casparian_flow.errors import SourceError
from engine import snapshot
from engine.formats.interface import Sample

HEAD_BYTES, PART_BYTES = 512 << 10, 64 << 10
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"SQLite format 3\x00": "sqlite",
    b"%PDF": "pdf",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEAST_BINARY = 0.01


def read_parts(path: bytes) -> tuple[bytes, int]:
    """Head, middle and tail of a file, joined at line ends, and the file's size.

    Raises:
        SourceError: gone, unreadable, or not a regular file.
    """
    fd = snapshot.open_regular(path)
    try:
        size = os.fstat(fd).st_size
        head = os.pread(fd, HEAD_BYTES, 0)
        if size <= HEAD_BYTES:
            return head, size
        middle = os.pread(fd, PART_BYTES, size // 2)
        tail = os.pread(fd, PART_BYTES, max(len(head), size - PART_BYTES))
    except OSError as error:
        raise SourceError(f"{os.fsdecode(path)}: {error.strerror}") from error
    finally:
        os.close(fd)
    return _joined(head, middle, tail), size


def _joined(head: bytes, middle: bytes, tail: bytes) -> bytes:
    """Whole lines of three parts; only the head keeps its first line."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head  # the other parts may begin within a character
    begin = head[: head.rfind(b"\n") + 1] or head
    inner = middle[middle.find(b"\n") + 1 : middle.rfind(b"\n") + 1]
    end = tail[tail.find(b"\n") + 1 :]
    return begin + inner + end


def magic_of(head: bytes) -> str | None:
    """The name of a binary format by its first bytes."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def decode(path: bytes, head: bytes, size: int) -> Sample | None:
    """The sample as text; None if it is not text.

    A byte order mark decides, then strict UTF-8, then the shape of UTF-16; only after that is an
    encoding estimated, and then it is said.
    """
    name = path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
    encoding, problem = _encoding(head)
    if encoding is None:
        return None
    text = head.decode(encoding, "replace")
    newline = "\r\n" if "\r\n" in text else "\r" if "\r" in text and "\n" not in text else "\n"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Sample(name, text, encoding, problem, size, size <= HEAD_BYTES, newline)


def _encoding(head: bytes) -> tuple[str | None, str | None]:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, None
    if _control_share(head) > _LEAST_BINARY:
        return _without_bom(head)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 4 and error.reason == "unexpected end of data":
            return "utf-8", None
    else:
        return "utf-8", None
    guesses = [str(guess.encoding) for guess in from_bytes(head[:PART_BYTES])]
    named = ["cp1252", *[guess for guess in guesses if guess not in ("cp1252", "utf_8")]]
    text = (
        f"not UTF-8; read as cp1252, which is an estimate (also possible: {', '.join(named[1:4])})"
    )
    return "cp1252", text


def _control_share(head: bytes) -> float:
    odd = sum(head.count(bytes([one])) for one in (*range(9), *range(14, 27)))
    return odd / max(1, len(head))


def _without_bom(head: bytes) -> tuple[str | None, str | None]:
    """UTF-16 without a mark has a zero in every other byte of western text."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le", "UTF-16 without a byte order mark"
    if half and even > half * 0.6 and odd < half * 0.05:
        return "utf-16-be", "UTF-16 without a byte order mark"
    return None, None

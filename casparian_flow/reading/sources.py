"""Open a file as the sources in it: itself, what is packed in it, or the members of an archive."""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ZSTD = b"\x28\xb5\x2f\xfd"
_PACKERS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", _ZSTD: "zstd"}
_RESIDUE = (".DS_Store", "Thumbs.db", "desktop.ini")
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
_PEEK = 512
_BUFFER = 1 << 17
MOST_IN_MEMORY = 256 << 20
_MOST_NESTING = 4
DAMAGES = (EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)
"""What reading what is packed raises where it is damaged."""
_DOCUMENTS = ("[Content_Types].xml", "mimetype", "META-INF/manifest.xml")
"""Members of zips that are one document: workbooks and the like are not taken apart here."""


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes to read, unpacked."""

    stream: BinaryIO
    member: str | None = None
    """The way to it inside an archive: `2026/sales.csv`, `inner.zip::sales.csv`."""
    packing: tuple[str, ...] = ()
    """What it is packed in, the outermost first: `gzip`, `zip`, `tar` ..."""


def sources(path: str, members: Sequence[str] = ("*",)) -> Iterator[Source]:
    """Yield what a file holds, one after the other; each is closed when the next is asked for.

    A plain or packed file is one source, an archive one per member whose name matches one of the
    globs `members`. Layers are found by the bytes, not by names.

    Raises:
        OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error,
        pyarrow.ArrowException: it is damaged.

    A member that is damaged, encrypted or packed in a way that is not known raises such an error
    when it is read, not before, so that the others can be.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - a guest's path, opened as plugins do
        yield from unpack(cast("BinaryIO", file), members)


def unpack(
    file: BinaryIO,
    members: Sequence[str] = ("*",),
    *,
    budget: int | None = None,
    only: Collection[str] | None = None,
) -> Iterator[Source]:
    """Yield what an open file holds; see `sources`.

    `budget` bounds the bytes that each layer may unpack to; more raises ValueError. `only` names
    the members of a zip that are opened at all; None for each.
    """
    for source in _within(file, None, (), budget, only):
        name = source.member
        if name is None or any(fnmatch.fnmatchcase(name, glob) for glob in members):
            yield source


def unread(path: str, members: Sequence[str]) -> Iterator[str]:
    """Yield the names of an archive's members that none of the globs takes."""
    for source in sources(path):
        name = source.member
        if name is not None and not any(fnmatch.fnmatchcase(name, glob) for glob in members):
            yield name


def _is_residue(member: str | None, head: bytes) -> bool:
    """Whether a member is what a system left behind when it packed, and no file of anyone."""
    base = (member or "").rpartition("/")[2]
    is_fork = base.startswith("._") and head.startswith(_APPLE_DOUBLE)
    return is_fork or base in _RESIDUE


def packing_of(head: bytes) -> str | None:
    """What the first bytes of a source say that it is packed in."""
    packer = next((name for mark, name in _PACKERS.items() if head.startswith(mark)), None)
    if packer is not None:
        return packer
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head[_TAR_MARK_AT : _TAR_MARK_AT + len(_TAR_MARK)] == _TAR_MARK:
        return "tar"
    return None


def unpacked(stream: BinaryIO, packer: str) -> BinaryIO:
    """The stream without one layer of compression."""
    match packer:
        case "gzip":
            return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
        case "bzip2":
            return cast("BinaryIO", bz2.BZ2File(stream))
        case "xz":
            return cast("BinaryIO", lzma.LZMAFile(stream))
        case _:
            return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(stream), "zstd"))


def _within(
    raw: BinaryIO,
    member: str | None,
    packing: tuple[str, ...],
    budget: int | None,
    only: Collection[str] | None = None,
) -> Iterator[Source]:
    if budget is not None and packing:
        raw = cast("BinaryIO", Limited(raw, budget))
    stream = io.BufferedReader(cast("io.RawIOBase", raw), _BUFFER)
    try:
        head = stream.peek(_PEEK)
    except DAMAGES as error:
        if member is None:
            raise
        yield Source(cast("BinaryIO", _Damaged(error)), member, packing)
        return
    packer = packing_of(head) if len(packing) < _MOST_NESTING else None
    with ExitStack() as stack:
        stack.enter_context(stream)
        if _is_residue(member, head):
            return
        if packer is None:
            yield Source(cast("BinaryIO", stream), member, packing)
        elif packer == "zip":
            yield from _zipped(seekable(stream, packing), member, packing, budget, only)
        elif packer == "tar":
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            for entry in archive:
                inner = archive.extractfile(entry) if entry.isfile() else None
                if inner is not None:
                    way = _way(member, entry.name)
                    forward = Limited(cast("BinaryIO", inner), sys.maxsize)  # tarfile's own breaks
                    yield from _within(cast("BinaryIO", forward), way, (*packing, "tar"), budget)
        else:
            inner = stack.enter_context(unpacked(cast("BinaryIO", stream), packer))
            yield from _within(inner, member, (*packing, packer), budget)


def _zipped(
    file: BinaryIO,
    member: str | None,
    packing: tuple[str, ...],
    budget: int | None,
    only: Collection[str] | None,
) -> Iterator[Source]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(entry.filename in _DOCUMENTS for entry in entries):
            file.seek(0)
            yield Source(file, member, packing)
            return
        for entry in entries:
            if entry.is_dir() or not (only is None or entry.filename in only):
                continue
            way = _way(member, entry.filename)
            try:
                inner = archive.open(entry)
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
                yield Source(cast("BinaryIO", _Damaged(error)), way, (*packing, "zip"))
                continue
            with inner:
                yield from _within(cast("BinaryIO", inner), way, (*packing, "zip"), budget)


def _way(member: str | None, name: str) -> str:
    return name if member is None else f"{member}::{name}"


def seekable(stream: BinaryIO | io.BufferedReader, packing: Sequence[str]) -> BinaryIO:
    """The whole source as a file that can be read from anywhere; unpacked into memory if it must.

    Formats with an index at their end (zip, Parquet, workbooks) need it.
    """
    if not packing and stream.seekable():
        stream.seek(0)
        return cast("BinaryIO", stream)
    content = stream.read(MOST_IN_MEMORY + 1)
    if len(content) > MOST_IN_MEMORY:
        raise ValueError(f"over {MOST_IN_MEMORY >> 20} MiB that must be unpacked into memory")
    return io.BytesIO(content)


def preceded(begun: bytes, stream: BinaryIO) -> BinaryIO:
    """A stream with what was read of it already before it again."""
    return cast("BinaryIO", io.BufferedReader(_Preceded(begun, stream), _BUFFER))


class _Preceded(io.RawIOBase):
    """Bytes, then a stream."""

    def __init__(self, begun: bytes, stream: BinaryIO) -> None:
        self._begun = io.BytesIO(begun)
        self._stream = stream

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        """Fill a buffer."""
        view = memoryview(target).cast("B")
        piece = self._begun.read(len(view)) or self._stream.read(len(view))
        view[: len(piece)] = piece
        return len(piece)


class _Damaged(io.RawIOBase):
    """A member that cannot be read: says why when it is, so that the others are read before."""

    def __init__(self, error: Exception) -> None:
        self._why = str(error)

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, _target: WriteableBuffer) -> int:
        """Never fills a buffer.

        Raises:
            zipfile.BadZipFile: why it cannot.
        """
        raise zipfile.BadZipFile(self._why)


class Limited(io.RawIOBase):
    """A stream that ends with an error once more was read of it than a budget allows."""

    def __init__(self, stream: BinaryIO, budget: int) -> None:
        """Read from `stream`, at most `budget` bytes."""
        self._stream = stream
        self._left = budget

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        """Fill a buffer.

        Raises:
            ValueError: the budget is spent.
        """
        view = memoryview(target).cast("B")
        piece = self._stream.read(len(view))
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("it unpacks to more than is looked at")
        view[: len(piece)] = piece
        return len(piece)

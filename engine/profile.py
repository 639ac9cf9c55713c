"""Say what a file looks like, from a bounded sample."""

from __future__ import annotations

import lzma
import os
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, BinaryIO, cast

import pyarrow as pa

from casparian_flow.errors import NotFound, SandboxError
from casparian_flow.reading.sources import DAMAGES, Source, packing_of, unpack
from engine import confined, snapshot
from engine.formats import (
    carrying,
    delimited,
    fixed_width,
    grids,
    json_text,
    logs,
    markup,
    pairs,
    sampling,
    stanzas,
)
from engine.formats.interface import Profile, Sample
from engine.sandbox import Wall, strongest_wall

_RECOGNISERS: tuple[Callable[[Sample], Profile | None], ...] = (
    json_text.recognise,
    markup.recognise,
    stanzas.recognise,
    logs.recognise,
    pairs.recognise,
    grids.recognise,
    pairs.recognise_sections,
    delimited.recognise,
    pairs.recognise_settings,
    fixed_width.recognise,
    markup.recognise_broken,
)
_TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".psv")
_TABLES_FIRST = (delimited.recognise, *(r for r in _RECOGNISERS if r is not delimited.recognise))
_CONFINED = frozenset(["parquet", "arrow", "orc", "sqlite", "xlsx", "xls", "ods"])
_MOST_MEMBERS, _MOST_SECONDS, _MOST_MEMBER_BYTES = 40, 5.0, 64 << 20
_DAMAGED = "damaged"
"""Of a member that cannot be read: when the plugin runs it is set aside, not passed over."""
_MOST_UNPACKED = 256 << 20
"""Bytes that a layer of packing may give while its members are looked at."""
_DAMAGES = (
    OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error,
    pa.ArrowException, NotImplementedError, RuntimeError, ValueError, MemoryError,
)  # fmt: skip
"""What libraries raise over a damaged, encrypted or unknown kind of archive."""


def profile_file(path: bytes, part: str | None = None) -> Profile:
    """The profile of one file, or of one table in it; reads at most 640 KiB of text.

    Args:
        path: The file.
        part: A member of an archive, a sheet, a table: what `parts` of its profile name.

    Raises:
        SourceError: gone, unreadable, or not a regular file.
        NotFound: it has no such part.
    """
    whole = _whole(path)
    if part is None:
        return whole
    wanted = next((one for one in whole.parts if one.part == part), None)
    if wanted is None:
        known = ", ".join(str(one.part) for one in whole.parts[:20]) or "it is one table"
        raise NotFound(f"no part {part!r} in it", hint=f"Its parts: {known}")
    return wanted


def glance(path: bytes) -> Profile:
    """The profile of a file that is text, at once; of others only their format, unopened.

    For looking at many files: nothing is unpacked and no child is started.

    Raises:
        SourceError: gone, unreadable, or not a regular file.
    """
    return _whole(path, text_only=True)


def _whole(path: bytes, *, text_only: bool = False) -> Profile:
    head, more, size = sampling.read_parts(path)
    name = path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
    if size == 0:
        return Profile(format="empty", problems=("the file is empty",), fingerprint="empty")
    form = _binary_form(head, path)
    if form in _CONFINED:
        if text_only:
            return Profile(format=form)
        found = _profile_confined(form, path)
        return replace(found, problems=(*found.problems, *_log_beside(form, path)))
    if form is not None:
        return _unknown(form)
    packing = packing_of(head)
    if packing is not None:
        return Profile(format=packing) if text_only else _packed(path, name)
    sample = sampling.decode(name, head, more, size, whole=size <= sampling.HEAD_BYTES)
    return _unknown(None) if sample is None else profile_sample(sample)


def _log_beside(form: str, path: bytes) -> list[str]:
    """What is said of a database whose newest rows lie in a file of its own."""
    log = path + b"-wal"
    if form != "sqlite" or not os.path.isfile(log) or not os.path.getsize(log):  # noqa: PTH113, PTH202 - a path of any bytes
        return []
    name = log.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
    return [f"{name} holds rows that are not read: close the database, or checkpoint it"]


def profile_sample(sample: Sample) -> Profile:
    """The profile of text, by the first recogniser that knows it."""
    if not sample.text.strip():
        text = "nothing but blank lines"
        return Profile(
            format="empty", encoding=sample.encoding, problems=(text,), fingerprint="empty"
        )
    is_named = sample.name.lower().endswith(_TABLE_ENDINGS)
    for recognise in _TABLES_FIRST if is_named else _RECOGNISERS:
        profile = recognise(sample)
        if profile is not None and (profile.columns or profile.reading is None):
            return profile
    rows = tuple((line,) for line in sample.text.split("\n")[:50])
    text = "text of no known shape: give the plugin's source yourself"
    return Profile(
        format="text", encoding=sample.encoding, rows=rows, problems=(text,), fingerprint="text"
    )


def _unknown(form: str | None) -> Profile:
    if form is None:
        text = (
            "not text and of no known format: give the plugin's source yourself, or a goal such as"
        )
        text += " `struct <IHd id, qty, price` if it holds records of one layout"
        return Profile(format="binary", problems=(text,), fingerprint="binary")
    text = f"{_a(form)} file: give the plugin's source yourself, none is drafted for it"
    return Profile(format=form, problems=(text,), fingerprint=f"binary|{form}")


def _binary_form(head: bytes, path: bytes) -> str | None:
    """A format that is known by its first bytes; None for text and for what is packed."""
    if head.startswith(b"PK\x03\x04"):
        with open(_reopened(path), "rb") as file:
            return _document_form(file)
    return sampling.magic_of(head)


def _reopened(path: bytes) -> int:
    return snapshot.open_regular(path)


def _document_form(file: BinaryIO) -> str | None:
    """Which kind of document a zip is; None if it is only an archive, or damaged."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if "xl/workbook.xml" in names or "xl/workbook.bin" in names:
                return "xlsx"
            if "word/document.xml" in names or "ppt/presentation.xml" in names:
                return "document"
            if "mimetype" in names:
                kind = archive.read("mimetype")[:100]
                return "ods" if b"spreadsheet" in kind else "document"
    except _DAMAGES:
        return None
    return None


@cache
def _wall() -> Wall:
    return strongest_wall()


def _profile_confined(form: str, path: bytes) -> Profile:
    fd = snapshot.open_regular(path)
    try:
        return _ask_child(form, fd)
    finally:
        os.close(fd)


def _ask_child(form: str, fd: int) -> Profile:
    """Have a binary format looked at behind the wall: its library may fall to hostile bytes."""
    task = confined.Task(
        module="engine.formats.tables",
        question={"format": form},
        timeout_s=60,
        memory_bytes=4 << 30,
    )
    try:
        reply = confined.run(task, wall=_wall(), fds=[fd])
        if "answer" in reply:
            return carrying.from_plain(cast("dict[str, Any]", reply["answer"]))
        why = str(reply.get("failed") or reply.get("refused"))
    except (confined.Ended, SandboxError, ValueError, TypeError, KeyError) as error:
        why = str(error)
    text = f"{_a(form)} file that cannot be read: {why[:300]}"
    return Profile(format=form, problems=(text,), fingerprint=f"damaged|{form}")


def _a(form: str) -> str:
    return f"an {form}" if form[0] in "aeiox" else f"a {form}"


def _packed(path: bytes, name: str) -> Profile:
    """What is packed in a file; of an archive its members by shape."""
    profiles: list[Profile] = []
    told: list[str] = []
    started = time.monotonic()
    with open(_reopened(path), "rb") as file:
        try:
            only = _spread(file, told)
            for source in unpack(file, budget=_MOST_UNPACKED, only=only):
                late = time.monotonic() - started > _MOST_SECONDS
                if len(profiles) >= _MOST_MEMBERS or late:
                    told.append(f"only the first {len(profiles)} members were looked at")
                    break
                profiles.append(_of_source(source, name))
        except _DAMAGES as error:
            told.append(f"it cannot be unpacked to its end: {type(error).__name__}: {error}")
    if not profiles:
        text = "nothing in it could be read"
        return Profile(format="binary", problems=(text, *told), fingerprint="binary|packed")
    if len(profiles) == 1 and profiles[0].part is None:
        return replace(profiles[0], problems=(*told, *profiles[0].problems))
    return _of_members(profiles, told)


def _spread(file: BinaryIO, told: list[str]) -> frozenset[str] | None:
    """The members of a large zip that are looked at, from all over it; None for any, in order."""
    is_zip = packing_of(file.read(4)) == "zip"
    file.seek(0)
    if not is_zip:
        return None
    with zipfile.ZipFile(file) as archive:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    file.seek(0)
    if len(names) <= _MOST_MEMBERS:
        return None
    told.append(f"{_MOST_MEMBERS} of its {len(names):,} members were looked at, from all over it")
    last = len(names) - 1
    return frozenset(names[n * last // (_MOST_MEMBERS - 1)] for n in range(_MOST_MEMBERS))


def _of_source(source: Source, name: str) -> Profile:
    try:
        head, is_all = sampling.read_head(source)
    except DAMAGES as error:
        if source.member is None:
            raise
        text = f"it cannot be read: {error}"
        return Profile("binary", problems=(text,), fingerprint=_DAMAGED, part=source.member)
    packing = "+".join(source.packing)
    inner = (source.member or _without_ending(name)).rpartition("/")[2]
    if not head:
        found = Profile(format="empty", problems=("it is empty",), fingerprint="empty")
    elif (form := _inner_form(head)) in _CONFINED:
        found = _spooled(form, head, source, is_all=is_all)
    elif form is not None:
        found = _unknown(form)
    else:
        size = len(head) if is_all else None
        sample = sampling.decode(inner, head, b"", size, whole=is_all)
        found = _unknown(None) if sample is None else profile_sample(sample)
    fingerprint = f"{packing}|{found.fingerprint}"
    told, parts = found.problems, found.parts
    if parts and source.member is not None:
        named = ", ".join(str(part.part) for part in found.parts[1:6])
        told = (*told, f"in an archive only {found.parts[0].part} of it is read, not {named}")
        parts = ()
    return replace(
        found, compression=packing, part=source.member, fingerprint=fingerprint, problems=told,
        parts=parts,
    )  # fmt: skip


def _inner_form(head: bytes) -> str | None:
    return "xlsx" if head.startswith(b"PK\x03\x04") else sampling.magic_of(head)


def _spooled(form: str, head: bytes, source: Source, *, is_all: bool) -> Profile:
    """Profile a packed file of a format that must be read from anywhere, from a bounded copy."""
    with tempfile.TemporaryFile() as copy:
        copy.write(head)
        room = _MOST_MEMBER_BYTES
        while not is_all and room > 0 and (piece := source.stream.read(1 << 20)):
            copy.write(piece)
            room -= len(piece)
        copy.flush()
        if form == "xlsx":
            copy.seek(0)
            form = _document_form(copy) or "zip"
            if form not in _CONFINED:
                return _unknown(form)
        copy.seek(0)
        return _ask_child(form, copy.fileno())


def _without_ending(name: str) -> str:
    return name.rpartition(".")[0] or name


def _of_members(profiles: list[Profile], told: list[str]) -> Profile:
    """An archive: one table where its members are of one shape, else several."""
    tables = [one for one in profiles if one.reading is not None]
    others = [one for one in profiles if one.reading is None]
    told += [f"{one.part}: {one.problems[0] if one.problems else one.format}" for one in others[:5]]
    if not tables:
        return replace(
            profiles[0], part=None, problems=("no table in it", *told), columns=(), rows=()
        )
    shapes = {one.fingerprint for one in tables}
    first = tables[0]
    count = f"{len(tables)} members" if len(tables) > 1 else "1 member"
    names = tuple(str(one.part) for one in others if one.fingerprint != _DAMAGED)
    whole = replace(first, part=None, parts=tuple(_each(tables)), others=names)
    if len(shapes) == 1:
        told.append(f"{count} of one shape, the first: {first.part}")
        return replace(whole, problems=(*told, *first.problems))
    shown = ", ".join(str(one.part) for one in tables[:12])
    told.append(f"{len(shapes)} shapes in {count}: {shown}")
    fingerprint = "||".join(sorted(shapes))
    return replace(whole, problems=(*told, *first.problems), fingerprint=fingerprint)


def _each(tables: list[Profile]) -> Iterator[Profile]:
    """The members, the largest first as far as their samples tell."""
    yield from sorted(tables, key=lambda one: -len(one.rows))

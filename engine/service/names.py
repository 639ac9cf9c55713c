"""The ids people and models say: `job-142`, `sales_csv@3`, `draft-sales-1`; files by path."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import NotFound, NotGranted
from engine.models import (
    FileLocation,
    PluginManifest,
    SourceRoot,
)
from engine.paths import absolute, display
from engine.states import PluginStatus


def job_number(name: str) -> int:
    """The number in `job-142`; a bare number is taken too.

    Raises:
        NotFound: it is not a job's name.
    """
    found = re.fullmatch(r"(?:job-)?(\d{1,18})", name.strip())
    if found is None:
        raise NotFound(
            f"{name!r} is not a job",
            hint="Jobs are named job-N: `casparian jobs`; drafts by their whole name.",
        )
    return int(found[1])


def approval_number(name: str) -> int:
    """The number in `approval-7`; a bare number is taken too.

    Raises:
        NotFound: it is not an approval's name.
    """
    found = re.fullmatch(r"(?:approval-)?(\d{1,18})", name.strip())
    if found is None:
        raise NotFound(f"{name!r} is not an approval", hint="List them: `casparian approve`.")
    return int(found[1])


def find_plugin(session: Session, name: str) -> PluginManifest:
    """The plugin version `name@3`, or the newest of `name`, the active one first.

    Raises:
        NotFound: no such plugin.
    """
    base, _, version = name.strip().partition("@")
    query = select(PluginManifest).where(PluginManifest.name == base)
    if version:
        query = query.where(PluginManifest.version == (int(version) if version.isdigit() else -1))
    rows = list(session.scalars(query.order_by(PluginManifest.version.desc())))
    if not rows:
        known = sorted(session.scalars(select(PluginManifest.name).distinct()))
        raise NotFound(
            f"no plugin {name!r}; there {'is' if len(known) == 1 else 'are'} "
            f"{', '.join(known) or 'none yet'}",
            hint="List them: `casparian plugins`.",
        )
    active = [row for row in rows if row.status is PluginStatus.ACTIVE]
    return (active or rows)[0]


def active_plugin(session: Session, name: str) -> PluginManifest | None:
    """The version of a plugin that is in force."""
    return session.scalar(
        select(PluginManifest).where(
            PluginManifest.name == name, PluginManifest.status == PluginStatus.ACTIVE
        )
    )


def live_roots(session: Session) -> list[SourceRoot]:
    """Granted folders, oldest first."""
    query = select(SourceRoot).where(SourceRoot.removed.is_(None)).order_by(SourceRoot.id)
    return list(session.scalars(query))


def containing_root(session: Session, path: Path) -> SourceRoot:
    """The granted folder that `path` is or lies in.

    Raises:
        NotGranted: no person granted it.
    """
    wanted = os.fsencode(path)
    roots = sorted(live_roots(session), key=lambda root: -len(root.path))
    for root in roots:
        if wanted == root.path or wanted.startswith(root.path.rstrip(b"/") + b"/"):
            return root
    raise NotGranted(
        f"{display(wanted)} is in no folder that a person granted",
        hint="A person grants the folder it lies in, in a terminal: `casparian init DIR`.",
    )


def resolve(path: str) -> Path:
    """An absolute path without links in its folders; the last part is kept as it is."""
    plain = Path(path).expanduser()
    if not plain.is_absolute():
        raise NotFound(
            f"{path!r} is not an absolute path", hint="Name the whole path, from the root."
        )
    return plain.parent.resolve() / plain.name if plain.name else plain


def find_file(session: Session, name: str) -> tuple[FileLocation, SourceRoot]:
    """The location that `name` means: an absolute path, `file-12`, or the end of one path.

    Raises:
        NotFound: none, or several; the message lists some.
    """
    number = re.fullmatch(r"file-(\d{1,18})", name)
    query = (
        select(FileLocation, SourceRoot)
        .join(SourceRoot, SourceRoot.id == FileLocation.root_id)
        .where(SourceRoot.removed.is_(None))
    )
    if number:
        row = session.execute(query.where(FileLocation.id == int(number[1]))).first()
        if row is not None:
            return row[0], row[1]
        raise NotFound(f"no {name}", hint="List files: `casparian files`.")
    if name.startswith(("/", "~")):
        path = resolve(name)
        found = _by_path(session, path)
        if not found and path.is_dir():
            raise NotFound(
                f"{name!r} is a folder, and no file", hint=f"Look into it: `casparian scan {name}`."
            )
    else:
        found = _by_ending(session, name)
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(full_name(location, root) for location, root in found[:4])
        raise NotFound(f"{name!r} means {len(found)} files: {some}", hint="Name the whole path.")
    raise NotFound(
        f"no known file {name!r}",
        hint="Scan its folder first: `casparian scan DIR`; then `casparian files`.",
    )


def split_part(file: str) -> tuple[str, str | None]:
    """A file's name, and the part of it that stands behind `::`."""
    name, found, part = file.partition("::")
    return name, part if found else None


def _by_path(session: Session, path: Path) -> list[tuple[FileLocation, SourceRoot]]:
    root = containing_root(session, path)
    relative = os.fsencode(path)[len(root.path.rstrip(b"/")) + 1 :]
    rows = session.scalars(
        select(FileLocation).where(FileLocation.root_id == root.id, FileLocation.path == relative)
    )
    return [(location, root) for location in rows]


def _by_ending(session: Session, name: str) -> list[tuple[FileLocation, SourceRoot]]:
    ending = os.fsencode(name)
    found: list[tuple[FileLocation, SourceRoot]] = []
    for root in live_roots(session):
        rows = session.execute(
            select(FileLocation.id, FileLocation.path).where(FileLocation.root_id == root.id)
        )
        ids = [one for one, path in rows if path == ending or path.endswith(b"/" + ending)]
        found += [(session.get_one(FileLocation, one), root) for one in ids[:10]]
    return found


def full_name(location: FileLocation, root: SourceRoot) -> str:
    """The absolute path of a location, for people."""
    return display(absolute(root.path, location.path))


def size_told(count: int) -> str:
    """Bytes as a person says them: `8.2 GB`."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def sentence(count: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`, `1,200 files`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Some names, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")

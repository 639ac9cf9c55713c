"""Look at a known file: what is certain about it, what is not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from engine.control import Caller
from engine.formats.interface import Profile
from engine.house import House
from engine.paths import absolute
from engine.profile import profile_file
from engine.service.names import find_file, full_name, sentence, split_part
from engine.service.results import Column, Preview

_MOST_PARTS = 100


def preview_file(
    house: House, _caller: Caller, *, file: str, rows: int = 5, max_chars: int = 4000
) -> Preview:
    """Look at one known file: what is certain, what is not, and why."""
    name, part = split_part(file)
    with house.catalog.reading() as session:
        location, root = find_file(session, name)
        path, shown = absolute(root.path, location.path), full_name(location, root)
        number = location.id
    profile = profile_file(path, part)
    columns = [Column(**asdict(column)) for column in profile.columns]
    unsure = [column.name for column in columns if column.ambiguity]
    what = f"{profile.format}, {sentence(len(columns), 'column')}"
    if part is None and profile.parts:
        what += f" in the first of {sentence(len(profile.parts), 'table')}"
    summary = f"{what}." + (f" {sentence(len(unsure), 'column')} not certain." if unsure else "")
    return Preview(
        summary=summary,
        file=shown,
        format=profile.format,
        encoding=profile.encoding,
        compression=profile.compression,
        dialect=dict(profile.dialect),
        header=profile.header,
        columns=columns,
        rows=_fitting(profile.rows[: max(0, min(rows, 50))], max_chars),
        problems=list(profile.problems),
        parts=[str(one.part) for one in profile.parts[:_MOST_PARTS]],
        next_steps=_after_preview(profile, number),
    )


def _after_preview(profile: Profile, number: int) -> list[str]:
    steps = [f'draft_plugin(files=["file-{number}"])']
    if profile.parts and profile.part is None:
        steps.append(f'preview_file(file="file-{number}::PART") for one of its parts')
    return steps


def _fitting(rows: Sequence[Sequence[str | None]], max_chars: int) -> list[list[str | None]]:
    fitting: list[list[str | None]] = []
    room = max_chars
    for row in rows:
        room -= sum(len(cell or "") for cell in row)
        if room < 0 and fitting:
            break
        most = 500 if room >= 0 else max(10, max_chars // len(row))
        fitting.append([None if cell is None else cell[:most] for cell in row])
    return fitting

"""Carry a profile between processes as plain JSON, and judge what comes back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from engine.formats.interface import ColumnProfile, Profile, Reading

_MODULES = {"tables": frozenset(["parquet", "arrow", "orc", "sqlite", "workbook"])}
"""Readers that a confined child may name."""


def to_plain(profile: Profile) -> dict[str, object]:
    """The profile as JSON holds it."""
    return asdict(profile)


def from_plain(plain: dict[str, Any]) -> Profile:
    """The profile that a confined child sent.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    reading = None
    if plain["reading"] is not None:
        reading = Reading(**plain["reading"])
        if reading.function not in _MODULES.get(reading.module, frozenset()):
            raise ValueError(f"a reader {reading.module}.{reading.function}")
    columns = tuple(ColumnProfile(**column) for column in plain["columns"])
    rows = tuple(
        tuple(None if cell is None else str(cell) for cell in cast("list[object]", row))
        for row in plain["rows"]
    )
    return Profile(
        format=str(plain["format"]),
        encoding=plain["encoding"],
        compression=plain["compression"],
        header=plain["header"],
        columns=columns,
        rows=rows,
        problems=tuple(map(str, plain["problems"])),
        fingerprint=str(plain["fingerprint"]),
        reading=reading,
        part=plain["part"],
        parts=tuple(from_plain(part) for part in plain["parts"]),
        others=tuple(map(str, plain["others"])),
    )

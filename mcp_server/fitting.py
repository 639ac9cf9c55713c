"""Keep a result within what a model can take: long lists and texts are cut, and it is said."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

MOST_CHARS = 31_000
"""Of a result as JSON: 8,000 tokens of four characters, less what is said about the cut."""
_WHOLE = "review"
"""What a person decides on is never cut."""
_LEAST_ITEMS, _LEAST_TEXT = 3, 2_000
_NAMED = 10


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that can be cut, and where it hangs."""

    owner: dict[str, Any]
    key: str
    size: int


def fitted(result: Mapping[str, object]) -> dict[str, object]:
    """The same result, its longest lists and texts cut until it fits; `summary` says what is left.

    A table (`columns` and `rows`) is cut in width, so that cells stay under their names.
    """
    size = _size(result)
    if size <= MOST_CHARS:
        return dict(result)
    left = copy.deepcopy(dict(result))
    told: list[str] = []
    while size > MOST_CHARS:
        places = [one for one in _places(left) if one.size > 0]
        if not places:
            break
        told.append(_cut(max(places, key=lambda one: one.size), size - MOST_CHARS))
        size = _size(left)
    left["summary"] = f"{left.get('summary', '')} Cut to fit: {'; '.join(told)}."
    return left


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))


def _places(owner: dict[str, Any]) -> Iterator[_Place]:
    """What can still be cut, with the characters that are to be won there."""
    is_table = isinstance(owner.get("columns"), list) and isinstance(owner.get("rows"), list)
    for key, value in owner.items():
        if key == _WHOLE or (is_table and key in ("rows", "types")):
            continue
        if isinstance(value, str) and len(value) > _LEAST_TEXT:
            yield _Place(owner, key, _size(value) - _LEAST_TEXT)
        elif isinstance(value, dict):
            yield from _places(cast("dict[str, Any]", value))
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            if len(items) > _LEAST_ITEMS:
                whole = _size([owner["rows"], items] if is_table and key == "columns" else items)
                yield _Place(owner, key, whole * (len(items) - _LEAST_ITEMS) // len(items))
            for item in items:
                if isinstance(item, dict):
                    yield from _places(cast("dict[str, Any]", item))


def _cut(place: _Place, excess: int) -> str:
    """Take at least the excess off, or all that may go; what is left, in words."""
    value = place.owner[place.key]
    share = min(1.0, (excess + 200) / place.size)
    if isinstance(value, str):
        room = max(_LEAST_TEXT, len(value) - int(share * len(value)))
        kept = value[:room].rpartition("\n")[0] or value[:room]
        place.owner[place.key] = f"{kept}\n… ({len(value) - len(kept):,} more characters)"
        return f"{len(kept):,} of {len(value):,} characters of {place.key}"
    items = cast("list[Any]", value)
    count = max(_LEAST_ITEMS, len(items) - int(share * (len(items) - _LEAST_ITEMS)) - 1)
    lost = items[count:]
    place.owner[place.key] = items[:count]
    if place.key == "columns" and isinstance(place.owner.get("rows"), list):
        _narrow(place.owner, count)
    return f"{count:,} of {len(items):,} {place.key}{_unsure(lost)}"


def _narrow(table: dict[str, Any], count: int) -> None:
    """Cut the rows of a table, and the types of its columns, to as many columns as are left."""
    rows = cast("list[Any]", table["rows"])
    table["rows"] = [row[:count] if isinstance(row, list) else row for row in rows]
    if isinstance(table.get("types"), list):
        table["types"] = cast("list[Any]", table["types"])[:count]


def _unsure(lost: list[Any]) -> str:
    """Columns that are left out and not certain are at least named."""
    names = [
        str(cast("dict[str, Any]", one)["name"])
        for one in lost
        if isinstance(one, dict) and cast("dict[str, Any]", one).get("ambiguity")
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f", of those left out {', '.join(names[:_NAMED])}{more} not certain" if names else ""

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
_PASSES = ((3, 2_000), (3, 400), (1, 100))
"""How many items of a list and characters of a text are left at least, from mild to hard."""
_LEAST_KEYS = 20
_MARK = 60
"""Characters that the mark of a cut may take."""
_NAMED = 10


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that can be cut, and where it hangs."""

    owner: Any
    """A dict or a list."""
    key: Any
    label: str
    least: int
    gain: int
    """Characters that cutting it to the least would win."""


def fitted(result: Mapping[str, object], most: int = MOST_CHARS) -> dict[str, object]:
    """The same result, its longest lists and texts cut until it fits; `summary` says what is left.

    A table (`columns` and `rows`) is cut in width with its cells under their names, or in rows.
    """
    size = _size(result)
    if size <= most:
        return dict(result)
    left = copy.deepcopy(dict(result))
    told: dict[str, str] = {}
    for least_items, least_text in _PASSES:
        while size > most:
            places = list(_places(left, "", least_items, least_text))
            if not places:
                break
            place = max(places, key=lambda one: one.gain)
            told[place.label] = _cut(place, size - most)
            before, size = size, _size(left)
            if size >= before:
                break
    left["summary"] = f"{left.get('summary', '')} Cut to fit: {'; '.join(told.values())}."
    return left


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))


def _places(owner: Any, label: str, items: int, text: int) -> Iterator[_Place]:
    """What can still be cut below a dict or a list."""
    is_dict = isinstance(owner, dict)
    is_table = _is_table(owner)
    pairs = list(cast("dict[str, Any]", owner).items()) if is_dict else list(enumerate(owner))
    for key, value in pairs:
        name = str(key) if is_dict else label
        if name in (_WHOLE, "summary") or (is_table and key == "types"):
            continue
        if isinstance(value, str):
            if len(value) > text + _MARK:
                yield _Place(owner, key, name, text, _size(value) - text)
        elif isinstance(value, list):
            whole = [owner["rows"], value] if is_table and key == "columns" else value
            if len(cast("list[Any]", value)) > items:
                yield _place(owner, key, name, items, whole)
            yield from _places(value, name, items, text)
        elif isinstance(value, dict):
            if len(cast("dict[str, Any]", value)) > _LEAST_KEYS:
                yield _place(owner, key, name, _LEAST_KEYS, value)
            yield from _places(value, name, items, text)


def _place(owner: Any, key: Any, name: str, least: int, whole: Any) -> _Place:
    count = len(owner[key])
    return _Place(owner, key, name, least, _size(whole) * (count - least) // count)


def _is_table(owner: Any) -> bool:
    if not isinstance(owner, dict):
        return False
    table = cast("dict[str, Any]", owner)
    rows = table.get("rows")
    return isinstance(table.get("columns"), list) and isinstance(rows, list) and all(
        isinstance(row, list) for row in cast("list[Any]", rows)
    )  # fmt: skip


def _cut(place: _Place, excess: int) -> str:
    """Take at least the excess off, or all that may go; what is left, in words."""
    value = place.owner[place.key]
    share = min(1.0, (excess + 2 * _MARK) / max(1, place.gain))
    count = max(place.least, len(value) - int(share * (len(value) - place.least)) - 1)
    if isinstance(value, str):
        kept = value[:count].rpartition("\n")[0] or value[:count]
        place.owner[place.key] = f"{kept}\n… ({len(value) - len(kept):,} more characters)"
        return f"{len(kept):,} of {len(value):,} characters of {place.label}"
    if isinstance(value, dict):
        pairs = list(cast("dict[str, Any]", value).items())
        place.owner[place.key] = dict(pairs[:count])
        return f"{count:,} of {len(pairs):,} {place.label}"
    items = cast("list[Any]", value)
    if place.key == "columns" and _is_table(place.owner):
        _narrow(place.owner, count)
    place.owner[place.key] = items[:count]
    return f"{count:,} of {len(items):,} {place.label}{_unsure(items[count:])}"


def _narrow(table: dict[str, Any], count: int) -> None:
    """Cut the rows of a table, and the types of its columns, to as many columns as are left."""
    table["rows"] = [cast("list[Any]", row)[:count] for row in cast("list[Any]", table["rows"])]
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

"""Read JSON objects whose values are columns: arrays of one length, or objects by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from casparian_flow.reading.blocks import Block, Fault, Passed, Place, Record, from_records
from casparian_flow.reading.json_text import Broken, Doubled, Text, record_of
from casparian_flow.reading.sources import Source

_SHOWN = 200
"""Characters of a document that is set aside whole."""


def read(
    source: Source, *, at: Sequence[str] = (), keyed: str = "", encoding: str = "utf-8"
) -> Iterator[Block]:
    """Yield one row for each place in the columns, `{"a": [1, 2], "b": [3, 4]}`.

    The columns are held in memory while they are read. Values beside them are passed over, counted.

    Args:
        source: What to read.
        at: Keys on the way to the object.
        keyed: The column for the keys, where columns are objects: `{"a": {"x": 1, "y": 2}}`.
        encoding: The source's encoding.
    """
    return from_records(_rows(Text(source, encoding), tuple(at), keyed))


def _rows(text: Text, at: tuple[str, ...], keyed: str) -> Iterator[Record | Fault | Passed]:
    try:
        place, found = _object(text, at)
    except Broken as error:
        yield Fault(text.place(text.rest(_SHOWN)), "NOT_JSON", f"not JSON from here on: {error}")
        return
    columns = columns_of(found, keyed=bool(keyed))
    rows = dict.fromkeys(key for column in columns.values() for key in column)
    wrong = _what_is_wrong(found, columns, len(rows), keyed=bool(keyed))
    if wrong is not None:
        yield Fault(place._replace(raw=place.raw[:_SHOWN]), *wrong)
        return
    for _ in range(len(cast("dict[str, object]", found)) - len(columns)):
        yield Passed("value beside the columns")
    for key in rows:
        one = record_of(
            Place(None, None, None, ""),
            {name: column.get(key) for name, column in columns.items()},
        )
        if isinstance(one, Record):
            values = {keyed: str(key), **one.values} if keyed else one.values
            raw = json.dumps(values, ensure_ascii=False)
            one = Record(Place(None, None, None, raw), values)
        yield one


def _what_is_wrong(
    found: object, columns: Mapping[str, Mapping[object, object]], rows: int, *, keyed: bool
) -> tuple[str, str] | None:
    """Why an object gives no rows, as code and reason; None if it does."""
    if isinstance(found, Doubled) or any(isinstance(one, Doubled) for one in columns.values()):
        return "DUPLICATE_KEY", "an object has a key twice"
    if not columns:
        return "NO_RECORDS", "no columns where they were"
    odd = [name for name, column in columns.items() if len(column) != rows]
    if odd and not keyed:
        return "FIELD_COUNT", f"columns of different lengths: {', '.join(odd[:5])}"
    return None


def columns_of(value: object, *, keyed: bool) -> dict[str, Mapping[object, object]]:
    """The columns of an object, each by row: by number, or by key where columns are objects."""
    if not isinstance(value, dict):
        return {}
    entries = cast("dict[str, object]", value).items()
    if keyed:
        return {
            name: cast("dict[object, object]", one)
            for name, one in entries
            if isinstance(one, dict)
        }
    return {
        name: dict(enumerate(cast("list[object]", one)))
        for name, one in entries
        if isinstance(one, list)
    }


def _object(text: Text, at: tuple[str, ...]) -> tuple[Place, object]:
    """The value at the end of a way of keys; null where there is none."""
    if not at:
        return text.value()
    if text.peek() == "{":
        for key in text.entries():
            if key == at[0]:
                return _object(text, at[1:])
            text.value()
    return text.place(""), None

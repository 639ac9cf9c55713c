"""Recognise JSON: lines of objects, documents that hold records, values one after the other."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from casparian_flow.reading import json_columns
from engine.formats import headers
from engine.formats.elimination import NULL_SPELLINGS
from engine.formats.interface import Argument, ColumnProfile, Profile, Reading, Sample
from engine.formats.tabulating import Tabulated, profile_of, tabulate

_LEAST_SHARE = 0.8
_JUDGED_LINES = 2_000
_MOST_DEPTH = 4


def recognise(sample: Sample) -> Profile | None:
    """The profile of JSON; None if it is none."""
    start = sample.text.lstrip("\ufeff \n\t")[:1]
    if not start or start not in "{[":
        return None
    return _by_line(sample) or _document(sample) or _broken(sample)


def _broken(sample: Sample) -> Profile | None:
    """What is said of a text that begins as JSON does and is none; None where it only might be."""
    if not re.match(r'\ufeff?\s*(\{\s*("|//|/\*)|\[\s*[\[{"])', sample.text):
        return None
    try:
        json.loads(sample.text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        why = str(error)
    else:
        return None
    text = f"it begins like JSON and is none: {why}; have it mended, or give the plugin's source"
    rows = tuple((line,) for line in sample.text.split("\n")[:50])
    return Profile(
        format="json", encoding=sample.encoding, rows=rows, problems=(f"{text} yourself",),
        fingerprint="damaged|json",
    )  # fmt: skip


def _by_line(sample: Sample) -> Profile | None:
    lines = sample.lines[:_JUDGED_LINES]
    is_named = sample.name.lower().endswith((".jsonl", ".ndjson", ".jl"))
    if not lines[0].lstrip("\ufeff ").startswith("{") or (len(lines) < 2 and not is_named):
        return None
    good = sum(_is_object(line) for line in lines)
    if good < len(lines) * _LEAST_SHARE or not good:
        return None
    reading = Reading("json_text", "by_line", {"encoding": _encoding(sample)}, is_open=True)
    found = tabulate(reading, sample.content)
    one = profile_of("jsonl", reading, sample, shape="|".join(sorted(found.columns)), found=found)
    if not found.rows:
        return replace(one, reading=None)  # JSON, but of no record that could be kept whole
    return _with_kinds(one, [_object(line) for line in lines])


def _object(line: str) -> object:
    try:
        return json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _is_object(line: str) -> bool:
    return isinstance(_object(line), dict)


def _document(sample: Sample) -> Profile | None:
    text = sample.text if sample.is_whole else sample.head.decode(sample.encoding, "replace")
    try:
        first, _ = json.JSONDecoder(strict=False).raw_decode(text.lstrip("\ufeff \n\t\r"))
    except RecursionError:
        return None
    except ValueError:
        try:
            first = json.loads(closed(text))
        except (ValueError, RecursionError):
            return None
    by_column = _by_column(sample, first)
    if by_column is not None:
        return by_column
    place = _place_of(first)
    arguments: dict[str, Argument] = {"encoding": _encoding(sample)}
    if place.at:
        arguments["at"] = list(place.at)
    if place.names:
        arguments["names"] = list(place.names)
    if place.has_header:
        arguments["header"] = True
    if place.is_keyed:
        taken = {str(key) for item in _items(first, place) for key, _ in _pairs(item, ())}
        arguments["keyed"] = next(n for n in ("key", "record_key", "_key_of") if n not in taken)
    reading = Reading("json_text", "document", arguments, is_open=True)
    found = tabulate(reading, sample.head)
    if not found.columns and not sample.is_whole:  # its first record is larger than the sample
        found = tabulate(reading, closed(text).encode(sample.encoding))
    shape = f"{'.'.join(place.at)}|{'|'.join(sorted(found.columns))}"
    one = profile_of(
        "json", reading, sample, from_head=True, shape=shape, found=found,
        problems=(*place.notes, *_beside(first, place.at), *_doubts(place, found)),
    )  # fmt: skip
    return _with_kinds(one, _items(first, place), names=place.names)


def _doubts(place: _Place, found: Tabulated) -> list[str]:
    """What is said of a first array that is taken for the names."""
    if not place.has_header:
        return []
    return headers.doubts(list(found.columns), found.columns.values(), found.rows)


def _beside(document: object, at: Sequence[str]) -> list[str]:
    """What is said of values on the way to the records, which belong to none of them."""
    others: list[str] = []
    for number, key in enumerate(at):
        level = cast("dict[str, object]", document)
        others += [".".join([*at[:number], one]) for one in level if one != key]
        document = level[key]
    if not others:
        return []
    return [f"values beside the records are not read: {', '.join(others[:6])[:200]}"]


def _by_column(sample: Sample, document: object) -> Profile | None:
    """The profile of an object whose values are columns; None if they are not.

    Only of a document that was looked at whole: a part of it shows a part of the columns.
    """
    pairs = cast("dict[str, object]", document).values() if isinstance(document, dict) else ()
    keyed = bool(pairs) and all(map(_is_by_row, pairs))
    columns = json_columns.columns_of(document, keyed=keyed)
    lengths = {len(column) for column in columns.values()}
    are_plain = not any(
        isinstance(item, dict | list) for column in columns.values() for item in column.values()
    )
    is_table = len(lengths) == 1 and min(lengths) > 1 and are_plain and len(columns) > 1
    if not sample.is_whole or not is_table or len(columns) * 2 <= len(pairs):
        return None
    arguments: dict[str, Argument] = {"encoding": _encoding(sample)}
    if keyed:
        arguments["keyed"] = next(n for n in ("row", "row_key", "_row_key") if n not in columns)
    reading = Reading("json_columns", "read", arguments, is_open=True)
    told = [f"{len(pairs) - len(columns)} values beside the columns are passed over"]
    one = profile_of(
        "json", reading, sample, from_head=True, shape=f"columns|{'|'.join(columns)}",
        problems=told if len(pairs) > len(columns) else (),
    )  # fmt: skip
    rows = [
        {name: column[key] for name, column in columns.items() if key in column}
        for key in next(iter(columns.values()))
    ]
    return _with_kinds(one, rows)


def _is_by_row(value: object) -> bool:
    """Whether a column is an object by row number, as pandas writes it."""
    keys = list(cast("dict[str, object]", value)) if isinstance(value, dict) else []
    return len(keys) > 1 and keys == [str(number) for number in range(len(keys))]


def _items(document: object, place: _Place) -> list[object]:
    """The records of a document, as Python has them."""
    for key in place.at:
        document = cast("dict[str, object]", document)[key]
    if place.is_keyed:
        return list(cast("dict[str, object]", document).values())
    items = cast("list[object]", document) if isinstance(document, list) else [document]
    if place.has_header:
        names = [str(name) for name in cast("list[object]", items[0])]
        rows = cast("list[list[object]]", items[1:])
        return [dict(zip(names, row, strict=False)) for row in rows]
    return items


def _with_kinds(
    profile: Profile, records: Sequence[object], *, names: Sequence[str] = ()
) -> Profile:
    """Columns by what the document says its values are: a text that looks like a number is text."""
    kinds: dict[str, set[type]] = {}
    words: dict[str, Counter[str]] = {}
    for record in records:
        for key, value in _pairs(record, names):
            name = str(key) or "column"
            if isinstance(value, str) and value in NULL_SPELLINGS:
                words.setdefault(name, Counter())[value] += 1
            elif isinstance(value, float) and math.isnan(value):
                words.setdefault(name, Counter())["NaN"] += 1
            elif value is not None:
                kinds.setdefault(name, set()).add(type(value))
    columns = tuple(
        _of_values(column, kinds.get(column.name, set()), words.get(column.name, Counter()))
        for column in profile.columns
    )
    return replace(profile, columns=columns)


def _of_values(column: ColumnProfile, kinds: set[type], words: Counter[str]) -> ColumnProfile:
    """A column by its values' kinds; words for nothing beside numbers or truth are missing."""
    kinds = kinds or ({float} if words.keys() == {"NaN"} else set())
    is_plain = kinds <= {int, float} or kinds == {bool}
    if words and kinds and is_plain:
        return replace(_of_kind(column, kinds), null_words=sorted(words.keys() - {""}))
    found = _of_kind(column, kinds | {str} if words else kinds)
    if found.type == "string" and column.type != "string":  # there such words are text
        return replace(found, nulls=column.nulls - words.total() + words[""])
    return found


def _pairs(record: object, names: Sequence[str]) -> Iterable[tuple[object, object]]:
    if isinstance(record, dict):
        return cast("dict[object, object]", record).items()
    return (
        zip(names, cast("list[object]", record), strict=False) if isinstance(record, list) else ()
    )


def _of_kind(column: ColumnProfile, kinds: set[type]) -> ColumnProfile:  # noqa: PLR0911 - one return per kind reads best
    if not kinds or (kinds == {str} and column.type in ("date", "timestamp")):
        return column
    if kinds == {bool}:
        return _typed(column, "bool", "true/false")
    if kinds == {int}:
        fits = column.type == "int64"
        return replace(column, null_words=[]) if fits else _typed(column, "string", None)
    if kinds <= {int, float}:
        return _typed(column, "double", "point")
    if kinds <= {dict, list}:
        return _typed(column, "json", None)
    if kinds == {str}:
        is_moment = any("%" in one for one in column.candidates)
        kept = replace(column, type="string", null_words=[], unit=None)
        return kept if is_moment else replace(kept, candidates=[], ambiguity=None)
    words = {
        dict: "object",
        list: "array",
        str: "text",
        bool: "truth value",
        int: "number",
        float: "number",
    }
    named = ", ".join(sorted({words.get(kind, kind.__name__) for kind in kinds}))
    return replace(_typed(column, "json", None), ambiguity=f"values of several kinds: {named}")


def _typed(column: ColumnProfile, kind: str, form: str | None) -> ColumnProfile:
    return replace(
        column, type=kind, candidates=[form] if form else [], ambiguity=None, null_words=[],
        unit=None, meaning=None if kind in ("json", "bool") else column.meaning,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the records of a document are."""

    at: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    has_header: bool = False
    is_keyed: bool = False
    notes: tuple[str, ...] = ()


def _place_of(document: object) -> _Place:
    """The array with the most records, the nearest to the root; else the document is one."""
    found = sorted(_arrays(document, ()), key=lambda one: (-len(one[1]), len(one[0])))
    if not found:
        if _is_keyed(document):
            return _Place(is_keyed=True)
        return _Place()
    at, items = found[0]
    others = [".".join(way) for way, _ in found[1:4]]
    notes = (f"other arrays of records: {', '.join(others)}",) if others else ()
    if not isinstance(items[0], list):
        return _Place(at, notes=notes)
    return _of_arrays(document, at, cast("list[list[object]]", items))


def _of_arrays(document: object, at: tuple[str, ...], items: Sequence[list[object]]) -> _Place:
    """Records that are arrays: named beside them, by the first, or by number."""
    width = len(items[0])
    holder = document
    for key in at[:-1]:
        holder = cast("dict[str, object]", holder)[key]
    if isinstance(holder, dict):
        for key in ("columns", "fields", "header", "headers", "names"):
            names = cast("dict[str, object]", holder).get(key)
            if isinstance(names, list) and len(cast("list[object]", names)) == width:
                plain = [_plain_name(one) for one in cast("list[object]", names)]
                if all(plain):
                    return _Place(at, tuple(plain))
    first = items[0]
    if all(isinstance(cell, str) and cell for cell in first) and len(set(map(str, first))) == width:
        typed = any(not isinstance(cell, str) for row in items[1:20] for cell in row)
        if typed or len(items) > 2:
            return _Place(at, has_header=True)
    return _Place(at, tuple(f"column_{number}" for number in range(1, width + 1)))


def _plain_name(value: object) -> str:
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        return str(pairs.get("name") or pairs.get("title") or "")
    return value if isinstance(value, str) else ""


def _arrays(value: object, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[object]]]:
    """Arrays of objects, or of arrays of one width, with the way to each."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        objects = sum(isinstance(item, dict) for item in items)
        if items and (objects > len(items) / 2 or _is_table(items) or (not at and not objects)):
            yield at, items
    elif isinstance(value, dict) and len(at) < _MOST_DEPTH:
        for key, inner in cast("dict[str, object]", value).items():
            yield from _arrays(inner, (*at, str(key)))


def _is_table(items: Sequence[object]) -> bool:
    widths = {len(cast("list[object]", item)) if isinstance(item, list) else -1 for item in items}
    return len(widths) == 1 and widths.pop() > 0 and len(items) > 1


def _is_keyed(document: object) -> bool:
    """Whether a document holds records by name: objects that share most of their keys."""
    if not isinstance(document, dict):
        return False
    values = list(cast("dict[str, object]", document).values())
    if len(values) < 3 or not all(isinstance(value, dict) and value for value in values):
        return False
    keys = [set(cast("dict[str, object]", value)) for value in values]
    return len(set.intersection(*keys)) >= 0.5 * max(len(one) for one in keys)


def closed(text: str) -> str:
    """The beginning of a JSON document, ended after its last whole value."""
    stack: list[str] = []
    in_text, escaped = False, False
    good: tuple[int, str] | None = None
    for position, one in enumerate(text):
        if in_text:
            if escaped:
                escaped = False
            elif one == "\\":
                escaped = True
            elif one == '"':
                in_text = False
            continue
        if one == '"':
            in_text = True
        elif one in "{[":
            stack.append("}" if one == "{" else "]")
        elif one in "}]" and stack:
            stack.pop()
            good = (position + 1, "".join(reversed(stack)))
        elif one == "," and stack:
            good = (position, "".join(reversed(stack)))
    return text if good is None else text[: good[0]].lstrip("\ufeff") + good[1]


def _encoding(sample: Sample) -> str:
    return {"utf-8-sig": "utf-8-sig"}.get(sample.encoding, sample.encoding)

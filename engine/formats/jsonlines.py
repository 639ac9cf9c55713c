"""Recognise JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence

from engine.formats.elimination import profile_column
from engine.formats.interface import ColumnProfile, Profile, Sample

_LEAST_SHARE = 0.8
_SAMPLE_ROWS, _SHOWN_ROWS, _MOST_COLUMNS = 5000, 50, 500


def recognise(sample: Sample) -> Profile | None:
    """The profile of JSON lines; None if most lines are not JSON objects."""
    lines = [line for line in sample.text.split("\n") if line.strip()][:_SAMPLE_ROWS]
    if not lines or not lines[0].lstrip().startswith("{"):
        return None
    records: list[dict[str, object]] = []
    for line in lines:
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            records.append({str(key): item for key, item in value.items()})
    if len(records) < len(lines) * _LEAST_SHARE:
        return None
    names = list(dict.fromkeys(name for record in records for name in record))[:_MOST_COLUMNS]
    columns = tuple(_column(name, [record.get(name) for record in records]) for name in names)
    problems = [sample.encoding_problem] if sample.encoding_problem else []
    bad = len(lines) - len(records)
    if bad:
        problems.append(f"{bad} lines in the sample are not JSON objects")
    if not sample.is_whole:
        problems.append("profiled from head, middle and tail; the whole file may hold more")
    return Profile(
        format="jsonl",
        encoding=sample.encoding,
        columns=columns,
        rows=tuple(
            tuple(_cell(record.get(name)) for name in names) for record in records[:_SHOWN_ROWS]
        ),
        problems=tuple(problems),
        fingerprint=f"jsonl|{'|'.join(sorted(names))}",
    )


def _column(name: str, values: Sequence[object]) -> ColumnProfile:  # noqa: PLR0911 - one return per kind reads best
    present = [value for value in values if value is not None]
    nulls = len(values) - len(present)
    examples = list(dict.fromkeys(_cell(value) or "" for value in present))[:3]
    kinds = {type(value) for value in present}
    if kinds == {bool}:
        return ColumnProfile(name, "bool", [], nulls, examples)
    if kinds == {int} and all(-(2**63) <= int(str(value)) < 2**63 for value in present):
        return ColumnProfile(name, "int64", [], nulls, examples)
    if kinds and kinds <= {int, float}:
        return ColumnProfile(name, "double", [], nulls, examples)
    if kinds == {str}:
        found = profile_column(name, [str(value) for value in present])
        if found.type in ("date", "timestamp") or found.ambiguity:
            return ColumnProfile(
                name, found.type, found.candidates, nulls, examples, found.ambiguity
            )
        return ColumnProfile(name, "string", [], nulls, examples)
    if kinds and kinds <= {dict, list}:
        return ColumnProfile(name, "json", [], nulls, examples)
    why = f"values of several kinds: {', '.join(sorted(kind.__name__ for kind in kinds))}"
    return ColumnProfile(name, "json", [], nulls, examples, why if kinds else "never filled")


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)

"""Put the outcomes of a trial's files together: coverage, causes, quarantine, schemas, changes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.comparing import Difference
from engine.observed import Observed, from_json

_SAMPLE_ROWS, _MOST_ASIDE = 5, 20


@dataclass
class Cause:
    """Files that failed for one reason."""

    cause: str
    """The reason, with what differs between files left out."""
    files: int
    example_file: str
    example: str


@dataclass
class Report:
    """What a trial showed."""

    passed: int = 0
    failed: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    failed_before: int = 0
    """Of those, files that the version in force failed on, too."""
    causes: dict[str, Cause] = field(default_factory=dict[str, Cause])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    sample: dict[str, list[dict[str, str | None]]] = field(
        default_factory=dict[str, list[dict[str, str | None]]]
    )
    schemas: dict[str, pa.Schema] = field(default_factory=dict[str, pa.Schema])
    aside: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    codes: dict[str, int] = field(default_factory=dict[str, int])
    """Records set aside, by code."""
    observed: dict[str, Observed] = field(default_factory=dict[str, Observed])
    changes: dict[str, Difference] = field(default_factory=dict[str, Difference])
    level: str = ""


def fold(outcomes: Iterable[dict[str, Any]]) -> Report:
    """The outcomes of all files together.

    A file whose columns contradict those of the files before it counts as failed.
    """
    report = Report()
    for one in outcomes:
        report.level = str(one.get("level", ""))
        why = one["reason"] or _contradiction(report, one)
        if why:
            _add_failure(report, str(one["file"]), str(why))
            report.failed_before += bool(one["failed_before"])
        else:
            _add(report, one)
    return report


def _contradiction(report: Report, one: dict[str, Any]) -> str | None:
    """Widen the schemas by a file's; what is wrong if no schema holds both without loss."""
    widened: dict[str, pa.Schema] = {}
    for topic, text in one["schemas"].items():
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
        known = report.schemas.get(topic, schema)
        if set(known.names) != set(schema.names):
            differing = ", ".join(sorted(set(known.names) ^ set(schema.names)))
            return f"{_against(topic)} columns {differing} are not in every file"
        try:
            widened[topic] = pa.unify_schemas([known, schema], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            return f"{_against(topic)} {error}"
    report.schemas |= widened
    return None


def _against(topic: str) -> str:
    return f"topic {topic}: its columns contradict those of the files before:"


def _add_failure(report: Report, file: str, reason: str) -> None:
    report.failed.append({"file": file, "reason": reason})
    cause = _cause(reason)
    known = report.causes.setdefault(cause, Cause(cause, 0, file, reason[:500]))
    known.files += 1


def _cause(reason: str) -> str:
    """A reason without what differs from file to file: quoted texts, numbers, lists."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", reason)
    plain = re.sub(r"\[[^\]]*\]", "[…]", plain)
    return re.sub(r"\d+", "#", plain)[:200]


def _add(report: Report, one: dict[str, Any]) -> None:
    report.passed += 1
    for topic, count in one["rows"].items():
        report.rows[topic] = report.rows.get(topic, 0) + count
        sample = report.sample.setdefault(topic, [])
        sample += one["sample"].get(topic, [])[: _SAMPLE_ROWS - len(sample)]
    report.aside += one["aside"][: _MOST_ASIDE - len(report.aside)]
    for code, count in one["codes"].items():
        report.codes[code] = report.codes.get(code, 0) + count
    for topic, seen in one["observed"].items():
        report.observed.setdefault(topic, Observed()).add(from_json(seen))
    for topic, change in one["changes"].items():
        report.changes.setdefault(topic, Difference()).add(Difference(**change))

"""Hold a topic's rows to the schema that a person approved."""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.errors import PluginError
from engine.events import SetAside

_MOST_RAW_CHARS = 65_536

Contract = dict[str, object]
"""Topic → {"columns": [{name, type, nullable}], "arrow": base64 of the Arrow schema}."""


def contract_of(schemas: Mapping[str, pa.Schema]) -> Contract:
    """The contract that these schemas propose."""
    return {
        topic: {
            "columns": [
                {"name": field.name, "type": str(field.type), "nullable": field.nullable}
                for field in schema
            ],
            "arrow": base64.b64encode(schema.serialize().to_pybytes()).decode(),
        }
        for topic, schema in sorted(schemas.items())
    }


def schema_for(contract: Contract, topic: str) -> pa.Schema | None:
    """The agreed schema of a topic; None if no sample had rows for it."""
    entry = cast("dict[str, str] | None", contract.get(topic))
    if entry is None:
        return None
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(entry["arrow"])))


def fit(
    batch: pa.RecordBatch, schema: pa.Schema | None, topic: str
) -> tuple[pa.RecordBatch, list[SetAside]]:
    """The rows that keep the contract, in its columns, order and types; and those that do not.

    Nothing is lost: a value that its agreed type cannot hold takes its row into quarantine. A
    column whose agreed type is null (the sample held no value) takes any type.

    Raises:
        PluginError: a column is missing or new, which is about the file and not about a row.
    """
    agreed_on = _agreed(batch, schema, topic)
    if batch.schema == agreed_on:
        return batch, []
    faults: dict[int, tuple[str, str, str]] = {}
    columns = [_held(batch.column(agreed.name), agreed, faults) for agreed in agreed_on]
    if faults:
        keep = pa.array([row not in faults for row in range(batch.num_rows)])
        columns = [column.filter(keep) for column in columns]
    fields = [
        pa.field(agreed.name, column.type, agreed.nullable)
        for agreed, column in zip(agreed_on, columns, strict=True)
    ]
    fitting = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
    return fitting, [_aside(batch, row, *fault) for row, fault in sorted(faults.items())]


def _agreed(batch: pa.RecordBatch, schema: pa.Schema | None, topic: str) -> pa.Schema:
    """The contract's schema, if the batch has its columns."""
    if schema is None:
        raise _broken(topic, "no sample gave rows for this topic, so none was agreed on")
    extra = [name for name in batch.schema.names if name not in schema.names]
    if extra:
        raise _broken(topic, f"column {', '.join(map(repr, extra))} is not in it")
    missing = [name for name in schema.names if name not in batch.schema.names]
    if missing:
        raise _broken(topic, f"column {missing[0]!r} is missing")
    return schema


def _held(column: pa.Array, agreed: pa.Field, faults: dict[int, tuple[str, str, str]]) -> pa.Array:
    """The column in its agreed type; rows that break it are added to `faults`."""
    given = column
    if not pa.types.is_null(agreed.type) and column.type != agreed.type:
        column, misfits = _cast(column, agreed.type)
        for row in misfits:
            why = f"{agreed.name}: {given[row].as_py()!r} is no {agreed.type}"
            faults.setdefault(row, (agreed.name, "CONTRACT_TYPE", why))
    if not agreed.nullable:
        for row in pc.indices_nonzero(pc.is_null(column)).to_pylist():
            why = f"{agreed.name} is missing, and the contract wants it in every row"
            faults.setdefault(row, (agreed.name, "CONTRACT_NULL", why))
    return column


def _cast(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The column in another type, null where a value does not fit it, and which rows those are."""
    try:
        return column.cast(kind, safe=True), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(column) <= 1:
            return pa.nulls(len(column), kind), list(range(len(column)))
    middle = len(column) // 2
    left, bad_left = _cast(column.slice(0, middle), kind)
    right, bad_right = _cast(column.slice(middle), kind)
    whole = pa.concat_arrays([left, right])
    return whole, [*bad_left, *(middle + row for row in bad_right)]


def _aside(batch: pa.RecordBatch, row: int, column: str, code: str, why: str) -> SetAside:
    """A row as a record of the quarantine."""
    record = {name: batch.column(name)[row].as_py() for name in batch.schema.names}
    line = record.get("_line")
    raw = json.dumps(record, default=str, ensure_ascii=False)
    return SetAside(
        raw=raw[:_MOST_RAW_CHARS],
        reason=why[:1000],
        line=line if isinstance(line, int) and line >= 0 else None,
        cut=len(raw) > _MOST_RAW_CHARS,
        code=code,
        column=column,
        member=str(record["_member"]) if record.get("_member") else None,
    )


def _broken(topic: str, what: str) -> PluginError:
    error = PluginError(
        f"topic {topic}: the file breaks the contract: {what}",
        hint="If the file is right, draft and publish a new version of the plugin; else mend it.",
    )
    error.code = "CONTRACT_BROKEN"
    return error

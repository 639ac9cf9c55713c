"""Hold a topic's rows to the schema that a person approved."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import cast

import pyarrow as pa

from casparian_flow.errors import PluginError

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


def fit(batch: pa.RecordBatch, schema: pa.Schema | None, topic: str) -> pa.RecordBatch:
    """The batch in the contract's columns, order and types, with nothing lost.

    A column whose agreed type is null (the sample held no value) takes any type.

    Raises:
        PluginError: a column is missing, new, or holds what its type cannot.
    """
    if schema is None:
        raise _broken(topic, "no sample gave rows for this topic, so none was agreed on")
    if batch.schema == schema:
        return batch
    extra = [name for name in batch.schema.names if name not in schema.names]
    if extra:
        raise _broken(topic, f"column {', '.join(map(repr, extra))} is not in it")
    columns: list[pa.Array] = []
    fields: list[pa.Field] = []
    for agreed in schema:
        if agreed.name not in batch.schema.names:
            raise _broken(topic, f"column {agreed.name!r} is missing")
        column = batch.column(agreed.name)
        if not pa.types.is_null(agreed.type) and column.type != agreed.type:
            try:
                column = column.cast(agreed.type, safe=True)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                change = f"column {agreed.name!r} is {agreed.type} there and {column.type} here"
                raise _broken(topic, f"{change}: {error}") from error
        columns.append(column)
        fields.append(pa.field(agreed.name, column.type))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _broken(topic: str, what: str) -> PluginError:
    error = PluginError(
        f"topic {topic}: the file breaks the contract: {what}",
        hint="If the file is right, draft and publish a new version of the plugin; else mend it.",
    )
    error.code = "CONTRACT_BROKEN"
    return error

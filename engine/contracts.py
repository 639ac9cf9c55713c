"""Hold a topic's rows to the schema that a person approved."""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.errors import PluginError
from engine import casting, constraints
from engine.events import SetAside
from engine.exact_text import shown
from engine.keys import Keys

_MOST_RAW_CHARS = 65_536

Terms = dict[str, object]
"""What was agreed on for one topic.

`columns`: [{name, type, nullable, `stated` where a person wrote it, and rules for its values: see
engine/constraints.py}] ·
`arrow`: base64 of the Arrow schema · `key`: columns that name a row, where stated.
In a plugin version's own copy also `number`: which version of the topic's contract it is ·
`change`: none, grown or decided, against the one before · `absent`: columns that this plugin does
not give, null in its rows · `discarded`: columns it gives that are dropped · `unknown`: discard,
where columns that no sample showed are dropped too.
"""


def terms_of(
    schema: pa.Schema,
    rules: Mapping[str, Mapping[str, object]] | None = None,
    key: Sequence[str] = (),
    stated: Collection[str] = (),
) -> Terms:
    """Terms that a schema makes; a key's columns are in every row.

    Args:
        schema: The columns, in order.
        rules: Column → rules for its values.
        key: Columns that together name a row.
        stated: Columns whose type a person wrote, so that it is held and not widened.
    """
    schema = pa.schema([f.with_nullable(f.nullable and f.name not in key) for f in schema])
    terms: Terms = {
        "columns": [
            {
                "name": field.name,
                "type": str(field.type),
                "nullable": field.nullable,
                **({"stated": True} if field.name in stated else {}),
                **(rules or {}).get(field.name, {}),
            }
            for field in schema
        ],
        "arrow": base64.b64encode(schema.serialize().to_pybytes()).decode(),
    }
    return {**terms, "key": list(key)} if key else terms


def schema_in(terms: Mapping[str, object]) -> pa.Schema:
    """The schema that terms hold rows to."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(str(terms["arrow"]))))


def schema_for(contract: Mapping[str, object], topic: str) -> pa.Schema | None:
    """The agreed schema of a topic; None if no sample had rows for it."""
    terms = contract.get(topic)
    return None if terms is None else schema_in(cast("Terms", terms))


def rules_in(terms: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """The rules for the values of columns: column → rule → what was stated."""
    columns = cast("list[dict[str, object]]", terms["columns"])
    return {
        str(column["name"]): {rule: column[rule] for rule in column if rule in constraints.RULES}
        for column in columns
    }


def stated_in(terms: Mapping[str, object]) -> set[str]:
    """Columns whose type a person wrote."""
    columns = cast("list[dict[str, object]]", terms["columns"])
    return {str(column["name"]) for column in columns if column.get("stated")}


def key_in(terms: Mapping[str, object]) -> list[str]:
    """Columns that together name a row; none if no key was stated."""
    return _names(terms, "key")


class Holder:
    """Holds one file's rows of a topic to its terms; keeps the keys it has seen."""

    def __init__(self, topic: str, terms: Terms | None) -> None:
        """`terms`: None if no sample had rows for the topic, so that any row breaks it."""
        if terms is None:
            raise _broken(topic, "no sample gave rows for this topic, so none was agreed on")
        self._topic = topic
        self._schema = schema_in(terms)
        self._rules = {name: rules for name, rules in rules_in(terms).items() if rules}
        self._key = key_in(terms)
        self._keys = Keys(self._key) if self._key else None
        self._absent = frozenset(_names(terms, "absent"))
        self._dropped = frozenset(_names(terms, "discarded"))
        self._drops_unknown = terms.get("unknown") == "discard"
        self.dropped: set[str] = set()
        """Columns that came and were left out, as the topic's policy has it."""

    def fit(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[SetAside]]:
        """The rows that keep the terms, in their columns, order and types; and those that do not.

        Nothing is lost: a value that its agreed type cannot hold, or that breaks what was stated,
        takes its row into quarantine. A column whose agreed type is null (the sample held no
        value) takes any type.

        Raises:
            PluginError: a column is missing or new, which is about the file and not about a row.
        """
        held = self._with_its_columns(batch)
        if held.schema == self._schema and not self._rules and not self._key:
            return held, []
        faults: _Faults = {}
        columns = [
            _held(held.column(agreed.name), agreed, self._rules.get(agreed.name, {}), faults)
            for agreed in self._schema
        ]
        fields = [
            pa.field(agreed.name, column.type, agreed.nullable)
            for agreed, column in zip(self._schema, columns, strict=True)
        ]
        self._hold_to_key(pa.RecordBatch.from_arrays(columns, names=self._schema.names), faults)
        if faults:
            keep = pa.array([row not in faults for row in range(batch.num_rows)])
            columns = [column.filter(keep) for column in columns]
        fitting = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        return fitting, [_aside(batch, row, *fault) for row, fault in sorted(faults.items())]

    def _with_its_columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with those columns that the schema names, absent ones null."""
        names = batch.schema.names
        extra = [name for name in names if name not in self._schema.names]
        refused = [] if self._drops_unknown else [n for n in extra if n not in self._dropped]
        if refused:
            raise _broken(self._topic, f"column {', '.join(map(repr, refused))} is not in it")
        self.dropped.update(extra)
        missing = [name for name in self._schema.names if name not in names]
        lacking = [name for name in missing if name not in self._absent]
        if lacking:
            raise _broken(self._topic, f"column {lacking[0]!r} is missing")
        if not extra and not missing:
            return batch
        columns = [
            batch.column(one.name) if one.name in names else pa.nulls(batch.num_rows, one.type)
            for one in self._schema
        ]
        return pa.RecordBatch.from_arrays(columns, names=self._schema.names)

    def _hold_to_key(self, batch: pa.RecordBatch, faults: _Faults) -> None:
        """Set aside rows that repeat the key of an earlier row of the same file."""
        if self._keys is None:
            return
        whole: Sequence[int] = range(batch.num_rows)
        if faults:  # a row that is set aside already has no key
            whole = [row for row in whole if row not in faults]
        rest = batch.take(pa.array(whole, pa.int64())) if faults else batch
        for place in self._keys.repeated(rest):
            row = whole[place]
            key = ", ".join(f"{name}={_value(batch.column(name), row)!r}" for name in self._key)
            why = f"an earlier row of this file has the key {key}"
            faults[row] = (self._key[0], "CONTRACT_KEY", why)


_Faults = dict[int, tuple[str, str, str]]
"""Row → column, code, reason."""


def _names(terms: Mapping[str, object], word: str) -> list[str]:
    return cast("list[str]", terms.get(word) or [])


def _held(
    column: pa.Array, agreed: pa.Field, rules: Mapping[str, object], faults: _Faults
) -> pa.Array:
    """The column in its agreed type; rows that break it are added to `faults`."""
    given = column
    if not pa.types.is_null(agreed.type) and column.type != agreed.type:
        column, misfits = casting.exactly(column, agreed.type)
        for row in misfits:
            why = f"{agreed.name}: {_value(given, row)!r} is no {agreed.type}"
            faults.setdefault(row, (agreed.name, "CONTRACT_TYPE", why))
    if not agreed.nullable:
        for row in pc.indices_nonzero(pc.is_null(column)).to_pylist():
            why = f"{agreed.name} is missing, and the contract wants it in every row"
            faults.setdefault(row, (agreed.name, "CONTRACT_NULL", why))
    for row, rule in constraints.broken(column, rules):
        why = f"{agreed.name}: {_value(given, row)!r} breaks what was stated: {rule}"
        faults.setdefault(row, (agreed.name, "CONTRACT_VALUE", why))
    return column


def _value(column: pa.Array, row: int) -> object:
    """A value as Python has it; as text where Python has none, as of nanoseconds."""
    try:
        return column[row].as_py()
    except (ValueError, OverflowError):
        return shown(column.slice(row, 1))[0]


def _aside(batch: pa.RecordBatch, row: int, column: str, code: str, why: str) -> SetAside:
    """A row as a record of the quarantine."""
    record = {name: _value(batch.column(name), row) for name in batch.schema.names}
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

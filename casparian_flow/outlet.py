"""Turn what a plugin publishes into plain Arrow batches on the link."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from casparian_flow import link
from casparian_flow.errors import PluginError
from casparian_flow.link import Kind
from casparian_flow.sdk import NOWHERE, RESERVED_COLUMNS, Position

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 65_536
_DICT_ROWS = 8_192
_MAX_RAW_CHARS = 65_536


class LinkOutlet:
    """Sends one job's rows to the host, in small batches, and counts them.

    `send` blocks when the host is slower: that is the back-pressure which keeps memory flat.
    """

    def __init__(self, writer: link.Writer, topics: tuple[str, ...]) -> None:
        """Write to the link; only `topics` may be published."""
        self._writer = writer
        self._topics = topics
        self._schemas: dict[str, pa.Schema] = {}
        self.rows: dict[str, int] = {}
        self.quarantined = 0
        self.read: int | None = None
        """Records read, if the plugin says so."""
        self.skipped: dict[str, int] = {}

    def publish(self, topic: str, data: object) -> None:
        """Send rows; see `BasePlugin.publish` for what `data` may be."""
        self._number(topic)
        self.rows.setdefault(topic, 0)
        for batch in _batches(data, topic):
            self._send(topic, batch)

    def quarantine(
        self, record: object, reason: str, line: int | None, position: Position = NOWHERE
    ) -> None:
        """Send one record set aside."""
        raw = _as_text(record)
        fact = {
            "raw": raw[:_MAX_RAW_CHARS],
            "cut": len(raw) > _MAX_RAW_CHARS,
            "reason": str(reason)[:1000],
            "line": None if line is None else int(line),
            "code": str(position.code)[:50],
            "column": None if position.column is None else str(position.column)[:200],
            "offset": None if position.offset is None else int(position.offset),
            "length": None if position.length is None else int(position.length),
            "member": None if position.member is None else str(position.member)[:1000],
        }
        number = 0 if position.topic is None else self._number(position.topic)
        self._writer.add_json(Kind.QUARANTINE, fact, number)
        self.quarantined += 1

    def account(self, read: int, skipped: Mapping[str, int]) -> None:
        """Count records; see `BasePlugin.account`."""
        self.read = (self.read or 0) + int(read)
        for reason, count in skipped.items():
            key = str(reason)[:200]
            self.skipped[key] = self.skipped.get(key, 0) + int(count)

    def _number(self, topic: str) -> int:
        """The topic's place in the manifest."""
        if topic not in self._topics:
            declared = ", ".join(self._topics)
            raise PluginError(
                f"the plugin published topic {topic!r}, its MANIFEST declares {declared}",
                hint="Declare every topic in MANIFEST, or publish to a declared one.",
            )
        return self._topics.index(topic)

    def _send(self, topic: str, batch: pa.RecordBatch) -> None:
        index = self._number(topic)
        known = self._schemas.get(topic)
        if known is None:
            known = self._schemas[topic] = batch.schema
            self._writer.add(Kind.SCHEMA, memoryview(known.serialize()), index)
        elif batch.schema != known:
            batch = _fit(batch, known, topic)
        for piece in _slices(batch):
            self._writer.add(Kind.BATCH, memoryview(piece.serialize()), index)
            self.rows[topic] += piece.num_rows


def _batches(data: object, topic: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in _native_batches(data, topic):
        names = batch.schema.names
        _check_names(names, topic)
        yield pa.RecordBatch.from_arrays([_plain(column) for column in batch.columns], names)


def _native_batches(data: object, topic: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    kind = f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"
    if kind == "pandas.DataFrame":
        try:
            yield from pa.Table.from_pandas(data, preserve_index=False).to_batches() or []
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise PluginError(
                f"topic {topic}: a column mixes types: {error}",
                hint="Give the column one type, for example df[c] = df[c].astype('string').",
            ) from error
    elif hasattr(data, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(data)
    elif hasattr(data, "__arrow_c_array__"):
        yield pa.record_batch(data)
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes | dict):
        yield from _batches_of_dicts(data, topic)
    else:
        raise PluginError(
            f"topic {topic}: cannot publish a {type(data).__name__}",
            hint="Publish a DataFrame, an Arrow table, or an iterable of dicts.",
        )


def _batches_of_dicts(rows: Iterable[object], topic: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    stream = iter(rows)
    while taken := list(itertools.islice(stream, _DICT_ROWS)):
        odd = [row for row in taken if not isinstance(row, dict)]
        if odd:
            raise PluginError(
                f"topic {topic}: an iterable of dicts was expected, one item is a"
                f" {type(odd[0]).__name__}",
                hint='Yield rows such as {"id": 1, "name": "a"}.',
            )
        chunk = cast("list[dict[object, object]]", taken)
        names = list(dict.fromkeys(key for row in chunk for key in row))
        _check_names(names, topic)
        columns = [[row.get(name) for row in chunk] for name in names]
        try:
            arrays = [pa.array(column) for column in columns]
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise PluginError(
                f"topic {topic}: a column mixes types: {error}",
                hint="Convert each column to one type before publishing.",
            ) from error
        yield pa.RecordBatch.from_arrays(arrays, names)


def _check_names(names: list[object], topic: str) -> None:
    if not names:
        raise PluginError(
            f"topic {topic}: a table without columns was published",
            hint="Return without publishing when a file holds nothing.",
        )
    for name in names:
        if not isinstance(name, str) or not name:
            raise PluginError(
                f"topic {topic}: column name {name!r} is not a non-empty string",
                hint="Name every column, for example df.columns = [...].",
            )
        if name.lower() in RESERVED_COLUMNS:  # SQL tells no capital from a small letter
            raise PluginError(
                f"topic {topic}: column {name} is stamped by the host and cannot be published",
                hint=f"Rename the column; {', '.join(RESERVED_COLUMNS)} are reserved.",
            )
    lowered = [str(name).lower() for name in names]
    if len(set(lowered)) != len(names):
        twice = sorted({str(name) for name in names if lowered.count(str(name).lower()) > 1})
        raise PluginError(
            f"topic {topic}: column {', '.join(twice)} appears more than once, capitals aside",
            hint="Give every column a name of its own.",
        )


def _plain(column: pa.Array) -> pa.Array:
    """One of the types the host accepts: no dictionaries, views, run ends or extensions."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if types.is_dictionary(kind):
        # Arrow cannot decode a dictionary of views, which is what polars calls a category.
        values = _plain(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
    if types.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        return _plain(pc.run_end_decode(column))  # pyright: ignore[reportAttributeAccessIssue] - made at import
    stored = _stored(kind)
    if stored == kind:
        return column
    if "list_view" in str(kind):  # Arrow 26 casts these to lists that lack offsets
        return pa.array(column.to_pylist(), stored)
    return column.cast(stored)


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type that the host accepts for one of the same values, in what is nested, too."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_dictionary(kind):
        return _stored(kind.value_type)
    lists = (types.is_list, types.is_large_list, types.is_list_view, types.is_large_list_view)
    if any(is_so(kind) for is_so in lists):
        return pa.list_(_stored(kind.value_type))
    if types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return pa.struct([one.with_type(_stored(one.type)) for one in fields])
    return kind


def _fit(batch: pa.RecordBatch, schema: pa.Schema, topic: str) -> pa.RecordBatch:
    """Cast to the schema already announced, if nothing is lost by it."""
    import pyarrow as pa

    if set(batch.schema.names) - set(schema.names):
        extra = sorted(set(batch.schema.names) - set(schema.names))
        raise _schema_changed(topic, f"column {', '.join(extra)} came up later")
    columns: list[pa.Array] = []
    for field in schema:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(field.name)
        held = _held(column, field.type)
        if held is None:
            change = f"column {field.name} was {field.type} and became {column.type}"
            raise _schema_changed(topic, change)
        columns.append(held)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _held(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The column in another type that holds each of its values as it is; None if it does not.

    Only among numbers, and among types of one name: Arrow reads 007 as 7 and calls 5 true.
    """
    import pyarrow as pa

    types = pa.types
    if column.type == kind or types.is_null(column.type):
        return column.cast(kind)
    numbers = [types.is_integer(one) or types.is_floating(one) for one in (column.type, kind)]
    if not all(numbers) and column.type.id != kind.id:
        return None
    try:
        held = column.cast(kind, safe=True)
        return held if held.cast(column.type, safe=True).equals(column) else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _schema_changed(topic: str, change: str) -> PluginError:
    return PluginError(
        f"topic {topic}: the schema changed midway: {change}",
        hint="Publish every batch with the same columns and types; cast explicitly.",
    )


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 0:
        return
    rows = max(1, min(_BATCH_ROWS, batch.num_rows * _BATCH_BYTES // max(1, batch.nbytes)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _as_text(record: object) -> str:
    if isinstance(record, str):
        return record
    if isinstance(record, bytes | bytearray):
        return bytes(record).decode("utf-8", "backslashreplace")
    try:
        return json.dumps(record, default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(record)

"""Judge the Arrow that a guest sent before anything in this process uses it."""

from __future__ import annotations

import struct
from functools import lru_cache

import pyarrow as pa
from pyarrow import types

from casparian_flow.errors import GuestHostile, PluginError
from casparian_flow.sdk import RESERVED_COLUMNS

MAX_ROWS_PER_BATCH = 1 << 20
MAX_COLUMNS = 4096
MAX_NAME_CHARS = 512
MAX_ELEMENTS_PER_BATCH = 1 << 28
"""Nested values of one batch; nulls in lists take no bytes, so bytes do not bound them."""
_MAX_NESTING = 8
_RECORD_BATCH = 3
"""Arrow's flatbuffer union `MessageHeader`: 3 is RecordBatch."""


@lru_cache(maxsize=256)
def read_schema(body: bytes) -> pa.Schema:
    """Decode a schema; refuse types and names that the host does not store.

    Raises:
        GuestHostile: it cannot be decoded, or is larger than any honest schema.
        PluginError: a reserved column or an unsupported type.
    """
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(body)).remove_metadata()
        return _judged(schema)
    except (pa.ArrowException, OSError, EOFError, ValueError, struct.error) as error:
        # Names and time zones are only decoded when they are looked at, and need not be UTF-8.
        raise GuestHostile(f"a schema that cannot be decoded: {error}") from error


def _judged(schema: pa.Schema) -> pa.Schema:
    names = schema.names
    distinct = {name.lower() for name in names}  # SQL tells no capital from a small letter
    if not names or len(names) > MAX_COLUMNS or len(distinct) != len(names):
        raise GuestHostile(f"a schema with {len(names)} columns, {len(distinct)} of them distinct")
    for field in schema:
        if field.name.lower() in RESERVED_COLUMNS:
            raise PluginError(
                f"column {field.name} is stamped by the host, a plugin may not send it"
            )
        if not field.name or len(field.name) > MAX_NAME_CHARS:
            raise GuestHostile(f"a column name of {len(field.name)} characters")
        if not _is_plain(field.type, _MAX_NESTING):
            raise PluginError(
                f"column {field.name} has type {field.type}, which is not stored",
                hint="Publish plain numbers, text, dates, lists or structs.",
            )
    plain = pa.schema([pa.field(field.name, field.type) for field in schema])
    pa.RecordBatch.from_pylist([], schema=plain).validate(full=True)  # finds lists of size -1
    return plain


def _is_plain(kind: pa.DataType, depth: int) -> bool:
    if depth == 0 or isinstance(kind, pa.BaseExtensionType):
        return False
    if types.is_struct(kind):
        return all(
            len(field.name) <= MAX_NAME_CHARS and _is_plain(field.type, depth - 1) for field in kind
        )
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type, depth - 1)
    if types.is_map(kind):
        return _is_plain(kind.key_type, depth - 1) and _is_plain(kind.item_type, depth - 1)
    if types.is_timestamp(kind):
        return len(kind.tz or "") <= MAX_NAME_CHARS
    return types.is_primitive(kind) or any(
        test(kind)
        for test in (
            types.is_null,
            types.is_string,
            types.is_binary,
            types.is_decimal,
            types.is_fixed_size_binary,
        )
    )


def read_batch(body: bytes | bytearray, schema: pa.Schema) -> pa.RecordBatch:
    """Decode one record batch and validate every offset, length and string in it.

    Raises:
        GuestHostile: compressed, over the row cap, not decodable, or not valid.
    """
    rows = _announced_rows(body)
    if not 0 <= rows <= MAX_ROWS_PER_BATCH:
        raise GuestHostile(
            f"a batch that claims {rows} rows, at most {MAX_ROWS_PER_BATCH} are read"
        )
    try:
        batch = pa.ipc.read_record_batch(pa.py_buffer(body), schema)
        batch.validate(full=True)
        elements = sum(_elements(column) for column in batch.columns)
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise GuestHostile(f"a batch that does not hold what it says: {error}") from error
    if elements > MAX_ELEMENTS_PER_BATCH:
        raise GuestHostile(f"a batch that claims {elements} nested values")
    return batch


def _elements(column: pa.Array) -> int:
    """How many values the arrays nested in a column hold."""
    kind = column.type
    if types.is_struct(kind):
        children = [column.field(index) for index in range(kind.num_fields)]
    elif types.is_map(kind):
        children = [column.keys, column.items]
    elif types.is_nested(kind):
        children = [column.values]
    else:
        children = []
    return sum(len(child) + _elements(child) for child in children)


def _announced_rows(body: bytes | bytearray) -> int:
    """Row count from the message's flatbuffer; refuses compression before it is undone.

    Layout: continuation marker, metadata length, `Message` table (header type = field 1, header =
    field 2), whose `RecordBatch` table has length = field 0 and compression = field 3.
    """
    try:
        marker, _ = struct.unpack_from("<Ii", body, 0)
        root = 8 + struct.unpack_from("<I", body, 8)[0]
        kind_at, header_at = _field(body, root, 1), _field(body, root, 2)
        if marker != 0xFFFFFFFF or kind_at is None or header_at is None:
            raise GuestHostile("a batch without an Arrow header")
        if body[kind_at] != _RECORD_BATCH:
            raise GuestHostile(f"an Arrow message of kind {body[kind_at]} where a batch belongs")
        table = header_at + struct.unpack_from("<I", body, header_at)[0]
        if _field(body, table, 3) is not None:
            raise GuestHostile("a compressed batch; only plain batches are read")
        length_at = _field(body, table, 0)
        return 0 if length_at is None else struct.unpack_from("<q", body, length_at)[0]
    except (struct.error, IndexError) as error:
        raise GuestHostile("a batch whose Arrow header cannot be read") from error


def _field(body: bytes | bytearray, table: int, index: int) -> int | None:
    """Where field `index` of a flatbuffer table lies; None if it is absent."""
    vtable = table - struct.unpack_from("<i", body, table)[0]
    if vtable < 0:
        raise GuestHostile("a batch whose Arrow header points outside itself")
    size = struct.unpack_from("<H", body, vtable)[0]
    slot = 4 + 2 * index
    if slot + 2 > size:
        return None
    offset = struct.unpack_from("<H", body, vtable + slot)[0]
    return table + offset if offset else None

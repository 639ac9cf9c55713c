"""Put the lineage columns on every row."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa

LINEAGE_FIELDS = (
    pa.field("_job_id", pa.int64(), nullable=False),
    pa.field("_file_version_id", pa.int64(), nullable=False),
    pa.field("_row", pa.int64(), nullable=False),
)


@lru_cache(maxsize=256)
def stamped_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a stamped table: the plugin's columns, then the three of the host."""
    return pa.schema([*schema, *LINEAGE_FIELDS])


def stamp(table: pa.Table, *, job_id: int, file_version_id: int, first_row: int) -> pa.Table:
    """Append the lineage columns; same rows, same order.

    In: any schema without the host's own names. Out: the same and `_job_id`, `_file_version_id`
    and `_row` (counting on from `first_row`), int64 not null.
    """
    count = table.num_rows
    columns = [
        pa.repeat(pa.scalar(job_id, pa.int64()), count),
        pa.repeat(pa.scalar(file_version_id, pa.int64()), count),
        pa.arange(first_row, first_row + count),
    ]
    return pa.Table.from_arrays([*table.columns, *columns], schema=stamped_schema(table.schema))

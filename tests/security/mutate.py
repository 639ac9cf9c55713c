"""Change valid Arrow messages at random, decode them as the host does; die only if it does.

Run as a program, so that a crash of the decoder is seen as the exit status of a process.
"""

from __future__ import annotations

import datetime as dt
import decimal
import random
import resource
import sys

import pyarrow as pa

from casparian_flow.errors import GuestHostile, PluginError
from engine import intake


def example() -> pa.RecordBatch:
    """A batch with every shape that the host takes."""
    return pa.RecordBatch.from_pydict(
        {
            "number": pa.array([1, None, 3], pa.int64()),
            "text": pa.array(["a", "ä" * 40, None]),
            "when": pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 3),
            "price": pa.array([decimal.Decimal("1.50"), None, None], pa.decimal128(9, 2)),
            "tags": pa.array([["x"], [], ["y", "z"]]),
            "pair": pa.array([{"a": 1, "b": "x"}, None, {"a": 2, "b": None}]),
            "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
            "fixed": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
            "flag": pa.array([True, False, None]),
            "raw": pa.array([b"\0\xff", b"", None]),
            "nothing": pa.nulls(3),
            "empty": pa.array([[None], [], [None, None]], pa.list_(pa.null())),
        }
    )


def mutated(message: bytes, rng: random.Random) -> bytes:
    """A copy with a few bytes flipped, set to extremes, cut out or repeated."""
    changed = bytearray(message)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(changed))
        match rng.randrange(6):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                width = rng.choice((2, 4, 8))
                value = rng.choice((0, 1, 1 << 15, 1 << 31, (1 << 63) - 1, (1 << 64) - 1))
                changed[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
            case 3:
                del changed[at : at + rng.randrange(1, 9)]
            case 4:
                changed[at:at] = changed[at : at + rng.randrange(1, 9)]
            case _:
                del changed[max(9, at) :]
        if not changed:
            return b""
    return bytes(changed)


def main(rounds: int) -> None:
    """Decode `rounds` changed schemas and as many changed batches; print what became of them."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    batch, rng = example(), random.Random(7)
    schema, body = batch.schema.serialize().to_pybytes(), batch.serialize().to_pybytes()
    tally = {"refused": 0, "valid": 0}
    for _ in range(rounds):
        try:
            read = intake.read_schema(mutated(schema, rng))
            pa.RecordBatch.from_pylist([], schema=read).validate(full=True)
            str(read)
            tally["valid"] += 1
        except (GuestHostile, PluginError):
            tally["refused"] += 1
        try:
            rows = intake.read_batch(mutated(body, rng), batch.schema)
            rows.validate(full=True)
            assert rows.num_rows <= intake.MAX_ROWS_PER_BATCH
            if rows.num_rows < 1000:
                rows.to_pylist()
            tally["valid"] += 1
        except (GuestHostile, PluginError):
            tally["refused"] += 1
        except (OverflowError, ValueError):
            tally["valid"] += 1  # a date that Arrow can hold and Python cannot
    sys.stdout.write(repr(tally))


if __name__ == "__main__":
    main(int(sys.argv[1]))

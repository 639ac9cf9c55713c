"""What a guest that forges its own frames can make the host believe: nothing."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from casparian_flow import link
from casparian_flow.errors import CasparianError, GuestHostile, GuestSilent, PluginError
from casparian_flow.link import Kind
from engine import intake, sandbox
from engine.events import Closed, Raised, Rows
from engine.guests import WarmParent
from tests.security.running import Outcome, run, serves_an_honest_job, start_parent

FORGER = """
import os
import stat


def channel():
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
        except OSError:
            continue


class Handler:
    def __init__(self, outlet):
        self.outlet = outlet

    def execute(self, path):
        self.outlet._writer.flush()
        forged = memoryview(open(path, "rb").read())
        while forged:
            forged = forged[os.write(channel(), forged):]
        os._exit(0)
"""
"""Writes its input to the link as it is, then ends with status 0: the job is already open."""


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Generator[WarmParent]:
    folder = tmp_path_factory.mktemp("streams")
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    for name in ("venv", "spool"):
        (folder / name).mkdir(mode=0o755)
    wall = sandbox.strongest_wall()
    with closing(start_parent(wall, folder / "venv", folder / "spool")) as one:
        yield one


def frame(kind: int, body: bytes = b"", topic: int = 0, *, version: int = 1) -> bytes:
    """One frame as the link carries it."""
    return link.HEADER.pack(version, kind, topic, len(body)) + body


def spoken(kind: Kind, fact: object) -> bytes:
    """One frame that holds JSON."""
    return frame(kind, json.dumps(fact).encode())


BATCH = pa.RecordBatch.from_pydict({"n": [1, 2, 3], "text": ["a", "b", "c"]})
SCHEMA = frame(Kind.SCHEMA, BATCH.schema.serialize().to_pybytes())
ROWS = frame(Kind.BATCH, BATCH.serialize().to_pybytes())
CLOSED = spoken(Kind.CLOSED, {"rows": {"rows": 3}, "quarantined": 0})
EMPTY = spoken(Kind.CLOSED, {"rows": {}, "quarantined": 0})
GOODBYE = frame(Kind.GOODBYE)
OPENED = spoken(Kind.OPENED, {"index": 1})


def _schema(*fields: pa.Field) -> bytes:
    return frame(Kind.SCHEMA, pa.schema(list(fields)).serialize().to_pybytes())


def _compressed(codec: str) -> bytes:
    large = pa.table({"n": [0] * 100_000, "text": ["x"] * 100_000})
    return SCHEMA + frame(
        Kind.BATCH, _messages(large, pa.ipc.IpcWriteOptions(compression=codec))[1]
    )


def _messages(table: pa.Table, options: pa.ipc.IpcWriteOptions | None = None) -> list[bytes]:
    """The messages of an Arrow stream: its schema, then dictionaries, then batches."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    stream = pa.ipc.MessageReader.open_stream(sink.getvalue())
    return [message.serialize().to_pybytes() for message in stream]


def _claiming(rows: int) -> bytes:
    """A few bytes of nulls that say they are many rows."""
    nulls = pa.RecordBatch.from_arrays([pa.nulls(77)], ["n"])
    body = nulls.serialize().to_pybytes().replace(struct.pack("<q", 77), struct.pack("<q", rows))
    return frame(Kind.SCHEMA, nulls.schema.serialize().to_pybytes()) + frame(Kind.BATCH, body)


def _nulls_in_lists(count: int) -> bytes:
    """A list of `count` nulls in a few hundred bytes."""
    offsets = pa.array([0, count], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, pa.nulls(count))
    batch = pa.RecordBatch.from_arrays([lists], ["n"])
    body = batch.serialize().to_pybytes()
    assert len(body) < 1000
    return frame(Kind.SCHEMA, batch.schema.serialize().to_pybytes()) + frame(Kind.BATCH, body)


def _dictionary_batch() -> bytes:
    table = pa.table({"n": pa.array(["a", "b"]).dictionary_encode()})
    return SCHEMA + frame(Kind.BATCH, _messages(table)[1])


def _replaced(old: bytes, new: bytes) -> bytes:
    """A batch with one text of 77 characters, whose bytes were changed afterwards."""
    body = pa.RecordBatch.from_pydict({"n": [1], "text": ["Z" * 77]}).serialize().to_pybytes()
    head, found, tail = body.rpartition(old)  # the metadata, before it, may hold the same bytes
    assert found
    return SCHEMA + frame(Kind.BATCH, head + new + tail)


def _with_text(raw: bytes) -> bytes:
    return _replaced(b"Z" * 77, raw.rjust(77, b"Z"))


def _with_offsets(*offsets: int) -> bytes:
    return _replaced(struct.pack("<ii", 0, 77), struct.pack("<ii", *offsets))


def _renamed(name: bytes) -> bytes:
    body = pa.schema([("abcd", pa.int64())]).serialize().to_pybytes()
    return frame(Kind.SCHEMA, body.replace(b"abcd", name))


HOSTILE = {
    "garbage": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": bytes(64),
    "a frame of another version": frame(Kind.GOODBYE, version=2),
    "an unknown kind": frame(99),
    "a kind that only the parent sends": spoken(Kind.EXITED, {"pid": 1, "status": 0}),
    "a kind that only the host sends": spoken(Kind.SPAWN, {}),
    "a length over the cap": link.HEADER.pack(1, Kind.BATCH, 0, 0xFFFFFFFF),
    "text over the cap": link.HEADER.pack(1, Kind.QUARANTINE, 0, (1 << 20) + 1),
    "a schema over the cap": link.HEADER.pack(1, Kind.SCHEMA, 0, 2 << 20),
    "a batch before its schema": ROWS,
    "a batch of another topic's schema": SCHEMA + frame(Kind.BATCH, ROWS[8:], topic=1),
    "a topic that was not declared": frame(Kind.SCHEMA, SCHEMA[8:], topic=2),
    "the last topic of all": frame(Kind.SCHEMA, SCHEMA[8:], topic=65_535),
    "a schema twice": SCHEMA + SCHEMA,
    "a schema that is empty": frame(Kind.SCHEMA),
    "a schema that is noise": frame(Kind.SCHEMA, b"\xff\xff\xff\xff" + bytes(200)),
    "a schema without columns": _schema(),
    "a schema with a name twice": _schema(pa.field("a", pa.int8()), pa.field("a", pa.int8())),
    "a schema with 5000 columns": _schema(*[pa.field(f"c{n}", pa.int8()) for n in range(5000)]),
    "a column without a name": _schema(pa.field("", pa.int8())),
    "a name of 600 characters": _schema(pa.field("n" * 600, pa.int8())),
    "a name that is not UTF-8": _renamed(b"\xff\xfe\xfd\xfc"),
    "a batch that is empty": SCHEMA + frame(Kind.BATCH),
    "a batch that is noise": SCHEMA + frame(Kind.BATCH, b"\xff\xff\xff\xff" + bytes(300)),
    "a schema where a batch belongs": SCHEMA + frame(Kind.BATCH, SCHEMA[8:]),
    "a batch compressed with lz4": _compressed("lz4"),
    "a batch compressed with zstd": _compressed("zstd"),
    "a batch that claims 10^9 rows": _claiming(10**9),
    "a batch that claims 2^62 rows": _claiming(2**62),
    "a batch that claims less than no rows": _claiming(-1),
    "a list that claims 10^9 nulls": _nulls_in_lists(10**9),
    "a dictionary batch": _dictionary_batch(),
    "a batch with half of its buffers": SCHEMA + frame(Kind.BATCH, ROWS[8:-40]),
    "a batch cut to its header": SCHEMA + frame(Kind.BATCH, ROWS[8:40]),
    "text that is not UTF-8": _with_text(b"\xff\xfe"),
    "text cut within a character": _with_text("ä".encode()[:1]),
    "offsets beyond the buffer": _with_offsets(0, 1 << 30),
    "offsets that go backwards": _with_offsets(3, 0),
    "offsets below zero": _with_offsets(-8, 3),
    "a trailer that counts too much": SCHEMA
    + ROWS
    + spoken(Kind.CLOSED, {"rows": {"rows": 4}, "quarantined": 0}),
    "a trailer that counts too little": SCHEMA + ROWS + EMPTY,
    "a trailer that counts another topic": SCHEMA
    + ROWS
    + spoken(Kind.CLOSED, {"rows": {"more": 3}, "quarantined": 0}),
    "a trailer that hides a record": spoken(Kind.QUARANTINE, {"raw": "x", "reason": "y"}) + EMPTY,
    "a trailer without counts": spoken(Kind.CLOSED, {}),
    "a trailer whose counts are a list": spoken(Kind.CLOSED, {"rows": [3], "quarantined": 0}),
    "a trailer whose counts are text": SCHEMA
    + ROWS
    + spoken(Kind.CLOSED, {"rows": {"rows": "3"}, "quarantined": 0}),
    "a trailer that is a list": spoken(Kind.CLOSED, []),
    "a trailer that is no JSON": frame(Kind.CLOSED, b"{"),
    "a trailer nested too deep": frame(Kind.CLOSED, b"[" * 100_000),
    "a number of a million digits": frame(Kind.CLOSED, b'{"rows": ' + b"9" * 1_000_000 + b"}"),
    "goodbye before the job is closed": GOODBYE,
    "goodbye after the first of two jobs": EMPTY + GOODBYE,
    "the next job before this one is closed": OPENED,
    "the same job again": EMPTY + spoken(Kind.OPENED, {"index": 0}),
    "a job that was not asked for": EMPTY + OPENED + EMPTY + spoken(Kind.OPENED, {"index": 2}),
    "a job whose number is text": EMPTY + spoken(Kind.OPENED, {"index": "1"}),
    "rows after the trailer": SCHEMA + ROWS + CLOSED + ROWS,
    "a second trailer": EMPTY + EMPTY,
    "a trailer after an exception": spoken(Kind.RAISED, {"kind": "X", "message": ""}) + EMPTY,
    "a record after the trailer": EMPTY + spoken(Kind.QUARANTINE, {"raw": "x", "reason": "y"}),
    "a record without text": spoken(Kind.QUARANTINE, {"reason": "y"}),
    "a record whose text is a number": spoken(Kind.QUARANTINE, {"raw": 1, "reason": "y"}),
    "a record without reason": spoken(Kind.QUARANTINE, {"raw": "x"}),
    "a record whose line is text": spoken(
        Kind.QUARANTINE, {"raw": "x", "reason": "y", "line": "1"}
    ),
    "a record whose line is below zero": spoken(
        Kind.QUARANTINE, {"raw": "x", "reason": "y", "line": -1}
    ),
    "a record whose line is beyond 64 bits": spoken(
        Kind.QUARANTINE, {"raw": "x", "reason": "y", "line": 1 << 64}
    ),
    "columns that differ in capitals alone": _schema(
        pa.field("name", pa.int64()), pa.field("NAME", pa.int64())
    ),
    "a record that is a list": spoken(Kind.QUARANTINE, ["x"]),
    "an exception that is a list": spoken(Kind.RAISED, ["x"]),
}


@pytest.mark.parametrize("forgery", HOSTILE)
def test_a_forged_stream_is_called_hostile(parent: WarmParent, forgery: str) -> None:
    outcome = Outcome()

    with pytest.raises(GuestHostile):
        run(parent, FORGER, HOSTILE[forgery], outcome=outcome, jobs=2)

    assert serves_an_honest_job(parent)


REFUSED_AS_THE_PLUGINS_FAULT = {
    "a reserved column": _schema(pa.field("_job_id", pa.int64())),
    "a reserved column in capitals": _schema(pa.field("_JOB_ID", pa.int64())),
    "the row's reserved column": _schema(pa.field("_row", pa.int64())),
    "an extension type": _schema(pa.field("u", pa.uuid())),
    "a dictionary": _schema(pa.field("d", pa.dictionary(pa.int8(), pa.string()))),
    "a dictionary in a list": _schema(
        pa.field("d", pa.list_(pa.dictionary(pa.int8(), pa.string())))
    ),
    "a union": _schema(pa.field("u", pa.sparse_union([pa.field("a", pa.int8())]))),
    "run ends": _schema(pa.field("r", pa.run_end_encoded(pa.int32(), pa.int8()))),
    "a string view": _schema(pa.field("v", pa.string_view())),
}


@pytest.mark.parametrize("forgery", REFUSED_AS_THE_PLUGINS_FAULT)
def test_a_column_that_is_not_stored_is_refused(parent: WarmParent, forgery: str) -> None:
    with pytest.raises(PluginError):
        run(parent, FORGER, REFUSED_AS_THE_PLUGINS_FAULT[forgery])

    assert serves_an_honest_job(parent)


def test_types_nested_without_end_are_refused(parent: WarmParent) -> None:
    kind = pa.int8()
    for _ in range(60):
        kind = pa.list_(kind)

    with pytest.raises((PluginError, GuestHostile)):
        run(parent, FORGER, _schema(pa.field("deep", kind)))


@pytest.mark.parametrize(
    "sent",
    [b"", SCHEMA, SCHEMA + ROWS, SCHEMA + ROWS + CLOSED, SCHEMA + ROWS[:20], SCHEMA[:3]],
    ids=["nothing", "schema", "rows", "trailer", "half a batch", "half a header"],
)
def test_a_guest_that_falls_silent_has_failed(parent: WarmParent, sent: bytes) -> None:
    outcome = Outcome()

    with pytest.raises((GuestSilent, GuestHostile)):
        run(parent, FORGER, sent, outcome=outcome)

    assert not outcome.closed or sent.endswith(CLOSED)


def test_an_honest_stream_written_by_hand_is_accepted(parent: WarmParent) -> None:
    record = spoken(Kind.QUARANTINE, {"raw": "x", "reason": "y", "line": 3, "cut": True})
    trailer = spoken(Kind.CLOSED, {"rows": {"rows": 3}, "quarantined": 1})

    outcome = run(parent, FORGER, SCHEMA + ROWS + record + trailer + GOODBYE)

    assert outcome.table().to_pylist() == BATCH.to_pylist()
    assert outcome.closed == [Closed({"rows": 3}, 1)]


def test_half_surrogates_reach_the_host_as_text_that_can_be_stored(parent: WarmParent) -> None:
    half = b'{"raw": "a\\ud800", "reason": "\\udfff", "line": null}'
    raised = b'{"kind": "\\ud800", "message": "\\ud800", "hint": "\\ud800"}'

    outcome = run(
        parent, FORGER, frame(Kind.QUARANTINE, half) + frame(Kind.RAISED, raised) + GOODBYE
    )

    (record,), (error,) = outcome.set_aside, outcome.raised
    texts = [record.raw, record.reason, error.error.message, error.error.hint]
    assert [text.encode() for text in texts]
    assert record.raw == "a\\ud800"


def test_a_forged_exception_cannot_pose_as_another_kind_of_error(parent: WarmParent) -> None:
    for kind in ("SignatureMismatch", "PluginError", "SinkError", "KeyboardInterrupt"):
        raised = spoken(Kind.RAISED, {"kind": kind, "message": "m" * 9000, "frames": [1]})

        outcome = run(parent, FORGER, raised + GOODBYE)

        error = outcome.raised[0].error
        assert type(error) is PluginError
        assert len(error.message) < 4200


@pytest.mark.parametrize(
    "frames", [None, 7, "x", [], [[]], [{}], [{"file": [1], "line": {}}], [{"line": 10**400}]]
)
def test_a_forged_traceback_is_shown_as_text_or_not_at_all(
    parent: WarmParent, frames: object
) -> None:
    raised = spoken(Kind.RAISED, {"kind": 5, "message": None, "hint": 3, "frames": frames})

    outcome = run(parent, FORGER, raised + GOODBYE)

    assert isinstance(outcome.raised[0], Raised)


def test_a_thousand_tiny_batches_of_nulls_end_at_the_row_limit(parent: WarmParent) -> None:
    nulls = pa.RecordBatch.from_arrays([pa.nulls(1 << 20)], ["n"])
    forged = frame(Kind.SCHEMA, nulls.schema.serialize().to_pybytes())
    forged += frame(Kind.BATCH, nulls.serialize().to_pybytes()) * 1000
    outcome = Outcome()

    with pytest.raises(PluginError, match="more than 5000000 rows from one file"):
        run(parent, FORGER, forged, outcome=outcome, max_rows=5_000_000)

    rows = [event.batch.num_rows for event in outcome.events if isinstance(event, Rows)]
    assert sum(rows) <= 5_000_000


_HEAD = """
import os, sys, threading


class Handler:
    def __init__(self, outlet):
        self.outlet = outlet

    def execute(self, path):
"""


@pytest.mark.parametrize("count", [300_000, 10_000_000])
def test_a_log_of_any_length_neither_blocks_nor_grows(parent: WarmParent, count: int) -> None:
    source = _HEAD + (
        f"        sys.stderr.write('first' + 'x' * {count} + 'last')\n"
        "        self.outlet.quarantine('done', 'done', None)"
    )

    outcome = run(parent, source)

    said = outcome.log.text()
    assert len(outcome.closed) == 1
    assert said.startswith("first")
    assert said.endswith("last")
    assert len(said) < 140_000
    assert "bytes left out" in said


def test_log_and_rows_at_once_do_not_wait_for_each_other(parent: WarmParent) -> None:
    source = _HEAD + (
        "        noise = threading.Thread(target=lambda:"
        " [sys.stderr.write('n' * 50_000) for _ in range(100)])\n"
        "        noise.start()\n"
        "        for n in range(200): self.outlet.quarantine('x' * 60_000, 'large', n)\n"
        "        noise.join()"
    )

    outcome = run(parent, source)

    assert [one.line for one in outcome.set_aside] == list(range(200))


def test_a_log_that_is_not_text_can_be_read(parent: WarmParent) -> None:
    outcome = run(parent, _HEAD + "        os.write(2, bytes(range(256)))")

    assert "\\xff" in outcome.log.text()


def test_what_a_guest_says_last_is_kept_when_it_dies(parent: WarmParent) -> None:
    outcome = Outcome()

    with pytest.raises(CasparianError):
        run(parent, _HEAD + "        os.write(2, b'last words')\n        os._exit(3)",
            outcome=outcome)  # fmt: skip

    assert outcome.log.text() == "last words"


def test_decoding_changed_bytes_never_crashes() -> None:
    """In a process of its own: a crash of the decoder would be that process's exit status."""
    script = Path(__file__).with_name("mutate.py")
    root = Path(intake.__file__).parents[1]

    done = subprocess.run(
        [sys.executable, str(script), "500"],
        cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "'refused'" in done.stdout

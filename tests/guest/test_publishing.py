"""What plugins publish, through a real guest, as the host receives it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from casparian_flow.errors import GuestKilled, PluginError
from engine import publisher, sandbox, snapshot
from engine.bridge import Input, run_batch
from engine.events import Closed, Opened, Rows
from engine.guests import GuestSettings, WarmParent
from tests.conftest import Environment, built
from tests.security.running import Outcome, order_for, run, serves_an_honest_job, start_parent

HEAD = """
import pandas as pd
import pyarrow as pa
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*", topics=["rows", "more"])


class Handler(BasePlugin):
    def execute(self, path):
"""


def plugin(body: str) -> str:
    """A plugin whose `execute` is `body`."""
    return HEAD + "".join(f"        {line}\n" for line in body.strip("\n").splitlines())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guest")
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    (folder / "spool").mkdir(mode=0o755)
    return folder


@pytest.fixture(scope="module")
def parent(place: Path, pandas_environment: Environment) -> Generator[WarmParent]:
    settings = GuestSettings(memory_bytes=4 << 30, scratch_bytes=64 << 20)
    one = start_parent(
        sandbox.strongest_wall(), pandas_environment.venv, place / "spool",
        preload=("pandas", "pyarrow"), settings=settings,
    )  # fmt: skip
    with closing(one):
        yield one


def failure(outcome: Outcome) -> PluginError:
    """The one error of a batch of one."""
    (raised,) = outcome.raised
    assert isinstance(raised.error, PluginError)
    assert outcome.closed == []
    return raised.error


EQUAL = {
    "a pandas frame": "pd.DataFrame({'n': [1, 2], 'text': ['a', 'b']})",
    "a frame with an index": "pd.DataFrame({'n': [1, 2], 'text': ['a', 'b']}, index=[7, 9])",
    "an arrow table": "pa.table({'n': [1, 2], 'text': ['a', 'b']})",
    "a record batch": "pa.record_batch({'n': [1, 2], 'text': ['a', 'b']})",
    "a reader": "pa.table({'n': [1, 2], 'text': ['a', 'b']}).to_reader()",
    "a reader of small batches": "pa.table({'n': [1, 2], 'text': ['a', 'b']}).to_reader(1)",
    "a table of chunks": "pa.concat_tables([pa.table({'n': [n], 'text': [t]})"
    " for n, t in ((1, 'a'), (2, 'b'))])",
    "a list of dicts": "[{'n': 1, 'text': 'a'}, {'n': 2, 'text': 'b'}]",
    "a tuple of dicts": "({'n': 1, 'text': 'a'}, {'n': 2, 'text': 'b'})",
    "a generator of dicts": "({'n': n, 'text': t} for n, t in ((1, 'a'), (2, 'b')))",
    "an iterator": "iter([{'n': 1, 'text': 'a'}, {'n': 2, 'text': 'b'}])",
    "anything with an arrow stream": "type('Stream', (), {'__arrow_c_stream__': lambda self,"
    " requested_schema=None: pa.table({'n': [1, 2], 'text': ['a', 'b']})"
    ".__arrow_c_stream__(requested_schema)})()",
    "anything with an arrow array": "type('Array', (), {'__arrow_c_array__': lambda self,"
    " requested_schema=None: pa.record_batch({'n': [1, 2], 'text': ['a', 'b']})"
    ".__arrow_c_array__(requested_schema)})()",
    "categories": "pd.DataFrame({'n': [1, 2], 'text': pd.Categorical(['a', 'b'])})",
    "a dictionary column": "pa.table({'n': [1, 2], 'text': pa.array(['a', 'b'])"
    ".dictionary_encode()})",
    "large text": "pa.table({'n': [1, 2], 'text': pa.array(['a', 'b'], pa.large_string())})",
    "text views": "pa.table({'n': [1, 2], 'text': pa.array(['a', 'b'], pa.string_view())})",
    "run ends": "pa.table({'n': pa.RunEndEncodedArray.from_arrays([1, 2], [1, 2]),"
    " 'text': ['a', 'b']})",
    "python strings of pandas": "pd.DataFrame({'n': [1, 2],"
    " 'text': pd.array(['a', 'b'], dtype='string')})",
}


@pytest.mark.parametrize("data", EQUAL)
def test_rows_arrive_the_same_whatever_held_them(parent: WarmParent, data: str) -> None:
    outcome = run(parent, plugin(f"self.publish('rows', {EQUAL[data]})"))

    assert outcome.table().to_pylist() == [{"n": 1, "text": "a"}, {"n": 2, "text": "b"}]
    assert outcome.table().schema.types == [pa.int64(), pa.string()]
    assert outcome.closed == [Closed({"rows": 2}, 0)]


def test_types_survive_the_way_to_the_host(parent: WarmParent) -> None:
    body = """
import datetime, decimal
self.publish("rows", [{
    "whole": 1, "real": 1.5, "yes": True, "text": "ä", "raw": b"\\x00\\xff", "none": None,
    "day": datetime.date(2026, 1, 2), "when": datetime.datetime(2026, 1, 2, 3, 4, 5),
    "price": decimal.Decimal("1.50"), "many": [1, 2], "pair": {"a": 1}, "nothing": [],
}])
"""
    (row,) = run(parent, plugin(body)).table().to_pylist()

    assert (row["whole"], row["real"], row["yes"], row["text"]) == (1, 1.5, True, "ä")
    assert (row["raw"], row["none"], row["many"], row["pair"]) == (
        b"\0\xff",
        None,
        [1, 2],
        {"a": 1},
    )
    assert str(row["day"]) == "2026-01-02"
    assert str(row["when"]) == "2026-01-02 03:04:05"
    assert str(row["price"]) == "1.50"
    assert row["nothing"] == []


NESTED = {
    "pa.large_list(pa.large_string())": (["a"], pa.list_(pa.string())),
    "pa.large_list(pa.string_view())": (["a"], pa.list_(pa.string())),
    "pa.list_view(pa.string())": (["a"], pa.list_(pa.string())),
    "pa.struct({'x': pa.dictionary(pa.int32(), pa.string())})": (
        {"x": "a"}, pa.struct({"x": pa.string()}),
    ),
    "pa.struct({'x': pa.large_list(pa.large_binary())})": (
        {"x": [b"a"]}, pa.struct({"x": pa.list_(pa.binary())}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NESTED)
def test_what_is_nested_is_of_types_that_are_stored(parent: WarmParent, kind: str) -> None:
    value, stored = NESTED[kind]
    values = [value, None, value]
    body = f"self.publish('rows', pa.table({{'v': pa.array({values!r}, {kind})}}))"

    table = run(parent, plugin(body)).table()

    assert table.schema.field("v").type.equals(stored)
    assert table.column("v").to_pylist() == values


def test_each_topic_keeps_its_own_rows(parent: WarmParent) -> None:
    body = """
self.publish("more", [{"a": "x"}])
self.publish("rows", [{"n": 1}])
self.publish("more", [{"a": "y"}])
"""
    outcome = run(parent, plugin(body))

    assert outcome.table("more").to_pylist() == [{"a": "x"}, {"a": "y"}]
    assert outcome.table("rows").to_pylist() == [{"n": 1}]
    assert outcome.closed == [Closed({"rows": 1, "more": 2}, 0)]


def test_large_frames_come_in_small_batches_in_order(parent: WarmParent) -> None:
    body = "self.publish('rows', pd.DataFrame({'n': range(400_000), 'text': 'x' * 20}))"

    outcome = run(parent, plugin(body))

    sizes = [event.batch.nbytes for event in outcome.events if isinstance(event, Rows)]
    assert outcome.table().column("n").to_pylist() == list(range(400_000))
    assert max(sizes) <= 2 << 20


REFUSED = {
    "self.publish('other', [{'n': 1}])": "topic 'other'",
    "self.publish('', [{'n': 1}])": "topic ''",
    "self.publish('rows', [{'_row': 1}])": "column _row is stamped by the host",
    "self.publish('rows', pd.DataFrame({'_job_id': [1]}))": "column _job_id is stamped",
    "self.publish('rows', pa.table({'_file_version_id': [1]}))": "column _file_version_id",
    "self.publish('rows', [{}])": "without columns",
    "self.publish('rows', pa.table({'a': [1]}).select([]))": "without columns",
    "self.publish('rows', [{1: 2}])": "column name 1 is not",
    "self.publish('rows', [{'': 2}])": "column name '' is not",
    "self.publish('rows', pa.Table.from_arrays([pa.array([1])] * 2, ['a', 'a']))": "more than once",
    "self.publish('rows', [{'name': 1, 'NAME': 2}])": "more than once",
    "self.publish('rows', [{'_Row': 1}])": "stamped by the host",
    "self.publish('rows', pd.DataFrame([[1, 2]], columns=['a', 'a']))": "a",
    "self.publish('rows', [1, 2])": "one item is a int",
    "self.publish('rows', [{'n': 1}, None])": "one item is a NoneType",
    "self.publish('rows', 'text')": "cannot publish a str",
    "self.publish('rows', b'bytes')": "cannot publish a bytes",
    "self.publish('rows', {'n': [1]})": "cannot publish a dict",
    "self.publish('rows', None)": "cannot publish a NoneType",
    "self.publish('rows', 7)": "cannot publish a int",
    "self.publish('rows', [{'n': 1}, {'n': 'x'}])": "a column mixes types",
    "self.publish('rows', [{'n': 1 << 70}])": "a column mixes types",
    "self.publish('rows', pd.DataFrame({'n': [1, 'x']}))": "a column mixes types",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_cannot_be_stored_is_refused_in_words(parent: WarmParent, body: str) -> None:
    error = failure(run(parent, plugin(body)))

    assert REFUSED[body] in error.message
    assert error.hint


@pytest.mark.parametrize("later", ["'007'", "0.5", "True", "2**53 + 1.5"])
def test_a_later_batch_is_not_bent_to_the_first(parent: WarmParent, later: str) -> None:
    body = f"""
self.publish("rows", [{{"n": 1}}])
self.publish("rows", [{{"n": {later}}}])
"""
    error = failure(run(parent, plugin(body)))

    assert "the schema changed midway: column n was int64" in error.message


def test_text_where_numbers_were_names_the_column(parent: WarmParent) -> None:
    body = """
self.publish("rows", [{"id": 1, "n": 1}])
self.publish("rows", [{"id": 2, "n": "many"}])
"""
    error = failure(run(parent, plugin(body)))

    assert "topic rows: the schema changed midway: column n was int64 and became string" in (
        error.message
    )


def test_a_new_column_midway_is_named(parent: WarmParent) -> None:
    body = "for row in ({'a': 1}, {'a': 2, 'b': 3}): self.publish('rows', [row])"

    assert "column b came up later" in failure(run(parent, plugin(body))).message


def test_fractions_where_whole_numbers_were_are_refused_not_cut(parent: WarmParent) -> None:
    body = "for n in ([1], [1.5]): self.publish('rows', pd.DataFrame({'n': n}))"

    assert "column n was int64 and became double" in failure(run(parent, plugin(body))).message


def test_a_later_chunk_whose_gaps_made_it_floats_still_fits(parent: WarmParent) -> None:
    body = "for n in ([1, 2], [3, None]): self.publish('rows', pd.DataFrame({'n': n}))"

    table = run(parent, plugin(body)).table()

    assert table.column("n").to_pylist() == [1, 2, 3, None]
    assert table.schema.field("n").type == pa.int64()


def test_a_column_missing_later_becomes_nulls_and_order_does_not_matter(
    parent: WarmParent,
) -> None:
    body = "for row in ({'a': 1, 'b': 2}, {'b': 4, 'a': 3}, {'b': 5}): self.publish('rows', [row])"

    rows = run(parent, plugin(body)).table().to_pylist()

    assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": None, "b": 5}]


def test_publishing_nothing_is_a_success_without_rows(parent: WarmParent) -> None:
    outcome = run(parent, plugin("pass"))

    assert outcome.events == [Opened(0), Closed({}, 0)]


@pytest.mark.parametrize(
    "data",
    [
        "[]",
        "iter(())",
        "(row for row in [])",
        "pd.DataFrame()",
        "pd.DataFrame({'n': []})",
        "pa.table({'n': pa.array([], pa.int32())})",
    ],
)
def test_an_empty_table_or_iterable_is_a_success_without_rows(
    parent: WarmParent, data: str
) -> None:
    outcome = run(parent, plugin(f"self.publish('rows', {data})"))

    assert outcome.closed == [Closed({}, 0)]


def test_printing_goes_to_the_log_and_not_onto_the_wire(parent: WarmParent) -> None:
    body = """
import os, sys
print("to stdout")
print("to stderr", file=sys.stderr)
os.write(1, b"straight to descriptor 1")
self.publish("rows", [{"n": 1}])
"""
    outcome = run(parent, plugin(body))

    assert outcome.closed == [Closed({"rows": 1}, 0)]
    for said in ("to stdout", "to stderr", "straight to descriptor 1"):
        assert said in outcome.log.text()


def test_standard_input_is_empty(parent: WarmParent) -> None:
    body = "import sys\nself.quarantine(repr(sys.stdin.read()), 'read')"

    assert run(parent, plugin(body)).set_aside[0].raw == "''"


FAILING = {
    "raise ValueError('no good')": "ValueError at plugin.py line 11: no good",
    "{}['x']": "KeyError at plugin.py line 11: 'x'",
    "raise SystemExit(0)": "SystemExit at plugin.py line 11: 0",
    "raise KeyboardInterrupt": "KeyboardInterrupt at plugin.py line 11",
    "import nowhere": "ModuleNotFoundError at plugin.py line 11: No module named 'nowhere'",
    "import engine": "ModuleNotFoundError at plugin.py line 11: No module named 'engine'",
    "import sys; sys.exit('gone')": "SystemExit at plugin.py line 11: gone",
    "self.execute(path)": "RecursionError at plugin.py line 11",
    "pd.read_csv(path + 'x')": "FileNotFoundError at plugin.py line 11",
    "pd.read_csv('/etc/passwd')": "PermissionError at plugin.py line 11"
    if sandbox.strongest_wall().bwrap is None
    else "FileNotFoundError at plugin.py line 11",
}


@pytest.mark.parametrize("body", FAILING)
def test_a_failing_plugin_says_where(parent: WarmParent, body: str) -> None:
    source = plugin(body)
    assert source.splitlines()[10] == "        " + body
    outcome = run(parent, source)

    assert failure(outcome).message.startswith(FAILING[body])
    assert "Traceback" in outcome.log.text()
    assert serves_an_honest_job(parent)


def test_what_was_published_before_a_failure_is_no_success(parent: WarmParent) -> None:
    body = "self.publish('rows', [{'n': 1}])\nraise ValueError('late')"

    outcome = run(parent, plugin(body))

    assert failure(outcome).message.endswith("late")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def broken(:\n    pass\n", "SyntaxError"),
        ("import nowhere\n", "ModuleNotFoundError at plugin.py line 1"),
        ("x = 1\n", "has no attribute 'Handler'"),
        ("raise RuntimeError('at import')\n", "RuntimeError at plugin.py line 1: at import"),
        ("Handler = None\n", "TypeError"),
        ("raise SystemExit\n", "SystemExit at plugin.py line 1"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_fails_as_a_plugin(
    parent: WarmParent, source: str, said: str
) -> None:
    assert said in failure(run(parent, source)).message
    assert serves_an_honest_job(parent)


def test_an_exception_of_any_length_is_cut_and_told(parent: WarmParent) -> None:
    error = failure(run(parent, plugin("raise ValueError('x' * 10_000_000)")))

    assert 1000 < len(error.message) < 5000


def test_a_plugin_of_several_modules_imports_its_own(parent: WarmParent) -> None:
    files = {
        "plugin.py": "import parsing\nfrom shapes import Shape\n"
        + plugin("self.publish('rows', [parsing.row(Shape(2, 3))])"),
        "parsing.py": "import shapes\n\n\ndef row(shape: shapes.Shape):\n"
        "    return {'area': shape.wide * shape.high, 'file': __name__}\n",
        "shapes.py": "from dataclasses import dataclass\n\n\n@dataclass\nclass Shape:\n"
        "    wide: int\n    high: int\n",
    }
    outcome = run(parent, files)

    assert outcome.table().to_pylist() == [{"area": 6, "file": "parsing"}]


def test_an_error_in_a_sibling_names_the_sibling(parent: WarmParent) -> None:
    files = {"plugin.py": "import other\n" + plugin("other.go()"),
             "other.py": "\n\ndef go():\n    raise ValueError('deep')\n"}  # fmt: skip

    assert failure(run(parent, files)).message == "ValueError at other.py line 4: deep"


def test_dataclasses_with_postponed_annotations_work(parent: WarmParent) -> None:
    source = (
        "from __future__ import annotations\n"
        "import dataclasses\nfrom typing import ClassVar, NamedTuple\n\n\n"
        "@dataclasses.dataclass(frozen=True, slots=True)\nclass Row:\n"
        "    n: int\n    kind: ClassVar[str] = 'x'\n    rest: dataclasses.KW_ONLY = None\n\n\n"
        "class Pair(NamedTuple):\n    a: int\n    b: str\n\n"
    ) + plugin("self.publish('rows', [dataclasses.asdict(Row(1)) | Pair(2, 'y')._asdict()])")

    (row,) = run(parent, source).table().to_pylist()

    assert (row["n"], row["a"], row["b"]) == (1, 2, "y")


def test_every_file_gets_a_handler_of_its_own(parent: WarmParent) -> None:
    source = HEAD.replace("    def execute", "    seen = 0\n\n    def execute") + (
        "        self.seen += 1\n        self.publish('rows', [{'seen': self.seen}])\n"
    )
    outcome = run(parent, source, jobs=5)

    assert outcome.table().column("seen").to_pylist() == [1] * 5
    assert [event.index for event in outcome.events if isinstance(event, Opened)] == list(range(5))


def test_one_failing_file_of_a_batch_does_not_stop_the_others(parent: WarmParent) -> None:
    body = """
Handler.count = getattr(Handler, "count", 0) + 1
if Handler.count == 2:
    raise ValueError("the second")
self.publish("rows", [{"n": Handler.count}])
"""
    outcome = run(parent, plugin(body), jobs=3)

    assert (len(outcome.closed), len(outcome.raised)) == (2, 1)
    assert outcome.table().column("n").to_pylist() == [1, 3]


def test_the_plugin_sees_the_real_name_and_the_content(parent: WarmParent) -> None:
    body = "self.publish('rows', [{'name': os.path.basename(path), 'text': open(path).read()}])"
    outcome = Outcome()
    fd = os.memfd_create("x", os.MFD_CLOEXEC)
    os.write(fd, b"hello")
    name = "Übung (1) 'x'.csv".encode()
    order = order_for({"plugin.py": "import os\n" + plugin(body)}, Input(name, fd, None))
    with closing(run_batch(parent, order, outcome.log)) as events:
        outcome.events += list(events)
    os.close(fd)

    assert outcome.table().to_pylist() == [{"name": name.decode(), "text": "hello"}]


def test_quarantined_records_keep_reason_line_and_text(parent: WarmParent) -> None:
    body = """
self.quarantine({"a": 1}, "no id", line=7)
self.quarantine(b"\\xff\\x00raw", "not text")
self.quarantine("x" * 100_000, "long", line=0)
self.quarantine("half \\ud800", "odd")
self.quarantine(object, "y" * 5000, line=None)
"""
    first, second, third, fourth, fifth = run(parent, plugin(body)).set_aside

    assert (first.raw, first.reason, first.line, first.cut) == ('{"a": 1}', "no id", 7, False)
    assert (second.raw, second.line) == ("\\xff\x00raw", None)
    assert (len(third.raw), third.cut, third.line) == (65_536, True, 0)
    assert fourth.raw.encode()
    assert len(fifth.reason) == 1000


def test_pandas_reads_the_file_it_is_given(parent: WarmParent) -> None:
    outcome = run(parent, plugin("self.publish('rows', pd.read_csv(path))"), b"a,b\n1,x\n2,y\n")

    assert outcome.table().to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


_GENERATOR = """
import resource

def rows():
    text = "x" * 1000
    for n in range(600):
        for m in range(1000):
            yield {"n": n * 1000 + m, "text": text}

self.publish("rows", rows())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
self.publish("more", [{"peak_mib": peak >> 10}])
"""


@pytest.mark.slow
def test_a_generator_of_600_mb_keeps_the_guest_small_while_the_host_is_slow(
    parent: WarmParent,
) -> None:
    from tests.security.running import sealed

    outcome, count = Outcome(), 0
    with sealed() as one:
        order = order_for({"plugin.py": plugin(_GENERATOR)}, one, timeout_s=50)
        with closing(run_batch(parent, order, outcome.log)) as events:
            for event in events:
                if isinstance(event, Rows) and event.topic == "rows":
                    event.batch.column("text").to_pylist()  # slower than the guest
                    count += event.batch.num_rows
                else:
                    outcome.events.append(event)

    assert count == 600_000
    assert outcome.table("more").column("peak_mib").to_pylist()[0] < 400


def test_a_file_over_the_memory_limit_comes_from_the_spool(
    parent: WarmParent, tmp_path: Path
) -> None:
    source = tmp_path / "large.csv"
    source.write_text("n\n" + "\n".join(map(str, range(200_000))) + "\n")
    path = os.fsencode(source)
    taken = snapshot.take(
        path, snapshot.digest(path).sha256,
        memory_limit=1000, size_limit=1 << 30, folder=parent.inputs,
    )  # fmt: skip
    outcome = Outcome()
    body = "self.publish('rows', pd.read_csv(path))"
    order = order_for({"plugin.py": plugin(body)}, Input(b"large.csv", None, str(taken.path)))

    with closing(run_batch(parent, order, outcome.log)) as events:
        outcome.events += list(events)

    assert taken.path is not None
    assert taken.fd is None
    assert outcome.table().column("n").to_pylist() == list(range(200_000))
    taken.path.unlink()


def test_memory_and_spool_inputs_go_in_one_batch_in_order(
    parent: WarmParent, tmp_path: Path
) -> None:
    inputs: list[Input] = []
    for number, size in enumerate((10, 5000, 20, 6000)):
        source = tmp_path / f"{number}.txt"
        source.write_text(str(number) * size)
        path = os.fsencode(source)
        taken = snapshot.take(
            path, snapshot.digest(path).sha256,
            memory_limit=1000, size_limit=1 << 30, folder=parent.inputs,
        )  # fmt: skip
        spooled = None if taken.path is None else str(taken.path)
        inputs.append(Input(source.name.encode(), taken.fd, spooled))
    outcome = Outcome()
    body = "text = open(path).read()\nself.publish('rows', [{'first': text[0], 'size': len(text)}])"

    with closing(
        run_batch(parent, order_for({"plugin.py": plugin(body)}, *inputs), outcome.log)
    ) as e:
        outcome.events += list(e)

    for one in inputs:
        if one.fd is not None:
            os.close(one.fd)
    sizes = [(row["first"], row["size"]) for row in outcome.table().to_pylist()]
    assert sizes == [("0", 10), ("1", 5000), ("2", 20), ("3", 6000)]
    assert [one.fd is None for one in inputs] == [False, True, False, True]


def test_a_batch_of_two_hundred_files_runs_in_one_child(parent: WarmParent) -> None:
    outcome = run(parent, plugin("self.publish('rows', [{'n': 1}])"), jobs=200)

    assert len(outcome.closed) == 200


def test_a_plugin_that_crashes_in_native_code_is_killed_not_raised(parent: WarmParent) -> None:
    with pytest.raises(GuestKilled):
        run(parent, plugin("import ctypes\nctypes.string_at(0)"))

    assert serves_an_honest_job(parent)


POLARS = {
    "a frame": "pl.DataFrame({'n': [1, 2], 'text': ['a', 'b']})",
    "categories": "pl.DataFrame({'n': [1, 2], 'text': ['a', 'b']}).cast({'text': pl.Categorical})",
    "a lazy frame, collected": "pl.scan_csv(path).collect()",
    "batches of it": "pl.DataFrame({'n': [1, 2], 'text': ['a', 'b']}).rechunk()",
}


@pytest.fixture(scope="module")
def polars_parent(place: Path, shared_venvs: Path) -> Generator[WarmParent]:
    environment = built(shared_venvs, publisher.lock(["polars"]))
    one = start_parent(
        sandbox.strongest_wall(), environment.venv, place / "spool", preload=("polars", "pyarrow"),
        settings=GuestSettings(memory_bytes=4 << 30, scratch_bytes=64 << 20),
    )  # fmt: skip
    with closing(one):
        yield one


@pytest.mark.parametrize("data", POLARS)
def test_polars_publishes_and_computes_in_every_child(polars_parent: WarmParent, data: str) -> None:
    body = plugin(f"self.publish('rows', {POLARS[data]})").replace("pandas as pd", "polars as pl")

    for _ in range(2):  # a pool that ran before the fork would hang the second child
        outcome = run(polars_parent, body, b"n,text\n1,a\n2,b\n")

        assert outcome.raised == []
        assert outcome.table("rows").to_pydict() == {"n": [1, 2], "text": ["a", "b"]}

"""Files of several GB: time to profile one, and time and peak memory to read it whole.

Makes a delimited, a JSON-lines and a log file (5 GB each, or as many MiB as asked for), profiles
each in this process, then runs the drafted plugin over it in a child, publishing to an outlet that
drops the rows: what the readers need, without sink or wall. Peak memory is the child's own, as the
kernel counts it. Against DuckDB counting the same delimited file.

Usage: huge_files.py [MIB [csv|jsonl|log]]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from bench.common import timed
from engine.drafting import draft_source
from engine.profile import profile_file

_RUN = """
import json, resource, sys, time
namespace = {}
exec(compile(open(sys.argv[1]).read(), "plugin.py", "exec"), namespace)
class Outlet:
    rows = aside = read = 0
    def publish(self, topic, batch): Outlet.rows += batch.num_rows
    def quarantine(self, *_): Outlet.aside += 1
    def account(self, read, skipped): Outlet.read += read
started = time.perf_counter()
namespace["Handler"](Outlet()).execute(sys.argv[2])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"s": time.perf_counter() - started, "peak_mib": peak, "rows": Outlet.rows,
                  "aside": Outlet.aside, "read": Outlet.read}))
"""


def lines(form: str, start: int, count: int) -> bytes:
    """Records of a format, numbered."""
    numbers = range(start, start + count)
    if form == "csv":
        text = "".join(
            f"{n},2026-01-{n % 28 + 1:02d},name {n % 977},{n * 0.25:.2f},EUR\n" for n in numbers
        )
    elif form == "jsonl":
        text = "".join(f'{{"id":{n},"at":"2026-01-02T03:04:05Z","name":"n{n % 977}","v":{n * 0.5}}}\n' for n in numbers)  # fmt: skip  # noqa: E501
    else:
        text = "".join(f"2026-01-02 03:04:{n % 60:02d},{n % 1000:03d} INFO request {n} took {n % 300} ms\n" for n in numbers)  # fmt: skip  # noqa: E501
    return text.encode()


def make(path: Path, form: str, mib: int) -> None:
    """A file of about this size; its blocks differ only in their numbers."""
    with path.open("wb") as file:
        if form == "csv":
            file.write(b"id,day,name,amount,currency\n")
        start = 0
        while file.tell() < mib << 20:
            block = lines(form, start, 200_000)
            start += 200_000
            file.write(block)


def measure(folder: Path, form: str, mib: int) -> None:
    """Print one line."""
    path = folder / f"big.{form}"
    make(path, form, mib)
    size = path.stat().st_size
    profile = profile_file(os.fsencode(path))
    profiled = min(timed(lambda: profile_file(os.fsencode(path))) for _ in range(3))
    plugin = folder / f"{form}.py"
    plugin.write_text(draft_source(profile, topic="big", pattern="*").source)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(plugin), str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["read"] == told["rows"] + told["aside"]
    rate = size / told["s"] / 1e6
    against = ""
    if form == "csv":
        started = time.perf_counter()
        duckdb.execute(
            f"SELECT count(amount), sum(length(name)) FROM read_csv('{path}')"
        ).fetchall()
        seconds = time.perf_counter() - started
        against = f"  {told['s'] / seconds:.1f} x DuckDB on two threads ({seconds:.1f} s)"
    print(
        f"{form:6} {size / 1e9:5.2f} GB  profile {profiled:5.2f} s  read {told['s']:6.1f} s"
        f" ({rate:.0f} MB/s)  {told['rows']:,} rows  peak {told['peak_mib']:.0f} MiB{against}"
    )
    path.unlink()


if __name__ == "__main__":
    size_mib = int(sys.argv[1]) if len(sys.argv) > 1 else 5 * 1024
    with tempfile.TemporaryDirectory() as name:
        for kind in sys.argv[2:] or ("csv", "jsonl", "log"):
            measure(Path(name), kind, size_mib)
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most")

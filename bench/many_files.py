"""2,000 CSV files of 100 rows to Parquet: a published, confined pandas plugin against dlt.

Usage: python bench/many_files.py [RUNS]. Both sides start from files on disk and end with Parquet
on disk; the engine and its environment are up (a long-lived service), dlt runs in one process whose
imports are not counted. dlt reads with pandas, as the plugin does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import Bench, interleaved, machine, remove, scratch, timed, tool_environment

FILES, ROWS = 2000, 100
PLUGIN = """
import pandas as pd

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="part-*.csv", topic="parts")


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("parts", pd.read_csv(path))
"""
DLT = """
import sys, time, shutil, tempfile
import dlt
from dlt.sources.filesystem import filesystem, read_csv, read_csv_duckdb
folder, out, reader = sys.argv[1:4]
read = read_csv_duckdb(use_pyarrow=True) if reader == "duckdb" else read_csv()
started = time.perf_counter()
pipeline = dlt.pipeline(
    "parts", destination=dlt.destinations.filesystem(out), dataset_name="parts",
    pipelines_dir=out + "-state",
)
source = filesystem(bucket_url=folder, file_glob="part-*.csv") | read
pipeline.run(source.with_name("parts"), loader_file_format="parquet", write_disposition="replace")
print(time.perf_counter() - started)
"""


def main(runs: int) -> None:
    folder = scratch()
    data = folder / "data"
    data.mkdir()
    for number in range(FILES):
        body = "".join(f"{number * ROWS + i},{number},value {i}\n" for i in range(ROWS))
        (data / f"part-{number:04d}.csv").write_text("id,part,text\n" + body)
    python = tool_environment(["dlt[filesystem,parquet]", "pandas", "duckdb"])
    script = folder / "with_dlt.py"
    script.write_text(DLT)

    def with_dlt() -> float:
        out = folder / "dlt"
        done = subprocess.run(
            [python, script, str(data), str(out), "pandas"],
            capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin",
            "RUNTIME__DLTHUB_TELEMETRY": "false", "HOME": str(folder)},
        )  # fmt: skip
        remove(out)
        remove(Path(f"{out}-state"))
        return float(done.stdout.strip().splitlines()[-1])

    with Bench(folder / "home") as bench:
        bench.call("scan", path=str(data), wait_s=600)
        plugin = bench.publish(str(data / "part-0000.csv"), PLUGIN, ["pandas"])
        print(machine(), f"{FILES} files of {ROWS} rows")
        interleaved(
            {"casparian": lambda: bench.process(plugin), "dlt": with_dlt}, runs=runs, against="dlt"
        )
        print(
            "whole", f"{timed(lambda: bench.call('get_overview')):.3f} s for an overview after it"
        )
    remove(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

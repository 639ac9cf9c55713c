"""20 CSV files of 500,000 rows to Parquet: a published, confined Arrow plugin, DuckDB COPY, dlt.

Usage: python bench/large_files.py [RUNS]. DuckDB copies file by file in one process whose import
is not counted; dlt reads with its fastest reader (DuckDB, as
Arrow). Also prints the peak memory of engine and worker.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import Bench, interleaved, machine, remove, scratch, timed, tool_environment
from many_files import DLT

FILES, ROWS = 20, 500_000
PLUGIN = """
import pyarrow.csv as pv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="part-*.csv", topic="parts")


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("parts", pv.open_csv(path, read_options=pv.ReadOptions(block_size=4 << 20)))
"""


def main(runs: int) -> None:
    folder = scratch()
    data = folder / "data"
    data.mkdir()
    for number in range(FILES):
        with (data / f"part-{number:04d}.csv").open("w") as file:
            file.write("id,part,text,amount\n")
            file.writelines(
                f"{number * ROWS + i},{number},value {i % 1000},{i / 7:.3f}\n" for i in range(ROWS)
            )
    python = tool_environment(["dlt[filesystem,parquet]", "pandas", "duckdb"])
    script = folder / "with_dlt.py"
    script.write_text(DLT)

    def with_dlt() -> float:
        out = folder / "dlt"
        done = subprocess.run(
            [python, script, str(data), str(out), "duckdb"],
            capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "RUNTIME__DLTHUB_TELEMETRY": "false",
                 "HOME": str(folder)},
        )  # fmt: skip
        remove(out)
        remove(Path(f"{out}-state"))
        return float(done.stdout.strip().splitlines()[-1])

    def with_duckdb() -> float:
        import duckdb

        out = folder / "duckdb"
        out.mkdir()

        def copy() -> None:
            with duckdb.connect() as connection:
                for path in sorted(data.iterdir()):
                    target = out / f"{path.stem}.parquet"
                    connection.execute(
                        f"COPY (SELECT * FROM read_csv('{path}')) TO '{target}' (FORMAT parquet)"
                    ).fetchall()

        seconds = timed(copy)
        remove(out)
        return seconds

    with Bench(folder / "home") as bench:
        bench.call("scan", path=str(data), wait_s=600)
        plugin = bench.publish(str(data / "part-0000.csv"), PLUGIN, ["pyarrow"])
        print(machine(), f"{FILES} files of {ROWS} rows")
        interleaved(
            {
                "casparian": lambda: bench.process(plugin),
                "duckdb COPY": with_duckdb,
                "dlt": with_dlt,
            },
            runs=runs,
            against="duckdb COPY",
        )
        print("peak memory, MiB:", peaks(bench))
    remove(folder)


def peaks(bench: Bench) -> dict[str, int]:
    """VmHWM of every process of the home, by what it is."""
    home = f"CASPARIAN_HOME={bench.home.root}".encode()
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_text()
            status = (entry / "status").read_text()
        except OSError:
            continue
        name = "engine" if "start" in command else "worker" if "workshop" in command else ""
        if home in environment and name:
            line = next(row for row in status.splitlines() if row.startswith("VmHWM"))
            found[name] = int(line.split()[1]) // 1024
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

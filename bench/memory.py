"""Peak memory of guest, worker and engine while one CSV file of 2 GiB becomes Parquet.

Usage: python bench/memory.py [MIB]. Prints the high-water marks and what they are of the file.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from common import Bench, machine, remove, scratch
from large_files import PLUGIN

SAMPLE_EVERY_S = 0.1


def main(mebibytes: int) -> None:
    folder = scratch()
    data = folder / "data"
    data.mkdir()
    header = "id,part,text,amount\n"
    (data / "part-small.csv").write_text(header + "1,1,a,0.5\n")
    with (data / "part-large.csv").open("w") as file:
        file.write(header)
        rows = "".join(f"{n},{n % 7},value {n % 1000},{n / 7:.3f}\n" for n in range(40_000))
        for _ in range((mebibytes << 20) // len(rows) + 1):
            file.write(rows)
    size = (data / "part-large.csv").stat().st_size >> 20
    with Bench(folder / "home") as bench:
        bench.call("scan", path=str(data), wait_s=600)
        plugin = bench.publish(str(data / "part-small.csv"), PLUGIN, ["pyarrow"])
        peaks: dict[str, int] = {}
        done = threading.Event()
        watcher = threading.Thread(target=watch, args=(bench, peaks, done))
        watcher.start()
        seconds = bench.process(plugin)
        done.set()
        watcher.join()
        print(machine(), f"one file of {size} MiB in {seconds:.1f} s")
        for name, peak in sorted(peaks.items()):
            print(f"{name:8} {peak:6} MiB   {peak / size:5.2f} of the file")
    remove(folder)


def watch(bench: Bench, peaks: dict[str, int], done: threading.Event) -> None:
    """Keep the highest VmHWM of each kind of process of the home."""
    while not done.wait(SAMPLE_EVERY_S):
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_text()
                status = (entry / "status").read_text()
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            name = kind(command)
            mine = bytes(bench.home.root) in environment or name == "guest"
            peak = next((row for row in status.splitlines() if row.startswith("VmHWM")), None)
            if name and mine and peak is not None:
                peaks[name] = max(peaks.get(name, 0), int(peak.split()[1]) // 1024)


def kind(command: str) -> str:
    """What a process of a home is, by its command line."""
    names = {"guest.py": "guest", "engine.workshop": "worker", "start\0--background": "engine"}
    return next((name for word, name in names.items() if word in command), "")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2048)

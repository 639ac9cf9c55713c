"""First scan and rescan of 200,000 files against `find -printf`.

Usage: python bench/scan.py [RUNS] [FILES]. Scans call the scout itself on a catalog of their own;
`find` prints the same facts to nowhere.
"""

from __future__ import annotations

import os
import subprocess
import sys

from common import interleaved, machine, remove, scratch, timed

from engine import scout
from engine.database import Catalog, open_catalog
from engine.models import SourceRoot


def main(runs: int, files: int) -> None:
    folder = scratch()
    data = folder / "data"
    for number in range(files // 1000):
        place = data / f"d{number}"
        place.mkdir(parents=True)
        for one in range(1000):
            (place / f"f{one}.csv").touch()
    state = {"number": 0}
    standing = catalog_of(folder / "standing.db", data)
    scout.scan(standing[0], standing[1])

    def find() -> float:
        command = ["find", data, "-printf", r"%y %s %T@ %C@ %i %D %P\0"]
        return timed(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))

    def first() -> float:
        state["number"] += 1
        catalog, root = catalog_of(folder / f"{state['number']}.db", data)
        seconds = timed(lambda: scout.scan(catalog, root))
        catalog.close()
        return seconds

    print(machine(), f"{files} files")
    interleaved(
        {"first scan": first, "rescan": lambda: timed(lambda: scout.scan(*standing)), "find": find},
        runs=runs,
        against="find",
    )
    remove(folder)


def catalog_of(path: os.PathLike[str], data: os.PathLike[str]) -> tuple[Catalog, int]:
    from pathlib import Path

    catalog = open_catalog(Path(path))
    with catalog.writing() as session:
        root = SourceRoot(
            path=os.fsencode(data), granted_by="bench", on_delete="KEEP", watched=True
        )
        session.add(root)
        session.flush()
        return catalog, root.id


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 5,
        int(sys.argv[2]) if len(sys.argv) > 2 else 200_000,
    )

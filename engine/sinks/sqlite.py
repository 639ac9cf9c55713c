"""Deliver topics into a SQLite database: rows and ledger entry in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from casparian_flow.errors import ConfigError, SinkError
from engine.exact_text import exact_text
from engine.sinks.interface import Promotion, StagedFile, files_of

_LEDGER_TABLE = """
CREATE TABLE IF NOT EXISTS _casparian_ledger (
    ledger_key TEXT PRIMARY KEY, job_id INTEGER NOT NULL, attempt INTEGER NOT NULL,
    generation INTEGER NOT NULL, location_id INTEGER NOT NULL, file_version_id INTEGER NOT NULL,
    sha256 TEXT NOT NULL, path TEXT NOT NULL, plugin TEXT NOT NULL, version INTEGER NOT NULL,
    artifact_hash TEXT NOT NULL, promoted TEXT NOT NULL
) WITHOUT ROWID
"""
_HELD_TABLE = "CREATE TABLE IF NOT EXISTS _casparian_held (job_id INTEGER PRIMARY KEY)"
"""Jobs whose rows are in no current view: of a reprocess that is under way or was taken back."""
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class SqliteDelivery:
    """A SQLite file: `<topic>_history` holds every row, the view `<topic>` the current ones."""

    path: Path

    def deliver(self, lake: Path, promotion: Promotion, *, is_held: bool = False) -> bool:
        """See `Delivery.deliver`."""
        with _writing(self.path) as db:
            return _deliver(db, lake, promotion, is_held=is_held)

    def held(self, installation: str) -> frozenset[int]:
        """See `Delivery.held`."""
        if not self.path.exists():
            return frozenset()  # nothing was delivered yet
        with _writing(self.path) as db:
            _claim(db, installation)
            db.execute(_HELD_TABLE)
            return frozenset(row[0] for row in db.execute("SELECT job_id FROM _casparian_held"))

    def hold(self, installation: str, jobs: Collection[int], release: Collection[int]) -> None:
        """See `Delivery.hold`."""
        if not self.path.exists():
            return
        with _writing(self.path) as db:
            _claim(db, installation)
            db.execute(_LEDGER_TABLE)
            db.execute(_HELD_TABLE)
            db.execute(
                "DELETE FROM _casparian_held WHERE job_id IN (SELECT value FROM json_each(?))",
                (json.dumps(sorted(release)),),
            )
            db.execute(
                "INSERT OR IGNORE INTO _casparian_held SELECT job_id FROM _casparian_ledger"
                " WHERE job_id IN (SELECT value FROM json_each(?))",
                (json.dumps(sorted(jobs)),),
            )


@contextmanager
def _writing(path: Path) -> Generator[sqlite3.Connection]:
    """The database in one transaction."""
    try:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except (sqlite3.Error, pa.ArrowException, ValueError, OverflowError, OSError) as error:
        raise SinkError(f"the SQLite database {path}: {error}") from error


def open_sqlite(uri: str) -> SqliteDelivery:
    """A delivery for `sqlite:///absolute/path.db`.

    Raises:
        ConfigError: the URI names no absolute path, or its folder does not exist.
    """
    parts = urlsplit(uri)
    path = Path(unquote(parts.path))
    if parts.scheme != "sqlite" or parts.netloc or not path.is_absolute():
        raise ConfigError(
            f"{uri} is not a SQLite sink", hint="Write sqlite:///absolute/path/to/file.db"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"{uri}: nothing may follow the path", hint="Write sqlite:///path.db")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", hint=f"Name a file in it: sqlite://{path}/out.db")
    if not _is_free(path):
        raise ConfigError(f"{path} is no SQLite database", hint="Name another file.")
    if not path.parent.is_dir():
        raise ConfigError(f"the folder of {path} does not exist", hint=f"mkdir -p {path.parent}")
    return SqliteDelivery(path)


def _is_free(path: Path) -> bool:
    """Whether a database may be made or gone on with there."""
    try:
        with path.open("rb") as file:
            return file.read(16) in (b"", b"SQLite format 3\0")
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _deliver(db: sqlite3.Connection, lake: Path, promotion: Promotion, *, is_held: bool) -> bool:
    db.execute(_LEDGER_TABLE)
    db.execute(_HELD_TABLE)
    one = promotion.identity
    _claim(db, one.installation)
    added = db.execute(
        "INSERT OR IGNORE INTO _casparian_ledger VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            one.ledger_key, one.job_id, one.attempt, one.generation, one.location_id,
            one.file_version_id, one.sha256, one.path, one.plugin, one.version,
            one.artifact_hash, datetime.now(UTC).isoformat(),
        ),
    ).rowcount  # fmt: skip
    if is_held:
        db.execute("INSERT OR IGNORE INTO _casparian_held VALUES (?)", (one.job_id,))
    else:  # the attempt before was perhaps held, in a reprocess that has ended since
        db.execute("DELETE FROM _casparian_held WHERE job_id = ?", (one.job_id,))
    if not added:
        return False
    for quarantine in (False, True):
        for file in files_of(promotion, quarantine=quarantine):
            _load(db, lake, file)
    return True


_SQLITE_INTEGERS = 1 << 63


def _claim(db: sqlite3.Connection, installation: str) -> None:
    """Take the database for an installation: jobs of another are numbered alike.

    Raises:
        SinkError: another has it.
    """
    db.execute("CREATE TABLE IF NOT EXISTS _casparian_installation (id TEXT NOT NULL)")
    owner = db.execute("SELECT id FROM _casparian_installation").fetchone()
    if owner is None:
        db.execute("INSERT INTO _casparian_installation VALUES (?)", (installation,))
    elif owner[0] != installation:
        raise SinkError(
            f"the SQLite database belongs to another installation, {owner[0]}",
            hint="Name a file of its own: `casparian draft --sink sqlite:///path/to/other.db`.",
        )


def _load(db: sqlite3.Connection, lake: Path, file: StagedFile) -> None:
    parquet = pq.ParquetFile(lake / file.path)
    table = _quoted(f"{file.topic}_history")
    _make_table(db, file.topic, parquet.schema_arrow)
    names = ", ".join(_quoted(name) for name in parquet.schema_arrow.names)
    marks = ", ".join("?" * len(parquet.schema_arrow.names))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names are quoted
    for batch in parquet.iter_batches(batch_size=_ROWS_AT_ONCE):
        columns = [_values(column) for column in batch.columns]
        db.executemany(statement, zip(*columns, strict=True))


def _make_table(db: sqlite3.Connection, topic: str, schema: pa.Schema) -> None:
    """Make the topic's table, or let it hold what comes now, with its view.

    A column whose type changes loses its affinity: with it, SQLite would make 7 of '007'.
    """
    table = _quoted(f"{topic}_history")
    wanted = {field.name: _affinity(field.type) for field in schema}
    there = {str(row[1]): str(row[2]) for row in db.execute(f"PRAGMA table_info({table})")}
    if not there:
        db.execute(f"CREATE TABLE {table} ({_declared(wanted)})")
    elif any(there[name] not in ("", kind) for name, kind in wanted.items() if name in there):
        kept = {
            name: kind if wanted.get(name, kind) == kind else "" for name, kind in there.items()
        }
        _make_anew(db, topic, kept)
    for name in wanted if there else ():
        if name not in there:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {_quoted(name)} {wanted[name]}")
    index = _quoted(f"ix_{topic}_job")
    db.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} (_job_id)")
    view = (
        f"CREATE VIEW {_quoted(topic)} AS SELECT t.* FROM {table} t JOIN ("  # noqa: S608 - names are quoted
        " SELECT job_id, row_number() OVER (PARTITION BY location_id, plugin"
        " ORDER BY file_version_id DESC, version DESC, generation DESC) AS rank"
        " FROM _casparian_ledger WHERE job_id NOT IN (SELECT job_id FROM _casparian_held)"
        ") newest ON newest.job_id = t._job_id AND newest.rank = 1"
    )
    there = db.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", (topic,)
    ).fetchone()
    if there is None or there[0] != view:  # none, or one that an older engine made
        db.execute(f"DROP VIEW IF EXISTS {_quoted(topic)}")
        db.execute(view)


def _declared(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{_quoted(name)} {kind}" for name, kind in columns.items())


def _make_anew(db: sqlite3.Connection, topic: str, columns: Mapping[str, str]) -> None:
    """Give a table's columns other types; its values stay what they are."""
    table, before = _quoted(f"{topic}_history"), _quoted(f"{topic}_history_before")
    names = ", ".join(_quoted(name) for name in columns)
    db.execute(f"DROP VIEW IF EXISTS {_quoted(topic)}")  # it is made again, of the new table
    db.execute(f"ALTER TABLE {table} RENAME TO {before}")
    db.execute(f"CREATE TABLE {table} ({_declared(columns)})")
    db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {before}")  # noqa: S608 - names are quoted
    db.execute(f"DROP TABLE {before}")


def _affinity(kind: pa.DataType) -> str:
    if pa.types.is_uint64(kind) or pa.types.is_null(kind):
        return ""  # numbers stay numbers, those too large for SQLite are text; null is any type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    if pa.types.is_floating(kind):
        return "REAL"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "BLOB"
    return "TEXT"


def _values(column: pa.Array) -> list[object]:
    values = _storable(column).to_pylist()
    if not pa.types.is_uint64(column.type):
        return values
    return [value if value is None or value < _SQLITE_INTEGERS else str(value) for value in values]


def _storable(column: pa.Array) -> pa.Array:
    """Types SQLite holds: times and decimals become ISO and plain text, nothing is rounded."""
    kind = column.type
    if _affinity(kind) != "TEXT" or pa.types.is_string(kind):
        return column.cast(pa.int64()) if pa.types.is_boolean(kind) else column
    if pa.types.is_nested(kind) or pa.types.is_duration(kind):
        return exact_text(pa.chunked_array([column])).combine_chunks()
    return column.cast(pa.string())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

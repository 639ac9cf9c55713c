"""Open the catalog: migrate it, check its shape, hand out sessions."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Collection, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.pool import QueuePool

from casparian_flow.errors import CatalogError
from engine.models import Base, Installation

_MIGRATIONS = Path(__file__).parent / "migrations"


def among(
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None], ids: Collection[int]
) -> ColumnElement[bool]:
    """`column IN (ids)` with one parameter, however many ids: SQLite takes at most 32,766."""
    values = func.json_each(json.dumps(list(ids))).table_valued("value")
    return column.in_(select(values.c.value))


class Catalog:
    """The open catalog of one home. One process opens it; its threads share it."""

    def __init__(self, engine: Engine, path: Path) -> None:
        """Wrap an engine whose schema has been checked."""
        self.path = path
        self._engine = engine
        self._writer = threading.Lock()
        self.changes = 0
        """Rises with every write that was committed since the catalog was opened."""
        self.installation_id = self._installation()

    @contextmanager
    def writing(self) -> Generator[Session]:
        """A session that holds the write lock from its first statement; commits at its end."""
        with (
            self._writer,
            self._telling_what_failed(),
            Session(self._engine, expire_on_commit=False) as session,
        ):
            session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield session
            session.commit()
            self.changes += 1

    @contextmanager
    def reading(self) -> Generator[Session]:
        """A session on one consistent snapshot; nothing it does is kept."""
        with (
            self._telling_what_failed(),
            Session(self._engine, expire_on_commit=False) as session,
        ):
            session.connection().exec_driver_sql("BEGIN")
            yield session
            session.rollback()

    @contextmanager
    def _telling_what_failed(self) -> Generator[None]:
        """Turn what SQLite says of the disk into an error that names file and next step."""
        try:
            yield
        except OperationalError as error:
            raise CatalogError(
                f"the catalog {self.path} could not be used: {error.orig}",
                hint=f"Is the disk of {self.path.parent} full or gone? What is stored stays stored;"
                " mend that and ask again.",
            ) from error

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self._engine.dispose()

    def _installation(self) -> str:
        with self.writing() as session:
            known = session.scalar(select(Installation.id))
            if known is not None:
                return known
            new = str(uuid.uuid4())
            session.add(Installation(id=new, created=datetime.now(UTC)))
            return new


def open_catalog(path: Path) -> Catalog:
    """Migrate the catalog at `path` to this version's schema, check it, open it.

    Raises:
        CatalogError: it is damaged, or its tables are not those of this version.
    """
    engine = create_engine(
        sqlalchemy.URL.create("sqlite", database=str(path)), poolclass=QueuePool, pool_size=16
    )
    event.listen(engine, "connect", _configure)
    try:
        with engine.begin() as connection:
            # By name, as everywhere: else each statement of a migration commits by itself.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _migrate(connection)
            differences = _differences(connection)
    except DatabaseError as error:
        raise CatalogError(f"the catalog {path} cannot be opened: {error.orig}") from error
    if differences:
        raise CatalogError(f"the catalog {path} has another shape: {'; '.join(differences[:5])}")
    return Catalog(engine, path)


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by name, see Catalog.writing
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "temp_store=MEMORY",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(connection: Connection) -> None:
    if _revision(connection) == newest_revision():
        return
    import alembic.command  # a fifth of the time an engine takes to start, mostly for nothing
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    """The migration that a catalog is at; None for a new one."""
    is_new = not sqlalchemy.inspect(connection).has_table("alembic_version")
    query = "SELECT version_num FROM alembic_version"
    return None if is_new else connection.exec_driver_sql(query).scalar()


def newest_revision() -> str:
    """The last migration, by the names of their files: `v0005_rounds.py` is 0005."""
    return max(path.name[1:5] for path in _MIGRATIONS.glob("versions/v[0-9]*.py"))


def _differences(connection: Connection) -> list[str]:
    """How the tables in the file differ from the models: the schema's fingerprint, spelled out."""
    found = MetaData()
    found.reflect(connection)
    wanted, there = _shape(Base.metadata), _shape(found)
    there.pop("alembic_version", None)
    return [
        f"table {name}: {sorted(set(wanted.get(name, ())) ^ set(there.get(name, ())))[:4]}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    ]


def _shape(metadata: MetaData) -> dict[str, tuple[str, ...]]:
    return {
        table.name: tuple(
            sorted(f"{column.name}{'' if column.nullable else '!'}" for column in table.columns)
        )
        for table in metadata.tables.values()
    }

"""A catalog of an earlier release becomes one of this release with what it knew."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import alembic.command
import alembic.config
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select

from casparian_flow.errors import CatalogError
from engine import database
from engine.database import open_catalog
from engine.models import Contract


def make_first_release(path: Path) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
    engine.dispose()


def test_contracts_of_deployed_plugins_become_the_first_versions(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    make_first_release(path)
    terms = [{"columns": [{"name": name}]} for name in ("old", "new")]
    db = sqlite3.connect(path)
    db.execute("INSERT INTO publisher (id, name, key_id, last_active) VALUES (1, 't', 'k', '2026')")
    db.execute("INSERT INTO plugin_environment VALUES ('e', x'', '2026-01-01')")
    for version, one in enumerate(terms, 1):
        db.execute(
            "INSERT INTO plugin_manifest (name, version, status, env_hash, artifact_hash, files,"
            " manifest, contract, envelope, publisher_id, system_requirements, created)"
            " VALUES ('p', ?, 'ACTIVE', 'e', 'a', '{}', '{}', ?, x'', 1, '{}',"
            " '2026-01-01 00:00:00')",
            (version, json.dumps({"things": one})),
        )
    db.commit()
    db.close()

    catalog = open_catalog(path)

    with catalog.reading() as session:
        found = session.scalars(select(Contract)).one()
        assert (found.topic, found.version, found.manifest_id) == ("things", 1, 2)
        assert found.terms == terms[1]
    catalog.close()


def test_a_catalog_of_this_release_is_opened_without_the_migrations(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_catalog(path).close()
    script = (
        "import sys; from pathlib import Path; from engine.database import open_catalog;"
        "open_catalog(Path(sys.argv[1])); print('alembic' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        timeout=60, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert done.stdout == "False\n"


def test_the_names_of_migrations_are_in_their_order() -> None:
    folder = Path(database.__file__).parent / "migrations"

    head = ScriptDirectory(str(folder)).get_current_head()

    assert database.newest_revision() == head


def test_a_kill_in_the_middle_of_a_migration_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    make_first_release(path)
    script = (
        "import os, sys; from pathlib import Path; from alembic import op;"
        "op.add_column = lambda *_: os._exit(9);"
        "from engine.database import open_catalog; open_catalog(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], timeout=60, check=False)
    assert done.returncode == 9

    open_catalog(path).close()


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE draft ADD COLUMN extra TEXT", "DROP TABLE audit_entry"],
    ids=["one column more", "one table less"],
)
def test_a_catalog_of_another_shape_is_not_opened(tmp_path: Path, change: str) -> None:
    path = tmp_path / "catalog.db"
    open_catalog(path).close()
    db = sqlite3.connect(path)
    db.execute(change)
    db.close()

    with pytest.raises(CatalogError, match="another shape"):
        open_catalog(path)

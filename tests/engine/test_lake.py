"""Promotion into the lake and into SQLite: once, whole, whoever is killed or late."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from casparian_flow.errors import ConfigError, SinkError
from engine.events import SetAside
from engine.sinks import lake as lakes
from engine.sinks.interface import JobIdentity
from engine.sinks.opening import open_delivery

IDENTITY = JobIdentity(
    installation="i", job_id=1, attempt=1, generation=1, file_version_id=5, location_id=9,
    path="/r/a.csv", sha256="c" * 64, plugin="p", version=1, artifact_hash="a" * 64,
)  # fmt: skip


def stage(lake: Path, identity: JobIdentity, values: list[int]) -> lakes.Staging:
    staging = lakes.Staging(lake, identity)
    staging.write("t", pa.record_batch({"x": values}))
    return staging


def promote(lake: Path, staging: lakes.Staging) -> lakes.Promotion:
    return lakes.promote(lake, [(staging, staging.close(), {})])[0]


def rows_in_force(lake: Path) -> list[dict[str, object]]:
    """What a reader sees: only listed files."""
    return [
        row
        for promotion in lakes.ledger_entries(lake)
        for file in promotion.files
        for row in pq.read_table(lake / file.path).to_pylist()
    ]


def test_every_row_carries_its_job_version_and_ordinal(tmp_path: Path) -> None:
    promote(tmp_path, stage(tmp_path, IDENTITY, [7, 8]))

    assert rows_in_force(tmp_path) == [
        {"x": 7, "_job_id": 1, "_file_version_id": 5, "_row": 0},
        {"x": 8, "_job_id": 1, "_file_version_id": 5, "_row": 1},
    ]


def test_nothing_is_visible_before_promotion(tmp_path: Path) -> None:
    staging = stage(tmp_path, IDENTITY, [1])
    staging.close()

    assert rows_in_force(tmp_path) == []


def test_a_second_attempt_finds_the_first_in_force_and_adds_nothing(tmp_path: Path) -> None:
    promote(tmp_path, stage(tmp_path, IDENTITY, [1, 2]))

    late = promote(tmp_path, stage(tmp_path, replace(IDENTITY, attempt=2), [1, 2]))

    assert not late.is_mine
    assert late.identity.attempt == 1
    assert len(rows_in_force(tmp_path)) == 2
    assert len(list(tmp_path.glob("t/*/*.parquet"))) == 1


def test_a_zombie_that_wakes_up_after_the_newer_attempt_changes_nothing(tmp_path: Path) -> None:
    zombie = stage(tmp_path, IDENTITY, [1])
    files = zombie.close()
    newer = promote(tmp_path, stage(tmp_path, replace(IDENTITY, attempt=2), [1]))

    outcome = lakes.promote(tmp_path, [(zombie, files, {})])[0]

    assert newer.is_mine
    assert not outcome.is_mine
    assert outcome.identity.attempt == 2
    assert len(rows_in_force(tmp_path)) == 1


def test_another_generation_is_another_entry(tmp_path: Path) -> None:
    promote(tmp_path, stage(tmp_path, IDENTITY, [1]))

    again = promote(tmp_path, stage(tmp_path, replace(IDENTITY, job_id=2, generation=2), [1]))

    assert again.is_mine
    assert len(list(lakes.ledger_entries(tmp_path))) == 2


def test_the_orphan_sweep_takes_what_no_entry_lists_and_nothing_else(tmp_path: Path) -> None:
    promote(tmp_path, stage(tmp_path, IDENTITY, [1]))
    stage(tmp_path, replace(IDENTITY, location_id=10), [2]).close()

    assert lakes.sweep_orphans(tmp_path) == 1
    assert len(rows_in_force(tmp_path)) == 1


def test_an_abandoned_attempt_leaves_no_file(tmp_path: Path) -> None:
    staging = stage(tmp_path, IDENTITY, [1])
    staging.close()

    staging.abandon()

    assert not list(tmp_path.glob("t/*/*.parquet"))


def test_a_full_disk_is_named_and_promotes_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "lake"
    blocked.write_text("no folder can be made here")

    with pytest.raises(SinkError, match="lake"):
        stage(blocked, IDENTITY, [1]).close()


def test_quarantined_records_lie_beside_the_topic_never_in_it(tmp_path: Path) -> None:
    staging = stage(tmp_path, IDENTITY, [1])
    staging.set_aside("t", [SetAside("x,y", "bad", 3)])

    promotion = promote(tmp_path, staging)

    assert promotion.quarantined == 1
    assert sorted(file.topic for file in promotion.files) == ["t", "t_quarantine"]


def test_sqlite_takes_rows_and_ledger_in_one_transaction_and_once(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    promotion = promote(lake, stage(lake, IDENTITY, [7, 8]))
    delivery = open_delivery(f"sqlite://{tmp_path / 'out.db'}")

    assert delivery.deliver(lake, promotion)
    assert not delivery.deliver(lake, promotion)

    with sqlite3.connect(tmp_path / "out.db") as db:
        assert db.execute('SELECT x, _row FROM "t"').fetchall() == [(7, 0), (8, 1)]
        assert db.execute("SELECT count(*) FROM _casparian_ledger").fetchone() == (1,)
    db.close()


def test_sqlite_shows_the_newest_version_and_keeps_history(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    delivery = open_delivery(f"sqlite://{tmp_path / 'out.db'}")
    delivery.deliver(lake, promote(lake, stage(lake, IDENTITY, [1])))
    newer = replace(IDENTITY, job_id=2, file_version_id=6, sha256="d" * 64)
    delivery.deliver(lake, promote(lake, stage(lake, newer, [2, 3])))

    with sqlite3.connect(tmp_path / "out.db") as db:
        assert db.execute("SELECT x FROM t ORDER BY x").fetchall() == [(2,), (3,)]
        assert db.execute("SELECT count(*) FROM t_history").fetchone() == (3,)
    db.close()


def test_a_delivery_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    promotion = promote(lake, stage(lake, IDENTITY, [1]))
    (lake / promotion.files[0].path).unlink()
    delivery = open_delivery(f"sqlite://{tmp_path / 'out.db'}")

    with pytest.raises(SinkError, match="Failed to open"):
        delivery.deliver(lake, promotion)

    with sqlite3.connect(tmp_path / "out.db") as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []
    db.close()


def delivered(lake: Path, database: Path, number: int, values: pa.Array) -> list[object]:
    """What SQLite holds of all jobs so far, after one more."""
    identity = replace(IDENTITY, job_id=number, location_id=number, generation=number)
    staging = lakes.Staging(lake, identity)
    staging.write("t", pa.record_batch({"x": values}))
    open_delivery(f"sqlite://{database}").deliver(lake, promote(lake, staging))
    with closing(sqlite3.connect(database)) as db:
        return [row[0] for row in db.execute("SELECT x FROM t ORDER BY _job_id, _row")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pa.array([7, 70]), pa.array(["007", "1e3", "12345678901234567890.12"])),
        (pa.array([7, 70]), pa.array([Decimal("12345678901234567890.12")])),
        (pa.nulls(1), pa.array([5, 70, 9])),
        (pa.array(["a"]), pa.array([5])),
        (pa.array([True]), pa.array(["01"])),
    ],
)
def test_sqlite_keeps_values_whatever_type_a_column_had_before(
    tmp_path: Path, before: pa.Array, after: pa.Array
) -> None:
    lake, database = tmp_path / "lake", tmp_path / "out.db"
    first = delivered(lake, database, 1, before)

    found = delivered(lake, database, 2, after)

    stored = [str(one) if isinstance(one, Decimal) else one for one in after.to_pylist()]
    assert found == first + stored
    assert delivered(lake, database, 3, before) == found + first


def test_a_number_too_large_for_sqlite_is_delivered_as_text(tmp_path: Path) -> None:
    largest = (1 << 64) - 1
    numbers = pa.array([1, largest], pa.uint64())

    assert delivered(tmp_path / "lake", tmp_path / "out.db", 1, numbers) == [1, str(largest)]


def test_a_database_belongs_to_one_installation(tmp_path: Path) -> None:
    lake, database = tmp_path / "lake", tmp_path / "out.db"
    delivered(lake, database, 1, pa.array([1]))
    other = replace(IDENTITY, installation="j", job_id=2)
    promotion = promote(lake, stage(lake, other, [2]))

    with pytest.raises(SinkError, match="belongs to another installation, i"):
        open_delivery(f"sqlite://{database}").deliver(lake, promotion)


@pytest.mark.parametrize(
    ("name", "why"),
    [("folder", "is a folder"), ("text.db", "no SQLite database"), ("a.db?mode=ro", "may follow")],
)
def test_what_no_database_can_be_made_of_is_refused(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("not a database, but a text")

    with pytest.raises(ConfigError, match=why):
        open_delivery(f"sqlite://{tmp_path / name}")


@pytest.mark.parametrize(
    "uri", ["postgres://x/y", "sqlite:relative.db", "file:///x", "sqlite://h/x"]
)
def test_a_sink_nobody_knows_is_refused_with_those_that_exist(uri: str) -> None:
    with pytest.raises(ConfigError):
        open_delivery(uri)

"""A delivery shows what the lake shows: a reprocess whole or not at all, whoever is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from engine import queue, views
from engine.database import Catalog, open_catalog
from engine.deliveries import Deliveries
from engine.models import PluginManifest, ProcessingJob, Round, TopicConfig
from engine.sinks.opening import open_delivery
from engine.sinks.sqlite import SqliteDelivery
from engine.states import JobStatus
from tests.engine.test_lake import IDENTITY, promote, stage
from tests.engine.test_queue import NOW, claim, conclude, fill
from tests.engine.test_rounds import deploy

FILES = 3


@pytest.fixture
def catalog(tmp_path: Path) -> Generator[Catalog]:
    """Three files delivered by version 1, and version 2 queued over all of them."""
    opened = open_catalog(tmp_path / "catalog.db")
    fill(opened, FILES)
    with opened.writing() as session:
        session.add(TopicConfig(topic="t", sinks=[uri(tmp_path)], created=NOW))
    for job in claim(opened):
        run(opened, tmp_path, job)
    deploy(opened, 2)
    yield opened
    opened.close()


def uri(folder: Path) -> str:
    return f"sqlite://{folder / 'out.db'}"


def run(catalog: Catalog, folder: Path, job: queue.ClaimedJob) -> None:
    """What a worker does of a job: promote, deliver, conclude. Its one row is its version."""
    with catalog.reading() as session:
        version = session.get_one(PluginManifest, job.manifest_id).version
    identity = replace(
        IDENTITY, job_id=job.id, file_version_id=job.file_version_id, location_id=job.location_id,
        sha256=job.sha256, version=version, installation=catalog.installation_id,
    )  # fmt: skip
    promotion = promote(folder / "lake", stage(folder / "lake", identity, [version]))
    open_delivery(uri(folder)).deliver(folder / "lake", promotion, is_held=job.is_held)
    conclude(catalog, job, JobStatus.DONE)


def delivered(folder: Path) -> list[int]:
    db = sqlite3.connect(folder / "out.db")
    try:
        return [row[0] for row in db.execute("SELECT x FROM t ORDER BY x")]
    finally:
        db.close()


def test_a_reprocess_is_delivered_whole(catalog: Catalog, tmp_path: Path) -> None:
    deliveries = Deliveries(catalog)
    for job in claim(catalog):
        assert job.is_held
        assert deliveries.settle()
        assert delivered(tmp_path) == [1, 1, 1]
        run(catalog, tmp_path, job)
    assert delivered(tmp_path) == [1, 1, 1]

    assert deliveries.settle()

    assert delivered(tmp_path) == [2, 2, 2]


def test_a_reprocess_that_no_look_saw_begin_is_shown_all_the_same(
    catalog: Catalog, tmp_path: Path
) -> None:
    with catalog.writing() as session:
        session.execute(update(ProcessingJob).values(round_id=None))
        session.execute(delete(Round))
    deliveries = Deliveries(catalog)
    for job in claim(catalog):
        run(catalog, tmp_path, job)
    deliveries.settle()

    deploy(catalog, 3)
    for job in claim(catalog):
        run(catalog, tmp_path, job)
    deliveries.settle()

    assert delivered(tmp_path) == [3, 3, 3]


def test_taking_a_reprocess_back_takes_it_out_of_the_delivery(
    catalog: Catalog, tmp_path: Path
) -> None:
    for job in claim(catalog):
        run(catalog, tmp_path, job)
    for undone, shown in ((NOW, [1, 1, 1]), (None, [2, 2, 2])):
        with catalog.writing() as session:
            session.scalars(select(Round)).one().undone = undone

        assert Deliveries(catalog).settle()  # as after a crash: it remembers nothing

        assert delivered(tmp_path) == shown


def test_a_job_tried_again_after_its_reprocess_ended_is_shown_at_once(
    catalog: Catalog, tmp_path: Path
) -> None:
    first, *others = claim(catalog)
    conclude(catalog, first, JobStatus.FAILED)
    for job in others:
        run(catalog, tmp_path, job)
    deliveries = Deliveries(catalog)
    deliveries.settle()
    assert delivered(tmp_path) == [1, 2, 2]

    with catalog.writing() as session:
        queue.retry(session, [first.id])
    [again] = claim(catalog)
    run(catalog, tmp_path, again)

    assert (again.is_held, delivered(tmp_path)) == (False, [2, 2, 2])


def test_what_begins_while_a_delivery_is_told_is_not_let_go(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog.writing() as session:
        session.execute(delete(ProcessingJob).where(ProcessingJob.round_id.is_not(None)))
        session.execute(delete(Round))
    honest = SqliteDelivery.hold

    def late(
        delivery: SqliteDelivery, mine: str, jobs: Collection[int], release: Collection[int]
    ) -> None:
        """By now the catalog has been read, and a reprocess begins."""
        deploy(catalog, 3)
        run(catalog, tmp_path, claim(catalog)[0])
        honest(delivery, mine, jobs, release)

    monkeypatch.setattr(SqliteDelivery, "hold", late)
    deliveries = Deliveries(catalog)
    assert deliveries.settle()
    assert delivered(tmp_path) == [1, 1, 1]


def test_a_job_delivered_again_after_its_reprocess_is_no_longer_held(
    catalog: Catalog, tmp_path: Path
) -> None:
    jobs = claim(catalog)
    for job in jobs:
        run(catalog, tmp_path, job)
    Deliveries(catalog).settle()
    with closing(sqlite3.connect(tmp_path / "out.db")) as db, db:  # its worker died in between
        db.execute("INSERT INTO _casparian_held VALUES (?)", (jobs[0].id,))
    assert delivered(tmp_path) == [1, 2, 2]

    run(catalog, tmp_path, replace(jobs[0], is_held=False))

    assert delivered(tmp_path) == [2, 2, 2]


def test_a_delivery_that_cannot_be_written_is_told_again(catalog: Catalog, tmp_path: Path) -> None:
    deliveries = Deliveries(catalog)
    for job in claim(catalog):
        run(catalog, tmp_path, job)
    (tmp_path / "out.db").rename(tmp_path / "aside.db")
    (tmp_path / "out.db").write_bytes(b"no database" * 100)
    assert not deliveries.settle()
    (tmp_path / "aside.db").rename(tmp_path / "out.db")
    assert delivered(tmp_path) == [1, 1, 1]

    assert deliveries.settle()

    assert delivered(tmp_path) == [2, 2, 2]


def test_deliveries_agree_with_the_lake_about_who_is_held(catalog: Catalog) -> None:
    with catalog.reading() as session:
        held = set(session.scalars(views.held_jobs()))
        shown = {row.job_id for row in session.execute(views.current_outputs("t"))}
        waiting = set(
            session.scalars(select(ProcessingJob.id).where(ProcessingJob.round_id.is_not(None)))
        )
    assert held == waiting
    assert not held & shown

"""A reprocess comes into view whole, whatever happens to its jobs."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import select

from engine import queue, reprocess, views
from engine.database import Catalog, open_catalog
from engine.models import (
    FileVersion,
    PluginManifest,
    ProcessingJob,
    Round,
)
from engine.states import JobStatus, PluginStatus, Reprocess
from tests.engine.test_queue import NOW, claim, conclude, fill

FILES = 3


@pytest.fixture
def catalog(tmp_path: Path) -> Generator[Catalog]:
    """Three files whose rows version 1 gave, and version 2 queued over all of them."""
    opened = open_catalog(tmp_path / "catalog.db")
    fill(opened, FILES)
    for job in claim(opened):
        conclude(opened, job, JobStatus.DONE)
    deploy(opened, 2)
    yield opened
    opened.close()


def deploy(catalog: Catalog, version: int) -> None:
    """The next version of the plugin, run over everything."""
    with catalog.writing() as session:
        before = session.scalars(select(PluginManifest)).all()
        first = before[0]
        queue.cancel_waiting_of(session, [one.id for one in before], now=NOW)
        manifest = PluginManifest(
            name="p", version=version, status=PluginStatus.ACTIVE, env_hash="e",
            artifact_hash="a", files={}, manifest={}, contract={}, envelope=b"",
            publisher_id=first.publisher_id, system_requirements={}, created=NOW,
        )  # fmt: skip
        session.add(manifest)
        session.flush()
        versions = session.scalars(select(FileVersion)).all()
        rounds = reprocess.rounds_for(session, manifest, [one.id for one in versions], now=NOW)
        assert len(set(rounds.values())) == 1
        jobs = [
            queue.NewJob(one.id, one.location_id, manifest.id, 1, 0, round_id=rounds[one.id])
            for one in versions
        ]
        queue.enqueue(session, jobs, now=NOW)


def in_view(catalog: Catalog) -> list[int]:
    """The plugin versions whose rows the current view shows, a file each."""
    with catalog.reading() as session:
        shown = [row.job_id for row in session.execute(views.current_outputs("t"))]
        query = (
            select(PluginManifest.version)
            .join(ProcessingJob, ProcessingJob.manifest_id == PluginManifest.id)
            .where(ProcessingJob.id.in_(shown))
            .order_by(ProcessingJob.location_id)
        )
        return list(session.scalars(query))


def test_a_reprocess_is_in_view_when_its_last_job_has_ended_and_not_before(
    catalog: Catalog,
) -> None:
    jobs = claim(catalog)
    for job in jobs[:-1]:
        conclude(catalog, job, JobStatus.DONE)
        assert in_view(catalog) == [1, 1, 1]

    conclude(catalog, jobs[-1], JobStatus.DONE)

    assert in_view(catalog) == [2, 2, 2]


def test_a_file_that_fails_keeps_its_rows_of_before(catalog: Catalog) -> None:
    *jobs, last = claim(catalog)
    for job in jobs:
        conclude(catalog, job, JobStatus.DONE)

    conclude(catalog, last, JobStatus.FAILED)

    assert in_view(catalog) == [2, 2, 1]
    with catalog.writing() as session:
        queue.retry(session, [last.id])
    assert in_view(catalog) == [2, 2, 1]  # trying one again takes nothing out of view


def test_cancelling_what_is_left_brings_what_is_done_into_view(catalog: Catalog) -> None:
    first, *others = claim(catalog)
    conclude(catalog, first, JobStatus.DONE)

    with catalog.writing() as session:
        queue.cancel(session, [job.id for job in others], now=NOW)

    assert in_view(catalog) == [2, 1, 1]


def test_a_reprocess_that_the_next_version_cuts_short_never_comes_into_view(
    catalog: Catalog,
) -> None:
    conclude(catalog, claim(catalog, 1)[0], JobStatus.DONE)
    deploy(catalog, 3)
    assert in_view(catalog) == [1, 1, 1]

    for job in claim(catalog):
        conclude(catalog, job, JobStatus.DONE)

    assert in_view(catalog) == [3, 3, 3]


def test_taking_a_round_back_shows_the_rows_of_before(catalog: Catalog) -> None:
    for job in claim(catalog):
        conclude(catalog, job, JobStatus.DONE)
    with catalog.writing() as session:
        session.scalars(select(Round)).one().undone = NOW

    assert in_view(catalog) == [1, 1, 1]


def test_only_trouble_that_is_left_is_run_again(catalog: Catalog) -> None:
    with catalog.reading() as session:
        matches = [
            reprocess.Match(one.location_id, one.id, 1)
            for one in session.scalars(select(FileVersion))
        ]
    jobs = claim(catalog)
    conclude(catalog, jobs[0], JobStatus.FAILED)
    for job in jobs[1:]:
        conclude(catalog, job, JobStatus.DONE)

    def failed() -> list[int]:
        with catalog.reading() as session:
            choice = Reprocess.FAILED
            found = reprocess.chosen(session, matches, plugin="p", choice=choice)
        return [one.location_id for one in found]

    assert failed() == [jobs[0].location_id]
    deploy(catalog, 3)
    for job in claim(catalog):
        conclude(catalog, job, JobStatus.DONE)
    assert failed() == []

"""The queue never gives one job twice, and late words change nothing."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from casparian_flow.errors import CasparianError
from engine import queue
from engine.database import Catalog, open_catalog
from engine.models import (
    FileLocation,
    FileVersion,
    JobOutput,
    PluginEnvironment,
    PluginManifest,
    ProcessingJob,
    Publisher,
    SourceRoot,
)
from engine.states import JobStatus, LocationState, PluginStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path: Path) -> Generator[Catalog]:
    opened = open_catalog(tmp_path / "catalog.db")
    yield opened
    opened.close()


def fill(catalog: Catalog, jobs: int, *, size: int = 10) -> None:
    """One plugin, and so many waiting jobs over files of so many bytes."""
    with catalog.writing() as session:
        root = SourceRoot(path=b"/r", granted_by="t", on_delete="KEEP", watched=True)
        publisher = Publisher(name="t", key_id="k", last_active=NOW)
        session.add_all([root, publisher])
        session.add(PluginEnvironment(env_hash="e", lockfile=b"", created=NOW))
        session.flush()
        manifest = PluginManifest(
            name="p", version=1, status=PluginStatus.ACTIVE, env_hash="e", artifact_hash="a",
            files={}, manifest={}, contract={}, envelope=b"", publisher_id=publisher.id,
            system_requirements={}, created=NOW,
        )  # fmt: skip
        session.add(manifest)
        session.flush()
        new: list[queue.NewJob] = []
        for number in range(jobs):
            location = FileLocation(
                root_id=root.id, path=b"%d" % number, member="", size=size, mtime_ns=0,
                ctime_ns=0, inode=number, device=1, state=LocationState.PRESENT, dirty=False,
            )  # fmt: skip
            session.add(location)
            session.flush()
            version = FileVersion(
                location_id=location.id, sha256=f"{number:064d}", size=size, mtime_ns=0, seen=NOW,
                tags=["t"],
            )  # fmt: skip
            session.add(version)
            session.flush()
            new.append(queue.NewJob(version.id, location.id, manifest.id, 1, 0))
        assert queue.enqueue(session, new, now=NOW) == jobs
        assert queue.enqueue(session, new, now=NOW) == 0


def claim(catalog: Catalog, limit: int = 32) -> tuple[queue.ClaimedJob, ...]:
    with catalog.writing() as session:
        return queue.claim_batch(session, worker="w", limit=limit, now=NOW)


def conclude(catalog: Catalog, job: queue.ClaimedJob, status: JobStatus) -> list[int]:
    outputs = (queue.Output("t", f"{job.id}.parquet", 1, 1),) if status is JobStatus.DONE else ()
    with catalog.writing() as session:
        one = queue.Conclusion(job.id, job.attempt, status, outputs=outputs)
        return queue.conclude(session, [one], now=NOW)


def test_a_claimed_job_is_not_given_to_a_second_worker(catalog: Catalog) -> None:
    fill(catalog, 5)

    first, second = claim(catalog, 3), claim(catalog, 3)

    assert len(first) == 3
    assert len(second) == 2
    assert not {job.id for job in first} & {job.id for job in second}


def test_what_waits_is_shared_out_but_not_into_crumbs(catalog: Catalog) -> None:
    fill(catalog, 100)
    sizes: list[int] = []

    while jobs := _claim_share(catalog):
        sizes.append(len(jobs))

    assert sizes == [25, 19, 16, 16, 16, 8]


def _claim_share(catalog: Catalog) -> tuple[queue.ClaimedJob, ...]:
    with catalog.writing() as session:
        return queue.claim_batch(session, worker="w", limit=32, shares=4, now=NOW)


def test_large_files_do_not_share_a_child(catalog: Catalog) -> None:
    fill(catalog, 3, size=100 << 20)

    assert len(claim(catalog)) == 1


def test_every_claim_raises_the_fencing_number(catalog: Catalog) -> None:
    fill(catalog, 1)
    first = claim(catalog)[0]
    with catalog.writing() as session:
        assert queue.release(session, [(first.id, first.attempt)]) == 1

    second = claim(catalog)[0]

    assert (first.attempt, second.attempt) == (1, 2)


def test_a_worker_that_lost_its_lease_concludes_nothing(catalog: Catalog) -> None:
    fill(catalog, 1)
    lost = claim(catalog)[0]
    with catalog.writing() as session:
        queue.release(session, [(lost.id, lost.attempt)])
    current = claim(catalog)[0]

    assert conclude(catalog, lost, JobStatus.DONE) == [lost.id]
    assert conclude(catalog, current, JobStatus.DONE) == []
    with catalog.reading() as session:
        assert session.scalar(select(func.count()).select_from(JobOutput)) == 1


def test_a_delayed_job_waits_for_its_time(catalog: Catalog) -> None:
    fill(catalog, 1)
    job = claim(catalog)[0]
    later = NOW + timedelta(seconds=30)
    with catalog.writing() as session:
        one = queue.Conclusion(job.id, job.attempt, JobStatus.WAITING, not_before=later)
        queue.conclude(session, [one], now=NOW)

    assert claim(catalog) == ()
    with catalog.writing() as session:
        assert queue.claim_batch(session, worker="w", limit=1, now=later)


def test_what_is_done_does_not_run_again(catalog: Catalog) -> None:
    fill(catalog, 1)
    job = claim(catalog)[0]
    conclude(catalog, job, JobStatus.DONE)

    with catalog.writing() as session:
        assert queue.retry(session, [job.id]) == []
        assert queue.cancel(session, [job.id], now=NOW) == []


def test_a_move_the_table_does_not_list_is_refused(catalog: Catalog) -> None:
    fill(catalog, 1)
    with catalog.writing() as session:
        job = session.scalars(select(ProcessingJob)).one()
        with pytest.raises(CasparianError, match="cannot become DONE"):
            queue._move(job, JobStatus.DONE)


class QueueMachine(RuleBasedStateMachine):
    """Claims, losses, conclusions and retries in any order."""

    catalog: Catalog
    folder: Path

    @initialize()
    def open(self) -> None:
        path = self.folder / f"{datetime.now(UTC).timestamp()}.db"
        self.catalog = open_catalog(path)
        fill(self.catalog, 4)
        self.held: dict[int, queue.ClaimedJob] = {}
        self.stale: list[queue.ClaimedJob] = []

    @rule(limit=st.integers(1, 3))
    def take(self, limit: int) -> None:
        for job in claim(self.catalog, limit):
            assert job.id not in self.held
            self.held[job.id] = job

    @rule()
    def lose(self) -> None:
        if self.held:
            job = self.held.pop(next(iter(self.held)))
            self.stale.append(job)
            with self.catalog.writing() as session:
                queue.release(session, [(job.id, job.attempt)])

    @rule(status=st.sampled_from([JobStatus.DONE, JobStatus.FAILED, JobStatus.WAITING]))
    def finish(self, status: JobStatus) -> None:
        if self.held:
            job = self.held.pop(next(iter(self.held)))
            assert conclude(self.catalog, job, status) == []

    @rule()
    def speak_late(self) -> None:
        for job in self.stale:
            assert conclude(self.catalog, job, JobStatus.DONE) == [job.id]

    @rule()
    def retry_failed(self) -> None:
        with self.catalog.writing() as session:
            failed = session.scalars(
                select(ProcessingJob.id).where(ProcessingJob.status == JobStatus.FAILED)
            ).all()
            assert queue.retry(session, failed) == list(failed)

    @invariant()
    def every_done_job_has_one_output(self) -> None:
        if not hasattr(self, "catalog"):
            return
        with self.catalog.reading() as session:
            done = session.scalars(
                select(ProcessingJob.id).where(ProcessingJob.status == JobStatus.DONE)
            ).all()
            outputs = session.scalars(select(JobOutput.job_id)).all()
        assert sorted(done) == sorted(outputs)

    def teardown(self) -> None:
        if hasattr(self, "catalog"):
            self.catalog.close()


def test_no_order_of_events_gives_one_job_twice(tmp_path: Path) -> None:
    QueueMachine.folder = tmp_path

    run_state_machine_as_test(
        QueueMachine, settings=settings(max_examples=15, stateful_step_count=15, deadline=None)
    )


def test_more_jobs_than_sqlite_takes_parameters_are_moved_in_one_go(catalog: Catalog) -> None:
    fill(catalog, 1)
    far_more = range(1, 40_001)

    with catalog.writing() as session:
        assert queue.cancel(session, far_more, now=NOW) == [1]
        assert queue.retry(session, far_more) == [1]
        new = [queue.NewJob(1, 1, 1, generation, 0) for generation in far_more]
        assert queue.enqueue(session, new, now=NOW) == 39_999


def test_jobs_of_a_folder_that_was_taken_away_are_not_claimed(catalog: Catalog) -> None:
    fill(catalog, 2)
    with catalog.writing() as session:
        session.scalars(select(SourceRoot)).one().removed = NOW

    assert claim(catalog) == ()

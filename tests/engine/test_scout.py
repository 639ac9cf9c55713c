"""The inventory sees every change that stat shows, and only those."""

from __future__ import annotations

import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from casparian_flow.errors import SourceError
from engine import listing, scout, tagger
from engine.database import Catalog, open_catalog
from engine.models import (
    FileLocation,
    FileVersion,
    RoutingRule,
    SourceRoot,
)
from engine.states import LocationState


@pytest.fixture
def catalog(tmp_path: Path) -> Generator[Catalog]:
    opened = open_catalog(tmp_path / "catalog.db")
    yield opened
    opened.close()


@pytest.fixture
def root(catalog: Catalog, data: Path) -> int:
    with catalog.writing() as session:
        row = SourceRoot(path=os.fsencode(data), granted_by="t", on_delete="KEEP", watched=True)
        session.add(row)
        session.flush()
        session.add(RoutingRule(root_id=row.id, pattern="*.csv", tag="t", plugin=None))
        return row.id


def versions(catalog: Catalog) -> list[tuple[bytes, str]]:
    with catalog.reading() as session:
        rows = session.execute(
            select(FileLocation.path, FileVersion.sha256)
            .join(FileVersion, FileVersion.location_id == FileLocation.id)
            .order_by(FileVersion.id)
        )
        return [(path, digest) for path, digest in rows]


def scan(catalog: Catalog, root: int) -> scout.Inventory:
    inventory = scout.scan(catalog, root)
    tagger.tag_dirty(catalog, root)
    return inventory


def test_an_unchanged_folder_has_nothing_new(catalog: Catalog, root: int, data: Path) -> None:
    (data / "a.csv").write_text("1")
    assert scan(catalog, root).new == 1

    second = scan(catalog, root)

    assert (second.new, second.changed, second.deleted, second.unchanged) == (0, 0, 0, 1)


def test_a_same_size_edit_with_its_time_put_back_is_seen(
    catalog: Catalog, root: int, data: Path
) -> None:
    path = data / "a.csv"
    path.write_text("1")
    scan(catalog, root)
    before = path.stat()
    path.write_text("2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert scan(catalog, root).changed == 1
    assert len(versions(catalog)) == 2


def test_a_rename_keeps_the_location_and_makes_no_version(
    catalog: Catalog, root: int, data: Path
) -> None:
    (data / "a.csv").write_text("1")
    scan(catalog, root)
    (data / "a.csv").rename(data / "b.csv")

    inventory = scan(catalog, root)

    assert (inventory.renamed, inventory.new, inventory.deleted) == (1, 0, 0)
    assert [path for path, _ in versions(catalog)] == [b"b.csv"]


def test_the_same_content_in_two_places_is_two_versions_with_one_hash(
    catalog: Catalog, root: int, data: Path
) -> None:
    (data / "a.csv").write_text("1")
    (data / "b.csv").write_text("1")
    scan(catalog, root)

    found = versions(catalog)

    assert len(found) == 2
    assert len({digest for _, digest in found}) == 1


def test_a_deleted_file_is_marked_and_its_version_stays(
    catalog: Catalog, root: int, data: Path
) -> None:
    (data / "a.csv").write_text("1")
    scan(catalog, root)
    (data / "a.csv").unlink()

    assert scan(catalog, root).deleted == 1
    assert len(versions(catalog)) == 1
    with catalog.reading() as session:
        assert session.scalars(select(FileLocation.state)).all() == [LocationState.DELETED]


def test_a_folder_that_lost_most_of_its_files_aborts_and_marks_nothing(
    catalog: Catalog, root: int, data: Path
) -> None:
    for number in range(40):
        (data / f"{number}.csv").write_text("1")
    scan(catalog, root)
    for number in range(30):
        (data / f"{number}.csv").unlink()

    with pytest.raises(SourceError, match="30 of 40"):
        scan(catalog, root)
    with catalog.reading() as session:
        assert set(session.scalars(select(FileLocation.state))) == {LocationState.PRESENT}
    assert scout.scan(catalog, root, accept_deletions=True).deleted == 30


def test_a_folder_that_vanished_marks_nothing_deleted(
    catalog: Catalog, root: int, data: Path
) -> None:
    (data / "a.csv").write_text("1")
    scan(catalog, root)
    data.rename(data.with_name("gone"))

    with pytest.raises(SourceError, match="gone"):
        scan(catalog, root)


def test_a_name_that_is_not_utf8_is_listed_hashed_and_shown(
    catalog: Catalog, root: int, data: Path
) -> None:
    (Path(os.fsdecode(os.fsencode(data) + b"/\xff\xfe.csv"))).write_text("1")
    scan(catalog, root)

    assert versions(catalog)[0][0] == b"\xff\xfe.csv"


@pytest.mark.parametrize(
    "name", [" lead.csv", "new\nline.csv", "quo'te.csv", "-dash.csv", "tab\t.csv"]
)
def test_awkward_names_are_taken_as_they_are(
    catalog: Catalog, root: int, data: Path, name: str
) -> None:
    (data / name).write_text("1")
    scan(catalog, root)

    assert versions(catalog)[0][0] == os.fsencode(name)


def test_walking_and_find_list_the_same(data: Path) -> None:
    (data / "sub" / "deep").mkdir(parents=True)
    (data / "sub" / "deep" / "a b.csv").write_text("12")
    (data / ".hidden").mkdir()
    (data / "link").symlink_to(data / "sub")
    os.mkfifo(data / "pipe")
    root = os.fsencode(data)
    find = listing._gnu_find()
    assert find is not None

    by_find, by_walk = listing._by_find(find, root), listing._by_walk(root)

    assert by_find.files.sort("path").equals(by_walk.files.sort("path"))
    assert by_find.skipped == by_walk.skipped


def test_times_keep_their_nanoseconds(data: Path) -> None:
    path = data / "a.csv"
    path.write_text("1")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))

    found = listing.list_files(os.fsencode(data)).files

    assert found["mtime_ns"].to_list() == [1_700_000_000_123_456_789]


def test_files_no_rule_wants_are_never_opened(catalog: Catalog, root: int, data: Path) -> None:
    (data / "secret.txt").write_text("1")
    before = (data / "secret.txt").stat().st_atime_ns
    scan(catalog, root)

    assert versions(catalog) == []
    assert (data / "secret.txt").stat().st_atime_ns == before


def test_an_unreadable_file_that_vanished_is_deleted(
    catalog: Catalog, root: int, data: Path
) -> None:
    (data / "a.csv").write_text("1")
    scout.scan(catalog, root)
    (data / "a.csv").unlink()
    tagger.tag_dirty(catalog, root)

    assert scout.scan(catalog, root).deleted == 1


def test_a_folder_taken_away_while_it_is_hashed_is_hashed_no_further(
    catalog: Catalog, root: int, data: Path
) -> None:
    for number in range(tagger.CHUNK + 1):
        (data / f"{number}.csv").write_text(str(number))
    scout.scan(catalog, root)

    def take_away(_done: int, _total: int) -> None:
        with catalog.writing() as session:
            session.get_one(SourceRoot, root).removed = datetime.now(UTC)

    tagger.tag_dirty(catalog, root, progress=take_away)

    assert len(versions(catalog)) == tagger.CHUNK

"""What the guest reads is exactly what was hashed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from casparian_flow.errors import SourceError
from engine import snapshot

CONTENT = b"a,b\n1,2\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def take(path: Path, digest: str, folder: Path, *, memory: int = 1 << 20) -> snapshot.Snapshot:
    return snapshot.take(
        os.fsencode(path), digest, memory_limit=memory, size_limit=1 << 30, folder=folder
    )


@pytest.fixture
def source(data: Path) -> Path:
    path = data / "a.csv"
    path.write_bytes(CONTENT)
    return path


def test_a_small_file_is_taken_into_memory_nobody_can_change(source: Path, tmp_path: Path) -> None:
    taken = take(source, DIGEST, tmp_path)

    assert taken.fd is not None
    with pytest.raises(PermissionError):
        os.write(taken.fd, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(taken.fd, 0)
    assert os.pread(taken.fd, 100, 0) == CONTENT
    os.close(taken.fd)


def test_a_larger_file_is_copied_into_the_folder(source: Path, tmp_path: Path) -> None:
    taken = take(source, DIGEST, tmp_path, memory=1)

    assert taken.path is not None
    assert taken.path.read_bytes() == CONTENT
    assert taken.path.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("memory", [1 << 20, 1])
def test_a_file_that_is_no_longer_the_hashed_one_is_refused(
    source: Path, tmp_path: Path, memory: int
) -> None:
    source.write_bytes(b"other")
    folder = tmp_path / "spool"
    folder.mkdir()

    with pytest.raises(SourceError, match="no longer"):
        take(source, DIGEST, folder, memory=memory)
    assert list(folder.iterdir()) == []


def test_a_file_over_the_limit_is_refused_with_the_setting(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        snapshot.take(os.fsencode(source), DIGEST, memory_limit=1, size_limit=1, folder=tmp_path)

    assert "snapshot_limit_mb" in caught.value.hint


def test_links_fifos_and_folders_are_never_opened(source: Path, data: Path) -> None:
    (data / "link").symlink_to(source)
    os.mkfifo(data / "pipe")

    for name in ("link", "pipe", "."):
        with pytest.raises(SourceError):
            snapshot.digest(os.fsencode(data / name))


def test_a_digest_is_sha256_of_the_bytes(source: Path) -> None:
    found = snapshot.digest(os.fsencode(source))

    assert (found.sha256, found.size) == (DIGEST, len(CONTENT))


def test_a_folder_swapped_for_a_link_leads_nowhere(data: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.csv").write_bytes(CONTENT)
    (data / "sub").symlink_to(elsewhere)

    with pytest.raises(SourceError, match="through a link"):
        snapshot.digest(os.fsencode(data / "sub" / "a.csv"))

"""A file as the sources in it, found by the bytes and not by names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from casparian_flow.reading.sources import sources

CONTENT = b"a,b\n1,2\n" * 1000


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType] - a str
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        archive.addfile(tarfile.TarInfo("folder"))
    return target.getvalue()


PACKED = {
    "plain": (CONTENT, [(None, ())]),
    "gzip": (gzip.compress(CONTENT[:800]) + gzip.compress(CONTENT[800:]), [(None, ("gzip",))]),
    "bzip2": (bz2.compress(CONTENT), [(None, ("bzip2",))]),
    "xz": (lzma.compress(CONTENT), [(None, ("xz",))]),
    "zstd": (pa.compress(CONTENT, codec="zstd", asbytes=True), [(None, ("zstd",))]),
    "zip": (zipped({"x/a.csv": CONTENT}), [("x/a.csv", ("zip",))]),
    "zip of gzip": (zipped({"a.csv.gz": gzip.compress(CONTENT)}), [("a.csv.gz", ("zip", "gzip"))]),
    "tar": (tarred({"a.csv": CONTENT}, "w"), [("a.csv", ("tar",))]),
    "tar in gzip": (tarred({"a.csv": CONTENT}, "w:gz"), [("a.csv", ("gzip", "tar"))]),
    "zip in tar": (
        tarred({"in.zip": zipped({"a.csv": CONTENT})}, "w"),
        [("in.zip::a.csv", ("tar", "zip"))],
    ),
}


@pytest.mark.parametrize("name", PACKED)
def test_layers_are_taken_off_by_what_the_bytes_say(tmp_path: Path, name: str) -> None:
    content, expected = PACKED[name]
    (tmp_path / "x.bin").write_bytes(content)

    found = [
        (one.member, one.packing, one.stream.read() == CONTENT)
        for one in sources(str(tmp_path / "x.bin"))
    ]

    wanted = [(member, packing, True) for member, packing in expected]
    assert [one for one in found if one[0] != "folder"] == wanted


def test_members_are_chosen_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.csv": b"1", "b.txt": b"2", "deep/c.csv": b"3"}))

    assert [one.member for one in sources(str(path), ["*.csv"])] == ["a.csv", "deep/c.csv"]


def test_nesting_ends_somewhere(tmp_path: Path) -> None:
    content = CONTENT
    for _ in range(10):
        content = zipped({"a.zip": content})
    (tmp_path / "a.zip").write_bytes(content)

    [one] = sources(str(tmp_path / "a.zip"))

    assert one.packing == ("zip",) * 4


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd", "zip", "tar in gzip"])
def test_a_damaged_file_is_an_error_and_no_shorter_file(tmp_path: Path, name: str) -> None:
    content = PACKED[name][0]
    (tmp_path / "x").write_bytes(content[: len(content) // 2])

    with pytest.raises((OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError)):
        [one.stream.read() for one in sources(str(tmp_path / "x"))]

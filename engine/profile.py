"""Say what a file looks like, from a bounded sample."""

from __future__ import annotations

from engine.formats import delimited, jsonlines, lines, sampling
from engine.formats.interface import Profile

_COMPRESSED = frozenset(("gzip", "bzip2", "xz", "zstd"))


def profile_file(path: bytes) -> Profile:
    """The profile of one file; reads at most 640 KiB of it.

    Raises:
        SourceError: gone, unreadable, or not a regular file.
    """
    head, size = sampling.read_parts(path)
    if size == 0:
        return Profile(format="empty", problems=("the file is empty",), fingerprint="empty")
    magic = sampling.magic_of(head)
    if magic is not None:
        compression = magic if magic in _COMPRESSED else None
        text = f"a {magic} file: give the plugin's source yourself, none is drafted for it yet"
        return Profile(
            format="binary" if compression else magic,
            compression=compression,
            problems=(text,),
            fingerprint=f"binary|{magic}",
        )
    sample = sampling.decode(path, head, size)
    if sample is None:
        text = "not text and of no known format: give the plugin's source yourself"
        return Profile(format="binary", problems=(text,), fingerprint="binary")
    for recognise in (jsonlines.recognise, lines.recognise, delimited.recognise):
        profile = recognise(sample)
        if profile is not None:
            return profile
    rows = tuple((line,) for line in sample.text.split("\n")[:50])
    text = "text of no known shape: give the plugin's source yourself"
    return Profile(
        format="text", encoding=sample.encoding, rows=rows, problems=(text,), fingerprint="text"
    )

"""The home of every topic: Parquet files that count once a ledger entry lists them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from casparian_flow.errors import SinkError
from engine.events import SetAside
from engine.sinks.interface import JobIdentity, Promotion, StagedFile
from engine.sinks.stamping import stamp, stamped_schema
from engine.states import QUARANTINE_SUFFIX

_ROW_GROUP_ROWS = 1 << 20
_ROW_GROUP_BYTES = 64 << 20
_LEDGER = "_ledger"
QUARANTINE_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("cut", pa.bool_()),
        ("code", pa.string()),
        ("field", pa.string()),
        ("byte_offset", pa.int64()),
        ("byte_length", pa.int64()),
        ("member", pa.string()),
        ("file", pa.string()),
        ("plugin", pa.string()),
    ]
)
"""Columns of a topic's quarantine; `field` is the column that did not fit, positions are those in
the (unpacked) source."""


@dataclass
class _Output:
    """One open Parquet file and the rows that wait for a full row group."""

    path: Path
    schema: pa.Schema
    writer: pq.ParquetWriter | None = None
    waiting: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    waiting_rows: int = 0
    waiting_bytes: int = 0
    rows: int = 0


class Staging:
    """The output of one attempt at one job, invisible until it is promoted."""

    def __init__(self, lake: Path, identity: JobIdentity) -> None:
        """Write below `lake`; names carry the attempt, so attempts never share a file."""
        self.identity = identity
        self._lake = lake
        self._outputs: dict[str, _Output] = {}
        self.quarantined = 0
        self.first_reason = ""
        self.rows: dict[str, int] = {}
        """Rows taken so far, by topic; those set aside are not among them."""

    def write(self, topic: str, batch: pa.RecordBatch) -> None:
        """Take rows of a topic; an empty batch announces the schema.

        Raises:
            SinkError: the file cannot be written (a full disk, say).
        """
        output = self._outputs.get(topic)
        if output is None:
            output = self._outputs[topic] = _Output(self._file(topic), batch.schema)
        if not topic.endswith(QUARANTINE_SUFFIX):
            self.rows[topic] = self.rows.get(topic, 0) + batch.num_rows
        output.waiting.append(batch)
        output.waiting_rows += batch.num_rows
        output.waiting_bytes += batch.nbytes
        if output.waiting_rows >= _ROW_GROUP_ROWS or output.waiting_bytes >= _ROW_GROUP_BYTES:
            self._flush(output)

    def set_aside(self, topic: str, records: Sequence[SetAside]) -> None:
        """Take records into the topic's quarantine."""
        self.first_reason = self.first_reason or records[0].reason
        one = self.identity
        rows = [
            (
                record.line, record.reason, record.raw, record.cut, record.code, record.column,
                record.offset, record.length, record.member, one.path,
                f"{one.plugin}@{one.version}",
            )
            for record in records
        ]  # fmt: skip
        arrays = [
            pa.array(column, kind)
            for column, kind in zip(zip(*rows, strict=True), QUARANTINE_SCHEMA.types, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=QUARANTINE_SCHEMA)
        self.write(topic + QUARANTINE_SUFFIX, batch)
        self.quarantined += len(records)

    def _file(self, topic: str) -> Path:
        one = self.identity
        folder = self._lake / topic / f"{one.location_id // 1000:06d}"
        name = (
            f"l{one.location_id}-v{one.file_version_id}-{one.sha256[:12]}-{one.artifact_hash[:12]}"
            f"-j{one.job_id}-a{one.attempt}.parquet"
        )
        return folder / name

    def _flush(self, output: _Output) -> None:
        """Write what waits as one row group."""
        if output.writer is None:
            self._open(output, output.path)
        self._write(output)

    def _open(self, output: _Output, where: Path | pa.BufferOutputStream) -> None:
        try:
            if isinstance(where, Path):
                where.parent.mkdir(parents=True, exist_ok=True)
            output.writer = _parquet_writer(where, output.schema)
        except OSError as error:
            raise SinkError(f"the lake at {self._lake} cannot be written: {error}") from error

    def _write(self, output: _Output) -> None:
        table = pa.Table.from_batches(output.waiting, schema=output.schema)
        stamped = stamp(
            table,
            job_id=self.identity.job_id,
            file_version_id=self.identity.file_version_id,
            first_row=output.rows,
        )
        writer = output.writer
        try:
            if writer is not None:
                writer.write_table(stamped, row_group_size=_ROW_GROUP_ROWS)
        except OSError as error:
            raise SinkError(f"the lake at {self._lake} cannot be written: {error}") from error
        output.rows += table.num_rows
        output.waiting, output.waiting_rows, output.waiting_bytes = [], 0, 0

    def close(self) -> list[StagedFile]:
        """Finish the files; nobody can see them yet, and promotion makes them durable.

        Raises:
            SinkError: the disk did not take them.
        """
        staged: list[StagedFile] = []
        for topic, output in self._outputs.items():
            try:
                size, digest = self._finish(output)
            except OSError as error:
                raise SinkError(f"the lake at {self._lake} cannot be written: {error}") from error
            path = output.path.relative_to(self._lake).as_posix()
            staged.append(StagedFile(topic, path, output.rows, size, digest))
        return staged

    def _finish(self, output: _Output) -> tuple[int, str]:
        """Close one file; a small one is made in memory and written in one piece."""
        if output.writer is None:
            buffer = pa.BufferOutputStream()
            self._open(output, buffer)
            self._write(output)
            _close(output)
            content = buffer.getvalue()
            output.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(output.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(fd, view) :]
                _begin_writing(fd)
            finally:
                os.close(fd)
            return content.size, hashlib.sha256(content).hexdigest()
        self._write(output)
        _close(output)
        return _measured(output.path)

    def abandon(self) -> None:
        """Remove what this attempt wrote."""
        for output in self._outputs.values():
            if output.writer is not None:
                with contextlib.suppress(OSError):
                    output.writer.close()
            output.path.unlink(missing_ok=True)


def _close(output: _Output) -> None:
    if output.writer is not None:
        output.writer.close()


def _parquet_writer(path: Path | pa.BufferOutputStream, schema: pa.Schema) -> pq.ParquetWriter:
    # Dictionary pages pay off for text; for numbers they cost 40 % of the writing time.
    text = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
    return pq.ParquetWriter(
        path,
        stamped_schema(schema),
        compression="snappy",
        use_dictionary=text or False,  # pyright: ignore[reportArgumentType] - a list of columns is allowed
    )


def _measured(path: Path) -> tuple[int, str]:
    """Size and digest of a finished file; the kernel begins to write it out meanwhile."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = hashlib.sha256()
        while chunk := os.read(fd, 1 << 20):
            content.update(chunk)
        _begin_writing(fd)
        return os.fstat(fd).st_size, content.hexdigest()
    finally:
        os.close(fd)


def _begin_writing(fd: int) -> None:
    """Have the kernel allocate and write a file's pages without waiting.

    Only then do the fsyncs of a batch share one journal commit: 64 small files take two commits
    instead of 64.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def find_promotion(lake: Path, identity: JobIdentity) -> Promotion | None:
    """What the ledger holds for a job's key, whoever promoted it."""
    try:
        entry = json.loads((lake / _LEDGER / f"{identity.ledger_key}.json").read_bytes())
    except FileNotFoundError:
        return None
    return _promotion(cast("dict[str, object]", entry), is_mine=False)


def promote(
    lake: Path, staged: Sequence[tuple[Staging, list[StagedFile], dict[str, object]]]
) -> list[Promotion]:
    """Make finished attempts count, each through one ledger entry that lists all its files.

    `link` puts the entry only if there is none: whoever comes second finds the first one's rows in
    force and removes its own. Third item of each: the receipt, kept in the entry.

    Raises:
        SinkError: an entry could not be written; the jobs before it are promoted.
    """
    ledger = lake / _LEDGER
    files = [lake / file.path for _, outputs, _ in staged for file in outputs]
    try:
        ledger.mkdir(exist_ok=True)
        entries = [_write_entry(ledger, *one) for one in staged]
        try:
            _sync([*files, *entries])
            _sync({path.parent for path in files})
            promotions = [
                _commit(lake, ledger, draft, staging, outputs)
                for draft, (staging, outputs, _) in zip(entries, staged, strict=True)
            ]
            _sync([ledger])
        finally:
            for draft in entries:
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise SinkError(f"the ledger at {ledger} cannot be written: {error}") from error
    return promotions


def _write_entry(
    ledger: Path, staging: Staging, files: list[StagedFile], receipt: dict[str, object]
) -> Path:
    """Write a job's entry under a name that no reader looks at."""
    identity = staging.identity
    entry = {
        "identity": _plain(identity),
        "files": [_plain(file) for file in files],
        "quarantined": staging.quarantined,
        "receipt": receipt,
        "committed": datetime.now(UTC).isoformat(),
    }
    draft = ledger / f".{identity.ledger_key}.{identity.job_id}-{identity.attempt}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(entry, separators=(",", ":")).encode())
        _begin_writing(fd)
    finally:
        os.close(fd)
    return draft


def _plain(value: JobIdentity | StagedFile) -> dict[str, object]:
    """A flat value as JSON; `asdict` copies deeply, at ten times the price."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _commit(
    lake: Path, ledger: Path, draft: Path, staging: Staging, files: list[StagedFile]
) -> Promotion:
    identity = staging.identity
    try:
        os.link(draft, ledger / f"{identity.ledger_key}.json")
    except FileExistsError:
        first = find_promotion(lake, identity)
        if first is None:
            raise
        if first.identity.attempt != identity.attempt or first.identity.job_id != identity.job_id:
            staging.abandon()
        return first
    return Promotion(identity, tuple(files), staging.quarantined, is_mine=True)


def _promotion(entry: dict[str, object], *, is_mine: bool) -> Promotion:
    identity = JobIdentity(**cast("dict[str, object]", entry["identity"]))  # pyright: ignore[reportArgumentType] - our own file
    files = tuple(
        StagedFile(**cast("dict[str, object]", file))  # pyright: ignore[reportArgumentType] - our own file
        for file in cast("list[object]", entry["files"])
    )
    return Promotion(identity, files, cast("int", entry["quarantined"]), is_mine)


def _sync(paths: Iterable[Path]) -> None:
    """Make files, or the names in folders, durable."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def sweep_orphans(lake: Path) -> int:
    """Remove files that no ledger entry lists: what crashed attempts left. No worker may run."""
    listed: set[str] = set()
    for entry in (lake / _LEDGER).glob("*.json"):
        listed |= {file["path"] for file in json.loads(entry.read_bytes())["files"]}
    count = 0
    for path in lake.glob("*/*/*.parquet"):
        if path.relative_to(lake).as_posix() not in listed:
            path.unlink()
            count += 1
    for draft in (lake / _LEDGER).glob(".*"):
        draft.unlink()
    return count


def ledger_entries(lake: Path) -> Iterable[Promotion]:
    """Every promotion the lake holds."""
    for entry in sorted((lake / _LEDGER).glob("*.json")):
        yield _promotion(json.loads(entry.read_bytes()), is_mine=False)

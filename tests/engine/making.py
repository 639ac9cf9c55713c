"""Make small files of formats that no library here writes, and keep what plugins make of them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

import pyarrow as pa

from casparian_flow.sdk import NOWHERE, BasePlugin, Position
from engine.drafting import draft_source
from engine.profile import profile_file
from gatekeeper.rules import inspect_files

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override '
    'PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/>{sheets}</Types>'
)
_SHEET_TYPE = (
    '<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.worksheet+xml"/>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """An Excel workbook: sheet → rows of texts, numbers and None."""
    names = list(sheets)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(names) + 1)
    )
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>'
        for n, name in enumerate(names, 1)
    )
    parts = {
        "[Content_Types].xml": _TYPES.format(
            sheets="".join(_SHEET_TYPE.format(n=n) for n in range(1, len(names) + 1))
        ),
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>',
    }
    for number, rows in enumerate(sheets.values(), 1):
        body = "".join(
            f'<row r="{r}">{"".join(_cell(value, r, c) for c, value in enumerate(row))}</row>'
            for r, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>'
        )
    return zipped({name: text.encode() for name, text in parts.items()})


def _cell(value: object, row: int, column: int) -> str:
    place = f"{chr(ord('A') + column)}{row}"
    if value is None:
        return ""
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def zipped(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


class Kept:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.columns: list[str] = []
        """Of the newest batch."""
        self.aside: list[tuple[str, int | None]] = []
        self.read = self.skipped = 0

    def publish(self, topic: str, data: object) -> None:
        batch = cast("pa.RecordBatch", data)
        self.columns = batch.schema.names
        self.rows.setdefault(topic, []).extend(batch.to_pylist())

    def quarantine(
        self, record: object, reason: str, line: int | None, position: Position = NOWHERE
    ) -> None:
        assert reason
        assert record is not None
        str(record).encode()  # raises where it cannot be stored
        self.aside.append((position.code, line))

    def account(self, read: int, skipped: Mapping[str, int]) -> None:
        self.read += read
        self.skipped += sum(skipped.values())


def drafted(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    source = draft_source(profile_file(os.fsencode(folder / name)), topic="t", pattern="*").source
    assert inspect_files({"plugin.py": source.encode()}, entry="plugin.py") == ()
    return source


def run(source: str, path: Path) -> Kept:
    """What a drafted plugin makes of a file; its accounts agree."""
    namespace: dict[str, Any] = {}
    exec(compile(source, "plugin.py", "exec"), namespace)
    kept = Kept()
    plugin = cast("type[BasePlugin]", namespace["Handler"])(kept)
    plugin.execute(str(path))
    count = sum(len(rows) for rows in kept.rows.values())
    assert kept.read == count + len(kept.aside) + kept.skipped
    return kept


Odd = tuple[str | bytes, list[str], list[list[Any]], int]
"""A file's content, its columns, its first rows, and how many records are set aside."""


def read_whole(folder: Path, name: str, odd: Odd) -> None:
    """Draft a plugin for a file, run it, and account for every record."""
    content, columns, rows, aside = odd
    raw = content.encode() if isinstance(content, str) else content
    kept = run(drafted(folder, name, raw), folder / name)

    [found] = kept.rows.values() if kept.rows else [[]]
    names = [name for name in kept.columns if not name.startswith("_")]
    assert names == columns
    assert [[row[one] for one in names] for row in found][: len(rows)] == rows
    assert len(kept.aside) == aside
    assert kept.read == len(found) + kept.skipped + aside

"""Write a plugin that reads JSON lines."""

from __future__ import annotations

from engine.formats.interface import Profile
from engine.templates.typing import CONVERTERS, conversions, header_comment, literal

_KINDS = {"int64": "pa.int64()", "double": "pa.float64()", "bool": "pa.bool_()"}

_BODY = '''import json

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern={pattern}, topic={topic})

ENCODING = {encoding}
ROWS_AT_ONCE = 20000
{constants}

class Handler(BasePlugin):
    """Reads one JSON object a line."""

    def execute(self, path):
        rows = []
        with open(path, encoding=ENCODING) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = self.parse(line, number)
                if row is not None:
                    rows.append(row)
                if len(rows) == ROWS_AT_ONCE:
                    self.publish({topic}, self.convert(rows))
                    rows = []
        if rows:
            self.publish({topic}, self.convert(rows))

    def convert(self, rows):
        """Give each column its type; records with a value that does not fit are set aside."""
        fits_all = None
        columns = {{}}
        for name in KINDS:
            values = pa.array([row[name] for row in rows], TYPES[name])
            value = CONVERT[name](values) if name in CONVERT else values
            if value.null_count != values.null_count:
                good = pc.equal(pc.is_null(value), pc.is_null(values))
                fits_all = good if fits_all is None else pc.and_(fits_all, good)
            columns[name] = value
        table = pa.RecordBatch.from_pydict(columns)
        if fits_all is None:
            return table
        for row, good in zip(rows, fits_all.to_pylist()):
            if not good:
                self.quarantine(row, "a value does not have its column's type", line=row["_line"])
        return table.filter(fits_all)

    def parse(self, line, number):
        """One record as plain values; a line that does not fit is set aside with the reason."""
        try:
            record = json.loads(line)
        except ValueError as error:
            self.quarantine(line, f"not JSON: {{error}}", line=number)
            return None
        if not isinstance(record, dict):
            self.quarantine(line, "not a JSON object", line=number)
            return None
        unknown = [name for name in record if name not in KINDS]
        if unknown:
            self.quarantine(line, f"unknown fields: {{', '.join(unknown)}}", line=number)
            return None
        row = {{"_line": number}}
        for name, kind in KINDS.items():
            value = record.get(name)
            if value is not None and not fits(value, kind):
                self.quarantine(line, f"{{name}} is not {{kind}}", line=number)
                return None
            if kind == "json" and value is not None:
                value = json.dumps(value, ensure_ascii=False)
            row[name] = value
        return row


def fits(value, kind):
    """Whether a JSON value has the kind of its column."""
    if kind == "json":
        return True
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)

{converters}

KINDS = {kinds}
TYPES = {types}
CONVERT = {convert}
'''


def draft(profile: Profile, *, topic: str, pattern: str) -> tuple[str, list[str]]:
    """The source, and what a person should decide."""
    texts = [column for column in profile.columns if column.type in ("date", "timestamp", "string")]
    convert, used, constants, open_points = conversions(texts)
    kinds = {
        "int64": "integer",
        "double": "number",
        "bool": "bool",
        "json": "json",
    }
    kind_lines = [
        f"    {literal(column.name)}: {literal(kinds.get(column.type, 'text'))},"
        for column in profile.columns
    ]
    type_lines = [
        f"    {literal(column.name)}: {_KINDS.get(column.type, 'pa.string()')},"
        for column in profile.columns
    ]
    source = _BODY.format(
        pattern=literal(pattern),
        topic=literal(topic),
        encoding=literal(profile.encoding or "utf-8"),
        constants=constants,
        converters="\n\n".join(CONVERTERS[name] for name in used),
        kinds="{\n" + "\n".join(kind_lines) + "\n}",
        types="{\n" + "\n".join(type_lines) + "\n}",
        convert=convert,
    )
    return header_comment(profile, open_points) + source, open_points

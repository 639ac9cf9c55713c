"""Write a plugin that reads delimited text."""

from __future__ import annotations

from engine.formats.interface import ColumnProfile, Profile
from engine.templates.typing import CONVERTERS, conversions, header_comment, literal

_BODY = '''import csv

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern={pattern}, topic={topic})

ENCODING = {encoding}
DELIMITER = {delimiter}
QUOTE = {quote}
SKIP_LINES = {skip}
HAS_HEADER = {header}
COLUMNS = {columns}
MISSING = {missing}
{constants}

class Handler(BasePlugin):
    """Reads {what}."""

    def execute(self, path):
        with open(path, "rb") as file:
            if not file.read(1):
                return  # an empty file holds no records
        names = self.names(path) if HAS_HEADER else COLUMNS
        if not names:
            return  # nothing below the lines that are skipped
        for batch in self.read(path, names):
            self.publish({topic}, self.convert(batch))

    def names(self, path):
        """The columns in this file's own order; another header is another kind of file."""
        with open(path, encoding=ENCODING, newline="") as file:
            for _ in range(SKIP_LINES):
                file.readline()
            cells = next(csv.reader(file, delimiter=DELIMITER, quotechar=QUOTE), [])
        seen = {{}}
        names = []
        for number, cell in enumerate(cells, 1):
            name = cell.strip().lstrip("\\ufeff") or f"column_{{number}}"
            seen[name] = seen.get(name, 0) + 1
            names.append(name if seen[name] == 1 else f"{{name}}_{{seen[name]}}")
        if cells and sorted(names) != sorted(COLUMNS):
            raise ValueError(f"the header names {{names}}, this plugin reads {{COLUMNS}}")
        return names

    def read(self, path, names):
        """Stream the records as text, in batches; lines that do not fit are set aside."""
        return pv.open_csv(
            path,
            read_options=pv.ReadOptions(
                encoding=ENCODING,
                skip_rows=SKIP_LINES + HAS_HEADER,
                column_names=names,
                block_size=4 << 20,
                use_threads=False,
            ),
            parse_options=pv.ParseOptions(
                delimiter=DELIMITER,
                quote_char=QUOTE,
                newlines_in_values=True,
                invalid_row_handler=self.set_aside,
            ),
            convert_options=pv.ConvertOptions(
                column_types={{name: pa.string() for name in COLUMNS}},
                strings_can_be_null=False,
            ),
        )

    def set_aside(self, row):
        """Keep a line with too few or too many fields out of the table, with the reason."""
        reason = f"{{row.actual_columns}} fields instead of {{row.expected_columns}}"
        self.quarantine(row.text, reason, line=row.number)
        return "skip"

    def convert(self, batch):
        """Give each column its type; records with a value that does not fit are set aside."""
        columns = {{name: batch.column(name) for name in COLUMNS}}
        missing = pa.array(MISSING)
        wrong = {{}}
        converted = {{}}
        for name, text in columns.items():
            text = pc.if_else(pc.is_in(pc.utf8_trim_whitespace(text), missing), None, text)
            value = CONVERT[name](text) if name in CONVERT else text
            if value.null_count != text.null_count:
                wrong[name] = pc.and_(pc.is_null(value), pc.is_valid(text))
            converted[name] = value
        table = pa.RecordBatch.from_pydict(converted)
        if not wrong:
            return table
        bad_ones = None
        for misfit in wrong.values():
            bad_ones = misfit if bad_ones is None else pc.or_(bad_ones, misfit)
        records = batch.filter(bad_ones).to_pylist()
        faults = [misfit.filter(bad_ones).to_pylist() for misfit in wrong.values()]
        for record, *bad in zip(records, *faults):
            named = [name for name, is_bad in zip(wrong, bad) if is_bad]
            kinds = [f"{{name}} is not {{converted[name].type}}" for name in named]
            self.quarantine(record, "; ".join(kinds))
        return table.filter(pc.invert(bad_ones))

{converters}

CONVERT = {convert}
'''


def draft(profile: Profile, *, topic: str, pattern: str) -> tuple[str, list[str]]:
    """The source, and what a person should decide."""
    convert, used, constants, open_points = conversions(profile.columns)
    dialect = profile.dialect
    source = _BODY.format(
        pattern=literal(pattern),
        topic=literal(topic),
        encoding=literal(_encoding(profile.encoding)),
        delimiter=literal(str(dialect["delimiter"])),
        quote=literal(str(dialect["quote"])),
        skip=dialect["preamble_lines"],
        header=bool(profile.header),
        columns=literal([column.name for column in profile.columns]),
        missing=literal(_missing(profile.columns)),
        constants=constants,
        what="comma-separated text" if dialect["delimiter"] == "," else "delimited text",
        converters="\n\n".join(CONVERTERS[name] for name in used),
        convert=convert,
    )
    return header_comment(profile, open_points) + source, open_points


def _encoding(encoding: str | None) -> str:
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16"}.get(encoding or "", encoding or "utf-8")


def _missing(columns: tuple[ColumnProfile, ...]) -> list[str]:
    """Spellings of a missing value; words only where a typed column uses them."""
    return ["", *sorted({word for column in columns for word in column.null_words})]

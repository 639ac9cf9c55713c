"""Write a plugin that reads delimited text."""

from __future__ import annotations

from engine.formats.interface import ColumnProfile, Profile
from engine.templates.typing import CONVERTERS, conversions, header_comment, literal

_BODY = '''import pyarrow as pa
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
        for batch in self.read(path):
            self.publish({topic}, self.convert(batch))

    def read(self, path):
        """Stream the records as text, in batches; lines that do not fit are set aside."""
        return pv.open_csv(
            path,
            read_options=pv.ReadOptions(
                encoding=ENCODING,
                skip_rows=SKIP_LINES + HAS_HEADER,
                column_names=COLUMNS,
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
        fits = None
        converted = {{}}
        for name, text in columns.items():
            text = pc.if_else(pc.is_in(pc.utf8_trim_whitespace(text), missing), None, text)
            value = CONVERT[name](text) if name in CONVERT else text
            if value.null_count != text.null_count:
                good = pc.equal(pc.is_null(value), pc.is_null(text))
                fits = good if fits is None else pc.and_(fits, good)
            converted[name] = value
        table = pa.RecordBatch.from_pydict(converted)
        if fits is None:
            return table
        for record in batch.filter(pc.invert(fits)).to_pylist():
            self.quarantine(record, "a value does not have its column's type")
        return table.filter(fits)

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

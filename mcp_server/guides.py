"""Short guides a model reads before it writes."""

from __future__ import annotations

GUIDES = {
    "authoring": """# Writing a plugin

One file, plugin.py. Start from `draft_plugin`: it names what it reads and how.

```python
from casparian_flow.reading import delimited
from casparian_flow.reading.columns import typed
from casparian_flow.reading.sources import sources
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="sales-*.csv", topic="sales")

COLUMNS = {"id": ("integer",), "day": ("date", "%d/%m/%Y"), "amount": ("number", "decimal comma")}


class Handler(BasePlugin):
    def execute(self, path):
        for source in sources(path):
            for batch in typed(delimited.read(source, delimiter=";"), COLUMNS, self):
                self.publish("sales", batch)
```

- Readers: delimited, fixed_width, grids, json_text (by_line, document), json_columns, xml_text,
  html_tables, loglines, w3c_logs, pairs (logfmt, fix, settings), mail, ofx, stanzas (paragraphs,
  blocks, cards), tables (parquet, arrow, orc, sqlite, workbook, binary). Parquet, Arrow, ORC and
  binary records have their types: `counted(batches, self)` takes the place of `typed`. `sources`
  unpacks gzip, zip, tar and the like.
- Kinds: text, integer, number, truth, date, time, json. `optional=`, `renamed=`, `missing=` and
  `other=` of `typed` say what drifts. Misfits are set aside with line and reason by themselves.
- Without a reader: yield dicts, `self.quarantine(row, reason, line=n)` what does not fit, and
  `self.account(read=n)` so that nothing is lost silently.
- `publish` takes a pandas or polars DataFrame, an Arrow table, or an iterable of dicts; generators
  stream. Publish every batch with the same columns and types.
- A record that does not fit goes to `quarantine` with a reason; never drop it.
- With several topics give `topic=` to `typed` and `quarantine`: each has a quarantine of its own.
- A topic has a contract. `agreement` in the validation says how your columns differ from it: what
  is REFUSED or TO DECIDE is for a person (`casparian contract TOPIC`), so say it and go on without.
- Leave codes with leading zeros as text. Do not guess dd/mm against mm/dd: say so.
- `_job_id`, `_file_version_id` and `_row` are stamped by the host.
""",
    "rules": """# What the gatekeeper allows

Allow-listed names of csv, json, re, datetime, decimal, gzip, zipfile, xml.etree, pandas, polars,
pyarrow and a few more. No network, no processes, no writing, no dynamic code, no underscore
attributes of others, no string dispatch, no code at import. Each finding names the line, the rule
and the fix: mend exactly that and validate again.
""",
    "query": """# Asking

One DuckDB SELECT. `sales` holds the current rows, `sales_history` every version,
`sales_quarantine` what was set aside. Every row has `_job_id`, `_file_version_id` and `_row`: pass
them to `query_lineage`. `get_datasets` says how complete a topic is; say so with the answer.
""",
}

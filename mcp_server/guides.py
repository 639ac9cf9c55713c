"""Short guides a model reads before it writes."""

from __future__ import annotations

GUIDES = {
    "authoring": """# Writing a plugin

One file, plugin.py:

```python
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="sales")


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("sales", self.rows(path))

    def rows(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                try:
                    yield {"id": int(row["id"]), "amount": float(row["amount"])}
                except (KeyError, ValueError) as error:
                    self.quarantine(row, str(error), line=number)
```

- `publish` takes a pandas or polars DataFrame, an Arrow table, or an iterable of dicts; generators
  stream. Publish every batch with the same columns and types.
- A record that does not fit goes to `quarantine` with a reason; never drop it.
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

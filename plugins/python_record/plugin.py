"""The RECORD file of an installed Python package: what it installed, with hash and size."""

import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*RECORD*", topic="installed_files")


class Handler(BasePlugin):
    """Reads the format of the packaging guide: path, algorithm=digest, size; no header."""

    def execute(self, path):
        """Publish one row a file; a line that is none is set aside."""
        self.publish("installed_files", self.rows(path))

    def rows(self, path):
        """Yield path, algorithm, digest and size of each line."""
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            for fields in reader:
                if len(fields) != 3 or not (fields[2].isdigit() or not fields[2]):
                    self.quarantine(fields, "not path, hash and size", line=reader.line_num)
                    continue
                algorithm, _, digest = fields[1].partition("=")
                yield {
                    "path": fields[0],
                    "algorithm": algorithm or None,
                    "digest": digest or None,
                    "size_bytes": int(fields[2]) if fields[2] else None,
                }

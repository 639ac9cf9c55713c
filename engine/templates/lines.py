"""Write a plugin that reads a line log."""

from __future__ import annotations

from engine.formats.interface import Profile
from engine.formats.lines import SHAPES
from engine.templates.typing import header_comment, literal

_BODY = '''import re
from datetime import datetime

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern={pattern}, topic={topic})

ENCODING = {encoding}
ENTRY = re.compile(
{pattern_lines}
)
NUMBERS = {numbers}
TIMES = {times}
CONTINUES = {continues}


class Handler(BasePlugin):
    """Reads {what}."""

    def execute(self, path):
        self.publish({topic}, self.entries(path))

    def entries(self, path):
        """Yield one row an entry; lines that belong to none are set aside."""
        row = None
        with open(path, encoding=ENCODING, errors="backslashreplace") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\\n")
                if not line.strip():
                    continue
                found = ENTRY.fullmatch(line)
                if found is None and CONTINUES and row is not None:
                    row["message"] = row["message"] + "\\n" + line
                    continue
                if row is not None:
                    yield row
                    row = None
                if found is None:
                    self.quarantine(line, "not an entry of this log", line=number)
                    continue
                row = self.typed(found.groupdict(), line, number)
        if row is not None:
            yield row

    def typed(self, fields, line, number):
        """One entry with its types; one whose values do not fit is set aside."""
        row = {{"_line": number}}
        for name, text in fields.items():
            if text is None or (text == "-" and name != "message"):
                row[name] = None
                continue
            try:
                if name in NUMBERS:
                    row[name] = int(text)
                elif name in TIMES:
                    row[name] = datetime.strptime(text, TIMES[name])
                else:
                    row[name] = text
            except ValueError:
                self.quarantine(line, f"{{name}} does not fit its type", line=number)
                return None
        return row
'''


def draft(profile: Profile, *, topic: str, pattern: str) -> tuple[str, list[str]]:
    """The source, and what a person should decide."""
    shape = next(one for one in SHAPES if one.name == profile.dialect["shape"])
    times = {one.name: one.candidates[0] for one in profile.columns if one.type == "timestamp"}
    numbers = sorted(name for name, kind in shape.types.items() if kind == "int64")
    pieces = [shape.pattern[i : i + 80] for i in range(0, len(shape.pattern), 80)]
    source = _BODY.format(
        pattern=literal(pattern),
        topic=literal(topic),
        encoding=literal(profile.encoding or "utf-8"),
        pattern_lines="\n".join(f"    {literal(piece)}" for piece in pieces),
        numbers=literal(numbers),
        times="{"
        + ", ".join(f"{literal(name)}: {literal(form)}" for name, form in times.items())
        + "}",
        continues=shape.has_continuations,
        what=shape.name,
    )
    return header_comment(profile, []) + source, []

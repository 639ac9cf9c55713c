"""Write rows as text a model reads cheaply."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import cast

from mcp_types import CallToolResult, TextContent

from mcp_server.door import answer


def with_rows_as(form: str, result: dict[str, object]) -> CallToolResult:
    """A query's result; the text channel carries the rows in the form asked for."""
    if form == "json":
        return answer(result)
    columns = cast("list[str]", result["columns"])
    rows = cast("list[list[object]]", result["rows"])
    body = _csv(columns, rows) if form == "csv" else _markdown(columns, rows)
    facts = {
        key: value
        for key, value in result.items()
        if key not in ("columns", "rows", "summary") and value not in (None, [])
    }
    head = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    text = f"{result['summary']}\n{head}\n\n{body}"
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=dict(result)
    )


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return text.getvalue()


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [_line(columns), _line(["---"] * len(columns))]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(cell: object) -> str:
    """One cell that neither opens a new cell nor a new line of the table."""
    text = "" if cell is None else str(cell)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\r", "").replace("\n", "<br>")

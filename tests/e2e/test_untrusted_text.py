"""What strangers write reaches terminals and models as text, and as nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from mcp_server.tabular import with_rows_as
from tests.conftest import House
from tests.doors import call, casparian, server

EVIL = "\x1b[31m\x1b]0;owned\x07\u202egpj\U000e0041 [red]x[/red] [link=http://e]y[/link] :warning:"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
SOURCE = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.txt", topic="notes")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            text = file.read()
        print(text)
        if "fail" in text:
            raise ValueError(text)
        self.quarantine(text, "not this: " + text, line=1)
        self.publish("notes", [{"note": text, text: 1}])
"""


@pytest.fixture
def hostile(house: House, data: Path) -> House:
    """A home whose rows, columns, logs, errors and quarantine hold hostile text."""
    (data / "good.txt").write_text(EVIL + "\n")
    (data / f"{EVIL.replace('/', '')}.txt").write_text(EVIL + "\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "good.txt")], source=SOURCE)
    (data / "bad.txt").write_text("fail\n" + EVIL)
    house.call("scan", path=str(data))
    house.settle(plugin="notes")
    return house


@pytest.mark.usefixtures("arrow_environment")
def test_no_tool_resource_or_error_hands_a_model_control_or_bidi_characters(
    hostile: House, data: Path
) -> None:
    said: list[str] = []

    async def story() -> None:
        with anyio.fail_after(60):
            async with Client(server(hostile, data)) as client:
                overview = await call(client, "get_overview")
                assert overview["jobs"]["done"] == 2, overview["jobs"]
                for tool, arguments in (
                    ("get_overview", {}),
                    ("scan", {"path": str(data)}),
                    ("find_files", {}),
                    ("preview_file", {"file": str(data / "good.txt")}),
                    ("get_plugins", {"include": ["source", "manifest", "history"]}),
                    ("get_jobs", {"include": ["log", "receipt"]}),
                    ("get_datasets", {"include": ["sample", "quarantine"]}),
                    ("query", {"sql": "SELECT * FROM notes", "format": "csv"}),
                    ("query", {"sql": "SELECT * FROM notes_quarantine", "format": "markdown"}),
                    ("query", {"sql": "SELECT * FROM notes", "format": "json"}),
                    ("query", {"sql": f'SELECT "{EVIL}" FROM notes'}),
                    ("query", {"sql": "SELECT 1", EVIL: 1}),
                    ("query_lineage", {"target": {"topic": "notes"}}),
                    ("explain", {"subject": str(data / "bad.txt")}),
                    ("explain", {"subject": EVIL}),
                ):  # fmt: skip
                    result = await client.call_tool(tool, arguments)
                    said.append(dumped(result.model_dump(mode="json")))
                for uri in ("job/job-1/log", "dataset/notes/schema", "lineage/notes"):
                    read = await client.read_resource(f"casparian://{uri}")
                    said.append(dumped(read.model_dump(mode="json")))
                with pytest.raises(MCPError) as failed:
                    await client.read_resource("casparian://dataset/%E2%80%AE/schema")
                said.append(str(failed.value))
                prompt = await client.get_prompt("diagnose_job", {"job": EVIL})
                said.append(dumped(prompt.model_dump(mode="json")))

    anyio.run(story)
    assert [one for one in said if UNSAFE.search(one)] == []
    assert any("\\u202e" in one for one in said)


def dumped(value: Any) -> str:
    """Every string of a result as it is, line breaks between them."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(f"{dumped(key)}\n{dumped(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "\n".join(map(dumped, value))
    return str(value)


@pytest.mark.usefixtures("arrow_environment")
def test_a_terminal_shows_hostile_text_as_text(hostile: House, data: Path) -> None:
    said = {
        words: casparian(hostile, *words, code=code)
        for words, code in (
            (("scan", str(data)), 0),
            (("files",), 0),
            (("preview", str(data / "good.txt")), 0),
            (("plugins", "notes", "--source"), 0),
            (("jobs",), 0),
            (("jobs", "job-1", "--log"), 4),
            (("datasets", "notes", "--sample"), 0),
            (("query", "SELECT * FROM notes"), 0),
            (("query", "SELECT * FROM notes", "--json"), 0),
            (("query", f'SELECT "{EVIL}" FROM notes'), 1),
            (("lineage", "notes"), 0),
            (("explain", str(data / "bad.txt")), 0),
        )
    }

    assert {words: text for words, text in said.items() if UNSAFE.search(text)} == {}
    told = said["query", "SELECT * FROM notes"]
    assert "[red]x[/red] [link=http://e]y[/link] :warning:" in told
    as_json = json.loads(said["query", "SELECT * FROM notes", "--json"])
    assert as_json["rows"][0][0] == EVIL + "\n"


def test_text_of_any_length_is_cut_for_a_model_but_what_a_person_decides_on_is_not() -> None:
    from mcp_server.untrusted import for_model

    result = for_model({"summary": "x" * 10_000, "review": "y" * 100_000, "log": "a\n\tb"})

    assert len(str(result["summary"])) < 4_100
    assert "6000 more characters" in str(result["summary"])
    assert result["review"] == "y" * 100_000
    assert result["log"] == "a\n\tb"


def test_a_cell_stays_in_its_cell_of_a_markdown_table() -> None:
    found: dict[str, object] = {
        "summary": "1 row.",
        "columns": ["a", "b"],
        "rows": [["x\n| y | z |", "w\\|"]],
    }

    [content] = with_rows_as("markdown", found).content

    assert isinstance(content, TextContent)
    table = content.text.partition("\n\n")[2].splitlines()
    assert table[2:] == ["| x<br>\\| y \\| z \\| | w\\\\\\| |"]

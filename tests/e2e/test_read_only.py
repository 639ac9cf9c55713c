"""A read-only installation offers no tool that writes, and its engine refuses them all the same."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from mcp import Client

from casparian_flow.errors import ConfigError
from mcp_server.door import Door
from mcp_server.server import build
from tests.conftest import House
from tests.doors import call, casparian, server

WRITES = {
    "scan": {"path": "/"},
    "draft_plugin": {"files": ["file-1"]},
    "validate_plugin": {"draft": "draft-a-1"},
    "publish_plugin": {"draft": "draft-a-1", "digest": "0"},
    "run_job": {"plugin": "a"},
    "cancel_job": {"jobs": ["job-1"]},
    "retry_job": {"jobs": ["job-1"]},
}


def make_read_only(house: House, data: Path) -> None:
    """One scanned folder, then an operator closes the installation."""
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.stop()
    (house.home.root / "config.toml").write_text("read_only = true\n")


@pytest.mark.parametrize("how", ["config.toml", "environment"])
def test_a_read_only_server_hides_every_tool_that_writes(
    house: House, data: Path, how: str
) -> None:
    environment = {"CASPARIAN_READ_ONLY": "true"} if how == "environment" else {}
    if how == "config.toml":
        make_read_only(house, data)

    async def story() -> set[str]:
        with anyio.fail_after(60):
            async with Client(server(house, data, **environment)) as client:
                await call(client, "get_overview")
                return {tool.name for tool in (await client.list_tools()).tools}

    offered = anyio.run(story)
    assert offered
    assert offered.isdisjoint(WRITES)


def test_a_server_that_hides_nothing_is_refused_by_a_read_only_engine(
    house: House, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(house, data)
    monkeypatch.setenv("CASPARIAN_HOME", str(house.home.root))
    door = Door()
    hides_nothing = build(door)

    async def story() -> dict[str, str]:
        with anyio.fail_after(60):
            async with Client(hides_nothing) as client:
                assert (await call(client, "find_files"))["total"] == 1
                refused: dict[str, str] = {}
                for tool, arguments in WRITES.items():
                    result = await client.call_tool(tool, arguments)
                    assert result.is_error, tool
                    refused[tool] = str(result.content)
                return refused

    refused = anyio.run(story)
    door.close()
    assert [tool for tool, said in refused.items() if "read-only" not in said] == []


def test_the_command_line_is_refused_too(house: House, data: Path) -> None:
    make_read_only(house, data)

    assert "read-only" in casparian(house, "scan", str(data), code=2)
    for method, params in (
        ("approve", {"approval": "1"}),
        ("remove_source", {"path": str(data)}),
        ("retire", {"plugin": "a"}),
    ):
        with pytest.raises(ConfigError, match="read-only"):
            house.call(method, **params)

"""`mcp dev mcp_server/server.py` serves every tool, as a developer of a host would try it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

from tests.conftest import House
from tests.doors import call

ROOT = Path(__file__).parents[2]
MCP = Path(sys.executable).parent / "mcp"
SERVER = str(ROOT / "mcp_server" / "server.py")


def test_mcp_dev_hands_the_inspector_a_command_that_serves_every_tool(
    house: House, tmp_path: Path
) -> None:
    # In the place of npx, which would fetch the Inspector: it keeps what it was told to start.
    npx = tmp_path / "bin" / "npx"
    npx.parent.mkdir()
    npx.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/told\n')
    npx.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{npx.parent}:{os.environ['PATH']}",
        "CASPARIAN_HOME": str(house.home.root),
    }
    done = subprocess.run(
        [MCP, "dev", SERVER], env=environment, capture_output=True, text=True, timeout=50,
        check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "told").read_text().splitlines()
    assert told[0] == "@modelcontextprotocol/inspector"
    assert told[1] == "uv" or told[1].endswith("/uv")
    run = told[len(told) - told[::-1].index("mcp") :]
    assert run == ["run", SERVER]

    # What uv would start in an environment of its own, started in ours.
    parameters = StdioServerParameters(
        command=str(MCP),
        args=run,
        env={"CASPARIAN_HOME": str(house.home.root), "CASPARIAN_RESCAN_S": "0"},
        cwd="/",
    )

    async def story() -> list[str]:
        with anyio.fail_after(50):
            async with Client(parameters) as client:
                assert (await call(client, "get_overview"))["sources"] == []
                return [tool.name for tool in (await client.list_tools()).tools]

    committed = json.loads((ROOT / "tests" / "mcp" / "tools.json").read_text())
    assert anyio.run(story) == [tool["name"] for tool in committed]

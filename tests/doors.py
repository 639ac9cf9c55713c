"""The doors as tests open them: the command line, and the MCP server over real stdio."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

from tests.conftest import House

COMMAND = str(Path(sys.executable).parent / "casparian")


def server(house: House, data: Path, **environment: str) -> StdioServerParameters:
    """Started as a host starts it: an absolute command and almost no environment."""
    return StdioServerParameters(
        command=COMMAND,
        args=["mcp", "--root", str(data)],
        env={
            "CASPARIAN_HOME": str(house.home.root),
            "CASPARIAN_RESCAN_S": "0",
            **environment,
        },
    )


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """A tool's structured result."""
    result = await client.call_tool(tool, dict(arguments))
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def casparian(house: House, *arguments: str, code: int = 0) -> str:
    """What a command says, on both streams."""
    environment = {**os.environ, "CASPARIAN_HOME": str(house.home.root), "COLUMNS": "400"}
    done = subprocess.run(
        [COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr

"""MCP call latency and start-up against a trivial server on the same SDK.

Usage: python bench/doors.py [RUNS]. Latency: 200 calls of `get_overview` over stdio, engine up,
against 200 calls of a tool that returns a constant. Start-up: from starting the process to the
answer of tools/list.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from common import Bench, interleaved, machine, remove, scratch
from mcp import Client, StdioServerParameters

CALLS = 200
TRIVIAL = '''
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

class Answer(BaseModel):
    summary: str

mcp = MCPServer("trivial")

@mcp.tool()
async def get_overview() -> Answer:
    """Answer."""
    return Answer(summary="nothing")

mcp.run()
'''


async def seconds_of_calls(server: StdioServerParameters) -> float:
    async with Client(server) as client:
        await client.call_tool("get_overview", {})
        started = anyio.current_time()
        for _ in range(CALLS):
            await client.call_tool("get_overview", {})
        return anyio.current_time() - started


async def seconds_to_tools(server: StdioServerParameters) -> float:
    started = anyio.current_time()
    async with Client(server) as client:
        await client.list_tools()
        return anyio.current_time() - started


def main(runs: int) -> None:
    folder = scratch()
    script = folder / "trivial.py"
    script.write_text(TRIVIAL)
    with Bench(folder / "home") as bench:
        bench.call("get_overview")
        ours = StdioServerParameters(
            command=str(Path(sys.executable).parent / "casparian"),
            args=["mcp"],
            env={"CASPARIAN_HOME": str(bench.home.root), "PATH": os.environ["PATH"]},
        )
        trivial = StdioServerParameters(command=sys.executable, args=[str(script)])
        print(machine(), f"{CALLS} calls, then start-up to tools/list")
        interleaved(
            {
                "casparian, calls": lambda: anyio.run(seconds_of_calls, ours),
                "trivial, calls": lambda: anyio.run(seconds_of_calls, trivial),
            },
            runs=runs,
            against="trivial, calls",
        )
        interleaved(
            {
                "casparian, start-up": lambda: anyio.run(seconds_to_tools, ours),
                "trivial, start-up": lambda: anyio.run(seconds_to_tools, trivial),
            },
            runs=runs,
            against="trivial, start-up",
        )
    remove(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)

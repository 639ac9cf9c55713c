"""The whole story over real stdio, with the SDK's client, in both eras of the protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitRequestParams, ElicitResult

from tests.conftest import Environment, House
from tests.doors import call, server


def write_sales(data: Path) -> dict[str, str]:
    digests: dict[str, str] = {}
    for month in range(1, 4):
        content = (
            f"id,when,amount\n{month}1,2026-{month:02d}-05,1.5\n{month}2,2026-{month:02d}-25,2\n"
        )
        path = data / f"sales-2026-{month:02d}.csv"
        path.write_text(content)
        digests[str(path)] = hashlib.sha256(content.encode()).hexdigest()
    return digests


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.usefixtures("arrow_environment")
def test_a_folder_nobody_has_read_becomes_a_table_whose_rows_trace_back_to_their_bytes(
    house: House, data: Path, mode: str
) -> None:
    digests = write_sales(data)
    asked: list[str] = []

    async def approve(context: object, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    async def story() -> None:
        with anyio.fail_after(100):
            async with Client(
                server(house, data), mode=mode, elicitation_callback=approve
            ) as client:
                scan = await call(client, "scan", path=str(data))
                assert scan["new"] + scan["unchanged"] == 3
                example = scan["groups"][0]["example_file"]
                preview = await call(client, "preview_file", file=example)
                assert [c["type"] for c in preview["columns"]] == ["int64", "date", "double"]
                draft = await call(client, "draft_plugin", files=[example], topic="sales")
                assert draft["findings"] == []
                checked = await call(client, "validate_plugin", draft=draft["draft"])
                while checked["state"] == "running":
                    checked = await call(client, "validate_plugin", draft=draft["draft"])
                assert checked["ok"]
                order = {"draft": draft["draft"], "digest": checked["digest"]}
                published = await call(client, "publish_plugin", **order)
                assert published["status"] == "published"
                jobs = await call(client, "get_jobs", plugin="sales", wait_s=25)
                assert jobs["counts"] == {"DONE": 3}
                answer = await call(
                    client,
                    "query",
                    sql='SELECT id, "when", amount, _job_id, _row FROM sales ORDER BY id',
                )
                assert [row[0] for row in answer["rows"]] == [11, 12, 21, 22, 31, 32]
                first = answer["rows"][0]
                chain = await call(
                    client,
                    "query_lineage",
                    target={"topic": "sales", "job_id": f"job-{first[3]}", "row": first[4]},
                )
                assert_chain(chain, digests)

    anyio.run(story)
    assert len(asked) >= 1
    assert "MANIFEST" in asked[0]


def assert_chain(chain: dict[str, Any], digests: dict[str, str]) -> None:
    """Path, SHA-256, plugin version, artifact and lock hashes, publisher, signature, attempt."""
    nodes = {node["kind"]: node["facts"] for node in chain["nodes"]}
    version = nodes["file version"]
    assert version["sha256"] == digests[version["path"]]
    assert hashlib.sha256(Path(version["path"]).read_bytes()).hexdigest() == version["sha256"]
    plugin = nodes["plugin"]
    assert len(plugin["artifact_hash"]) == len(plugin["lock_hash"]) == 64
    assert len(base64.b64decode(plugin["signature"])) == 64
    assert plugin["publisher"]
    assert plugin["approved_how"] == "mcp: host form"
    assert nodes["job"]["attempt"] == 1
    assert nodes["job"]["sandbox"] in ("L2", "L3")


@pytest.mark.usefixtures("arrow_environment")
def test_a_client_without_forms_is_told_where_a_person_approves(house: House, data: Path) -> None:
    write_sales(data)

    async def story() -> None:
        with anyio.fail_after(100):
            async with Client(server(house, data)) as client:
                scan = await call(client, "scan", path=str(data))
                example = scan["groups"][0]["example_file"]
                draft = await call(client, "draft_plugin", files=[example], topic="sales")
                checked = await call(client, "validate_plugin", draft=draft["draft"])
                order = {"draft": draft["draft"], "digest": checked["digest"]}
                waiting = await call(client, "publish_plugin", **order)
                assert waiting["status"] == "approval_required"
                approval = waiting["approval"]
                assert approval["url"].startswith("http://127.0.0.1:")
                assert approval["command"] == f"casparian approve {approval['id']}"
                house.call("approve", approval=approval["id"])
                published = await call(client, "publish_plugin", **order)
                assert published["status"] == "published"

    anyio.run(story)


@pytest.mark.usefixtures("arrow_environment")
def test_a_person_who_declines_the_form_is_obeyed(house: House, data: Path) -> None:
    write_sales(data)

    async def decline(context: object, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="decline")

    async def story() -> None:
        with anyio.fail_after(100):
            async with Client(server(house, data), elicitation_callback=decline) as client:
                scan = await call(client, "scan", path=str(data))
                example = scan["groups"][0]["example_file"]
                draft = await call(client, "draft_plugin", files=[example], topic="sales")
                checked = await call(client, "validate_plugin", draft=draft["draft"])
                order = {"draft": draft["draft"], "digest": checked["digest"]}
                answer = await call(client, "publish_plugin", **order)
                assert answer["status"] == "declined"
                assert (await call(client, "get_plugins"))["plugins"] == []

    anyio.run(story)


def test_an_agent_cannot_widen_what_a_person_granted(
    house: House, data: Path, tmp_path: Path
) -> None:
    async def story() -> None:
        with anyio.fail_after(60):
            async with Client(server(house, data)) as client:
                result = await client.call_tool("scan", {"path": str(tmp_path)})
                assert result.is_error
                assert "NOT_GRANTED" in str(result.content)
                assert "casparian init" in str(result.content)

    anyio.run(story)


def test_unknown_arguments_are_refused_with_the_known_ones(house: House, data: Path) -> None:
    async def story() -> None:
        with anyio.fail_after(60):
            async with Client(server(house, data)) as client:
                result = await client.call_tool("query", {"sql": "SELECT 1", "limit": 3})
                assert result.is_error
                assert "no argument limit" in str(result.content)

    anyio.run(story)


def test_the_tool_surface_is_the_committed_one_and_within_its_token_budget(
    house: House, data: Path
) -> None:
    async def story() -> list[dict[str, Any]]:
        with anyio.fail_after(60):
            async with Client(server(house, data)) as client:
                tools = (await client.list_tools()).tools
                return [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools]

    tools = anyio.run(story)
    committed = Path(__file__).parents[1] / "mcp" / "tools.json"
    text = json.dumps(tools, indent=1, sort_keys=True) + "\n"
    if os.environ.get("GOLDEN"):
        committed.write_text(text)
    assert text == committed.read_text()
    assert len(tools) == 16
    without = [{k: v for k, v in tool.items() if k != "outputSchema"} for tool in tools]
    assert len(json.dumps(without)) / 4 <= 4000
    assert len(json.dumps(tools)) / 4 <= 9000


@pytest.mark.parametrize("how", ["end of stdin", "SIGTERM", "SIGINT"])
def test_the_server_ends_at_once_and_says_nothing_but_json_on_stdout(
    house: House, data: Path, how: str
) -> None:
    parameters = server(house, data)
    process = subprocess.Popen(
        [parameters.command, *parameters.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=parameters.env,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2024-11-05", "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }  # fmt: skip
    process.stdin.write(json.dumps(hello).encode() + b"\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert answer["result"]["protocolVersion"] == "2024-11-05"

    if how != "end of stdin":
        process.send_signal(getattr(signal, how))
    rest, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert rest == b""


def test_environment_fixture_is_real(arrow_environment: Environment) -> None:
    """The environments of these tests are built by uv from a lock, not taken from the host."""
    assert b"[[package]]" in arrow_environment.lockfile
    assert list(arrow_environment.venv.glob("lib/python*/site-packages/pyarrow"))

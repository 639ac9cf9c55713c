"""Resources, prompts and completions: everything here is reachable by a tool, too."""

from __future__ import annotations

import json
from functools import partial

import anyio.to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from casparian_flow.errors import CasparianError, NotFound
from engine.control import ignore_progress
from mcp_server.door import Door, told
from mcp_server.guides import GUIDES
from mcp_server.untrusted import for_model, text_for_model


async def _read(door: Door, method: str, **params: object) -> dict[str, object]:
    try:
        found = await anyio.to_thread.run_sync(partial(door.call, method, params, ignore_progress))
    except NotFound as error:
        raise ResourceNotFoundError(told(error)) from error
    except CasparianError as error:
        raise ResourceError(told(error)) from error
    return for_model(found)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def add_resources(mcp: MCPServer, door: Door) -> None:
    """What can be read by address."""

    @mcp.resource("casparian://guide/{topic}", mime_type="text/markdown")
    async def guide(topic: str) -> str:
        """How to write plugins (authoring), what is allowed (rules), how to ask (query)."""
        if topic not in GUIDES:
            known = ", ".join(GUIDES)
            raise ResourceNotFoundError(text_for_model(f"no guide {topic!r}; there are: {known}"))
        return GUIDES[topic]

    @mcp.resource("casparian://plugin/{name}/{version}/source", mime_type="application/json")
    async def plugin_source(name: str, version: str) -> str:
        """The source of a deployed plugin version."""
        found = await _read(
            door, "get_plugins", names=[f"{name}@{version}"], include=["source", "signature"]
        )
        return _json(found["plugins"])

    @mcp.resource("casparian://draft/{draft}/source", mime_type="application/json")
    async def draft_source(draft: str) -> str:
        """The source of a draft."""
        return _json(await _read(door, "get_draft", draft=draft))

    @mcp.resource("casparian://dataset/{name}/schema", mime_type="application/json")
    async def dataset_schema(name: str) -> str:
        """The columns of a topic."""
        return _json((await _read(door, "get_datasets", names=[name]))["datasets"])

    @mcp.resource("casparian://job/{job}/log", mime_type="text/plain")
    async def job_log(job: str) -> str:
        """What a job's plugin printed."""
        return _json((await _read(door, "get_jobs", jobs=[job], include=["log"]))["jobs"])

    @mcp.resource("casparian://lineage/{target}", mime_type="application/json")
    async def lineage(target: str) -> str:
        """The lineage of a topic or of job-N."""
        key = "job" if target.startswith("job-") else "topic"
        return _json(await _read(door, "query_lineage", target={key: target}))


def add_prompts(mcp: MCPServer) -> None:
    """Ways of working a person can pick."""

    @mcp.prompt()
    def onboard_folder(path: str) -> str:
        """Turn a folder into tables."""
        return (
            f"Scan the folder {path!r} with `scan`. For the largest group no plugin reads, preview"
            " one file, draft a plugin, validate it, show me rows and ambiguities, and only then"
            " call `publish_plugin`; I approve. Then answer one useful question with `query`."
        )

    @mcp.prompt()
    def write_parser(files: str, goal: str = "") -> str:
        """Write a parser for files."""
        return (
            f"Preview {files!r}, then draft a plugin. Goal: {goal or 'typed, complete rows'}. Mend"
            " every finding, validate until all files pass, and list what stays ambiguous."
        )

    @mcp.prompt()
    def diagnose_job(job: str) -> str:
        """Find out why a job failed."""
        return f"Use `explain` on {job!r}, then `get_jobs` with its log; say the cause and the fix."

    @mcp.prompt()
    def review_draft(draft: str) -> str:
        """Review a draft before approval."""
        return (
            f"Read the source of {draft!r} and its validation. Say what it does, what it drops or"
            " guesses, whether types are right, and whether you would approve it."
        )

    @mcp.prompt()
    def answer_question(question: str) -> str:
        """Answer from the tables, with provenance."""
        return (
            f"Answer: {question!r}. Look at `get_datasets` for tables and completeness, ask with"
            " `query`, trace one row with `query_lineage`, and state what the answer rests on."
        )


def add_completions(mcp: MCPServer, door: Door) -> None:
    """Names that exist, for arguments that want one."""

    @mcp.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        """Names that start with what was typed."""
        del ref, context
        names = await _names(door, argument.name)
        return Completion(values=[name for name in names if name.startswith(argument.value)][:100])


async def _names(door: Door, argument: str) -> list[str]:
    if argument == "topic":
        return list(GUIDES)
    overview = await _read(door, "get_overview")
    if argument in ("job", "draft"):
        key = {"job": "get_jobs"}.get(argument)
        if key is None:
            return []
        jobs = (await _read(door, key))["jobs"]
        return [str(job["job"]) for job in jobs] if isinstance(jobs, list) else []
    found = {
        "name": overview["topics"],
        "target": overview["topics"],
        "plugin": overview["plugins"],
        "path": [s["path"] for s in _dicts(overview["sources"])],
    }.get(argument, [])
    return [str(one) for one in found] if isinstance(found, list) else []


def _dicts(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

"""The sixteen tools: names and arguments are a contract, kept in tests/mcp/tools.json.

No postponed annotations here: the SDK could not evaluate those that name a local resolver.
"""

from typing import Annotated, Literal

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from engine.service import results
from mcp_server.consent import Consent, NotAsked, consent_for, settle
from mcp_server.door import Door, answer, ask

Reprocess = Literal["new", "all", "failed", "none"]
_READ = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_WRITE = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_DESTROY = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)

Wait = Annotated[float, Field(ge=0, le=25, description="Seconds to wait for the end.")]
Names = Annotated[list[str] | None, Field(description="Paths or file-N ids.")]
Cursor = Annotated[str | None, Field(description="next_cursor of the page before.")]


class Target(BaseModel):
    """One of: topic; topic+column; topic+job_id+row; file; job; plugin."""

    model_config = ConfigDict(extra="forbid")
    topic: str | None = None
    column: str | None = None
    job_id: str | None = None
    row: int | None = None
    file: str | None = None
    job: str | None = None
    plugin: str | None = None


def add_reading_tools(mcp: MCPServer, door: Door) -> None:
    """Tools that change nothing."""

    @mcp.tool(annotations=_READ)
    async def get_overview(context: Context) -> Annotated[CallToolResult, results.Overview]:
        """Start here: folders, dark files no plugin reads, plugins, jobs, topics, approvals."""
        return answer(await ask(door, context, "get_overview"))

    @mcp.tool(annotations=_READ)
    async def find_files(
        context: Context,
        query: Annotated[str | None, Field(description="Text in the path.")] = None,
        pattern: Annotated[str | None, Field(description="Glob, such as *.csv.")] = None,
        source: str | None = None,
        state: Literal["present", "deleted", "unreadable"] | None = None,
        tag: str | None = None,
        cursor: Cursor = None,
        limit: int = 25,
    ) -> Annotated[CallToolResult, results.Files]:
        """Find known files."""
        return answer(
            await ask(
                door, context, "find_files", query=query, pattern=pattern, source=source,
                state=state, tag=tag, cursor=cursor, limit=limit,
            )
        )  # fmt: skip

    @mcp.tool(annotations=_READ)
    async def preview_file(
        context: Context,
        file: Annotated[str, Field(description="Path or file-N id.")],
        rows: int = 5,
        max_chars: int = 4000,
    ) -> Annotated[CallToolResult, results.Preview]:
        """Show a file's format, columns, types, first rows, and what is ambiguous."""
        return answer(
            await ask(door, context, "preview_file", file=file, rows=rows, max_chars=max_chars)
        )

    @mcp.tool(annotations=_READ)
    async def get_plugins(
        context: Context,
        names: list[str] | None = None,
        status: str | None = None,
        include: list[Literal["source", "manifest", "history", "signature"]] | None = None,
        cursor: Cursor = None,
    ) -> Annotated[CallToolResult, results.Plugins]:
        """List deployed plugin versions, such as sales@3."""
        return answer(
            await ask(
                door, context, "get_plugins", names=names, status=status, include=include,
                cursor=cursor,
            )
        )  # fmt: skip

    @mcp.tool(annotations=_READ)
    async def get_jobs(
        context: Context,
        jobs: list[str] | None = None,
        state: str | None = None,
        plugin: str | None = None,
        file: str | None = None,
        since: str | None = None,
        include: list[Literal["log", "receipt"]] | None = None,
        wait_s: Wait = 0,
        cursor: Cursor = None,
        limit: int = 20,
    ) -> Annotated[CallToolResult, results.Jobs]:
        """List jobs, newest first; with wait_s, after they have ended."""
        return answer(
            await ask(
                door, context, "get_jobs", jobs=jobs, state=state, plugin=plugin, file=file,
                since=since, include=include, wait_s=wait_s, cursor=cursor, limit=limit,
            )
        )  # fmt: skip

    @mcp.tool(annotations=_READ)
    async def get_datasets(
        context: Context,
        names: list[str] | None = None,
        search: str | None = None,
        include: Annotated[
            list[
                Literal[
                    "schema", "sample", "stats", "completeness", "contract", "quarantine", "history"
                ]
            ]
            | None,
            Field(description="schema, completeness: always there. From rows: first 5 topics."),
        ] = None,
    ) -> Annotated[CallToolResult, results.Datasets]:
        """List topics: columns to copy into SQL, row counts, completeness, quarantine."""
        return answer(
            await ask(door, context, "get_datasets", names=names, search=search, include=include)
        )

    @mcp.tool(annotations=_READ)
    async def query(
        context: Context,
        sql: Annotated[str, Field(description="One DuckDB SELECT over topics.")],
        max_rows: Annotated[int, Field(ge=1, le=1000)] = 100,
        format: Literal["csv", "json", "markdown"] = "csv",  # noqa: A002 - the contract's name
        cursor: Cursor = None,
    ) -> Annotated[CallToolResult, results.QueryResult]:
        """Ask SQL. TOPIC holds current rows, TOPIC_history all, TOPIC_quarantine the rest."""
        found = await ask(door, context, "query", sql=sql, max_rows=max_rows, cursor=cursor)
        from mcp_server.tabular import with_rows_as

        return with_rows_as(format, found)

    @mcp.tool(annotations=_READ)
    async def query_lineage(
        context: Context,
        target: Target,
        direction: Literal["both", "back", "forward"] = "both",
        depth: Annotated[
            int, Field(description="Hops from the target; a row gives its whole chain.")
        ] = 2,
        limit: int = 100,
    ) -> Annotated[CallToolResult, results.Lineage]:
        """Trace a row (its _job_id and _row) to the source bytes, or a file to its rows."""
        wanted = target.model_dump(exclude_none=True)
        return answer(
            await ask(
                door, context, "query_lineage", target=wanted, direction=direction, depth=depth,
                limit=limit,
            )
        )  # fmt: skip

    @mcp.tool(annotations=_READ)
    async def explain(
        context: Context,
        subject: Annotated[
            str, Field(description="job-N, file-N, a path, a topic, or topic: column=value.")
        ],
    ) -> Annotated[CallToolResult, results.Explanation]:
        """Say why something failed, is missing, late or quarantined, and what mends it."""
        return answer(await ask(door, context, "explain", subject=subject))


def add_writing_tools(mcp: MCPServer, door: Door) -> None:
    """Tools that change something; hidden in read-only mode."""

    @mcp.tool(annotations=_WRITE)
    async def scan(
        context: Context,
        path: Annotated[str, Field(description="A granted folder.")],
        pattern: str = "**/*",
        wait_s: Wait = 20,
    ) -> Annotated[CallToolResult, results.ScanResult]:
        """Bring a folder's inventory up to date and group its files by shape."""
        return answer(await ask(door, context, "scan", path=path, pattern=pattern, wait_s=wait_s))

    @mcp.tool(annotations=_WRITE)
    async def draft_plugin(
        context: Context,
        files: Names = None,
        pattern: Annotated[str | None, Field(description="Glob of the files to read.")] = None,
        topic: Annotated[str | None, Field(description="Table name, such as sales.")] = None,
        goal: Annotated[
            str | None, Field(description="'day first', 'decimal comma', 'zip as text'.")
        ] = None,
        source: Annotated[str | None, Field(description="Your own plugin.py, kept as is.")] = None,
        dependencies: list[str] | None = None,
        draft: Annotated[str | None, Field(description="Revise this draft.")] = None,
    ) -> Annotated[CallToolResult, results.DraftResult]:
        """Write a parser plugin for sample files, or take the source you give."""
        return answer(
            await ask(
                door, context, "draft_plugin", files=files, pattern=pattern, topic=topic,
                goal=goal, source=source, dependencies=dependencies or None, draft=draft,
            )
        )  # fmt: skip

    @mcp.tool(annotations=_WRITE)
    async def validate_plugin(
        context: Context,
        draft: str,
        files: Names = None,
        max_files: int = 5,
        all_files: bool = False,
        wait_s: Wait = 25,
    ) -> Annotated[CallToolResult, results.Validation]:
        """Gate a draft and run it, confined, on real files. Call again while state=running."""
        return answer(
            await ask(
                door, context, "validate_plugin", draft=draft, files=files, max_files=max_files,
                all_files=all_files, wait_s=wait_s,
            )
        )  # fmt: skip

    async def consent(
        context: Context,
        draft: str,
        digest: str,
        version: int | None = None,
        reprocess: Reprocess = "new",
    ) -> Consent | Elicit[Consent]:
        order = {"draft": draft, "digest": digest, "version": version, "reprocess": reprocess}
        return await consent_for(door, context, order)

    @mcp.tool(annotations=_DESTROY)
    async def publish_plugin(
        context: Context,
        decision: Annotated[ElicitationResult[Consent], Resolve(consent)],
        draft: str,
        digest: Annotated[str, Field(description="From validate_plugin.")],
        version: int | None = None,
        reprocess: Reprocess = "new",
        note: str | None = None,
    ) -> Annotated[CallToolResult, results.Publication]:
        """Put a validated draft in force; a person must approve. Call again after approval."""
        order = {"draft": draft, "digest": digest, "version": version, "reprocess": reprocess}
        order["note"] = note
        if isinstance(decision, AcceptedElicitation):
            if isinstance(decision.data, NotAsked):
                return answer(await ask(door, context, "publish_plugin", **order))
            approve = decision.data.approve
            return answer(await settle(door, context, order, approve=approve))
        if decision.action == "decline":
            return answer(await settle(door, context, order, approve=False))
        return answer(await ask(door, context, "publish_plugin", **order))

    @mcp.tool(annotations=_WRITE)
    async def run_job(
        context: Context,
        plugin: str,
        files: Names = None,
        pattern: str | None = None,
        dry_run: bool = False,
        reprocess: Reprocess = "new",
        wait_s: Wait = 15,
    ) -> Annotated[CallToolResult, results.RunResult]:
        """Run a plugin over files, or over what is pending; dry_run says what it would do."""
        return answer(
            await ask(
                door, context, "run_job", plugin=plugin, files=files, pattern=pattern,
                dry_run=dry_run, reprocess=reprocess, wait_s=wait_s,
            )
        )  # fmt: skip

    @mcp.tool(annotations=_DESTROY)
    async def cancel_job(
        context: Context, jobs: list[str]
    ) -> Annotated[CallToolResult, results.States]:
        """Stop waiting and running jobs; a draft's name stops its trial."""
        return answer(await ask(door, context, "cancel_job", jobs=jobs))

    @mcp.tool(annotations=_WRITE)
    async def retry_job(
        context: Context, jobs: list[str]
    ) -> Annotated[CallToolResult, results.States]:
        """Queue failed or cancelled jobs again."""
        return answer(await ask(door, context, "retry_job", jobs=jobs))

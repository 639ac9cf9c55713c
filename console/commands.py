"""The words of the command line; each says what an MCP tool says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from console import exits, showing
from console.engine_door import ask, client, home_in_force

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Turn folders of exports, logs and dumps into tables people can trust.\n\n"
    "Start with [bold]casparian demo[/], then [bold]casparian init DIR[/].",
)
mcp_app = typer.Typer(no_args_is_help=False, invoke_without_command=True)
app.add_typer(mcp_app, name="mcp", help="Serve an agent over stdio, or tell a host how to.")

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Rows = list[list[object]]


def _list(result: dict[str, object], key: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", result.get(key) or [])


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _file(name: str) -> str:
    """A file argument: a path that exists becomes absolute, an id or an ending stays."""
    return _absolute(name) if Path(name).expanduser().exists() else name


@app.command(epilog="Example: casparian demo ~/exports")
def demo(
    folder: Annotated[str | None, typer.Argument(help="A folder of your own.")] = None,
    keep: Annotated[bool, typer.Option(help="Keep the demo's home for a closer look.")] = False,
) -> int:
    """Go the whole way on real files: scan, draft, validate, publish, query, lineage."""
    from console.demo import run

    return run(Path(folder).expanduser().absolute() if folder else None, keep=keep)


@app.command(epilog="Example: casparian init ~/exports")
def init(folder: str, as_json: Json = False) -> None:
    """Grant a folder: it may be read and is watched from now on."""
    _done(ask("grant", {"path": _absolute(folder)}), as_json=as_json)


def _done(result: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    showing.say_steps(result)


@app.command(epilog="Example: casparian start")
def start(
    background: Annotated[bool, typer.Option("--background", hidden=True)] = False,
    allow_unconfined: Annotated[
        bool, typer.Option(help="Run plugins without a wall where none can be built.")
    ] = False,
) -> None:
    """Run the engine in the foreground until Ctrl-C."""
    from console.engine_process import run

    run(home_in_force(), background=background, allow_unconfined=allow_unconfined)


@app.command()
def stop(as_json: Json = False) -> None:
    """End the engine of this home; its work goes on at the next start."""
    door = client()
    if not door.is_running():
        _done({"summary": "No engine is running.", "next_steps": []}, as_json=as_json)
        return
    _done(door.call("stop"), as_json=as_json)


@app.command(epilog="Example: casparian scan ~/exports")
def scan(
    folder: str,
    pattern: Annotated[str, typer.Option(help="Group only files that match.")] = "**/*",
    wait: Annotated[float, typer.Option(help="Seconds to wait for the end.")] = 86400,
    accept_deletions: Annotated[
        bool, typer.Option(help="Most files are gone, and that is right.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a folder's inventory up to date; grants the folder if you name it here."""
    params = {
        "path": _absolute(folder),
        "pattern": pattern,
        "wait_s": wait,
        "accept_deletions": accept_deletions,
    }
    result = ask("scan", params, what="scanning")
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    skipped = cast("dict[str, int]", result["skipped"])
    showing.table(("skipped", "count"), list(skipped.items()))
    _groups(_list(result, "groups"))


def _groups(groups: list[dict[str, Any]]) -> None:
    rows: Rows = [
        [g["fingerprint"], g["files"], g["bytes"], g["plugin"] or "nobody", g["example"]]
        for g in groups
    ]
    showing.table(("shape", "files", "bytes", "read by", "example"), rows)


@app.command()
def sources(
    remove: Annotated[str | None, typer.Option(help="Stop reading this folder.")] = None,
    as_json: Json = False,
) -> None:
    """List the granted folders, or take one away."""
    if remove is not None:
        _done(ask("remove_source", {"path": _absolute(remove)}), as_json=as_json)
        return
    result = ask("sources", {})
    if as_json:
        showing.show_json(result)
        return
    rows: Rows = [
        [s["path"], s["files"], s["bytes"], s["scanned"]] for s in _list(result, "sources")
    ]
    showing.say(str(result["summary"]))
    showing.table(("folder", "files", "bytes", "scanned"), rows)
    showing.say_steps(result)


@app.command(epilog='Example: casparian files sales --pattern "*.csv"')
def files(
    query: Annotated[str | None, typer.Argument(help="Text in the path.")] = None,
    pattern: str | None = None,
    state: str | None = None,
    limit: int = 25,
    cursor: str | None = None,
    as_json: Json = False,
) -> None:
    """Find known files."""
    params = {
        "query": query, "pattern": pattern, "state": state, "limit": limit, "cursor": cursor,
    }  # fmt: skip
    result = ask("find_files", params)
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    rows: Rows = [
        [f["id"], f["file"], f["size_bytes"], f["state"], ", ".join(f["topics"])]
        for f in _list(result, "files")
    ]
    showing.table(("id", "file", "bytes", "state", "topics"), rows)
    if result.get("next_cursor"):
        showing.say(f"More: casparian files --cursor {result['next_cursor']}")


@app.command(epilog="Example: casparian preview ~/exports/sales.csv")
def preview(file: str, rows: int = 5, as_json: Json = False) -> None:
    """Show what a file looks like: what is certain, what is not, and why."""
    result = ask("preview_file", {"file": _file(file), "rows": rows})
    if as_json:
        showing.show_json(result)
        return
    showing.say(f"{result['file']}: {result['summary']}")
    columns: Rows = [
        [c["name"], c["type"], ", ".join(c["candidates"]), c["nulls"], c["ambiguity"]]
        for c in _list(result, "columns")
    ]
    showing.table(("column", "type", "possible", "missing", "not certain"), columns)
    names = [c["name"] for c in _list(result, "columns")] or ["line"]
    showing.table(names, cast("Rows", result["rows"]))
    for problem in cast("list[str]", result["problems"]):
        showing.say(f"! {problem}")


@app.command(epilog="Example: casparian draft ~/exports/sales.csv --topic sales")
def draft(
    file: Annotated[list[str], typer.Argument(help="Sample files; or a plugin folder or .py.")],
    topic: str | None = None,
    pattern: str | None = None,
    plugin: Annotated[
        str | None, typer.Option(help="Take this plugin (.py or folder) as it is.")
    ] = None,
    into: Annotated[str | None, typer.Option("--draft", help="Revise this draft.")] = None,
    as_json: Json = False,
) -> None:
    """Draft a plugin for files like these, or take one that you wrote."""
    params: dict[str, object] = {
        "files": [_file(one) for one in file],
        "topic": topic,
        "draft": into,
    }
    if plugin is not None:
        from console.plugin_source import read_plugin

        params |= read_plugin(Path(plugin))
    else:
        params["pattern"] = pattern
    result = ask("draft_plugin", params, what="drafting")
    if as_json:
        showing.show_json(result)
        return
    from rich.syntax import Syntax

    showing.out.print(Syntax(str(result["source"]), "python", line_numbers=True))
    _findings(_list(result, "findings"))
    for point in cast("list[str]", result["ambiguities"]):
        showing.say(f"? {point}")
    showing.say(str(result["summary"]))
    showing.say(f"Next: casparian validate {result['draft']}")


def _findings(findings: list[dict[str, Any]]) -> None:
    rows: Rows = [[f["line"], f["rule"], f["message"], f["fix"]] for f in findings]
    showing.table(("line", "rule", "finding", "mend"), rows)


@app.command(epilog="Example: casparian validate draft-sales-1 --all-files")
def validate(
    draft: str,
    file: Annotated[list[str] | None, typer.Option(help="Only these files.")] = None,
    max_files: int = 5,
    all_files: bool = False,
    as_json: Json = False,
) -> int:
    """Gate a draft and run it, confined, over real files; nothing is put in force."""
    params = {
        "draft": draft,
        "files": [_file(one) for one in file] if file else None,
        "max_files": max_files,
        "all_files": all_files,
        "wait_s": 86400,
    }
    result = ask("validate_plugin", params, what="trying the draft")
    if as_json:
        showing.show_json(result)
    else:
        show_validation(result)
    if result["state"] == "rejected":
        return exits.REJECTED
    if not result["ok"]:
        return exits.FAILURE
    return exits.PARTLY_QUARANTINED if result["quarantined_count"] else exits.OK


def show_validation(result: dict[str, object]) -> None:
    """A validation, for a person."""
    _findings(_list(result, "findings"))
    for topic in _list(result, "rows"):
        heads = [f"{n}\n{t}" for n, t in zip(topic["columns"], topic["types"], strict=True)]
        showing.table(heads, topic["rows"], title=f"{topic['topic']}: {topic['row_count']} rows")
    rows: Rows = [
        [q["file"], q["line"], q["reason"], q["raw"]] for q in _list(result, "quarantined")
    ]
    showing.table(("file", "line", "reason", "record"), rows, title="quarantined")
    failed: Rows = [[f["file"], f["reason"]] for f in _list(result, "failed")]
    showing.table(("file", "reason"), failed, title="failed")
    showing.say(str(result["summary"]))
    if result.get("digest"):
        showing.say(f"Next: casparian publish {result['draft']}")


@app.command(epilog="Example: casparian publish draft-sales-1")
def publish(
    draft: str,
    digest: Annotated[str | None, typer.Option(help="What was validated; default: newest.")] = None,
    version: int | None = None,
    reprocess: Annotated[str, typer.Option(help="new, all, failed or none.")] = "new",
    note: str | None = None,
    yes: Annotated[bool, typer.Option("--yes", help="You have read it and approve.")] = False,
    as_json: Json = False,
) -> int:
    """Put a validated draft in force; you are asked to approve it here."""
    if digest is None:
        validated = ask("validate_plugin", {"draft": draft, "wait_s": 86400}, what="validating")
        if not validated["ok"]:
            show_validation(validated)
            return exits.REJECTED
        digest = str(validated["digest"])
    params = {
        "draft": draft, "digest": digest, "version": version, "reprocess": reprocess, "note": note,
    }  # fmt: skip
    result = ask("publish_plugin", params, what="publishing")
    approval = cast("dict[str, str] | None", result.get("approval"))
    if result["status"] == "approval_required" and approval is not None:
        if not yes and not _confirmed(str(result["review"]), as_json=as_json):
            showing.say(str(result["summary"]))
            return exits.NOT_ALLOWED
        ask("approve", {"approval": approval["id"], "digest": digest, "how": "prompt"})
        result = ask("publish_plugin", params, what="publishing")
    _done(result, as_json=as_json)
    return exits.OK if result["status"] == "published" else exits.NOT_ALLOWED


def _confirmed(review: str, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        return False
    showing.say(review)
    return typer.confirm("Approve and publish?", default=False)


@app.command(epilog="Example: casparian approve approval-1")
def approve(
    approval: Annotated[str | None, typer.Argument()] = None,
    no: Annotated[bool, typer.Option("--no", help="Decline.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: Json = False,
) -> int:
    """Show what waits for a person, and say yes or no to it."""
    from console.review import show_approval

    if approval is None:
        result = ask("approvals", {})
        if as_json:
            showing.show_json(result)
            return exits.OK
        showing.say(str(result["summary"]))
        rows: Rows = [[a["id"], a["summary"]] for a in _list(result, "approvals")]
        showing.table(("approval", "what"), rows)
        return exits.OK
    found = _list(ask("approvals", {"approval": approval}), "approvals")[0]
    if not yes and not as_json:
        show_approval(found)
    wanted = yes or no or (sys.stdin.isatty() and typer.confirm("Approve?", default=False))
    if not wanted:
        showing.say("Nothing was decided.")
        return exits.NOT_ALLOWED
    method = "decline" if no else "approve"
    _done(ask(method, {"approval": approval, "digest": found["digest"]}), as_json=as_json)
    return exits.OK


@app.command(epilog="Example: casparian plugins sales --source")
def plugins(
    name: Annotated[str | None, typer.Argument()] = None,
    source: bool = False,
    as_json: Json = False,
) -> None:
    """List deployed plugins."""
    include = ["manifest", "signature", "history"] if name else []
    include += ["source"] if source else []
    result = ask("get_plugins", {"names": [name] if name else None, "include": include})
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    for one in _list(result, "plugins"):
        jobs = ", ".join(f"{count} {state}" for state, count in one["jobs"].items())
        showing.table(
            ("plugin", "status", "pattern", "topics", "jobs"),
            [[one["plugin"], one["status"], one["pattern"], ", ".join(one["topics"]), jobs]],
        )
        for key in ("signature", "history", "source"):
            if one.get(key):
                showing.out.print_json(data=one[key])


@app.command(epilog="Example: casparian retire sales")
def retire(plugin: str, as_json: Json = False) -> None:
    """Take a plugin out of force; its rows stay."""
    _done(ask("retire", {"plugin": plugin}), as_json=as_json)


@app.command(epilog="Example: casparian run sales --reprocess all --dry-run")
def run(
    plugin: str,
    file: Annotated[list[str] | None, typer.Option(help="Only these files.")] = None,
    pattern: str | None = None,
    dry_run: bool = False,
    reprocess: str = "new",
    as_json: Json = False,
) -> None:
    """Run a plugin over what is pending, or over the files you name."""
    params = {
        "plugin": plugin,
        "files": [_file(one) for one in file] if file else None,
        "pattern": pattern,
        "dry_run": dry_run,
        "reprocess": reprocess,
        "wait_s": 86400,
    }
    _done(ask("run_job", params, what="running"), as_json=as_json)


@app.command(epilog="Example: casparian jobs --state failed")
def jobs(
    job: Annotated[list[str] | None, typer.Argument()] = None,
    state: str | None = None,
    plugin: str | None = None,
    log: Annotated[bool, typer.Option(help="Show what the plugin printed.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for their end.")] = 0,
    limit: int = 20,
    as_json: Json = False,
) -> int:
    """List jobs, newest first."""
    params = {
        "jobs": job or None,
        "state": state,
        "plugin": plugin,
        "include": ["log", "receipt"] if job else [],
        "wait_s": wait,
        "limit": limit,
    }
    result = ask("get_jobs", params, what="waiting for jobs")
    found = _list(result, "jobs")
    if as_json:
        showing.show_json(result)
    else:
        showing.say(str(result["summary"]))
        rows: Rows = [
            [
                j["job"], j["state"], j["plugin"], j["file"],
                ", ".join(f"{n} {t}" for t, n in j["rows"].items()),
                (j["error"] or {}).get("message"),
            ]
            for j in found
        ]  # fmt: skip
        showing.table(("job", "state", "plugin", "file", "rows", "error"), rows)
        for one in found:
            if log and one.get("log"):
                showing.say(f"--- {one['job']} ---\n{one['log']}")
    counts = cast("dict[str, int]", result["counts"])
    if job and counts.get("FAILED"):
        return exits.FAILURE
    return exits.PARTLY_QUARANTINED if job and any(j["quarantined"] for j in found) else exits.OK


@app.command()
def retry(job: list[str], as_json: Json = False) -> None:
    """Queue failed or cancelled jobs again."""
    _done(ask("retry_job", {"jobs": job}), as_json=as_json)


@app.command()
def cancel(job: list[str], as_json: Json = False) -> None:
    """Stop waiting and running jobs."""
    _done(ask("cancel_job", {"jobs": job}), as_json=as_json)


@app.command(epilog="Example: casparian datasets sales --sample")
def datasets(
    name: Annotated[str | None, typer.Argument()] = None,
    sample: bool = False,
    as_json: Json = False,
) -> None:
    """List topics: columns, rows, and how complete they are."""
    include = ["sample"] if sample else []
    result = ask("get_datasets", {"names": [name] if name else None, "include": include})
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    found = _list(result, "datasets")
    rows: Rows = [
        [
            d["table"], d["rows"], f"{d['files_read']}/{d['files_seen']}", d["files_failed"],
            d["quarantined"], d["newest"],
        ]
        for d in found
    ]  # fmt: skip
    showing.table(("table", "rows", "files read", "failed", "quarantined", "newest"), rows)
    for one in found if name else []:
        columns: Rows = [[c["name"], c["type"]] for c in one["columns"]]
        showing.table(("column", "type"), columns)
        if one.get("sample"):
            showing.table([c["name"] for c in one["columns"]], one["sample"])


@app.command(epilog='Example: casparian query "SELECT count(*) FROM sales"')
def query(
    sql: str,
    max_rows: int = 100,
    cursor: str | None = None,
    as_json: Json = False,
) -> None:
    """Ask one SELECT over the current rows; `<topic>_history` holds all of them."""
    result = ask("query", {"sql": sql, "max_rows": max_rows, "cursor": cursor}, what="asking")
    if as_json:
        showing.show_json(result)
        return
    showing.table(cast("list[str]", result["columns"]), cast("Rows", result["rows"]))
    showing.say(str(result["summary"]))
    if result.get("next_cursor"):
        showing.say(f"More: --cursor {result['next_cursor']}")


@app.command(epilog="Example: casparian lineage sales job-12 0")
def lineage(
    target: Annotated[str, typer.Argument(help="Topic, file, job-N or plugin.")],
    job: Annotated[str | None, typer.Argument(help="With a topic: the row's _job_id.")] = None,
    row: Annotated[int | None, typer.Argument(help="And its _row.")] = None,
    as_json: Json = False,
) -> None:
    """Follow a row to the bytes it came from, or a file to its rows."""
    from console.review import lineage_target, show_lineage

    result = ask("query_lineage", {"target": lineage_target(target, job, row, _file)})
    if as_json:
        showing.show_json(result)
        return
    show_lineage(result)


@app.command(epilog="Example: casparian explain ~/exports/odd.csv")
def explain(subject: str, as_json: Json = False) -> None:
    """Say why a file, job or topic is as it is."""
    result = ask("explain", {"subject": _file(subject)})
    if as_json:
        showing.show_json(result)
        return
    showing.say(f"{result['subject']}: {result['verdict']}")
    for line in cast("list[str]", result["evidence"]):
        showing.say(f"  {line}")


@app.command()
def verify(as_json: Json = False) -> int:
    """Check the promises on this installation."""
    return _checks(ask("verify", {}, what="checking"), as_json=as_json)


@app.command()
def doctor(as_json: Json = False) -> int:
    """Check the machine, and prove the wall by trying to get out of it."""
    return _checks(ask("doctor", {}, what="checking"), as_json=as_json)


def _checks(result: dict[str, object], *, as_json: bool) -> int:
    if as_json:
        showing.show_json(result)
    else:
        rows: Rows = [
            ["yes" if c["ok"] else "NO", c["name"], c["detail"]] for c in _list(result, "checks")
        ]
        showing.table(("holds", "what", "detail"), rows)
        showing.say(str(result["summary"]))
    return exits.OK if result["ok"] else exits.FAILURE


@mcp_app.callback()
def mcp(
    context: typer.Context,
    root: Annotated[
        list[str] | None, typer.Option(help="A folder the agent may scan; repeatable.")
    ] = None,
) -> None:
    """Serve an agent over stdio."""
    if context.invoked_subcommand is not None:
        return
    from mcp_server.server import serve

    serve([_absolute(one) for one in root or []])


@mcp_app.command(epilog="Example: casparian mcp install --client claude-desktop --root ~/exports")
def install(
    client: Annotated[str, typer.Option(help="claude-desktop")] = "claude-desktop",
    root: Annotated[list[str] | None, typer.Option(help="A folder the agent may scan.")] = None,
    config: Annotated[str | None, typer.Option(help="The host's configuration file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> int:
    """Show the change to a host's configuration, then write it."""
    from console.hosts import install as write

    return write(client, [_absolute(one) for one in root or []], config, yes=yes)

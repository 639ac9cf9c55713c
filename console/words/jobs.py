"""Words about jobs."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from console import exits, showing
from console.engine_door import ask
from console.words.shared import Json, Rows, app, done, file_name, parts


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
        "files": [file_name(one) for one in file] if file else None,
        "pattern": pattern,
        "dry_run": dry_run,
        "reprocess": reprocess,
        "wait_s": 86400,
    }
    done(ask("run_job", params, what="running"), as_json=as_json)


@app.command(epilog="Example: casparian rounds sales --undo")
def rounds(
    plugin: str,
    undo: Annotated[bool, typer.Option(help="Bring the rows of before into view again.")] = False,
    redo: Annotated[bool, typer.Option(help="Take that back.")] = False,
    name: Annotated[
        str | None, typer.Option("--round", help="Which one; the newest by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what a plugin was run over again; take one such reprocess back, whole and at once."""
    if undo and redo:
        raise typer.BadParameter("give --undo or --redo, not both")
    if undo or redo:
        method = "undo_round" if undo else "redo_round"
        done(ask(method, {"plugin": plugin, "round_name": name}), as_json=as_json)
        return
    result = ask("get_rounds", {"plugin": plugin})
    if as_json:
        showing.show_json(result)
        return
    rows: Rows = [
        [one["round"], one["plugin"], one["state"], one["started"], one["files"], one["failed"]]
        for one in parts(result, "rounds")
    ]
    showing.table(("round", "plugin", "state", "started", "files", "failed"), rows)
    showing.say(str(result["summary"]))
    showing.say_steps(result)


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
    found = parts(result, "jobs")
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


@app.command(epilog="Example: casparian retry job-7")
def retry(job: list[str], as_json: Json = False) -> None:
    """Queue failed or cancelled jobs again."""
    done(ask("retry_job", {"jobs": job}), as_json=as_json)


@app.command(epilog="Examples: casparian cancel job-7 · casparian cancel draft-sales-1")
def cancel(job: list[str], as_json: Json = False) -> None:
    """Stop waiting and running jobs; or the trial of a draft, which validate picks up again."""
    done(ask("cancel_job", {"jobs": job}), as_json=as_json)

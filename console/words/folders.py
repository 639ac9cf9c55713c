"""Words about folders and files."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from casparian_flow.errors import ConfigError
from console import showing
from console.engine_door import ask
from console.words.shared import Json, Rows, absolute, app, done, file_name, parts


@app.command(epilog="Example: casparian init ~/exports")
def init(folder: str, as_json: Json = False) -> None:
    """Grant a folder: it may be read and is watched from now on."""
    done(ask("grant", {"path": absolute(folder)}), as_json=as_json)


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
        "path": absolute(folder),
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
    _groups(parts(result, "groups"))


def _groups(groups: list[dict[str, Any]]) -> None:
    rows: Rows = [
        [
            g["fingerprint"], g["files"], g["bytes"], g["plugin"] or "nobody", g["format"],
            g["shape"], g["example"],
        ]
        for g in groups
    ]  # fmt: skip
    heads = ("named like", "files", "bytes", "read by", "format", "holds", "example")
    showing.table(heads, rows)
    for group in groups:
        if group["note"]:
            showing.say(f"{group['fingerprint']}: {group['note']}")


@app.command(epilog="Example: casparian sources ~/exports --on-delete drop")
def sources(
    folder: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    on_delete: Annotated[
        str | None,
        typer.Option(help="keep or drop the rows of deleted files in the current view."),
    ] = None,
    remove: Annotated[str | None, typer.Option(help="Stop reading this folder.")] = None,
    as_json: Json = False,
) -> None:
    """List the granted folders; decide what deletions mean in one, or take one away."""
    if remove is not None:
        done(ask("remove_source", {"path": absolute(remove)}), as_json=as_json)
        return
    if on_delete is not None:
        if folder is None:
            raise ConfigError(
                "--on-delete needs a folder", hint="casparian sources DIR --on-delete drop"
            )
        params = {"path": absolute(folder), "on_delete": on_delete}
        done(ask("set_on_delete", params), as_json=as_json)
        return
    result = ask("sources", {"path": absolute(folder) if folder else None})
    if as_json:
        showing.show_json(result)
        return
    rows: Rows = [
        [s["path"], s["files"], s["bytes"], s["scanned"], s["on_delete"]]
        for s in parts(result, "sources")
    ]
    showing.say(str(result["summary"]))
    showing.table(("folder", "files", "bytes", "scanned", "rows of deleted files"), rows)
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
        for f in parts(result, "files")
    ]
    showing.table(("id", "file", "bytes", "state", "topics"), rows)
    if result.get("next_cursor"):
        showing.say(f"More: casparian files --cursor {result['next_cursor']}")


@app.command(epilog="Example: casparian preview ~/exports/sales.csv")
def preview(file: str, rows: int = 5, as_json: Json = False) -> None:
    """Show what a file looks like: what is certain, what is not, and why."""
    result = ask("preview_file", {"file": file_name(file), "rows": rows})
    if as_json:
        showing.show_json(result)
        return
    showing.say(f"{result['file']}: {result['summary']}")
    columns: Rows = [
        [c["name"], c["type"], ", ".join(c["candidates"]), c["nulls"], c["ambiguity"]]
        for c in parts(result, "columns")
    ]
    showing.table(("column", "type", "possible", "missing", "not certain"), columns)
    names = [c["name"] for c in parts(result, "columns")] or ["line"]
    showing.table(names, cast("Rows", result["rows"]))
    for problem in cast("list[str]", result["problems"]):
        showing.say(f"! {problem}")

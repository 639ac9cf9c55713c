"""Words about tables and where their rows came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from casparian_flow.errors import ConfigError
from console import exits, showing
from console.engine_door import ask
from console.words.shared import Json, Rows, app, done, file_name, parts


@app.command(epilog="Example: casparian datasets sales --include stats")
def datasets(
    name: Annotated[str | None, typer.Argument()] = None,
    sample: Annotated[bool, typer.Option(help="The same as --include sample.")] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(help="sample, stats, quarantine, contract or history; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List topics: columns, rows, and how complete they are."""
    words = [*(include or []), *(["sample"] if sample else [])]
    result = ask("get_datasets", {"names": [name] if name else None, "include": words})
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    found = parts(result, "datasets")
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
        for word in ("stats", "contract", "history", "quarantine"):
            details = cast("list[dict[str, object]]", one.get(word) or [])
            heads = list(details[0]) if details else []
            showing.table(heads, [list(each.values()) for each in details], title=word)


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


@app.command(
    epilog="Examples: casparian lineage sales job-12 0; casparian lineage sales --column amount"
)
def lineage(
    target: Annotated[str, typer.Argument(help="Topic, file, job-N or plugin.")],
    job: Annotated[str | None, typer.Argument(help="With a topic: the row's _job_id.")] = None,
    row: Annotated[int | None, typer.Argument(help="And its _row.")] = None,
    column: Annotated[
        str | None, typer.Option(help="Of a topic: which field of the files it is read from.")
    ] = None,
    direction: Annotated[str, typer.Option(help="back, forward or both.")] = "both",
    depth: Annotated[int, typer.Option(help="Hops; a row gives its whole chain.")] = 2,
    as_json: Json = False,
) -> None:
    """Follow a row to the bytes it came from, or a file to its rows."""
    from console.review import lineage_target, show_lineage

    named: dict[str, object] = {"topic": target, "column": column}
    if column is None:
        named = lineage_target(target, job, row, file_name)
    result = ask("query_lineage", {"target": named, "direction": direction, "depth": depth})
    if as_json:
        showing.show_json(result)
        return
    show_lineage(result)


@app.command(
    epilog="Examples: casparian explain ~/exports/odd.csv; casparian explain job-7;"
    " casparian explain 'sales: order_id=4711'"
)
def explain(
    subject: Annotated[
        str,
        typer.Argument(
            help="A file, a job, a topic, or a row by what it holds: 'TOPIC: VALUE' or 'TOPIC:"
            " COLUMN=VALUE'."
        ),
    ],
    as_json: Json = False,
) -> int:
    """Say why a file, job or topic is as it is, or why a row is not there."""
    path = file_name(subject)
    named = path if "/" in subject else subject
    result = ask("explain", {"subject": named, "as_file": path if path != named else None})
    if as_json:
        showing.show_json(result)
    else:
        showing.say(f"{result['subject']}: {result['verdict']}")
        for line in cast("list[str]", result["evidence"]):
            showing.say(f"  {line}")
        showing.say_steps(result)
    return exits.FAILURE if result["verdict"] in ("unknown", "never seen") else exits.OK


@app.command(
    epilog="Examples: casparian contract sales --to sales.json; casparian contract sales --from"
    " sales.json; casparian contract sales --policy freeze"
)
def contract(
    topic: str,
    version: Annotated[int | None, typer.Option(help="One version; the newest by default.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write the Table Schema to this file.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="State the contract by a Table Schema.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="What becomes of other columns: ask (they may come, a person decides the rest),"
            " evolve, freeze or discard."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or state the agreed columns of a topic, as a Frictionless Table Schema."""
    if source is not None or policy is not None:
        stated = None if source is None else _table_schema(source.expanduser())
        params = {"topic": topic, "table_schema": stated, "policy": policy}
        done(ask("set_contract", params), as_json=as_json)
        return
    result = ask("get_contract", {"topic": topic, "version": version})
    schema = cast("dict[str, Any]", result["table_schema"])
    if to is not None:
        to.expanduser().write_text(json.dumps(schema, indent=2) + "\n", "utf-8")
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    key = schema.get("primaryKey", [])
    rows: Rows = [
        [one["name"], one["type"], one["arrowType"], _stated(one, in_key=one["name"] in key)]
        for one in schema["fields"]
    ]
    showing.table(("column", "type", "stored as", "stated"), rows)
    if to is not None:
        showing.say(f"Written: {to}")


def _stated(field: dict[str, Any], *, in_key: bool) -> str:
    rules = {"format": field.get("format"), **field["constraints"]}
    words = ["key"] if in_key else []
    words += ["required"] if rules.pop("required") else []
    words += [f"{rule} {value}" for rule, value in rules.items() if value is not None]
    return ", ".join(words)


def _table_schema(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} holds no Table Schema: {error}") from error


@app.command(epilog='Example: casparian quarantine sales --dismiss "test entries of the vendor"')
def quarantine(
    topic: str,
    dismiss: Annotated[
        str | None, typer.Option(help="Say that the records need no mending, and why.")
    ] = None,
    restore: Annotated[bool, typer.Option(help="Take dismissals back.")] = False,
    file: Annotated[str | None, typer.Option(help="Only records of this file.")] = None,
    as_json: Json = False,
) -> None:
    """Show what was set aside of a topic, by cause; dismiss it with a note, or take that back."""
    if dismiss is not None and restore:
        raise ConfigError("--dismiss and --restore are opposites", hint="Give one of them.")
    if file is not None and dismiss is None and not restore:
        raise ConfigError(
            "--file says which records are dismissed or restored, and neither is asked for",
            hint=f"The records of a file: `casparian explain {file}`.",
        )
    if dismiss is not None or restore:
        params = {
            "topic": topic,
            "note": dismiss or "",
            "file": file_name(file) if file else None,
            "restore": restore,
        }
        done(ask("dismiss", params), as_json=as_json)
        return
    result = ask("quarantine", {"topic": topic})
    if as_json:
        showing.show_json(result)
        return
    causes = parts(result, "causes")
    rows: Rows = [[c["code"], c["column"], c["records"], c["files"]] for c in causes]
    showing.table(("code", "column", "records", "files"), rows)
    for one in causes:
        showing.say(f"{one['code']}, such as {one['file']} line {one['line']}: {one['reason']}")
        showing.say(f"  {one['raw']}")
    showing.say(str(result["summary"]))
    showing.say_steps(result)

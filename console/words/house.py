"""Words about the installation: demo, engine, checks, hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console import exits, showing
from console.engine_door import ask, client, home_in_force
from console.words.shared import Json, Rows, absolute, app, done, mcp_app, parts


@app.command(epilog="Example: casparian demo ~/exports")
def demo(
    folder: Annotated[str | None, typer.Argument(help="A folder of your own.")] = None,
    keep: Annotated[bool, typer.Option(help="Keep the demo's home for a closer look.")] = False,
) -> int:
    """Go the whole way on real files: scan, draft, validate, publish, query, lineage."""
    from console.demo import run

    return run(Path(folder).expanduser().absolute() if folder else None, keep=keep)


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


@app.command(epilog="Example: casparian stop")
def stop(as_json: Json = False) -> None:
    """End the engine of this home and its worker; their work goes on at the next start."""
    from console.engine_process import await_end

    door = client()
    if not door.is_running():
        done({"summary": "No engine is running.", "next_steps": []}, as_json=as_json)
        return
    said = door.call("stop")
    has_ended = await_end(home_in_force())
    summary = "The engine has stopped." if has_ended else "The engine stops; a job is still ending."
    done({**said, "summary": summary}, as_json=as_json)


@app.command(epilog="Example: casparian verify --json")
def verify(as_json: Json = False) -> int:
    """Check the promises on this installation."""
    return _checks(ask("verify", {}, what="checking"), as_json=as_json)


@app.command(epilog="Example: casparian doctor --json")
def doctor(as_json: Json = False) -> int:
    """Check the machine, and prove the wall by trying to get out of it."""
    return _checks(ask("doctor", {}, what="checking"), as_json=as_json)


def _checks(result: dict[str, object], *, as_json: bool) -> int:
    if as_json:
        showing.show_json(result)
    else:
        rows: Rows = [
            ["yes" if c["ok"] else "NO", c["name"], c["detail"]] for c in parts(result, "checks")
        ]
        showing.table(("holds", "what", "detail"), rows)
        showing.say(str(result["summary"]))
    return exits.OK if result["ok"] else exits.FAILURE


@mcp_app.callback(epilog="Example: casparian mcp --root ~/exports")
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

    serve([absolute(one) for one in root or []])


@mcp_app.command(epilog="Example: casparian mcp install --client claude-desktop --root ~/exports")
def install(
    client: Annotated[str, typer.Option(help="claude-desktop")] = "claude-desktop",
    root: Annotated[list[str] | None, typer.Option(help="A folder the agent may scan.")] = None,
    config: Annotated[str | None, typer.Option(help="The host's configuration file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> int:
    """Show the change to a host's configuration, then write it."""
    from console.hosts import install as write

    return write(client, [absolute(one) for one in root or []], config, yes=yes)

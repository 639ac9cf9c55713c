"""What the words of the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from console import showing

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        showing.say(f"casparian {version('casparian-flow')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Turn folders of exports, logs and dumps into tables people can trust.

    Start with [bold]casparian demo[/], then [bold]casparian init DIR[/].
    """


mcp_app = typer.Typer(no_args_is_help=False, invoke_without_command=True)
app.add_typer(mcp_app, name="mcp", help="Serve an agent over stdio, or tell a host how to.")

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Rows = list[list[object]]


def parts(result: dict[str, object], key: str) -> list[dict[str, Any]]:
    """The items under one key of a result."""
    return cast("list[dict[str, Any]]", result.get(key) or [])


def absolute(path: str) -> str:
    """A path as the engine wants it."""
    return str(Path(path).expanduser().absolute())


def file_name(name: str) -> str:
    """A file argument: a path becomes absolute, an id or an ending stays.

    A path is what exists, and what lies in a folder that does: the file may be deleted by now.
    """
    path = Path(name).expanduser()
    is_path = path.exists() or ("/" in name and path.parent.is_dir())
    return absolute(name) if is_path else name


def done(result: dict[str, object], *, as_json: bool) -> None:
    """Say that it was done, and what comes next."""
    if as_json:
        showing.show_json(result)
        return
    showing.say(str(result["summary"]))
    showing.say_steps(result)

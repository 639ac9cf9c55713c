"""Show results in a terminal: tables, panels, progress; or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from casparian_flow.errors import CasparianError
from console.exits import exit_code
from engine.control import Progress as Report
from engine.paths import harmless

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def plain(text: object, style: str = "") -> Text:
    """Text of whoever wrote it: no markup, no emoji codes, nothing that restyles a terminal."""
    return Text(harmless(str(text), lines=True), style=style)


def show_error(error: CasparianError, *, as_json: bool) -> int:
    """Say what happened and what to do next; return the exit code."""
    if as_json:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        show_json({"error": body})
    err.print(Text.assemble((error.code, "bold red"), ": ", plain(error.message)))
    if error.hint:
        err.print(Text.assemble(("Next: ", "dim"), plain(error.hint)))
    return exit_code(error)


def show_json(result: Mapping[str, object]) -> None:
    """One JSON object on stdout, and nothing else; safe to look at, and the same to a program."""
    sys.stdout.write(harmless(json.dumps(result, ensure_ascii=False)) + "\n")


def say(text: str) -> None:
    """A sentence; what it holds is text, never markup."""
    out.print(plain(text))


def say_steps(result: Mapping[str, object]) -> None:
    """The next steps of a result, if they are commands."""
    steps = result.get("next_steps")
    for step in steps if isinstance(steps, list) else []:
        if str(step).startswith("casparian "):
            out.print(Text.assemble(("Next: ", "dim"), plain(step)))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """A table; empty ones are not drawn."""
    if not rows:
        return
    grid = Table(title=plain(title) if title else None, title_justify="left", header_style="bold")
    for column in columns:
        grid.add_column(plain(column), overflow="fold")
    for row in rows:
        grid.add_row(*(plain("" if cell is None else cell) for cell in row))
    out.print(grid)


def code(text: str) -> None:
    """Python source with line numbers."""
    out.print(Syntax(harmless(text, lines=True), "python", line_numbers=True))


@contextmanager
def progress(what: str) -> Generator[Report]:
    """A bar on stderr while the engine works; nothing where nobody looks."""
    if not err.is_terminal:
        yield lambda _what, _done, _total: None
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
    )
    with bar:
        task = bar.add_task(escape(harmless(what)), total=None)

        def report(now: str, done: int, total: int) -> None:
            bar.update(task, description=escape(harmless(now)), completed=done, total=total or None)

        yield report

"""Show results in a terminal: tables, panels, progress; or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain, repeat

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from casparian_flow.errors import CasparianError
from console.exits import exit_code
from console.wording import spoken
from engine.control import Progress as Report
from engine.paths import harmless

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_WORDS = {"y": True, "yes": True, "n": False, "no": False, "": None}
_CONTINUED = "↪"
"""Stands before what goes on with the line above."""
_LEAST_ROOM = 10


def plain(text: object, style: str = "") -> Text:
    """Text of whoever wrote it: no markup, no emoji codes, nothing that restyles a terminal."""
    return Text(harmless(str(text), lines=True), style=style)


def show_error(error: CasparianError, *, as_json: bool) -> int:
    """Say what happened and what to do next; return the exit code."""
    hint = spoken(error.hint) if error.hint else None
    if as_json:
        body = {"code": error.code, "message": error.message, "hint": hint or ""}
        show_json({"error": body})
    err.print(Text.assemble((error.code, "bold red"), ": ", plain(error.message)))
    if hint:
        err.print(Text.assemble(("Next: ", "dim"), plain(hint)))
    return exit_code(error)


def show_json(result: Mapping[str, object]) -> None:
    """One JSON object on stdout, and nothing else; safe to look at, and the same to a program."""
    sys.stdout.write(harmless(json.dumps(result, ensure_ascii=False)) + "\n")


def say(text: str, *, style: str = "") -> None:
    """A sentence; what it holds is text, never markup."""
    out.print(Text.assemble(plain(text), style=style))


def say_aside(text: str) -> None:
    """A sentence on stderr, beside what the command answers."""
    err.print(plain(text))


def say_steps(result: Mapping[str, object]) -> None:
    """The next steps of a result, if they are commands."""
    steps = result.get("next_steps")
    for step in steps if isinstance(steps, list) else []:
        if "casparian " in str(step):
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
    """Python source with line numbers, every line whole."""
    painted = Syntax("", "python", background_color="default").highlight(_printable(text))
    painted.rstrip()
    lines = painted.split("\n", allow_blank=True)
    digits = len(str(len(lines)))
    heads = [f"{number:>{digits}} " for number in range(1, len(lines) + 1)]
    _whole(list(lines), heads, f"{_CONTINUED:>{digits}} ")


def block(text: str) -> None:
    """Text of several lines that a person decides on, every line whole."""
    lines = [Text(line) for line in _printable(text).split("\n")]
    _whole(lines, [""] * len(lines), f"{_CONTINUED} ")


def _printable(text: str) -> str:
    """Harmless text in which every character takes the width it says."""
    return "\n".join(line.expandtabs(4) for line in harmless(text, lines=True).split("\n"))


def _whole(lines: Sequence[Text], heads: Sequence[str], continued: str) -> None:
    """Print lines of any width: nothing past the edge, and what goes on below it is marked.

    What is no terminal has no edge, and gets the lines as they are.
    """
    for line, head in zip(lines, heads, strict=True):
        room = max(out.width - len(head or continued), _LEAST_ROOM)
        pieces = [line]
        if out.is_terminal and cell_len(head) + line.cell_len > out.width:
            ends = accumulate(len(part) for part in chop_cells(line.plain, room))
            pieces = [piece for piece in line.divide(ends) if piece]
        for mark, piece in zip(chain([head], repeat(continued)), pieces, strict=False):
            out.print(Text(mark, style="dim") + piece, soft_wrap=True)


def decision(question: str) -> bool | None:
    """What the person at the terminal says; None for Enter or the end of input."""
    import typer

    while True:
        try:
            said = typer.prompt(f"{question} [y/n, Enter: later]", default="", show_default=False)
        except typer.Abort:
            out.print()
            return None
        word = str(said).strip().lower()
        if word in _WORDS:
            return _WORDS[word]


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

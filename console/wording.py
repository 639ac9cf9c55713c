"""Say the next steps and hints of the service in the words of the command line."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable, Mapping
from typing import cast

_Arguments = Mapping[str, object]


def _first(value: object) -> str:
    """The only name in a list, or the name itself, ready for a shell."""
    one = cast("list[object]", value)[0] if isinstance(value, list) and value else value
    return "FILE" if one is ... else shlex.quote(str(one))


def _draft(given: _Arguments) -> str | None:
    if "draft" in given:
        name = _first(given["draft"])
        return f"casparian draft --show {name} --to DIR; then casparian draft DIR --draft {name}"
    return f"casparian draft {_first(given['files'])}" if given.get("files") else None


def _jobs(given: _Arguments) -> str:
    if "file" in given:
        return f"casparian explain {_first(given['file'])}"
    words = ["casparian jobs", *([_first(given["jobs"])] if "jobs" in given else [])]
    options = {"state": "--state", "plugin": "--plugin", "wait_s": "--wait"}
    words += [f"{options[key]} {_first(given[key])}" for key in options if key in given]
    return " ".join(words)


def _run(given: _Arguments) -> str:
    words = [f"casparian run {_first(given['plugin'])}"]
    words += [f"--{key} {_first(given[key])}" for key in ("reprocess", "pattern") if key in given]
    return " ".join(words)


def _plugins(given: _Arguments) -> str:
    name = f" {_first(given['names'])}" if "names" in given else ""
    return f"casparian plugins{name}{' --source' if 'include' in given else ''}"


def _lineage(given: _Arguments) -> str | None:
    target = cast("dict[str, object]", given["target"])
    return f"casparian lineage {_first(target['job'])}" if "job" in target else None


_COMMANDS: Mapping[str, Callable[[_Arguments], str | None]] = {
    "preview_file": lambda given: f"casparian preview {_first(given['file'])}",
    "draft_plugin": _draft,
    "validate_plugin": lambda given: f"casparian validate {_first(given['draft'])}",
    "publish_plugin": lambda given: f"casparian publish {_first(given['draft'])}",
    "get_plugins": _plugins,
    "run_job": _run,
    "get_jobs": _jobs,
    "retry_job": lambda given: f"casparian retry {_first(given['jobs'])}",
    "cancel_job": lambda given: f"casparian cancel {_first(given['jobs'])}",
    "query": lambda given: f"casparian query {_first(given['sql'])}",
    "query_lineage": _lineage,
    "explain": lambda given: f"casparian explain {_first(given['subject'])}",
}
HINTS: Mapping[str, str] = {  # the service's own words; a test finds each of them there
    "Leave `draft` out to make a new one.": "Make one: `casparian draft FILE`.",
    'For example: query(sql="SELECT 1").': 'For example: `casparian query "SELECT 1"`.',
    "Give the plugin's source yourself: draft with `source`.": (
        "Write the plugin yourself: `casparian draft PLUGIN.py FILE`."
    ),
    "calling publish_plugin again, unchanged, asks nobody": (
        "`casparian publish` again, unchanged, asks nobody"
    ),
    "then call publish_plugin again, unchanged": "then `casparian publish` again, unchanged",
    "scan(...) its source again": "casparian scan DIR",
    "scan(...) its source": "casparian scan DIR",
    "scan(...) again with the same path": "casparian scan DIR",
}


def spoken(text: str) -> str | None:
    """One step or hint; None for a tool's call that the command line has no word for."""
    if text in HINTS:
        return HINTS[text]
    call = _call(text)
    if call is None:
        return text
    tool, given = call
    say = _COMMANDS.get(tool)
    return say(given) if say is not None and given is not None else None


def steps(result: dict[str, object]) -> dict[str, object]:
    """The same result with the next steps a person at a shell can take."""
    given = cast("list[object]", result.get("next_steps") or [])
    said = [spoken(str(step)) for step in given]
    return {**result, "next_steps": list(dict.fromkeys(one for one in said if one))}


def _call(text: str) -> tuple[str, _Arguments | None] | None:
    """The tool and arguments of `tool(name="value")`, whatever follows; None if it is no call."""
    tool, opened, rest = text.partition("(")
    if not opened or not tool.isidentifier():
        return None
    for end in (position for position, letter in enumerate(rest, 1) if letter == ")"):
        try:
            node = ast.parse(f"{tool}({rest[:end]}", mode="eval").body
        except (SyntaxError, ValueError):
            continue
        if isinstance(node, ast.Call):
            return tool, _literals(node)
    return tool, None


def _literals(node: ast.Call) -> _Arguments | None:
    """The keyword arguments that are plain values; `...` stands for what is to be written."""
    if node.args:
        return None
    try:
        return {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
    except ValueError:
        return None

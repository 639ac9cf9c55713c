"""Show an approval and a lineage to a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from rich.text import Text
from rich.tree import Tree

from console import showing


def show_approval(found: dict[str, Any]) -> None:
    """Everything that takes effect, before a person says yes."""
    effects = found["effects"]
    if found.get("replaces"):
        showing.say(str(found["replaces"]))
    for name, text in found["source"].items():
        showing.say(f"--- {name} ---")
        showing.code(text)
    showing.table(
        ("line", "rule", "finding"),
        [[f["line"], f["rule"], f["message"]] for f in found["findings"]],
    )
    if found.get("diff"):
        showing.say("--- what changes ---")
        showing.block(str(found["diff"]))
    validation = found.get("validation")
    if validation:
        for topic in validation["rows"]:
            showing.table(topic["columns"], topic["rows"], title=f"{topic['topic']}, sample rows")
        show_agreement(validation["agreement"])
        showing.say(validation["summary"])
    showing.say(
        f"{found['plugin']}@{found['version']} would read {effects['files']} files"
        f" ({effects['bytes']} bytes) below {', '.join(effects['roots'])},"
        f" publish to {', '.join(effects['topics'])} and queue {effects['jobs']} jobs."
    )
    if found["instead"]:
        showing.say(found["instead"])
    showing.say("Delivered to the lake" + "".join(f" and {uri}" for uri in effects["sinks"]))
    showing.say(f"Dependencies: {', '.join(found['dependencies']) or 'none'}")
    showing.say(f"Digest: {found['digest']}")


def show_agreement(lines: list[str]) -> None:
    """How contracts would change; what a person has to decide stands out."""
    for line in lines:
        style = "bold red" if line.startswith(("REFUSED", "TO DECIDE")) else ""
        showing.say(line, style=style)


def lineage_target(
    target: str, job: str | None, row: int | None, as_file: Callable[[str], str]
) -> dict[str, object]:
    """What the words of the command mean."""
    if job is not None:
        return {"topic": target, "job_id": job, "row": row or 0}
    if target.startswith("job-"):
        return {"job": target}
    path = target if Path(target).is_dir() and "/" not in target else as_file(target)
    if path.startswith(("/", "file-")):
        return {"file": path}
    if "@" in target:
        return {"plugin": target}
    return {"topic": target}


def show_lineage(result: dict[str, object]) -> None:
    """The graph as a tree, from what was asked back to its sources."""
    nodes = {n["id"]: n for n in cast("list[dict[str, Any]]", result["nodes"])}
    edges = cast("list[dict[str, str]]", result["edges"])
    tree = Tree(_label(nodes[str(result["root"])]))
    _grow(tree, str(result["root"]), nodes, edges, {str(result["root"])})
    showing.out.print(tree)
    showing.say(str(result["summary"]))


def _grow(
    tree: Tree,
    at: str,
    nodes: dict[str, dict[str, Any]],
    edges: list[dict[str, str]],
    seen: set[str],
) -> None:
    for edge in edges:
        other, relation = None, edge["relation"]
        if edge["target"] == at:
            other, relation = edge["source"], f"← {relation}"
        elif edge["source"] == at:
            other, relation = edge["target"], f"→ {relation}"
        if other is not None and other not in seen:
            seen.add(other)
            label = Text.assemble((relation, "dim"), " ", _label(nodes[other]))
            _grow(tree.add(label), other, nodes, edges, seen)


def _label(node: dict[str, Any]) -> Text:
    label = Text.assemble(showing.plain(node["kind"], "bold"), " ", showing.plain(node["id"]))
    for key, value in node["facts"].items():
        if value is not None:
            label.append_text(Text.assemble((f"\n  {key} ", "dim"), showing.plain(value)))
    return label

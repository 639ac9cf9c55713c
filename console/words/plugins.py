"""Words about drafts, approvals and plugins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from casparian_flow.errors import ConfigError
from console import exits, showing
from console.engine_door import ask
from console.review import show_agreement
from console.words.shared import Json, Rows, app, done, file_name, parts

_DRAFT_EXAMPLES = """Examples:

casparian draft ~/exports/sales.csv --topic sales

casparian draft sales.py --draft draft-sales-1

casparian draft --show draft-sales-1 --to sales/"""


@app.command(epilog=_DRAFT_EXAMPLES)
def draft(
    file: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sample files; and a plugin of your own, a .py file or a folder with plugin.py."
            " Without samples: known files that its pattern matches."
        ),
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Table name, such as sales.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Glob of the files to read.")] = None,
    plugin: Annotated[
        str | None, typer.Option(help="Take this plugin (.py or folder) as it is.")
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="What the sample leaves open: 'day first', 'decimal comma', 'zip as text'; or the"
            " layout of binary records: 'struct <IHd id, qty, price'."
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(help="Deliver there, too: sqlite:///absolute/path.db; repeatable."),
    ] = None,
    into: Annotated[str | None, typer.Option("--draft", help="Revise this draft.")] = None,
    show: Annotated[str | None, typer.Option(help="Show this draft as it stands.")] = None,
    to: Annotated[str | None, typer.Option(help="With --show: write it to this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Draft a plugin for files like these, or take one that you wrote."""
    making = {"a file": file, "--topic": topic, "--pattern": pattern, "--plugin": plugin}
    making |= {"--goal": goal, "--sink": sink, "--draft": into}
    if show is not None:
        _refuse("--show", making)
        _show_draft(show, to, as_json=as_json)
        return
    _refuse("no --show", {"--to": to})
    samples, own = _sorted_out(file or [], plugin)
    if own is not None:
        _refuse(
            "a plugin of your own (its MANIFEST says it)",
            {"--topic": topic, "--pattern": pattern, "--goal": goal},
        )
    elif not samples and pattern is None and into is None:
        raise ConfigError("nothing to draft from", hint="Name a sample file: casparian draft FILE")
    params: dict[str, object] = {
        "files": [file_name(one) for one in samples] or None,
        "topic": topic,
        "goal": goal,
        "pattern": pattern,
        "draft": into,
        "sinks": sink,
    }
    if own is not None:
        from console.plugin_source import read_plugin

        params |= read_plugin(Path(own))
    result = ask("draft_plugin", params, what="drafting")
    if as_json:
        showing.show_json(result)
        return
    showing.code(str(result["source"]))
    show_findings(parts(result, "findings"))
    for point in cast("list[str]", result["ambiguities"]):
        showing.say(f"? {point}")
    own = [one for one in cast("list[str]", result["dependencies"]) if one != "pyarrow"]
    showing.say(f"Dependencies: {', '.join(['pyarrow', *own])}.")
    showing.say(str(result["summary"]))
    showing.say_steps(result)


def _refuse(beside: str, options: dict[str, Any]) -> None:
    """Raise if one of the options was given beside something it does not go with."""
    given = [name for name, value in options.items() if value]
    if given:
        raise ConfigError(
            f"{' and '.join(given)} cannot be used with {beside}", hint="See casparian draft --help"
        )


def _sorted_out(names: list[str], plugin: str | None) -> tuple[list[str], str | None]:
    """Samples, and the plugin among the arguments."""
    from console.plugin_source import is_plugin

    if plugin is not None:
        return names, plugin
    own = [name for name in names if is_plugin(name)]
    if len(own) > 1:
        raise ConfigError(
            f"{', '.join(own)} are {len(own)} plugins, a draft is one",
            hint="To read .py files as samples, name the plugin with --plugin.",
        )
    return [name for name in names if name not in own], own[0] if own else None


def _show_draft(name: str, to: str | None, *, as_json: bool) -> None:
    from console.plugin_source import write_plugin

    found = ask("get_draft", {"draft": name})
    files = cast("dict[str, str]", found["files"])
    dependencies = cast("list[str]", found["dependencies"])
    written: list[Path] = []
    if to is not None:
        written = write_plugin(Path(to), files, name=name, dependencies=dependencies)
    if as_json:
        showing.show_json(found)
        return
    for module, text in () if to else files.items():
        showing.say(f"--- {module} ---")
        showing.code(text)
    for path in written:
        showing.say(f"Written: {path}")
    showing.say(str(found["summary"]))
    again = f"casparian draft {to} --draft {name}" if to else f"casparian validate {name}"
    showing.say(f"Next: {again}")


def show_findings(findings: list[dict[str, Any]]) -> None:
    """The gatekeeper's findings, for a person."""
    rows: Rows = [[f["line"], f["rule"], f["message"], f["fix"]] for f in findings]
    showing.table(("line", "rule", "finding", "mend"), rows)


@app.command(epilog="Example: casparian validate draft-sales-1 --all-files")
def validate(
    draft: str,
    file: Annotated[list[str] | None, typer.Option(help="Only these files.")] = None,
    max_files: Annotated[int, typer.Option(help="Samples it is tried on, at most.")] = 5,
    all_files: Annotated[
        bool, typer.Option("--all-files", help="A backtest: every file it would read.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Gate a draft and run it, confined, over real files; nothing is put in force.

    It ends with 0 where each record of each file became a row, 1 where a file failed, 3 where the
    gate rejects it, and 4 where files passed but records were quarantined.
    """
    params = {
        "draft": draft,
        "files": [file_name(one) for one in file] if file else None,
        "max_files": max_files,
        "all_files": all_files,
        "wait_s": 86400,
    }
    try:
        result = ask("validate_plugin", params, what="trying the draft")
    except KeyboardInterrupt:
        showing.say_aside(
            f"The engine goes on trying it: `casparian validate {draft}` picks it up,"
            f" `casparian cancel {draft}` ends it."
        )
        raise
    if as_json:
        showing.show_json(result)
    else:
        show_validation(result)
    if result["state"] == "rejected":
        return exits.REJECTED
    if not result["ok"] or result["failed"]:
        return exits.FAILURE
    return exits.PARTLY_QUARANTINED if result["quarantined_count"] else exits.OK


def show_validation(result: dict[str, object]) -> None:
    """A validation, for a person."""
    show_findings(parts(result, "findings"))
    for topic in parts(result, "rows"):
        heads = [f"{n}\n{t}" for n, t in zip(topic["columns"], topic["types"], strict=True)]
        showing.table(heads, topic["rows"], title=f"{topic['topic']}: {topic['row_count']} rows")
    rows: Rows = [
        [q["file"], q["line"], q["code"], q["reason"], q["raw"]]
        for q in parts(result, "quarantined")
    ]
    showing.table(("file", "line", "code", "reason", "record"), rows, title="quarantined")
    codes = cast("dict[str, int]", result["quarantined_by"])
    showing.table(("set aside because", "records"), list(codes.items()))
    causes: Rows = [[c["files"], c["file"], c["example"]] for c in parts(result, "causes")]
    showing.table(("files", "for example", "reason"), causes, title="failed, by cause")
    for change in parts(result, "changes"):
        columns = list(cast("dict[str, int]", change["columns"]).items())
        title = f"{change['topic']}: rows that change, by column"
        showing.table(("column", "rows"), columns, title=title)
        for example in change["examples"]:
            showing.say(f"  {example}")
    if result.get("diff"):
        showing.block(str(result["diff"]))
    show_agreement(cast("list[str]", result["agreement"]))
    showing.say(str(result["summary"]))
    showing.say_steps(result)


@app.command(epilog="Example: casparian publish draft-sales-1")
def publish(
    draft: str,
    digest: Annotated[str | None, typer.Option(help="What was validated; default: newest.")] = None,
    version: Annotated[int | None, typer.Option(help="Its number; default: the next.")] = None,
    reprocess: Annotated[
        str, typer.Option(help="Which files it reads now: new, all, failed or none.")
    ] = "new",
    note: Annotated[str | None, typer.Option(help="Why, for whoever asks later.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="You have read it and approve.")] = False,
    as_json: Json = False,
) -> int:
    """Put a validated draft in force; you are asked to approve it here."""
    if digest is None:  # what was validated last is what was looked at
        digest = cast("str | None", ask("get_draft", {"draft": draft})["digest"])
    if digest is None:
        validated = ask("validate_plugin", {"draft": draft, "wait_s": 86400}, what="validating")
        if not validated["ok"]:
            if as_json:
                showing.show_json(validated)
            else:
                show_validation(validated)
            return exits.REJECTED
        digest = str(validated["digest"])
    params = {
        "draft": draft, "digest": digest, "version": version, "reprocess": reprocess, "note": note,
    }  # fmt: skip
    result = ask("publish_plugin", params, what="publishing")
    approval = cast("dict[str, str] | None", result.get("approval"))
    if result["status"] == "approval_required" and approval is not None:
        decision = True if yes else _reviewed(str(result["review"]), as_json=as_json)
        if decision is None:
            done(result, as_json=as_json)
            if not as_json and not sys.stdin.isatty():
                showing.say(f"Once you have read it: casparian publish {draft} --yes")
            return exits.NOT_ALLOWED
        decided = {
            "approval": approval["id"],
            "digest": digest,
            "how": "--yes" if yes else "prompt",
        }
        if not decision:
            done(ask("decline", decided), as_json=as_json)
            return exits.NOT_ALLOWED
        if yes and not as_json:
            _show_effects(approval["id"])
        ask("approve", decided)
        result = ask("publish_plugin", params, what="publishing")
    done(result, as_json=as_json)
    return exits.OK if result["status"] == "published" else exits.NOT_ALLOWED


def _show_effects(approval: str) -> None:
    """What is approved without a question: contracts that change, and other files it could read."""
    found = parts(ask("approvals", {"approval": approval}), "approvals")[0]
    if found["validation"]:
        show_agreement(found["validation"]["agreement"])
    if found["instead"]:
        showing.say(str(found["instead"]))


def _reviewed(review: str, *, as_json: bool) -> bool | None:
    """Yes, no, or None while nobody decides."""
    if as_json or not sys.stdin.isatty():
        return None
    showing.block(review)
    return showing.decision("Approve and publish?")


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
        return _waiting(as_json=as_json)
    found = parts(ask("approvals", {"approval": approval}), "approvals")[0]
    is_decided = found["status"] in ("approved", "used", "stale")
    if is_decided and not no:
        done(found, as_json=as_json)
        return exits.NOT_ALLOWED if found["status"] == "stale" else exits.OK
    if not yes and not no and not as_json:
        show_approval(found)
        if found.get("url"):
            showing.say(f"The same as a page: {found['url']}")
    asked = not yes and not no and not as_json and sys.stdin.isatty()
    decision = showing.decision("Approve?") if asked else None
    if not yes and not no and decision is None:
        if as_json:
            showing.show_json(found)
        else:
            showing.say(f"{approval} still waits: decide with --yes or --no, or on the page.")
        return exits.NOT_ALLOWED
    how = "--no" if no else "--yes" if yes else "prompt"
    method = "approve" if (yes or decision) and not no else "decline"
    params = {"approval": approval, "digest": found["digest"], "how": how}
    done(ask(method, params), as_json=as_json)
    return exits.OK


def _waiting(*, as_json: bool) -> int:
    result = ask("approvals", {})
    if as_json:
        showing.show_json(result)
        return exits.OK
    showing.say(str(result["summary"]))
    rows: Rows = [[a["id"], a["summary"], a["url"]] for a in parts(result, "approvals")]
    showing.table(("approval", "what", "page"), rows)
    showing.say_steps(result)
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
    rows: Rows = [
        [
            one["plugin"], one["status"], one["pattern"], ", ".join(one["topics"]),
            ", ".join(f"{count} {state}" for state, count in one["jobs"].items()),
        ]
        for one in parts(result, "plugins")
    ]  # fmt: skip
    showing.table(("plugin", "status", "pattern", "topics", "jobs"), rows)
    for one in parts(result, "plugins"):
        for key in ("signature", "history"):
            if one.get(key):
                showing.out.print_json(data=one[key], ensure_ascii=True)
        for module, text in (one.get("source") or {}).items():
            showing.say(f"--- {module} ---")
            showing.code(text)


@app.command(epilog="Example: casparian retire sales")
def retire(plugin: str, as_json: Json = False) -> None:
    """Take a plugin out of force; its rows stay."""
    done(ask("retire", {"plugin": plugin}), as_json=as_json)

"""Words for those who write plugins: test a folder's samples against what is expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from casparian_flow.errors import ConfigError
from console import exits, showing
from console.engine_door import ask
from console.plugin_source import read_plugin
from console.words.plugins import show_findings
from console.words.shared import Json, Rows, app, parts

_MOST_SHOWN = 10
_ASIDE = "quarantine.json"


@app.command("test", epilog="Example: casparian test plugins/python_record --write")
def compare_samples(
    folder: Annotated[Path, typer.Argument(help="A folder with plugin.py and sample/.")],
    write: Annotated[
        bool, typer.Option("--write", help="Write what expected/ lacks, after showing it.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Run a plugin folder, confined, over its sample/ and compare with its expected/."""
    folder = folder.expanduser()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder", hint="Name the folder of a plugin.")
    samples = sorted(path for path in (folder / "sample").glob("*") if _is_sample(path))
    if not samples:
        raise ConfigError(
            f"{folder / 'sample'} holds no files", hint="Put a few small sample files there."
        )
    given = read_plugin(folder)
    params = {**given, "samples": [str(path.absolute()) for path in samples]}
    result = ask("try_samples", params, what="testing the plugin")
    verdicts = [] if result["findings"] else _compared(folder / "expected", result)
    missing = [one for one in verdicts if one["verdict"] == "missing"]
    if write:
        for one in missing:
            _write(folder / "expected", one)
    if as_json:
        told = [{key: one[key] for key in ("name", "verdict", "differs")} for one in verdicts]
        showing.show_json({**result, "expected": told})
    else:
        _show(result, verdicts, written=write)
    failed = bool(result["findings"] or result["failed"] or not verdicts)
    differs = any(one["verdict"] == "differs" for one in verdicts)
    return exits.FAILURE if failed or differs or (missing and not write) else exits.OK


def _is_sample(path: Path) -> bool:
    """A file of the folder itself: a link could lead to anything on the machine."""
    return path.is_file() and not path.is_symlink()


def _compared(folder: Path, result: dict[str, Any]) -> list[dict[str, Any]]:
    """For each topic, and for what was set aside: `same`, `differs` or `missing`."""
    found = {
        f"{topic['topic']}.json": [
            dict(zip(topic["columns"], row, strict=True)) for row in topic["rows"]
        ]
        for topic in parts(result, "topics")
    }
    found[_ASIDE] = [
        {key: one[key] for key in ("file", "line", "code", "reason")}
        for one in parts(result, "quarantined")
    ]
    unknown = sorted({path.name for path in folder.glob("*.json")} - found.keys())
    return [_verdict(folder / name, rows) for name, rows in found.items()] + [
        {"name": name, "rows": [], "verdict": "differs", "differs": ["no such topic is published"]}
        for name in unknown
    ]


def _verdict(path: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    verdict = {"name": path.name, "rows": rows, "verdict": "same", "differs": []}
    if not path.exists():
        # Where there is nothing there is nothing to expect.
        return verdict | {"verdict": "missing"} if rows else verdict
    expected = _expected(path)
    told: list[str] = []
    for number in range(max(len(expected), len(rows))):
        wanted = expected[number] if number < len(expected) else None
        given = rows[number] if number < len(rows) else None
        if not _is_same(wanted, given):
            told.append(f"row {number + 1}: expected {_short(wanted)}, got {_short(given)}")
    return verdict | ({"verdict": "differs", "differs": told} if told else {})


def _expected(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"{path} is not JSON: {error}",
            hint="Mend it, or delete it and write it anew with --write.",
        ) from error
    if not isinstance(found, list):
        raise ConfigError(f"{path} holds no list", hint="It is a list of rows: [{...}, ...].")
    return cast("list[Any]", found)


def _is_same(wanted: object, given: dict[str, Any] | None) -> bool:
    """Rows are objects, or arrays without the columns that begin with `_`.

    They are the same if they are as JSON: 1 is neither 1.0 nor true.
    """
    if given is not None and isinstance(wanted, list):
        return _text(wanted) == _text([v for name, v in given.items() if not name.startswith("_")])
    return _text(wanted) == _text(given)


def _text(row: object) -> str:
    return json.dumps(row, sort_keys=True)


def _short(row: object) -> str:
    return "no row" if row is None else json.dumps(row, ensure_ascii=False)[:300]


def _write(folder: Path, one: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in one["rows"])
    (folder / one["name"]).write_text(f"[\n  {lines}\n]\n" if lines else "[]\n", "utf-8")


def _show(result: dict[str, Any], verdicts: list[dict[str, Any]], *, written: bool) -> None:
    show_findings(parts(result, "findings"))
    for topic in parts(result, "topics"):
        heads = [f"{n}\n{t}" for n, t in zip(topic["columns"], topic["types"], strict=True)]
        shown: Rows = topic["rows"][:_MOST_SHOWN]
        showing.table(heads, shown, title=f"{topic['topic']}: {len(topic['rows'])} rows")
    aside: Rows = [
        [q["file"], q["line"], q["code"], q["reason"]] for q in parts(result, "quarantined")
    ]
    showing.table(("file", "line", "code", "reason"), aside, title="set aside")
    failed: Rows = [[f["file"], f["reason"]] for f in parts(result, "failed")]
    showing.table(("file", "reason"), failed, title="failed")
    for one in verdicts:
        verdict = "written" if written and one["verdict"] == "missing" else one["verdict"]
        showing.say(f"expected/{one['name']}: {verdict}")
        for difference in one["differs"][:_MOST_SHOWN]:
            showing.say(f"  {difference}")
    showing.say(str(result["summary"]))
    if any(one["verdict"] == "missing" for one in verdicts) and not written:
        showing.say("Next: read the rows above; if they are right, casparian test FOLDER --write")

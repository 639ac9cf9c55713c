"""The whole way on real files, shown step by step, in a home of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from casparian_flow.errors import CasparianError
from console import exits, showing
from console.engine_process import await_end
from console.review import show_lineage
from console.words.plugins import show_validation
from engine.control import Caller, Client, default_start_command
from engine.home import Home, prepare

_MOST_FILES = 2000


def run(folder: Path | None, *, keep: bool) -> int:
    """Scan, preview, draft, validate, publish, run, query, lineage.

    Without a folder: the RECORD files of the Python packages installed here, headerless CSV.
    """
    place = Path(tempfile.mkdtemp(prefix="casparian-demo-"))
    try:
        code = _tell(folder, place)
    finally:
        if keep:
            showing.say(f"Kept: CASPARIAN_HOME={place / 'home'}")
        else:
            shutil.rmtree(Home(place / "home").run, ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
    showing.say("\nNow with your own files:")
    for command in (
        "casparian init ~/exports",
        "casparian demo ~/exports",
        "casparian mcp install --client claude-desktop --root ~/exports",
    ):
        showing.out.print(f"  [bold]{command}[/]")
    return code


def _tell(folder: Path | None, place: Path) -> int:
    """The story in a home below `place`, whose engine ends with it."""
    os.environ["CASPARIAN_HOME"] = str(place / "home")
    home = prepare(place / "home")
    door = Client(home, Caller("cli", getpass.getuser()), default_start_command())
    started = time.monotonic()
    try:
        code = _Story(door).tell(folder or _collect_records(place / "files"))
    finally:
        if door.is_running():
            door.call("stop")
        door.close()
        await_end(home)
    showing.say(f"\nThat took {time.monotonic() - started:.1f} s.")
    return code


def _collect_records(place: Path) -> Path:
    """Copies of the RECORD files of installed packages, each named after its package."""
    place.mkdir(parents=True)
    site = Path(sysconfig.get_path("purelib"))
    for record in sorted(site.glob("*.dist-info/RECORD"))[:_MOST_FILES]:
        shutil.copyfile(record, place / f"{record.parent.name}-RECORD.csv")
    return place


class _Story:
    """One walk through the house, each step shown."""

    def __init__(self, door: Client) -> None:
        self._door = door
        self._step = 0

    def _call(self, title: str, method: str, **params: object) -> dict[str, Any]:
        self._step += 1
        showing.out.rule(f"[bold]{self._step}. {title}[/]", align="left")
        with showing.progress(title) as report:
            return cast("dict[str, Any]", self._door.call(method, params, progress=report))

    def tell(self, data: Path) -> int:
        """The story; the exit code."""
        scan = self._call(
            "Scan: what lies there, by stat alone", "scan", path=str(data), wait_s=600
        )
        showing.say(scan["summary"])
        group = _largest(scan["groups"])
        showing.say(
            f"The largest group: {group['files']} files shaped {group['fingerprint']},"
            f" {group['bytes']:,} bytes. No plugin reads them."
        )
        preview = self._call(
            "Preview: what one of them looks like", "preview_file", file=group["example_file"]
        )
        _show_preview(preview)
        pattern = str(group["fingerprint"]).replace("#", "*")
        draft = self._call(
            "Draft: a plugin that reads them", "draft_plugin",
            files=[group["example_file"]], pattern=pattern if "*" in pattern else None,
            topic="demo_rows",
        )  # fmt: skip
        source = draft["source"].splitlines()
        showing.block("\n".join(source[:30]) + f"\n… {len(source)} lines in all")
        checked = self._call(
            "Validate: gated, then run confined on real files",
            "validate_plugin", draft=draft["draft"], wait_s=600,
        )  # fmt: skip
        show_validation(checked)
        if not checked["ok"]:
            return exits.FAILURE
        return self._publish(draft, checked)

    def _publish(self, draft: dict[str, Any], checked: dict[str, Any]) -> int:
        order = {"draft": draft["draft"], "digest": checked["digest"]}
        asked = self._call("Approve: a person says yes to exactly this", "publish_plugin", **order)
        effects = asked["effects"]
        showing.say(f"{effects['files']} files, {effects['jobs']} jobs, digest {checked['digest']}")
        showing.say("In this demo the command itself says yes; normally you do.")
        self._door.call("approve", {"approval": asked["approval"]["id"], "how": "demo"})
        published = self._call("Publish: signed, admitted, put in force", "publish_plugin", **order)
        showing.say(published["summary"])
        jobs = self._call(
            "Run: every file, each in isolation", "get_jobs",
            plugin=published["plugin"], wait_s=600,
        )  # fmt: skip
        showing.say(jobs["summary"])
        return self._ask()

    def _ask(self) -> int:
        columns = self._call("Datasets: what there is to ask", "get_datasets")["datasets"][0]
        names = [column["name"] for column in columns["columns"]]
        showing.say(f"{columns['table']}: {columns['rows']:,} rows, columns {', '.join(names)}")
        first = names[0]
        answer = self._call(
            "Query: one SELECT over all of it", "query",
            sql=f"SELECT _file_version_id AS version, count(*) AS rows, min({first}) AS first"  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
            f" FROM {columns['table']} GROUP BY 1 ORDER BY rows DESC, version LIMIT 5",
        )  # fmt: skip
        showing.table(answer["columns"], answer["rows"])
        row = self._door.call(
            "query",
            {"sql": f"SELECT _job_id, _row FROM {columns['table']} LIMIT 1"},  # noqa: S608 - names come from the catalog, quoted; a model's SQL is proven apart
        )
        job_id, number = cast("list[list[int]]", row["rows"])[0]
        chain = self._call(
            "Lineage: where one row came from, to the byte", "query_lineage",
            target={"topic": columns["topic"], "job_id": f"job-{job_id}", "row": number},
        )  # fmt: skip
        show_lineage(chain)
        return exits.OK


def _largest(groups: list[dict[str, Any]]) -> dict[str, Any]:
    dark = [group for group in groups if group["plugin"] is None]
    if not dark:
        raise CasparianError("there is no file here that could be read", hint="Try another folder.")
    return max(dark, key=lambda group: int(group["files"]))


def _show_preview(preview: dict[str, Any]) -> None:
    columns = [[c["name"], c["type"], c["ambiguity"]] for c in preview["columns"]]
    showing.say(preview["summary"])
    showing.table(("column", "type", "not certain"), columns)
    showing.table([c["name"] for c in preview["columns"]], preview["rows"])
    for problem in preview["problems"]:
        showing.say(f"! {problem}")

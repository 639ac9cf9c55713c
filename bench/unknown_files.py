"""1,000 files of twenty formats that no plugin reads: map, preview and draft each; result sizes.

Usage: python bench/unknown_files.py [FILES]. Every file is of a kind of its own, so that nothing is
learnt from the one before; all of it goes over MCP, through `casparian mcp` on stdio, as an agent
would. Then one file of 400 columns goes the whole way, into a table and out of it. Prints
milliseconds a file, the high-water mark of the engine's memory, and the largest result of each tool
in tokens (four characters each) against the 8,000 that the design allows.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
from common import Bench, machine, remove, scratch
from mcp import Client, StdioServerParameters

from tests.engine.making import workbook

ROWS = 200
MOST_TOKENS = 8_000


def _names(number: int) -> list[str]:
    """Columns of a kind of file of its own; every fiftieth is wide."""
    count = 400 if number % 50 == 0 else 4 + number % 9
    return [f"c{number}_{one}" for one in range(count)]


def _table(number: int) -> list[list[str]]:
    names = _names(number)
    rows = [
        [str(row * 7 + n) if n % 3 else f"text {row} {n}" for n in range(len(names))]
        for row in range(ROWS)
    ]
    return [names, *rows]


def _text(number: int, mark: str) -> bytes:
    return "\n".join(mark.join(row) for row in _table(number)).encode() + b"\n"


def _records(number: int) -> list[dict[str, str]]:
    names, *rows = _table(number)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _lines(number: int) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in _records(number)).encode()


def _xml(number: int) -> bytes:
    items = "".join(
        f"<item{number}>{''.join(f'<{k}>{v}</{k}>' for k, v in one.items())}</item{number}>\n"
        for one in _records(number)
    )
    return f"<all>\n{items}</all>\n".encode()


def _html(number: int) -> bytes:
    head, *rows = _table(number)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<html><table><tr>{heads}</tr>\n{body}</table></html>\n".encode()


def _fixed(number: int) -> bytes:
    return "\n".join("".join(f"{cell:<16}" for cell in row) for row in _table(number)).encode()


def _access(number: int) -> bytes:
    return "".join(
        f"10.0.{number % 256}.{row} - - [01/Jan/2025:10:{row % 60:02d}:00 +0000]"
        f' "GET /{number}/{row} HTTP/1.1" 200 {row * 10}\n'
        for row in range(ROWS)
    ).encode()


def _logfmt(number: int) -> bytes:
    return "".join(
        f"level=info at=2025-01-01T10:00:00Z n{number}={row} took={row}ms\n" for row in range(ROWS)
    ).encode()


def _settings(number: int) -> bytes:
    return "".join(f"[part{row}]\nkey{number} = {row}\nname = x\n" for row in range(40)).encode()


def _cards(number: int) -> bytes:
    card = "BEGIN:VCARD\nVERSION:3.0\nFN:Name {0}\nX-K{1}:{0}\nEND:VCARD\n"
    return "".join(card.format(row, number) for row in range(ROWS)).encode()


def _events(number: int) -> bytes:
    event = "BEGIN:VEVENT\nUID:{0}-{1}\nDTSTART:20250101T100000Z\nX-K{1}:a\nEND:VEVENT\n"
    body = "".join(event.format(row, number) for row in range(ROWS))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{body}END:VCALENDAR\n".encode()


def _zip(number: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in range(3):
            archive.writestr(f"t{member}.csv", _text(number * 3 + member, ","))
    return target.getvalue()


def _parquet(number: int) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_records(number)), target)
    return target.getvalue()


def _sqlite(number: int) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        names = ", ".join(_names(number))
        database.execute(f"CREATE TABLE t{number} ({names})")
        marks = ", ".join("?" * len(_names(number)))
        database.executemany(f"INSERT INTO t{number} VALUES ({marks})", _table(number)[1:])
        database.commit()
        return bytes(database.serialize())


KINDS: dict[str, Callable[[int], bytes]] = {
    "csv": lambda n: _text(n, ","), "tsv": lambda n: _text(n, "\t"), "txt": lambda n: _text(n, ";"),
    "psv": lambda n: _text(n, "|"), "jsonl": _lines,
    "json": lambda n: json.dumps(_records(n)).encode(), "xml": _xml, "html": _html, "fwf": _fixed,
    "access.log": _access, "log": _logfmt, "ini": _settings, "vcf": _cards, "ics": _events,
    "csv.gz": lambda n: gzip.compress(_text(n, ",")),
    "jsonl.gz": lambda n: gzip.compress(_lines(n)), "zip": _zip, "parquet": _parquet,
    "db": _sqlite, "xlsx": lambda n: workbook({f"s{n}": _table(n)[:50]}),
}  # fmt: skip


def make(folder: Path, files: int) -> list[Path]:
    """The files, a folder each, so that no two are taken for one kind by their names."""
    paths: list[Path] = []
    for number in range(files):
        ending = list(KINDS)[number % len(KINDS)]
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        path = folder / f"d{number}" / f"export-{letters}.{ending}"
        path.parent.mkdir(parents=True)
        path.write_bytes(KINDS[ending](number))
        paths.append(path)
    return paths


class Agent:
    """Calls tools, and remembers how large their results were."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.largest: dict[str, int] = {}

    async def call(self, tool: str, **arguments: Any) -> tuple[float, dict[str, Any]]:
        """The seconds it took, and the structured result."""
        started = anyio.current_time()
        result = await self._client.call_tool(tool, arguments)
        seconds = anyio.current_time() - started
        assert not result.is_error, (tool, arguments, result.content)
        text = sum(len(getattr(one, "text", "")) for one in result.content)
        structured = len(json.dumps(result.structured_content, ensure_ascii=False))
        self.largest[tool] = max(self.largest.get(tool, 0), text // 4, structured // 4)
        return seconds, dict(result.structured_content or {})


async def ask_all(server: StdioServerParameters, bench: Bench, paths: list[Path]) -> None:
    """Go the agent's way over every file, and print what each step took."""
    async with Client(server) as client:
        agent = Agent(client)
        print(
            f"scan          {(await agent.call('scan', path=str(paths[0].parents[1])))[0]:8.2f} s"
        )
        print(f"overview      {(await agent.call('get_overview'))[0]:8.2f} s the first time")
        print(f"overview      {(await agent.call('get_overview'))[0]:8.2f} s again")
        previews = [(await agent.call("preview_file", file=str(path)))[0] for path in paths]
        tell("preview_file", previews)
        drafts = [(await agent.call("draft_plugin", files=[str(path)]))[0] for path in paths]
        tell("draft_plugin", drafts)
        await agent.call("find_files")
        await whole_way(agent, bench, paths[0])
    for tool, tokens in sorted(agent.largest.items(), key=lambda pair: -pair[1]):
        print(f"largest {tool:14} {tokens:6} tokens, {tokens / MOST_TOKENS:5.2f} of the limit")


def tell(what: str, taken: list[float]) -> None:
    """One line: in all, in the middle, at most."""
    taken.sort()
    middle, most = 1000 * taken[len(taken) // 2], 1000 * taken[-1]
    print(f"{what:13} {sum(taken):8.2f} s, {middle:.0f} ms in the middle, {most:.0f} ms at most")


async def whole_way(agent: Agent, bench: Bench, path: Path) -> None:
    """One file into a table and out of it again; a person approves."""
    draft = (await agent.call("draft_plugin", files=[str(path)], topic="wide"))[1]["draft"]
    checked: dict[str, Any] = {"state": "running"}
    while checked["state"] == "running":
        checked = (await agent.call("validate_plugin", draft=draft))[1]
    assert checked["ok"], checked["summary"]
    order = {"draft": draft, "digest": checked["digest"]}
    asked = (await agent.call("publish_plugin", **order))[1]
    bench.call("approve", approval=asked["approval"]["id"])
    await agent.call("publish_plugin", **order)
    jobs = (await agent.call("get_jobs", plugin="wide", wait_s=25))[1]["jobs"]
    await agent.call("get_plugins", names=["wide"])
    await agent.call("get_datasets")
    await agent.call("query", sql="SELECT * FROM wide")
    await agent.call("query_lineage", target={"topic": "wide"})
    row = {"topic": "wide", "job_id": jobs[0]["job"], "row": 0}
    await agent.call("query_lineage", target=row)
    await agent.call("explain", subject="wide: nothing")


def main(files: int) -> None:
    folder = scratch()
    paths = make(folder / "data", files)
    size = sum(path.stat().st_size for path in paths) >> 20
    print(machine(), f"{files} files of {len(KINDS)} formats, {size} MiB")
    with Bench(folder / "home") as bench:
        bench.call("scan", path=str(folder / "data"), wait_s=60)
        server = StdioServerParameters(
            command=str(Path(sys.executable).parent / "casparian"),
            args=["mcp", "--root", str(folder / "data")],
            env={"CASPARIAN_HOME": str(bench.home.root), "PATH": os.environ["PATH"]},
        )
        anyio.run(ask_all, server, bench, paths)
        pid = next(
            entry
            for entry in Path("/proc").glob("[0-9]*")
            if b"start\0--background" in _read(entry / "cmdline")
            and bytes(bench.home.root) in _read(entry / "environ")
        )
        peak = next(line for line in _read(pid / "status").splitlines() if b"VmHWM" in line)
        print(f"engine at most {int(peak.split()[1]) >> 10} MiB")
    remove(folder)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

"""The command line: words, exit codes, JSON, errors with a next step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from console.engine_process import await_end
from tests.conftest import House, until
from tests.doors import COMMAND, casparian

WORDS = (  # as a person reads them
    "demo", "init", "start", "stop", "scan", "sources", "files", "preview", "draft", "validate",
    "publish", "approve", "plugins", "retire", "run", "jobs", "retry", "cancel", "datasets",
    "query", "lineage", "explain", "verify", "doctor", "mcp",
)  # fmt: skip


def asked(house: House, *arguments: str, code: int = 0) -> dict[str, Any]:
    return json.loads(casparian(house, *arguments, "--json", code=code).splitlines()[0])


def scanned(house: House, folder: Path) -> int:
    """Files that a scan finds; those that the engine saw first, watching, are no longer new."""
    scan = asked(house, "scan", str(folder))
    return scan["new"] + scan["unchanged"]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_help(word: str) -> None:
    done = subprocess.run(
        [COMMAND, word, "--help"], capture_output=True, text=True, timeout=60, check=True
    )

    assert "Usage" in done.stdout
    assert "Example" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("arrow_environment")
def test_the_whole_way_at_the_command_line(house: House, data: Path) -> None:
    (data / "sales-1.csv").write_text("id,name\n1,a\n2,b\n")

    casparian(house, "init", str(data))
    assert scanned(house, data) == 1
    assert "int64" in casparian(house, "preview", str(data / "sales-1.csv"))
    draft = asked(house, "draft", str(data / "sales-1.csv"), "--topic", "sales")["draft"]
    (data / "sales-2.csv").write_text("id,name\n3,c\nfour,d\n")
    assert scanned(house, data) == 2
    checked = asked(house, "validate", draft, code=4)
    assert checked["ok"]
    assert checked["quarantined_count"] == 1
    casparian(house, "publish", draft, code=5)
    casparian(house, "approve", "approval-1", "--yes")
    assert asked(house, "publish", draft)["status"] == "published"
    assert asked(house, "jobs", "--plugin", "sales", "--wait", "60")["counts"] == {"DONE": 2}
    assert asked(house, "query", "SELECT count(*) FROM sales")["rows"] == [[3]]
    assert "SHA-256" in casparian(house, "lineage", "sales", "job-1", "0")
    assert "partly quarantined" in casparian(house, "explain", str(data / "sales-2.csv"))
    assert "ACTIVE" in casparian(house, "plugins", "sales", "--source")
    assert "sales" in casparian(house, "datasets", "sales", "--sample")
    assert asked(house, "files", "sales")["total"] == 2
    planned = asked(house, "run", "sales", "--reprocess", "all", "--dry-run")
    assert planned["state"] == "planned"
    assert planned["next_steps"] == ["casparian run sales --reprocess all"]
    assert asked(house, "run", "sales", "--reprocess", "all")["state"] == "done"
    assert asked(house, "query", "SELECT count(*) FROM sales")["rows"] == [[3]]
    assert asked(house, "query", "SELECT count(*) FROM sales_history")["rows"] == [[6]]
    assert asked(house, "verify")["ok"]
    assert asked(house, "retire", "sales")["summary"]
    assert asked(house, "query", "SELECT count(*) FROM sales")["rows"] == [[3]]
    assert asked(house, "sources", "--remove", str(data))["summary"]
    assert asked(house, "stop")["summary"] == "The engine has stopped."
    assert await_end(house.home, most_s=0)


@pytest.mark.usefixtures("arrow_environment")
def test_a_draft_with_findings_exits_with_rejected(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    plugin = data / "own.py"
    plugin.write_text("import os\n")
    casparian(house, "scan", str(data))
    draft = asked(house, "draft", str(data / "a.csv"), "--plugin", str(plugin))["draft"]

    assert asked(house, "validate", draft, code=3)["state"] == "rejected"


def test_a_plugin_that_does_not_parse_says_so_before_anything_else(
    house: House, data: Path
) -> None:
    (data / "plugin.py").write_text("def execute(:\n")

    said = casparian(house, "draft", str(data / "plugin.py"), code=2)

    assert "so it names no files to try it on" in said


def test_a_folder_is_no_file(house: House, data: Path) -> None:
    casparian(house, "init", str(data))

    said = casparian(house, "preview", str(data), code=2)

    assert "is a folder, and no file" in said


def test_an_unknown_file_says_what_to_do(house: House) -> None:
    said = casparian(house, "preview", "nothing.csv", code=2)

    assert "NOT_FOUND" in said
    assert "casparian scan" in said


def test_an_error_as_json_is_one_object(house: House) -> None:
    said = asked(house, "explain", "job-99", code=2)

    assert said["error"]["code"] == "NOT_FOUND"


def test_what_is_not_known_is_said_and_a_failure(house: House) -> None:
    assert "unknown" in casparian(house, "explain", "nothing.csv", code=1)
    assert "no topic 'nothing'" in casparian(house, "lineage", "nothing", "job-1", "0", code=2)


def test_sql_that_is_refused_is_a_failure_with_its_reason(house: House) -> None:
    said = casparian(house, "query", "DROP TABLE x", code=1)

    assert "SELECT" in said


@pytest.mark.slow
def test_doctor_proves_the_wall(house: House) -> None:
    checks = asked(house, "doctor")

    wall = next(check for check in checks["checks"] if check["name"] == "wall")
    assert wall["ok"], wall
    assert "attempts contained" in wall["detail"]


def test_install_shows_the_change_and_writes_only_when_told(house: House, tmp_path: Path) -> None:
    config = tmp_path / "claude.json"
    config.write_text('{"theme": "dark"}')
    arguments = ("mcp", "install", "--config", str(config), "--root", str(tmp_path))

    shown = casparian(house, *arguments, code=5)
    assert "casparian-flow" in shown
    assert json.loads(config.read_text()) == {"theme": "dark"}

    casparian(house, *arguments, "--yes")
    written = json.loads(config.read_text())
    assert written["theme"] == "dark"
    entry = written["mcpServers"]["casparian-flow"]
    assert Path(entry["command"]).is_absolute()
    assert entry["args"] == ["mcp", "--root", str(tmp_path)]


def test_install_refuses_a_folder_that_does_not_exist(house: House, tmp_path: Path) -> None:
    config = tmp_path / "claude.json"
    missing = tmp_path / "missing"
    arguments = ("mcp", "install", "--config", str(config), "--root", str(missing), "--yes")

    assert f"{missing} is not a folder" in casparian(house, *arguments, code=2)
    assert not config.exists()


def test_install_refuses_to_touch_what_it_cannot_read(house: House, tmp_path: Path) -> None:
    config = tmp_path / "claude.json"
    config.write_text("{broken")

    casparian(house, "mcp", "install", "--config", str(config), "--yes", code=2)

    assert config.read_text() == "{broken"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_demo_ends_with_an_answer_and_the_chain_of_custody(data: Path) -> None:
    for number in range(3):
        (data / f"part-{number}.csv").write_text("id,name\n1,a\n2,b\n")

    done = subprocess.run(
        [COMMAND, "demo", str(data)], capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 jobs: 3 done" in done.stdout
    assert "SHA-256" in done.stdout
    assert "signature" in done.stdout


def test_the_demo_leaves_nothing_behind_when_it_fails(data: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="c-") as short:  # a socket's path has 107 bytes
        environment = {**os.environ, "XDG_RUNTIME_DIR": short, "TMPDIR": short}

        done = subprocess.run(
            [COMMAND, "demo", "data"], cwd=data.parent, env=environment, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip

        assert done.returncode == 1
        assert "no file here" in done.stderr
        assert [path.name for path in Path(short).glob("casparian-*")] == []


def test_the_version_is_said() -> None:
    done = subprocess.run(
        [COMMAND, "--version"], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split()[0] == "casparian"
    assert done.stdout.split()[1][0].isdigit()


def test_the_demos_folder_is_relative_to_where_it_is_said(tmp_path: Path) -> None:
    clone, elsewhere = tmp_path / "clone", tmp_path / "elsewhere"
    (clone / ".venv" / "bin").mkdir(parents=True)
    elsewhere.mkdir()
    for name in ("pyproject.toml", "requirements.lock", ".venv/.installed-requirements.lock"):
        (clone / name).touch()
    os.utime(clone / ".venv" / ".installed-requirements.lock", (2**32, 2**32))
    command = clone / ".venv" / "bin" / "casparian"
    command.write_text('#!/bin/sh\necho "$PWD" "$@"\n')
    command.chmod(0o755)
    (clone / "run").write_bytes((Path(__file__).parents[2] / "run").read_bytes())

    done = subprocess.run(
        ["sh", "../clone/run", "demo", "data"], cwd=elsewhere, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == f"{elsewhere} demo data"


@pytest.mark.usefixtures("arrow_environment")
def test_what_the_gatekeeper_refuses_ends_with_3(house: House, data: Path, tmp_path: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    casparian(house, "scan", str(data))
    plugin = tmp_path / "plugin.py"
    plugin.write_text("import os\n" + REFUSED)
    casparian(house, "draft", str(plugin), str(data / "a.csv"))

    assert "os" in casparian(house, "validate", "draft-things-1", code=3)


def test_an_interrupted_command_ends_with_130(house: House, data: Path) -> None:
    house.call("get_overview")
    os.kill(house.engine_pid(), signal.SIGSTOP)  # the command waits for its answer
    environment = {**os.environ, "CASPARIAN_HOME": str(house.home.root)}
    process = subprocess.Popen(
        [COMMAND, "jobs"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: _asks(process.pid))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)
    finally:
        os.kill(house.engine_pid(), signal.SIGCONT)

    assert process.returncode == 130, said


def _asks(pid: int) -> bool:
    """Whether a process has a socket open: its call is on the way."""
    try:
        links = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # one was closed meanwhile
        return False
    return any(link.startswith("socket:") for link in links)


REFUSED = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("things", [{"n": os.getpid()}])
"""

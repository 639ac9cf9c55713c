"""The house keeps its own rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("casparian_flow", "gatekeeper", "engine", "mcp_server", "console")
OURS = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]


def locked_names() -> set[str]:
    names = re.findall(r"(?m)^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text())
    return {name.replace("-", "_") for name in names}


def test_no_locked_dependency_ships_one_of_our_names() -> None:
    taken: dict[str, set[str]] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"].lower().replace("-", "_")
        if name in locked_names():
            tops = {str(file).split("/")[0] for file in distribution.files or []}
            taken[name] = tops & {*FLOORS, "plugins"}
    assert {name: tops for name, tops in taken.items() if tops} == {}


def test_every_promise_names_a_test_that_exists() -> None:
    promised = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "promises.md").read_text())
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"(?m)^def (test_\w+)", path.read_text())
    }
    assert len(promised) >= 20
    assert [name for name in promised if name not in there] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_its_one_duty_in_its_first_line(path: Path) -> None:
    first = path.read_text().split("\n", 1)[0]
    assert first.startswith('"""')
    assert re.search(r'[.:]("""|$)', first), first


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_grows_beyond_400_lines(path: Path) -> None:
    if "migrations" not in path.parts:
        assert len(path.read_text().splitlines()) <= 400


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['casparian', '--help']\n"
        "from console.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'mcp', 'sqlalchemy', 'pyarrow', 'polars', 'duckdb', 'starlette', 'nacl'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_the_mcp_server_imports_no_database_and_no_arrow() -> None:
    script = (
        "import sys, mcp_server.server\n"
        "heavy = {'sqlalchemy', 'pyarrow', 'polars', 'duckdb', 'nacl', 'alembic'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_example_configuration_is_what_install_writes() -> None:
    from console.hosts import server_entry

    example = json.loads((ROOT / "claude_desktop_config.example.json").read_text())
    entry = example["mcpServers"]["casparian-flow"]
    assert entry["args"] == server_entry(["/home/you/exports"])["args"]
    assert Path(entry["command"]).is_absolute()


def test_the_locks_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in (ROOT / name).read_text()
    assert not (ROOT / "uv.lock").exists()


def test_the_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in re.findall(r"(?m)^(\./run \w+)", readme):
        assert f"{line.split()[1]})" in (ROOT / "run").read_text()
    words = set(re.findall(r"(?m)^casparian (\w+)", readme))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "casparian"), "--help"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert [word for word in words if not re.search(rf"\b{word}\b", done.stdout)] == []

"""Where a plugin's dependencies come from, and that they are shown and locked."""

from __future__ import annotations

import sqlite3
import tomllib
from pathlib import Path

import pytest

from tests.conftest import House
from tests.doors import casparian

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""
BLOCK = '# /// script\n# dependencies = ["python-dateutil==2.9.0.post0"]\n# ///\n'


@pytest.fixture
def sample(house: House, data: Path) -> str:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    return str(data / "a.csv")


def locked(house: House, draft: str) -> dict[str, str]:
    """The packages that validation locked, by name."""
    db = sqlite3.connect(f"file:{house.home.catalog}?mode=ro", uri=True)
    try:
        [[lockfile]] = db.execute("SELECT lockfile FROM draft WHERE id = ?", (draft,)).fetchall()
    finally:
        db.close()
    return {
        package["name"]: package["version"]
        for package in tomllib.loads(lockfile.decode())["package"]
    }


def test_a_script_block_names_them(house: House, sample: str) -> None:
    made = house.call("draft_plugin", files=[sample], source=BLOCK + SOURCE)

    checked = house.call("validate_plugin", draft=made["draft"], wait_s=120)

    assert checked["ok"], checked
    assert made["dependencies"] == ["python-dateutil==2.9.0.post0"]
    packages = locked(house, made["draft"])
    assert packages["python-dateutil"] == "2.9.0.post0"
    assert "pyarrow" in packages  # every guest speaks Arrow


def test_a_project_file_names_them(house: House, sample: str, tmp_path: Path) -> None:
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "plugin.py").write_text(SOURCE)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "things"\nversion = "0"\ndependencies = ["six==1.17.0"]\n'
    )

    said = casparian(house, "draft", str(folder), sample)
    checked = house.call("validate_plugin", draft="draft-things-1", wait_s=120)

    assert checked["ok"], checked
    assert "six==1.17.0" in said
    assert locked(house, "draft-things-1")["six"] == "1.17.0"


def test_imports_name_them_where_nothing_else_does(house: House, sample: str) -> None:
    source = SOURCE.replace("import csv\n", "import csv\n\nimport pandas as pd\n")

    made = house.call("draft_plugin", files=[sample], source=source)

    assert made["dependencies"] == ["pandas"]

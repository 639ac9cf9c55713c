"""`draft` takes what a person wrote, and gives a draft back to be edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House
from tests.doors import casparian

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="items*.csv", topic="items")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("items", [dict(row) for row in csv.DictReader(file)])
"""


@pytest.fixture
def scanned(house: House, data: Path) -> House:
    """Two known files, one of them an item."""
    (data / "items-1.csv").write_text("id\n1\n")
    (data / "other.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))
    return house


def drafted(house: House, *words: str) -> dict[str, Any]:
    return json.loads(casparian(house, "draft", *words, "--json").splitlines()[0])


@pytest.mark.usefixtures("arrow_environment")
def test_a_py_file_or_a_folder_is_the_plugin_and_its_samples_are_found(
    scanned: House, tmp_path: Path
) -> None:
    file, folder = tmp_path / "items.py", tmp_path / "plugin"
    folder.mkdir()
    for path in (file, folder / "plugin.py"):
        path.write_text(SOURCE)

    for words in ((str(file),), (str(folder),), (str(file), "--draft", "draft-items-1")):
        made = drafted(scanned, *words)
        assert made["method"] == "given"
        assert made["source"] == SOURCE
    assert made["draft"] == "draft-items-1"
    assert made["revision"] == 2
    assert drafted(scanned, str(file), "items-1.csv")["draft"] == "draft-items-3"
    checked = scanned.call("validate_plugin", draft="draft-items-2", wait_s=60)
    assert checked["files_tried"] == 1
    assert checked["ok"]


def test_a_plugin_that_matches_no_known_file_says_so(scanned: House, tmp_path: Path) -> None:
    path = tmp_path / "boom.py"
    path.write_text(SOURCE.replace("items*.csv", "*.boom"))

    said = casparian(scanned, "draft", str(path), code=2)

    assert "no known file matches its pattern '*.boom'" in said


def test_a_draft_is_written_to_files_edited_and_taken_back(
    scanned: House, data: Path, tmp_path: Path
) -> None:
    made = drafted(scanned, str(data / "items-1.csv"), "--topic", "items")
    folder = tmp_path / "work"

    assert "MANIFEST" in casparian(scanned, "draft", "--show", made["draft"])
    said = casparian(scanned, "draft", "--show", made["draft"], "--to", str(folder))

    assert f"casparian draft {folder} --draft {made['draft']}" in said
    plugin = folder / "plugin.py"
    assert plugin.read_text() == made["source"]
    plugin.write_text(made["source"] + "# mine\n")
    again = drafted(scanned, str(folder), "--draft", made["draft"])
    assert again["source"].endswith("# mine\n")
    assert again["dependencies"] == made["dependencies"]
    plugin.write_text("# something else\n")
    casparian(scanned, "draft", "--show", made["draft"], "--to", str(folder), code=2)
    assert plugin.read_text() == "# something else\n"


def test_options_that_do_not_go_together_are_refused(house: House, tmp_path: Path) -> None:
    path = tmp_path / "items.py"
    path.write_text(SOURCE)

    for words in (
        ("--plugin", str(path), "--topic", "x"),
        (str(path), "--pattern", "*.csv"),
        ("--show", "draft-items-1", "--topic", "x"),
        ("a.csv", "--to", "x"),
        (),
    ):
        casparian(house, "draft", *words, code=2)
    said = casparian(house, "draft", "--plugin", str(path), "--topic", "x", code=2)
    assert "--topic cannot be used with a plugin of your own" in said

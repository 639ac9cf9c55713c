"""`casparian test`: a plugin folder's samples against what is expected of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import House
from tests.console.test_commands import asked, casparian

PLUGIN = """
from casparian_flow.reading import delimited
from casparian_flow.reading.columns import typed
from casparian_flow.reading.sources import sources
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")

COLUMNS = {"id": ("integer",), "name": ("text",)}


class Handler(BasePlugin):
    def execute(self, path):
        for source in sources(path):
            for batch in typed(delimited.read(source), COLUMNS, self):
                self.publish("things", batch)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "things"
    (folder / "sample").mkdir(parents=True)
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "sample" / "a.csv").write_text("id,name\n1,x\nbad,y\n")
    return folder


@pytest.mark.usefixtures("arrow_environment")
def test_what_is_missing_is_shown_then_written_then_compared(house: House, folder: Path) -> None:
    shown = casparian(house, "test", str(folder), code=1)
    assert "expected/things.json: missing" in shown
    assert "--write" in shown
    assert not (folder / "expected").exists()

    casparian(house, "test", str(folder), "--write")

    expected = folder / "expected"
    assert json.loads((expected / "things.json").read_text()) == [
        {"id": 1, "name": "x", "_line": 2}
    ]
    [aside] = json.loads((expected / "quarantine.json").read_text())
    assert (aside["file"], aside["line"], aside["code"]) == ("a.csv", 3, "TYPE_MISMATCH")
    assert "expected/things.json: same" in casparian(house, "test", str(folder))


@pytest.mark.usefixtures("arrow_environment")
def test_a_difference_is_named_row_by_row(house: House, folder: Path) -> None:
    (folder / "expected").mkdir()
    (folder / "expected" / "things.json").write_text('[{"id": 2, "name": "x", "_line": 2}, {}]')
    (folder / "expected" / "quarantine.json").write_text("[]")

    told = asked(house, "test", str(folder), code=1)

    assert {one["name"]: one["verdict"] for one in told["expected"]} == {
        "things.json": "differs",
        "quarantine.json": "differs",
    }
    assert 'expected {"id": 2' in told["expected"][0]["differs"][0]
    assert "got no row" in told["expected"][0]["differs"][1]


@pytest.mark.usefixtures("arrow_environment")
def test_all_that_is_set_aside_is_compared_and_what_is_no_json_is_told(
    house: House, folder: Path
) -> None:
    (folder / "sample" / "a.csv").write_text("id,name\n1,x\n" + "bad,y\n" * 25)
    (folder / "sample" / "b.csv").write_text("id,name\nbad,z\n")
    casparian(house, "test", str(folder), "--write")
    expected = folder / "expected" / "quarantine.json"
    assert len(json.loads(expected.read_text())) == 26

    for broken, said in (("{", "is not JSON"), ("{}", "holds no list"), ("\0", "is not JSON")):
        expected.write_text(broken)
        assert said in casparian(house, "test", str(folder), code=2)


KINDS = """
import datetime

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topics=["kinds", "silent"])


class Handler(BasePlugin):
    def execute(self, path):
        nan = float("nan")
        row = {"n": 1, "f": nan, "z": -0.0, "b": b"ab", "l": [1], "d": datetime.date(2026, 1, 2)}
        self.publish("kinds", [row])
"""


@pytest.mark.usefixtures("arrow_environment")
def test_values_that_only_look_alike_differ_and_so_do_topics_that_say_nothing(
    house: House, folder: Path
) -> None:
    (folder / "plugin.py").write_text(KINDS)
    casparian(house, "test", str(folder), "--write")
    written = folder / "expected" / "kinds.json"
    [row] = json.loads(written.read_text())
    assert row == {
        "n": 1, "f": {"number": "nan"}, "z": 0.0, "b": {"hex": "6162"}, "l": [1], "d": "2026-01-02",
    }  # fmt: skip
    assert not (folder / "expected" / "silent.json").exists()

    others = {"n": True, "f": None, "z": 0.0, "b": "ab", "l": "[1]", "d": "2026-01-03"}
    for name, other in others.items():
        written.write_text(json.dumps([row | {"z": -0.0} | {name: other}]))
        told = asked(house, "test", str(folder), code=1)
        assert told["expected"][0]["verdict"] == "differs", name
    written.write_text(json.dumps([row | {"z": -0.0}]))
    assert {one["verdict"] for one in asked(house, "test", str(folder))["expected"]} == {"same"}

    (folder / "expected" / "silent.json").write_text('[{"n": 1}]')
    (folder / "expected" / "gone.json").write_text("[]")
    told = asked(house, "test", str(folder), code=1)
    assert [one["name"] for one in told["expected"] if one["verdict"] == "differs"] == [
        "silent.json", "gone.json",
    ]  # fmt: skip
    (folder / "expected" / "gone.json").unlink()
    (folder / "expected" / "gone.json").mkdir()
    assert "gone.json: differs" in casparian(house, "test", str(folder), code=1)


@pytest.mark.usefixtures("arrow_environment")
def test_findings_stop_it_and_a_folder_without_samples_is_told(house: House, folder: Path) -> None:
    (folder / "plugin.py").write_text("import os\n" + PLUGIN)
    assert [one["rule"] for one in asked(house, "test", str(folder), code=1)["findings"]] == [
        "import"
    ]
    (folder / "plugin.py").write_text("import json\n")
    assert [one["rule"] for one in asked(house, "test", str(folder), code=1)["findings"]] == [
        "manifest"
    ]
    (folder / "sample" / "a.csv").unlink()

    assert "sample files" in casparian(house, "test", str(folder), code=2)


@pytest.mark.usefixtures("arrow_environment")
def test_the_shipped_plugin_passes_its_own_test(house: House) -> None:
    folder = Path(__file__).parents[2] / "plugins" / "python_record"

    told = asked(house, "test", str(folder))

    assert {one["verdict"] for one in told["expected"]} == {"same"}

"""Every plugin that ships reads its own sample as its expected rows say, through the whole way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from console.plugin_source import read_plugin
from tests.conftest import House

PLUGINS = sorted((Path(__file__).parents[2] / "plugins").glob("*/plugin.py"))


@pytest.mark.usefixtures("arrow_environment")
@pytest.mark.parametrize("entry", PLUGINS, ids=lambda path: path.parent.name)
def test_a_shipped_plugin_reads_its_sample_as_expected(
    house: House, data: Path, entry: Path
) -> None:
    for sample in (entry.parent / "sample").iterdir():
        shutil.copy(sample, data)
    house.call("scan", path=str(data))
    files = [str(path) for path in data.iterdir()]

    draft = house.call("draft_plugin", files=files, **read_plugin(entry.parent))
    assert draft["findings"] == []
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)
    order = {"draft": draft["draft"], "digest": checked["digest"]}
    asked = house.call("publish_plugin", **order)
    house.call("approve", approval=asked["approval"]["id"])
    published = house.call("publish_plugin", **order)
    house.settle(plugin=published["plugin"])

    for expected in (entry.parent / "expected").glob("[!q]*.json"):
        topic = expected.stem
        rows = house.rows(
            f"SELECT * EXCLUDE (_job_id, _file_version_id, _row) FROM {topic} ORDER BY _row"
        )
        assert rows == json.loads(expected.read_text())
    aside = house.rows(f"SELECT line, reason FROM {published['plugin']}_quarantine")
    assert aside == [[4, "not path, hash and size"]]


def test_something_ships() -> None:
    assert [path.parent.name for path in PLUGINS] == ["python_record"]

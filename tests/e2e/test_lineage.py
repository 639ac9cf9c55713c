"""Direction and depth of a lineage mean the same for every target."""

from __future__ import annotations

from pathlib import Path

import pytest

from casparian_flow.errors import ConfigError
from tests.conftest import House

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topics=["things", "names"])


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            rows = [dict(row) for row in csv.DictReader(file)]
        self.publish("things", rows)
        self.publish("names", rows)
"""


def kinds(house: House, target: dict[str, object], direction: str, depth: int) -> list[str]:
    """Kinds of the nodes besides the root, sorted; every edge lies between nodes that are there."""
    found = house.call("query_lineage", target=target, direction=direction, depth=depth)
    names = {node["id"] for node in found["nodes"]}
    assert found["root"] in names
    assert {name for edge in found["edges"] for name in (edge["source"], edge["target"])} <= names
    return sorted(node["kind"] for node in found["nodes"] if node["id"] != found["root"])


@pytest.mark.usefixtures("arrow_environment")
def test_direction_and_depth_mean_hops_along_the_edges(house: House, data: Path) -> None:
    path = data / "a.csv"
    path.write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(path)], source=SOURCE)
    house.settle()
    path.write_text("id\n2\n")
    house.call("scan", path=str(data))
    house.settle()
    file: dict[str, object] = {"file": str(path)}
    job: dict[str, object] = {"job": "job-1"}
    topic: dict[str, object] = {"topic": "names"}
    plugin: dict[str, object] = {"plugin": "things"}
    origin = ["file", "file version"]
    versions = ["file version", "file version"]

    cases: list[tuple[dict[str, object], str, int, list[str]]] = [
        (file, "both", 0, versions),
        (file, "back", 5, versions),
        (file, "forward", 1, [*versions, "job", "job"]),
        (file, "forward", 2, [*versions, "job", "job", "topic", "topic"]),
        (file, "both", 2, [*versions, "job", "job", "plugin", "topic", "topic"]),
        (job, "both", 0, []),
        (job, "back", 1, [*origin, "plugin"]),
        (job, "forward", 3, ["topic", "topic"]),
        (job, "both", 1, [*origin, "plugin", "topic", "topic"]),
        (topic, "forward", 3, []),
        (topic, "back", 1, ["job", "job", "plugin"]),
        (topic, "back", 2, ["file", *versions, "job", "job", "plugin"]),
        (plugin, "back", 3, []),
        (plugin, "forward", 1, ["job", "job", "topic", "topic"]),
        (plugin, "both", 1, ["job", "job", "topic", "topic"]),
        (plugin, "both", 2, ["file", *versions, "job", "job", "topic", "topic"]),
    ]
    found = [
        (target, direction, depth, kinds(house, target, direction, depth))
        for target, direction, depth, _ in cases
    ]
    assert found == cases

    row: dict[str, object] = {"topic": "names", "job_id": "job-1", "row": 0}
    for direction, depth in (("forward", 0), ("back", 1), ("both", 9)):
        assert kinds(house, row, direction, depth) == [*origin, "job", "plugin"]
    with pytest.raises(ConfigError, match="sideways"):
        kinds(house, job, "sideways", 1)

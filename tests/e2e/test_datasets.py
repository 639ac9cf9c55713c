"""Each word of `include` brings what it says, and no more than fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from casparian_flow.errors import ConfigError
from tests.conftest import House
from tests.doors import casparian

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", self.rows(file))

    def rows(self, file):
        for number, row in enumerate(csv.DictReader(file), 2):
            if row["id"].isdigit():
                yield {"id": int(row["id"]), "Order": row["name"] or None}
            else:
                self.quarantine(row, "not a number", line=number)
"""
ALL = ["schema", "completeness", "sample", "stats", "quarantine", "contract", "history"]
DETAILS = ("sample", "stats", "quarantine", "contract", "history")
pytestmark = pytest.mark.usefixtures("arrow_environment")


@pytest.fixture
def things(house: House, data: Path) -> House:
    """Two versions of a plugin, missing values, and 12 records set aside."""
    (data / "1.csv").write_text("id,name\n1,a\n2,\n3,a\n" + "x,y\n" * 12)
    house.call("scan", path=str(data))
    house.publish([str(data / "1.csv")], source=SOURCE)
    house.settle(plugin="things")
    (data / "2.csv").write_text(f"id,name\n7,{'b' * 5000}\n")
    house.call("scan", path=str(data))
    house.settle(plugin="things")
    changed = SOURCE.replace("not a number", "no number at all")
    house.publish([str(data / "1.csv")], source=changed, draft="draft-things-1", reprocess="all")
    house.settle(plugin="things")
    return house


def test_every_word_of_include_brings_what_it_says(things: House, data: Path) -> None:
    plain = things.call("get_datasets")["datasets"][0]
    full = things.call("get_datasets", include=ALL)["datasets"][0]

    assert {key: full[key] for key in plain if key not in DETAILS} == {
        key: plain[key] for key in plain if key not in DETAILS
    }
    assert [plain[key] for key in DETAILS] == [None] * 5
    first, second = full["stats"]
    assert first == {"name": "id", "nulls": 0, "distinct": 4, "min": "1", "max": "7"}
    assert (second["name"], second["nulls"], second["distinct"]) == ('"Order"', 1, 2)
    assert (second["min"], len(second["max"])) == ("a", 80)
    assert full["contract"] == [
        {"name": "id", "type": "int64", "nullable": True, "stated": None},
        {"name": "Order", "type": "string", "nullable": True, "stated": None},
    ]
    assert [(v["plugin"], v["status"], v["rows"], v["files"]) for v in full["history"]] == [
        ("things@2", "ACTIVE", 4, 2),
        ("things@1", "RETIRED", 4, 2),
    ]
    assert len(full["sample"]) == 4
    assert len(full["quarantine"]) == 10
    newest = full["quarantine"][0]
    assert (newest["file"], newest["line"]) == (str(data / "1.csv"), 16)
    assert newest["reason"] == "no number at all"
    assert "x" in newest["raw"]


def test_one_word_brings_nothing_else(things: House) -> None:
    for word in DETAILS:
        found = things.call("get_datasets", include=[word])["datasets"][0]
        assert [key for key in DETAILS if found[key] is not None] == [word]


def test_a_word_that_is_not_known_is_refused_with_those_that_are(house: House) -> None:
    with pytest.raises(ConfigError, match="'colour'"):
        house.call("get_datasets", include=["colour"])


def test_rows_are_looked_at_in_the_first_topics_only(house: House, data: Path) -> None:
    topics = [f"t{number}" for number in range(6)]
    publish = "".join(f'\n        self.publish("{one}", [{{"id": 1}}])' for one in topics)
    source = (
        "from casparian_flow.sdk import BasePlugin, PluginMetadata\n"
        f"MANIFEST = PluginMetadata(pattern='*.csv', topics={topics!r})\n"
        f"class Handler(BasePlugin):\n    def execute(self, path):{publish}\n"
    )
    (data / "1.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "1.csv")], source=source)
    house.settle()

    found = house.call("get_datasets", include=["stats"])

    assert [one["stats"] is not None for one in found["datasets"]] == [True] * 5 + [False]
    assert "name the others" in found["summary"]


def test_the_command_line_shows_what_was_asked_for(things: House) -> None:
    words = [part for word in DETAILS for part in ("--include", word)]

    said = casparian(things, "datasets", "things", *words)

    for shown in ("stats", "distinct", "contract", "nullable", "history", "things@1", "quarantine"):
        assert shown in said

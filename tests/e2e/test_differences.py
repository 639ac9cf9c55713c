"""Whoever approves a new version sees what it changes about the one in force."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from engine.service.differences import Version, difference
from tests.conftest import House
from tests.doors import casparian

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="a*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""


@pytest.mark.usefixtures("arrow_environment", "pandas_environment")
def test_validation_and_review_show_what_changes(house: House, data: Path, tmp_path: Path) -> None:
    (data / "a.csv").write_text("id,name\n1,x\n")
    house.call("scan", path=str(data))
    files = [str(data / "a.csv")]
    order = {"files": files, "source": SOURCE, "dependencies": ["pyarrow"]}
    made = house.call("draft_plugin", **order)
    first = house.call("validate_plugin", draft=made["draft"], wait_s=60)
    house.publish(files, source=SOURCE, draft=made["draft"], dependencies=["pyarrow"])
    same = house.call("validate_plugin", draft=made["draft"], wait_s=60)

    changed = SOURCE.replace('"a*.csv"', '"*.csv"').replace(
        "[dict(row) for row in csv.DictReader(file)]",
        '[{"id": int(row["id"]), "extra": 1} for row in csv.DictReader(file)]',
    )
    house.call(
        "draft_plugin", files=files, source=changed, draft=made["draft"],
        dependencies=["pandas", "pyarrow"], sinks=[f"sqlite:///{tmp_path}/out.db"],
    )  # fmt: skip
    checked = house.call("validate_plugin", draft=made["draft"], wait_s=120)

    assert first["diff"] is None
    assert same["diff"] == "Nothing differs from things@1."
    diff = checked["diff"]
    for line in (
        "Against things@1:",
        "~ manifest pattern: a*.csv → *.csv",
        "~ column things id: string → int64",
        "+ column things extra: int64",
        "- column things name: string",
        f"+ sinks of things: sqlite:///{tmp_path}/out.db",
        "+ package pandas: ",
        '-MANIFEST = PluginMetadata(pattern="a*.csv", topic="things")',
        '+MANIFEST = PluginMetadata(pattern="*.csv", topic="things")',
    ):
        assert line in diff

    asked = house.call("publish_plugin", draft=made["draft"], digest=checked["digest"])
    approval = asked["approval"]
    assert diff in asked["review"]
    assert "~ column things id: string → int64" in casparian(
        house, "approve", approval["id"], code=5
    )
    shown = json.loads(casparian(house, "approve", "--json"))["approvals"][0]
    assert shown["diff"] == diff
    with urllib.request.urlopen(approval["url"], timeout=20) as page:
        assert "~ column things id: string → int64" in page.read().decode()


@pytest.mark.usefixtures("arrow_environment")
def test_what_is_replaced_is_said_first_and_in_words(house: House, data: Path) -> None:
    for name in ("a1", "a2", "b1", "b2", "b3", "b4"):
        (data / f"{name}.csv").write_text("id,name\n1,x\n")
    house.call("scan", path=str(data))
    files = [str(data / "a1.csv")]
    wide = SOURCE.replace("a*.csv", "*.csv")
    house.publish(files, source=wide, dependencies=["pyarrow"])
    narrow = SOURCE.replace(
        "[dict(row) for row in csv.DictReader(file)]",
        '[{"id": int(row["id"]), "extra": 1} for row in csv.DictReader(file)]',
    )

    drafted = house.call("draft_plugin", files=files, source=narrow, dependencies=["pyarrow"])
    checked = house.call("validate_plugin", draft=drafted["draft"], wait_s=60)
    asked = house.call("publish_plugin", draft=drafted["draft"], digest=checked["digest"])

    assert "Topic things exists" in drafted["summary"]
    assert "would replace its plugin things@1" in drafted["summary"]
    said = (
        "This replaces things@1. 4 files it reads now would no longer be read"
        " (b1.csv, b2.csv, b3.csv and 1 more)."
        " Columns added: extra; removed: name; changed: id string → int64."
    )
    assert checked["summary"].startswith(said)
    assert asked["summary"].startswith(said)
    assert asked["review"].startswith(said)
    assert casparian(house, "approve", "approval-2", code=5).startswith(said)
    with urllib.request.urlopen(asked["approval"]["url"], timeout=20) as page:
        text = page.read().decode()
    assert 0 < text.index("This replaces things@1. 4 files") < text.index("Publish <strong>")


def test_a_long_difference_is_cut_and_says_so() -> None:
    nothing = Version({}, b"", {}, {}, {})
    long = Version({"plugin.py": "x = 1\n" * 5000}, b"", {}, {}, {})

    lines = difference(nothing, long)

    assert len("\n".join(lines)) < 8_100
    assert "more characters" in lines[-1]
    assert difference(long, long) == []


def test_facts_are_named_before_the_source_and_packages_by_their_versions() -> None:
    lock = b'[[package]]\nname = "plugin"\nversion = "0"\nsource = { virtual = "." }\n'
    old = lock + b'[[package]]\nname = "pyarrow"\nversion = "25.0"\n'
    new = lock + b'[[package]]\nname = "pyarrow"\nversion = "26.0"\n'
    column = {"name": "id", "type": "int64", "nullable": True}
    before = Version({"a.py": "1"}, old, {"topics": ["t"]}, {"t": {"columns": [column]}}, {})
    required = {"columns": [{**column, "nullable": False}]}
    after = Version({"a.py": "2"}, new, {"topics": ["t", "u"]}, {"t": required}, {})

    assert difference(before, after)[:-1] == [
        "~ manifest topics: t → t, u",
        "~ column t id: int64 → int64 not null",
        "~ package pyarrow: 25.0 → 26.0",
    ]

"""What the service tells a model, a person at a shell hears in the words of the command line."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import engine
from console.wording import HINTS, spoken
from tests.conftest import House
from tests.doors import casparian


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('validate_plugin(draft="draft-a-1")', "casparian validate draft-a-1"),
        ('publish_plugin(draft="draft-a-1", digest="00")', "casparian publish draft-a-1"),
        ('get_jobs(plugin="a@1", wait_s=20)', "casparian jobs --plugin a@1 --wait 20"),
        ('get_jobs(jobs=["job-1"], wait_s=10)', "casparian jobs job-1 --wait 10"),
        ('get_jobs(file="file-3")', "casparian explain file-3"),
        ('query(sql="SELECT count(*) FROM a")', "casparian query 'SELECT count(*) FROM a'"),
        ('query_lineage(target={"job": "job-1"})', "casparian lineage job-1"),
        ('get_plugins(names=["a@1"], include=["source"])', "casparian plugins a@1 --source"),
        (
            'draft_plugin(draft="d", source=...) with the findings mended',
            "casparian draft --show d --to DIR; then casparian draft DIR --draft d",
        ),
        ("draft_plugin(files=[...])", "casparian draft FILE"),
        (
            'run_job(plugin="a", reprocess="all", pattern="*.csv")',
            "casparian run a --reprocess all --pattern '*.csv'",
        ),
        ("get_overview()", None),
        ("scan(...) its source", "casparian scan DIR"),
        ("check the path", "check the path"),
        ("casparian scan /a (b)", "casparian scan /a (b)"),
    ],
)
def test_a_tools_call_is_said_as_a_command(step: str, said: str | None) -> None:
    assert spoken(step) == said


def test_every_hint_that_is_put_otherwise_is_one_the_service_gives() -> None:
    root = Path(str(engine.__file__)).parent
    said = {
        node.value
        for path in [*root.rglob("*.py"), *(root.parent / "casparian_flow").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert HINTS.keys() <= said


@pytest.mark.usefixtures("arrow_environment")
def test_commands_name_commands_and_an_answer_says_what_is_still_to_come(
    house: House, data: Path
) -> None:
    (data / "a.csv").write_text("id,name\n1,x\n")
    (data / "bad.csv").write_text("refund,clerk\n3,x\n")
    house.call("scan", path=str(data))
    arguments = ("draft", str(data / "a.csv"), "--topic", "things", "--pattern", "*.csv", "--json")
    drafted = json.loads(casparian(house, *arguments))
    assert drafted["next_steps"][0] == "casparian validate draft-things-1"
    assert "casparian draft FILE" in casparian(house, "validate", "draft-none-1", code=2)
    arguments = ("validate", "draft-things-1", "--max-files", "1", "--json")
    digest = json.loads(casparian(house, *arguments))["digest"]

    published = casparian(house, "publish", "draft-things-1", "--digest", digest, "--yes")
    casparian(house, "jobs", "--plugin", "things@1", "--wait", "60")

    assert "casparian jobs --plugin things@1 --wait" in published
    for said in (
        casparian(house, "query", "SELECT count(*) FROM things"),
        house.agent.call("query", {"sql": "SELECT count(*) FROM things_history"})["summary"],
    ):
        assert "1 job of things failed" in str(said)
    assert "failed" not in str(house.call("query", sql="SELECT 1")["summary"])


SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        while path.endswith("endless.csv"):
            pass
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""


@pytest.mark.usefixtures("arrow_environment")
def test_an_answer_says_how_many_jobs_are_pending_and_a_cancel_why_it_changed_nothing(
    house: House, data: Path
) -> None:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=SOURCE)
    house.settle(plugin="things")
    (data / "endless.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))

    said = casparian(house, "query", "SELECT count(*) FROM things")
    assert "1 job of things is pending" in said

    retried = casparian(house, "retry", "job-1", "job-2")
    assert "job-1 is done" in retried
    assert "job-2 is" in retried
    assert "job-1 is done" in casparian(house, "cancel", "job-1", "job-2")
    assert "job-2 is cancelled" in casparian(house, "cancel", "job-2")

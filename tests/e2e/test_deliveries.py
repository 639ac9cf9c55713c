"""A topic is delivered where a person chose, once, and nowhere an agent chose."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from casparian_flow.errors import ConfigError
from engine.sinks.interface import JobIdentity, Promotion, StagedFile, only_topics
from tests.conftest import House


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@pytest.mark.usefixtures("arrow_environment")
def test_rows_reach_a_sqlite_file_with_their_lineage(
    house: House, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.db"
    (data / "sales-1.csv").write_text("id,name\n1,a\n2,b\n")
    house.call("scan", path=str(data))
    uri = f"sqlite://{out}"
    draft = house.call(
        "draft_plugin", files=[str(data / "sales-1.csv")], topic="sales", sinks=[uri]
    )
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)
    order = {"draft": draft["draft"], "digest": checked["digest"]}
    asked = house.call("publish_plugin", **order)
    assert asked["effects"]["sinks"] == [uri]
    assert uri in asked["review"]
    house.call("approve", approval=asked["approval"]["id"])
    house.call("publish_plugin", **order)
    house.settle(plugin="sales")

    assert read(out, "SELECT id, name, _row FROM sales ORDER BY id") == [(1, "a", 0), (2, "b", 1)]
    (data / "sales-1.csv").write_text("id,name\n3,c\n")
    house.call("scan", path=str(data))
    house.settle(plugin="sales")
    assert read(out, "SELECT id FROM sales") == [(3,)]
    assert read(out, "SELECT count(*) FROM sales_history") == [(3,)]
    job, version = read(out, "SELECT _job_id, _file_version_id FROM sales")[0]
    assert house.rows("SELECT _job_id, _file_version_id FROM sales") == [[job, version]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_delivery_that_cannot_be_written_fails_the_job_and_keeps_the_lake(
    house: House, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    (data / "sales-1.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    draft = house.call(
        "draft_plugin", files=[str(data / "sales-1.csv")], topic="sales",
        sinks=[f"sqlite://{folder / 'out.db'}"],
    )  # fmt: skip
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)
    order = {"draft": draft["draft"], "digest": checked["digest"]}
    asked = house.call("publish_plugin", **order)
    house.call("approve", approval=asked["approval"]["id"])
    folder.rmdir()
    house.call("publish_plugin", **order)

    job = house.settle(plugin="sales")["jobs"][0]

    assert job["state"] == "failed"
    assert job["attempt"] == 3
    assert "gone" in job["error"]["message"]
    folder.mkdir()
    house.call("retry_job", jobs=[job["job"]])
    assert house.settle(plugin="sales")["counts"] == {"DONE": 1}
    assert read(folder / "out.db", "SELECT id FROM sales") == [(1,)]


def test_an_agent_does_not_choose_a_sink(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))

    with pytest.raises(ConfigError, match="agent"):
        house.agent.call(
            "draft_plugin", {"files": [str(data / "a.csv")], "sinks": ["sqlite:///tmp/x.db"]}
        )


def test_a_sink_gets_the_topics_that_go_there_and_no_others() -> None:
    identity = JobIdentity("i", 1, 1, 1, 1, 1, "p", "s", "plugin", 1, "a")
    names = ("sales", "sales_quarantine", "secrets", "secrets_quarantine")
    files = tuple(StagedFile(name, f"{name}.parquet", 1, 1, "d") for name in names)
    promotion = Promotion(identity, files, 2, is_mine=True)

    chosen = only_topics(promotion, {"sales"})

    assert [file.topic for file in chosen.files] == ["sales", "sales_quarantine"]


@pytest.mark.usefixtures("arrow_environment")
def test_what_a_new_sink_does_not_get_is_said(house: House, data: Path, tmp_path: Path) -> None:
    (data / "sales-1.csv").write_text("id,name\n1,a\n2,b\n")
    house.call("scan", path=str(data))
    files, uri = [str(data / "sales-1.csv")], f"sqlite://{tmp_path}/out.db"
    first = house.publish(files, topic="sales")
    house.settle()
    draft = house.call("draft_plugin", files=files, topic="sales", sinks=[uri])
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)

    asked = house.call("publish_plugin", draft=draft["draft"], digest=checked["digest"])

    told = f"{uri} is new for sales: rows of files that were read before reach it with"
    assert told in asked["review"]
    assert "is new for" not in first["summary"]

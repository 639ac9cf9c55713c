"""Bad files, bad plugins, bad places: each gets a clear error, and the engine stays up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from casparian_flow.errors import CasparianError, ConfigError
from engine.home import prepare
from tests.conftest import House

COMMAND = str(Path(sys.executable).parent / "casparian")

GOOD = "id,name\n1,a\n2,b\n"

HEAD = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
"""

READ = (
    HEAD
    + """
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""
)


@pytest.fixture
def reading(house: House, data: Path) -> House:
    """A house in which a published plugin reads `*.csv` below `data`."""
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))
    house.publish([str(data / "good.csv")], topic="things", pattern="*.csv")
    house.settle(plugin="things")
    return house


@pytest.mark.parametrize(
    ("topic", "hint"), [("Bad Name", "'bad_name'"), ("sales_quarantine", "Choose another")]
)
def test_a_topic_that_is_no_name_is_refused_before_anything_is_drafted(
    house: House, data: Path, topic: str, hint: str
) -> None:
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))

    with pytest.raises(ConfigError, match=f"topic '{topic}' is") as caught:
        house.call("draft_plugin", files=[str(data / "good.csv")], topic=topic)

    assert hint in caught.value.hint


def arrives(house: House, data: Path, name: str, content: bytes) -> dict[str, Any]:
    """What becomes of one more file: its newest job."""
    path = data / name
    path.write_bytes(content)
    house.call("scan", path=str(data))
    return house.settle(file=str(path))["jobs"][0]


@pytest.mark.usefixtures("arrow_environment")
@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.csv", b""), ("header.csv", b"id,name\n"), ("newline.csv", b"\n")],
)
def test_a_file_without_records_gives_no_rows_and_no_failure(
    reading: House, data: Path, name: str, content: bytes
) -> None:
    job = arrives(reading, data, name, content)

    assert job["state"] == "done", job
    assert sum(job["rows"].values()) == 0
    assert reading.rows("SELECT count(*) FROM things") == [[2]]


@pytest.mark.usefixtures("arrow_environment")
def test_records_that_do_not_fit_are_quarantined_and_the_others_kept(
    reading: House, data: Path
) -> None:
    job = arrives(reading, data, "mixed.csv", b"id,name\n3,c\nfour,d\n5,e,extra\n6,f\n")

    assert job["state"] == "done"
    assert job["rows"]["things"] == 2
    assert job["quarantined"] == 2
    kept = reading.rows("SELECT id FROM things ORDER BY id")
    assert kept == [[1], [2], [3], [6]]
    aside = reading.rows("SELECT raw, reason FROM things_quarantine ORDER BY reason")
    assert len(aside) == 2
    assert "5,e,extra" in aside[0][0]


@pytest.mark.usefixtures("arrow_environment")
def test_a_record_of_wrongly_encoded_bytes_is_set_aside_alone(reading: House, data: Path) -> None:
    job = arrives(reading, data, "latin.csv", b"id,name\n3,caf\xe9\n4,tea\n")

    assert (job["state"], job["quarantined"]) == ("done", 1)
    told = reading.call("explain", subject=str(data / "latin.csv"))
    assert told["verdict"] == "partly quarantined"
    assert reading.rows("SELECT name FROM things WHERE id > 2") == [["tea"]]
    aside = reading.rows(
        "SELECT code, line, byte_offset, byte_length, raw FROM things_quarantine WHERE line = 2"
    )
    assert aside == [["NOT_TEXT", 2, 8, 7, "3,caf\\xe9"]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_truncated_file_keeps_what_is_whole(reading: House, data: Path) -> None:
    job = arrives(reading, data, "cut.csv", b'id,name\n3,c\n4,"unclosed\n')

    assert job["state"] in ("done", "failed")
    told = reading.call("explain", subject=str(data / "cut.csv"))
    assert told["evidence"]


PLUGINS = {
    "raises": (HEAD + "        raise ValueError('no good')\n", "ValueError", "plugin.py line"),
    "publishes an unknown topic": (
        HEAD + "        self.publish('others', [{'a': 1}])\n",
        "declares things",
        "",
    ),
    "publishes a reserved column": (
        HEAD + "        self.publish('things', [{'_job_id': 1}])\n",
        "_job_id",
        "stamped by the host",
    ),
    "publishes no columns": (
        HEAD + "        self.publish('things', [{}])\n",
        "without columns",
        "",
    ),
    "changes its schema midway": (
        HEAD
        + "        self.publish('things', [{'a': 1}])\n"
        + "        self.publish('things', [{'a': 'x'}])\n",
        "schema changed midway",
        "column a",
    ),
}


@pytest.mark.usefixtures("arrow_environment")
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_misbehaves_is_told_what_and_where(
    house: House, data: Path, name: str
) -> None:
    source, first, second = PLUGINS[name]
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))

    draft = house.call("draft_plugin", files=[str(data / "good.csv")], source=source)
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)

    assert not checked["ok"], checked
    reason = checked["failed"][0]["reason"]
    assert first in reason
    assert second in reason


@pytest.mark.usefixtures("arrow_environment")
def test_a_plugin_that_returns_nothing_has_nothing_to_approve(house: House, data: Path) -> None:
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))

    source = HEAD + "        return None\n"
    draft = house.call("draft_plugin", files=[str(data / "good.csv")], source=source)
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)

    assert not checked["ok"]
    assert "nothing to approve" in checked["summary"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_plugin_that_prints_works_and_its_words_are_kept(house: House, data: Path) -> None:
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))

    source = READ.replace(
        "        with open", "        print('hello from', path)\n        with open"
    )
    house.publish([str(data / "good.csv")], source=source)
    jobs = house.settle(plugin="things", include=["log"])["jobs"]

    assert jobs[0]["state"] == "done"
    assert "hello from" in jobs[0]["log"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_plugin_that_never_returns_is_ended_at_its_deadline(
    new_house: Callable[[], House], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASPARIAN_JOB_TIMEOUT_S", "2")
    house = new_house()
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))

    source = HEAD + "        while True:\n            pass\n"
    draft = house.call("draft_plugin", files=[str(data / "good.csv")], source=source)
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)

    assert "no end after 2 s" in checked["failed"][0]["reason"]
    assert house.call("get_overview")["summary"]


def test_source_that_does_not_parse_is_a_finding_with_its_line(house: House, data: Path) -> None:
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))

    draft = house.call("draft_plugin", files=[str(data / "good.csv")], source="def broken(:\n")
    checked = house.call("validate_plugin", draft=draft["draft"])

    assert checked["state"] == "rejected"
    assert checked["findings"][0]["line"] == 1
    assert checked["findings"][0]["fix"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_that_changes_between_hash_and_job_is_not_processed_as_the_old_one(
    reading: House, data: Path
) -> None:
    path = data / "moving.csv"
    path.write_text("id,name\n7,g\n")
    reading.call("scan", path=str(data))
    reading.settle(file=str(path))
    path.write_text("id,name\n8,h\n9,i\n")
    reading.call("scan", path=str(data))
    reading.settle(file=str(path))

    assert reading.rows("SELECT id FROM things WHERE id > 6 ORDER BY id") == [[8], [9]]
    assert reading.rows("SELECT id FROM things_history WHERE id > 6 ORDER BY id") == [
        [7],
        [8],
        [9],
    ]


def test_a_draft_that_would_not_read_its_own_sample_is_told_so(house: House, data: Path) -> None:
    (data / "good.csv").write_text(GOOD)
    house.call("scan", path=str(data))
    source = READ.replace('"*.csv"', '"*.tsv"')

    draft = house.call("draft_plugin", files=[str(data / "good.csv")], source=source)
    checked = house.call("validate_plugin", draft=draft["draft"])

    for result in (draft, checked):
        [finding] = result["findings"]
        assert finding["rule"] == "pattern"
        assert "'*.tsv' does not match good.csv" in finding["message"]
    assert checked["state"] == "rejected"
    assert not checked["ok"]


def test_a_wrong_path_names_itself_and_the_next_step(house: House, data: Path) -> None:
    with pytest.raises(CasparianError) as caught:
        house.call("scan", path=str(data / "missing"))

    assert str(data / "missing") in caught.value.message
    assert caught.value.hint


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(ConfigError) as caught:
        prepare(blocked / "home")

    assert str(blocked / "home") in caught.value.message
    assert "CASPARIAN_HOME" in caught.value.hint


def test_a_second_engine_for_one_home_is_refused_with_what_to_do(house: House) -> None:
    house.call("get_overview")
    environment = {**os.environ, "CASPARIAN_HOME": str(house.home.root)}

    done = subprocess.run(
        [COMMAND, "start"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    assert "runs for" in done.stderr
    assert "casparian stop" in done.stderr


@pytest.mark.usefixtures("arrow_environment")
def test_special_and_unreadable_entries_are_counted_never_silent(house: House, data: Path) -> None:
    (data / "good.csv").write_text(GOOD)
    os.mkfifo(data / "pipe.csv")
    (data / "link.csv").symlink_to(data / "good.csv")
    (data / ".hidden").mkdir()
    (data / ".hidden" / "secret.csv").write_text(GOOD)

    scan = house.call("scan", path=str(data))

    assert scan["new"] + scan["unchanged"] == 1  # the engine, watching, may have seen it first
    assert scan["skipped"] == {"fifo": 1, "symbolic link": 1, "hidden folder": 1}


@pytest.mark.usefixtures("arrow_environment")
def test_tomorrows_file_is_in_the_table_without_anyone_asking(reading: House, data: Path) -> None:
    (data / "tomorrow.csv").write_text("id,name\n10,j\n")

    deadline = time.monotonic() + 45
    while reading.settle(plugin="things")["counts"].get("DONE", 0) < 2:
        assert time.monotonic() < deadline, "nobody saw the file"
    assert reading.rows("SELECT count(*) FROM things") == [[3]]

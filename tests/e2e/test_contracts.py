"""What a person agreed to for a topic is written down, and holds whoever feeds it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from casparian_flow.errors import AdmissionError, ApprovalError, CasparianError, ConfigError
from tests.conftest import House
from tests.console.test_commands import casparian

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="PATTERN", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [{"id": row["id"]EXTRA} for row in csv.DictReader(file)])
"""


def source(pattern: str, extra: str = "") -> str:
    return SOURCE.replace("PATTERN", pattern).replace("EXTRA", extra)


def contracts(house: House) -> list[tuple[str, int, list[str]]]:
    db = sqlite3.connect(f"file:{house.home.catalog}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT topic, version, terms FROM contract ORDER BY id").fetchall()
    finally:
        db.close()
    return [
        (topic, version, [column["name"] for column in json.loads(terms)["columns"]])
        for topic, version, terms in rows
    ]


@pytest.fixture
def published(house: House, data: Path) -> House:
    (data / "a.csv").write_text("id\n1\n")
    (data / "b.txt").write_text("id\n2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=source("*.csv"), topic="things")
    house.settle(plugin="things")
    return house


@pytest.mark.usefixtures("arrow_environment")
def test_every_change_that_was_approved_is_a_version_of_the_contract(
    published: House, data: Path
) -> None:
    house, files = published, [str(data / "a.csv")]
    assert contracts(house) == [("things", 1, ["id"])]

    house.publish(files, source=source("a*.csv"), draft="draft-things-1")
    assert len(contracts(house)) == 1
    house.publish(files, source=source("*.csv", ', "more": 1'), draft="draft-things-1")

    assert contracts(house) == [("things", 1, ["id"]), ("things", 2, ["id", "more"])]


@pytest.mark.usefixtures("arrow_environment")
def test_a_topic_of_a_retired_plugin_keeps_its_contract(published: House, data: Path) -> None:
    house, files = published, [str(data / "b.txt")]
    house.call("retire", plugin="things")
    other = source("*.txt").replace('topic="things"', 'topics=["others", "things"]')
    numbers = other.replace('row["id"]', 'int(row["id"])')
    draft = house.call("draft_plugin", files=files, source=numbers)["draft"]
    checked = house.call("validate_plugin", draft=draft, wait_s=60)

    assert checked["agreement"] == [
        "TO DECIDE: things, contract 1: id: string becomes int64, which does not hold the same."
    ]
    (house.home.root / "config.toml").write_text('approval = "host"\n')
    order = {"draft": draft, "digest": checked["digest"]}
    assert house.agent.call("publish_plugin", order)["status"] == "approval_required"
    casparian(house, "contract", "things", "--policy", "freeze")
    checked = house.call("validate_plugin", draft=draft, wait_s=60)
    assert (checked["ok"], checked["digest"]) == (False, None)
    assert "the contract is frozen" in checked["summary"]
    assert house.publish(files, source=other)["plugin"] == "others"
    assert contracts(house) == [("things", 1, ["id"])]


@pytest.mark.usefixtures("arrow_environment")
def test_a_topic_without_samples_takes_over_no_contract(published: House, data: Path) -> None:
    house, files = published, [str(data / "b.txt")]
    house.call("retire", plugin="things")
    other = source("*.txt").replace('topic="things"', 'topics=["others", "things"]')
    silent = other.replace('self.publish("things"', 'self.publish("others"')
    made = house.call("draft_plugin", files=files, source=silent)
    checked = house.call("validate_plugin", draft=made["draft"], wait_s=60)

    with pytest.raises(AdmissionError, match="no sample of others published to it"):
        house.call("publish_plugin", draft=made["draft"], digest=checked["digest"])


@pytest.mark.usefixtures("arrow_environment")
def test_rows_for_a_topic_nobody_agreed_on_fail_the_file(house: House, data: Path) -> None:
    either = (
        source("*.csv")
        .replace('topic="things"', 'topics=["things", "rare"]')
        .replace('self.publish("things"', 'self.publish("rare" if "rare" in path else "things"')
    )
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=either)
    house.settle()
    (data / "rare.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))

    job = house.settle(file=str(data / "rare.csv"))["jobs"][0]

    assert (job["state"], job["error"]["code"]) == ("failed", "CONTRACT_BROKEN")
    assert house.rows("SELECT id FROM things") == [["1"]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_contract_is_handed_out_as_a_table_schema(published: House, tmp_path: Path) -> None:
    target = tmp_path / "things.schema.json"

    said = casparian(published, "contract", "things", "--to", str(target))

    assert "things@1 brought" in said
    schema = json.loads(target.read_text())
    assert (schema["name"], schema["version"]) == ("things", "1")
    assert schema["fields"] == [
        {
            "name": "id",
            "type": "string",
            "arrowType": "string",
            "constraints": {"required": False},
        }
    ]
    assert "no contract for topic" in casparian(published, "contract", "nothing", code=2)


@pytest.mark.usefixtures("arrow_environment")
def test_two_plugins_feed_one_topic_under_one_contract(published: House, data: Path) -> None:
    house, files = published, [str(data / "b.txt")]
    other = source("*.txt")
    numbers = other.replace('row["id"]', 'int(row["id"])')

    draft = house.call("draft_plugin", files=files, source=numbers)
    refused = house.call("validate_plugin", draft=draft["draft"], wait_s=60)
    house.publish(files, source=other, draft=draft["draft"])
    house.settle()

    assert "things@1 gives string" in refused["agreement"][0]
    assert house.rows("SELECT id FROM things ORDER BY id") == [["1"], ["2"]]
    dataset = house.call("get_datasets", names=["things"])["datasets"][0]
    assert (dataset["files_seen"], dataset["files_read"]) == (2, 2)
    assert dataset["plugin"] == "things@1, things_txt@1"
    assert "feeds it too" in draft["summary"]


@pytest.mark.usefixtures("arrow_environment")
def test_files_that_two_plugins_would_read_into_one_topic_are_a_persons_to_decide(
    published: House, data: Path
) -> None:
    draft = published.call("draft_plugin", files=[str(data / "b.txt")], source=source("*"))

    checked = published.call("validate_plugin", draft=draft["draft"], wait_s=60)

    assert checked["agreement"] == [
        "TO DECIDE: things: things@1 reads 1 file of these into it already, such as a.csv; their"
        " rows would be there twice."
    ]
    assert "TO DECIDE: things:" in casparian(published, "publish", draft["draft"], "--yes")


@pytest.mark.usefixtures("arrow_environment")
def test_the_same_code_again_leaves_the_rows_of_before_where_they_were(
    published: House, data: Path
) -> None:
    house = published
    files, again = [str(data / "a.csv")], source("*.csv") + "# again\n"
    house.publish(files, source=again, draft="draft-things-1", reprocess="all")
    house.settle()
    draft = house.call("draft_plugin", files=files, source=again, draft="draft-things-1")["draft"]
    checked = house.call("validate_plugin", draft=draft, wait_s=60)
    order = {"draft": draft, "digest": checked["digest"], "reprocess": "all", "version": 3}
    asked = house.call("publish_plugin", **order)
    house.call("approve", approval=asked["approval"]["id"])
    house.call("publish_plugin", **order)
    house.settle()

    assert house.rows("SELECT count(*), count(DISTINCT _job_id) FROM things_history") == [[3, 3]]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_shared_topic_is_delivered_to_one_place(
    published: House, data: Path, tmp_path: Path
) -> None:
    house, files = published, [str(data / "b.txt")]
    sinks = [f"sqlite://{tmp_path}/else.db"]
    draft = house.call("draft_plugin", files=files, source=source("*.txt"), sinks=sinks)["draft"]
    checked = house.call("validate_plugin", draft=draft, wait_s=60)

    with pytest.raises(AdmissionError, match="delivered to the lake alone, and things feeds it"):
        house.call("publish_plugin", draft=draft, digest=checked["digest"])


@pytest.mark.usefixtures("arrow_environment")
def test_a_policy_holds_what_comes_later(published: House, data: Path) -> None:
    house, files = published, [str(data / "a.csv")]
    said = casparian(house, "contract", "things", "--policy", "discard")
    assert "other columns are dropped" in said
    wider = source("*.csv", ', "more": row.get("more")')

    house.publish(files, source=wider, draft="draft-things-1", reprocess="all")
    job = house.settle(plugin="things@2")["jobs"][0]

    assert contracts(house) == [("things", 1, ["id"])]
    assert house.rows("SELECT * EXCLUDE (_job_id, _file_version_id, _row) FROM things") == [["1"]]
    receipt = house.call("get_jobs", jobs=[job["job"]], include=["receipt"])["jobs"][0]["receipt"]
    assert receipt["discarded_columns"] == ["more"]


@pytest.mark.usefixtures("arrow_environment")
def test_a_contract_that_changed_after_validation_stops_the_publication(
    published: House, data: Path
) -> None:
    house = published
    wider = source("*.csv", ', "more": 1')
    draft = house.call("draft_plugin", files=[str(data / "a.csv")], source=wider)["draft"]
    order = {
        "draft": draft,
        "digest": house.call("validate_plugin", draft=draft, wait_s=60)["digest"],
    }
    asked = house.call("publish_plugin", **order)
    house.call("approve", approval=asked["approval"]["id"])

    casparian(house, "contract", "things", "--policy", "freeze")
    with pytest.raises(AdmissionError, match="stays as it is, by its policy"):
        house.call("publish_plugin", **order)
    casparian(house, "contract", "things", "--policy", "ask")
    fields = [{"name": "id", "constraints": {"maxLength": 3}}]
    house.call("set_contract", topic="things", table_schema={"fields": fields})
    with pytest.raises(AdmissionError, match="at 2 now"):
        house.call("publish_plugin", **order)


@pytest.mark.usefixtures("arrow_environment")
def test_a_stated_contract_holds_the_next_version_and_its_rows(
    published: House, data: Path, tmp_path: Path
) -> None:
    house = published
    (data / "a.csv").write_text("id\n1\n2\n2\n12345\nx\n")
    target = tmp_path / "things.json"
    casparian(house, "contract", "things", "--to", str(target))
    schema = json.loads(target.read_text())
    schema["fields"][0] |= {"type": "integer", "arrowType": "int64"}
    schema["fields"][0]["constraints"] |= {"minimum": 0, "maximum": 999}
    schema["primaryKey"] = "id"
    target.write_text(json.dumps(schema))

    said = casparian(house, "contract", "things", "--from", str(target))
    assert "Contract 2 of things is stated, against 1" in said
    assert "still under the contract that it was published with" in said
    shown = casparian(house, "contract", "things")
    assert "key, required, minimum 0, maximum 999" in " ".join(shown.split())
    house.call("scan", path=str(data))
    house.settle()
    draft = house.call(
        "draft_plugin", files=[str(data / "a.csv")], source=source("*.csv"), draft="draft-things-1"
    )["draft"]
    checked = house.call("validate_plugin", draft=draft, wait_s=60)
    assert checked["quarantined_by"] == {
        "CONTRACT_KEY": 1,
        "CONTRACT_TYPE": 1,
        "CONTRACT_VALUE": 1,
    }
    assert checked["rows"][0]["types"] == ["int64"]
    assert "things, contract 2: id is held to int64, not string." in checked["agreement"]

    house.publish([str(data / "a.csv")], draft=draft, source=source("*.csv"), reprocess="all")
    house.settle()

    assert house.rows("SELECT id FROM things ORDER BY id") == [[1], [2]]
    codes = house.rows("SELECT code FROM things_quarantine ORDER BY code")
    assert [row[0] for row in codes] == [
        "CONTRACT_KEY", "CONTRACT_TYPE", "CONTRACT_VALUE",
    ]  # fmt: skip
    details = house.call("get_datasets", names=["things"], include=["contract"])["datasets"][0]
    assert details["contract"][0]["stated"] == "key, minimum 0, maximum 999"


@pytest.mark.usefixtures("arrow_environment")
def test_a_contract_can_be_stated_before_anything_feeds_its_topic(house: House, data: Path) -> None:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    fields = [
        {"name": "id", "type": "integer", "constraints": {"required": True}},
        {"name": "note", "type": "string"},
    ]
    house.call("set_contract", topic="things", table_schema={"fields": fields})

    house.publish([str(data / "a.csv")], source=source("*.csv"))
    house.settle()

    assert house.rows("SELECT id + 1, note FROM things") == [[2, None]]
    with pytest.raises(ApprovalError, match="an agent sets no contract"):
        house.agent.call("set_contract", {"topic": "things", "policy": "evolve"})


@pytest.mark.usefixtures("arrow_environment")
def test_text_that_is_stated_is_kept_as_it_stands(house: House, data: Path) -> None:
    (data / "b.csv").write_text("id,day\n1,31/01/2026\n2,01/02/2026\n")
    house.call("scan", path=str(data))
    fields = [{"name": "id", "type": "integer"}, {"name": "day", "type": "string"}]
    house.call("set_contract", topic="things", table_schema={"fields": fields})
    house.call("set_contract", topic="others", policy="freeze")

    house.publish([str(data / "b.csv")], topic="things")
    house.publish([str(data / "b.csv")], topic="others")
    house.settle()

    assert house.rows("SELECT day FROM things ORDER BY id") == [["31/01/2026"], ["01/02/2026"]]
    assert house.rows("SELECT count(*) FROM others") == [[2]]  # the first contract is agreed on


@pytest.mark.usefixtures("arrow_environment")
def test_rows_no_delivery_could_take_are_refused_before(house: House, data: Path) -> None:
    (data / "b.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))

    with pytest.raises(ConfigError, match="own folder"):
        house.call(
            "draft_plugin", files=[str(data / "b.csv")], sinks=[f"sqlite://{house.home.catalog}"]
        )


@pytest.mark.usefixtures("arrow_environment")
def test_a_column_of_two_types_in_view_is_asked_as_text(published: House, data: Path) -> None:
    house = published
    typed = source("*.csv").replace('row["id"]', 'int(row["id"])')
    house.publish([str(data / "a.csv")], source=typed, draft="draft-things-1", reprocess="none")
    (data / "c.csv").write_text("id\n3\n")
    house.call("scan", path=str(data))
    house.settle()

    assert house.rows("SELECT id FROM things_history ORDER BY id") == [["1"], ["3"]]
    assert house.rows("SELECT id FROM things WHERE id = '3'") == [["3"]]
    assert house.rows("SELECT count(*) FROM things WHERE id IN ('1', '3')") == [[2]]
    assert house.rows("SELECT max(id) FROM things_history WHERE id > '1'") == [["3"]]
    assert house.call("explain", subject="things: id=3")["verdict"] == "it is there"
    [told] = house.call("get_datasets", names=["things"])["datasets"]
    assert told["caveat"] == "Of no one type, so read as text: id."


@pytest.mark.usefixtures("arrow_environment")
def test_a_column_that_no_sample_filled_takes_what_comes(house: House, data: Path) -> None:
    empty = source("*.csv").replace('row["id"]', 'json.loads(row["id"] or "null")')
    empty = empty.replace("import csv\n", "import csv\nimport json\n")
    (data / "a.csv").write_text('id\n""\n')
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=empty)
    (data / "b.csv").write_text("id\n5\n")
    (data / "c.csv").write_text('id\n"[1, 2]"\n')
    house.call("scan", path=str(data))
    house.settle()

    assert house.rows("SELECT id FROM things ORDER BY id") == [["5"], ["[1, 2]"], [None]]
    assert house.rows("SELECT count(*) FROM things WHERE id = '5'") == [[1]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_number_that_no_double_holds_is_not_rounded_in_silence(house: House, data: Path) -> None:
    whole = source("*.csv").replace('row["id"]', 'int(row["id"])')
    (data / "a.csv").write_text("id\n1\n")
    (data / "b.csv").write_text("id\n9007199254740993\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "a.csv")], source=whole)
    house.settle()
    house.call("set_contract", topic="things", policy="evolve")
    house.publish(
        [str(data / "a.csv")], source=whole.replace("int(", "float("), draft="draft-things-1",
        reprocess="none",
    )  # fmt: skip

    with pytest.raises(CasparianError, match="9007199254740993 has more digits than a double"):
        house.rows("SELECT id FROM things")
    assert house.rows("SELECT count(_row) FROM things") == [[2]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_row_that_breaks_the_contract_is_set_aside_with_the_bytes_of_its_line(
    house: House, data: Path
) -> None:
    (data / "sales-1.csv").write_text("id,amount\n1,2.5\n")
    house.call("scan", path=str(data))
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "amount", "type": "number", "constraints": {"maximum": 10.5}},
    ]
    house.call("set_contract", topic="sales", table_schema={"fields": fields})
    house.publish([str(data / "sales-1.csv")], topic="sales")
    content = b"id,amount\n2,3.5\n3,99.5\n"
    (data / "sales-2.csv").write_bytes(content)
    house.call("scan", path=str(data))
    house.settle()

    [[code, line, raw, start, length]] = house.rows(
        "SELECT code, line, raw, byte_offset, byte_length FROM sales_quarantine"
    )
    assert (code, line, raw) == ("CONTRACT_VALUE", 3, "3,99.5")
    assert content[start : start + length] == b"3,99.5\n"


@pytest.mark.usefixtures("arrow_environment")
def test_what_could_be_stated_is_told_before_the_first_contract_and_holds_nothing(
    house: House, data: Path
) -> None:
    lines = "".join(f"{n},u{n}@example.org\n" for n in range(30))
    (data / "a.csv").write_text(f"id,mail\n{lines}")
    house.call("scan", path=str(data))
    made = house.call("draft_plugin", files=[str(data / "a.csv")], topic="things")

    first = house.call("validate_plugin", draft=made["draft"], wait_s=60)
    house.publish([], draft=made["draft"])
    (data / "a.csv").write_text(f"id,mail\n{lines}31,\n")
    house.call("scan", path=str(data))
    house.settle()
    again = house.call("validate_plugin", draft=made["draft"], wait_s=60)

    told = "in all 30 rows of 1 file: id, mail in every row; mail is of format email."
    assert told in first["agreement"][-1]
    assert house.rows("SELECT count(*) FROM things WHERE mail IS NULL") == [[1]]
    assert not any("may state" in line for line in again["agreement"])

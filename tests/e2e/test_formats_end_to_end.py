"""What a preview claims of a file, the drafted plugin's output shows: every format, real guests."""

from __future__ import annotations

import gzip
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from casparian_flow.errors import CasparianError
from tests.conftest import House, until
from tests.engine.making import workbook, zipped
from tests.engine.test_formats import TEXTS

CSV = b"id,name\n1,a\n2,b\n"
_ARROW = {
    "int64": "int64", "double": "double", "bool": "bool", "date": "date32[day]", "string": "string",
    "json": "string", "timestamp": "timestamp[us",
}  # fmt: skip


def files(folder: Path) -> list[str]:
    """One file of every format that is drafted; their names."""
    for name, (content, form, _) in TEXTS.items():
        if form != "text":
            (folder / name).write_bytes(content)
    (folder / "packed.csv.gz").write_bytes(gzip.compress(CSV))
    (folder / "same.zip").write_bytes(zipped({"a.csv": CSV, "b.csv": CSV}))
    (folder / "feed.zip").write_bytes(zipped({"stops.txt": CSV, "trips.txt": b"t,km\nx,1\ny,2\n"}))
    (folder / "book.xlsx").write_bytes(
        workbook({"A": [["id", "amount"], [1, 2.5]], "B": [["name", "born"], ["x", "2001-02-03"]]})
    )
    pq.write_table(pa.table({"id": [1, 2], "x": ["a", None]}), folder / "a.parquet")
    with sqlite3.connect(folder / "a.db") as database:
        database.execute("CREATE TABLE things (id INTEGER, at TEXT)")
        database.execute("INSERT INTO things VALUES (1, '2024-01-02')")
    database.close()
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("arrow_environment")
def test_every_format_reads_its_own_sample_as_its_preview_says(house: House, data: Path) -> None:
    names = files(data)
    house.call("scan", path=str(data))
    wrong: dict[str, Any] = {}
    for number, name in enumerate(names):
        shown = house.call("preview_file", file=str(data / name), rows=50)
        pattern = name.replace("[", "[[]")
        draft = house.call(
            "draft_plugin", files=[str(data / name)], topic=f"t{number}", pattern=pattern
        )
        checked = house.call("validate_plugin", draft=draft["draft"], wait_s=300, max_files=1)
        topic = checked["rows"][0] if checked["rows"] else {"columns": [], "types": []}
        pairs = zip(topic["columns"], topic["types"], strict=True)
        given = {column: kind for column, kind in pairs if not column.startswith("_")}
        claimed = {one["name"]: _ARROW[one["type"]] for one in shown["columns"]}
        same = list(given) == list(claimed) and all(
            given[column].startswith(kind) for column, kind in claimed.items()
        )
        count = 2 * len(shown["rows"]) if name == "same.zip" else len(shown["rows"])
        if not checked["ok"] or not same or topic["row_count"] != count:
            wrong[name] = (checked["summary"], claimed, topic, checked["failed"], checked["log"])
    assert wrong == {}


@pytest.mark.usefixtures("arrow_environment")
def test_rows_of_an_archive_name_their_member_and_their_line(house: House, data: Path) -> None:
    (data / "feed-1.zip").write_bytes(
        zipped(
            {
                "stops.txt": CSV,
                "more/stops.txt": b"id,name\n3,c\nx,d\n",
                "trips.txt": b"t,km\n7,1\n",
                "README": b"Some words.",
            }
        )
    )
    house.call("scan", path=str(data))
    house.publish([str(data / "feed-1.zip")], topic="feed")
    house.settle()

    rows = house.rows("SELECT id, _member, _line FROM feed_stops ORDER BY id")
    assert rows[:2] == [["1", "stops.txt", 2], ["2", "stops.txt", 3]]
    assert house.rows("SELECT t FROM feed_trips") == [[7]]


@pytest.mark.usefixtures("arrow_environment")
def test_a_record_goes_to_the_quarantine_of_its_own_topic(house: House, data: Path) -> None:
    first = {"stops.txt": b"id,name\n1,a\n2,b\n", "trips.txt": b"t,km\n7,1\n8,2\n"}
    (data / "feed-1.zip").write_bytes(zipped(first))
    house.call("scan", path=str(data))
    house.publish([str(data / "feed-1.zip")], topic="feed")
    second = {"stops.txt": b"id,name\n3,c\n", "trips.txt": b"t,km\n9,much\n10,4\n"}
    (data / "feed-2.zip").write_bytes(zipped(second))
    house.call("scan", path=str(data))
    house.settle()

    aside = house.rows("SELECT member, line, code FROM feed_trips_quarantine")
    assert aside == [["trips.txt", 2, "TYPE_MISMATCH"]]
    assert house.rows("SELECT count(*) FROM feed_stops_quarantine") == [[0]]
    sets = house.call("get_datasets")["datasets"]
    assert {one["topic"]: one["quarantined"] for one in sets} == {"feed_stops": 0, "feed_trips": 1}
    path = str(data / "feed-2.zip")
    for part, said in (
        ("stops.txt", "1 row of feed_stops"),
        ("trips.txt", "1 row of feed_trips, 1 record set aside"),
        ("no.txt", "nothing: is a part of that name in it?"),
    ):
        told = house.call("explain", subject=f"{path}::{part}")
        assert told["evidence"][-1] == f"Of {part} it gave {said}"


@pytest.mark.usefixtures("arrow_environment")
def test_every_record_is_accounted_for(house: House, data: Path) -> None:
    (data / "sales-1.csv").write_text("id,amt\n1,2\n2,3\n3,4\nTotal,9\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-1.csv")], topic="sales")
    (data / "sales-2.csv").write_text("id,amt\n4,5\nid,amt\n5\n6,x\nTotal,5\n")
    house.call("scan", path=str(data))
    house.settle()

    [job] = house.call("get_jobs", file=str(data / "sales-2.csv"), include=["receipt"])["jobs"]

    receipt = job["receipt"]
    assert receipt["read"] == 5
    assert receipt["rows"] == {"sales": 1}
    assert receipt["quarantined"] == 2
    assert receipt["skipped"] == {"header again": 1, "footer": 1}
    codes = house.rows("SELECT code, line, file FROM sales_quarantine ORDER BY line")
    assert [[code, line] for code, line, _ in codes] == [["FIELD_COUNT", 4], ["TYPE_MISMATCH", 5]]
    assert all(file.endswith("sales-2.csv") for _, _, file in codes)


@pytest.mark.usefixtures("arrow_environment")
def test_a_file_of_which_too_much_does_not_fit_promotes_nothing(house: House, data: Path) -> None:
    (data / "sales-1.csv").write_text("id,amt\n1,2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "sales-1.csv")], topic="sales")
    wrong = "".join(f"{n},much\n" for n in range(30))
    (data / "sales-2.csv").write_text(f"id,amt\n{wrong}7,8\n")
    house.call("scan", path=str(data))
    house.settle()

    [job] = house.call("get_jobs", file=str(data / "sales-2.csv"))["jobs"]

    assert (job["state"], job["error"]["code"]) == ("failed", "QUARANTINE_FULL")
    assert "30 of 31 records" in job["error"]["message"]
    assert "'much' is not a whole number" in job["error"]["message"]
    assert house.rows("SELECT count(*) FROM sales") == [[1]]
    assert house.rows("SELECT count(*) FROM sales_quarantine") == [[0]]


COUNTS = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="n-*.txt", topic="counted")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path) as file:
            lines = file.read().split()
        self.account(read=len(lines), skipped={"zero": lines.count("0")})
        self.publish("counted", [{"n": int(line)} for line in lines if line not in ("0", "13")])
"""


@pytest.mark.usefixtures("arrow_environment")
def test_a_plugin_whose_accounts_differ_loses_nothing_silently(house: House, data: Path) -> None:
    (data / "n-1.txt").write_text("1\n0\n2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "n-1.txt")], source=COUNTS, dependencies=["pyarrow"])
    (data / "n-2.txt").write_text("1\n13\n")
    house.call("scan", path=str(data))
    house.settle()

    [job] = house.call("get_jobs", file=str(data / "n-2.txt"))["jobs"]

    assert (job["state"], job["error"]["code"]) == ("failed", "ACCOUNTS_DIFFER")
    assert "2 records were read, but 1 rows were published" in job["error"]["message"]
    assert house.rows("SELECT count(*) FROM counted") == [[2]]


VALUES = """
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="v-*.txt", topic="values")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path) as file:
            lines = file.read().split()
        self.publish("values", [{"v": int(v) if v.isdigit() else v, "_line": n}
                                for n, v in enumerate(lines, 1)] if all(
                                    v.isdigit() for v in lines) else
                     [{"v": v, "_line": n} for n, v in enumerate(lines, 1)])
"""


@pytest.mark.usefixtures("arrow_environment")
def test_a_row_that_breaks_the_contract_is_set_aside_and_the_others_kept(
    house: House, data: Path
) -> None:
    (data / "v-1.txt").write_text("1\n2\n")
    house.call("scan", path=str(data))
    house.publish([str(data / "v-1.txt")], source=VALUES, dependencies=["pyarrow"])
    (data / "v-2.txt").write_text("3\nx\n4\n")
    house.call("scan", path=str(data))
    house.settle()

    assert house.rows("SELECT v FROM values ORDER BY v") == [[1], [2], [3], [4]]
    aside = house.rows("SELECT code, field, line, reason FROM values_quarantine")
    assert aside == [["CONTRACT_TYPE", "v", 2, "v: 'x' is no int64"]]


@pytest.mark.usefixtures("arrow_environment")
def test_after_a_fix_only_what_gave_trouble_is_read_again_and_rows_move_once(
    house: House, data: Path
) -> None:
    (data / "sales-1.csv").write_text("id,amt\n1,2\n")
    house.call("scan", path=str(data))
    first = house.publish([str(data / "sales-1.csv")], topic="sales")
    for number in (2, 3):
        amount = "3" if number == 2 else "4 EUR"
        (data / f"sales-{number}.csv").write_text(f"id,amt\n{number},{amount}\n9,9\n")
    house.call("scan", path=str(data))
    house.settle()
    assert house.rows("SELECT count(*) FROM sales_quarantine") == [[1]]
    jobs = house.call("get_jobs")["total"]

    mended = house.call("get_plugins", names=[first["plugin"]], include=["source"])["plugins"][0]
    source = mended["source"]["plugin.py"].replace('("integer",),\n}', '("text",),\n}')
    again = house.publish(
        [str(data / "sales-1.csv")], source=source, dependencies=["pyarrow"], reprocess="failed"
    )
    house.settle()

    choices = {"new": 0, "all": 3, "failed": 1, "none": 0}
    assert again["effects"]["choices"] == choices
    told = [one["instead"] for one in house.call("approvals", waiting=False)["approvals"]]
    by_choice = "new 0, all 3, failed or with records set aside 1, none 0"
    assert told == [f"Jobs by choice of reprocess: {by_choice}.", None]

    assert house.call("get_jobs")["total"] == jobs + 1
    assert house.rows("SELECT amt FROM sales WHERE id = 3") == [["4 EUR"]]
    assert house.rows("SELECT id, count(*) FROM sales GROUP BY id HAVING count(*) > 2") == []
    assert house.rows("SELECT count(*) FROM sales_quarantine") == [[0]]
    assert house.call("verify")["ok"]


@pytest.mark.usefixtures("arrow_environment")
def test_binary_records_are_read_by_the_layout_that_a_goal_gives(house: House, data: Path) -> None:
    records = b"".join(struct.pack("<IHd", n, n * 2, n / 4) for n in range(1, 51))
    (data / "ticks-1.bin").write_bytes(b"MAGIC\x00\x01\x02" + records)
    house.call("scan", path=str(data))
    goal = "struct <IHd id, qty, price after 8 bytes"

    made = house.call("draft_plugin", files=[str(data / "ticks-1.bin")], topic="ticks", goal=goal)
    checked = house.call("validate_plugin", draft=made["draft"], wait_s=120)

    [topic] = checked["rows"]
    assert (topic["columns"], topic["row_count"]) == (["id", "qty", "price"], 50)
    assert topic["rows"][0] == ["1", "2", "0.25"]
    with pytest.raises(CasparianError, match="holds 3 values, 2 names"):
        house.call("draft_plugin", files=[str(data / "ticks-1.bin")], goal="struct <IHd id, qty")


@pytest.mark.usefixtures("arrow_environment")
def test_moments_finer_than_python_has_them_stay_whole(
    house: House, data: Path, tmp_path: Path
) -> None:
    fine = 1_577_836_800_000_000_001
    kinds = {
        "moment": pa.timestamp("ns"),
        "zoned": pa.timestamp("ns", "Europe/Berlin"),
        "nested": pa.list_(pa.timestamp("ns")),
        "took": pa.duration("ns"),
    }
    values: dict[str, list[Any]] = {
        "moment": [fine],
        "zoned": [fine],
        "nested": [[fine]],
        "took": [5],
    }
    columns = {name: pa.array(values[name], kind) for name, kind in kinds.items()}
    pq.write_table(pa.table(columns), data / "fine.parquet")
    house.call("scan", path=str(data))
    told = "2020-01-01 00:00:00.000000001"

    seen = house.call("preview_file", file=str(data / "fine.parquet"))
    house.publish([str(data / "fine.parquet")], sinks=[f"sqlite:///{tmp_path}/out.db"])
    house.settle()

    shown = [told, f"{told}Z", f'["{told}"]', "PT0.000000005S"]
    assert seen["rows"] == [shown]
    assert house.rows("SELECT moment, zoned, nested FROM fine") == [
        [told, f"{told}+00", f"['{told}']"]
    ]
    until((tmp_path / "out.db").exists)
    with sqlite3.connect(tmp_path / "out.db") as database:
        stored = database.execute("SELECT moment, nested, took FROM fine").fetchall()
    assert stored == [(told, f'["{told}"]', "PT0.000000005S")]

"""Nothing enters production that a person did not approve, whoever speaks to the Sentinel."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from casparian_flow.errors import (
    AdmissionError,
    ApprovalError,
    CasparianError,
    ProtocolError,
    RuleViolation,
    SignatureMismatch,
)
from engine import publisher
from engine.messages import Deploy
from engine.protocol import FrameDecoder, Opcode
from gatekeeper.artifact import make_artifact
from tests.conftest import Environment, House

SOURCE = """
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.csv", topic="things")


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            self.publish("things", [dict(row) for row in csv.DictReader(file)])
"""


@dataclass
class Approved:
    """A draft that a person approved, and the DEPLOY body that would be right for it."""

    house: House
    draft: str
    digest: str
    body: Deploy

    def deploy(self, **changes: object) -> object:
        return publisher.deploy(
            self.house.home.sentinel_socket, self.body.model_copy(update=changes)
        )


@pytest.fixture
def approved(house: House, data: Path, arrow_environment: Environment) -> Approved:
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    return approve(house, data, SOURCE, arrow_environment.lockfile)


def approve(house: House, data: Path, source: str, lockfile: bytes, **order: object) -> Approved:
    draft = house.call(
        "draft_plugin", files=[str(data / "a.csv")], source=source, lockfile=lockfile.decode()
    )
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)
    params = {"draft": draft["draft"], "digest": checked["digest"], **order}
    asked = house.call("publish_plugin", **params)
    house.call("approve", approval=asked["approval"]["id"])
    number = int(asked["approval"]["id"].removeprefix("approval-"))
    contract = contract_of(house, draft["draft"])
    files = {"plugin.py": source}
    artifact = make_artifact({"plugin.py": source.encode()}, lockfile)
    envelope = publisher.sign_artifact(
        artifact, keys=house.home.keys, plugin="things", version=asked["version"],
        audience=installation(house), publisher="t", contract=contract, sinks={},
    )  # fmt: skip
    body = Deploy(
        files=files, lockfile=lockfile, envelope=envelope, contract=contract, sinks={},
        approval_id=number,
    )  # fmt: skip
    return Approved(house, draft["draft"], checked["digest"], body)


def read_catalog(house: House, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{house.home.catalog}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def installation(house: House) -> str:
    return str(read_catalog(house, "SELECT id FROM installation")[0][0])


def contract_of(house: House, draft: str) -> dict[str, object]:
    import json

    text = read_catalog(house, f"SELECT report FROM draft WHERE id = '{draft}'")[0][0]
    return cast("dict[str, object]", json.loads(text)["contract"])


def deployed(house: House) -> int:
    return int(read_catalog(house, "SELECT count(*) FROM plugin_manifest")[0][0])


def test_what_was_approved_is_put_in_force_in_one_piece(approved: Approved) -> None:
    approved.deploy()

    counts = {
        table: read_catalog(approved.house, f"SELECT count(*) FROM {table}")[0][0]
        for table in (
            "plugin_manifest", "plugin_environment", "routing_rule", "topic_config",
            "plugin_config", "publisher",
        )
    }  # fmt: skip
    assert set(counts.values()) == {1}, counts


def test_a_raw_deploy_without_an_approval_changes_nothing(approved: Approved) -> None:
    with pytest.raises(ApprovalError):
        approved.deploy(approval_id=99)
    assert deployed(approved.house) == 0


def test_an_approval_is_used_once(approved: Approved) -> None:
    approved.deploy()

    with pytest.raises(CasparianError, match=r"USED|higher"):
        approved.deploy()
    assert deployed(approved.house) == 1


@pytest.mark.parametrize("field", ["files", "lockfile", "envelope", "contract", "sinks"])
def test_one_changed_byte_after_approval_changes_nothing(approved: Approved, field: str) -> None:
    body = approved.body
    changes: dict[str, object] = {
        "files": {"plugin.py": SOURCE + "\n"},
        "lockfile": body.lockfile + b"\n",
        "envelope": body.envelope[:-2] + b" }",
        "contract": {**body.contract, "more": {}},
        "sinks": {"things": ["sqlite:///tmp/x.db"]},
    }

    with pytest.raises(AdmissionError):
        approved.deploy(**{field: changes[field]})
    assert deployed(approved.house) == 0


def test_a_key_nobody_trusts_signs_nothing_in(approved: Approved, tmp_path: Path) -> None:
    body = approved.body
    artifact = make_artifact({"plugin.py": SOURCE.encode()}, body.lockfile)
    envelope = publisher.sign_artifact(
        artifact, keys=tmp_path / "other-keys", plugin="things", version=1,
        audience=installation(approved.house), publisher="t", contract=body.contract, sinks={},
    )  # fmt: skip

    with pytest.raises(SignatureMismatch):
        approved.deploy(envelope=envelope)
    assert deployed(approved.house) == 0


def test_an_envelope_for_another_installation_is_refused(approved: Approved) -> None:
    body = approved.body
    artifact = make_artifact({"plugin.py": SOURCE.encode()}, body.lockfile)
    envelope = publisher.sign_artifact(
        artifact, keys=approved.house.home.keys, plugin="things", version=1, audience="elsewhere",
        publisher="t", contract=body.contract, sinks={},
    )  # fmt: skip

    with pytest.raises(SignatureMismatch, match="elsewhere"):
        approved.deploy(envelope=envelope)


def test_source_with_findings_is_refused_even_when_signed_and_approved(approved: Approved) -> None:
    body = approved.body
    source = SOURCE.replace("import csv", "import csv\nimport os")
    artifact = make_artifact({"plugin.py": source.encode()}, body.lockfile)
    envelope = publisher.sign_artifact(
        artifact, keys=approved.house.home.keys, plugin="things", version=1,
        audience=installation(approved.house), publisher="t", contract=body.contract, sinks={},
    )  # fmt: skip

    with pytest.raises(RuleViolation, match="os"):
        approved.deploy(files={"plugin.py": source}, envelope=envelope)
    assert deployed(approved.house) == 0


def test_an_agent_cannot_approve_what_it_proposed(approved: Approved) -> None:
    with pytest.raises(ApprovalError):
        approved.house.agent.call("approve", {"approval": "1"})


def test_a_digest_that_was_not_validated_is_not_put_to_anybody(approved: Approved) -> None:
    with pytest.raises(ApprovalError, match="not what was validated"):
        approved.house.call("publish_plugin", draft=approved.draft, digest="0" * 64)


def test_source_changed_in_the_catalog_is_caught_at_dispatch(
    approved: Approved, data: Path
) -> None:
    house = approved.house
    approved.deploy()
    house.stop()
    db = sqlite3.connect(house.home.catalog)
    db.execute("UPDATE plugin_manifest SET files = replace(files, 'utf-8', 'utf-16')")
    db.commit()
    db.close()
    (data / "b.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))

    job = house.settle(file=str(data / "b.csv"))["jobs"][0]

    assert job["state"] == "failed"
    assert job["error"]["code"] == "SIGNATURE_MISMATCH"
    assert not house.call("verify")["ok"]


def test_the_sentinel_gives_one_error_and_hangs_up_on_nonsense(house: House) -> None:
    house.call("get_overview")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(house.home.sentinel_socket))
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = b""
        while chunk := connection.recv(4096):
            received += chunk

    frames = FrameDecoder().feed(received)
    assert [frame.opcode for frame in frames] == [Opcode.ERR]


def test_a_frame_before_identify_is_refused(house: House) -> None:
    from engine.messages import Heartbeat, pack

    house.call("get_overview")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(house.home.sentinel_socket))
        connection.sendall(pack(Opcode.HEARTBEAT, Heartbeat()))
        frames = FrameDecoder().feed(connection.recv(4096))

    assert [frame.opcode for frame in frames] == [Opcode.ERR]
    assert b"before IDENTIFY" in frames[0].body


def test_two_plugins_do_not_feed_one_topic(
    approved: Approved, data: Path, arrow_environment: Environment
) -> None:
    approved.deploy()
    other = SOURCE.replace('topic="things"', 'topics=["things", "more"]')
    house = approved.house
    draft = house.call("draft_plugin", files=[str(data / "a.csv")], source=other, topic="x",
                       lockfile=arrow_environment.lockfile.decode())  # fmt: skip
    assert draft["draft"].startswith("draft-things")


def test_errors_travel_as_what_they_are() -> None:
    with pytest.raises(ProtocolError):
        FrameDecoder().feed(b"\x04" + b"\0" * 15)


def test_an_upgrade_retires_the_version_before_and_never_shows_a_mixture(
    approved: Approved, data: Path, arrow_environment: Environment
) -> None:
    house = approved.house
    approved.deploy()
    house.call("scan", path=str(data))
    house.settle(plugin="things")
    doubled = SOURCE.replace("[dict(row) for row", "[{**row, 'version': '2'} for row")
    second = approve(house, data, doubled, arrow_environment.lockfile, reprocess="all")
    second.deploy()
    house.settle(plugin="things")

    statuses = read_catalog(house, "SELECT version, status FROM plugin_manifest ORDER BY 1")
    assert statuses == [(1, "RETIRED"), (2, "ACTIVE")]
    assert house.rows("SELECT id, version FROM things") == [["1", "2"]]
    assert house.rows("SELECT count(*) FROM things_history") == [[2]]


def test_sinks_changed_in_the_catalog_are_caught_at_dispatch(
    approved: Approved, data: Path, tmp_path: Path
) -> None:
    house = approved.house
    approved.deploy()
    house.stop()
    db = sqlite3.connect(house.home.catalog)
    db.execute("UPDATE topic_config SET sinks = ?", (f'["sqlite://{tmp_path}/stolen.db"]',))
    db.commit()
    db.close()
    (data / "b.csv").write_text("id\n2\n")
    house.call("scan", path=str(data))

    job = house.settle(file=str(data / "b.csv"))["jobs"][0]

    assert job["error"]["code"] == "SIGNATURE_MISMATCH"
    assert not (tmp_path / "stolen.db").exists()


def test_a_yes_for_a_folder_since_taken_away_deploys_nothing(
    approved: Approved, data: Path
) -> None:
    approved.house.call("remove_source", path=str(data))

    with pytest.raises(ApprovalError, match="taken away"):
        approved.deploy()

    assert deployed(approved.house) == 0

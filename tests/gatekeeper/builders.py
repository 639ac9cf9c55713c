"""Artifacts, keys and envelopes for the tests of admission."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from nacl.signing import SigningKey

from gatekeeper.artifact import Artifact, make_artifact
from gatekeeper.signing import Statement, key_id, sign, statement_for

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
AUDIENCE = "installation-1"
KEY = SigningKey(bytes(range(32)))
TRUSTED = {key_id(bytes(KEY.verify_key)): bytes(KEY.verify_key)}
HELPERS = b"def clean(text):\n    return text.strip()\n"
PLUGIN = b"""
import csv

from casparian_flow.sdk import BasePlugin, PluginMetadata
from helpers import clean

MANIFEST = PluginMetadata(pattern="*.csv", topic="sales", priority=3, subscriptions=["pos"])


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="") as file:
            self.publish("sales", [{"name": clean(r["name"])} for r in csv.DictReader(file)])
"""
FILES: Mapping[str, bytes] = {"plugin.py": PLUGIN, "helpers.py": HELPERS}
LOCK = b"version = 1\n"


class Published(NamedTuple):
    """What a publisher sends."""

    artifact: Artifact
    envelope: bytes


def state(artifact: Artifact, *, version: int = 1, audience: str = AUDIENCE) -> Statement:
    return statement_for(
        artifact,
        plugin="sales",
        version=version,
        audience=audience,
        publisher="ada@example.org",
        created=NOW,
        expires=NOW + timedelta(days=7),
        nonce="00112233445566778899aabbccddeeff",
    )


def publish(files: Mapping[str, bytes] = FILES, *, lock: bytes = LOCK) -> Published:
    artifact = make_artifact(files, lock)
    return Published(artifact, sign(state(artifact), KEY))

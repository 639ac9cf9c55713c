import base64
import dataclasses
import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casparian_flow.errors import (
    AdmissionError,
    ManifestInvalid,
    RuleViolation,
    SignatureMismatch,
)
from gatekeeper.admission import Admission, admit, inspect_artifact, verify_for_dispatch
from gatekeeper.artifact import Artifact, env_hash, make_artifact
from gatekeeper.signing import Statement, sign
from tests.gatekeeper.builders import (
    AUDIENCE,
    FILES,
    HELPERS,
    KEY,
    LOCK,
    NOW,
    PLUGIN,
    TRUSTED,
    publish,
    state,
)


def decide(
    artifact: Artifact,
    envelope: bytes,
    *,
    audience: str = AUDIENCE,
    now: datetime = NOW,
    deploying: bool = True,
) -> Admission:
    return admit(
        artifact, envelope, trusted=TRUSTED, audience=audience, now=now, deploying=deploying
    )


def signed_with(artifact: Artifact, **changes) -> bytes:
    return sign(dataclasses.replace(state(artifact), **changes), KEY)


def with_file(artifact: Artifact, name: str, content: bytes) -> Artifact:
    files = dict(artifact.files) | {name: content}
    return dataclasses.replace(artifact, files=tuple(sorted(files.items())))


def test_an_honest_plugin_is_admitted() -> None:
    artifact, envelope = publish()

    admission = decide(artifact, envelope)

    assert admission.manifest == artifact.manifest
    assert admission.env_hash == env_hash(LOCK)
    assert admission.statement == state(artifact)
    assert verify_for_dispatch(artifact, envelope, trusted=TRUSTED, audience=AUDIENCE) == admission


@given(st.data())
def test_a_changed_byte_in_a_file_is_never_admitted(data: st.DataObject) -> None:
    artifact, envelope = publish()
    name, content = data.draw(st.sampled_from(artifact.files))
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(AdmissionError):
        decide(with_file(artifact, name, bytes(changed)), envelope)


@given(st.integers(0, len(LOCK) - 1), st.integers(1, 255))
def test_a_changed_byte_in_the_lockfile_is_never_admitted(place: int, flip: int) -> None:
    artifact, envelope = publish()
    changed = bytearray(LOCK)
    changed[place] ^= flip

    with pytest.raises(SignatureMismatch):
        decide(dataclasses.replace(artifact, lockfile=bytes(changed)), envelope)


@given(st.data())
def test_a_changed_byte_in_the_envelope_is_never_admitted(data: st.DataObject) -> None:
    artifact, envelope = publish()
    changed = bytearray(envelope)
    changed[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SignatureMismatch):
        decide(artifact, bytes(changed))


@given(st.data())
def test_a_changed_byte_in_the_payload_is_never_admitted(data: st.DataObject) -> None:
    artifact, envelope = publish()
    outer = json.loads(envelope)
    payload = bytearray(base64.b64decode(outer["payload"]))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    outer["payload"] = base64.b64encode(payload).decode()
    forged = json.dumps(outer, sort_keys=True, separators=(",", ":")).encode()

    with pytest.raises(SignatureMismatch):
        decide(artifact, forged)


def test_a_file_added_after_signing_is_refused() -> None:
    artifact, envelope = publish()

    with pytest.raises(SignatureMismatch, match="source"):
        decide(with_file(artifact, "extra.py", b"X = 1\n"), envelope)


def test_a_file_taken_away_after_signing_is_refused() -> None:
    artifact, envelope = publish()
    fewer = dataclasses.replace(artifact, files=artifact.files[1:])

    with pytest.raises(SignatureMismatch, match="source"):
        decide(fewer, envelope)


def test_bytes_moved_from_source_to_lockfile_are_refused_though_the_hash_is_equal() -> None:
    artifact, envelope = publish()
    tail = artifact.entry[-1:]
    moved = with_file(artifact, "plugin.py", artifact.entry[:-1])
    moved = dataclasses.replace(moved, lockfile=tail + LOCK)

    with pytest.raises(SignatureMismatch, match="source"):
        decide(moved, envelope)


@pytest.mark.parametrize(
    "field", ["lock_digest", "manifest_digest", "artifact_hash", "source_digests"]
)
def test_each_digest_is_compared_by_itself(field: str) -> None:
    artifact, _ = publish()
    false: object = "0" * 64
    if field == "source_digests":
        false = (("helpers.py", "0" * 64), ("plugin.py", "0" * 64))

    with pytest.raises(SignatureMismatch):
        decide(artifact, signed_with(artifact, **{field: false}))


def test_a_plugin_signed_for_another_installation_is_refused() -> None:
    artifact, envelope = publish()

    with pytest.raises(SignatureMismatch, match="signed for"):
        decide(artifact, envelope, audience="installation-2")


def test_a_manifest_that_the_source_does_not_have_is_refused() -> None:
    artifact, _ = publish()
    lying = dataclasses.replace(
        artifact, manifest=dataclasses.replace(artifact.manifest, topics=("payroll",))
    )
    envelope = sign(state(lying), KEY)

    with pytest.raises(SignatureMismatch, match="manifest in the source"):
        decide(lying, envelope)


def test_a_manifest_given_beside_the_signed_one_is_refused() -> None:
    artifact, envelope = publish()
    lying = dataclasses.replace(
        artifact, manifest=dataclasses.replace(artifact.manifest, topics=("payroll",))
    )

    with pytest.raises(SignatureMismatch, match="manifest given"):
        decide(lying, envelope)


def test_a_signature_does_not_excuse_a_finding() -> None:
    artifact, envelope = publish({**FILES, "helpers.py": HELPERS + b"import os\n"})

    with pytest.raises(RuleViolation, match=r"helpers\.py: os is not on the list"):
        decide(artifact, envelope)
    with pytest.raises(RuleViolation):
        decide(artifact, envelope, deploying=False)


def test_many_findings_are_counted_and_not_all_listed() -> None:
    artifact, envelope = publish({**FILES, "helpers.py": HELPERS + b"import os\n" * 50})

    with pytest.raises(RuleViolation, match=r"50 findings: .* and 30 more"):
        decide(artifact, envelope)


def test_a_plugin_whose_manifest_cannot_be_read_is_refused() -> None:
    artifact, _ = publish()
    broken = with_file(artifact, "plugin.py", PLUGIN.replace(b"MANIFEST", b"OTHER"))

    with pytest.raises(ManifestInvalid):
        decide(broken, sign(state(broken), KEY))


def test_a_statement_under_another_ruleset_is_not_deployed_but_still_runs() -> None:
    artifact, _ = publish()
    envelope = signed_with(artifact, ruleset_digest="0" * 64)

    with pytest.raises(AdmissionError, match="ruleset"):
        decide(artifact, envelope)
    assert decide(artifact, envelope, deploying=False).statement.ruleset_digest == "0" * 64


def test_an_expired_statement_is_not_deployed_but_still_runs() -> None:
    artifact, envelope = publish()
    late = NOW + timedelta(days=7)

    with pytest.raises(AdmissionError, match="could be deployed until"):
        decide(artifact, envelope, now=late)
    assert decide(artifact, envelope, now=late, deploying=False)
    assert decide(artifact, envelope, now=late - timedelta(seconds=1))


def test_a_statement_from_the_future_is_not_deployed() -> None:
    artifact, envelope = publish()

    with pytest.raises(AdmissionError, match="future"):
        decide(artifact, envelope, now=NOW - timedelta(minutes=6))
    assert decide(artifact, envelope, now=NOW - timedelta(minutes=4))


def test_dispatch_checks_signature_and_bytes_again() -> None:
    artifact, envelope = publish()
    changed = with_file(artifact, "helpers.py", HELPERS + b"\n")

    with pytest.raises(SignatureMismatch):
        verify_for_dispatch(changed, envelope, trusted=TRUSTED, audience=AUDIENCE)
    with pytest.raises(SignatureMismatch):
        verify_for_dispatch(artifact, envelope, trusted={}, audience=AUDIENCE)
    with pytest.raises(SignatureMismatch):
        verify_for_dispatch(artifact, envelope, trusted=TRUSTED, audience="")


def test_an_artifact_is_inspected_file_by_file() -> None:
    artifact = make_artifact({**FILES, "helpers.py": HELPERS + b"import os\n"}, LOCK)

    findings = inspect_artifact(artifact)

    assert [finding.rule for finding in findings] == ["import"]


def test_a_statement_names_every_field_of_the_design() -> None:
    assert set(Statement.__dataclass_fields__) == {
        "plugin", "version", "source_digests", "lock_digest", "manifest_digest", "artifact_hash",
        "ruleset_digest", "contract_digest", "sinks_digest", "audience", "publisher", "created",
        "expires", "nonce",
    }  # fmt: skip

import base64
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from casparian_flow.errors import SignatureMismatch
from gatekeeper.artifact import make_artifact
from gatekeeper.canonical import canonical_json
from gatekeeper.signing import (
    PAYLOAD_TYPE,
    key_id,
    pre_authentication_encoding,
    sign,
    verify,
)
from tests.gatekeeper.builders import FILES, KEY, LOCK, TRUSTED, publish, state

OTHER = SigningKey(bytes(reversed(range(32))))


def signed_payload(payload: bytes, *, key: SigningKey = KEY, kind: str = PAYLOAD_TYPE) -> bytes:
    signature = key.sign(pre_authentication_encoding(kind, payload)).signature
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": kind,
            "signatures": [
                {
                    "keyid": key_id(bytes(key.verify_key)),
                    "sig": base64.b64encode(signature).decode(),
                }
            ],
        }
    )


def statement_json() -> dict[str, object]:
    return state(make_artifact(FILES, LOCK)).to_json()


def test_what_was_signed_is_read_back() -> None:
    statement = state(make_artifact(FILES, LOCK))

    assert verify(sign(statement, KEY), trusted=TRUSTED) == statement


def test_the_encoding_is_the_one_of_the_dsse_specification() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")

    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_nobody_trusted_means_nothing_is_believed() -> None:
    with pytest.raises(SignatureMismatch):
        verify(publish().envelope, trusted={})


def test_a_stranger_s_signature_is_refused() -> None:
    envelope = sign(state(make_artifact(FILES, LOCK)), OTHER)

    with pytest.raises(SignatureMismatch, match="not trusted"):
        verify(envelope, trusted=TRUSTED)


def test_a_stranger_s_signature_under_a_trusted_key_id_is_refused() -> None:
    envelope = json.loads(sign(state(make_artifact(FILES, LOCK)), OTHER))
    envelope["signatures"][0]["keyid"] = next(iter(TRUSTED))

    with pytest.raises(SignatureMismatch, match="does not hold"):
        verify(canonical_json(envelope), trusted=TRUSTED)


def test_a_key_trusted_under_a_false_id_is_refused() -> None:
    envelope = sign(state(make_artifact(FILES, LOCK)), OTHER)
    confused = {key_id(bytes(OTHER.verify_key)): bytes(KEY.verify_key)}

    with pytest.raises(SignatureMismatch, match="not trusted"):
        verify(envelope, trusted=confused)


def test_a_payload_signed_as_another_type_is_refused() -> None:
    envelope = signed_payload(canonical_json(statement_json()), kind="application/json")

    with pytest.raises(SignatureMismatch, match="payloadType"):
        verify(envelope, trusted=TRUSTED)


def test_a_signature_over_the_bare_payload_is_refused() -> None:
    payload = canonical_json(statement_json())
    envelope = json.loads(signed_payload(payload))
    bare = KEY.sign(payload).signature
    envelope["signatures"][0]["sig"] = base64.b64encode(bare).decode()

    with pytest.raises(SignatureMismatch, match="does not hold"):
        verify(canonical_json(envelope), trusted=TRUSTED)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: {**e, "extra": 1},
        lambda e: {k: v for k, v in e.items() if k != "payloadType"},
        lambda e: {**e, "signatures": []},
        lambda e: {**e, "signatures": e["signatures"] * 2},
        lambda e: {**e, "signatures": [{**e["signatures"][0], "x": 1}]},
        lambda e: {**e, "signatures": [{**e["signatures"][0], "keyid": ""}]},
        lambda e: {**e, "signatures": [{**e["signatures"][0], "sig": "AA=="}]},
        lambda e: {**e, "signatures": [{**e["signatures"][0], "sig": 5}]},
        lambda e: {**e, "signatures": {"keyid": "", "sig": ""}},
        lambda e: {**e, "signatures": ["x"]},
        lambda e: {**e, "payload": e["payload"] + "\n"},
        lambda e: {**e, "payload": None},
        lambda e: [e],
        lambda _: None,
    ],
)  # fmt: skip
def test_an_envelope_of_another_shape_is_refused(change) -> None:
    envelope = canonical_json(change(json.loads(publish().envelope)))

    with pytest.raises(SignatureMismatch):
        verify(envelope, trusted=TRUSTED)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.replace(b'{"payload"', b'{"payloadType":"x","payload"', 1),
        lambda e: e + b" ",
        lambda e: b"\xef\xbb\xbf" + e,
        lambda e: e.replace(b":", b": ", 1),
        lambda _: b"",
        lambda _: b"\xff",
        lambda _: b"[" * 100_000,
        lambda e: e + b" " * 300_000,
        lambda e: e.replace(b"payloadType", b"payload\\u0054ype"),
        lambda _: b"NaN",
    ],
)
def test_an_envelope_with_a_second_reading_is_refused(change) -> None:
    with pytest.raises(SignatureMismatch):
        verify(change(publish().envelope), trusted=TRUSTED)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("version", 0),
        ("version", -1),
        ("version", True),
        ("version", "1"),
        ("version", 2**40),
        ("plugin", ""),
        ("plugin", "../x"),
        ("audience", ""),
        ("publisher", ""),
        ("nonce", ""),
        ("nonce", "xyz"),
        ("created", "2026-05-01T12:00:00"),
        ("created", "2026-05-01T12:00:00+02:00"),
        ("created", "yesterday"),
        ("expires", "2020-01-01T00:00:00+00:00"),
        ("source_digests", {}),
        ("source_digests", {"plugin.py": "x"}),
        ("source_digests", {"plugin.py": 1}),
        ("source_digests", []),
        ("lock_digest", ""),
        ("lock_digest", None),
        ("manifest_digest", "A" * 64),
        ("contract_digest", "x"),
        ("unknown", "x"),
    ],
)
def test_a_signed_statement_with_a_malformed_field_is_refused(member: str, value: object) -> None:
    envelope = signed_payload(canonical_json({**statement_json(), member: value}))

    with pytest.raises(SignatureMismatch):
        verify(envelope, trusted=TRUSTED)


def test_a_signed_statement_without_a_field_is_refused() -> None:
    members = statement_json()
    del members["sinks_digest"]

    with pytest.raises(SignatureMismatch):
        verify(signed_payload(canonical_json(members)), trusted=TRUSTED)


def test_a_signed_payload_that_is_not_canonical_is_refused() -> None:
    envelope = signed_payload(json.dumps(statement_json()).encode())

    with pytest.raises(SignatureMismatch, match="canonical"):
        verify(envelope, trusted=TRUSTED)


def test_a_statement_refuses_version_zero_before_it_is_signed() -> None:
    statement = state(make_artifact(FILES, LOCK))

    with pytest.raises(ValueError, match="version"):
        dataclasses.replace(statement, version=0)


@given(st.binary(max_size=200))
def test_no_bytes_of_a_stranger_are_a_statement(envelope: bytes) -> None:
    with pytest.raises(SignatureMismatch):
        verify(envelope, trusted=TRUSTED)


def test_each_early_refusal_says_its_own_reason() -> None:
    envelope = publish().envelope
    outer = json.loads(envelope)
    doubled = canonical_json({**outer, "signatures": outer["signatures"] * 2})

    with pytest.raises(SignatureMismatch, match="no key is trusted"):
        verify(envelope, trusted={})
    with pytest.raises(SignatureMismatch, match="bytes, limit"):
        verify(envelope + b" " * 300_000, trusted=TRUSTED)
    with pytest.raises(SignatureMismatch, match="a key is given twice"):
        verify(envelope.replace(b"{", b'{"payload":"",', 1), trusted=TRUSTED)
    with pytest.raises(SignatureMismatch, match="exactly one signature"):
        verify(doubled, trusted=TRUSTED)

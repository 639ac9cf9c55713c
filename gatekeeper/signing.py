"""Sign what a plugin is, verify who said so: DSSE over a canonical statement, Ed25519."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from casparian_flow.errors import SignatureMismatch
from gatekeeper import artifact as artifacts
from gatekeeper.artifact import Artifact
from gatekeeper.canonical import canonical_json, sha256_hex
from gatekeeper.policy import ruleset_digest as current_ruleset_digest

PAYLOAD_TYPE = "application/vnd.casparian.plugin+json"
_SIZE_LIMIT_BYTES = 256 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{16,128}", re.ASCII)
_PLUGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_VERSION_LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Statement:
    """Everything a publisher vouches for; each field is signed."""

    plugin: str
    version: int
    """At least 1; versions of one plugin only rise."""

    source_digests: tuple[tuple[str, str], ...]
    """SHA-256 of each file, sorted by name."""

    lock_digest: str
    manifest_digest: str
    artifact_hash: str
    ruleset_digest: str
    contract_digest: str
    """Empty while its topics have no contract yet."""

    sinks_digest: str
    """Empty when the installation's own sinks are used."""

    audience: str
    """The installation it may be deployed on."""

    publisher: str
    created: str
    expires: str
    """ISO 8601 in UTC: the end of *deploying* it. What is active does not stop by itself."""

    nonce: str
    """Random hex, so that two statements are never the same bytes."""

    def __post_init__(self) -> None:
        """Refuse a field that has a second reading.

        Raises:
            ValueError: Naming the field.
        """
        if not _PLUGIN.fullmatch(self.plugin):
            raise ValueError(f"plugin {self.plugin!r}")
        if isinstance(self.version, bool) or not 1 <= self.version < _VERSION_LIMIT:
            raise ValueError(f"version {self.version!r}")
        if not self.source_digests or list(self.source_digests) != sorted(
            dict(self.source_digests).items()
        ):
            raise ValueError("source_digests are sorted, different and not empty")
        for name, digest in self._digests():
            if not _DIGEST.fullmatch(digest):
                raise ValueError(f"{name} is not a SHA-256")
        if not self.audience or not self.publisher or not _NONCE.fullmatch(self.nonce):
            raise ValueError("audience, publisher or nonce is missing")
        if self.created_at >= self.expires_at:
            raise ValueError(f"expires {self.expires} is not after created {self.created}")

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return _instant(self.created)

    @property
    def expires_at(self) -> datetime:
        """When it can no longer be deployed."""
        return _instant(self.expires)

    def to_json(self) -> dict[str, object]:
        """Give the statement as the JSON object that is signed."""
        members: dict[str, object] = {name: getattr(self, name) for name in _FIELDS}
        members["source_digests"] = dict(self.source_digests)
        return members

    def _digests(self) -> list[tuple[str, str]]:
        """List every digest with a name for messages; optional ones only when present."""
        optional = {"contract_digest": self.contract_digest, "sinks_digest": self.sinks_digest}
        return [
            *self.source_digests,
            ("lock_digest", self.lock_digest),
            ("manifest_digest", self.manifest_digest),
            ("artifact_hash", self.artifact_hash),
            ("ruleset_digest", self.ruleset_digest),
            *((name, digest) for name, digest in optional.items() if digest),
        ]


_FIELDS = tuple(Statement.__dataclass_fields__)


def statement_for(  # noqa: PLR0913  each is a signed field, and callers name every one
    artifact: Artifact,
    *,
    plugin: str,
    version: int,
    audience: str,
    publisher: str,
    created: datetime,
    expires: datetime,
    nonce: str,
    contract_digest: str = "",
    sinks_digest: str = "",
) -> Statement:
    """State what `artifact` is, under the rules in force here.

    Raises:
        ValueError: If a field is malformed, or `created` is not before `expires`.
    """
    return Statement(
        plugin=plugin,
        version=version,
        source_digests=tuple(sorted(artifacts.source_digests(artifact).items())),
        lock_digest=artifacts.lock_digest(artifact),
        manifest_digest=artifacts.manifest_digest(artifact.manifest),
        artifact_hash=artifacts.artifact_hash(artifact),
        ruleset_digest=current_ruleset_digest(),
        contract_digest=contract_digest,
        sinks_digest=sinks_digest,
        audience=audience,
        publisher=publisher,
        created=created.astimezone(UTC).isoformat(),
        expires=expires.astimezone(UTC).isoformat(),
        nonce=nonce,
    )


def key_id(public: bytes) -> str:
    """Name a 32-byte public key: its SHA-256 in hex."""
    return sha256_hex(public)


def sign(statement: Statement, key: SigningKey) -> bytes:
    """Return the envelope, canonical JSON, over the statement."""
    payload = canonical_json(statement.to_json())
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload)).signature
    return _envelope(payload, key_id(bytes(key.verify_key)), signature)


def verify(envelope: bytes, *, trusted: Mapping[str, bytes]) -> Statement:
    """Return the statement that a trusted key has signed.

    1. Someone is trusted, and the envelope is not over the size limit.
    2. It is one JSON object, no key twice, with exactly the members DSSE names, of our type,
       with exactly one signature.
    3. The bytes are the canonical form of what was read, base64 included: nothing is ignored.
    4. The key id is a trusted one, and is the digest of the key it is trusted for.
    5. The Ed25519 signature over the pre-authentication encoding holds.
    6. Only now is the payload read: exactly the fields of a statement, each well formed, and
       again in canonical form.

    Args:
        envelope: The bytes as they came.
        trusted: Key id to 32-byte public key; empty trusts nobody.

    Raises:
        SignatureMismatch: If one of the six does not hold.
    """
    # 1
    if not trusted:
        raise SignatureMismatch("no key is trusted on this installation")
    if len(envelope) > _SIZE_LIMIT_BYTES:
        raise SignatureMismatch(f"envelope of {len(envelope)} bytes, limit {_SIZE_LIMIT_BYTES}")
    # 2
    payload, signer, signature = _open_envelope(envelope)
    # 3
    if _envelope(payload, signer, signature) != envelope:
        raise SignatureMismatch("envelope is not in canonical form")
    # 4
    public = trusted.get(signer)
    if public is None or key_id(public) != signer:
        raise SignatureMismatch(f"key {signer[:16]} is not trusted here")
    # 5
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError, TypeError) as error:
        raise SignatureMismatch(f"signature of key {signer[:16]} does not hold") from error
    # 6
    statement = _read_statement(payload)
    if canonical_json(statement.to_json()) != payload:
        raise SignatureMismatch("payload is not in canonical form")
    return statement


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: `DSSEv1 len type len payload` (DSSE specification, PAE)."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _envelope(payload: bytes, signer: str, signature: bytes) -> bytes:
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": signer, "sig": base64.b64encode(signature).decode("ascii")}],
        }
    )


def _open_envelope(envelope: bytes) -> tuple[bytes, str, bytes]:
    """Return payload, key id and signature of an envelope that nobody has vouched for yet."""
    outer = _strict_object(envelope, members={"payload", "payloadType", "signatures"})
    signatures = outer["signatures"]
    if outer["payloadType"] != PAYLOAD_TYPE:
        raise SignatureMismatch(f"payloadType is not {PAYLOAD_TYPE}")
    if not isinstance(signatures, list) or len(cast("list[object]", signatures)) != 1:
        raise SignatureMismatch("an envelope carries exactly one signature")
    signed = cast("list[object]", signatures)[0]
    if not isinstance(signed, dict) or set(cast("dict[str, object]", signed)) != {"keyid", "sig"}:
        raise SignatureMismatch("a signature has exactly keyid and sig")
    entry = cast("dict[str, object]", signed)
    if not isinstance(entry["keyid"], str) or not _DIGEST.fullmatch(entry["keyid"]):
        raise SignatureMismatch("keyid is not a SHA-256")
    return _base64(outer["payload"]), entry["keyid"], _base64(entry["sig"])


def _read_statement(payload: bytes) -> Statement:
    """Read a signed payload; every field is present, known and of its kind."""
    members = _strict_object(payload, members=set(_FIELDS))
    digests = members["source_digests"]
    if not isinstance(digests, dict):
        raise SignatureMismatch("source_digests is not an object")
    pairs = cast("dict[str, object]", digests)
    texts = {name: members[name] for name in _FIELDS if name not in {"version", "source_digests"}}
    values = [*texts.values(), *pairs.values()]
    if not all(isinstance(value, str) for value in values):
        raise SignatureMismatch("a field of the statement is not text")
    version = members["version"]
    if not isinstance(version, int):
        raise SignatureMismatch("version is not a whole number")
    ordered = cast("tuple[tuple[str, str], ...]", tuple(sorted(pairs.items())))
    try:
        return Statement(version=version, source_digests=ordered, **cast("dict[str, str]", texts))
    except ValueError as error:
        raise SignatureMismatch(f"statement: {error}") from error


def _strict_object(content: bytes, *, members: set[str]) -> dict[str, object]:
    """Parse one JSON object with exactly these members, no key twice, no floats."""
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_no_key_twice,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except (ValueError, RecursionError) as error:
        raise SignatureMismatch(f"not strict JSON: {error}") from error
    if not isinstance(value, dict) or set(cast("dict[str, object]", value)) != members:
        raise SignatureMismatch(f"members are not exactly {sorted(members)}")
    return cast("dict[str, object]", value)


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is given twice")
    return members


def _refuse_number(text: str) -> object:
    raise ValueError(f"number {text} has no canonical form")


def _base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise SignatureMismatch("payload and sig are text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureMismatch(f"not base64: {error}") from error


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.utcoffset() != timedelta(0):
        raise ValueError(f"time {text!r} is not in UTC")
    return instant

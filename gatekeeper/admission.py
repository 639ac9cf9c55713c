"""Decide whether an artifact may enter; the one place where that is decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from casparian_flow.errors import AdmissionError, RuleViolation, SignatureMismatch
from gatekeeper import artifact as artifacts
from gatekeeper.artifact import Artifact, ArtifactHash, EnvHash
from gatekeeper.manifest import Manifest
from gatekeeper.policy import ruleset_digest
from gatekeeper.rules import Finding, inspect_files
from gatekeeper.signing import Statement, verify

_CLOCK_SKEW = timedelta(minutes=5)
_FINDINGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Admission:
    """What was admitted, in terms that were recomputed from the bytes."""

    statement: Statement
    manifest: Manifest
    artifact_hash: ArtifactHash
    env_hash: EnvHash


def admit(
    artifact: Artifact,
    envelope: bytes,
    *,
    trusted: Mapping[str, bytes],
    audience: str,
    now: datetime,
    deploying: bool,
) -> Admission:
    """Admit `artifact`, or raise.

    1. A trusted key has signed the envelope (see `signing.verify`); the version is at least 1.
    2. It was signed for this audience.
    3. Every digest it states is the one of these bytes.
    4. The manifest, read again from plugin.py, is the one it states and the one given.
    5. The rules, run again over every file, have no findings.
    6. When deploying: it was inspected under the ruleset in force here.
    7. When deploying: `now` lies between its creation and its expiry.

    Args:
        artifact: The bytes as they came.
        envelope: What is said about them.
        trusted: Key id to 32-byte public key.
        audience: This installation.
        now: An aware time.
        deploying: True when it is to become active; False when what is active runs again, which
            neither a new ruleset digest nor expiry stops (design §6).

    Raises:
        SignatureMismatch: If 1 to 4 fail.
        ManifestInvalid: If the manifest cannot be read (4).
        RuleViolation: If 5 fails; the message lists the findings.
        AdmissionError: If 6 or 7 fail.
    """
    # 1 to 4
    admission = verify_for_dispatch(artifact, envelope, trusted=trusted, audience=audience)
    # 5
    _require_no_findings(artifact)
    if deploying:
        # 6
        if admission.statement.ruleset_digest != ruleset_digest():
            raise AdmissionError(
                "signed under another ruleset than this installation's",
                hint="Publish again from here: `casparian publish`.",
            )
        # 7
        _require_in_time(admission.statement, now)
    return admission


def verify_for_dispatch(
    artifact: Artifact, envelope: bytes, *, trusted: Mapping[str, bytes], audience: str
) -> Admission:
    """Check again, cheaply, what was admitted before: steps 1 to 4 of `admit`.

    Raises:
        SignatureMismatch: If one of them fails.
        ManifestInvalid: If the manifest cannot be read.
    """
    # 1
    statement = verify(envelope, trusted=trusted)
    # 2
    if not audience or statement.audience != audience:
        raise SignatureMismatch(f"signed for {statement.audience!r}, this is {audience!r}")
    # 3
    if statement.source_digests != tuple(sorted(artifacts.source_digests(artifact).items())):
        raise SignatureMismatch("the source is not the one that was signed")
    if statement.lock_digest != artifacts.lock_digest(artifact):
        raise SignatureMismatch("the lockfile is not the one that was signed")
    whole = artifacts.artifact_hash(artifact)
    if statement.artifact_hash != whole:
        raise SignatureMismatch("the artifact hash is not the one that was signed")
    # 4
    manifest = artifacts.manifest_of_entry(artifact.entry)
    if statement.manifest_digest != artifacts.manifest_digest(manifest):
        raise SignatureMismatch("the manifest in the source is not the one that was signed")
    if manifest != artifact.manifest:
        raise SignatureMismatch("the manifest given is not the one in the source")
    return Admission(statement, manifest, whole, artifacts.env_hash(artifact.lockfile))


def inspect_artifact(artifact: Artifact) -> tuple[Finding, ...]:
    """Inspect every file of `artifact`; messages of files other than plugin.py name the file."""
    return inspect_files(dict(artifact.files), entry=artifacts.ENTRY)


def _require_no_findings(artifact: Artifact) -> None:
    findings = inspect_artifact(artifact)
    if findings:
        lines = [f"line {f.line}: {f.message} [{f.rule}]" for f in findings[:_FINDINGS_SHOWN]]
        more = len(findings) - len(lines)
        listed = "; ".join(lines) + (f"; and {more} more" if more else "")
        raise RuleViolation(f"{len(findings)} findings: {listed}", hint=findings[0].fix)


def _require_in_time(statement: Statement, now: datetime) -> None:
    """Refuse a statement from the future, within clock skew, or past its expiry."""
    if now + _CLOCK_SKEW < statement.created_at:
        raise AdmissionError(
            f"created {statement.created}, which is in the future",
            hint="Set the clocks of publisher and engine right, then publish again.",
        )
    if now >= statement.expires_at:
        raise AdmissionError(
            f"could be deployed until {statement.expires}",
            hint="Publish again: `casparian publish`.",
        )

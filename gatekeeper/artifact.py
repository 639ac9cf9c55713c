"""Hold what is signed as one value: a plugin's files, its lockfile, its manifest."""

import hashlib
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from casparian_flow.errors import AdmissionError, ManifestInvalid
from gatekeeper.canonical import canonical_json, sha256_hex
from gatekeeper.manifest import Manifest, read_manifest

ArtifactHash = NewType("ArtifactHash", str)
EnvHash = NewType("EnvHash", str)

ENTRY = "plugin.py"
_FILE_COUNT_LIMIT = 64
_NAME_LENGTH_LIMIT = 128
_MODULE_PATH = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*/)*[A-Za-z_][A-Za-z0-9_]*\.py", re.ASCII)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A plugin as it is published; whatever takes effect is in these bytes."""

    files: tuple[tuple[str, bytes], ...]
    """Module paths such as `plugin.py` or `formats/swift.py`, sorted by name, with their bytes."""

    lockfile: bytes
    """The plugin's uv.lock; empty for a plugin without dependencies."""

    manifest: Manifest
    """What `plugin.py` says about itself. Admission reads it again and believes only that."""

    def __post_init__(self) -> None:
        """Refuse names that could leave the folder or be confused with one another."""
        names = [name for name, _ in self.files]
        if names != sorted(set(names)):
            raise AdmissionError(f"the files of an artifact are sorted and different: {names}")
        if len({name.casefold() for name in names}) != len(names):
            raise AdmissionError(f"file names differ only in case: {names}")
        if len(names) > _FILE_COUNT_LIMIT:
            raise AdmissionError(f"over {_FILE_COUNT_LIMIT} files in one plugin: {len(names)}")
        for name in names:
            _require_module_path(name)
        if ENTRY not in names:
            raise AdmissionError(f"a plugin has a {ENTRY}; found {names}")

    @property
    def entry(self) -> bytes:
        """The bytes of plugin.py."""
        return dict(self.files)[ENTRY]


def make_artifact(files: Mapping[str, bytes], lockfile: bytes) -> Artifact:
    """Build the artifact of these files, reading the manifest from plugin.py.

    Raises:
        AdmissionError: If a file name is not a plain module path, or plugin.py is missing.
        ManifestInvalid: If the manifest cannot be read.
    """
    if ENTRY not in files:
        raise AdmissionError(f"a plugin has a {ENTRY}; found {sorted(files)}")
    manifest = manifest_of_entry(files[ENTRY])
    ordered = tuple((name, bytes(files[name])) for name in sorted(files))
    return Artifact(ordered, bytes(lockfile), manifest)


def manifest_of_entry(content: bytes) -> Manifest:
    """Read the manifest from the bytes of plugin.py."""
    try:
        source = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestInvalid(f"{ENTRY} is not UTF-8 at byte {error.start}") from error
    return read_manifest(source)


def source_digests(artifact: Artifact) -> dict[str, str]:
    """Give the SHA-256 of each file, by name."""
    return {name: sha256_hex(content) for name, content in artifact.files}


def lock_digest(artifact: Artifact) -> str:
    """Give the SHA-256 of the lockfile."""
    return sha256_hex(artifact.lockfile)


def manifest_digest(manifest: Manifest) -> str:
    """Give the SHA-256 of the manifest's canonical JSON."""
    return sha256_hex(canonical_json(manifest.to_json()))


def artifact_hash(artifact: Artifact) -> ArtifactHash:
    """Give SHA-256 over the source, files in name order, followed by the lockfile.

    A name for the artifact, never the thing signed: bytes can move across the boundary of
    source and lockfile without changing it (design §6).
    """
    digest = hashlib.sha256()
    for _, content in artifact.files:
        digest.update(content)
    digest.update(artifact.lockfile)
    return ArtifactHash(digest.hexdigest())


def env_hash(lockfile: bytes) -> EnvHash:
    """Give the SHA-256 of a lockfile, which names the environment it makes."""
    return EnvHash(sha256_hex(lockfile))


def _require_module_path(name: str) -> None:
    """Refuse whatever is not a relative path of importable ASCII names."""
    if len(name) > _NAME_LENGTH_LIMIT or not _MODULE_PATH.fullmatch(name):
        raise AdmissionError(f"{name!r} is not a relative module path such as 'helpers.py'")
    parts = name.removesuffix(".py").split("/")
    if any(keyword.iskeyword(part) for part in parts) or "__pycache__" in parts:
        raise AdmissionError(f"{name!r} cannot be imported by name")

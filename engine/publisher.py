"""Lock, hash and sign a plugin, and hand it to the Sentinel."""

from __future__ import annotations

import getpass
import secrets
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from casparian_flow.errors import EngineUnavailable, EnvironmentFailed, LockRefused, error_from_code
from engine import sandbox, venvs
from engine.architect import contract_digest, sinks_digest
from engine.messages import Deploy, Deployed, ErrorBody, pack, parse
from engine.protocol import FrameDecoder, Opcode
from gatekeeper.artifact import Artifact
from gatekeeper.identity import load_or_create_key
from gatekeeper.manifest import imported_modules
from gatekeeper.signing import sign, statement_for

_DEPLOY_WITHIN = timedelta(hours=24)
_DEPLOY_TIMEOUT_S = 300
_PACKAGE_OF = {"dateutil": "python-dateutil", "yaml": "pyyaml"}
"""Modules whose package has another name."""
_DEFAULT = ("pandas", "pyarrow")
_READERS, _WORKBOOKS = "casparian_flow.reading", "tables.workbook("


def infer_dependencies(files: Mapping[str, str]) -> list[str]:
    """Packages that the sources import; pandas and pyarrow where they import nothing.

    Our own readers need pyarrow, and one of them the library that reads workbooks.
    """
    own = {Path(name).stem for name in files}
    names = {name for text in files.values() for name in imported_modules(text)} - own
    if any(_READERS in text for text in files.values()):
        names.add("pyarrow")
        if any(_WORKBOOKS in text for text in files.values()):
            names.add("python-calamine")
    return sorted(_PACKAGE_OF.get(name, name) for name in names) or list(_DEFAULT)


def lock(dependencies: Sequence[str], given: bytes | None = None) -> bytes:
    """A uv lockfile for these dependencies and pyarrow, from wheels alone.

    Raises:
        LockRefused: something would have to be built, or does not exist.
    """
    if given is not None:
        venvs.check_lock(given)
        return given
    wanted = list(dependencies)
    if not any(one.strip().startswith("pyarrow") for one in wanted):
        wanted.append("pyarrow")  # rows travel as Arrow
    folder = Path(tempfile.mkdtemp(prefix="casparian-lock-"))
    try:
        (folder / "pyproject.toml").write_text(venvs.project_file(wanted))
        venvs.run_uv(["lock", "--python", sandbox.base_python()], folder)
        lockfile = (folder / "uv.lock").read_bytes()
    except EnvironmentFailed as error:
        raise LockRefused(
            f"no lock for {', '.join(wanted)}: {error.message}",
            hint="Check the names and versions; every package must ship a wheel for this platform.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    venvs.check_lock(lockfile)
    return lockfile


def sign_artifact(  # noqa: PLR0913 - each is signed, and callers name every one
    artifact: Artifact,
    *,
    keys: Path,
    plugin: str,
    version: int,
    audience: str,
    publisher: str,
    contract: Mapping[str, object],
    sinks: Mapping[str, object],
) -> bytes:
    """A signed envelope over everything that publishing puts in force."""
    now = datetime.now(UTC)
    statement = statement_for(
        artifact,
        plugin=plugin,
        version=version,
        audience=audience,
        publisher=publisher,
        created=now,
        expires=now + _DEPLOY_WITHIN,
        nonce=secrets.token_hex(16),
        contract_digest=contract_digest(contract),
        sinks_digest=sinks_digest(sinks),
    )
    return sign(statement, load_or_create_key(keys))


def deploy(sentinel: Path, body: Deploy) -> Deployed:
    """Send DEPLOY and wait for the answer.

    Raises:
        AdmissionError, ApprovalError: the Sentinel refused; nothing changed.
        EngineUnavailable: no Sentinel answers.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_DEPLOY_TIMEOUT_S)
            connection.connect(str(sentinel))
            connection.sendall(pack(Opcode.DEPLOY, body))
            return _answer(connection)
    except OSError as error:
        raise EngineUnavailable(f"the Sentinel at {sentinel} does not answer: {error}") from error


def _answer(connection: socket.socket) -> Deployed:
    decoder = FrameDecoder()
    while chunk := connection.recv(1 << 16):
        for frame in decoder.feed(chunk):
            if frame.opcode is Opcode.DEPLOY:
                return parse(frame, Deployed)
            if frame.opcode is Opcode.ERR:
                error = parse(frame, ErrorBody)
                raise error_from_code(error.code, error.message, error.hint)
    raise EngineUnavailable("the Sentinel closed the connection without an answer")


def who() -> str:
    """The operator's name, as the machine knows it."""
    return getpass.getuser()

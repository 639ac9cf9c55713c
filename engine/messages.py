"""The bodies of Protocol v5: strict JSON, one model per opcode and direction."""

from __future__ import annotations

import base64
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError

from casparian_flow.errors import ProtocolError
from engine.protocol import Frame, Opcode


def _decode(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("bytes travel as base64 text")  # noqa: TRY004 - pydantic wants ValueError
    return base64.b64decode(value, validate=True)


Base64 = Annotated[
    bytes,
    PlainValidator(_decode),
    PlainSerializer(lambda value: base64.b64encode(value).decode(), return_type=str),
]


class Body(BaseModel):
    """A body: unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Identify(Body):
    """Worker → Sentinel: who I am, what I can do, how much I take."""

    worker: str
    pid: int
    release: str
    level: str
    platform: str
    python: str
    credit: int


class Identified(Body):
    """Sentinel → Worker: you are known; this is the installation and its heartbeat."""

    installation: str
    heartbeat_s: float


class PrepareEnv(Body):
    """Sentinel → Worker: here is an artifact; verify it and build its environment."""

    artifact_hash: str
    env_hash: str
    plugin: str
    version: int
    files: dict[str, str]
    lockfile: Base64
    envelope: Base64


class ErrorBody(Body):
    """What went wrong, for a person."""

    code: str
    message: str
    hint: str


class EnvReady(Body):
    """Worker → Sentinel: the environment stands, or why not."""

    artifact_hash: str
    error: ErrorBody | None = None
    elapsed_ms: int = 0


class JobOrder(Body):
    """One job of a dispatch."""

    job_id: int
    attempt: int
    generation: int
    file_version_id: int
    location_id: int
    path: Base64
    """Absolute path of the source."""
    sha256: str
    size: int
    is_held: bool
    """Whether a delivery keeps its rows out of view until its reprocess comes into view whole."""


class Dispatch(Body):
    """Sentinel → Worker: run these jobs of one plugin."""

    artifact_hash: str
    plugin: str
    version: int
    topics: list[str]
    contract: dict[str, object]
    sinks: dict[str, list[str]]
    """Topic → URIs beyond the lake."""
    jobs: list[JobOrder]


class OutputBody(Body):
    """One file in the lake."""

    topic: str
    path: str
    rows: int
    size: int


CANCELLED = "CANCELLED"
"""Error code of a job whose child was ended because one of its batch was cancelled."""


class JobResult(Body):
    """How one job ended."""

    job_id: int
    attempt: int
    outcome: str
    """`done`, `failed` (final), `again` (may be retried), `superseded` (the file is another)."""
    outputs: list[OutputBody] = []
    quarantined: int = 0
    error: ErrorBody | None = None
    log: str | None = None
    receipt: dict[str, object] | None = None


class Conclude(Body):
    """Worker → Sentinel: results; a slot is free again."""

    results: list[JobResult]


class Concluded(Body):
    """Sentinel → Worker: recorded; these came too late to count."""

    late: list[int]


class Heartbeat(Body):
    """Worker → Sentinel: still on these (job, attempt) pairs."""

    jobs: list[list[int]] = []


class Abort(Body):
    """Sentinel → Worker: stop these jobs, their results will not count."""

    jobs: list[int]


class Deploy(Body):
    """Publisher → Sentinel: put this approved artifact in force."""

    files: dict[str, str]
    lockfile: Base64
    envelope: Base64
    contract: dict[str, object]
    sinks: dict[str, list[str]]
    approval_id: int
    note: str | None = None


class Deployed(Body):
    """Sentinel → Publisher: what is in force now."""

    status: str
    plugin: str
    version: int
    jobs: int


_Model = TypeVar("_Model", bound=Body)


def parse(frame: Frame, model: type[_Model]) -> _Model:
    """Read a frame's body.

    Raises:
        ProtocolError: it is not what the opcode calls for; the first fault is named.
    """
    try:
        return model.model_validate_json(frame.body or b"{}")
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise ProtocolError(f"{frame.opcode.name} {where}: {first['msg']}") from error


def pack(opcode: Opcode, body: Body, job_id: int = 0) -> bytes:
    """A frame as bytes."""
    return Frame(opcode, job_id, body.model_dump_json().encode()).encode()


def pack_error(code: str, message: str, hint: str) -> bytes:
    """An ERR frame as bytes; long texts are cut to what the receiver reads."""
    body = ErrorBody(code=code, message=message[:8000], hint=hint[:2000])
    return pack(Opcode.ERR, body)

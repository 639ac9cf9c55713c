"""Carry a tool call to the engine, and its answer or error back to the model."""

from __future__ import annotations

import getpass
import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent

from casparian_flow.errors import CasparianError
from engine.control import Caller, Client, Progress, default_start_command
from engine.home import DEFAULT_ROOT, prepare
from mcp_server.fitting import fitted
from mcp_server.untrusted import for_model, text_for_model

logger = logging.getLogger(__name__)

_MOST_WAIT_S, _PATIENCE_S = 25.0, 29.0


@dataclass
class Door:
    """The way from this server to its engine; the roots are granted with the first call."""

    roots: list[str] = field(default_factory=list[str])
    start_command: tuple[str, ...] = field(default_factory=default_start_command)
    shown: dict[tuple[object, ...], str] = field(default_factory=dict[tuple[object, ...], str])
    """What was asked → the approval whose form is open; empty if forms of several are."""
    _client: Client | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(
        self, method: str, params: Mapping[str, object], progress: Progress
    ) -> dict[str, object]:
        """Ask the engine; blocking, for a thread."""
        return self._ready().call(method, params, progress=progress)

    def close(self) -> None:
        """Let go of the connections; the engine lives on."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _ready(self) -> Client:
        with self._lock:
            if self._client is None:
                home = prepare(Path(os.environ.get("CASPARIAN_HOME") or DEFAULT_ROOT))
                person = getpass.getuser()
                operator = Client(home, Caller("cli", person), self.start_command)
                for root in self.roots:  # the operator named them when starting this server
                    try:
                        operator.call("grant", {"path": root, "unless_removed": True})
                    except CasparianError as error:  # one lost disk must not silence every tool
                        logger.warning("%s is not granted: %s", root, error.message)
                operator.close()
                self._client = Client(
                    home, Caller("mcp", person), self.start_command, patience_s=_PATIENCE_S
                )
            return self._client


async def ask(door: Door, context: Context, method: str, **params: object) -> dict[str, object]:
    """Call the engine off the event loop; progress goes to the client, errors become ToolError.

    Whatever strangers wrote is harmless in the result: this is where it leaves the house.

    Raises:
        ToolError: `CODE: what happened. What to call next.`
    """
    given = {key: value for key, value in params.items() if value is not None}
    wait_s = given.get("wait_s")
    if isinstance(wait_s, int | float):
        given["wait_s"] = max(0.0, min(float(wait_s), _MOST_WAIT_S))

    def progress(what: str, done: int, total: int) -> None:
        report = partial(context.report_progress, done, total or None, text_for_model(what))
        anyio.from_thread.run(report)

    try:
        result = await anyio.to_thread.run_sync(
            partial(door.call, method, given, progress), abandon_on_cancel=True
        )
    except CasparianError as error:
        raise ToolError(told(error)) from error
    return for_model(result)


def told(error: CasparianError) -> str:
    """An error as a model reads it."""
    return text_for_model(f"{error.code}: {error.message} Next: {error.hint}")


def answer(result: Mapping[str, object]) -> CallToolResult:
    """One result in both channels: structured, and the same facts as compact text."""
    result = fitted(result)
    text = json.dumps(_without_nulls(result), ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=dict(result)
    )


def _without_nulls(value: object) -> object:
    """The same facts without what is empty: the text channel is paid for by the token."""
    if isinstance(value, Mapping):
        kept = {key: _without_nulls(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        return [_without_nulls(item) if isinstance(item, Mapping) else item for item in value]
    return value

"""Cursors: opaque to callers, an offset inside, bound to the question they belong to."""

from __future__ import annotations

import base64
import hashlib
import json

from casparian_flow.errors import ConfigError


def cursor_for(question: object, offset: int) -> str:
    """A cursor that continues `question` at `offset`."""
    return base64.urlsafe_b64encode(json.dumps([_mark(question), offset]).encode()).decode()


def offset_of(question: object, cursor: str | None) -> int:
    """Where a cursor continues; 0 without one.

    Raises:
        ConfigError: it belongs to another question, or is none of ours.
    """
    if cursor is None:
        return 0
    try:
        mark, offset = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError) as error:
        raise ConfigError("this cursor is none of ours", hint="Ask again without it.") from error
    if mark != _mark(question) or not isinstance(offset, int) or offset < 0:
        raise ConfigError("this cursor belongs to another question", hint="Ask without it.")
    return offset


def _mark(question: object) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:12]

"""Make a result harmless before a model reads it: controls escaped, length capped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from engine.paths import harmless

_OF_LINES = frozenset({"source", "log", "diff", "review", "rows", "sample", "raw", "examples"})
"""Fields whose line breaks and tabs are content."""
_WHOLE = "review"
"""What a person decides on is never cut."""
_MOST_CHARS = 4_000
_MOST_CHARS_OF_LINES = 60_000


def for_model(result: Mapping[str, object]) -> dict[str, object]:
    """The same result; every string in it may hold what a stranger wrote."""
    return {harmless(key): _value(item, key, lines=False) for key, item in result.items()}


def text_for_model(text: str, *, lines: bool = True) -> str:
    """One text, such as an error."""
    most = _MOST_CHARS_OF_LINES if lines else _MOST_CHARS
    return _cut(harmless(text, lines=lines), most)


def _value(value: object, key: str, *, lines: bool) -> object:
    lines = lines or key in _OF_LINES
    if isinstance(value, str):
        return harmless(value, lines=True) if key == _WHOLE else text_for_model(value, lines=lines)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {harmless(name): _value(item, name, lines=lines) for name, item in items}
    if isinstance(value, list):
        return [_value(item, key, lines=lines) for item in cast("list[object]", value)]
    return value


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most} more characters)"

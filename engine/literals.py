"""Values as the literals of a Python source that a person reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

_WIDTH = 96


def literal(value: object, indent: int = 0) -> str:
    """A Python literal, over several lines where it is too long for one."""
    if isinstance(value, str):
        return _text(value, indent)
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, Mapping):
        pairs = [f"{literal(k)}: {literal(v)}" for k, v in value.items()]
        return _wrapped("{", pairs, "}", indent)
    if isinstance(value, tuple):
        inner = [literal(item) for item in value]
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    if isinstance(value, list):
        return _wrapped("[", [literal(item) for item in value], "]", indent)
    return json.dumps(value, ensure_ascii=True)


def _text(value: str, indent: int) -> str:
    """Text in double quotes; a pattern as it is read best, in pieces where it is long."""
    if len(value) + indent <= 90 or not value.isascii():
        return _quoted(value)
    pieces = re.findall(r".{1,60}(?:[ )]|$)|.{1,60}", value)
    if "".join(pieces) != value:
        return _quoted(value)
    blank = " " * indent
    inner = f"\n{blank}    ".join(_quoted(piece) for piece in pieces)
    return f"(\n{blank}    {inner}\n{blank})"


def _quoted(value: str) -> str:
    """One literal in ASCII; raw where that spares backslashes."""
    if "\\" in value and value.isascii() and value.isprintable() and not value.endswith("\\"):
        if '"' not in value:
            return f'r"{value}"'
        if "'" not in value:
            return f"r'{value}'"
    return re.sub(r"\\u(d[89ab]..)\\u(d[c-f]..)", _one_character, json.dumps(value))


def _one_character(pair: re.Match[str]) -> str:
    """A pair of surrogates, as JSON escapes it, as Python escapes the character it is."""
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00:08x}"


def _wrapped(begin: str, items: Sequence[str], end: str, indent: int) -> str:
    line = f"{begin}{', '.join(items)}{end}"
    if len(line) + indent <= 80:
        return line
    blank = " " * indent
    lines = [f"{blank}   "]
    for item in items:
        if len(lines[-1]) + len(item) > _WIDTH and lines[-1].strip():
            lines.append(f"{blank}   ")
        lines[-1] += f" {item},"
    return "\n".join([begin, *lines, f"{blank}{end}"])


def harmless_comment(text: str) -> str:
    """Sample text made harmless in a comment: ASCII, one line, no quotes that end a docstring."""
    shown = "".join(one if one.isprintable() or one.isspace() else "?" for one in text)
    plain = " ".join(shown.encode("ascii", "backslashreplace").decode().split())
    return plain.replace("\\", "/").replace('"""', "'''")

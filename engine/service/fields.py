"""Which field of the source a column comes from, as a drafted plugin's constants say."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True, slots=True)
class SourceField:
    """A column, and what it is read from."""

    names: tuple[str, ...]
    """Names it has in sources."""
    kind: str
    """How its text is read: `date written %d/%m/%Y`."""


def source_field(files: Mapping[str, object], column: str) -> SourceField | None:
    """What a column of a plugin is read from; None if its source does not say so in constants.

    Read from the syntax tree: `COLUMNS` (column → kind) and `RENAMED` (name in a file → column),
    as drafts write them.
    """
    columns, renamed, values = _constants(str(files.get("plugin.py", "")))
    spec = columns.get(column)
    if spec is None:
        return None
    aliases = [name for name, target in renamed.items() if target == column]
    words = [str(values.get(one, one)) for one in spec if one is not None]
    kind = " written ".join(words[:2]) + (f" in {words[2]}" if len(words) > 2 else "")
    return SourceField((column, *aliases), kind)


_Columns = dict[str, tuple[str | None, ...]]


def _constants(source: str) -> tuple[_Columns, dict[str, str], dict[str, object]]:
    columns: _Columns = {}
    renamed: dict[str, str] = {}
    values: dict[str, object] = {}
    for name, node in _assigned(source):
        if isinstance(node, ast.Constant):
            values[name] = node.value
        elif isinstance(node, ast.Dict) and name.endswith("COLUMNS"):
            columns |= dict(_specs(node))
        elif isinstance(node, ast.Dict) and name.endswith("RENAMED"):
            renamed |= cast("dict[str, str]", ast.literal_eval(node))
    return columns, renamed, values


def _assigned(source: str) -> Iterator[tuple[str, ast.expr]]:
    """Names at module level and what is assigned to them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _specs(node: ast.Dict) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    """Column → its parts; a part that is a constant's name stays that name."""
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(value, ast.Tuple):
            parts = [
                one.id if isinstance(one, ast.Name) else getattr(one, "value", None)
                for one in value.elts
            ]
            yield str(key.value), tuple(None if part is None else str(part) for part in parts)

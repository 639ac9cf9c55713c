"""Read a plugin that a person wrote: a folder, or one .py file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import cast

from casparian_flow.errors import ConfigError, NotFound

_MOST_BYTES = 1 << 20


def read_plugin(path: Path) -> dict[str, object]:
    """Arguments for a draft: source, modules, dependencies, lockfile.

    Raises:
        NotFound: there is nothing at `path`.
        ConfigError: a folder without plugin.py, or a file that is too large or not text.
    """
    path = path.expanduser()
    if path.is_file():
        return {"source": _text(path)}
    if not path.is_dir():
        raise NotFound(f"no plugin at {path}", hint="Name a .py file, or a folder with plugin.py.")
    entry = path / "plugin.py"
    if not entry.is_file():
        raise ConfigError(f"{path} has no plugin.py", hint=f"Write {entry}.")
    modules = {one.name: _text(one) for one in sorted(path.glob("*.py")) if one != entry}
    found: dict[str, object] = {"source": _text(entry), "modules": modules}
    lockfile, project = path / "uv.lock", path / "pyproject.toml"
    if lockfile.is_file():
        found["lockfile"] = _text(lockfile)
    if project.is_file():
        found["dependencies"] = _dependencies(project)
    return found


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigError(f"{path} has more than {_MOST_BYTES} bytes")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text at byte {error.start}") from error


def _dependencies(project: Path) -> list[str]:
    try:
        table = tomllib.loads(_text(project)).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{project} is not TOML: {error}") from error
    return [str(one) for one in cast("list[object]", table.get("dependencies", []))]

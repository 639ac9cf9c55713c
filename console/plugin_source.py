"""The source of a plugin on disk: a folder, or one .py file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
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
        raise ConfigError(
            f"{path} is a folder without plugin.py",
            hint=f"A plugin's folder holds {entry}; of data, name a sample file.",
        )
    modules = {one.name: _text(one) for one in sorted(path.glob("*.py")) if one != entry}
    found: dict[str, object] = {"source": _text(entry), "modules": modules}
    lockfile, project = path / "uv.lock", path / "pyproject.toml"
    if lockfile.is_file():
        found["lockfile"] = _text(lockfile)
    if project.is_file():
        found["dependencies"] = _dependencies(project)
    return found


def is_plugin(name: str) -> bool:
    """Whether an argument names a plugin and no sample: a .py file, or a folder."""
    path = Path(name).expanduser()
    return path.is_dir() or (path.suffix == ".py" and path.is_file())


def write_plugin(
    folder: Path, files: Mapping[str, str], *, name: str, dependencies: Sequence[str]
) -> list[Path]:
    """Write a draft's files where `read_plugin` finds them again; returns what was written.

    Raises:
        ConfigError: one of them is there already, with other content.
    """
    folder = folder.expanduser()
    listed = "".join(f"  {json.dumps(one)},\n" for one in dependencies)
    project = f'[project]\nname = "{name}"\nversion = "0"\ndependencies = [\n{listed}]\n'
    wanted = {folder / Path(one).name: text for one, text in files.items()}
    wanted[folder / "pyproject.toml"] = project
    for path, text in wanted.items():
        if path.exists() and _text(path) != text:
            raise ConfigError(
                f"{path} is there already and holds something else",
                hint="Name another folder: nothing was written.",
            )
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text, "utf-8")
    return sorted(wanted)


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

"""Find which packages a plugin needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import cast

from casparian_flow.errors import AdmissionError, ConfigError
from engine import publisher


def wanted_dependencies(files: Mapping[str, str], given: list[str] | None) -> list[str]:
    """Packages of a plugin: as given, else as its script block says, else by its imports."""
    return given or _pep723(files["plugin.py"]) or _inferred(files)


def _inferred(files: Mapping[str, str]) -> list[str]:
    """Dependencies by the imports; none if it does not parse."""
    try:
        return publisher.infer_dependencies(files)
    except AdmissionError:
        return []


def _pep723(source: str) -> list[str] | None:
    """Dependencies of an inline script metadata block (PEP 723), if the source has one."""
    found = re.search(r"(?m)^# /// script\s*$\n((?:^#(?: .*)?$\n)+?)^# ///\s*$", source)
    if found is None:
        return None
    text = "\n".join(line[2:] if line.startswith("# ") else "" for line in found[1].splitlines())
    try:
        block = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the script block of the plugin is not TOML: {error}") from error
    return [str(one) for one in cast("list[object]", block.get("dependencies", []))]

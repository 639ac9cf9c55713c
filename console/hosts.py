"""Add the MCP server to a host's configuration, after showing the change."""

from __future__ import annotations

import difflib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import typer

from casparian_flow.errors import ConfigError
from console import exits, showing


def install(client: str, roots: list[str], config: str | None, *, yes: bool) -> int:
    """Show what would change, ask, and write it whole or not at all.

    Raises:
        ConfigError: an unknown client, a root that is no folder, or a configuration that is not
            a JSON object.
    """
    for root in roots:
        if not Path(root).is_dir():
            raise ConfigError(
                f"{root} is not a folder", hint="Check the path; nothing was written."
            )
    place = Path(config).expanduser() if config else _config_of(client)
    before = place.read_text("utf-8") if place.exists() else "{}\n"
    after = _with_server(before, place, roots)
    if before == after:
        showing.say(f"{place} is up to date.")
        return exits.OK
    diff = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(place), str(place), lineterm=""
    )
    showing.say("\n".join(diff))
    if not yes and not (sys.stdin.isatty() and typer.confirm("Write this?", default=False)):
        showing.say("Nothing was written. `--yes` writes it.")
        return exits.NOT_ALLOWED
    _write(place, after)
    showing.say(f"Written to {place}. Start the host again to pick it up.")
    return exits.OK


def _config_of(client: str) -> Path:
    if client != "claude-desktop":
        raise ConfigError(
            f"no host named {client!r}", hint="Hosts: claude-desktop; or name a file with --config."
        )
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/Claude/claude_desktop_config.json").expanduser()
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return base / "Claude" / "claude_desktop_config.json"


def server_entry(roots: list[str]) -> dict[str, object]:
    """How a host starts the server: an absolute command, for hosts give almost no environment."""
    arguments = ["mcp", *[part for root in roots for part in ("--root", root)]]
    entry: dict[str, object] = {
        "command": str(Path(sys.executable).parent / "casparian"),
        "args": arguments,
    }
    if os.environ.get("CASPARIAN_HOME"):
        home = str(Path(os.environ["CASPARIAN_HOME"]).expanduser().absolute())
        entry["env"] = {"CASPARIAN_HOME": home}
    return entry


def _with_server(before: str, place: Path, roots: list[str]) -> str:
    try:
        content: object = json.loads(before)
    except ValueError as error:
        raise ConfigError(
            f"{place} is not JSON: {error}", hint="Mend it first; nothing was written."
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{place} does not hold a JSON object")
    settings = cast("dict[str, Any]", content)
    settings.setdefault("mcpServers", {})["casparian-flow"] = server_entry(roots)
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=place.parent, prefix=".casparian-")
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(place)

"""Read a layout of binary records from a person's words; nothing of it is guessed."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

from casparian_flow.errors import ConfigError
from engine.formats.interface import Argument, Profile, Reading

_LAYOUT = re.compile(
    r"\bstruct\s+(?P<layout>[<>=!@]?[0-9a-zA-Z?]+)\s+(?P<names>\w+(?:\s*,\s*\w+)*)"
    r"(?:\s+after\s+(?P<skip>\d+)\s+bytes)?"
)


def with_layout(profile: Profile, goal: str | None) -> Profile:
    """The profile of a binary file, read by the layout that the goal names.

    A goal such as `struct <IHd id, qty, price after 16 bytes` gives Python's `struct` format, a
    name for each of its values, and what comes before the first record.

    Raises:
        ConfigError: the format is none, or has another number of values than there are names.
    """
    found = _LAYOUT.search(goal or "")
    if found is None or profile.format != "binary":
        return profile
    layout = found["layout"] if found["layout"][0] in "<>=!@" else f"<{found['layout']}"
    names = [name.strip() for name in found["names"].split(",")]
    try:
        count = len(struct.unpack(layout, bytes(struct.calcsize(layout))))
    except struct.error as error:
        raise ConfigError(
            f"{layout!r} is no layout: {error}", hint="See the formats of Python's struct module."
        ) from error
    if count != len(names):
        raise ConfigError(
            f"{layout!r} holds {count} values, {len(names)} names were given",
            hint="Name each value: struct <IHd id, qty, price",
        )
    arguments: dict[str, Argument] = {"layout": layout, "names": names}
    if found["skip"]:
        arguments["skip"] = int(found["skip"])
    reading = Reading("tables", "binary", arguments, is_typed=True)
    told = f"binary records of {struct.calcsize(layout)} bytes, as the goal says"
    return replace(profile, reading=reading, problems=(told,), fingerprint=f"binary|{layout}")

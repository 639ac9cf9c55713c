"""Write a complete plugin from a profile."""

from __future__ import annotations

from dataclasses import dataclass

from casparian_flow.errors import ConfigError
from engine.formats.interface import Profile
from engine.templates import delimited, jsonlines, lines

_TEMPLATES = {"csv": delimited.draft, "jsonl": jsonlines.draft, "log": lines.draft}


@dataclass(frozen=True, slots=True)
class Drafted:
    """A plugin that was written here."""

    source: str
    dependencies: tuple[str, ...]
    ambiguities: tuple[str, ...]
    """What the sample does not decide; each is a constant at the top, or kept as text."""


def draft_source(profile: Profile, *, topic: str, pattern: str) -> Drafted:
    """A plugin for files of this profile.

    Raises:
        ConfigError: no plugin can be drafted for this format; the author gives the source.
    """
    template = _TEMPLATES.get(profile.format)
    if template is None:
        raise ConfigError(
            f"no plugin can be drafted for a {profile.format} file: {'; '.join(profile.problems)}",
            hint="Give the plugin's source yourself: draft with `source`.",
        )
    source, open_points = template(profile, topic=topic, pattern=pattern)
    return Drafted(source, ("pyarrow",), tuple(open_points))

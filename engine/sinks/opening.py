"""Turn a sink's URI into the sink."""

from __future__ import annotations

from urllib.parse import urlsplit

from casparian_flow.errors import ConfigError
from engine.sinks.interface import Delivery
from engine.sinks.sqlite import open_sqlite

_SCHEMES = {"sqlite": open_sqlite}


def open_delivery(uri: str) -> Delivery:
    """The delivery that a URI names.

    Raises:
        ConfigError: no sink has this scheme, or the URI is not one of its.
    """
    opener = _SCHEMES.get(urlsplit(uri).scheme)
    if opener is None:
        known = ", ".join(f"{scheme}:" for scheme in _SCHEMES)
        raise ConfigError(f"no sink for {uri}", hint=f"Sinks here: {known}")
    return opener(uri)

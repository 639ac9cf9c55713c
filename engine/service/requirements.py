"""Learn what a draft has to keep to, and refuse what it cannot, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from sqlalchemy.orm import Session

from casparian_flow.errors import ConfigError, ManifestInvalid
from engine.contracts import schema_in, stated_in
from engine.control import Caller
from engine.filenames import topic_from
from engine.house import House
from engine.sinks.opening import open_delivery
from engine.topics import newest_contract
from gatekeeper.manifest import require_topic_name


def check_sinks(house: House, caller: Caller, sinks: list[str]) -> None:
    """See to it that rows can be delivered there.

    Raises:
        ConfigError: an agent asks, the URI is unknown, or it leads into this home.
    """
    if sinks and caller.door == "mcp":
        raise ConfigError(
            "an agent does not choose where rows are delivered",
            hint="A person does: `casparian draft FILE --sink URI`.",
        )
    for uri in sinks:
        open_delivery(uri)
        if house.home.root.resolve() in Path(unquote(urlsplit(uri).path)).resolve().parents:
            raise ConfigError(
                f"{uri} lies in this installation's own folder {house.home.root}",
                hint="Name a file elsewhere: what is delivered there could be taken for its own.",
            )


def check_topic(topic: str | None) -> None:
    """See to it that a topic can be called this.

    Raises:
        ConfigError: it is no name; the hint is one that would do.
    """
    try:
        if topic is not None:
            require_topic_name(topic)
    except ManifestInvalid as error:
        name = topic_from(str(topic).encode())
        hint = f"Call it {name!r}, say." if name != topic else "Choose another name."
        raise ConfigError(error.message, hint=hint) from error


def stated_texts(session: Session, topic: str) -> set[str]:
    """Columns that a person stated to be text in the topic's contract."""
    known = newest_contract(session, topic)
    if known is None:
        return set()
    schema = schema_in(known.terms)
    return {name for name in stated_in(known.terms) if pa.types.is_string(schema.field(name).type)}

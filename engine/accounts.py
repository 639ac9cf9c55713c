"""Account for every record of a file: read = promoted + quarantined + passed over."""

from __future__ import annotations

from dataclasses import dataclass

from casparian_flow.errors import PluginError
from engine.events import Closed
from engine.sinks.lake import Staging

_LEAST_FOR_SHARE = 20
"""Records below which a share says nothing."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many records of one file may be set aside; more fail its job."""

    most: int
    share: float
    """Of the file's records, from twenty records on."""


def of(staging: Staging | None, closed: Closed | None) -> dict[str, object]:
    """The counts of a job as its receipt carries them; `read` is None if the plugin does not count.

    What the plugin counted was checked when the job closed (`events.closed`); rows that broke the
    contract moved from rows to quarantined since.
    """
    if staging is None or closed is None:
        return {"rows": {}}
    return {
        "rows": dict(staging.rows),
        "read": closed.read,
        "quarantined": staging.quarantined,
        "skipped": closed.skipped,
    }


def too_much_aside(
    aside: int, rows: int, first_reason: str, threshold: Threshold
) -> PluginError | None:
    """Why a file fails of which too many records are set aside: the plugin is wrong, not they."""
    count = aside + rows
    is_many = count >= _LEAST_FOR_SHARE and aside > threshold.share * count
    if not is_many and aside <= threshold.most:
        return None
    error = PluginError(
        f"{aside} of {count} records do not fit, more than are let pass; none was promoted."
        f" The first: {first_reason}",
        hint="Mend the plugin with a new version, or let more pass: `quarantine_share` and"
        " `quarantine_most` in config.toml.",
    )
    error.code = "QUARANTINE_FULL"
    return error

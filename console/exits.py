"""Exit codes, in one place."""

from __future__ import annotations

from casparian_flow.errors import (
    AdmissionError,
    ApprovalError,
    CasparianError,
    ConfigError,
    NotGranted,
)

OK, FAILURE, USAGE, REJECTED, PARTLY_QUARANTINED, NOT_ALLOWED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def exit_code(error: CasparianError) -> int:
    """The code for an error: by whose turn it is."""
    if isinstance(error, NotGranted | ApprovalError):
        return NOT_ALLOWED
    if isinstance(error, AdmissionError):
        return REJECTED
    if isinstance(error, ConfigError):
        return USAGE
    return FAILURE

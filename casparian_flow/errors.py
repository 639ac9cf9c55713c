"""The one tree of errors, shared by every floor.

CasparianError
├── ConfigError          the installation or an argument is wrong
│   ├── NotGranted       a folder that no person has granted
│   └── NotFound         no such file, draft, plugin, job or topic
├── AdmissionError       code that may not enter
│   ├── ManifestInvalid  MANIFEST cannot be read from the syntax tree
│   ├── RuleViolation    the gatekeeper has findings
│   ├── SignatureMismatch  signature, signer or digest does not hold
│   └── LockRefused      dependencies cannot be locked without building code
├── ApprovalError        a person has not said yes to exactly this
├── PluginError          the plugin's own code failed, or broke the rules of publishing
├── GuestError           the process that ran the plugin failed
│   ├── GuestTimedOut    the deadline of the job passed
│   ├── GuestKilled      a signal or a limit ended it
│   ├── GuestSilent      it ended without saying that it was done
│   └── GuestHostile     it sent what no honest guest sends
├── SandboxError         no wall could be built
├── EnvironmentFailed    an environment could not be built
├── SourceError          the file is gone, unreadable or no longer the one that was hashed
│   └── SourceTooLarge   no snapshot of it may be taken
├── SinkError            an output could not be written or promoted
├── CatalogError         the catalog is not the one this version expects
├── ProtocolError        bytes on a wire that the protocol does not allow
├── QueryError           SQL that is refused or fails
└── EngineUnavailable    no engine answers for this home
"""

from __future__ import annotations

__all__ = [
    "AdmissionError",
    "ApprovalError",
    "CasparianError",
    "CatalogError",
    "ConfigError",
    "EngineUnavailable",
    "EnvironmentFailed",
    "GuestError",
    "GuestHostile",
    "GuestKilled",
    "GuestSilent",
    "GuestTimedOut",
    "LockRefused",
    "ManifestInvalid",
    "NotFound",
    "NotGranted",
    "PluginError",
    "ProtocolError",
    "QueryError",
    "RuleViolation",
    "SandboxError",
    "SignatureMismatch",
    "SinkError",
    "SourceError",
    "SourceTooLarge",
    "error_from_code",
]


class CasparianError(Exception):
    """Something a person or an agent can be told: what happened, and what to do next."""

    code = "ERROR"
    """Stable word for programs; the class says it once."""

    hint = "Run `casparian doctor`, and `casparian explain` on the file or job concerned."
    """What to do next, as a command where one exists."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Say what happened, with the values; `hint` replaces the class's own advice."""
        super().__init__(message)
        if hint is not None:
            self.hint = hint

    @property
    def message(self) -> str:
        """What happened, without the advice."""
        return str(self.args[0])


class ConfigError(CasparianError):
    """The installation or an argument is wrong."""

    code = "BAD_ARGUMENT"
    hint = "See `casparian --help`; settings in force: `casparian doctor`."


class NotGranted(ConfigError):
    """A folder that no person has granted."""

    code = "NOT_GRANTED"
    hint = "A person grants a folder with `casparian init DIR`."


class NotFound(ConfigError):
    """No such file, draft, plugin, job or topic."""

    code = "NOT_FOUND"
    hint = "List what there is: `casparian files`, `casparian plugins`, `casparian jobs`."


class AdmissionError(CasparianError):
    """Code that may not enter."""

    code = "NOT_ADMITTED"
    hint = "Read the findings with `casparian validate`, mend the plugin, validate again."


class ManifestInvalid(AdmissionError):
    """MANIFEST cannot be read from the syntax tree."""

    code = "MANIFEST_INVALID"
    hint = (
        'Write one module-level line: MANIFEST = PluginMetadata(pattern="*.csv", topic="name"), '
        "with literal values only."
    )


class RuleViolation(AdmissionError):
    """The gatekeeper has findings."""

    code = "RULE_VIOLATION"


class SignatureMismatch(AdmissionError):
    """Signature, signer or digest does not hold."""

    code = "SIGNATURE_MISMATCH"
    hint = "Publish again from the reviewed source: `casparian publish`."


class LockRefused(AdmissionError):
    """Dependencies cannot be locked without building code."""

    code = "LOCK_REFUSED"
    hint = "Name a dependency that ships wheels, or pin a version that does."


class ApprovalError(CasparianError):
    """A person has not said yes to exactly this."""

    code = "APPROVAL_REQUIRED"
    hint = "A person approves with `casparian approve ID`."


class PluginError(CasparianError):
    """The plugin's own code failed, or broke the rules of publishing."""

    code = "PLUGIN_FAILED"
    hint = "See the plugin's log with `casparian jobs ID --log`, then mend and publish again."


class GuestError(CasparianError):
    """The process that ran the plugin failed."""

    code = "GUEST_FAILED"
    hint = "Try again with `casparian retry ID`; the log is in `casparian jobs ID --log`."


class GuestTimedOut(GuestError):
    """The deadline of the job passed."""

    code = "GUEST_TIMED_OUT"
    hint = "Raise `job_timeout_s` in config.toml if the file is honestly that large."


class GuestKilled(GuestError):
    """A signal or a limit ended it."""

    code = "GUEST_KILLED"
    hint = "Raise `guest_memory_mb` in config.toml, or stream: publish rows from a generator."


class GuestSilent(GuestError):
    """It ended without saying that it was done."""

    code = "GUEST_SILENT"


class GuestHostile(GuestError):
    """It sent what no honest guest sends."""

    code = "GUEST_HOSTILE"
    hint = "Do not run this plugin again before a person has read it: `casparian retire NAME`."


class SandboxError(CasparianError):
    """No wall could be built."""

    code = "NO_WALL"
    hint = "`casparian doctor` says which layer is missing on this machine."


class EnvironmentFailed(CasparianError):
    """An environment could not be built."""

    code = "ENVIRONMENT_FAILED"
    hint = "Check the network or the index settings of uv, then `casparian retry ID`."


class SourceError(CasparianError):
    """The file is gone, unreadable or no longer the one that was hashed."""

    code = "SOURCE_CHANGED"
    hint = "Scan again: `casparian scan DIR`."


class SourceTooLarge(SourceError):
    """No snapshot of it may be taken."""

    code = "SOURCE_TOO_LARGE"
    hint = "Raise `snapshot_limit_mb` in config.toml."


class SinkError(CasparianError):
    """An output could not be written or promoted."""

    code = "SINK_FAILED"
    hint = "Check free space and permissions of the place named, then `casparian retry ID`."


class CatalogError(CasparianError):
    """The catalog is not the one this version expects."""

    code = "CATALOG"
    hint = "Use the version of Casparian Flow that wrote this home, or set CASPARIAN_HOME."


class ProtocolError(CasparianError):
    """Bytes on a wire that the protocol does not allow."""

    code = "PROTOCOL"
    hint = "Both ends must be of one version: `casparian stop`, then try again."


class QueryError(CasparianError):
    """SQL that is refused or fails."""

    code = "QUERY_REFUSED"
    hint = "List tables and columns with `casparian datasets`; only one SELECT is allowed."


class EngineUnavailable(CasparianError):
    """No engine answers for this home."""

    code = "ENGINE_UNAVAILABLE"
    hint = "Start it in the foreground and read what it says: `casparian start`."


def error_from_code(code: str, message: str, hint: str) -> CasparianError:
    """Rebuild an error that came over a wire; an unknown code becomes the root of the tree."""
    kinds = [CasparianError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        if kind.code == code:
            return kind(message, hint=hint)
    error = CasparianError(message, hint=hint)
    error.code = code
    return error

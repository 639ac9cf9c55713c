"""Read the installation's settings: flags, environment, config.toml in the home, defaults."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from casparian_flow.errors import ConfigError
from engine.home import DEFAULT_ROOT


def _cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


class Settings(BaseSettings):
    """Everything an operator may set, each as `CASPARIAN_<NAME>` or in config.toml."""

    model_config = SettingsConfigDict(env_prefix="CASPARIAN_", extra="forbid", frozen=True)

    home: Path = Path(DEFAULT_ROOT)
    """Catalog, lake, environments, keys and logs of one installation."""
    slots: int = 0
    """Guests that run at the same time; 0 means one per core."""
    job_timeout_s: int = 600
    """Wall-clock deadline of one child, in seconds."""
    job_timeout_s_per_gib: int = 600
    """Seconds added to it for each GiB that the child reads."""
    guest_memory_mb: int = 4096
    """Address space of one guest, in MiB."""
    scratch_mb: int = 1024
    """Scratch space of one environment's guests, in MiB."""
    max_rows_per_job: int = 1_000_000_000
    max_bytes_per_job: int = 64 << 30
    quarantine_most: int = Field(default=1_000_000, ge=0)
    """Records that one file may have set aside; more fail its job, and nothing is promoted."""
    quarantine_share: float = Field(default=0.5, ge=0, le=1)
    """The same as a share of the file's records, from twenty records on."""
    memfd_limit_mb: int = 64
    """Files up to this size, in MiB, are handed over in sealed memory, larger ones in the spool."""
    snapshot_limit_mb: int = 16 << 10
    """Files above this size, in MiB, are refused."""
    venvs_mb: int = 20 << 10
    """Environments beyond this size together, in MiB, leave, the longest unused first."""
    batch_files: int = 128
    """Small files of one plugin that share one child."""
    max_attempts: int = 3
    retry_delay_s: int = 2
    lease_s: int = 60
    rescan_s: int = 300
    """Seconds between periodic rescans of watched roots; 0 turns them off."""
    idle_exit_s: int = 1800
    """A detached engine that watches nothing leaves after this many idle seconds."""
    approval: Literal["auto", "host", "person"] = "auto"
    """`auto` (form if offered, else out of band), `host`, or `person` (always out of band)."""
    page_port: int = Field(default=0, ge=0, le=65535)
    """Loopback port of the approval page; 0, or a port that is taken, means any free one."""
    read_only: bool = False
    allow_unconfined: bool = False
    """Run plugins without a wall where none can be built. Logged with every job."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - fixed by pydantic
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - fixed by pydantic
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags beat the environment, which beats config.toml in the home."""
        toml = TomlConfigSettingsSource(settings_cls, default_home() / "config.toml")
        return init_settings, env_settings, toml

    @property
    def parallel_guests(self) -> int:
        """Slots of the local worker."""
        return self.slots or _cores()

    @property
    def lease(self) -> timedelta:
        """How long a worker holds a job without a heartbeat."""
        return timedelta(seconds=self.lease_s)


def default_home() -> Path:
    """The home in force when no flag names one."""
    return Path(os.environ.get("CASPARIAN_HOME") or DEFAULT_ROOT).expanduser().absolute()


def load_settings(home: Path | None = None, **flags: object) -> Settings:
    """The settings in force.

    Raises:
        ConfigError: a value is wrong; the message names the setting.
    """
    try:
        return Settings.model_validate(
            {**Settings(home=home or default_home()).model_dump(), **flags}
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"setting {name}: {first['msg']} (got {first['input']!r})",
            hint=f"Mend it in config.toml of the home, or in CASPARIAN_{name.upper()}.",
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"config.toml cannot be read: {error}") from error

"""Where things lie in a home, and that only its owner can enter it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from casparian_flow.errors import ConfigError

FORMAT = "1"
DEFAULT_ROOT = "~/.casparian_flow"


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one installation; written down in docs/reference/home.md."""

    root: Path

    @property
    def catalog(self) -> Path:
        """The catalog database."""
        return self.root / "catalog.db"

    @property
    def lake(self) -> Path:
        """Parquet files and their ledger."""
        return self.root / "lake"

    @property
    def venvs(self) -> Path:
        """One environment per lock, Python and platform."""
        return self.root / "venvs"

    @property
    def spool(self) -> Path:
        """Snapshots and scratch of running jobs; emptied at start."""
        return self.root / "spool"

    @property
    def drafts(self) -> Path:
        """Journals of trials, a folder for each draft."""
        return self.root / "drafts"

    @property
    def keys(self) -> Path:
        """Signing key and trusted public keys."""
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        """Engine, worker and job logs."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets, in the user's run-time folder: socket paths over 107 bytes fail.

        Once made, the home remembers it: a host that starts a server with almost no environment
        must find the engine that a shell started.
        """
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        name = f"casparian-{os.getuid()}-{mark}"
        with contextlib.suppress(OSError):
            remembered = self.run_link.readlink()
            # A home that was copied points to the sockets of the one it was copied from.
            if remembered.name == name and remembered.is_dir():
                return remembered
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(base) / name

    @property
    def run_link(self) -> Path:
        """Points to the folder of the sockets."""
        return self.root / "run"

    @property
    def engine_socket(self) -> Path:
        """Where the doors reach the engine."""
        return self.run / "engine.sock"

    @property
    def sentinel_socket(self) -> Path:
        """Where workers reach the Sentinel."""
        return self.run / "sentinel.sock"

    @property
    def worker_lock(self) -> Path:
        """Held, shared, by every local worker that lives."""
        return self.root / "worker.lock"

    @property
    def lock(self) -> Path:
        """Held by the one engine of this home."""
        return self.root / "engine.lock"


def prepare(root: Path) -> Home:
    """Make the folders of a home, private to its owner, and check its format.

    Raises:
        ConfigError: it cannot be written, or a newer version made it.
    """
    home = Home(root.expanduser().resolve())
    try:
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (home.keys, home.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        # Guests that changed users reach these through their own mounts; nobody else passes the
        # home's own door.
        for folder in (home.lake, home.venvs, home.spool):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
        marker = home.root / "format"
        if not marker.exists():
            marker.write_text(FORMAT)
        found = marker.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"the home {home.root} cannot be written: {error.strerror or error}",
            hint="Give it to your user, or name another one: CASPARIAN_HOME=DIR casparian …",
        ) from error
    if found != FORMAT:
        raise ConfigError(
            f"the home {home.root} has format {found}, this version reads {FORMAT}",
            hint="Use the version that made it, or name another home with CASPARIAN_HOME.",
        )
    prepare_run_folder(home)
    return home


def prepare_run_folder(home: Home) -> None:
    """Make the folder of the sockets and remember it; refuse one that somebody else owns."""
    folder = home.run
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise ConfigError(
            f"{folder} belongs to somebody else or is open to others",
            hint=f"Remove it, or set XDG_RUNTIME_DIR to a folder of your own: rm -r {folder}",
        )
    if not home.run_link.is_symlink() or home.run_link.readlink() != folder:
        new = home.root / f".run-{os.getpid()}-{threading.get_ident()}"
        new.symlink_to(folder)
        new.replace(home.run_link)

"""Keep this installation's keys on disk; the only module of this floor that does I/O."""

import os
import stat
from pathlib import Path

from nacl.signing import SigningKey

from casparian_flow.errors import ConfigError
from gatekeeper.signing import key_id

_KEY_FILE = "signing.key"
_TRUSTED_FOLDER = "trusted"
_KEY_TEXT_LENGTH = 64
_FILE_LIMIT_BYTES = 4096
_KEY_HINT = "Only you may own and read it: move it away and make a new one, or `chmod 600`."


def load_or_create_key(folder: Path) -> SigningKey:
    """Return the signing key of this installation, made on first use.

    Two processes that start together get the same key: the file appears whole or not at all.

    Raises:
        ConfigError: If folder or key is a link, another user's, or open to others.
    """
    _make_private_folder(folder)
    path = folder / _KEY_FILE
    if not path.exists() and not path.is_symlink():
        _create(path, SigningKey.generate())
    return SigningKey(_read_key(path, private=True))


def load_trusted(folder: Path) -> dict[str, bytes]:
    """Return the public keys this installation believes, by key id.

    Its own, if it has one, and each `trusted/*.pub` (64 hex digits).

    Raises:
        ConfigError: If a key file is a link, malformed, or could be changed by other users.
    """
    publics: list[bytes] = []
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"{folder} is not a folder of its own", hint=_KEY_HINT)
    if folder.exists():
        _require_ours(folder.lstat(), folder, forbidden=0o022)
    own = folder / _KEY_FILE
    if own.exists() or own.is_symlink():
        publics.append(bytes(SigningKey(_read_key(own, private=True)).verify_key))
    others = folder / _TRUSTED_FOLDER
    if others.exists() or others.is_symlink():
        if others.is_symlink() or not others.is_dir():
            raise ConfigError(f"{others} is not a folder of its own", hint=_KEY_HINT)
        _require_ours(others.lstat(), others, forbidden=0o022)
        publics.extend(_read_key(path, private=False) for path in sorted(others.glob("*.pub")))
    return {key_id(public): public for public in publics}


def _make_private_folder(folder: Path) -> None:
    """Create the folder 0700, or make sure that it is one already."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be used for keys: {error.strerror}") from error
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode):
        raise ConfigError(f"{folder} is not a folder of its own", hint=_KEY_HINT)
    _require_ours(state, folder, forbidden=0o077)


def _create(path: Path, key: SigningKey) -> None:
    """Write the key where there is none; keep the other's if another process was first."""
    # A name of its own, then link(): O_EXCL on the final name would let a second process
    # read a file that exists but is not written yet.
    draft = path.with_name(f".{_KEY_FILE}.{os.getpid()}.{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(key).hex().encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path, follow_symlinks=False)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _read_key(path: Path, *, private: bool) -> bytes:
    """Read 32 bytes given as hex from a regular file that is safe from others."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read as a key: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise ConfigError(f"{path} is not a regular file", hint=_KEY_HINT)
        _require_ours(state, path, forbidden=0o077 if private else 0o022)
        text = file.read(_FILE_LIMIT_BYTES).strip()
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        raise ConfigError(f"{path} does not hold a key") from error
    if len(text) != _KEY_TEXT_LENGTH:
        raise ConfigError(f"{path} does not hold a key of 64 hex digits")
    return key


def _require_ours(state: os.stat_result, path: Path, *, forbidden: int) -> None:
    """Refuse what another user owns, or may do what `forbidden` names."""
    if state.st_uid != os.geteuid():
        raise ConfigError(f"{path} belongs to user {state.st_uid}", hint=_KEY_HINT)
    if state.st_mode & forbidden:
        mode = stat.S_IMODE(state.st_mode)
        raise ConfigError(f"{path} is open to other users (mode {mode:03o})", hint=_KEY_HINT)

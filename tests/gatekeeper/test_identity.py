import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from casparian_flow.errors import ConfigError
from gatekeeper.identity import key_id, load_or_create_key, load_trusted


def test_the_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path / "keys")

    assert bytes(load_or_create_key(tmp_path / "keys")) == bytes(first)
    assert [p.name for p in (tmp_path / "keys").iterdir()] == ["signing.key"]


def test_the_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    load_or_create_key(tmp_path / "keys")

    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: bytes(load_or_create_key(tmp_path / "k")), range(64)))

    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_create_key(tmp_path / "keys")
    (tmp_path / "keys" / "signing.key").chmod(mode)

    with pytest.raises(ConfigError, match="open to other users"):
        load_or_create_key(tmp_path / "keys")


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)

    with pytest.raises(ConfigError, match="open to other users"):
        load_or_create_key(tmp_path / "keys")


def test_a_key_planted_as_a_link_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path / "attacker")
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "signing.key").symlink_to(tmp_path / "attacker" / "signing.key")

    with pytest.raises(ConfigError):
        load_or_create_key(tmp_path / "keys")
    with pytest.raises(ConfigError):
        load_trusted(tmp_path / "keys")


def test_a_key_planted_as_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "signing.key").symlink_to(tmp_path / "nowhere")

    with pytest.raises(ConfigError):
        load_or_create_key(tmp_path / "keys")


def test_a_folder_planted_as_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "keys").symlink_to(tmp_path / "real")

    with pytest.raises(ConfigError):
        load_or_create_key(tmp_path / "keys")
    with pytest.raises(ConfigError):
        load_trusted(tmp_path / "keys")


def test_a_pipe_in_place_of_a_key_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "keys" / "signing.key", 0o600)

    with pytest.raises(ConfigError, match="regular file"):
        load_or_create_key(tmp_path / "keys")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path / "keys")
    os.chown(tmp_path / "keys" / "signing.key", 65534, -1)

    with pytest.raises(ConfigError, match="belongs to user"):
        load_or_create_key(tmp_path / "keys")


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33, "\u00e9"])
def test_a_damaged_key_is_refused(tmp_path: Path, text: str) -> None:
    load_or_create_key(tmp_path / "keys")
    (tmp_path / "keys" / "signing.key").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match="does not hold a key"):
        load_or_create_key(tmp_path / "keys")


def test_the_own_key_and_the_trusted_ones_are_believed(tmp_path: Path) -> None:
    own = bytes(load_or_create_key(tmp_path).verify_key) if _private(tmp_path) else b""
    friend = bytes(SigningKey(b"f" * 32).verify_key)
    (tmp_path / "trusted").mkdir(mode=0o700)
    (tmp_path / "trusted" / "friend.pub").write_text(friend.hex() + "\n", encoding="ascii")
    (tmp_path / "trusted" / "notes.txt").write_text("not a key", encoding="ascii")

    assert load_trusted(tmp_path) == {key_id(own): own, key_id(friend): friend}


def test_an_installation_without_keys_trusts_nobody(tmp_path: Path) -> None:
    assert load_trusted(tmp_path / "none") == {}


def test_a_trusted_key_that_others_can_change_is_refused(tmp_path: Path) -> None:
    _private(tmp_path)
    (tmp_path / "trusted").mkdir(mode=0o700)
    (tmp_path / "trusted" / "x.pub").write_text("00" * 32, encoding="ascii")
    (tmp_path / "trusted" / "x.pub").chmod(0o666)

    with pytest.raises(ConfigError, match="open to other users"):
        load_trusted(tmp_path)


def test_a_trusted_folder_that_others_can_add_to_is_refused(tmp_path: Path) -> None:
    _private(tmp_path)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted").chmod(0o777)

    with pytest.raises(ConfigError, match="open to other users"):
        load_trusted(tmp_path)


def _private(folder: Path) -> bool:
    folder.chmod(0o700)
    return True

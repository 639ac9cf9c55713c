"""What a plugin may use, as data, with a digest that changes when the data does."""

from collections.abc import Mapping
from functools import cache
from typing import cast

from gatekeeper.canonical import canonical_json, sha256_hex
from gatekeeper.policy import language, standard_library, third_party

RULESET_VERSION = 1
"""Raised when the rules' code changes what is refused; the data below speaks for itself."""

ALLOWED_NAMES: dict[str, frozenset[str]] = {**standard_library.NAMES, **third_party.NAMES}
"""Module to the names that may be used of it."""


@cache
def ruleset_digest() -> str:
    """Give the SHA-256 of the ruleset version and the whole policy, in canonical form."""
    data = {name: value for name, value in vars(language).items() if name.isupper()}
    dump = {"version": RULESET_VERSION, "modules": ALLOWED_NAMES, "language": data}
    return sha256_hex(canonical_json(_plain(dump)))


def _plain(value: object) -> object:
    """Turn sets into sorted lists, so that equal policies have equal dumps."""
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {key: _plain(member) for key, member in members.items()}
    return value

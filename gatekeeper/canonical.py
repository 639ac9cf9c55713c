"""Write JSON in the one form that digests and signatures are taken over."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import cast


def canonical_json(value: object) -> bytes:
    """Encode `value` with sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: For floats (their text differs between languages), for keys that are not
            strings, for text with lone surrogates, and for anything that is not JSON.
    """
    _refuse_ambiguous(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of `content` in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def _refuse_ambiguous(value: object) -> None:
    """Raise ValueError unless every part of `value` has exactly one JSON form."""
    if value is None or isinstance(value, (bool, int, str)):
        return
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        if not all(isinstance(key, str) for key in members):
            raise ValueError("canonical JSON has text keys only")
        for member in members.values():
            _refuse_ambiguous(member)
    elif isinstance(value, (list, tuple)):
        for item in cast("Sequence[object]", value):
            _refuse_ambiguous(item)
    else:
        raise ValueError(f"canonical JSON has no {type(value).__name__}")  # noqa: TRY004  one error for callers

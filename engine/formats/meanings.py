"""Say what a column's values look like beyond their type: a hint, never a type of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PATTERNS = {
    "uuid": re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?"),
    "e-mail": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "ipv4": re.compile(
        r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:/\d{1,2})?"
    ),
    "ipv6": re.compile(r"(?=.*:.*:)[0-9a-fA-F:.]{3,45}(?:%\w+)?"),
    "mac address": re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}"),
    "url": re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE),
    "sha-256": re.compile(r"[0-9a-f]{64}|[0-9A-F]{64}"),
    "time of day": re.compile(
        r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:\s?[AaPp][Mm])?"
    ),
    "duration": re.compile(r"P(?=\d|T\d)(?:\d+[YMWD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?"),
    "month": re.compile(r"\d{4}-(?:0[1-9]|1[0-2])"),
}
_TIME_NAME = re.compile(r"(?i)time|stamp|date|epoch|_at$|_ts$|^ts$|created|updated|modified|when")
_KEY_NAME = re.compile(
    r"(?i)(?:^|[_ .-])(id|key|no|nr|num|number|code|zip|postcode|sku|isbn|ean)$|ID$|Id$"
)
_EPOCHS = (("epoch s", 1), ("epoch ms", 10**3), ("epoch us", 10**6), ("epoch ns", 10**9))
_FIRST_YEAR_S, _LAST_YEAR_S = 631_152_000, 2_524_608_000
"""1990 and 2050: between them a count of seconds is plausibly a time."""


def meaning_of(name: str, kind: str, values: Sequence[str], *, is_unique: bool) -> str | None:
    """What distinct values of a column look like, or None."""
    if kind == "int64":
        return _number_meaning(name, values, is_unique=is_unique)
    if kind != "string" or not values:
        return None
    return next(
        (word for word, pattern in _PATTERNS.items() if all(map(pattern.fullmatch, values))), None
    )


def _number_meaning(name: str, values: Sequence[str], *, is_unique: bool) -> str | None:
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        return None
    if _TIME_NAME.search(name):
        for word, scale in _EPOCHS:
            if all(_FIRST_YEAR_S * scale <= one < _LAST_YEAR_S * scale for one in numbers):
                return word
    if set(numbers) == {0, 1}:
        return "0 or 1"
    if is_unique and _KEY_NAME.search(name):
        return "key"
    return None

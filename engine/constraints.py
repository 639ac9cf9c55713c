"""Tell which values of a column break what was stated about it: format, choices, pattern, bounds.

The rules and their words are those of Frictionless Table Schema; a missing value breaks none of
them (whether one may be missing is the column's `nullable`).
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

FORMATS = {
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:\S+",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}


def _choices(column: pa.Array, value: object) -> pa.Array:
    assert isinstance(value, list)  # noqa: S101 - `check` saw to it
    choices = [_scalar(column, one).as_py() for one in cast("list[object]", value)]
    return pc.is_in(column, value_set=pa.array(choices, column.type))


def _whole(column: pa.Array, value: object) -> pa.Array:
    return pc.match_substring_regex(column, f"^(?:{value})$")


def _scalar(column: pa.Array, value: object) -> pa.Scalar:
    """A bound in the column's type; fractions are stated as text, so that each is one text."""
    if isinstance(value, str) and not _is_text(column.type):
        number = _is_number(column.type)
        return pa.array([Decimal(value) if number else value]).cast(column.type)[0]
    return pa.array([value]).cast(column.type)[0]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return any(
        is_so(kind) for is_so in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    )


def _formatted(column: pa.Array, value: object) -> pa.Array:
    return _whole(column, FORMATS[str(value)])


def _at_least(column: pa.Array, value: object) -> pa.Array:
    return pc.greater_equal(column, _scalar(column, value))


def _at_most(column: pa.Array, value: object) -> pa.Array:
    return pc.less_equal(column, _scalar(column, value))


def _no_shorter(column: pa.Array, value: object) -> pa.Array:
    return pc.greater_equal(pc.utf8_length(column), value)


def _no_longer(column: pa.Array, value: object) -> pa.Array:
    return pc.less_equal(pc.utf8_length(column), value)


_KEPT: Mapping[str, Callable[[pa.Array, object], pa.Array]] = {
    # rule: which values keep it; null where the value is null
    "enum": _choices,
    "pattern": _whole,
    "format": _formatted,
    "minimum": _at_least,
    "maximum": _at_most,
    "minLength": _no_shorter,
    "maxLength": _no_longer,
}
RULES = frozenset(_KEPT)


def _is_pattern(value: object) -> bool:
    """Whether it is one whole expression: `a)|(?:b` is none, though in brackets it reads as one."""
    if not isinstance(value, str):
        return False
    try:
        pc.match_substring_regex(pa.array([""]), value)
    except pa.ArrowInvalid:
        return False
    return True


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_bound(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


_WANTED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    "pattern": (_is_pattern, "a regular expression"),
    "format": (lambda value: value in FORMATS, f"one of {', '.join(sorted(FORMATS))}"),
    "minimum": (_is_bound, "a value"),
    "maximum": (_is_bound, "a value"),
    "minLength": (_is_length, "a whole number from 0"),
    "maxLength": (_is_length, "a whole number from 0"),
}
_BOUNDS = ("minimum", "maximum")


def spelled(rules: Mapping[str, object]) -> dict[str, object]:
    """Rules with fractions as text: 0.5 as "0.5", in the one way that digests are taken over."""

    def one(value: object) -> object:
        if isinstance(value, float):
            return format(Decimal(repr(value)), "f")
        return [one(each) for each in value] if isinstance(value, list) else value

    return {rule: one(value) for rule, value in rules.items()}


def as_numbers(kind: pa.DataType, rules: Mapping[str, object]) -> dict[str, object]:
    """Rules as JSON has them: of a column of numbers, with numbers in place of `spelled` text."""

    def one(value: object) -> object:
        if isinstance(value, list):
            return [one(each) for each in value]
        return float(value) if isinstance(value, str) else value

    return {
        rule: one(value) if _is_number(kind) and rule in (*_BOUNDS, "enum") else value
        for rule, value in rules.items()
    }


def check(kind: pa.DataType, rules: Mapping[str, object]) -> str | None:
    """What is wrong with rules for a column of this type; None: they can be held."""
    probe = pa.array([""], kind) if _is_text(kind) else pa.nulls(1, kind)  # patterns want a text
    for rule, value in rules.items():
        wrong = _misstated(kind, rule, value)
        if wrong:
            return wrong
        try:
            _KEPT[rule](probe, value)
        except (pa.ArrowException, ArithmeticError, ValueError, TypeError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            return f"{rule} {value!r} cannot be held against {kind}: {first}"
    return None


def _misstated(kind: pa.DataType, rule: str, value: object) -> str | None:
    """What is wrong with a rule by itself."""
    if rule not in _KEPT:
        return f"{rule} is not one of {', '.join(sorted(_KEPT))}"
    if rule in _BOUNDS and _is_text(kind):
        return f"{rule} is for numbers and times, and {kind} is text"
    is_good, wanted = _WANTED[rule]
    return None if is_good(value) else f"{rule} {value!r} is not {wanted}"


def told(rules: Mapping[str, object]) -> str:
    """Rules in words, such as `minimum 0, pattern 'A.*'`."""
    return ", ".join(f"{rule} {value!r}" for rule, value in rules.items())


def broken(column: pa.Array, rules: Mapping[str, object]) -> list[tuple[int, str]]:
    """Rows whose value breaks a rule, with the rule as it was stated; a row once per rule.

    Args:
        column: Any type that `check` let the rules pass for.
        rules: Rule → what was stated.
    """
    found: list[tuple[int, str]] = []
    for rule, value in rules.items():
        kept = pc.or_kleene(_KEPT[rule](column, value), pc.is_null(column))
        if not pc.all(kept).as_py():
            rows = pc.indices_nonzero(pc.invert(kept)).to_pylist()
            found += [(row, f"{rule} {value!r}") for row in rows]
    return found

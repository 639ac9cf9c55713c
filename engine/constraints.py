"""Tell which values of a column break what was stated about it: format, choices, pattern, bounds.

The rules and their words are those of Frictionless Table Schema; a missing value breaks none of
them (whether one may be missing is the column's `nullable`).
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

_FORMATS = {
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:\S+",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}


def _choices(column: pa.Array, value: object) -> pa.Array:
    assert isinstance(value, list)  # noqa: S101 - `check` saw to it
    return pc.is_in(column, value_set=pa.array(value).cast(column.type))


def _whole(column: pa.Array, value: object) -> pa.Array:
    return pc.match_substring_regex(column, f"^(?:{value})$")


def _scalar(column: pa.Array, value: object) -> pa.Scalar:
    return pa.array([value]).cast(column.type)[0]


def _formatted(column: pa.Array, value: object) -> pa.Array:
    return _whole(column, _FORMATS[str(value)])


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


def check(kind: pa.DataType, rules: Mapping[str, object]) -> str | None:
    """What is wrong with rules for a column of this type; None: they can be held."""
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    probe = pa.array([""], kind) if is_text else pa.nulls(1, kind)  # a pattern is read with a text
    for rule, value in rules.items():
        if rule not in _KEPT:
            return f"{rule} is not one of {', '.join(sorted(_KEPT))}"
        if rule == "enum" and (not isinstance(value, list) or not value):
            return "enum wants a list of values"
        if rule == "format" and value not in _FORMATS:
            return f"format {value!r} is not one of {', '.join(sorted(_FORMATS))}"
        try:
            _KEPT[rule](probe, value)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            first = str(error).splitlines()[0]
            return f"{rule} {value!r} cannot be held against {kind}: {first}"
    return None


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

"""Write a topic's contract as a Frictionless Table Schema (v1), and read one.

Types that the standard has no word for are `any`; each field's exact Arrow type stands beside it as
`arrowType`, and is what counts when the schema is read again.
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.errors import ConfigError
from casparian_flow.sdk import RESERVED_COLUMNS
from engine import constraints
from engine.contracts import Terms, key_in, rules_in, schema_in, terms_of

_TYPES = (
    # Arrow's word begins with, Table Schema's word
    ("int", "integer"), ("uint", "integer"), ("double", "number"), ("float", "number"),
    ("decimal", "number"), ("bool", "boolean"), ("date", "date"), ("timestamp", "datetime"),
    ("time", "time"), ("duration", "duration"), ("list", "array"), ("struct", "object"),
    ("string", "string"), ("large_string", "string"),
)  # fmt: skip
_ARROW = {
    # Table Schema's word: what it is stored as where no Arrow type stands beside it
    "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "string": pa.string(),
    "date": pa.date32(), "datetime": pa.timestamp("us"), "time": pa.time64("us"),
    "year": pa.int64(),
}  # fmt: skip
_PLAIN = {
    str(kind): kind
    for kind in (
        *_ARROW.values(), pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(),
        pa.uint64(), pa.float32(), pa.date64(), pa.large_string(), pa.binary(), pa.null(),
        pa.time32("s"), pa.time32("ms"), pa.time64("ns"),
        *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
        *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    )
}  # fmt: skip
_FIELD_WORDS = {"name", "type", "format", "constraints", "arrowType", "title", "description"}
_WORDS = {
    "name", "version", "title", "description", "fields", "missingValues", "primaryKey", "profile",
    "$schema", "uniqueKeys", "foreignKeys",
}  # fmt: skip
_MOST_COLUMNS = 4_000


def exported(topic: str, version: int, terms: Mapping[str, object]) -> dict[str, object]:
    """A contract's terms as Table Schema, named and versioned."""
    rules = rules_in(terms)
    fields: list[dict[str, object]] = []
    for one in schema_in(terms):
        stated = constraints.as_numbers(one.type, rules[one.name])
        field: dict[str, object] = {"name": one.name, "type": _type(str(one.type))}
        if "format" in stated:
            field["format"] = stated.pop("format")
        field["arrowType"] = str(one.type)
        field["constraints"] = {"required": not one.nullable, **stated}
        fields.append(field)
    schema: dict[str, object] = {
        "name": topic, "version": str(version), "fields": fields, "missingValues": [""],
    }  # fmt: skip
    return {**schema, "primaryKey": key_in(terms)} if key_in(terms) else schema


def _type(arrow: str) -> str:
    return next((word for start, word in _TYPES if arrow.startswith(start)), "any")


def imported(document: object, known: pa.Schema | None = None) -> Terms:
    """The terms that a Table Schema states; `known`: the topic's columns so far.

    Raises:
        ConfigError: it is none, or states what could not be held; nothing is left out in silence.
    """
    fields = document.get("fields") if isinstance(document, Mapping) else None
    if not isinstance(fields, list) or not 0 < len(fields) <= _MOST_COLUMNS:
        raise _unusable(f"it has no list of 1 to {_MOST_COLUMNS:,} `fields`")
    whole = cast("Mapping[str, object]", document)
    _check_rest(whole)
    columns: list[pa.Field] = []
    rules: dict[str, dict[str, object]] = {}
    for number, given in enumerate(cast("list[object]", fields), 1):
        column, stated = _column(given, number, known)
        if column.name.lower() in (name.lower() for name in rules):
            raise _unusable(f"the name {column.name!r} comes twice, capitals aside")
        columns.append(column)
        rules[column.name] = stated
    key = _key(whole.get("primaryKey"), list(rules))
    return terms_of(pa.schema(columns), rules, key, stated=rules)


def _column(
    given: object, number: int, known: pa.Schema | None
) -> tuple[pa.Field, dict[str, object]]:
    """One field: the column, and what else is stated about it."""
    field = _field(given, number)
    name = str(field["name"])
    stated = field.get("constraints") or {}
    if not isinstance(stated, Mapping):
        raise _unusable(f"{name}: its constraints are no object")
    rules = dict(cast("Mapping[str, object]", stated))
    required = rules.pop("required", False)
    if not isinstance(required, bool):
        raise _unusable(f"{name}: required is true or false, not {required!r}")
    if rules.pop("unique", False):
        raise _unusable(f"{name}: unique cannot be held here; a primaryKey can")
    kind = _kind(field, name, known)
    form = field.get("format", "default")
    if form not in ("default", "any"):
        if field.get("type", "string") != "string":
            raise _unusable(f"{name}: format {form!r} cannot be held: values have their types here")
        rules["format"] = form
    rules = constraints.spelled(rules)
    wrong = constraints.check(kind, rules)
    if wrong:
        raise _unusable(f"{name}: {wrong}")
    return pa.field(name, kind, nullable=not required), rules


def _field(given: object, number: int) -> Mapping[str, object]:
    """What is stated of a field, its words known and of the right kind."""
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise _unusable(f"field {number} has no name")
    field = cast("Mapping[str, object]", given)
    name = str(field["name"])
    if not name.strip() or not name.isprintable():
        raise _unusable(f"field {number} has the name {name!r}, which no column can have")
    if name.lower() in RESERVED_COLUMNS:
        raise _unusable(f"{name} is stamped on each row here, and no column of a plugin")
    unknown = sorted(set(field) - _FIELD_WORDS)
    if unknown:
        raise _unusable(f"{name}: {', '.join(unknown)} is not known here")
    for word in ("type", "format", "arrowType"):
        if not isinstance(field.get(word, ""), str):
            raise _unusable(f"{name}: its {word} is no text")
    return field


def _check_rest(whole: Mapping[str, object]) -> None:
    """Refuse what is stated of the whole and could not be held."""
    for word in ("uniqueKeys", "foreignKeys"):
        if whole.get(word):
            raise _unusable(f"{word} cannot be held here; a primaryKey can")
    if whole.get("missingValues", [""]) not in ([""], []):
        raise _unusable("missingValues cannot be held here: a draft says what is missing")
    unknown = sorted(str(word) for word in set(whole) - _WORDS)
    if unknown:
        raise _unusable(f"{', '.join(unknown)} is not known here")


def _kind(field: Mapping[str, object], name: str, known: pa.Schema | None) -> pa.DataType:
    arrow = field.get("arrowType")
    if arrow is None:
        word = field.get("type", "string")
        if word not in _ARROW:
            raise _unusable(f"{name}: type {word!r} is not one of {', '.join(sorted(_ARROW))}")
        return _ARROW[str(word)]
    if field.get("type", "any") not in ("any", _type(str(arrow))):
        raise _unusable(
            f"{name}: type {field['type']!r} and arrowType {arrow!r} contradict each other; take"
            " arrowType out to change the type"
        )
    if known is not None and name in known.names and str(known.field(name).type) == arrow:
        return known.field(name).type
    if arrow in _PLAIN:
        return _PLAIN[str(arrow)]
    zoned = re.fullmatch(r"timestamp\[(s|ms|us|ns), tz=([A-Za-z0-9_+:/-]{1,64})\]", str(arrow))
    exact = re.fullmatch(r"decimal128\((\d{1,2}), (\d{1,2})\)", str(arrow))
    if zoned and _is_zone(zoned[2]):
        return pa.timestamp(zoned[1], zoned[2])
    if exact and 0 < int(exact[1]) <= 38 and int(exact[2]) <= int(exact[1]):
        return pa.decimal128(int(exact[1]), int(exact[2]))
    raise _unusable(f"{name}: arrowType {arrow!r} is not known")


def _is_zone(name: str) -> bool:
    """Whether Arrow knows a time zone."""
    try:
        pc.assume_timezone(pa.array([0], pa.timestamp("s")), name)
    except pa.ArrowInvalid:
        return False
    return True


def _key(stated: object, names: list[str]) -> list[str]:
    key = stated if isinstance(stated, list) else [stated] if stated else []
    parts = [str(one) for one in cast("list[object]", key)]
    if not set(parts) <= set(names) or len(set(parts)) < len(parts):
        raise _unusable(f"its primaryKey {stated!r} names what is no field, or one twice")
    return parts


def _unusable(why: str) -> ConfigError:
    return ConfigError(
        f"this Table Schema cannot be the contract: {why}",
        hint="`casparian contract TOPIC --to FILE` writes one that can; change that.",
    )

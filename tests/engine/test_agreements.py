"""What a topic's next contract is, and what rows are held to."""

from __future__ import annotations

import json
from typing import cast

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casparian_flow.errors import ConfigError, PluginError
from engine import constraints, table_schemas
from engine.agreements import Policy, Settled, Standing, settle
from engine.contracts import Holder, schema_in, terms_of
from gatekeeper.canonical import canonical_json

AGREED = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
ALL = tuple(AGREED.names)


def standing(
    policy: Policy = Policy.ASK, *, given: tuple[str, ...] = ALL, sharers: tuple[str, ...] = ()
) -> Standing:
    return Standing(3, terms_of(AGREED), policy, given, sharers)


def columns(settled: Settled) -> list[str]:
    return [f"{one.name}: {one.type}" for one in schema_in(settled.terms)]


def with_type(kind: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field("id", kind), pa.field("name", pa.string())])


MORE = AGREED.append(pa.field("more", pa.bool_()))
FEWER = pa.schema([AGREED.field("id")])
WIDER = with_type(pa.decimal128(22, 2))
OTHER = with_type(pa.string())


def test_the_first_contract_is_what_the_plugin_gives() -> None:
    settled = settle(AGREED, None)

    assert (settled.terms["number"], settled.terms["change"]) == (1, "first")
    assert columns(settled) == ["id: int64", "name: string"]


def test_the_same_columns_in_another_order_are_the_same_contract() -> None:
    settled = settle(pa.schema([AGREED.field("name"), AGREED.field("id")]), standing())

    assert (settled.terms["number"], settled.terms["change"]) == (3, "none")
    assert columns(settled) == ["id: int64", "name: string"]


@pytest.mark.parametrize(
    ("proposed", "policy", "number", "kept"),
    [
        (MORE, Policy.ASK, 4, ["id: int64", "name: string", "more: bool"]),
        (MORE, Policy.EVOLVE, 4, ["id: int64", "name: string", "more: bool"]),
        (MORE, Policy.DISCARD, 3, ["id: int64", "name: string"]),
        (WIDER, Policy.ASK, 4, ["id: decimal128(22, 2)", "name: string"]),
        (WIDER, Policy.DISCARD, 3, ["id: int64", "name: string"]),
        (FEWER, Policy.EVOLVE, 4, ["id: int64"]),
        (FEWER, Policy.DISCARD, 3, ["id: int64", "name: string"]),
        (OTHER, Policy.EVOLVE, 4, ["id: string", "name: string"]),
        (OTHER, Policy.DISCARD, 3, ["id: int64", "name: string"]),
    ],
)
def test_a_policy_says_what_becomes_of_other_columns(
    proposed: pa.Schema, policy: Policy, number: int, kept: list[str]
) -> None:
    settled = settle(proposed, standing(policy))

    assert (settled.terms["number"], columns(settled)) == (number, kept)
    assert not settled.refused


@pytest.mark.parametrize("proposed", [MORE, WIDER, FEWER, OTHER])
def test_a_frozen_contract_takes_nothing_else(proposed: pa.Schema) -> None:
    assert settle(proposed, standing(Policy.FREEZE)).refused
    assert not settle(AGREED, standing(Policy.FREEZE)).refused


@pytest.mark.parametrize("proposed", [FEWER, OTHER])
def test_what_is_not_growth_is_for_a_person_to_decide(proposed: pa.Schema) -> None:
    assert settle(proposed, standing()).decided
    assert not settle(MORE, standing()).decided
    assert not settle(WIDER, standing()).decided


def test_a_topic_that_others_feed_only_grows() -> None:
    others = ("other@1",)

    assert settle(OTHER, standing(sharers=others)).refused
    assert not settle(MORE, standing(sharers=others)).refused
    fewer = settle(FEWER, standing(given=(), sharers=others))
    assert (fewer.refused, fewer.decided, fewer.terms["absent"]) == ([], [], ["name"])
    assert fewer.terms["change"] == "none"


def test_a_column_that_must_be_there_cannot_be_left_out() -> None:
    required = pa.schema([AGREED.field("id"), pa.field("name", pa.string(), nullable=False)])

    settled = settle(FEWER, Standing(1, terms_of(required)))

    assert settled.refused == ["name is missing, and the contract wants it in every row"]


def test_what_a_person_stated_is_held_and_not_widened() -> None:
    stated = terms_of(AGREED, {"id": {"minimum": 1}}, key=["id"], stated=ALL)

    settled = settle(OTHER, Standing(1, stated))

    assert settled.terms["columns"] == stated["columns"]
    assert settled.terms["key"] == ["id"]
    assert settled.terms["number"] == 1
    grown = cast("list[object]", settle(MORE, Standing(1, stated)).terms["columns"])
    assert grown[:2] == stated["columns"]
    assert columns(settle(OTHER, Standing(1, stated, Policy.EVOLVE)))[0] == "id: string"


KINDS = st.sampled_from([pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.null()])
SCHEMAS = st.dictionaries(st.sampled_from("abcde"), KINDS, min_size=1).map(
    lambda columns: pa.schema(list(columns.items()))
)


@given(before=SCHEMAS, after=SCHEMAS, policy=st.sampled_from(Policy))
def test_settling_again_changes_nothing(
    before: pa.Schema, after: pa.Schema, policy: Policy
) -> None:
    once = settle(after, Standing(1, terms_of(before), policy, before.names))
    if once.refused:
        return
    shared = {word: once.terms[word] for word in ("columns", "arrow", "key") if word in once.terms}
    number = int(str(once.terms["number"]))
    absent = cast("list[str]", once.terms.get("absent", []))
    given = [name for name in schema_in(shared).names if name not in absent]

    twice = settle(after, Standing(number, shared, policy, given))

    assert twice.terms["columns"] == once.terms["columns"]
    assert (twice.terms["number"], twice.terms["change"]) == (number, "none")
    assert not twice.decided
    assert not twice.refused


def rows(**columns: list[object]) -> pa.RecordBatch:
    return pa.record_batch(columns)


def test_rows_that_break_what_was_stated_are_set_aside_with_the_rule() -> None:
    schema = pa.schema(
        [("id", pa.string()), ("mail", pa.string()), ("n", pa.int64()), ("on", pa.date32())]
    )
    rules = {
        "id": {"pattern": "[A-Z]{2}"},
        "mail": {"format": "email"},
        "n": {"minimum": 1, "maximum": 9, "enum": [1, 5, 10]},
        "on": {"minimum": "2020-01-01"},
    }
    assert all(
        constraints.check(schema.field(name).type, one) is None for name, one in rules.items()
    )
    holder = Holder("t", terms_of(schema, rules))
    batch = pa.record_batch(
        [
            pa.array(["AB", "ABC", "AB", "AB", "AB", None]),
            pa.array(["a@b.c", "a@b.c", "a b@c.d", "a@b.c", "a@b.c", None]),
            pa.array([1, 1, 1, 10, 1, None]),
            pa.array(["2020-01-01"] * 4 + ["2019-12-31", None]).cast(pa.date32()),
        ],
        schema=schema,
    )

    kept, aside = holder.fit(batch)

    assert kept["id"].to_pylist() == ["AB", None]
    assert [(one.column, one.code) for one in aside] == [
        ("id", "CONTRACT_VALUE"),
        ("mail", "CONTRACT_VALUE"),
        ("n", "CONTRACT_VALUE"),
        ("on", "CONTRACT_VALUE"),
    ]
    assert "maximum 9" in aside[2].reason


def test_a_key_names_one_row_of_a_file_over_all_its_batches() -> None:
    holder = Holder("t", terms_of(AGREED, key=["id", "name"]))

    first, aside = holder.fit(rows(id=[1, 1, 1, None], name=["a", "b", "a", "a"]))
    second, more = holder.fit(rows(id=[2, 1], name=["a", "b"]))

    assert first.num_rows == 2
    assert [one.code for one in aside] == ["CONTRACT_KEY", "CONTRACT_NULL"]
    assert "id=1, name='a'" in aside[0].reason
    assert second.to_pylist() == [{"id": 2, "name": "a"}]
    assert [one.code for one in more] == ["CONTRACT_KEY"]
    assert Holder("t", terms_of(AGREED, key=["id"])).fit(rows(id=[1], name=["a"]))[1] == []


def test_columns_that_no_sample_showed_fail_the_file_or_are_dropped() -> None:
    surprise = rows(id=[1], name=["a"], new=[True])
    with pytest.raises(PluginError, match="'new' is not in it"):
        Holder("t", settle(AGREED, standing()).terms).fit(surprise)

    holder = Holder("t", settle(AGREED, standing(Policy.DISCARD)).terms)

    assert holder.fit(surprise)[0].to_pylist() == [{"id": 1, "name": "a"}]
    assert holder.dropped == {"new"}


def test_an_absent_column_is_null() -> None:
    terms = settle(FEWER, standing(given=())).terms

    assert Holder("t", terms).fit(rows(id=[1]))[0].to_pylist() == [{"id": 1, "name": None}]


EVERY_KIND = pa.schema(
    [
        pa.field("a", pa.int64(), nullable=False),
        pa.field("b", pa.decimal128(10, 2)),
        pa.field("c", pa.timestamp("us", "Europe/Berlin")),
        pa.field("d", pa.date32()),
        pa.field("e", pa.list_(pa.string())),
        pa.field("f", pa.bool_()),
        pa.field("g", pa.string()),
    ]
)


def test_a_table_schema_goes_out_and_comes_back() -> None:
    rules = {"a": {"minimum": 0}, "g": {"format": "uuid", "maxLength": 36}}
    terms = terms_of(EVERY_KIND, rules, key=["a"], stated=EVERY_KIND.names)
    document = json.loads(json.dumps(table_schemas.exported("t", 2, terms)))

    assert document["primaryKey"] == ["a"]
    assert document["fields"][6]["format"] == "uuid"
    assert table_schemas.imported(document, EVERY_KIND) == terms


@pytest.mark.parametrize("kind", ["number", "integer"])
def test_fractions_that_are_stated_are_held_and_come_back(kind: str) -> None:
    stated = {"minimum": 0.5, "enum": [0.75, 2, 0.1]}
    rules = stated if kind == "number" else {"minimum": 2}
    document = {"fields": [{"name": "n", "type": kind, "constraints": rules}]}

    terms = table_schemas.imported(document)
    canonical_json(terms)  # what a digest is taken over

    fitting, aside = Holder("t", terms).fit(
        rows(n=[0.1, 0.75, 2.0] if kind == "number" else [1, 2])
    )
    assert fitting.to_pylist() == ([{"n": 0.75}, {"n": 2.0}] if kind == "number" else [{"n": 2}])
    assert len(aside) == 1
    again = table_schemas.exported("t", 1, terms)["fields"]
    assert again[0]["constraints"] == {"required": False, **rules}  # type: ignore[index]


def test_bounds_of_a_number_go_when_it_becomes_text_and_that_is_said() -> None:
    before = pa.schema([("n", pa.int64())])
    terms = terms_of(before, {"n": {"maximum": 1000}})

    settled = settle(pa.schema([("n", pa.string())]), Standing(1, terms, Policy.EVOLVE))

    assert "what was stated of n goes: maximum 1000" in settled.decided
    fitting, aside = Holder("t", settled.terms).fit(rows(n=["5"]))
    assert (fitting.num_rows, aside) == (1, [])


def test_a_value_that_python_has_not_is_set_aside_all_the_same() -> None:
    terms = terms_of(pa.schema([("at", pa.timestamp("ns")), ("n", pa.int64())]))
    batch = pa.record_batch({"at": pa.array([1, 2], pa.timestamp("ns")), "n": ["x", "2"]})

    fitting, [aside] = Holder("t", terms).fit(batch)

    assert fitting.num_rows == 1
    assert "1970-01-01 00:00:00.000000001" in aside.raw


def test_types_of_other_tools_are_taken() -> None:
    fields = [
        {"name": "a"},
        {"name": "b", "type": "integer", "constraints": {"required": True}},
        {"name": "c", "type": "datetime", "format": "default"},
    ]

    terms = table_schemas.imported({"fields": fields})

    assert schema_in(terms) == pa.schema(
        [("a", pa.string()), pa.field("b", pa.int64(), nullable=False), ("c", pa.timestamp("us"))]
    )


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "no list"),
        ({"fields": []}, "no list"),
        ({"fields": [{"type": "string"}]}, "field 1 has no name"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "comes twice"),
        ({"fields": [{"name": "a", "type": "geopoint"}]}, "type 'geopoint'"),
        ({"fields": [{"name": "a", "arrowType": "money"}]}, "arrowType 'money'"),
        ({"fields": [{"name": "a", "rdfType": "x"}]}, "rdfType is not known"),
        ({"fields": [{"name": "a", "constraints": {"unique": True}}]}, "primaryKey can"),
        ({"fields": [{"name": "a", "constraints": {"jsonSchema": {}}}]}, "jsonSchema is not one"),
        ({"fields": [{"name": "a", "constraints": {"pattern": "("}}]}, "not a regular"),
        ({"fields": [{"name": "a", "constraints": {"pattern": "a)|(?:b"}}]}, "not a regular"),
        ({"fields": [{"name": "a", "constraints": {"pattern": None}}]}, "not a regular"),
        ({"fields": [{"name": "a", "constraints": {"minLength": 3.7}}]}, "not a whole number"),
        ({"fields": [{"name": "a", "constraints": {"minimum": 3}}]}, "string is text"),
        ({"fields": [{"name": "a", "constraints": {"required": "true"}}]}, "true or false"),
        ({"fields": [{"name": "a"}, {"name": "A"}]}, "capitals aside"),
        ({"fields": [{"name": "_row"}]}, "stamped on each row"),
        ({"fields": [{"name": ""}]}, "no column can have"),
        ({"fields": [{"name": "a\0b"}]}, "no column can have"),
        ({"fields": [{"name": "a\ud800"}]}, "no column can have"),
        ({"fields": [{"name": "a", "type": ["string"]}]}, "type is no text"),
        ({"fields": [{"name": "a", "type": "date", "format": "%d.%m.%Y"}]}, "cannot be held"),
        ({"fields": [{"name": "a", "arrowType": "decimal128(5, 99)"}]}, "not known"),
        ({"fields": [{"name": "a", "arrowType": "timestamp[us, tz=Mars/Olympus]"}]}, "not known"),
        ({"fields": [{"name": "a"}], "primaryKey": ["a", "a"]}, "one twice"),
        ({"fields": [{"name": "a"}], "missingValues": ["-"]}, "missingValues cannot"),
        ({"fields": [{"name": "a"}], "rowsBefore": 3}, "rowsBefore is not known"),
        ({"fields": [{"name": "a", "constraints": {"minimum": "x"}, "type": "integer"}]}, "cannot"),
        ({"fields": [{"name": "a", "type": "string", "format": "phone"}]}, "format 'phone'"),
        ({"fields": [{"name": "a"}], "primaryKey": "b"}, "names what is no field"),
        ({"fields": [{"name": "a"}], "foreignKeys": [{}]}, "foreignKeys cannot"),
    ],
)
def test_what_could_not_be_held_is_refused_by_name(document: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why.replace("(", r"\(")):
        table_schemas.imported(document)

"""Settle what a topic's next contract is, from what a plugin gives and what was agreed before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

from engine import constraints
from engine.casting import widens
from engine.contracts import Terms, key_in, rules_in, schema_in, stated_in, terms_of


class Policy(StrEnum):
    """What becomes of a plugin's columns that are not the contract's; a topic has one."""

    ASK = "ask"
    """Columns may come and types widen; anything else is for a person to decide."""
    EVOLVE = "evolve"
    """The contract becomes what the plugin gives."""
    FREEZE = "freeze"
    """The contract stays; a plugin that gives anything else is not published."""
    DISCARD = "discard"
    """The contract stays; other columns are dropped, other types cast or set aside."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest contract of a topic."""

    number: int
    terms: Terms
    policy: Policy = Policy.ASK
    given: Collection[str] = ()
    """Columns that the version in force of the same plugin gives; none if it is the first."""
    sharers: Collection[str] = ()
    """Other plugins in force that feed the topic: they are held to the same contract."""


@dataclass
class Settled:
    """What is proposed to a person."""

    terms: Terms
    grown: list[str] = field(default_factory=list[str])
    """Columns that come and types that widen: every row so far keeps the new contract too."""
    decided: list[str] = field(default_factory=list[str])
    """Every other change."""
    left_out: list[str] = field(default_factory=list[str])
    """What the plugin gives and the contract does not hold, or the other way round."""
    refused: list[str] = field(default_factory=list[str])
    """Why it cannot be; then nothing is proposed."""


def settle(proposed: pa.Schema, standing: Standing | None) -> Settled:
    """The terms that a plugin version giving `proposed` would be held to.

    What a person stated about a column stays, and so does whether a value may be missing. Columns
    keep their order, new ones follow.
    """
    if standing is None:
        return Settled({**terms_of(proposed), "number": 1, "change": "first"})
    settled = Settled({})
    stated = stated_in(standing.terms) if standing.policy is not Policy.EVOLVE else set[str]()
    agreed = schema_in(standing.terms)
    fields: list[pa.Field] = []
    absent: list[str] = []
    for one in agreed:
        if one.name in proposed.names:
            given = proposed.field(one.name)
            if one.name in stated or standing.policy is Policy.DISCARD:
                is_frozen = standing.policy is Policy.FREEZE
                fields.append(_held(one, given, settled, is_frozen=is_frozen))
            else:
                fields.append(_both(one, given, standing, settled))
        elif _stays(one, standing, settled):
            fields.append(one)
            absent.append(one.name)
    extra = [one for one in proposed if one.name not in agreed.names]
    known = {name.lower(): name for name in agreed.names}
    settled.refused += [
        f"{one.name} is {known[one.name.lower()]} in other capitals, which SQL does not tell apart"
        for one in extra
        if one.name.lower() in known
    ]
    if standing.policy is Policy.DISCARD:
        settled.left_out += [f"{one.name} is dropped" for one in extra]
    else:
        fields += extra
        settled.grown += [f"{one.name}: {one.type} is added" for one in extra]
    if standing.policy is Policy.FREEZE:
        settled.refused += [f"the contract is frozen: {w}" for w in settled.grown + settled.decided]
    dropped = [one.name for one in extra] if standing.policy is Policy.DISCARD else []
    settled.terms = _terms(fields, standing, settled, absent=absent, dropped=dropped)
    return settled


def _held(agreed: pa.Field, given: pa.Field, settled: Settled, *, is_frozen: bool) -> pa.Field:
    """The column as it is agreed: values are cast, and set aside where that cannot be."""
    if given.type != agreed.type and not pa.types.is_null(given.type):
        told = f"{agreed.name} is held to {agreed.type}, not {given.type}"
        (settled.refused if is_frozen else settled.left_out).append(told)
    return agreed


def _both(agreed: pa.Field, given: pa.Field, standing: Standing, settled: Settled) -> pa.Field:
    """The column where contract and plugin both have it."""
    takes_any = standing.policy is Policy.FREEZE and pa.types.is_null(agreed.type)
    if takes_any or widens(given.type, agreed.type):
        return agreed
    if widens(agreed.type, given.type):
        settled.grown.append(f"{agreed.name}: {agreed.type} becomes {given.type}")
        return given.with_nullable(agreed.nullable)
    return _other(agreed, given, standing, settled)


def _other(agreed: pa.Field, given: pa.Field, standing: Standing, settled: Settled) -> pa.Field:
    """The column where no type holds the values of both."""
    change = f"{agreed.name}: {agreed.type} becomes {given.type}, which does not hold the same"
    settled.decided.append(change)
    if standing.sharers:
        settled.refused.append(f"{change}; {', '.join(standing.sharers)} gives {agreed.type}")
    return given.with_nullable(agreed.nullable)


def _stays(agreed: pa.Field, standing: Standing, settled: Settled) -> bool:
    """Whether a column that the plugin does not give is still the contract's, null in its rows."""
    was_given = agreed.name in standing.given
    is_kept = bool(standing.sharers) or not was_given or standing.policy is Policy.DISCARD
    if is_kept and not agreed.nullable:
        settled.refused.append(f"{agreed.name} is missing, and the contract wants it in every row")
    elif is_kept:
        settled.left_out.append(f"{agreed.name} is not given and stays empty")
    if was_given and standing.policy is not Policy.DISCARD:
        settled.decided.append(f"{agreed.name} is no longer given")
    return is_kept


def _terms(
    fields: list[pa.Field],
    standing: Standing,
    settled: Settled,
    *,
    absent: list[str],
    dropped: list[str],
) -> Terms:
    """A plugin version's copy of the contract: see `engine.contracts.Terms`."""
    schema, key = pa.schema(fields), key_in(standing.terms)
    rules = {
        name: stated
        for name, stated in rules_in(standing.terms).items()
        if name in schema.names and constraints.check(schema.field(name).type, stated) is None
    }
    for name, stated in rules_in(standing.terms).items():
        if stated and name in schema.names and name not in rules:
            settled.decided.append(f"what was stated of {name} goes: {constraints.told(stated)}")
    if not set(key) <= set(schema.names):
        settled.decided.append(f"the key {', '.join(key)} goes")
        key = []
    stated = stated_in(standing.terms) & set(schema.names)
    terms = terms_of(schema, rules, key, stated)
    is_same = all(terms.get(word) == standing.terms.get(word) for word in ("columns", "key"))
    change = "none" if is_same else "decided" if settled.decided else "grown"
    terms |= {"number": standing.number + (not is_same), "change": change}
    if absent:
        terms["absent"] = absent
    if dropped:
        terms["discarded"] = dropped
    if standing.policy is Policy.DISCARD:
        terms["unknown"] = "discard"
    return terms

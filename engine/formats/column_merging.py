"""Make one column of what many files show of it: what a file excludes, no file can have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from casparian_flow.reading import moments
from casparian_flow.reading.kinds import NUMBER_FORMS
from engine.formats.elimination import NULL_SPELLINGS, decide
from engine.formats.interface import ColumnProfile

_FEW = 0.2
_MARKED = ("thousands comma", "thousands space", "thousands apostrophe")
"""Ways to write numbers that those with a decimal point are written in, too, if they are small."""


def merged_column(name: str, found: Sequence[tuple[str, ColumnProfile]]) -> ColumnProfile:
    """A column that every file allows; where they exclude each other, that is said."""
    filled = [(file, one) for file, one in found if _has_values(one)]
    if not filled:
        return replace(found[0][1], name=name)
    filled, odd = _without_odd(filled)
    # What is certain comes first, so that the order of files decides nothing.
    (first_file, whole), *others = sorted(filled, key=_certainty)
    for file, one in others:
        whole, conflict = _both(whole, one)
        if conflict is not None:
            why = _switch(filled, first_file, file, conflict)
            forms = [one for one in conflict if re.search("%[a-zA-Z]", one) or one in NUMBER_FORMS]
            return replace(
                whole, name=name, type="string", candidates=forms, ambiguity=why,
                null_words=[], unit=None, nulls=sum(c.nulls for _, c in found),
            )  # fmt: skip
    examples = list(dict.fromkeys(text for _, one in filled for text in one.examples))[:3]
    words = {text for _, one in found if not _has_values(one) for text in one.examples if text}
    is_typed = whole.type not in ("string", "json")
    return replace(
        whole,
        name=name,
        examples=examples,
        null_words=sorted({*whole.null_words, *words}) if is_typed else whole.null_words,
        nulls=sum(one.nulls for _, one in found),
        ambiguity=odd or whole.ambiguity,
    )


def _certainty(found: tuple[str, ColumnProfile]) -> tuple[object, ...]:
    _, one = found
    is_open = one.type == "string" and bool(one.candidates)
    is_text = one.type == "string" and not one.candidates
    forms = [form for form in one.candidates if form in _MARKED or form == "decimal comma"]
    return (
        is_text,
        is_open,
        bool(one.unit),
        not forms,
        one.type != "double",
        one.type,
        *one.candidates,
    )


_Found = list[tuple[str, ColumnProfile]]


def _without_odd(filled: _Found) -> tuple[_Found, str | None]:
    """Leave out the few files in which a column is text that is typed in nearly all the others.

    What does not fit there is set aside when they are read. Where more than a fifth of the files
    hold text it is text; either is said, with a file and a value.
    """
    plain = [(file, one) for file, one in filled if one.type == "string" and not one.candidates]
    typed = [(file, one) for file, one in filled if one.type not in ("string", "json")]
    if not plain or not typed:
        return filled, None
    file, one = plain[0]
    odd = next((t for t in one.examples if decide([t]).type == "string"), None)
    kind = typed[0][1].type
    where = f"{odd!r} in {file}" if odd is not None else f"{file}, where most are"
    whole = len(typed) + len(plain)
    told = f"{kind} in {len(typed):,} of {whole:,} files, in the others not all (such as {where})"
    if len(plain) <= _FEW * len(filled):
        kept = [pair for pair in filled if pair not in plain]
        return kept, f"{told}: records with values that are none are set aside"
    return filled, f"{told}; kept as text"


def _has_values(column: ColumnProfile) -> bool:
    return any(text not in NULL_SPELLINGS for text in column.examples)


def _switch(
    filled: Sequence[tuple[str, ColumnProfile]], first: str, now: str, rivals: Sequence[str]
) -> str:
    """What is told of files that exclude each other's format: where it switches."""
    proofs: dict[str, tuple[str, str]] = {}
    last: dict[str, str] = {}
    count: Counter[str] = Counter()
    for file, column in filled:
        if column.candidates and column.type in ("date", "timestamp", "double", "int64"):
            form = column.candidates[0]
            count[form] += 1
            last[form] = file
            proofs.setdefault(form, (file, _proof(column, [one for one in rivals if one != form])))
    told = [
        f"{form} in {count[form]:,} files (the first {file}{f', {text!r}' if text else ''},"
        f" the last {last[form]})"
        for form, (file, text) in proofs.items()
    ]
    if len(told) < 2:
        return f"{first} and {now} exclude each other's type; kept as text"
    return f"files exclude each other's format: {'; '.join(told)}; kept as text"


def _proof(column: ColumnProfile, rivals: Sequence[str]) -> str:
    """A value that no rival format can be, if the examples hold one."""
    texts = [t for t in column.examples if not any("%" in r and moments.fits(t, r) for r in rivals)]
    return texts[0] if texts else (column.examples[0] if column.examples else "")


_Both = tuple[ColumnProfile, Sequence[str] | None]


def _both(one: ColumnProfile, other: ColumnProfile) -> _Both:  # noqa: PLR0911 - each settles one pair of kinds
    """What both allow; or the formats of which each excludes the other's."""
    words = sorted({*one.null_words, *other.null_words})
    if one.unit != other.unit and one.type != "string" and other.type != "string":
        return one, (f"in {one.unit or 'no unit'}", f"in {other.unit or 'no unit'}")
    if one.type == other.type and one.candidates == other.candidates:
        return replace(one, null_words=words, meaning=_same(one.meaning, other.meaning)), None
    if one.candidates and other.candidates:
        shared = [form for form in one.candidates if form in other.candidates]
        if shared:
            return _narrowed(one, other, shared, words), None
        if _are_moments(one) and _are_moments(other):
            return one, (*one.candidates[:1], *other.candidates[:1])
    numbers = _both_numbers(one, other, words)
    if numbers is not None:
        return numbers
    truth = _as_truth(one, other, words) or _as_truth(other, one, words)
    if truth is not None:
        return truth, None
    if "string" not in (one.type, other.type):
        return one, (one.type, other.type)
    return _with_text(one, other)


def _as_truth(pair: ColumnProfile, single: ColumnProfile, words: list[str]) -> ColumnProfile | None:
    """What a column of two words and one that has only one of them are; None for anything else."""
    if pair.type != "bool":
        return None
    if single.type == "int64" and pair.candidates == ["0/1"]:
        return replace(single, null_words=words)
    is_one = set(single.examples) <= set(pair.candidates[0].split("/"))
    return replace(pair, null_words=words) if single.type == "string" and is_one else None


def _with_text(one: ColumnProfile, other: ColumnProfile) -> _Both:
    """What a column of text and another are."""
    text, rest = (other, one) if other.type == "string" else (one, other)
    if text.candidates and rest.type != "string":  # open between forms of which it has none
        return one, (*rest.candidates[:1], *text.candidates)
    open_one = next((c for c in (one, other) if c.type == "string" and c.candidates), None)
    why = None
    if open_one is not None:
        evidence = re.sub("; (?:no value|kept as text).*", "", open_one.ambiguity or "")
        why = f"{evidence}; others are plain text; kept as text"
    return replace(text, candidates=[], ambiguity=why, null_words=[]), None


def _same(one: str | None, other: str | None) -> str | None:
    return one if one == other else None


def _narrowed(
    one: ColumnProfile, other: ColumnProfile, shared: list[str], words: list[str]
) -> ColumnProfile:
    """The formats that neither excludes; decided once there is one."""
    if len(shared) > 1:
        return replace(one, candidates=shared, null_words=words)
    decided = next((c for c in (one, other) if c.type != "string" and c.candidates), None)
    if decided is not None:
        return replace(decided, candidates=shared, ambiguity=None, null_words=words)
    kind = "double"
    if "%" in shared[0]:
        kind = "timestamp" if re.search("%[HI]", shared[0]) else "date"
    return replace(one, type=kind, candidates=shared, ambiguity=None, null_words=words)


def _are_moments(column: ColumnProfile) -> bool:
    return bool(column.candidates) and all(
        "%" in form or form.startswith("iso") for form in column.candidates
    )


def _both_numbers(one: ColumnProfile, other: ColumnProfile, words: list[str]) -> _Both | None:
    """The wider kind in the form that both allow; None if one of them holds no numbers.

    Digits alone are of any form, and numbers with a point of those that only mark thousands.
    """
    for column, open_one in ((one, other), (other, one)):
        is_open = len(open_one.candidates) > 1 and NUMBER_FORMS.keys() >= set(open_one.candidates)
        if is_open and column.type == "int64" and not _form(column):
            return replace(open_one, null_words=words), None
        if is_open and column.type == "double" and _form(column) == "point":
            left = [form for form in open_one.candidates if form in _MARKED]
            if len(left) != 1:
                return one, ("point", *open_one.candidates)
            return replace(column, candidates=left, ambiguity=None, null_words=words), None
    kinds = {one.type, other.type}
    if not kinds <= {"int64", "double"}:
        return None
    forms = {_form(one): one, _form(other): other}
    left = [form for form in forms if form] or [""]
    if len(left) == 2 and "point" in left and not set(_MARKED).isdisjoint(left):
        left.remove("point")
    if len(left) > 1:
        return one, left
    kind = "double" if "double" in kinds else "int64"
    return replace(
        forms[left[0]], type=kind, candidates=[one for one in left if one], null_words=words,
        ambiguity=None,
    ), None  # fmt: skip


def _form(column: ColumnProfile) -> str:
    """How a column's numbers are written; nothing where they are digits alone."""
    plain = "point" if column.type == "double" else ""
    return next((form for form in column.candidates if form in NUMBER_FORMS), plain)

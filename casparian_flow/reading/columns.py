"""Give text its types; records with a value that does not fit are set aside, never dropped.

A plugin says what its columns are as a table of plain values:

COLUMNS = {
    "order_id": ("integer",),
    "day": ("date", "%d/%m/%Y"),
    "amount": ("number", "decimal comma", "EUR"),
}
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from casparian_flow.errors import PluginError
from casparian_flow.reading.blocks import Block, Fault
from casparian_flow.reading.kinds import KINDS, convert
from casparian_flow.reading.lines import OtherEncoding
from casparian_flow.reading.sources import DAMAGES
from casparian_flow.sdk import BasePlugin

_Piece = TypeVar("_Piece")
Spec = Sequence[str | None]
"""Kind, how it is written, unit; see `kinds`."""


_MOST_NAMES, _MOST_NAME_CHARS = 60, 60
"""Of a header, in what is said of it."""
MISSING = ("", "NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "nil", "\\N", "#N/A")
"""How a missing value is usually written where a number, a date or a time should stand."""


def typed(  # noqa: PLR0913 - each is a property of the files, named where it is drafted
    blocks: Iterable[Block],
    columns: Mapping[str, Spec],
    plugin: BasePlugin,
    *,
    missing: Sequence[str] = MISSING,
    optional: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    other: str | None = None,
    blank: bool = True,
    member: str | None = None,
    topic: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of blocks in `columns` and their types, with `_line` last.

    Args:
        blocks: What a reader yields.
        columns: Column → kind and how it is written.
        plugin: Takes the records that do not fit, with reason and place.
        missing: Spellings of a missing value in columns that are not text, instead of the usual.
        optional: Columns that a source may lack; their values are then null.
        renamed: A source's name → the column it is read into.
        other: A column for fields that none takes, as JSON; without it, a record that has such a
            field is set aside.
        blank: Whether an empty text is a missing value too.
        member: The archive member that is read: adds a column `_member`.
        topic: Whose quarantine takes them, where the plugin has several topics.

    Raises:
        PluginError: a source lacks a column that is not optional, or has one that is not named; a
            member of an archive is set aside whole instead, and from where it is damaged on.
    """
    words = pa.array(list(missing), pa.string())
    for number, block in enumerate(_undamaged(blocks, plugin, member, topic)):
        try:
            texts, unknown = _named(block, columns, optional, renamed or {}, other)
        except PluginError as error:
            if member is None or number:
                raise
            _set_member_aside(plugin, "OTHER_HEADER", member, error.message, topic)
            return
        values, wrong = _converted(texts, columns, words, blank=blank)
        if other is None and unknown:
            wrong |= {name: pc.is_valid(block.columns[name]) for name in unknown}
        elif other is not None:
            values[other] = _as_json(block, unknown)
        for fault in block.faults:
            _set_aside(plugin, fault, member, topic)
        read = block.rows + len(block.faults) + sum(block.skipped.values())
        plugin.account(read=read, skipped=block.skipped)
        batch = _batch(block, values, member)
        bad = _any(wrong.values())
        if bad is not None:
            misfits = _Misfits(texts, wrong, columns)
            for fault in _faults(block, misfits, bad):
                _set_aside(plugin, fault, member, topic)
            batch = batch.filter(pc.invert(bad))
        yield batch


def counted(
    batches: Iterable[pa.RecordBatch], plugin: BasePlugin, *, member: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield batches that have their types already, accounted for.

    Args:
        batches: What a reader of a typed format yields.
        plugin: Keeps the account.
        member: The archive member that is read: adds a column `_member`.
    """
    for batch in _undamaged(batches, plugin, member, None):
        plugin.account(read=batch.num_rows)
        if member is None:
            yield batch
        else:
            yield batch.append_column("_member", _repeated(member, batch.num_rows))


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def _converted(
    texts: Mapping[str, pa.Array], columns: Mapping[str, Spec], words: pa.Array, *, blank: bool
) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """The columns in their types; and for columns where a value is none, in which rows."""
    values: dict[str, pa.Array] = {}
    wrong: dict[str, pa.Array] = {}
    for name, spec in columns.items():
        text = _without_missing(texts[name], spec, words, blank=blank)
        values[name] = value = convert(text, spec)
        if value.null_count != text.null_count:
            wrong[name] = pc.and_(pc.is_null(value), pc.is_valid(text))
    return values, wrong


def _without_missing(text: pa.Array, spec: Spec, words: pa.Array, *, blank: bool) -> pa.Array:
    """Null where a value is missing; in text a word such as NA is a value."""
    if spec[0] in ("text", "json"):
        is_missing = pc.equal(text, "") if blank else None
    else:
        is_missing = pc.is_in(pc.utf8_trim_whitespace(text), words)
    if is_missing is None or not pc.any(is_missing).as_py():
        return text
    return pc.if_else(is_missing, None, text)


def _named(
    block: Block,
    columns: Mapping[str, Spec],
    optional: Sequence[str],
    renamed: Mapping[str, str],
    other: str | None,
) -> tuple[dict[str, pa.Array], list[str]]:
    """The block's text by column, and the names that no column takes."""
    found: dict[str, pa.Array] = {}
    unknown: list[str] = []
    for source, text in block.columns.items():
        name = renamed.get(source, source)
        if name in columns and name not in found:
            found[name] = text
        else:
            unknown.append(source)
    lacking = [name for name in columns if name not in found]
    if block.has_all:
        needed = sorted(set(lacking) - set(optional))
        if needed or (unknown and other is None):
            raise _other_header(list(block.columns), columns, unknown, needed)
    for name in lacking:
        found[name] = pa.nulls(block.rows, pa.string())
    return found, unknown


def _as_json(block: Block, names: Sequence[str]) -> pa.Array:
    """What fields of each row no column took, as JSON; null where there are none."""
    if not names:
        return pa.nulls(block.rows, pa.string())
    rows = zip(*(block.columns[name].to_pylist() for name in names), strict=True)
    texts: list[str | None] = []
    for row in rows:
        filled = {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        texts.append(json.dumps(filled, ensure_ascii=False) if filled else None)
    return pa.array(texts, pa.string())


def _other_header(
    names: list[str], columns: Mapping[str, Spec], unknown: Sequence[str], lacking: Sequence[str]
) -> PluginError:
    changes = [f"new: {_short(name)!r}" for name in unknown]
    changes += [f"missing: {name!r}" for name in lacking]
    shown = [_short(name) for name in names[:_MOST_NAMES]]
    error = PluginError(
        f"the header names {shown}, this plugin reads {list(columns)[:_MOST_NAMES]}"
        f" ({', '.join(changes[:20])})",
        hint="If the file is right, draft again from files of both kinds: their columns are then"
        " optional or renamed.",
    )
    error.code = "HEADER_DRIFTED"
    return error


def _short(name: str) -> str:
    """A name that a hostile or broken header has, fit to be shown."""
    return name if len(name) <= _MOST_NAME_CHARS else f"{name[:_MOST_NAME_CHARS]}..."


def _any(masks: Iterable[pa.Array]) -> pa.Array | None:
    whole: pa.Array | None = None
    for mask in masks:
        whole = mask if whole is None else pc.or_(whole, mask)
    return whole


def _set_aside(plugin: BasePlugin, fault: Fault, member: str | None, topic: str | None) -> None:
    place = fault.place
    plugin.quarantine(
        place.raw, fault.reason, place.line,
        code=fault.code, column=fault.column, offset=place.offset, length=place.length,
        member=member, topic=topic,
    )  # fmt: skip


def _set_member_aside(
    plugin: BasePlugin, code: str, member: str, why: str, topic: str | None
) -> None:
    """One member of many has another header or is damaged: the others are read."""
    plugin.account(read=1)
    plugin.quarantine(member, why, code=code, member=member, topic=topic)


def _undamaged(
    pieces: Iterable[_Piece], plugin: BasePlugin, member: str | None, topic: str | None
) -> Iterator[_Piece]:
    """Yield up to where a member of an archive is damaged."""
    try:
        yield from pieces
    except DAMAGES as error:
        if member is None:
            raise
        why = f"the member cannot be read to its end: {error}"
        _set_member_aside(plugin, "MEMBER_DAMAGED", member, why, topic)
    except OtherEncoding as error:
        if member is None:
            raise
        _set_member_aside(plugin, error.code, member, error.message, topic)


class _Misfits(NamedTuple):
    """Why rows of a block do not fit."""

    texts: Mapping[str, pa.Array]
    wrong: Mapping[str, pa.Array]
    """Column, or a field that no column takes → which rows it makes misfits."""
    columns: Mapping[str, Spec]

    def told(self, name: str, row: int) -> str:
        """What is wrong with one value, for a person."""
        if name not in self.columns:
            return f"unknown field {name}"
        text = str(self.texts[name][row].as_py())[:80]
        return f"{name}: {text!r} is not {described(self.columns[name])}"


def _faults(block: Block, misfits: _Misfits, bad: pa.Array) -> Iterator[Fault]:
    by_row: dict[int, list[str]] = {row: [] for row in pc.indices_nonzero(bad).to_pylist()}
    for name, mask in misfits.wrong.items():
        for row in pc.indices_nonzero(mask).to_pylist():
            by_row[row].append(name)
    for row, names in by_row.items():
        code = "TYPE_MISMATCH" if names[0] in misfits.columns else "UNKNOWN_FIELD"
        reason = "; ".join(misfits.told(name, row) for name in names)
        yield Fault(block.place(row), code, reason, names[0])


def described(spec: Spec) -> str:
    """A column's kind in words: `a date written %d/%m/%Y`."""
    kind, form, unit = (*spec, None, None)[:3]
    words = KINDS[str(kind)]
    words += f" written {form}" if form else ""
    return words + (f" in {unit}" if unit else "")


def _batch(block: Block, values: dict[str, pa.Array], member: str | None) -> pa.RecordBatch:
    names, arrays = list(values), list(values.values())
    if member is not None:
        names.append("_member")
        arrays.append(_repeated(member, block.rows))
    return pa.RecordBatch.from_arrays([*arrays, block.lines], names=[*names, "_line"])

"""What a guest's child tells of its jobs, judged and as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa

from casparian_flow.errors import CasparianError, GuestHostile, PluginError, error_from_code
from casparian_flow.link import Frame

_MOST_REASONS = 100


@dataclass(frozen=True, slots=True)
class Opened:
    """Job `index` began."""

    index: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one topic of the open job."""

    topic: str
    batch: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class SetAside:
    """One record that is no row, and where it stands."""

    raw: str
    reason: str
    line: int | None = None
    cut: bool = False
    """Whether `raw` is only the record's beginning."""
    code: str = "REFUSED"
    column: str | None = None
    offset: int | None = None
    length: int | None = None
    member: str | None = None
    topic: str | None = None
    """The topic whose row it would have been; None for one that the host set aside itself."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The open job ended well and its counts agree with what arrived."""

    rows: dict[str, int]
    quarantined: int
    read: int | None = None
    """Records read, if the plugin counts them: then they are rows, set aside or passed over."""
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    """Records passed over by rule: reason → how many."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The open job ended with an error of the plugin."""

    error: CasparianError


Event = Opened | Rows | SetAside | Closed | Raised


def set_aside(frame: Frame, topics: Sequence[str]) -> SetAside:
    """A QUARANTINE frame; `topics` as the manifest declares them."""
    if frame.topic >= len(topics):
        raise GuestHostile(f"a quarantined record for topic number {frame.topic}")
    fact = frame.json()
    if not isinstance(fact.get("raw"), str) or not isinstance(fact.get("reason"), str):
        raise GuestHostile("a quarantined record without text or reason")
    return SetAside(
        raw=text(fact["raw"]),
        reason=text(fact["reason"]),
        line=_position(fact, "line"),
        cut=fact.get("cut") is True,
        code=text(fact.get("code", "REFUSED"))[:50],
        column=_label(fact, "column", 200),
        offset=_position(fact, "offset"),
        length=_position(fact, "length"),
        member=_label(fact, "member", 1000),
        topic=topics[frame.topic],
    )


def _position(fact: Mapping[str, object], name: str) -> int | None:
    value = fact.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise GuestHostile(f"a quarantined record whose {name} is not a {name} number")
    return value


def _label(fact: Mapping[str, object], name: str, most: int) -> str | None:
    value = fact.get(name)
    return None if value is None else text(value)[:most]


def text(value: object) -> str:
    """Text that can be stored: JSON may hold halves of surrogate pairs, UTF-8 may not."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def closed(frame: Frame, rows: Mapping[str, int], quarantined: int) -> Closed | Raised:
    """A CLOSED frame, its counts held against what arrived; `Raised` if records are missing.

    No silent loss: records read = rows + records set aside + records passed over.
    """
    fact = frame.json()
    counts = fact.get("rows")
    if not isinstance(counts, dict):
        raise GuestHostile("a trailer without row counts")
    said = {topic: count for topic, count in cast("dict[str, int]", counts).items() if count}
    if said != {t: n for t, n in rows.items() if n}:
        raise GuestHostile(f"the trailer says {said} rows, {dict(rows)} arrived")
    if fact.get("quarantined") != quarantined:
        raise GuestHostile("the trailer's count of quarantined records does not agree")
    read, skipped = _accounts(fact)
    kept = sum(rows.values()) + quarantined + sum(skipped.values())
    if read is not None and read != kept:
        error = PluginError(
            f"{read} records were read, but {sum(rows.values())} rows were published,"
            f" {quarantined} set aside and {sum(skipped.values())} passed over: {kept}",
            hint="Publish or quarantine every record, and account for those passed over by rule.",
        )
        error.code = "ACCOUNTS_DIFFER"
        return Raised(error)
    return Closed(dict(rows), quarantined, read, skipped)


def _accounts(fact: Mapping[str, object]) -> tuple[int | None, dict[str, int]]:
    read, skipped = fact.get("read"), fact.get("skipped") or {}
    if read is not None and (not isinstance(read, int) or not 0 <= read < 1 << 62):
        raise GuestHostile("a trailer whose count of records is no count")
    if not isinstance(skipped, dict):
        raise GuestHostile("a trailer whose reasons are no counts")
    counts = cast("dict[str, object]", skipped)
    if len(counts) > _MOST_REASONS or not all(
        isinstance(count, int) and 0 <= count < 1 << 62 for count in counts.values()
    ):
        raise GuestHostile("a trailer whose reasons are no counts")
    return read, {text(reason)[:200]: cast("int", count) for reason, count in counts.items()}


def plugin_error(frame: Frame) -> CasparianError:
    """A RAISED frame."""
    fact = frame.json()
    kind, message = text(fact.get("kind"))[:100], text(fact.get("message"))[:4000]
    hint = text(fact["hint"])[:500] if isinstance(fact.get("hint"), str) else PluginError.hint
    if kind == "PluginError":
        return error_from_code(PluginError.code, message, hint)
    where = ""
    frames = fact.get("frames")
    if isinstance(frames, list) and frames and isinstance(frames[-1], dict):
        last = cast("dict[str, object]", frames[-1])
        where = f" at {text(last.get('file'))[:100]} line {str(last.get('line'))[:10]}"
    return PluginError(f"{kind}{where}: {message}", hint=hint)

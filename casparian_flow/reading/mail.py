"""Read messages: mail, and mailboxes."""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Iterator, Sequence
from email.message import MIMEPart
from itertools import chain, pairwise
from typing import cast

from casparian_flow.reading.blocks import Block, Fault, Place, Record, from_records
from casparian_flow.reading.lines import lines
from casparian_flow.reading.sources import Source
from casparian_flow.reading.stanzas import whole

_POSTMARK = re.compile(r"From \S{1,320} +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[, ].{0,40}\d\d:\d\d")
"""From whom and when, as programs write it."""
_FIELD = re.compile(r">?[!-9;-~]+:")
_LOST = "\ufffd"


def read(source: Source, *, mbox: bool = False) -> Iterator[Block]:
    """Yield one row a message: its header fields as they are decoded, and `body`.

    The body is the first text; what else there is (other texts, what is attached, messages that
    are passed on) is named in `attachments`, a JSON array, and not read. A mailbox (`mbox`) holds
    several messages, each after a line that begins with `From `: below it stands a field, above it
    a blank line, if it does not say from whom and when.
    """
    return from_records(_messages(source, mbox=mbox), at_once=64)


def _messages(source: Source, *, mbox: bool) -> Iterator[Record | Fault]:
    held: list[Place] = []
    was_blank = True
    read = lines(source, "latin-1", as_bytes=True)  # a message says how it is encoded
    for line, after in pairwise(chain(read, [None])):
        if isinstance(line, Fault):
            yield line
            continue
        assert line is not None  # noqa: S101 - only the last `after` is
        if mbox and _is_mark(line.raw, after, was_blank=was_blank):
            if any(one.raw.strip() for one in held):
                yield _message(held)
            held = []
        else:
            held.append(line)
        was_blank = not line.raw.strip()
    if any(one.raw.strip() for one in held):
        yield _message(held)


def _is_mark(text: str, after: Place | Fault | None, *, was_blank: bool) -> bool:
    """Whether a line of a mailbox divides messages: prose that begins with From is none."""
    if not text.startswith("From ") or not isinstance(after, Place):
        return False
    return _FIELD.match(after.raw) is not None and bool(was_blank or _POSTMARK.match(text))


def _message(held: Sequence[Place]) -> Record | Fault:
    place = whole(held)
    try:
        raw = place.raw.encode("latin-1")
        message = cast("MIMEPart", email.message_from_bytes(raw, policy=email.policy.default))
        values = _fields(message)
        body = message.get_body(("plain", "html"))
        if body is not None and not _text(body).strip():
            body = message.get_body(("html",)) or body
        values["body"] = None if body is None else _text(body)
        others = [_named(one) for one in _others(message, body)]
        if others:
            values["attachments"] = json.dumps(others, ensure_ascii=False)
    except Exception as error:  # noqa: BLE001 - the parser of the standard library raises anything
        return Fault(place, "NOT_MAIL", f"not a message: {type(error).__name__}: {error}")
    if len(values) < 2:
        return Fault(place, "NOT_MAIL", "no header fields")
    return Record(place, values)


def _fields(message: MIMEPart) -> dict[str, str | None]:
    """The header's fields; those that come again, in whatever capitals, in one."""
    texts: dict[str, list[str]] = {}
    known: dict[str, str] = {}
    for (name, value), (_, raw) in zip(message.items(), message.raw_items(), strict=True):
        text = str(value)
        if _LOST in text:  # bytes where a field has ASCII by rule
            text = " ".join(_decoded(str(raw).encode("ascii", "surrogateescape")).split())
        texts.setdefault(known.setdefault(name.lower(), name), []).append(text)
    return {name: "\n".join(several) for name, several in texts.items()}


def _text(part: MIMEPart) -> str:
    """The text of a part, in the charset that it names if that is true."""
    raw = cast("bytes", part.get_payload(decode=True)) or b""
    try:
        text = raw.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = _decoded(raw)
    return text.replace("\r\n", "\n").rstrip("\n")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _others(part: MIMEPart, body: MIMEPart | None) -> Iterator[MIMEPart]:
    """The parts of a message that are not its body, nor the same text in another form."""
    if part is body:
        return
    if not part.is_multipart() or part.get_content_type() == "message/rfc822":
        yield part
        return
    is_same = part.get_content_type() == "multipart/alternative" and any(
        one is body for one in part.walk()
    )
    for inner in part.iter_parts():
        for other in _others(inner, body):
            is_text = other.get_content_type() in ("text/plain", "text/html")
            if not (is_same and is_text and not other.is_attachment()):
                yield other


def _named(part: MIMEPart) -> str:
    return part.get_filename() or part.get_content_type()

"""Recognise delimited text: delimiter, quotes, preamble, header, footer."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from casparian_flow.reading.naming import distinct, header_names
from casparian_flow.reading.splitting import MOST_RECORD_BYTES, WHITESPACE
from engine.formats import headers
from engine.formats.elimination import NULL_SPELLINGS, looks_typed
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of, tabulate

_DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f", "¦", "§", "||", ":", WHITESPACE)
_WEAK = (":", WHITESPACE)
"""Delimiters that text is full of: only where no other makes a table."""
_ENDINGS = (".csv", ".tsv", ".tab", ".psv")
_MOST_PREAMBLE = 40
_LEAST_SHARE = 0.8
_JUDGED_ROWS = 300
_SAMPLE_ROWS = 5_000
_FOOTER = re.compile(
    r"(?i)^\W*(?:grand total|sub-?totals?|totals?|summe|gesamt|somme|suma|totaal)(?![a-z])"
)
"""Begins the sum at the end of a report."""
_FOOTER_LINE = re.compile(
    r"(?i)^\W*(?:sum|count|\d+ (?:rows?|records?)|(?:rows?|records?)\W*\d+|end of \w+|eof"
    r"|trailer)\W*$"
)
"""Is all that such a line says."""
_CLEAN = re.compile(
    r"[\w.+-]+@[\w.-]+|[a-z]+://\S+|[+-]?[$€£]?[\d.,' ]+%?|[\d:/. TZ+-]+"
    r"|[\w(#$%°/&'.-][\w .()/&'%#°:!?+*=-]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Dialect:
    delimiter: str
    quote: str = '"'
    escape: str = ""
    comment: str = ""
    padded: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    """The line it begins on, counted from 1."""
    end: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """The sample read in one dialect."""

    dialect: _Dialect
    rows: list[_Row]
    """From the table's first row on."""
    width: int
    share: float
    """How many rows have the usual number of fields."""
    score: float


def recognise(sample: Sample) -> Profile | None:
    """The profile of delimited text; None if no dialect makes a table of it."""
    named = sample.name.lower().split("::")[-1].endswith(_ENDINGS)
    best = _best(sample, is_named=named)
    if best is None:
        return None
    header, names, notes = _header(best)
    arguments = _arguments(sample, best, header, names)
    footer, told = _footer(sample, best, header)
    if footer:
        arguments["footer"] = footer
    reading = Reading("delimited", "read", arguments)
    found = tabulate(reading, sample.content)
    if best.dialect.comment:
        notes.append(f"lines that begin with {best.dialect.comment!r} are passed over as comments")
    if arguments.get("skip"):
        notes.append(f"{arguments['skip']} lines above the table are passed over")
    if header and found.rows and not headers.is_proven(best.rows[0].cells, found.columns.values()):
        notes.append("the first row is taken for a header; nothing but its place says so")
    if not header:
        notes.append("no header row: columns are numbered; rename them in `names` and COLUMNS")
    elif not found.rows:
        notes.append("a header and no records: types cannot be known")
    if "\x00" in sample.text:
        notes.append("NUL characters in the text")
    comma = best.dialect.delimiter == ";"
    form = "tsv" if best.dialect.delimiter == "\t" else "csv"
    return profile_of(
        form, reading, sample, header=header > 0, problems=[*notes, *told],
        shape=f"{best.dialect.delimiter!r}|{'|'.join(names)}", found=found, comma_is_likely=comma,
    )  # fmt: skip


def _arguments(
    sample: Sample, best: _Reading, header: int, names: Sequence[str]
) -> dict[str, Argument]:
    """What the reader is told; what is as usual is left out."""
    dialect = best.dialect
    encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    arguments: dict[str, Argument] = {"encoding": encoding, "delimiter": dialect.delimiter}
    if dialect.quote != '"':
        arguments["quote"] = dialect.quote
    for key in ("escape", "comment", "padded"):
        if getattr(dialect, key):
            arguments[key] = getattr(dialect, key)
    skip = best.rows[0].line - 1
    if dialect.comment:
        skip = 0 if _only_comments(sample, skip, dialect.comment) else skip
    if skip:
        arguments["skip"] = skip
    arguments["header"] = header
    if not header:
        arguments["names"] = list(names)
    if sample.newline == "\r":
        arguments["newline"] = "\r"
    return arguments


def _only_comments(sample: Sample, count: int, comment: str) -> bool:
    lines = sample.text.split("\n", count)[:count]
    return all(not line.strip() or line.startswith(comment) for line in lines)


def _best(sample: Sample, *, is_named: bool) -> _Reading | None:
    """The dialect whose rows are even and whose cells are clean."""
    comment = _comment_of(sample.text)
    csv.field_size_limit(MOST_RECORD_BYTES)
    readings: list[_Reading] = []
    for delimiter in _DELIMITERS:
        if delimiter in _WEAK and readings:
            break
        if delimiter != WHITESPACE and delimiter not in sample.text:
            continue
        for dialect in _dialects(sample.text, delimiter, comment):
            one = _read(sample.text, dialect)
            if one is not None and (one.share >= _LEAST_SHARE or (is_named and one.share >= 0.5)):
                readings.append(one)
    if not readings:
        return _single_column(sample, is_named=is_named)
    best = max(_without_literal_quotes(readings), key=lambda one: one.score)
    weak = best.dialect.delimiter in _WEAK
    if not is_named and (len(best.rows) < 3 or (weak and not _is_surely_a_table(best))):
        strong = not weak and len(best.rows) >= 2 and best.share == 1
        return best if strong else None
    return best


def _without_literal_quotes(readings: list[_Reading]) -> list[_Reading]:
    """Without those that take quotes for text where quoting makes even rows of the same cells."""
    even = {one.dialect.delimiter for one in readings if one.dialect.quote and one.share >= 0.99}
    return [one for one in readings if one.dialect.quote or one.dialect.delimiter not in even]


def _is_surely_a_table(one: _Reading) -> bool:
    """Words with blanks between are a table only if every row has as many and some are typed."""
    cells = [cell for row in one.rows[1:50] for cell in row.cells]
    typed = sum(looks_typed(cell) for cell in cells)
    return one.share > 0.97 and len(one.rows) >= 4 and typed > len(cells) * 0.25


def _comment_of(text: str) -> str:
    head = text[:20_000].split("\n")[:200]
    for mark in ("##", "#", "//", "%", "--"):
        marked = [line for line in head if line.startswith(mark)]
        if head and head[0].startswith(mark) and len(marked) < len([x for x in head if x.strip()]):
            return "" if _are_records(marked, head) else mark
    return ""


def _are_records(marked: Sequence[str], head: Sequence[str]) -> bool:
    """Whether lines that begin like comments have as many fields as those that do not."""
    others = [line for line in head if line.strip() and line not in marked]
    for delimiter in (",", ";", "\t", "|"):
        usual = Counter(line.count(delimiter) for line in others).most_common(1)[0][0]
        if usual and sum(line.count(delimiter) == usual for line in marked) > len(marked) / 2:
            return len(marked) > 1
    return False


def _dialects(text: str, delimiter: str, comment: str) -> list[_Dialect]:
    base = _Dialect(delimiter, '"', comment=comment)
    if delimiter in (WHITESPACE, "||"):
        return [replace(base, quote="")]
    found = [base]
    edge = re.escape(delimiter)
    if '"' in text:
        if '\\"' in text:
            found.append(replace(base, escape="\\"))
        if re.search(rf'{edge} +"', text):
            found.append(replace(base, padded=True))
        found.append(replace(base, quote=""))
    if re.search(rf"(?:^|{edge})'[^'\n]*'(?:{edge}|$)", text, re.MULTILINE):
        found.append(replace(base, quote="'"))
    return found


def _read(text: str, dialect: _Dialect) -> _Reading | None:
    rows = _rows(text, dialect)
    if len(rows) < 1:
        return None
    widths = Counter(len(row.cells) for row in rows)
    width = _usual_width(widths)
    if width < 2:
        return None
    first = _first_row(rows, width)
    if first is None:
        return None
    table = rows[first:]
    share = sum(len(row.cells) == width for row in table) / len(table)
    return _Reading(dialect, table, width, share, _score(table[:_JUDGED_ROWS], dialect))


def _usual_width(widths: Counter[int]) -> int:
    most = max(widths.values())
    return max(width for width, count in widths.items() if count >= most * 0.9)


def _first_row(rows: Sequence[_Row], width: int) -> int | None:
    """The table's first row: a title above it has other fields, or only one that is filled."""
    for number, row in enumerate(rows[: _MOST_PREAMBLE + 1]):
        if len(row.cells) != width:
            continue
        filled = sum(bool(cell.strip()) for cell in row.cells)
        later = [
            sum(bool(cell.strip()) for cell in other.cells)
            for other in rows[number + 1 : number + 6]
        ]
        is_title = filled <= 1 and width > 2 and any(count > width / 2 for count in later)
        if not is_title:
            return number
    return None


def _rows(text: str, dialect: _Dialect) -> list[_Row]:
    if dialect.delimiter in (WHITESPACE, "||"):
        split = None if dialect.delimiter == WHITESPACE else dialect.delimiter
        return [
            _Row(number, number, line.split(split))
            for number, line in enumerate(text.split("\n")[:_SAMPLE_ROWS], 1)
            if line.strip() and not (dialect.comment and line.startswith(dialect.comment))
        ]
    lines = _Lines(text, dialect.comment)
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.escape or None,
        skipinitialspace=dialect.padded,
    )
    rows: list[_Row] = []
    try:
        while len(rows) < _SAMPLE_ROWS:
            lines.start = 0
            cells = next(reader, None)
            if cells is None:
                break
            if cells:
                rows.append(_Row(lines.start, lines.read, cells))
    except csv.Error:
        return []
    return rows


class _Lines:
    """Lines for `csv.reader`: a comment is one where a record could begin, and not within one."""

    def __init__(self, text: str, comment: str) -> None:
        self._lines = io.StringIO(text, newline="\n")
        self._comment = comment
        self.read = self.start = 0
        """The last line that was read; the record's first, 0 before it is found."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self.read += 1
            if not self.start and self._comment and line.startswith(self._comment):
                continue
            self.start = self.start or self.read
            return line
        raise StopIteration


def _score(rows: Sequence[_Row], dialect: _Dialect) -> float:
    """How even rows and how clean cells are (after van den Burg, Nazabal and Sutton 2019)."""
    widths = Counter(len(row.cells) for row in rows)
    evenness = sum(n * max(0.001, width - 1) / width for width, n in widths.items()) / len(widths)
    cells = [cell.strip() for row in rows[:100] for cell in row.cells[:200]]
    clean = sum(cell in NULL_SPELLINGS or _is_clean(cell) for cell in cells)
    preference = 1.0 - 0.02 * (dialect.quote != '"') - 0.02 * bool(dialect.escape)
    preference -= 0.3 if dialect.delimiter in (WHITESPACE, ":") else 0
    return evenness / len(rows) * (clean / max(1, len(cells))) * preference


def _is_clean(cell: str) -> bool:
    return _CLEAN.fullmatch(cell) is not None or (
        len(cell) > 40 and not re.search(r"[;|\t^~]", cell) and cell.count(",") < 4
    )


def _single_column(sample: Sample, *, is_named: bool) -> _Reading | None:
    """A list of plain values under each other: numbers, dates or identifiers."""
    lines = sample.text.rstrip("\n").split("\n")
    filled = [line for line in lines if line]
    if len(filled) < (1 if is_named else 3):
        return None
    if not is_named and any(len(line) > 200 or " " in line.strip() for line in filled[:1000]):
        return None
    if not is_named and len(lines) > len(filled) * 1.1:
        return None
    delimiter = next((one for one in (",", ";", "\t") if one not in sample.text), None)
    if delimiter is None:
        return None
    rows = _rows(sample.text, _Dialect(delimiter))
    if not rows or any(len(row.cells) != 1 for row in rows):
        return None
    return _Reading(_Dialect(delimiter), rows, 1, 1.0, 0.0)


def _header(one: _Reading) -> tuple[int, list[str], list[str]]:
    """How many rows name the columns, the names, and what is odd about them."""
    body = [row.cells for row in one.rows[1:] if len(row.cells) == one.width]
    first = [cell.strip() for cell in one.rows[0].cells]
    if not headers.names_columns(first, body, one.width):
        return 0, distinct([""] * one.width), []
    rows = 1 + headers.further_rows(body)
    cells = [row.cells for row in one.rows[:rows]]
    names = header_names(cells)
    told: list[str] = []
    if len({name.lower() for name in first if name}) < sum(bool(name) for name in first):
        told.append("column names repeat; the later ones carry a number")
    if not all(first) and rows == 1:
        told.append("columns without a name carry their number")
    if rows > 1:
        told.append(f"the header takes {rows} rows; their cells are joined")
    return rows, names, told


def _footer(sample: Sample, one: _Reading, header: int) -> tuple[str, list[str]]:
    """A pattern of the lines at the end that are no records, and what is said of them."""
    line = sample.text.rstrip("\n").rpartition("\n")[2]
    ending = _rows(line, one.dialect)
    rows = one.rows[header:]
    if len(rows) < 3 or not ending:
        return "", []
    last = ending[-1]
    cells = [cell.strip() for cell in last.cells]
    lead = next((cell for cell in cells if cell), "")
    found = _FOOTER.match(lead) or _FOOTER_LINE.match(lead)
    is_ragged = len(last.cells) < one.width
    is_word = found is not None and found[0].strip("\"' :") == lead.strip("\"' :")
    if found is None or not (is_ragged or is_word or not all(cells)):
        return "", []
    leads = [next((c.strip() for c in row.cells if c.strip()), "") for row in rows]
    if len(one.rows) < _SAMPLE_ROWS:
        leads.pop()
    if any(_FOOTER.match(text) or _FOOTER_LINE.match(text) for text in leads):
        return "", []  # an ordinary value, then
    pattern = (
        "(?i)^"
        + re.escape(line[: line.lower().find(lead.lower())])
        + re.sub(r"\d+", lambda _: r"\d+", re.escape(found[0].strip("\"' ")))
    )
    why = f"the last line ({lead[:40]!r}) looks like a total and not like a record"
    return pattern, [f"{why}; the draft passes over it (`footer`)"]

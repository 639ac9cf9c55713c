"""Read delimited text: comma-separated and its many relatives.

Stretches in which every line is a record go through Arrow's parser whole; others are taken apart
record by record, so that a line that does not fit is set aside alone.
"""

# pyright: reportAttributeAccessIssue=false
# pyarrow.compute makes its functions when it is imported; a checker does not see them.

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from casparian_flow.reading.blocks import Block, Bounds, Fault, Place, empty
from casparian_flow.reading.lines import MARKED, refuse_utf8, splits_utf8
from casparian_flow.reading.naming import header_names, named_above
from casparian_flow.reading.sources import Source
from casparian_flow.reading.splitting import MOST_RECORD_BYTES, Dialect, Row, place_of, split

BLOCK_BYTES = 4 << 20
_MOST_FOOTER_LINES = 20
_MOST_NAMES = 10_000
"""Characters of a header that is no text."""
_UTF8 = ("utf-8", "utf-8-sig", "ascii")


def read(  # noqa: PLR0913 - each is a property of the file, named where it is drafted
    source: Source,
    *,
    encoding: str = "utf-8",
    delimiter: str = ",",
    quote: str = '"',
    escape: str = "",
    comment: str = "",
    padded: bool = False,
    skip: int = 0,
    header: int = 1,
    names: Sequence[str] = (),
    footer: str = "",
    newline: str = "\n",
    least: int = 0,
    unnamed: str = "",
    commented: bool = False,
) -> Iterator[Block]:
    """Yield blocks of records, with `names` or the names in the source's own header.

    Args:
        source: What to read.
        encoding: Its encoding; a byte order mark is passed over.
        delimiter: One character, or `whitespace` for any run of blanks.
        quote: Around cells that hold delimiters or line ends, doubled inside; empty for none.
        escape: Makes the next character plain; empty for none.
        comment: Lines that begin with it are passed over; empty for none.
        padded: Whether blanks follow delimiters.
        skip: Lines above the table.
        header: Lines of the header; 0 for none, then `names` are needed.
        names: The columns' names where there is no header.
        footer: A pattern of lines at the end that are no records.
        newline: A carriage return alone, where that ends lines.
        least: Records with fewer cells than columns, but as many as this, only lack the last ones;
            0: they are set aside.
        unnamed: Which column has no name, `first` or `last`, where the header has one cell fewer
            than the records.
        commented: Whether the last comment above the records that can be names them is their
            header (`header` is 0 then).
    """
    pattern = re.compile(footer) if footer else None
    dialect = Dialect(encoding, delimiter, quote, escape, comment, padded, pattern)
    state = _State(_Bytes(source, encoding, newline), dialect, least)
    first, start = state.head(skip, header)
    if commented:
        first = state.commented(start)
    if (header or commented) and not first:
        yield replace(start, has_all=False)
        return
    if unnamed and first:
        first[-1] = ["", *first[-1]] if unnamed == "first" else [*first[-1], ""]
    columns = header_names(first) if header or commented else list(names)
    repeated = first[-1] if header == 1 else []
    # A header without records still says what the columns are.
    yield replace(start, columns=empty(columns).columns)
    while (block := state.next_block(columns, repeated)) is not None:
        yield block


class _Bytes:
    """A source as lines of bytes in UTF-8 or an encoding that extends ASCII."""

    def __init__(self, source: Source, encoding: str, newline: str) -> None:
        self._stream = source.stream
        self._is_old_mac = newline == "\r"
        self.encoding = encoding
        self.has_offsets = True
        self.at = 0
        self._is_unproven = splits_utf8(encoding)
        wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        if wide:
            self._decode = codecs.getincrementaldecoder(encoding)(MARKED).decode
            self.encoding, self.has_offsets = "utf-8", False
        else:
            self._decode = None

    def read(self, count: int) -> bytes:
        """The next bytes, about as many."""
        piece = self._stream.read(count) if self._decode is None else self._decoded(count)
        if self.at == 0 and piece.startswith(codecs.BOM_UTF8):
            piece, self.at = piece[3:], 3
        if self._is_unproven and not piece.isascii():
            self._is_unproven = False
            refuse_utf8(piece, self.encoding)
        return piece.replace(b"\r", b"\n") if self._is_old_mac else piece

    def _decoded(self, count: int) -> bytes:
        """The next characters as UTF-8; what is no text becomes what is none in UTF-8 either."""
        assert self._decode is not None  # noqa: S101 - only called where there is one
        while piece := self._stream.read(count):
            if text := self._decode(piece, False):
                return text.encode("utf-8", "surrogatepass")
        return self._decode(b"", True).encode("utf-8", "surrogatepass")


class _State:
    """Where the reading of one source stands."""

    def __init__(self, stream: _Bytes, dialect: Dialect, least: int) -> None:
        self._stream = stream
        has_offsets = stream.has_offsets
        self._dialect = replace(dialect, encoding=stream.encoding, has_offsets=has_offsets)
        self._least = least
        self._kept = b""
        self._is_last = False
        self._want = BLOCK_BYTES
        self._line, self._offset = 1, 0

    def head(self, skip: int, header: int) -> tuple[list[list[str]], Block]:
        """Pass over `skip` lines, then read the header's rows; with a block of what was no row.

        A header that is no text is set aside, and what can be read of it names the columns: then
        the records below do not fit, and none is taken for the header in its place.
        """
        self._fill()
        self._offset = self._stream.at
        for _ in range(skip):
            self._drop_line()
        rows: list[list[str]] = []
        start = empty([])
        passed = Counter({"above the table": skip})
        taken = 0
        for one, size in self._records():
            if len(rows) == header:
                break
            taken += size
            if isinstance(one, Fault):
                start.faults.append(one)
                rows.append(one.place.raw[:_MOST_NAMES].split(self._dialect.delimiter))
            elif one.cells:
                rows.append(one.cells)
            else:
                passed["comment"] += self._is_comment(one)
        self._advance(taken, self._kept[:taken].count(b"\n"))
        start.skipped.update(+passed)
        return rows, start

    def commented(self, start: Block) -> list[list[str]]:
        """Take the comments above the first record; its header, none where nothing comes below.

        A table whose comments name nothing has numbered columns, which do not fit the plugin.
        """
        comments: list[str] = []
        taken, first = 0, None
        for one, size in self._records():
            if isinstance(one, Fault) or one.cells:
                first = one
                break
            taken += size
            comments += [one.place.raw] if self._is_comment(one) else []
        self._advance(taken, self._kept[:taken].count(b"\n"))
        if comments:
            start.skipped["comment"] = len(comments)
        if first is None:
            return []
        width = len(first.cells) if isinstance(first, Row) else 0
        dialect = self._dialect
        names = named_above(
            comments, dialect.comment, dialect.delimiter, width, may_lack=self._least > 0
        )
        return [names or [""] * max(1, width)]

    def next_block(self, names: Sequence[str], repeated: Sequence[str]) -> Block | None:
        """The records of the next stretch; None at the end."""
        self._fill()
        if not self._kept:
            return None
        footers = self._cut_footer() if self._is_last else 0
        size = len(self._kept) if self._is_last else self._boundary()
        block = self._whole(self._kept[:size], names) if size else None
        if block is None:
            block, size = self._piecewise(names)
        self._advance(size, self._kept[:size].count(b"\n"))
        block = _without_repeated(block, names, repeated)
        if footers:
            block.skipped["footer"] = footers
        return block

    def _fill(self) -> None:
        while not self._is_last and len(self._kept) < self._want:
            piece = self._stream.read(BLOCK_BYTES)
            self._kept += piece
            self._is_last = not piece

    def _advance(self, size: int, lines: int) -> None:
        self._kept = self._kept[size:]
        self._line += lines
        self._offset += size

    def _drop_line(self) -> None:
        end = self._kept.find(b"\n") + 1 or len(self._kept)
        self._advance(end, self._kept[:end].count(b"\n"))

    def _records(self, width: int = 0) -> Iterator[tuple[Row | Fault, int]]:
        return split(
            self._kept,
            self._dialect,
            line=self._line,
            offset=self._offset,
            is_last=self._is_last,
            width=width,
        )

    def _cut_footer(self) -> int:
        """Take lines that are no records off the end."""
        pattern = self._dialect.footer
        count = 0
        while pattern is not None and self._kept and count < _MOST_FOOTER_LINES:
            body = self._kept.rstrip(b"\r\n")
            start = body.rfind(b"\n") + 1
            if not pattern.search(body[start:].decode(self._stream.encoding, "replace")):
                break
            self._kept = self._kept[:start]
            count += 1
        return count

    def _boundary(self) -> int:
        """The end of the last line that no quote is open at, as far as counting them tells."""
        end = self._kept.rfind(b"\n") + 1
        quote = self._dialect.quote.encode()
        if not quote or quote not in self._kept:
            return end
        odd = self._kept[:end].count(quote) % 2
        while odd and end:
            start = self._kept.rfind(b"\n", 0, end - 1) + 1
            odd ^= self._kept[start:end].count(quote) % 2
            end = start
        return end

    def _whole(self, block: bytes, names: Sequence[str]) -> Block | None:
        """The block through Arrow's parser, if each of its lines is a record; else None."""
        dialect = self._dialect
        plain = len(dialect.delimiter) == 1 and not dialect.padded
        marks = (dialect.escape, dialect.comment)
        if not plain or not names or any(mark and mark.encode() in block for mark in marks):
            return None
        if _has_bare_return(block) or (self._is_last and self._is_cut_in_quotes(block)):
            return None
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        table = _parsed(block, dialect, names)
        if table is None:
            return None
        bounds, filled = Bounds(block), None
        if table.num_rows != lines:
            filled = bounds.filled  # without blank lines, which are no records
            if table.num_rows != len(filled):
                return None
        columns = {name: _one(table.column(name)) for name in names}
        has_quotes = bool(dialect.quote) and dialect.quote.encode() in block
        if has_quotes and any("\n" in (text[-1].as_py() or "") for text in columns.values()):
            return None  # the last quote never closes
        first, offset = self._line, self._offset

        def place(row: int) -> Place:
            line = row if filled is None else filled[row]
            start, end = bounds.of(line)
            return place_of(block[start:end], dialect, first + line, offset + start)

        if filled is None:
            numbers = pa.arange(first, first + lines)
        else:
            numbers = pc.add(pa.array(filled, pa.int64()), first)
        return Block(columns, numbers, place)

    def _is_cut_in_quotes(self, block: bytes) -> bool:
        """Whether the source may end within quotes: then its last record is looked at alone."""
        quote = self._dialect.quote.encode()
        last = block[block.rstrip(b"\r\n").rfind(b"\n") + 1 :]
        return bool(quote) and last.count(quote) % 2 == 1

    def _piecewise(self, names: Sequence[str]) -> tuple[Block, int]:
        """Take records off one by one; all of what is kept, but for one that may go on."""
        rows: list[Row] = []
        faults: list[Fault] = []
        taken = comments = 0
        for one, size in self._records(len(names)):
            is_open = taken + size >= len(self._kept) and not self._is_last
            if is_open and size < MOST_RECORD_BYTES:
                self._want = BLOCK_BYTES if taken else 2 * len(self._kept)
                break
            taken += size
            if isinstance(one, Row) and 0 < self._least <= len(one.cells) < len(names):
                one.cells.extend([""] * (len(names) - len(one.cells)))
            if isinstance(one, Fault):
                faults.append(one)
            elif len(one.cells) != len(names):
                comments += self._is_comment(one)
                if one.cells:
                    reason = f"{len(one.cells)} fields instead of {len(names)}"
                    faults.append(Fault(one.place, "FIELD_COUNT", reason))
            else:
                rows.append(one)
        texts = [[row.cells[index] for row in rows] for index in range(len(names))]
        columns = {
            name: pa.array(text, pa.string()) for name, text in zip(names, texts, strict=True)
        }
        lines = pa.array([row.place.line for row in rows], pa.int64())
        skipped = {"comment": comments} if comments else {}
        return Block(columns, lines, lambda row: rows[row].place, faults, skipped), taken

    def _is_comment(self, row: Row) -> bool:
        comment = self._dialect.comment
        return bool(comment) and not row.cells and row.place.raw.startswith(comment)


def _has_bare_return(block: bytes) -> bool:
    """Whether a carriage return ends no line, where Arrow would end one."""
    return b"\r" in block and block.count(b"\r") != block.count(b"\r\n")


def _parsed(block: bytes, dialect: Dialect, names: Sequence[str]) -> pa.Table | None:
    try:
        if dialect.encoding not in _UTF8:
            block = block.decode(dialect.encoding).encode()
        return pv.read_csv(
            pa.BufferReader(block),
            read_options=pv.ReadOptions(
                column_names=list(names), use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                newlines_in_values=True,
                ignore_empty_lines=True,
            ),
            convert_options=pv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, UnicodeError):
        return None


def _one(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _without_repeated(block: Block, names: Sequence[str], header: Sequence[str]) -> Block:
    """Without rows that are the header once more, as where files were put together."""
    if not header or not block.rows or len(header) != len(names):
        return block
    same = pc.equal(block.columns[names[0]], header[0])
    for name, cell in zip(names[1:], header[1:], strict=True):
        if not pc.any(same).as_py():
            return block
        same = pc.and_(same, pc.equal(block.columns[name], cell))
    rows = pc.indices_nonzero(pc.invert(same))
    if len(rows) == block.rows:
        return block
    place, count = block.place, block.rows - len(rows)
    return Block(
        {name: text.take(rows) for name, text in block.columns.items()},
        block.lines.take(rows),
        lambda row: place(rows[row].as_py()),
        block.faults,
        block.skipped | {"header again": count},
    )

"""Tell the rows that name columns from records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits

from engine.formats.elimination import NULL_SPELLINGS, decide, looks_typed

_MOST_HEADER_ROWS = 3
_LEAST_CODES = 5
_SHAPES = str.maketrans(
    ascii_uppercase + ascii_lowercase + digits,
    "A" * len(ascii_uppercase) + "a" * len(ascii_lowercase) + "9" * len(digits),
)
"""Letters and digits as one of their kind."""


def names_columns(first: Sequence[str], body: Sequence[Sequence[str]], width: int) -> bool:
    """Whether a row is a header; a typed or repeated cell says that it is a record."""
    named = [cell for cell in first if cell]
    if len(first) != width:
        return False
    if len(named) < max(1, width // 2) or len(named) < width - 3:
        return _is_over_names(named, body)
    typed = [cell for cell in named if looks_typed(cell)]
    if typed and not (_is_series(typed) and len(typed) < len(named)):
        return _is_over_values(first, body)
    if not body:
        return not typed and all(re.fullmatch(r"[\w .:/()%#$€°-]{1,64}", cell) for cell in named)
    if any(len(cell) > 200 for cell in named) or _is_of_codes(first, body):
        return False
    return _differs(first, body) or _is_unlike(first, body, named)


def _is_unlike(first: Sequence[str], body: Sequence[Sequence[str]], named: Sequence[str]) -> bool:
    """Whether cells read like names and are not values of their columns, as far as that shows."""
    is_apart = any(
        _stands_apart(cell, [row[index].strip() for row in body[:500]])
        for index, cell in enumerate(first)
    )
    return (is_apart or not _repeats(first, body)) and all(
        re.fullmatch(r"[\w .,:/()%#$€°&*'+?\[\]<>=@!-]{1,100}", cell) for cell in named
    )


def _is_over_names(named: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a row of few cells stands over groups of columns that the row below it names."""
    if len(named) < 2 or len(body) < 2 or any(map(looks_typed, named)):
        return False
    names = [cell.strip() for cell in body[0]]
    are_names = sum(map(bool, names)) >= len(names) - 1 and not any(map(looks_typed, names))
    return are_names and not _repeats(names, body[1:]) and _differs(names, body[1:])


def is_proven(first: Sequence[str], columns: Iterable[Sequence[str | None]]) -> bool:
    """Whether some cell of a header could not be a value of its column."""
    for cell, texts in zip(first, columns, strict=False):
        values = [text for text in texts[:500] if text and text not in NULL_SPELLINGS]
        if not values or cell in NULL_SPELLINGS:
            continue
        if _is_no_value(cell, list(dict.fromkeys(values))[:200]):
            return True
        lengths = {len(text) for text in values}
        is_odd = len(values) > 2 and len(lengths) == 1 and len(cell) not in lengths
        if is_odd or _stands_apart(cell, values):
            return True
    return False


def doubts(first: Sequence[str], columns: Iterable[Sequence[str | None]], rows: int) -> list[str]:
    """What is said of a header over so many rows that nothing proves one."""
    if not rows:
        return ["a header and no records: types cannot be known"]
    if not is_proven(first, columns):
        return ["the first row is taken for a header; nothing but its place says so"]
    return []


def _is_no_value(cell: str, values: Sequence[str]) -> bool:
    """Whether values are typed, and a cell above them is not; `true` is, above truth values."""
    decided = decide(values)
    if decided.type == "bool":
        return cell not in decided.candidates[0].split("/")
    return decided.type != "string" and not looks_typed(cell)


def _stands_apart(cell: str, values: Sequence[str]) -> bool:
    """Whether a cell is none of the few values that come again and again below it."""
    return len(values) > 11 and len(set(values)) <= len(values) / 4 and cell not in values


def _is_of_codes(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether cells are codes of the very shape that all below them have: `004` over `248`.

    One column of codes with digits says so, or two of capitals (`AF`, `AFG` over `AX`, `ALA`), or
    one in whose order the first is the least.
    """
    columns = [
        [cell, *(row[index].strip() for row in body[:200])] for index, cell in enumerate(first)
    ]
    alike = [cells for cells in columns if cells[0] and _are_of_one_shape(cells)]
    capitals = [cells for cells in alike if cells[0].isalpha() and cells[0].isupper()]
    in_order = any(all(one < two for one, two in pairwise(cells)) for cells in capitals)
    coded = [cells for cells in alike if any(map(str.isdigit, cells[0]))]
    if len(body) < _LEAST_CODES:
        return len(body) > 1 and len(coded) == len(columns)
    return bool(coded) or len(capitals) > 1 or in_order


def _are_of_one_shape(cells: Sequence[str]) -> bool:
    """Whether cells are alike but for which letters and digits they have."""
    shape = cells[0].translate(_SHAPES)
    return all(cell.translate(_SHAPES) == shape for cell in cells)


def _is_over_values(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether numbers name columns: each once, none a value below, beside words over numbers."""
    distinct = len({cell for cell in first if cell}) == sum(bool(cell) for cell in first)
    if not body or not distinct or _repeats(first, body):
        return False
    return _differs(first, body) or not any(
        looks_typed(cell) for row in body[:50] for cell in row if cell
    )


def _is_series(cells: Sequence[str]) -> bool:
    """Whether typed cells count on, as years over the columns of a wide table do."""
    numbers = [int(cell) for cell in cells if re.fullmatch(r"\d{1,4}", cell)]
    if len(numbers) == len(cells) and len(numbers) > 1:
        steps = {later - earlier for earlier, later in pairwise(numbers)}
        # Two numbers always count on somehow: only neighbours and years do.
        is_close = len(numbers) > 2 or steps <= {1, -1} or all(1800 <= n < 2200 for n in numbers)
        return len(steps) == 1 and is_close and steps.pop() != 0
    kinds = {decide([cell]).type for cell in cells}
    return kinds == {"date"} and len(set(cells)) == len(cells) and len(cells) > 2


def _repeats(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of the first row turns up below itself: then it is a value."""
    return any(
        cell and any(row[index].strip() == cell for row in body[:500])
        for index, cell in enumerate(first)
    )


def _differs(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a column is typed below a cell that is not."""
    for index, cell in enumerate(first):
        if cell in NULL_SPELLINGS or looks_typed(cell):
            continue
        values = _values(body[:200], index)
        if values and _is_no_value(cell, values):
            return True
    return False


def _values(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    cells = dict.fromkeys(row[index].strip() for row in rows)
    return [cell for cell in cells if cell not in NULL_SPELLINGS]


def further_rows(body: Sequence[Sequence[str]]) -> int:
    """Rows below the first that belong to the header: units, or names under merged cells."""
    for count in range(min(_MOST_HEADER_ROWS - 1, len(body) - 2), 0, -1):
        extra = body[:count]
        if any(looks_typed(cell) for row in extra for cell in row):
            continue
        rest = body[count : count + 200]
        typed = [
            index for index in range(len(extra[0]))
            if (values := _values(rest, index)) and decide(values).type not in ("string", "bool")
        ]  # fmt: skip
        named = sum(bool(extra[-1][index].strip()) for index in typed)
        if typed and named > len(typed) / 2 and all(_values(extra, index) for index in typed[:1]):
            return count + _is_of_flags(rest)
    return 0


def _is_of_flags(rest: Sequence[Sequence[str]]) -> bool:
    """Whether the row below names and types marks a few columns that every record fills."""
    flags, body = rest[0], rest[1:]
    marked = [index for index, cell in enumerate(flags) if cell.strip()]
    bare = [index for index, cell in enumerate(flags) if not cell.strip()]
    filled = [index for index in bare if body and all(row[index].strip() for row in body)]
    is_word = not any(looks_typed(flags[index]) for index in marked)
    is_other = not _repeats([cell.strip() for cell in flags], body)
    return bool(marked) and is_word and is_other and 2 * len(filled) > len(flags)

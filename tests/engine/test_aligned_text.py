"""Text whose fields stand below one another is divided at its gaps, and nowhere within a field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.formats.interface import Profile
from engine.profile import profile_file
from tests.engine.making import drafted, run


def told(folder: Path, name: str, content: str) -> Profile:
    (folder / name).write_text(content)
    return profile_file(os.fsencode(folder / name))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # thousands marks, and a time with its colons
        ([["what", "a", "bb"], ["amount", "1,234,567.50", "8,000.00"], ["at", "08:30", "09:15"]],
         ["a", 1234567.5]),
        # a date with its time is one field
        ([["id", "7", "8"], ["at", "2024-06-28 22:11:48", "2024-05-01 00:00:00"], ["n", "5", "6"]],
         [7]),
        # words that stand below one another by chance
        ([["no", "04895", "09218"], ["text", "plain #1", "#1 x|y report #1 of"], ["n", "1", "2"]],
         ["04895", "plain #1", 1]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ruled", [False, True])
def test_fields_below_one_another_are_not_divided_within(
    columns: list[list[str]], expected: list[Any], *, ruled: bool, tmp_path: Path
) -> None:
    widths = [max(map(len, column)) for column in columns]
    rows = [*zip(*columns, strict=True)]
    rows += [rows[1], rows[2]] * 3
    rules = [tuple("-" * width for width in widths)] if ruled else []
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in [rows[0], *rules, *rows[1:]]
    ]

    kept = run(drafted(tmp_path, "a.txt", "\n".join(lines).encode()), tmp_path / "a.txt")

    first = kept.rows["t"][0]
    assert [name for name in first if name != "_line"] == [column[0] for column in columns]
    assert list(first.values())[: len(expected)] == expected
    assert (len(kept.rows["t"]), kept.aside) == (8, [])


def test_records_at_the_top_are_no_title_because_a_gap_runs_down_below_them(tmp_path: Path) -> None:
    header = "city  ratio  created_at  note   active"
    rows = [
        "  15  50%    closed      18:35  New York", '  68  54%    closed      12:09  The "Big" One',
        "   0  3%     pending     10:18  Ann, Arbor", "  72  99%    open        18:48  Arlington",
        *["  84  72%    pending     08:31  New York"] * 8,
    ]  # fmt: skip

    profile = told(tmp_path, "a.txt", "\n".join([header, *rows]))
    titled = told(tmp_path, "b.txt", "\n".join(["All of last year", "", header, *rows]))

    assert [column.name for column in profile.columns] == header.split()
    assert not profile.problems
    assert [column.name for column in titled.columns] == header.split()
    assert "1 line above the table is passed over" in titled.problems


def test_headings_of_pages_that_say_something_of_their_own_are_named(tmp_path: Path) -> None:
    page = "NAME          QTY\n------------ ----\n" + "".join(
        f"{'item ' + letter * 3:<12} {number:>4}\n"
        for number, letter in enumerate("abcdefghijklmnop")
    )
    same = "".join(f"ACME Report\n{page}" for _ in range(3))
    other = "".join(f"Branch {number} North\n{page}" for number in (1, 2, 3))

    assert not [one for one in told(tmp_path, "a.txt", same).problems if "again" in one]
    [said] = [one for one in told(tmp_path, "b.txt", other).problems if "again" in one]
    assert "('Branch 2 North' in line 20); they are passed over" in said

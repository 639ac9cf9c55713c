"""A goal decides what a sample leaves open, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.formats.interface import Profile
from engine.goals import steered
from engine.profile import profile_file
from engine.profiling import profile_group
from tests.conftest import House
from tests.console.test_commands import casparian

OPEN = 'id,day,amount,zip\n1,01/02/2025,"1,234",12345\n2,03/04/2025,"2,345",23456\n'


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "a.csv").write_text(OPEN)
    return profile_file(os.fsencode(tmp_path / "a.csv"))


def types(profile: Profile) -> dict[str, tuple[str, list[str]]]:
    return {column.name: (column.type, list(column.candidates)) for column in profile.columns}


@pytest.mark.parametrize(
    ("goal", "column", "decided"),
    [
        ("day first please", "day", ("date", ["%d/%m/%Y"])),
        ("the dates are mm/dd", "day", ("date", ["%m/%d/%Y"])),
        ("amounts with decimal comma", "amount", ("double", ["decimal comma"])),
        ("decimal point", "amount", ("double", ["thousands comma"])),
        ("zip as text", "zip", ("string", [])),
    ],
)
def test_a_goal_decides_what_is_open(
    profile: Profile, goal: str, column: str, decided: tuple[str, list[str]]
) -> None:
    found, told = steered(profile, goal)

    assert types(found)[column] == decided
    others = {name: kind for name, kind in types(found).items() if name != column}
    assert others == {name: kind for name, kind in types(profile).items() if name != column}
    assert len(told) == 1
    assert told[0].startswith(column)


def test_what_files_say_against_a_goal_is_kept(tmp_path: Path) -> None:
    paths = [tmp_path / "a-1.csv", tmp_path / "a-2.csv"]
    for path, day in zip(paths, ("31/01/2025", "01/31/2025"), strict=True):
        path.write_text(f"day,n\n{day},1\n02/03/2025,2\n")
    group = profile_group([os.fsencode(path) for path in paths])

    found, [told] = steered(group.merged.profile, "day first")

    assert found.columns[0].type == "date"
    assert "%m/%d/%Y in 1 files (the first a-2.csv, '01/31/2025'" in told
    assert "kept as text" not in told


@pytest.mark.parametrize(
    "goal",
    [
        None, "", "sales by day", "one row per order", "as text", "give dates as yyyy-mm-dd",
        "folder layout is yyyy/mm/dd", "dates are month first, not day first", "not day first",
        "day first or month first", "amounts have no decimal commas",
        "decimal points, never decimal commas",
    ],
)  # fmt: skip
def test_other_words_decide_nothing(profile: Profile, goal: str | None) -> None:
    assert steered(profile, goal) == (profile, [])


def test_a_goal_at_the_command_line_says_what_of_it_was_followed(house: House, data: Path) -> None:
    (data / "a.csv").write_text(OPEN)
    house.call("scan", path=str(data))

    said = casparian(house, "draft", str(data / "a.csv"), "--goal", "day first, and sums by month")

    plain = " ".join(said.split())
    assert '"day": ("date", "%d/%m/%Y")' in plain
    made = house.call("draft_plugin", files=[str(data / "a.csv")], goal="day first, summed")
    assert "Of the goal was followed: day is read as %d/%m/%Y" in made["summary"]
    unheard = house.call("draft_plugin", files=[str(data / "a.csv")], goal="by magic")
    assert "Nothing of the goal could be followed" in unheard["summary"]

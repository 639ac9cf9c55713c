"""Names of columns: what a header says, made distinct."""

from casparian_flow.reading.naming import distinct


def test_names_are_told_apart_capitals_aside() -> None:
    assert distinct(["a", "A_2", "A", "", "a"]) == ["a", "A_2", "A_3", "column_4", "a_4"]


def test_a_hundred_thousand_columns_of_one_name_are_named_in_one_pass() -> None:
    names = distinct(["a"] * 100_000)

    assert (len(set(names)), names[-1]) == (100_000, "a_100000")

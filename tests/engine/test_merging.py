"""Many files of one kind: drift is told, and what one excludes no column of them can be."""

from __future__ import annotations

import os
from itertools import combinations, permutations
from pathlib import Path

import pytest

from casparian_flow.errors import PluginError
from casparian_flow.reading.kinds import NUMBER_FORMS
from engine.drafting import draft_source
from engine.formats.column_merging import merged_column
from engine.formats.interface import ColumnProfile
from engine.formats.merging import Merged, Seen, merge
from engine.profile import profile_file
from engine.profiling import profile_group
from tests.engine.making import run
from tests.engine.test_formats import column


def merged(folder: Path, *texts: str) -> Merged:
    return merge([Seen(f"f{n}.csv", one(folder, n, text)) for n, text in enumerate(texts)])


def one(folder: Path, number: int, text: str):
    path = folder / f"f{number}.csv"
    path.write_text(text)
    return profile_file(os.fsencode(path))


def columns(found: Merged) -> dict[str, ColumnProfile]:
    return {column.name: column for column in found.profile.columns}


def test_one_file_decides_what_another_leaves_open(tmp_path: Path) -> None:
    found = columns(merged(tmp_path, "day,n\n01/02/2024,1\n", "day,n\n31/05/2024,1.5\n"))

    assert (found["day"].type, found["day"].candidates) == ("date", ["%d/%m/%Y"])
    assert found["day"].ambiguity is None
    assert found["n"].type == "double"


def test_files_that_exclude_each_others_format_are_told_with_first_and_last(tmp_path: Path) -> None:
    year = [
        f"day\n{f'25/{m:02d}' if m < 7 else f'{m:02d}/25'}/2024\n03/04/2024\n" for m in range(1, 13)
    ]

    day = columns(merged(tmp_path, *year))["day"]

    assert (day.type, sorted(day.candidates)) == ("string", ["%d/%m/%Y", "%m/%d/%Y"])
    assert "(the first f0.csv, '25/01/2024', the last f5.csv)" in str(day.ambiguity)
    assert "%m/%d/%Y in 6 files (the first f6.csv, '07/25/2024'" in str(day.ambiguity)


def test_columns_that_are_missing_new_renamed_or_elsewhere_are_read_by_name(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        "id,amount,name\n1,2.5,x\n",
        "id,amount,name\n1,2.5,x\n",
        "id,Amount (EUR),name\n1,2.5,y\n",
        "name,id,amount,region\nz,1,2,n\n",
    )

    assert columns(found)["amount"].aliases == ["Amount (EUR)"]
    assert not columns(found)["amount"].optional
    assert columns(found)["region"].optional
    told = " ".join(found.drift)
    assert "'Amount (EUR)' in 1 of 4 files (f2.csv)" in told
    assert "region is missing in 3 of 4" in told
    assert "another order" in told
    source = draft_source(found.profile, topic="t", pattern="*").source
    assert 'OPTIONAL = ["region"]' in source
    assert 'RENAMED = {"Amount (EUR)": "amount"}' in source


def test_files_of_another_kind_are_named_and_not_read(tmp_path: Path) -> None:
    found = merged(tmp_path, "id,x\n1,2\n", "id,x\n3,4\n", "a;b;c\n1;2;3\n", "p,q\nv,w\n")

    assert found.others == ["f2.csv", "f3.csv"]
    assert list(columns(found)) == ["id", "x"]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("1", "x", "string"),
        ("1", "", "int64"),
        ("007", "7", "string"),
        ("1,5", "12", "double"),
        ("Y", "N", "string"),
        ("5%", "7%", "double"),
        ("5%", "7", "string"),
        ("1.5", "1,234.5", "double"),
        ("1,234,567", "1.5", "double"),
        ("1,5", "1.25", "string"),
        ("123", "1,234,567", "int64"),
        ("20240131", "20240230", "int64"),
    ],
)
def test_a_column_is_what_every_file_allows(
    tmp_path: Path, first: str, second: str, kind: str
) -> None:
    found = merged(tmp_path, f'k;c\na;"{first}"\n', f'k;c\nb;"{second}"\n')

    column = columns(found)["c"]
    assert column.type == kind
    assert all(form in NUMBER_FORMS for form in column.candidates if kind == "string")


@pytest.mark.parametrize("texts", [("1,234,567", "1.5"), ("123", "1,234,567"), ("123", "1,234")])
def test_the_order_of_files_decides_nothing_of_a_number(
    tmp_path: Path, texts: tuple[str, str]
) -> None:
    found: list[ColumnProfile] = []
    for number, (first, second) in enumerate((texts, texts[::-1])):
        (tmp_path / str(number)).mkdir()
        both = merged(tmp_path / str(number), f'k;c\na;"{first}"\n', f'k;c\nb;"{second}"\n')
        found.append(columns(both)["c"])

    there, back = found
    assert (there.type, there.candidates) == (back.type, back.candidates)
    assert there.type != "string" or "1,234" in str(there.ambiguity)
    assert (there.ambiguity is None) is (back.ambiguity is None)


def test_a_group_is_looked_at_from_end_to_end(tmp_path: Path) -> None:
    for number in range(40):
        day = f"{13 if number != 39 else 1:02d}/{1 if number != 39 else 13:02d}/2024"
        (tmp_path / f"e{number:02d}.csv").write_text(f"day,n\n{day},1\n")
    paths = [os.fsencode(path) for path in sorted(tmp_path.iterdir())]

    group = profile_group(paths)

    assert "e39.csv" in str(group.merged.profile.columns[0].ambiguity)
    assert any("40 of 40 files" in problem for problem in group.merged.profile.problems)


def test_a_few_files_of_text_do_not_take_a_column_its_type(tmp_path: Path) -> None:
    texts = [f"id,n\n{number},x\n" for number in range(9)]

    few = columns(merged(tmp_path, *texts, "id,n\nnine,x\n"))["id"]
    many = columns(merged(tmp_path, *texts[:2], "id,n\nnine,x\n"))["id"]

    assert few.type == "int64"
    assert few.ambiguity == (
        "int64 in 9 of 10 files, in the others not all (such as 'nine' in f9.csv): records with"
        " values that are none are set aside"
    )
    assert many.type == "string"
    assert "kept as text" in str(many.ambiguity)


def test_names_that_differ_in_capitals_alone_are_optional_by_the_name_they_get(
    tmp_path: Path,
) -> None:
    found = merged(tmp_path, "id,Title\n1,a\n", "id,title\n2,b\n", "id,Title,title\n3,c,d\n")
    source = draft_source(found.profile, topic="t", pattern="*").source

    rows = [run(source, tmp_path / f"f{number}.csv").rows["t"][0] for number in range(3)]

    texts = [[row[name] for name in row if name.lower().startswith("title")] for row in rows]
    assert sorted(text for row in texts for text in row if text) == ["a", "b", "c", "d"]


def test_a_wide_table_is_not_of_a_narrow_ones_kind_for_one_shared_word(tmp_path: Path) -> None:
    wide = ",".join(["status", *(f"c{number}" for number in range(40))])

    found = merged(tmp_path, "status,n\nx,1\n", f"{wide}\n{'1,' * 40}1\n")

    assert len(found.others) == 1


def test_a_total_that_only_a_later_file_ends_with_is_passed_over(tmp_path: Path) -> None:
    plain = "day,shop,n\n2025-01-01,A,1\n2025-01-02,B,2\n2025-01-03,A,3\n"
    texts = [plain, plain + "Total,,6\n"]
    seen = [Seen(f"f{n}.csv", one(tmp_path, n, text)) for n, text in enumerate(texts)]
    found = merge(seen, named=seen[0])

    kept = run(draft_source(found.profile, topic="t", pattern="*").source, tmp_path / "f1.csv")

    assert (len(kept.rows["t"]), kept.skipped, kept.aside) == (3, 1, [])
    assert any("1 of 2 files (f1.csv) is a total" in told for told in found.drift)


def test_names_in_comments_are_read_from_each_file(tmp_path: Path) -> None:
    contents = (
        "# made by x\n# id,name,price\n1,x,5\n2,y,6\n3,z,7\n",
        "# made by x\n# price,name,id\n5,x,1\n6,y,2\n7,z,3\n",
    )
    both = merged(tmp_path, *contents)
    source = draft_source(both.profile, topic="t", pattern="*").source

    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.csv"
        path.write_text(content)
        rows = run(source, path).rows["t"]
        assert next((row["id"], row["name"], row["price"]) for row in rows) == (1, "x", 5)

    (tmp_path / "other.csv").write_text("# made by x\n# id,name,cost\n1,x,5\n")
    with pytest.raises(PluginError, match="cost"):
        run(source, tmp_path / "other.csv")
    (tmp_path / "none.csv").write_text("# made by x\n1,x,5\n")
    with pytest.raises(PluginError, match="column_1"):
        run(source, tmp_path / "none.csv")


def test_files_without_a_header_are_of_one_kind_only_if_they_are_as_wide(tmp_path: Path) -> None:
    both = merged(tmp_path, "1,2,3\n4,5,6\n7,8,9\n", "1,2\n4,5\n7,8\n")

    assert (len(both.files), len(both.others)) == (1, 1)


def test_columns_that_the_base_lacks_are_one_where_only_their_case_differs(tmp_path: Path) -> None:
    found = merged(
        tmp_path, "id,b\n1,x\n", "id,b\n1,x\n", "id,b,New One\n1,x,7\n", "id,b,NEW_ONE\n1,x,8\n"
    )

    new = columns(found)["New One"]
    assert (new.aliases, new.optional, new.type) == (["NEW_ONE"], True, "int64")
    assert set(columns(found)) == {"id", "b", "New One"}


def test_names_without_a_latin_letter_are_told_apart(tmp_path: Path) -> None:
    found = merged(tmp_path, "дата,сумма\n1,2\n", "дата,сумма\n1,2\n", "дата,город\n1,Киев\n")

    assert columns(found)["сумма"].aliases == []
    assert set(columns(found)) == {"дата", "сумма", "город"}


def test_a_spelling_of_a_missing_value_counts_where_a_file_has_no_other(tmp_path: Path) -> None:
    found = merged(tmp_path, "id,n\n1,5\n2,6\n", "id,n\n1,-\n")

    assert (columns(found)["n"].type, columns(found)["n"].null_words) == ("int64", ["-"])


def test_files_in_ascii_are_read_in_the_encoding_that_others_show(tmp_path: Path) -> None:
    texts = (
        "id,city\n1,Bonn\n",
        "id,city\n1,Rom\n",
        "id,city,x\n1,Zürich,\n",
        "id,city,x\n2,Köln,\n",
    )
    for number, (text, encoding) in enumerate(
        zip(texts, ("ascii", "ascii", "cp1252", "utf-8"), strict=True)
    ):
        (tmp_path / f"f{number}.csv").write_bytes(text.encode(encoding))

    found = merge(
        [
            Seen(f"f{number}.csv", profile_file(os.fsencode(tmp_path / f"f{number}.csv")))
            for number in range(4)
        ]
    )
    source = draft_source(found.profile, topic="t", pattern="*").source

    assert found.others == ["f3.csv"]
    assert run(source, tmp_path / "f2.csv").rows["t"][0]["city"] == "Zürich"
    with pytest.raises(PluginError, match="text in UTF-8, this plugin reads cp1252"):
        run(source, tmp_path / "f3.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.log"])
def test_a_last_letter_is_not_enough_to_be_utf8(tmp_path: Path, name: str) -> None:
    lines = {
        "a.csv": "id,city\n1,Lima\n2,Quito\n3,Bogotá",
        "a.log": "".join(f"2020-01-01 10:00:0{n} INFO tea\n" for n in range(9))
        + "2020-01-01 10:00:09 INFO café",
    }
    (tmp_path / name).write_bytes(lines[name].encode("cp1252"))
    source = draft_source(profile_file(os.fsencode(tmp_path / name)), topic="t", pattern="*").source

    rows = run(source, tmp_path / name).rows["t"]

    assert rows[-1] == rows[-1] | ({"city": "Bogotá"} if name == "a.csv" else {"message": "café"})


KINDS = {
    "marks or a comma": "1,234", "a point": "1.5", "whole": "1", "marks": "1,234,567",
    "european": "1.234,5", "a comma": "1,5", "a truth": "0", "text": "a", "a day": "01/02/2020",
    "day first": "31/01/2020", "month first": "01/31/2020", "iso": "2020-01-02", "code": "007",
    "a unit": "5 kg", "percent": "5%",
}  # fmt: skip


@pytest.mark.parametrize("first", KINDS)
def test_the_order_of_files_decides_nothing(first: str) -> None:
    for second, third in combinations([kind for kind in KINDS if kind != first], 2):
        found = {
            (one.type, tuple(sorted(one.candidates)), one.ambiguity is None, one.unit)
            for order in permutations((first, second, third))
            for one in [merged_column("c", [(kind, column(KINDS[kind])) for kind in order])]
        }
        assert len(found) == 1, (first, second, third, found)


def test_a_point_in_one_file_decides_the_marks_of_another_and_a_comma_contradicts_it() -> None:
    point, marks, comma = column("1.5"), column("1,234"), column("1,5")

    decided = merged_column("c", [("a", marks), ("b", point)])
    contradicted = merged_column("c", [("a", marks), ("b", point), ("c", comma)])

    assert (decided.type, decided.candidates) == ("double", ["thousands comma"])
    assert contradicted.type == "string"
    assert "exclude each other" in str(contradicted.ambiguity)


def test_an_open_point_beside_text_is_told_and_numbers_beside_a_truth_are_numbers() -> None:
    day = merged_column("c", [("a", column("01/02/2020")), ("b", column("soon"))])
    number = merged_column("c", [("a", column("0", "1")), ("b", column("1", "5"))])

    assert (day.type, day.candidates) == ("string", [])
    assert "others are plain text" in str(day.ambiguity)
    assert (number.type, number.candidates) == ("int64", [])


def test_totals_that_are_called_otherwise_are_passed_over_in_each_file(tmp_path: Path) -> None:
    texts = [f"what,n\na,1\nb,2\nc,3\n{word},6\n" for word in ("Total", "Summe", "Total")]
    found = merged(tmp_path, *texts)
    source = draft_source(found.profile, topic="t", pattern="*").source

    for number in range(3):
        kept = run(source, tmp_path / f"f{number}.csv")
        assert ([row["what"] for row in kept.rows["t"]], kept.skipped) == (["a", "b", "c"], 1)


def test_a_last_record_that_is_called_like_a_total_and_is_none_is_kept(tmp_path: Path) -> None:
    found = merged(tmp_path, "what,n\na,10\nb,20\nTotal,7\n")
    kept = run(draft_source(found.profile, topic="t", pattern="*").source, tmp_path / "f0.csv")

    assert [row["n"] for row in kept.rows["t"]] == [10, 20, 7]
    assert "is called like a total, and no number in it is one" in " ".join(found.profile.problems)

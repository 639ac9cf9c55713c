"""XML records: their values, where they stand, and what is set aside."""

from __future__ import annotations

import pytest

from casparian_flow.reading import xml_text
from tests.reading.test_readers import found, source


def test_xml_records_with_attributes_children_and_places() -> None:
    content = (
        b'<r xmlns:k="u">\n<k:i id="1"><n>x</n><n>y</n><a><c>z</c></a></k:i>\n<i id="2">t</i></r>'
    )

    rows, faults = found(xml_text.read(source(content), record=["r", "i"]))

    assert rows == [
        {"@id": "1", "n": '["x", "y"]', "a.c": "z", "_line": 2},
        {"@id": "2", ".": "t", "_line": 3},
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("content", "has_offsets"),
    [
        ('<?xml version="1.0" encoding="big5"?><r><i>中文</i></r>'.encode("big5"), False),
        ('<?xml version="1.0" encoding="euc-kr"?><r><i>한국</i></r>'.encode("euc-kr"), False),
        ('<?xml version="1.0" encoding="utf-32"?><r><i>中</i></r>'.encode("utf-32"), False),
        ('<?xml version="1.0" encoding="utf-16"?><r><i>中</i></r>'.encode("utf-16"), True),
        ('<?xml version="1.0" encoding="utf_16"?><r><i>中</i></r>'.encode("utf-16-be"), True),
        ('<?xml version="1.0" encoding="utf-16"?><r><i>中</i></r>'.encode(), True),
        ('<?xml version="1.0" encoding="windows-1252"?><r><i>€</i></r>'.encode("cp1252"), True),
        ("﻿<r><i>中</i></r>".encode(), True),
        (
            '<?xml version="1.0" encoding="iso-2022-jp"?><r><i>\u4e2d</i></r>'.encode("iso2022_jp"),
            False,
        ),
    ],
)
def test_xml_in_its_own_encoding(content: bytes, *, has_offsets: bool) -> None:
    (block,) = xml_text.read(source(content), record=["r", "i"])
    place = block.place(0)
    wide = {0: "utf-16-be", 0xFE: "utf-16-be", 0xFF: "utf-16-le"}.get(content[0], "latin-1")

    assert (block.rows, block.faults) == (1, [])
    assert block.columns["."].to_pylist()[0] in ("中文", "한국", "中", "€")
    if has_offsets:
        assert place.offset is not None
        assert place.length is not None
        raw = content[place.offset : place.offset + place.length].decode(wide)
        assert (raw[:3], raw[-4:]) == ("<i>", "</i>")
    else:
        assert (place.offset, place.length) == (None, None)


def test_xml_of_no_known_encoding_is_said() -> None:
    content = b'<?xml version="1.0" encoding="bogus"?><r><i>1</i></r>'

    _, faults = found(xml_text.read(source(content), record=["r", "i"]))

    assert [code for _, code in faults] == ["NOT_TEXT"]


@pytest.mark.parametrize("between", ["\n", ""])
def test_an_xml_record_reaches_to_the_end_of_its_closing_tag(between: str) -> None:
    records = [
        f'<i n="{n}">{"x" * (n % 50)}</i >' if n % 3 else f'<i n="{n}" />' for n in range(40_000)
    ]
    content = ("<r>\n" + between.join(records) + "\n</r>").encode()

    blocks = list(xml_text.read(source(content), record=["r", "i"]))

    places = [block.place(row) for block in blocks for row in range(block.rows)]
    assert [
        content[place.offset : place.offset + place.length].decode()  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        for place in places
    ] == records


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE r [<!ENTITY a "b">]><r><i>&a;</i></r>',
        b"<r><i>1</i><i>",
        b"<r><i>1</i></q>",
    ],
)
def test_xml_that_is_broken_or_declares_entities_is_said(content: bytes) -> None:
    _, faults = found(xml_text.read(source(content), record=["r", "i"]))

    assert [code for _, code in faults] == ["NOT_XML"]


DTD = '<!DOCTYPE r SYSTEM "r.dtd">'


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ("<i>caf&eacute;</i>", {".": "caf\u00e9", "_line": 1}),
        ('<i a="&eacute;&amp;">&lt;</i>', {"@a": "\u00e9&", ".": "<", "_line": 1}),
        ("<i>a&mine;b</i>", None),
        ('<i a="&mine;b"/>', None),
        ('<i><j a="&mine;"/>x</i>', None),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "shift_jis"])
def test_entities_of_a_dtd_that_lies_elsewhere_never_vanish(
    record: str, row: dict[str, object] | None, encoding: str
) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{DTD}<r>{record}<i>1</i></r>'

    rows, faults = found(xml_text.read(source(text.encode(encoding)), record=["r", "i"]))

    assert rows == [*([row] if row else []), {".": "1", "_line": 1}]
    assert faults == ([] if row else [(1, "UNKNOWN_ENTITY")])


def test_a_tag_too_long_to_be_looked_through_for_entities_is_set_aside() -> None:
    long = f'<i a="&mine;{"x" * 600_000}"/>'

    rows, faults = found(
        xml_text.read(source(f"{DTD}<r>{long}<i>1</i></r>".encode()), record=["r", "i"])
    )

    assert (rows, faults) == ([{".": "1", "_line": 1}], [(1, "UNKNOWN_ENTITY")])


def test_elements_in_one_another_without_end_are_set_aside() -> None:
    deep = "<q>x" * 100_000 + "</q>" * 100_000

    rows, faults = found(
        xml_text.read(source(f"<r><i>{deep}</i><i>1</i></r>".encode()), record=["r", "i"])
    )

    assert (rows, faults) == ([{".": "1", "_line": 1}], [(1, "TOO_DEEP")])


def test_a_closing_tag_ends_where_it_ends_however_long_it_is() -> None:
    content = f"<r><i>1</i{' ' * 5_000}></r>".encode()

    (block,) = xml_text.read(source(content), record=["r", "i"])

    assert block.place(0).length == len(content) - len("<r></r>")

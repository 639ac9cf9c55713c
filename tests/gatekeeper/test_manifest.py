import pytest
from hypothesis import given
from hypothesis import strategies as st

from casparian_flow.errors import ManifestInvalid
from gatekeeper.manifest import Manifest, imported_modules, read_manifest

HANDLER = "class Handler(BasePlugin):\n    def execute(self, path):\n        pass\n"


def source(keywords: str, *, after: str = "") -> str:
    return f"MANIFEST = PluginMetadata({keywords})\n{HANDLER}{after}"


def test_every_keyword_is_read() -> None:
    text = source("pattern='a/*.csv', topics=['b', 'a'], priority=-3, subscriptions=('x', 'y z')")

    assert read_manifest(text) == Manifest("a/*.csv", ("b", "a"), -3, ("x", "y z"))


def test_an_annotated_manifest_is_read() -> None:
    text = f"MANIFEST: PluginMetadata = PluginMetadata(pattern='*', topic='t')\n{HANDLER}"

    assert read_manifest(text) == Manifest("*", ("t",), 0, ())


@pytest.mark.parametrize("pattern", [r"\[x\].csv", r"\#a-[0-9]*.csv", r"\!b.csv", r"a\?.csv"])
def test_a_pattern_may_begin_with_a_sign_that_a_backslash_makes_plain(pattern: str) -> None:
    assert read_manifest(source(f"pattern={pattern!r}, topic='t'")).pattern == pattern


@pytest.mark.parametrize(
    "keywords",
    [
        "topic='t'",
        "pattern='*'",
        "pattern='*', topic='t', topics=['t']",
        "pattern='*', topics=[]",
        "pattern='*', topics=['t', 't']",
        "pattern='*', topics='t'",
        "pattern='*', topic=NAME",
        "pattern=f'{x}', topic='t'",
        "pattern='', topic='t'",
        "pattern='/etc/*', topic='t'",
        "pattern='~/x', topic='t'",
        "pattern='C:/x', topic='t'",
        "pattern='\\\\\\\\host\\\\x', topic='t'",
        "pattern='a/../b', topic='t'",
        "pattern='a\\x00', topic='t'",
        "pattern='a\\n', topic='t'",
        f"pattern='{'a' * 513}', topic='t'",
        "pattern='*', topic='Sales'",
        "pattern='*', topic='1a'",
        "pattern='*', topic='a-b'",
        "pattern='*', topic='s\\u00e4le'",
        "pattern='*', topic='a_quarantine'",
        "pattern='*', topic='a_history'",
        "pattern='*', topic='casparian_x'",
        "pattern='*', topic='_a'",
        f"pattern='*', topic='{'a' * 64}'",
        "pattern='*', topic='t', priority=True",
        "pattern='*', topic='t', priority=1.5",
        "pattern='*', topic='t', priority=10**9",
        "pattern='*', topic='t', subscriptions='x'",
        "pattern='*', topic='t', subscriptions=['']",
        "pattern='*', topic='t', subscriptions=[1]",
        "pattern='*', topic='t', version=3",
        "'*', topic='t'",
        "**{'pattern': '*', 'topic': 't'}",
    ],
)
def test_a_malformed_manifest_is_refused(keywords: str) -> None:
    with pytest.raises(ManifestInvalid):
        read_manifest(source(keywords))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def (",
        "\x00",
        "(" * 10_000,
        HANDLER,
        source("pattern='*', topic='t'", after="MANIFEST = PluginMetadata(pattern='b', topic='t')"),
        source("pattern='*', topic='t'", after="def f():\n    MANIFEST = 1\n"),
        source("pattern='*', topic='t'", after="for MANIFEST in []:\n    pass\n"),
        source("pattern='*', topic='t'", after=HANDLER),
        source("pattern='*', topic='t'").replace("BasePlugin", "object"),
        source("pattern='*', topic='t'").replace("execute", "run"),
        source("pattern='*', topic='t'").replace("Handler", "Parser"),
        f"MANIFEST = dict(pattern='*', topic='t')\n{HANDLER}",
        f"if True:\n    MANIFEST = PluginMetadata(pattern='*', topic='t')\n{HANDLER}",
        f"X = MANIFEST = PluginMetadata(pattern='*')\n{HANDLER}",
    ],
)
def test_a_module_without_exactly_one_manifest_and_handler_is_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid):
        read_manifest(text)


def test_the_refusal_names_the_thing_and_the_line() -> None:
    with pytest.raises(ManifestInvalid, match=r"line 1: topic 'Bad'"):
        read_manifest(source("pattern='*', topic='Bad'"))


@given(
    st.builds(
        Manifest,
        st.just("*.csv"),
        st.lists(st.from_regex(r"t[a-z0-9]{0,10}", fullmatch=True), min_size=1, unique=True).map(
            lambda topics: tuple(topics[:64])
        ),
        st.integers(-1000, 1000),
        st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=5).map(tuple),
    )
)
def test_a_manifest_survives_json(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_json_with_another_member_is_refused() -> None:
    members = Manifest("*", ("t",), 0, ()).to_json()

    with pytest.raises(ManifestInvalid):
        Manifest.from_json({**members, "topic": "u"})


def test_imports_are_named_without_the_standard_library_and_us() -> None:
    text = """
import os, pandas.io
from polars import x
from . import helpers
from casparian_flow.sdk import BasePlugin

def f():
    import numpy as np
"""

    assert imported_modules(text) == ("numpy", "pandas", "polars")

import importlib
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.policy import ALLOWED_NAMES
from gatekeeper.rules import Finding, inspect, inspect_files
from tests.gatekeeper.attacks import ATTACKS, inside, outside
from tests.gatekeeper.honest import HONEST, plugin

PROTECTIONS = [
    ("import", outside("import os")),
    ("module-name", inside("json.codecs", "import json")),
    ("module-value", inside("x = json", "import json")),
    ("builtin", inside("eval('1')")),
    ("name", inside("undefined_name")),
    ("shadow", inside("json = 1", "import json")),
    ("dunder", outside("class C:\n    def __getattr__(self, n):\n        return n")),
    ("attribute", inside("path.tb_frame")),
    ("writer", inside("path.extract('a')")),
    ("store", inside("json.loads = 1", "import json")),
    ("open", inside("open(path, 'w')")),
    ("keyword", inside("self.f(storage_options=1)")),
    ("getattr", inside("getattr(self, path)")),
    ("format", inside("'{0.x}'.format(path)")),
    ("url", inside("self.f('s3://x')")),
    ("word", inside("x = '__globals__'")),
    ("dispatch", inside("path.agg('to_csv')")),
    ("import-time", outside("print(1)")),
    ("default", outside("def f(x=print()):\n    return x")),
    ("annotation", outside("def f(x: print()):\n    return x")),
    ("decorator", outside("@print\ndef f():\n    return 1")),
    ("except", inside("try:\n    pass\nexcept:\n    pass")),
    ("class", outside("class C(metaclass=print):\n    pass")),
    ("pattern", inside("match path:\n    case Foreign(x=1):\n        pass")),
    ("syntax", inside("async def f():\n    return 1")),
    ("nesting", inside("path(" * 70 + ")" * 70)),
    ("size", outside("\n" * 10_001)),
    ("encoding", b"# coding: utf-7\n"),
    ("character", outside("# \u202e")),
    ("identifier", inside("\uff50ath")),
    ("manifest", b"X = 1\n"),
]


@pytest.mark.parametrize(("name", "source"), ATTACKS, ids=[name for name, _ in ATTACKS])
def test_an_attack_is_found(name: str, source: bytes) -> None:
    findings = inspect(source)

    assert findings
    assert name in {"no code at all", "null statement file"} or {f.rule for f in findings} != {
        "manifest"
    }


@pytest.mark.parametrize(("name", "source"), HONEST, ids=[name for name, _ in HONEST])
def test_an_honest_parser_has_no_findings(name: str, source: bytes) -> None:
    assert inspect(source) == ()


def test_the_frame_of_the_attacks_is_honest_by_itself() -> None:
    assert inspect(inside("pass")) == ()
    assert inspect(outside("X = 1")) == ()


def test_the_corpora_are_large_enough_to_mean_something() -> None:
    assert len({source for _, source in ATTACKS}) >= 300
    assert len({source for _, source in HONEST}) >= 50


@pytest.mark.parametrize(("rule", "source"), PROTECTIONS, ids=[rule for rule, _ in PROTECTIONS])
def test_each_protection_is_the_one_that_speaks(rule: str, source: bytes) -> None:
    assert rule in {finding.rule for finding in inspect(source)}


@pytest.mark.parametrize(("rule", "source"), PROTECTIONS, ids=[rule for rule, _ in PROTECTIONS])
def test_each_finding_says_what_to_write_instead(rule: str, source: bytes) -> None:
    for finding in inspect(source):
        assert finding.fix.endswith((".", ".py.")), finding
        assert finding.message


def test_findings_come_in_the_order_of_the_source() -> None:
    findings = inspect(inside("eval(1); exec(2)\nopen(path, 'w')", "import os\nimport sys"))

    assert [(f.line, f.column) for f in findings] == sorted((f.line, f.column) for f in findings)
    assert len(findings) == 5


def test_a_finding_points_at_the_place() -> None:
    source = plugin("", "x = 1\neval('1')")

    assert inspect(source) == (
        Finding("builtin", 10, 9, "eval is refused", inspect(source)[0].fix),
    )


@given(st.binary(max_size=300))
def test_inspect_never_raises_on_any_bytes(source: bytes) -> None:
    assert isinstance(inspect(source), tuple)


@given(st.text(alphabet="()[]{}:,.=+-*@ \n\tabifordefclass'\"f_0\\#", max_size=120))
def test_inspect_never_raises_on_near_python(source: str) -> None:
    assert isinstance(inspect(source.encode()), tuple)


@given(st.sampled_from([s for _, s in HONEST]), st.data())
def test_inspect_never_raises_on_damaged_plugins(source: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, len(source)))

    assert isinstance(inspect(source[:start] + source[end:]), tuple)


@pytest.mark.parametrize("module", sorted(ALLOWED_NAMES))
def test_no_listed_name_is_a_module_that_is_not_listed_itself(module: str) -> None:
    library = importlib.import_module(module) if _is_installed(module) else None

    leaks = [
        name
        for name in ALLOWED_NAMES[module]
        if isinstance(getattr(library, name, None), types.ModuleType)
        and f"{module}.{name}" not in ALLOWED_NAMES
    ]

    assert leaks == []


def _is_installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def test_a_module_may_use_what_another_module_of_the_plugin_defines() -> None:
    files = {
        "plugin.py": plugin(
            "import helpers\nfrom formats.swift import parse",
            """
            self.publish("rows", [parse(helpers.clean(line)) for line in open(path)])
        """,
        ),
        "helpers.py": b"import json\n\ndef clean(text):\n    return json.loads(text)\n",
        "formats/swift.py": b"from helpers import clean\n\ndef parse(x):\n    return clean(x)\n",
    }

    assert inspect_files(files, entry="plugin.py") == ()


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("from helpers import json", "json.codecs"),
        ("from helpers import j", "j.codecs"),
        ("import helpers", "helpers.json.codecs"),
        ("import helpers as h", "h.j"),
        ("from helpers import _hidden", "pass"),
        ("from helpers import loads", "pass"),
        ("from . import helpers", "helpers.j"),
    ],
)
def test_a_library_cannot_be_taken_through_another_module(imports: str, body: str) -> None:
    files = {
        "plugin.py": plugin(imports, body),
        "helpers.py": b"import json\nimport csv as j\nfrom json import loads\n_hidden = 1\n",
    }

    assert inspect_files(files, entry="plugin.py")


@pytest.mark.parametrize("name", ["json.py", "pandas.py", "casparian_flow.py", "xml/etree.py"])
def test_a_module_of_the_plugin_cannot_pose_as_a_library(name: str) -> None:
    files = {"plugin.py": plugin("", "pass"), name: b"X = 1\n"}

    assert [f.rule for f in inspect_files(files, entry="plugin.py")] == ["sibling"]


def test_a_function_of_another_module_may_be_applied_but_not_a_text() -> None:
    imports = "import helpers\nfrom helpers import x"
    body = "self.publish('rows', [path.apply(x), path.agg(helpers.x)])"
    function = {"plugin.py": plugin(imports, body), "helpers.py": b"def x(v):\n    return v\n"}
    constant = {"plugin.py": plugin(imports, body), "helpers.py": b"x = 'to_csv'\n"}

    assert inspect_files(function, entry="plugin.py") == ()
    assert [f.rule for f in inspect_files(constant, entry="plugin.py")] == ["dispatch", "dispatch"]


def test_a_finding_in_another_module_names_the_file() -> None:
    files = {"plugin.py": plugin("", "pass"), "helpers.py": b"import os\n"}

    (finding,) = inspect_files(files, entry="plugin.py")

    assert finding.message.startswith("helpers.py: ")


def test_a_module_that_is_not_the_entry_needs_no_manifest() -> None:
    assert inspect(b"X = 1\n", entry=False) == ()

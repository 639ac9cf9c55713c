import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casparian_flow.errors import AdmissionError
from gatekeeper.artifact import (
    Artifact,
    artifact_hash,
    env_hash,
    make_artifact,
    manifest_digest,
    source_digests,
)
from gatekeeper.canonical import canonical_json
from gatekeeper.policy import ruleset_digest
from tests.gatekeeper.builders import FILES, HELPERS, LOCK, PLUGIN


@given(st.permutations(["plugin.py", "helpers.py", "a.py", "z/b.py"]))
def test_the_hash_does_not_depend_on_the_order_of_files(names: list[str]) -> None:
    contents = {"plugin.py": PLUGIN, "helpers.py": HELPERS, "a.py": b"a", "z/b.py": b"b"}

    shuffled = make_artifact({name: contents[name] for name in names}, LOCK)

    assert artifact_hash(shuffled) == artifact_hash(make_artifact(contents, LOCK))


def test_the_hash_is_sha256_over_source_and_lockfile() -> None:
    artifact = make_artifact(FILES, LOCK)

    assert artifact_hash(artifact) == hashlib.sha256(HELPERS + PLUGIN + LOCK).hexdigest()
    assert env_hash(LOCK) == hashlib.sha256(LOCK).hexdigest()
    assert artifact.entry == PLUGIN


def test_bytes_moved_across_the_boundary_keep_the_hash_but_not_the_digests() -> None:
    whole = make_artifact(FILES, LOCK)
    moved = make_artifact({**FILES, "plugin.py": PLUGIN + LOCK[:1].replace(b"v", b"#")}, LOCK)

    assert source_digests(whole)["plugin.py"] != source_digests(moved)["plugin.py"]


@pytest.mark.parametrize(
    "name",
    ["/plugin.py", "../x.py", "a/../x.py", "a\\b.py", "x.txt", "x.pth", ".py", "a//b.py", "./a.py",
     "x.py\n", "\u00e9.py", "a b.py", "class.py", "__pycache__/x.py", "C:x.py", "x.so", "Plugin.py",
     "a" * 200 + ".py", "x.py\x00"],
)  # fmt: skip
def test_a_file_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(AdmissionError):
        make_artifact({**FILES, name: b""}, LOCK)


def test_an_artifact_without_plugin_py_is_refused() -> None:
    with pytest.raises(AdmissionError):
        make_artifact({"helpers.py": b""}, LOCK)


def test_a_file_given_twice_is_refused() -> None:
    manifest = make_artifact(FILES, LOCK).manifest

    with pytest.raises(AdmissionError):
        Artifact((("plugin.py", PLUGIN), ("plugin.py", b"")), LOCK, manifest)


def test_too_many_files_are_refused() -> None:
    with pytest.raises(AdmissionError):
        make_artifact({**FILES, **{f"m{n}.py": b"" for n in range(64)}}, LOCK)


def test_a_plugin_that_is_not_utf8_has_no_manifest() -> None:
    with pytest.raises(AdmissionError):
        make_artifact({"plugin.py": PLUGIN + b"#\xff"}, LOCK)


def test_the_manifest_digest_is_over_canonical_json() -> None:
    manifest = make_artifact(FILES, LOCK).manifest

    assert canonical_json(manifest.to_json()) == (
        b'{"pattern":"*.csv","priority":3,"subscriptions":["pos"],"topics":["sales"]}'
    )
    assert (
        manifest_digest(manifest) == hashlib.sha256(canonical_json(manifest.to_json())).hexdigest()
    )


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), {1: 2}, {"a": {2}}, b"x", object(), "\ud800", [1.5]]
)
def test_what_has_no_single_json_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"canonical|surrogates"):
        canonical_json(value)


def test_the_ruleset_digest_is_the_same_in_every_process() -> None:
    assert ruleset_digest() == ruleset_digest()
    assert len(ruleset_digest()) == 64

"""The local page shows a person everything, and takes only that person's yes."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House


@pytest.fixture
def waiting(house: House, data: Path) -> dict[str, Any]:
    """A draft that waits for approval; the answer of publish."""
    (data / "a.csv").write_text("id,name\n1,<script>alert(1)</script>\n")
    house.call("scan", path=str(data))
    draft = house.call("draft_plugin", files=[str(data / "a.csv")], topic="things")
    checked = house.call("validate_plugin", draft=draft["draft"], wait_s=60)
    order = {"draft": draft["draft"], "digest": checked["digest"]}
    return {**house.call("publish_plugin", **order), "order": order}


def get(url: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    return send(request)


def post(url: str, fields: dict[str, str]) -> tuple[int, str]:
    body = urllib.parse.urlencode(fields).encode()
    return send(urllib.request.Request(url.partition("?")[0], data=body, method="POST"))


def send(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.usefixtures("arrow_environment")
def test_a_person_reads_everything_and_says_yes(house: House, waiting: dict[str, Any]) -> None:
    url = waiting["approval"]["url"]
    status, page = get(url)

    assert status == 200
    for shown in ("MANIFEST", "Findings", "sample rows", "publish to", waiting["order"]["digest"]):
        assert shown in page
    assert "<script>" not in page
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    fields = {"key": key[1], "digest": waiting["order"]["digest"], "decision": "yes"}

    assert post(url, fields)[0] == 200
    assert house.call("publish_plugin", **waiting["order"])["status"] == "published"


@pytest.mark.usefixtures("arrow_environment")
def test_after_a_yes_the_page_says_that_it_is_not_published_yet_and_what_publishes(
    waiting: dict[str, Any],
) -> None:
    url = waiting["approval"]["url"]
    key = urllib.parse.parse_qs(url.partition("?")[2])["key"][0]
    fields = {"key": key, "digest": waiting["order"]["digest"], "decision": "yes"}

    answer, later = post(url, fields)[1], get(url)[1]

    assert "does not publish" in answer
    assert "agent" in answer
    for page in (answer, later):
        assert f"casparian publish {waiting['order']['draft']}" in page


@pytest.mark.usefixtures("arrow_environment")
def test_without_the_key_nothing_is_shown_or_decided(waiting: dict[str, Any], house: House) -> None:
    url = waiting["approval"]["url"]
    bare = url.partition("?")[0]

    assert get(bare)[0] == 403
    assert get(bare + "?key=wrong")[0] == 403
    fields = {"key": "wrong", "digest": waiting["order"]["digest"], "decision": "yes"}
    assert post(url, fields)[0] == 403
    assert house.call("publish_plugin", **waiting["order"])["status"] == "approval_required"


@pytest.mark.usefixtures("arrow_environment")
def test_a_page_of_another_name_is_not_served(waiting: dict[str, Any]) -> None:
    assert get(waiting["approval"]["url"], host="evil.example")[0] == 400


@pytest.mark.usefixtures("arrow_environment")
def test_a_yes_to_another_digest_is_refused(house: House, waiting: dict[str, Any]) -> None:
    url = waiting["approval"]["url"]
    key = urllib.parse.parse_qs(url.partition("?")[2])["key"][0]

    assert post(url, {"key": key, "digest": "0" * 64, "decision": "yes"})[0] == 409
    assert house.call("publish_plugin", **waiting["order"])["status"] == "approval_required"


@pytest.mark.usefixtures("arrow_environment")
def test_a_no_is_a_no(house: House, waiting: dict[str, Any]) -> None:
    url = waiting["approval"]["url"]
    key = urllib.parse.parse_qs(url.partition("?")[2])["key"][0]
    fields = {"key": key, "digest": waiting["order"]["digest"], "decision": "no"}

    assert post(url, fields)[0] == 200
    assert house.call("publish_plugin", **waiting["order"])["status"] == "declined"


@pytest.mark.usefixtures("arrow_environment")
def test_a_no_can_become_a_yes_on_the_same_page(house: House, waiting: dict[str, Any]) -> None:
    url = waiting["approval"]["url"]
    key = urllib.parse.parse_qs(url.partition("?")[2])["key"][0]
    fields = {"key": key, "digest": waiting["order"]["digest"]}
    post(url, {**fields, "decision": "no"})

    assert "You can still approve it" in get(url)[1]
    assert post(url, {**fields, "decision": "yes"})[0] == 200
    assert house.call("publish_plugin", **waiting["order"])["status"] == "published"

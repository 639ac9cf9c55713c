"""Who may say yes, in each mode an operator can choose; and how a person changes their mind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitRequestParams, ElicitResult

from casparian_flow.errors import ApprovalError, EngineUnavailable
from tests.conftest import House
from tests.doors import call, casparian, server

pytestmark = pytest.mark.usefixtures("arrow_environment")


def validated(house: House, data: Path) -> dict[str, object]:
    """The order for a draft that is ready to be published."""
    (data / "a.csv").write_text("id\n1\n")
    house.call("scan", path=str(data))
    draft = house.call("draft_plugin", files=[str(data / "a.csv")], topic="things")["draft"]
    checked = house.call("validate_plugin", draft=draft, wait_s=60)
    return {"draft": draft, "digest": checked["digest"]}


def publish_as_agent(
    house: House,
    data: Path,
    order: dict[str, object],
    *,
    form: ElicitResult | None,
    times: int = 1,
) -> tuple[list[dict[str, Any]], int]:
    """What an agent is told, and how often its host showed the form."""
    shown: list[str] = []

    async def answer(context: object, params: ElicitRequestParams) -> ElicitResult:
        assert form is not None
        shown.append(params.message)
        return form

    async def story() -> list[dict[str, Any]]:
        with anyio.fail_after(60):
            callback = answer if form is not None else None
            async with Client(server(house, data), elicitation_callback=callback) as client:
                return [await call(client, "publish_plugin", **order) for _ in range(times)]

    return anyio.run(story), len(shown)


YES = ElicitResult(action="accept", content={"approve": True})


@pytest.mark.parametrize(
    ("mode", "has_form", "expected"),
    [
        ("auto", True, ("published", 1, "mcp: host form")),
        ("auto", False, ("approval_required", 0, None)),
        ("person", True, ("approval_required", 0, None)),
        ("person", False, ("approval_required", 0, None)),
        ("host", True, ("published", 0, "mcp: host confirmation")),
        ("host", False, ("published", 0, "mcp: host confirmation")),
    ],
)
def test_each_mode_takes_a_yes_only_from_whom_the_operator_chose(
    house: House,
    data: Path,
    mode: str,
    has_form: bool,  # noqa: FBT001 - a case
    expected: tuple[str, int, str | None],
) -> None:
    status, forms, how = expected
    (house.home.root / "config.toml").write_text(f'approval = "{mode}"\n')
    order = validated(house, data)

    answers, shown = publish_as_agent(house, data, order, form=YES if has_form else None)

    assert (answers[0]["status"], shown) == (status, forms)
    if how is None:
        assert answers[0]["approval"]["command"] == "casparian approve approval-1"
        assert house.call("get_plugins")["plugins"] == []
    else:
        plugin = house.call("get_plugins", include=["signature"])["plugins"][0]
        assert plugin["signature"]["approved_how"] == how


def test_the_service_itself_takes_no_yes_from_a_form_where_a_person_is_wanted(
    house: House, data: Path
) -> None:
    (house.home.root / "config.toml").write_text('approval = "person"\n')
    order = validated(house, data)
    asked = house.agent.call("publish_plugin", order)
    assert asked["status"] == "approval_required"

    with pytest.raises(ApprovalError, match="out of band"):
        house.agent.call("approve", {"approval": "approval-1", "how": "host form"})


def test_no_argument_chooses_the_mode(house: House, data: Path) -> None:
    order = validated(house, data)

    async def story() -> list[str]:
        with anyio.fail_after(60):
            async with Client(server(house, data)) as client:
                said: list[str] = []
                for name, value in (("approval", "host"), ("how", "page"), ("decision", "yes")):
                    result = await client.call_tool("publish_plugin", {**order, name: value})
                    assert result.is_error
                    said.append(str(result.content))
                return said

    assert all("has no argument" in said for said in anyio.run(story))
    assert house.call("get_plugins")["plugins"] == []


def test_a_mode_that_does_not_exist_is_refused_with_those_that_do(house: House) -> None:
    (house.home.root / "config.toml").write_text('approval = "persn"\n')

    with pytest.raises(EngineUnavailable, match=r"approval.*'auto', 'host' or 'person'"):
        house.call("get_overview")


def test_a_declined_plugin_is_not_asked_for_again_until_a_person_changes_their_mind(
    house: House, data: Path
) -> None:
    order = validated(house, data)
    no = ElicitResult(action="decline")

    answers, shown = publish_as_agent(house, data, order, form=no, times=2)
    again, shown_again = publish_as_agent(house, data, {**order, "version": 7}, form=no)

    assert [one["status"] for one in answers + again] == ["declined"] * 3
    assert (shown, shown_again) == (1, 0)
    assert "casparian approve approval-1" in answers[1]["summary"]
    assert len(house.call("approvals", waiting=False)["approvals"]) == 1
    with pytest.raises(ApprovalError, match="a person decided"):
        house.agent.call("approve", {"approval": "approval-1", "how": "host form"})
    draft = str(order["draft"])
    told = casparian(house, "publish", draft, "--digest", str(order["digest"]), code=5)
    assert "casparian approve approval-1" in told

    casparian(house, "approve", "approval-1", "--yes")

    published, _ = publish_as_agent(house, data, order, form=None)
    assert published[0]["status"] == "published"


def test_a_yes_can_be_taken_back_until_it_is_used(house: House, data: Path) -> None:
    order = validated(house, data)
    approval = house.call("publish_plugin", **order)["approval"]["id"]
    house.call("approve", approval=approval)
    house.call("decline", approval=approval)

    assert house.call("publish_plugin", **order)["status"] == "declined"

    house.call("approve", approval=approval)
    assert house.call("publish_plugin", **order)["status"] == "published"
    with pytest.raises(ApprovalError, match="used already"):
        house.call("decline", approval=approval)


def test_a_declined_draft_that_changed_cannot_be_approved(house: House, data: Path) -> None:
    order = validated(house, data)
    approval = house.call("publish_plugin", **order)["approval"]["id"]
    house.call("decline", approval=approval)
    house.call("draft_plugin", draft=order["draft"], files=[str(data / "a.csv")], topic="others")

    assert house.call("approvals", approval=approval)["approvals"][0]["status"] == "stale"
    with pytest.raises(ApprovalError, match="changed"):
        house.call("approve", approval=approval)


def test_a_yes_counts_only_for_what_the_form_showed(house: House, data: Path) -> None:
    order = validated(house, data)
    source = house.call("get_draft", draft=order["draft"])["source"]
    private = data.parent / "private"
    private.mkdir()
    (private / "a.csv").write_text("id\n99\n")
    house.call("scan", path=str(private))
    shown: list[str] = []

    async def story() -> dict[str, Any]:
        async def answer(context: object, params: ElicitRequestParams) -> ElicitResult:
            shown.append(params.message)
            files = [str(data / "a.csv"), str(private / "a.csv")]
            await call(client, "draft_plugin", draft=order["draft"], source=source, files=files)
            await call(client, "validate_plugin", draft=order["draft"])
            return YES

        with anyio.fail_after(60):
            async with Client(
                server(house, data), elicitation_callback=answer, mode="legacy"
            ) as client:
                return await call(client, "publish_plugin", **order)

    result = anyio.run(story)

    assert result["status"] == "approval_required"
    assert "private" not in shown[0]
    assert house.call("get_plugins")["plugins"] == []

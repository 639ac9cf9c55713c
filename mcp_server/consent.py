"""Ask the person, through the host's form where there is one, before a plugin takes effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit
from pydantic import BaseModel, Field

from mcp_server.door import Door, ask


class Consent(BaseModel):
    """The form: one boolean."""

    approve: bool = Field(description="Publish exactly this plugin?")


class NotAsked(Consent):
    """No form was shown: the host has none, or there was nothing to ask."""

    approve: bool = False


def can_show_forms(context: Context) -> bool:
    """Whether the client said that it can show a form.

    Looked at before asking: to ask a client that cannot is a protocol error no model ever sees.
    """
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    if elicitation is None:
        return False
    form, url = elicitation.form, elicitation.url
    return form is not None or url is None  # an empty capability means forms (2025-06-18)


async def consent_for(
    door: Door, context: Context, order: Mapping[str, object]
) -> Consent | Elicit[Consent]:
    """What to show the person; the same text for the same proposal."""
    proposal = await ask(door, context, "propose_plugin", **order)
    must_ask = proposal["status"] == "approval_required" and proposal["form"]
    if not must_ask or not can_show_forms(context):
        return NotAsked()
    key, shown = _key(order), _approval_of(proposal)
    door.shown[key] = shown if door.shown.get(key, shown) == shown else ""
    return Elicit(str(proposal["review"]), Consent)


def _key(order: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(order.get(name) for name in ("draft", "digest", "version", "reprocess"))


def _approval_of(proposal: Mapping[str, object]) -> str:
    approval = cast("dict[str, str] | None", proposal.get("approval"))
    return approval["id"] if approval is not None else ""


async def settle(
    door: Door, context: Context, order: Mapping[str, object], *, approve: bool
) -> dict[str, object]:
    """Record the host's word for the person's decision, and publish if it was yes.

    Only for the approval that the form showed: while it was open the agent may have revised the
    draft, or somebody else published a version, and then another approval stands in its place.
    """
    shown = door.shown.pop(_key(order), "")
    asked = {key: value for key, value in order.items() if key != "note"}
    proposal = await ask(door, context, "propose_plugin", **asked)
    current = _approval_of(proposal)
    # While the form was open a person may have said the same elsewhere.
    decided = proposal["status"] == ("approved" if approve else "declined")
    if current and current == shown and not decided:
        method = "approve" if approve else "decline"
        params = {"approval": current, "digest": str(order["digest"]), "how": "host form"}
        await ask(door, context, method, **params)
    return await ask(door, context, "publish_plugin", **order)

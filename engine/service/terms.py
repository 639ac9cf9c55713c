"""Hand a topic's contract out, as a Frictionless Table Schema that other tools read."""

from __future__ import annotations

from sqlalchemy import select

from casparian_flow.errors import NotFound
from engine.contracts import schema_for
from engine.control import Caller
from engine.house import House
from engine.models import Contract, PluginManifest
from engine.service.datasets import topics
from engine.service.results import ContractTerms

_TYPES = (
    # Arrow's word begins with, Table Schema's word
    ("int", "integer"), ("uint", "integer"), ("double", "number"), ("float", "number"),
    ("decimal", "number"), ("bool", "boolean"), ("date", "date"), ("timestamp", "datetime"),
    ("time", "time"), ("duration", "duration"), ("list", "array"), ("struct", "object"),
    ("string", "string"), ("large_string", "string"),
)  # fmt: skip


def get_contract(
    house: House, _caller: Caller, *, topic: str, version: int | None = None
) -> ContractTerms:
    """The contract of a topic as a Table Schema; the newest, or one version of it.

    Types that the standard lacks are `any`; each field's exact Arrow type stands beside it.
    """
    with house.catalog.reading() as session:
        rows = select(Contract).where(Contract.topic == topic).order_by(Contract.version.desc())
        known = list(session.scalars(rows))
        if not known:
            shown = ", ".join(topics(session)) or "none yet"
            raise NotFound(f"no contract for topic {topic!r}", hint=f"There are: {shown}.")
        row = next((one for one in known if version in (None, one.version)), None)
        if row is None:
            listed = ", ".join(str(one.version) for one in known)
            raise NotFound(f"{topic} has no contract version {version}", hint=f"Known: {listed}.")
        plugin = session.get_one(PluginManifest, row.manifest_id)
        brought = f"{plugin.name}@{plugin.version}"
        return ContractTerms(
            summary=f"Contract {row.version} of {topic}, which {brought} brought.",
            topic=topic,
            version=row.version,
            versions=sorted(one.version for one in known),
            agreed=row.agreed.isoformat(),
            plugin=brought,
            table_schema=table_schema(topic, row.version, row.terms),
        )


def table_schema(topic: str, version: int, terms: dict[str, object]) -> dict[str, object]:
    """A contract's terms as Frictionless Table Schema (v1), named and versioned."""
    schema = schema_for({topic: terms}, topic)
    fields = [
        {
            "name": field.name,
            "type": _type(str(field.type)),
            "arrowType": str(field.type),
            "constraints": {"required": not field.nullable},
        }
        for field in schema or []
    ]
    return {
        "name": topic,
        "version": str(version),
        "fields": fields,
        "missingValues": [""],
    }


def _type(arrow: str) -> str:
    return next((word for start, word in _TYPES if arrow.startswith(start)), "any")

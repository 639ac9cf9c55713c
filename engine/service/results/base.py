"""What every result has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


def _without_titles(schema: dict[str, Any]) -> None:
    """Drop what only repeats a field's name: every model reads the schema, and pays for it."""
    schema.pop("title", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)


class Part(BaseModel):
    """A piece of a result."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_titles)


class Result(Part):
    """Every result: a sentence a person could be shown, and the exact next calls."""

    summary: str
    next_steps: list[str] = []


class Check(Part):
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


class Checks(Result):
    """Checks, and whether all hold."""

    ok: bool
    checks: list[Check]


class Done(Result):
    """It was done."""

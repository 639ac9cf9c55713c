"""Refuse arguments no tool has: the SDK would ignore them, and the model would never know."""

from __future__ import annotations

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent

from mcp_server.untrusted import text_for_model


class StrictArguments:
    """Middleware over tools/call."""

    def __init__(self) -> None:
        """Know no tools yet."""
        self._known: dict[str, frozenset[str]] = {}

    async def learn(self, mcp: MCPServer) -> None:
        """Remember every tool's arguments."""
        for tool in await mcp.list_tools():
            properties: dict[str, Any] = tool.input_schema.get("properties", {})
            self._known[tool.name] = frozenset(properties)

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Judge tools/call, pass everything else on."""
        if ctx.method == "tools/call" and ctx.params is not None:
            name = str(ctx.params.get("name"))
            given: dict[str, Any] = ctx.params.get("arguments") or {}
            known = self._known.get(name)
            unknown = sorted(set(given) - known) if known is not None else []
            if unknown and known is not None:
                text = text_for_model(
                    f"BAD_ARGUMENT: {name} has no argument {', '.join(unknown)}."
                    f" It takes: {', '.join(sorted(known))}."
                )
                return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
        return await call_next(ctx)

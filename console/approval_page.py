"""The local page where a person reads a draft and says yes or no."""

from __future__ import annotations

import contextlib
import getpass
import hmac
import logging
import secrets
import socket
from collections.abc import Generator
from functools import partial
from html import escape as html_escape
from typing import TYPE_CHECKING

import anyio.to_thread

from casparian_flow.errors import CasparianError
from engine.control import Caller, ignore_progress
from engine.house import House
from engine.paths import harmless
from engine.runtime import Companion
from engine.service.calls import perform
from engine.service.results import ApprovalDetail, Approvals, Result

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

logger = logging.getLogger(__name__)

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem;color:#1b1f24}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}
td,th{border:1px solid #d0d7de;padding:.25rem .6rem;text-align:left;font-size:.9rem}
pre{background:#f6f8fa;padding:1rem;overflow:auto;font-size:.85rem}
button{font:inherit;padding:.6rem 1.4rem;
border-radius:.4rem;border:1px solid #1f883d;cursor:pointer}
.yes{background:#1f883d;color:#fff}.no{background:#fff;border-color:#cf222e;color:#cf222e}
code{overflow-wrap:anywhere}
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ApprovalPage:
    """One page on a loopback port; its address holds a key that only this user is told."""

    def __init__(self, port: int = 0) -> None:
        """Take this port, or a free one; nobody is served before `companion().serve` runs.

        Without any port there is no page, and approvals name only the command: that is no reason
        to have no engine.
        """
        self._key = secrets.token_urlsafe(24)
        self._socket = _listen(port)

    def companion(self) -> Companion:
        """What the engine runs beside itself."""
        return Companion(serve=self._serve, url=self.url)

    def url(self, number: int) -> str | None:
        """Where a person decides one approval; None if there is no page."""
        if self._socket is None:
            return None
        port = self._socket.getsockname()[1]
        return f"http://127.0.0.1:{port}/approvals/{number}?key={self._key}"

    async def _serve(self, house: House) -> None:
        if self._socket is None:
            return
        import uvicorn

        class Quiet(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Generator[None]:
                """Leave signals to the engine."""
                yield

        config = uvicorn.Config(
            self.application(house), log_level="warning", access_log=False, lifespan="off"
        )
        await Quiet(config).serve(sockets=[self._socket])

    def application(self, house: House) -> Starlette:
        """The page as an ASGI application."""
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/approvals/{number:int}", partial(self._read, house), methods=["GET"]),
                Route("/approvals/{number:int}", partial(self._decide, house), methods=["POST"]),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"])],
        )

    async def _read(self, house: House, request: Request) -> Response:
        if not self._knows(request.query_params.get("key")):
            return _page("Not allowed", "<p>The address is not complete.</p>", 403)
        number = int(request.path_params["number"])
        found = await _ask(house, "approvals", {"approval": str(number)})
        if isinstance(found, str):
            return _page("Not found", f"<p>{escape(found)}</p>", 404)
        assert isinstance(found, Approvals)  # noqa: S101 - the call's own result
        return _page("Approve a plugin", self._detail(found.approvals[0]), 200)

    async def _decide(self, house: House, request: Request) -> Response:
        form = await request.form(max_fields=5)
        if not self._knows(str(form.get("key"))):
            return _page("Not allowed", "<p>The address is not complete.</p>", 403)
        method = "approve" if form.get("decision") == "yes" else "decline"
        number = str(request.path_params["number"])
        params: dict[str, object] = {
            "approval": number,
            "digest": str(form.get("digest")),
            "how": "page",
        }
        done = await _ask(house, method, params)
        text = done if isinstance(done, str) else done.summary
        title = "Not decided" if isinstance(done, str) else "Decided"
        status = 409 if isinstance(done, str) else 200
        return _page(title, f"<p>{escape(text)}</p><p>You can close this page.</p>", status)

    def _knows(self, key: str | None) -> bool:
        return key is not None and hmac.compare_digest(key.encode(), self._key.encode())

    def _detail(self, found: ApprovalDetail) -> str:
        effects = found.effects
        replaces = f"<p><strong>{escape(found.replaces)}</strong></p>" if found.replaces else ""
        parts = [
            replaces,
            (
                f"<p>Publish <strong>{escape(found.plugin)}@{found.version}</strong>"
                f" ({escape(found.draft)})?</p>"
            ),
            "<h2>What it would do</h2>",
            (
                f"<p>Read {effects.files:,} files ({effects.bytes:,} bytes) below"
                f" {escape(', '.join(effects.roots))}; publish to"
                f" {escape(', '.join(effects.topics))}; queue {effects.jobs:,} jobs"
                f" (reprocess: {escape(found.reprocess)}); deliver to the lake"
                f"{escape(''.join(f' and {uri}' for uri in effects.sinks))}.</p>"
            ),
            f"<p>{escape(found.instead)}</p>" if found.instead else "",
            f"<p>Dependencies: {escape(', '.join(found.dependencies) or 'none')}.</p>",
            f"<p>Digest of everything that takes effect: <code>{found.digest}</code></p>",
            _agreement(found),
            _findings(found),
            _samples(found),
        ]
        if found.diff is not None:
            parts.append(f"<h2>What changes</h2><pre>{escape(found.diff)}</pre>")
        for name, text in found.source.items():
            parts.append(f"<h2>{escape(name)}</h2><pre>{escape(text)}</pre>")
        if found.status == "declined":
            parts.append("<p>This was declined. You can still approve it.</p>")
        if found.status in ("waiting", "declined"):
            parts.append(_form(found, self._key))
        else:
            parts.append(f"<p>This is {escape(found.status)}.</p>")
            parts += [f"<p>Next: <code>{escape(step)}</code></p>" for step in found.next_steps]
        return "".join(parts)


def _listen(port: int) -> socket.socket | None:
    for wanted in dict.fromkeys((port, 0)):
        try:
            return socket.create_server(("127.0.0.1", wanted))
        except OSError as error:
            logger.warning(
                "port of the approval page not to be had",
                extra={"port": wanted, "error": str(error)},
            )
    return None


def escape(text: str) -> str:
    """Text of whoever wrote it, as HTML shows it: no tags, nothing that reorders what is read."""
    return html_escape(harmless(text, lines=True))


def _agreement(found: ApprovalDetail) -> str:
    lines = found.validation.agreement if found.validation is not None else []
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>Contracts</h2><ul>{rows}</ul>" if rows else ""


def _findings(found: ApprovalDetail) -> str:
    if not found.findings:
        return "<h2>Findings</h2><p>The gatekeeper has none.</p>"
    rows = "".join(
        f"<tr><td>{f.line}</td><td>{escape(f.rule)}</td><td>{escape(f.message)}</td></tr>"
        for f in found.findings
    )
    return f"<h2>Findings</h2><table>{rows}</table>"


def _samples(found: ApprovalDetail) -> str:
    if found.validation is None:
        return "<h2>Validation</h2><p>The draft has changed since it was validated.</p>"
    parts = [f"<h2>Validation</h2><p>{escape(found.validation.summary)}</p>"]
    for topic in found.validation.rows:
        heads = "".join(f"<th>{escape(name)}</th>" for name in topic.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell or '')}</td>" for cell in row) + "</tr>"
            for row in topic.rows
        )
        parts.append(f"<h2>{escape(topic.topic)}, sample rows</h2>")
        parts.append(f"<table><tr>{heads}</tr>{rows}</table>")
    return "".join(parts)


def _form(found: ApprovalDetail, key: str) -> str:
    return (
        f'<form method="post"><input type="hidden" name="key" value="{escape(key)}">'
        f'<input type="hidden" name="digest" value="{found.digest}"><p>'
        '<button class="yes" name="decision" value="yes">Approve</button> '
        '<button class="no" name="decision" value="no">Decline</button></p></form>'
    )


async def _ask(house: House, method: str, params: dict[str, object]) -> Result | str:
    """The result of a call as the person at this machine, or what went wrong."""
    caller = Caller("page", getpass.getuser())
    work = partial(perform, house, caller, method, params, progress=ignore_progress)
    try:
        return await anyio.to_thread.run_sync(work)
    except CasparianError as error:
        return f"{error.message} {error.hint}"


def _page(title: str, body: str, status: int) -> Response:
    from starlette.responses import HTMLResponse

    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )
    return HTMLResponse(html, status, headers=_HEADERS)

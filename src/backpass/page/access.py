"""Who may talk to the page: a browser on this machine that was given the token, and nobody else."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may do: run and fetch what this server sends, show pictures that are in it."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


class Access:
    """Lets through what comes from the page itself, and answers all else with 403.

    A foreign page can send requests here through the same browser. Its requests have another
    Origin, those by a name that it has pointed at this machine another Host, and no cookie goes
    with either.
    """

    def __init__(self, app: Any, port: int, token: str) -> None:
        self.app, self.token, self.cookie = app, token, f"backpass-{port}"
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":  # the server starts and ends without these
            return

        async def protected(message: Any) -> None:
            if message["type"] == "http.response.start":
                told = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        request = Request(scope)
        given = request.query_params.get("token")
        if why := self._foreign(request):
            await PlainTextResponse(f"{why}\n", 403)(scope, receive, protected)
        elif request.url.path == "/" and self._is_token(given):
            entered = RedirectResponse("/", 303)
            entered.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            await entered(scope, receive, protected)
        elif not self._is_token(request.cookies.get(self.cookie)):
            why = "no token, or an old one: open the whole address that backpass play has printed"
            await PlainTextResponse(f"{why}\n", 403)(scope, receive, protected)
        else:
            await self.app(scope, receive, protected)

    def _foreign(self, request: Request) -> str:
        """Return why a request is not the page's; empty where it may be."""
        if request.headers.get("host") not in self.hosts:
            return "this address is not the page's: open the one that backpass play has printed"
        origin = request.headers.get("origin")
        ours = {f"http://{host}" for host in self.hosts}
        if origin not in ours and (origin is not None or request.method != "GET"):
            return "this request does not come from the page"
        return ""

    def _is_token(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), self.token.encode())

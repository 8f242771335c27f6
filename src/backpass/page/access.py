"""Who may talk to the page: a browser on this machine that was given the token, and nobody else."""

from __future__ import annotations

import secrets
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

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
    "cross-origin-opener-policy": "same-origin",
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

        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token")
        if why := self._foreign(scope["method"], headers):
            await _answer(protected, 403, why)
        elif scope["path"] == "/" and given is not None and self._is_token(given):
            cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(protected, 303, "", {"location": "/", "set-cookie": cookie})
        elif not self._is_token(self._cookie_of(headers)):
            why = "no token, or an old one: open the whole address that backpass play has printed"
            await _answer(protected, 403, why)
        else:
            await self.app(scope, receive, protected)

    def _foreign(self, method: str, headers: dict[str, str]) -> str:
        """Return why a request is not the page's; empty where it may be."""
        if headers.get("host", "") not in self.hosts:
            return "this address is not the page's: open the one that backpass play has printed"
        origin = headers.get("origin")
        ours = {f"http://{host}" for host in self.hosts}
        if origin not in ours and (origin is not None or method != "GET"):
            return "this request does not come from the page"
        return ""

    def _cookie_of(self, headers: dict[str, str]) -> str:
        found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        return "" if found is None else found.value

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


async def _answer(send: Any, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    told = {"content-type": "text/plain; charset=utf-8", **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})

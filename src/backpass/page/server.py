"""The server of the page: one person's, on this machine, from its first request to Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from backpass.derivatives.pages import frame
from backpass.errors import BackpassError, InputError
from backpass.page.access import Access
from backpass.page.data import Rows
from backpass.page.setup import Setup
from backpass.page.tab import Tab
from backpass.page.training import FRAME_SECONDS
from backpass.page.views import drawn
from backpass.storage.strict_json import parse_json

MOST_TABS = 16
"""Whose states are kept: the one that was used longest ago is forgotten."""

LARGEST_COMMAND, LARGEST_FILE = 4 << 20, 64 << 20
"""Bytes of a request: a set-up has one million characters; a table of a million rows is for fit."""

HERE = Path(__file__).parent
SHARED = Path(frame.__file__).with_name("stepping.js")
FILES = {f.name: f for f in (*(HERE / "static").iterdir(), HERE / "templates/page.html", SHARED)}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


class Page:
    """The tabs of the page, and the answers to their requests."""

    def __init__(
        self, setup: Setup, rows: Rows, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.setup, self.rows, self.stopping = setup, rows, stopping
        self.tabs: dict[str, Tab] = {}
        self.used, self.streams = time.monotonic(), 0

    def app(self, port: int, token: str) -> Any:
        """Return the application, behind what keeps strangers out."""
        routes = [
            Route("/", self.file),
            Route("/static/{name}", self.file),
            Route("/do", self.do, methods=["POST"]),
            Route("/drop", self.drop, methods=["POST"]),
            Route("/frames", self.frames),
        ]
        return Access(Starlette(routes=routes), port, token)

    def _tab(self, request: Request) -> Tab:
        """Return the tab that a request names, the most recent one from now on."""
        self.used = time.monotonic()
        name = request.query_params.get("tab", "")
        if not (name.isascii() and name.isalnum() and 8 <= len(name) <= 40):
            raise HTTPException(400, "tab: give 8 to 40 letters and digits")
        tab = self.tabs.pop(name, None) or Tab(self.setup, self.rows)
        self.tabs[name] = tab
        if len(self.tabs) > MOST_TABS:
            self.tabs.pop(next(iter(self.tabs))).training.halt()
        return tab

    async def file(self, request: Request) -> Response:
        """Answer with one of the page's own files."""
        name = request.path_params.get("name", "page.html")
        if name not in FILES:
            raise HTTPException(404, "there is no such file")
        text = FILES[name].read_text(encoding="utf-8")
        if name == "page.css":
            text = frame.packaged("page.css") + frame.packaged("picture.css") + text
        return Response(text, media_type=TYPES[FILES[name].suffix])

    async def do(self, request: Request) -> Response:
        """Do a command, and answer with the fragments that it has changed."""
        tab, body = self._tab(request), await _body(request, LARGEST_COMMAND)

        def work() -> tuple[str, ...]:
            told = parse_json(body.decode("utf-8", "replace"))
            if not isinstance(told, dict):
                raise InputError("a command is a JSON object")
            return tab.do(told)

        return await self._answer(tab, work)

    async def drop(self, request: Request) -> Response:
        """Take a file that was dropped: a table, or somebody's gradient."""
        tab, body = self._tab(request), await _body(request, LARGEST_FILE)
        name = request.query_params.get("name", "")
        judged = request.query_params.get("judge")

        def work() -> tuple[str, ...]:
            if judged is None:
                return tab.dropped(name, body)
            with tab.lock:
                return tab.judge_file(name, body)

        return await self._answer(tab, work)

    async def _answer(self, tab: Tab, work: Callable[[], tuple[str, ...]]) -> Response:
        def told() -> Response:
            with tab.lock, np.errstate(all="ignore"):  # what is not finite is looked for, and told
                try:
                    return JSONResponse(_told(tab, work()))
                except BackpassError as error:
                    tab.message = str(error)
                    return JSONResponse(_told(tab, tab.refused), 422)

        return await run_in_threadpool(told)

    async def frames(self, request: Request) -> Response:
        """Stream what training comes to: always the newest frame, none is queued."""
        tab = self._tab(request)

        async def stream() -> AsyncIterator[str]:
            training, seen = tab.training, None
            self.streams += 1
            try:
                while not self.stopping():
                    running, frame = training.running, training.frame
                    if frame is not seen:
                        seen = frame
                        told = await run_in_threadpool(_told, tab, ("frame",))
                        yield f"data: {json.dumps(told)}\n\n"
                    if not running:
                        yield "event: over\ndata: {}\n\n"
                        return
                    await asyncio.sleep(FRAME_SECONDS / 4)  # a new one is drawn soon
            finally:  # nobody looks on any more
                self.streams, self.used = self.streams - 1, time.monotonic()
                training.halt()

        return StreamingResponse(stream(), media_type="text/event-stream")


def _told(tab: Tab, names: tuple[str, ...]) -> dict[str, Any]:
    stale = "picture" in names and "frame" not in names
    return {"fragments": drawn(tab, names), "running": tab.training.running, "stale": stale}


async def _body(request: Request, most: int) -> bytes:
    """Return what a request carries; one that is too large is not read to its end."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise HTTPException(413, f"more than {most >> 20} MiB: train on it by backpass fit")
    except ClientDisconnect:
        raise HTTPException(400, "it was cut short") from None
    return bytes(body)


class _Server(uvicorn.Server):
    """uvicorn, which ends after a while without requests."""

    page: Page
    idle: float | None

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to end; asked ten times a second."""
        page = self.page
        if self.idle and not page.streams and time.monotonic() - page.used > self.idle:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(
    setup: Setup, rows: Rows, *, port: int = 0, browser: bool = True, idle: float | None = None
) -> None:
    """Serve the page until Ctrl-C, or until nobody has asked for anything for a while."""
    # named as TCP, or asyncio leaves Nagle's wait of 40 ms in every answer
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen()  # before the address is known: whoever is quick waits a moment
    except (OSError, OverflowError) as error:
        raise InputError(f"--port {port}: {error}; choose another, or 0 for any") from None
    port, token = bound.getsockname()[1], secrets.token_urlsafe(24)
    page = Page(setup, rows)
    app = page.app(port, token)
    options: dict[str, Any] = {"proxy_headers": False, "timeout_graceful_shutdown": 1}
    server = _Server(uvicorn.Config(app, log_level="error", **options))
    server.page, server.idle = page, idle
    page.stopping = lambda: server.should_exit
    address = f"http://127.0.0.1:{port}/?token={token}"
    sys.stdout.write(f"{address}  (Ctrl-C ends it)\n")
    sys.stdout.flush()
    if browser:  # in a thread: one in the terminal takes until it is left
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        server.run(sockets=[bound])
    finally:  # a thread at work in the engine would end the process less well
        for tab in page.tabs.values():
            tab.training.pause()

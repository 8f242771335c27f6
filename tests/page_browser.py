"""A browser of the page without a window: cookies and requests, and tabs to look into."""

import asyncio
from dataclasses import replace

import httpx

from backpass.page.data import example_rows, start_for
from backpass.page.setup import Setup
from backpass.page.tab import Tab

TOKEN, PORT = "a-token", 8123
HOST = f"http://127.0.0.1:{PORT}"
OURS = {"origin": HOST}
TAB = "?tab=" + "a" * 32


class Browser:
    """Sends requests to an application, with the cookies that it was given."""

    def __init__(self, app):
        self.app, self.cookies = app, httpx.Cookies()

    def request(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url=HOST, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self.cookies.update(client.cookies)
                return answer

        return asyncio.run(ask())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


def tab_of(name, **changes):
    rows = example_rows(name)
    return Tab(replace(Setup(**start_for(rows)), **changes), rows)


def do(client, tab=TAB, **command):
    return client.post(f"/do{tab}", json=command, headers=OURS)

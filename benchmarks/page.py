"""The page: how long a step takes, how many frames training sends and what they cost it, its bytes.

Requests go through a socket to a server in a process of its own; what a browser takes is not in it.
"""

import json
import statistics
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np

from backpass import Network
from backpass.derivatives.pages.frame import packaged
from backpass.page.course import Course
from backpass.page.data import example_rows, start_for
from backpass.page.server import FILES
from backpass.page.setup import Setup

STEPS, SECONDS, TAB = 200, 4.0, "?tab=" + "a" * 32  # a connection is closed after 5 seconds


class Client:
    """A server of ``backpass play``, and one connection to it."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "backpass", "play", *arguments, "--no-browser"]
        started = time.perf_counter()
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = self.server.stdout.readline().split()[0]
        self.up = time.perf_counter() - started
        self.host, _, token = address.removeprefix("http://").partition("/?token=")
        self.connection = HTTPConnection(self.host)
        cookie = f"backpass-{self.host.partition(':')[2]}={token}"
        self.headers = {"cookie": cookie, "origin": f"http://{self.host}"}
        self.first, _ = self.do(do="open")

    def do(self, **command):
        """Return the seconds of a command, and its answer."""
        started = time.perf_counter()
        self.connection.request("POST", f"/do{TAB}", json.dumps(command), self.headers)
        told = json.loads(self.connection.getresponse().read())
        return time.perf_counter() - started, told

    def close(self):
        """End the server."""
        self.server.terminate()
        self.server.wait()


def steps(name, *arguments, form="batch"):
    client = Client(*arguments)
    client.do(do="set", name="form", value=form)
    taken = sorted(client.do(do="go", where="next")[0] for _ in range(STEPS))
    middle, slow = (1e3 * taken[int(part * STEPS)] for part in (0.5, 0.9))
    print(f"{name}: step {middle:.1f} ms, slowest tenth {slow:.1f} ms")
    client.close()


def wide(folder):
    rng, path, table = np.random.default_rng(0), folder / "wide.backpass", folder / "wide.csv"
    Network([784, 128, 10], "relu", "softmax", "cross_entropy", seed=0).save(path)
    lines = [",".join([*(f"pixel {i}" for i in range(784)), "digit"])]
    lines += [",".join(map(str, [*rng.random(784).round(2), i % 10])) for i in range(200)]
    table.write_text("\n".join(lines))
    return str(path), str(table)


def alone(name):
    rows = example_rows(name)
    course, started = Course(Setup(**start_for(rows)), rows), time.perf_counter()
    course.advance(10**9, lambda: time.perf_counter() - started > SECONDS)
    return course.update / SECONDS


def watched(name):
    """Return those of one whose frames are read, and the frames a second."""
    client, told = Client(f"example:{name}"), []
    started = time.perf_counter()
    client.do(do="train", pace="full")
    stream = HTTPConnection(client.host)
    stream.request("GET", f"/frames{TAB}", headers=client.headers)
    read = iter(stream.getresponse().readline, b"")
    Thread(target=lambda: told.extend(read), daemon=True).start()
    time.sleep(SECONDS)
    taken, (_, shown) = time.perf_counter() - started, client.do(do="pause")
    updates = shown["fragments"]["counters"].partition("<dt>updates</dt><dd>")[2].partition("<")[0]
    client.close()
    return int(updates) / taken, sum(line.startswith(b"data") for line in told) / taken


def main():
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import backpass.page.server, backpass.cli"], check=True)
    imports, client = time.perf_counter() - started, Client()
    print(
        f"imports {imports:.2f} s, server up {client.up:.2f} s, picture {client.first:.3f} s later"
    )
    client.close()
    own = sum(path.stat().st_size for path in FILES.values())
    own += sum(len(packaged(name).encode()) for name in ("page.css", "picture.css"))
    print(f"the page's own files: {own / 1e3:.1f} kB")
    steps("2-3-1 by sample", "example:xor")
    steps("2-6-4-1, ten rows", "example:moons")
    steps("2-6-4-1, ten rows one after the other", "example:moons", form="sample")
    with TemporaryDirectory() as folder:
        steps("784-128-10, 16 rows", *wide(Path(folder)))
    for name in ("spirals", "digits"):
        pairs = [(alone(name), *watched(name)) for _ in range(3)]  # the machine's load hits both
        by, seen, frames = (statistics.median(found) for found in zip(*pairs, strict=True))
        print(f"{name}: {by:.0f} updates a second; {frames:.1f} frames a second cost "
              f"{100 * (1 - seen / by):.0f} % of them")  # fmt: skip


if __name__ == "__main__":
    main()

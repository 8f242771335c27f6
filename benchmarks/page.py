"""The page: how long a step takes, how many frames training sends and what they cost it, its bytes.

Requests go through a real socket to a server in a process of its own, as a browser's do; what the
browser then takes to show an answer is not in it. Run: ``python benchmarks/page.py``
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
from backpass.page.course import Course
from backpass.page.data import example_rows, start_for
from backpass.page.server import FILES
from backpass.page.setup import Setup
from backpass.page.tab import Tab
from backpass.page.views import drawn

STEPS, SECONDS = 200, 4.0  # a connection is closed after 5


class Client:
    """A server of ``backpass play``, and one connection to it."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "backpass", "play", *arguments, "--no-browser"]
        started = time.perf_counter()
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = self.server.stdout.readline().split()[0]
        self.up = time.perf_counter() - started
        host, _, token = address.removeprefix("http://").partition("/?token=")
        self.connection = HTTPConnection(host)
        cookie = f"backpass-{host.partition(':')[2]}={token}"
        self.headers = {"cookie": cookie, "origin": f"http://{host}"}

    def do(self, **command):
        """Return the seconds of a command, and its answer."""
        started = time.perf_counter()
        path = "/do?tab=" + "a" * 32
        self.connection.request("POST", path, json.dumps(command), self.headers)
        told = json.loads(self.connection.getresponse().read())
        return time.perf_counter() - started, told

    def close(self):
        """End the server."""
        self.server.terminate()
        self.server.wait()


def steps(name, *arguments, form="batch"):
    """Print the median and the slowest tenth of steps that go on over updates."""
    client = Client(*arguments)
    client.do(do="open")
    client.do(do="set", name="form", value=form)
    taken = sorted(client.do(do="go", where="next")[0] for _ in range(STEPS))
    slow = taken[int(0.9 * STEPS)]
    print(
        f"{name}: step {1e3 * statistics.median(taken):.1f} ms, slowest tenth {1e3 * slow:.1f} ms"
    )
    client.close()


def wide(folder):
    """Return a saved 784-128-10 network, and a table for it."""
    rng, path, table = np.random.default_rng(0), folder / "wide.backpass", folder / "wide.csv"
    Network([784, 128, 10], "relu", "softmax", "cross_entropy", seed=0).save(path)
    names = [f"pixel {i}" for i in range(784)]
    rows = [",".join([*(f"{x:.2f}" for x in row), str(i % 10)])
            for i, row in enumerate(rng.random((200, 784)))]  # fmt: skip
    table.write_text("\n".join([",".join([*names, "digit"]), *rows]))
    return str(path), str(table)


def training(name):
    """Print epochs a second of a training with a reader of its frames, and without a page."""
    rows = example_rows(name)
    setup = Setup(**start_for(rows))
    rates = {"alone": [], "watched": []}
    frames = 0
    for _ in range(3):  # in turns: the machine's load falls on both
        course, started = Course(setup, rows), time.perf_counter()
        course.advance(10**9, lambda: time.perf_counter() - started > SECONDS)  # noqa: B023
        rates["alone"].append(course.update / SECONDS)
        client = Client(f"example:{name}")
        client.do(do="open")
        client.do(do="train", pace="full")
        host, told = client.connection.host, []
        stream = HTTPConnection(host, client.connection.port)
        stream.request("GET", "/frames?tab=" + "a" * 32, headers=client.headers)
        answer = stream.getresponse()
        reader = Thread(target=lambda: told.extend(iter(answer.readline, b"")))  # noqa: B023
        started = time.perf_counter()
        reader.start()
        time.sleep(SECONDS)
        seconds, answer_now = client.do(do="pause")
        taken = time.perf_counter() - started - seconds
        counters = answer_now["fragments"]["counters"]
        updates = int(counters.partition("<dt>updates</dt><dd>")[2].partition("<")[0])
        rates["watched"].append(updates / taken)
        frames = sum(line.startswith(b"data") for line in told) / taken
        client.close()
    alone, watched = (statistics.median(found) for found in rates.values())
    print(f"{name}: {frames:.1f} frames a second; {alone:.0f} updates a second alone, "
          f"{watched:.0f} watched: {100 * (1 - watched / alone):.0f} % less")  # fmt: skip


def main():
    code = "import uvicorn, starlette.applications, backpass.page.server, backpass.cli.app"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    imports = time.perf_counter() - started
    client = Client()
    first, _ = client.do(do="open")
    print(
        f"imports {imports:.2f} s, server up {client.up:.2f} s, first picture {first:.3f} s later"
    )
    client.close()
    rows = example_rows("moons")
    tab = Tab(Setup(**start_for(rows)), rows)
    own = sum(path.stat().st_size for path in FILES.values())
    shared = Path(sys.modules["backpass.derivatives.pages"].__file__).parent
    own += sum((shared / name).stat().st_size for name in ("page.css", "picture.css"))
    first = sum(map(len, drawn(tab, tab.do({"do": "open"})).values()))
    print(f"the page's own files {own / 1e3:.1f} kB, its first fragments {first / 1e3:.1f} kB")
    steps("2-3-1 by sample", "example:xor")
    steps("2-6-4-1, ten rows", "example:moons")
    steps("2-6-4-1, ten rows one after the other", "example:moons", form="sample")
    with TemporaryDirectory() as folder:
        steps("784-128-10, 16 rows", *wide(Path(folder)))
    for name in ("spirals", "digits"):
        training(name)


if __name__ == "__main__":
    main()

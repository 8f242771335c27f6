"""Time and memory as rows, width, depth and batch grow; and fits larger than memory should hold.

``python -m benchmarks.scaling [--rounds 3] [--only growth memory] [--short]``

From one network, one thing grows at a time. Each point and program (our engine, and PyTorch eager
where it is installed) is a process of its own; its anonymous memory (RssAnon: what is not a mapped
file) is read from outside while it trains, every few milliseconds, and given as growth since the
rows lay in memory. The time is that of an epoch, after one that does not count. Float32, Adam,
ReLU, softmax cross-entropy.

Then the memory test: ``MLPClassifier.fit`` with early stopping on a float32 memory map of a
temporary file and on a uint8 array; what is told is the growth of RssAnon during the fit, and
that above the network's own state (parameters and Adam's two moments). Linux only.
"""

import argparse
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._about import machine, write_json
from benchmarks._common import (
    Config,
    our_engine,
    parser,
    spread,
    table,
    thousands,
)
from benchmarks._processes import Missing, Worker, rss_anon

BASE = Config((64, 256, 256, 10), 256, 20_000)
READ_EVERY = 0.005  # seconds
LIMIT = 150e6  # bytes that a fit may take above the network's own state
WIDTH = {"memmap": 4, "uint8": 1}  # bytes of a number


def growing(base: Config) -> dict[str, list[Config]]:
    """Return the points along each direction; every one contains `base`."""
    first, *_, last = base.sizes
    width = base.sizes[1]
    return {
        "rows": [replace(base, rows=base.rows * n // 4) for n in (1, 2, 4, 8, 16)],
        "width": [replace(base, sizes=(first, w, w, last)) for w in (width // 4, width, 2 * width)],
        "depth": [replace(base, sizes=(first, *[width] * n, last)) for n in (1, 2, 4, 8)],
        "batch": [replace(base, batch=base.batch * 4**n // 64) for n in range(5)],
    }


def watched(worker: Worker, call: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `call` gives, and the most anonymous memory of `worker` above the present."""
    before, done, most = rss_anon(worker.pid), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(READ_EVERY):
            most[0] = max(most[0], rss_anon(worker.pid) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        value = call()
    finally:
        done.set()
        thread.join()
    return value, max(most[0], rss_anon(worker.pid) - before)


def point(config: Config, program: str, rounds: int) -> dict[str, Any] | str:
    """Return seconds an epoch and bytes in every round, each in a new process; or why not."""
    seconds, memory = [], []
    about = {"sizes": config.sizes, "batch": config.batch, "rows": config.rows}
    for _ in range(rounds):
        worker = Worker(program, "benchmarks._growth:Epochs", {**about, "program": program})
        try:
            worker.ready()
            taken, grown = watched(worker, lambda w=worker: w.call("epoch"))
        except Missing as missing:
            return str(missing)
        finally:
            worker.close()
        seconds.append(taken)
        memory.append(grown)
    return {"seconds": seconds, "memory": memory}


def growth(base: Config, programs: list[str], rounds: int) -> dict[str, Any]:
    """Measure and print how time and memory grow in each direction."""
    results: dict[str, Any] = {}
    for direction, configs in growing(base).items():
        points = results[direction] = []
        for config in configs:
            for program in list(programs):
                measured = point(config, program, rounds)
                if isinstance(measured, str):
                    print(f"not measured — {measured}")
                    programs.remove(program)
                    continue
                points.append({"network": str(config), "program": program, **measured})
        print(f"\n{report_growth(direction, points)}", flush=True)
    return results


def report_growth(direction: str, points: list[dict[str, Any]]) -> str:
    """Return the table of one direction."""
    rows = []
    for at in points:
        time, memory = (spread(at[key]) for key in ("seconds", "memory"))
        per_row = f"{1e6 * time.median / Config.parse(at['network']).rows:.2f}"
        mega = f"{memory.median / 1e6:.1f}"
        rows.append([at["network"], at["program"], f"{time:.3g}", per_row, mega])
    titles = ["network", "program", "s per epoch", "µs per row", "MB above the rows"]
    return f"### Growth: {direction}\n\n{table(titles, rows)}"


def write_rows(path: Path, rows: int, inputs: int) -> None:
    """Write a float32 file of normal rows, one block of them repeated."""
    block = np.random.default_rng(0).standard_normal((10_000, inputs), dtype=np.float32)
    with path.open("wb") as file:
        for start in range(0, rows, len(block)):
            file.write(block[: min(len(block), rows - start)])


def fit_memory(kind: str, rows: int, inputs: int) -> dict[str, float]:
    """Fit once on `rows` of this kind and return bytes and seconds.

    Raises
    ------
    SystemExit
        Where the temporary folder has too little room for the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.f32"
        if kind == "memmap":
            if shutil.disk_usage(folder).free < 5 * rows * inputs:
                raise SystemExit(f"{folder} has too little room: set TMPDIR to a larger disk")
            write_rows(path, rows, inputs)
        arguments = {"kind": kind, "path": str(path), "rows": rows, "inputs": inputs}
        arguments["engine"] = our_engine()
        worker = Worker(kind, "benchmarks._growth:Fit", arguments)
        try:
            told, grown = watched(worker.ready(), lambda: worker.call("fit"))
        finally:
            worker.close()
    return {**told, "grown": grown, "rows": rows, "inputs": inputs}


def memory(megabytes: dict[str, int]) -> dict[str, dict[str, float]]:
    """Measure and print the memory of fits on so many megabytes of each kind."""
    inputs, results = 500, {}
    for kind, size in megabytes.items():
        results[kind] = fit_memory(kind, size * 1_000_000 // (inputs * WIDTH[kind]), inputs)
    print(f"\n{report_memory(results)}")
    return results


def report_memory(results: dict[str, dict[str, float]]) -> str:
    """Return the table of the fits on large arrays."""
    rows = []
    for kind, told in results.items():
        above, cells = told["grown"] - told["state"], told["rows"] * told["inputs"]
        shape = f"{thousands(told['rows'])} x {told['inputs']}"
        megabytes = [f"{x / 1e6:.1f}" for x in (told["grown"], told["state"], above)]
        name = f"{kind}, {thousands(WIDTH[kind] * cells / 1e6)} MB"
        verdict = "yes" if above <= LIMIT else "no"
        rows.append([name, shape, f"{told['seconds']:.1f}", *megabytes, verdict])
    titles = ["rows", "shape", "s", "RssAnon grew, MB", "network's state", "above it"]
    return f"### Fits on large arrays\n\n{table([*titles, f'≤ {LIMIT / 1e6:.0f} MB'], rows)}"


def report(results: dict[str, Any]) -> str:
    """Return every table."""
    parts = [report_growth(name, points) for name, points in results.get("growth", {}).items()]
    if "memory" in results:
        parts.append(report_memory(results["memory"]))
    return "\n\n".join(parts)


def arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=3)
    options.add_argument("--only", nargs="*", choices=["growth", "memory"], help="both by default")
    options.add_argument("--peers", nargs="*", choices=["torch"], default=["torch"])
    return options.parse_args()


def main() -> None:
    told = arguments()
    print(f"{machine()}; engine: {our_engine()}")
    only, programs, results = told.only or ["growth", "memory"], [our_engine(), *told.peers], {}
    megabytes = {"memmap": 2000, "uint8": 500}
    base, rounds = BASE, told.rounds
    if told.short:
        base, rounds, programs = Config((8, 16, 16, 3), 64, 400), 1, programs[:1]
        megabytes, only = {"memmap": 20, "uint8": 5}, told.only or ["memory"]
    if "growth" in only:
        results["growth"] = growth(base, programs, rounds)
    if "memory" in only:
        results["memory"] = memory(megabytes)
    write_json(told.json, "scaling", results)


if __name__ == "__main__":
    main()

"""What a step on a cluster costs: measured here, predicted, and drawn for clusters nobody here has.

``python -m benchmarks.cluster [--rounds 5] [--docs]``

The model: with W workers, Q shards, M rows of a mini-batch and P parameters of b bytes,

    step = max over workers of Σ_shards (shard + row · rows of the shard)
         + gather: latency · (W − 1) + byte · Q P b; or sum: latency · 2 (W − 1) + byte · 2 P b
         + add · (Q − 1) P b + apply

Its numbers are measured one by one: shards into Q places, as in a step, and the gather of two
processes that gloo connects on this machine behind the shards of a worker, as there, where it waits
for the slower one. Then whole steps of one and two workers are timed and compared. With
``--docs`` the tables of ``docs/scaling.md`` and its picture are written: the model with a network's
bandwidth in place of this machine's, and as many shards as workers. Needs ``backpass[ray,plots]``.
"""

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._about import machine

from backpass.core.settings import Settings
from backpass.engines import ENGINES, Problem
from backpass.network.network import Network
from backpass.scaling.groups import Alone, Gloo
from backpass.scaling.sharded import ShardedEngine

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "scaling.svg"
SIZES, M, Q = [64, 256, 256, 10], 1024, 8
ROWS = np.random.default_rng(1).permutation(16 * M)[:M]  # of a mini-batch
LATENCY = 50e-6  # seconds of a message between two machines of a data centre
GBITS = (1, 10, 100)
WORKERS = [2**k for k in range(3, 13)]


@dataclass
class Costs:
    """Seconds of the parts of a step."""

    shard: float
    row: float
    apply: float
    add: float
    latency: float
    byte: float

    def step(self, workers: int, rows: int, size: int, shards: int, exact: bool = True) -> float:
        """Return the seconds of a step of a network of `size` bytes."""
        own = -(-shards // workers)
        compute = own * (self.shard + self.row * rows / shards)
        if not exact:
            compute = self.shard + self.row * rows / workers
            wire = self.latency * 2 * (workers - 1) + self.byte * 2 * size
            return compute + (wire if workers > 1 else 0) + self.apply
        wire = (workers - 1) * self.latency + self.byte * shards * size if workers > 1 else 0
        return compute + wire + self.add * (shards - 1) * size + self.apply


def median(work: Callable[[], Any], rounds: int) -> float:
    """Return the median seconds of `work`, after one that does not count."""
    work()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def problem() -> Problem:
    """Return what is trained on: 16 batches of rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(16 * M, SIZES[0])).astype(np.float32)
    network = Network(SIZES, "relu", "softmax", "cross_entropy", seed=0, dtype="float32")
    settings = Settings(optimizer="adam", batch_size=M, n_threads=1)
    return Problem(network.model, X, rng.integers(0, 10, 16 * M), None, settings)


def shards(run: Any, into: Any) -> None:
    """Compute as many of the Q shards of a mini-batch as there are places for gradients."""
    for q, place in enumerate(into):
        run.shard(ROWS[q * M // Q : (q + 1) * M // Q], q * M // Q, M, place)


def parts(rounds: int) -> Costs:
    """Measure what one worker does."""
    given = problem()
    run, flat = ENGINES["native"].start(given), given.model.parameters.flat
    gradient, gathered = np.zeros_like(flat), np.zeros((Q, flat.size), flat.dtype)
    total = np.zeros_like(flat)
    small = median(lambda: shards(run, gathered), rounds) / Q
    large = median(lambda: run.shard(ROWS, 0, M, gradient), rounds)
    row = (large - small) / (M - M // Q)

    def add_up() -> None:
        total[:] = gathered[0]
        for part in gathered[1:]:
            np.add(total, part, total)

    both = median(
        lambda: (shards(run, gathered), add_up()), rounds
    )  # what is added has left caches
    add = max(0.0, both - Q * small) / ((Q - 1) * flat.nbytes)
    apply = median(lambda: run.apply(gradient, M, 1e-3), rounds)
    return Costs(max(0.0, small - row * (M // Q)), row, apply, add, 0.0, 0.0)


def steps(group: Any, rounds: int, exact: bool) -> float:
    """Measure a whole step of a group."""
    given = problem()
    run = ShardedEngine(group, Q, exact).start(given)
    rows = np.random.default_rng(1).permutation(16 * M)
    return median(lambda: run.advance(rows, [1e-3] * 16), rounds) / 16


def worker(rounds: int) -> None:
    """Measure as one of two processes: a gather of two sizes, and whole steps."""
    from torch import distributed

    distributed.init_process_group("gloo")
    group, size = Gloo(), problem().model.parameters.flat.nbytes
    many = np.ones((Q // 2, size), np.uint8)  # where the shards are computed
    run, into = ENGINES["native"].start(problem()), many.view(np.float32)
    alone = median(lambda: shards(run, into), 20 * rounds)
    small, large = (
        median(lambda x=x: (shards(run, into), group.gather(x)), 20 * rounds) - alone
        for x in (np.ones(64, np.uint8), many)
    )
    own = parts(20 * rounds)  # of both at a time: they may share a core
    costs = replace(own, latency=max(0.0, small), byte=(large - small) / (2 * many.nbytes))
    told = [*astuple(costs), steps(group, rounds, True), steps(group, rounds, False)]
    distributed.destroy_process_group()  # whose threads abort the process else
    if group.rank == 0:
        sys.stdout.write(" ".join(map(str, told)) + "\n")


def two_processes(rounds: int) -> tuple[Costs, float, float]:
    """Return what two workers on this machine have measured: parts, an exact and a fast step."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command += ["-m", "benchmarks.cluster", "--rounds", str(rounds), "--worker"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    *costs, exact, fast = map(float, done.stdout.split())
    return Costs(*costs), exact, fast


def tables(costs: dict[int, Costs], measured: dict[tuple[int, bool], float]) -> str:
    """Return the tables of the page."""
    size = problem().model.parameters.flat.nbytes
    lines = [
        f"`python -m benchmarks.cluster`, {datetime.date.today().isoformat()}, {machine()}.", "",
        "| workers | mode | predicted, µs | measured, µs | measured / predicted |",
        "| --- | --- | ---: | ---: | ---: |",
    ]  # fmt: skip
    for (workers, exact), seconds in measured.items():
        told = costs[workers].step(workers, M, size, Q, exact)
        mode = "exact" if exact else "fast"
        lines.append(
            f"| {workers} | {mode} | {1e6 * told:.0f} | {1e6 * seconds:.0f} |"
            f" {seconds / told:.2f} |"
        )
    lines += [
        "", "| part | one worker | each of two |", "| --- | ---: | ---: |",
    ]  # fmt: skip
    shown = {
        "a shard, beside its rows, µs": lambda c: 1e6 * c.shard,
        "a row, µs": lambda c: 1e6 * c.row,
        "the update, µs": lambda c: 1e6 * c.apply,
        f"adding a gradient of {size / 1e3:.0f} KB, µs": lambda c: 1e6 * c.add * size,
        "a message, µs": lambda c: 1e6 * c.latency,
        "a byte gathered, ns": lambda c: 1e9 * c.byte,
    }
    for name, of in shown.items():
        lines.append(f"| {name} | {of(costs[1]):.3g} | {of(costs[2]):.3g} |")
    return "\n".join(lines)


def draw(costs: Costs) -> None:
    """Draw how many times as many rows a second W workers train, by bandwidth and mode."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "backpass"
    size = problem().model.parameters.flat.nbytes
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, rows in zip(axes, (M // Q, 8 * M), strict=True):  # of a worker
        alone = costs.step(1, rows, size, 1) / rows
        for gbit, color in zip(GBITS, ("#D55E00", "#0072B2", "#009E73"), strict=True):
            wire = replace(costs, latency=LATENCY, byte=8 / (gbit * 1e9))
            for exact, dash in ((True, "-"), (False, "--")):
                gain = [w * rows * alone / wire.step(w, w * rows, size, w, exact) for w in WORKERS]
                mode = "exact" if exact else "fast"
                ax.plot(WORKERS, gain, dash, color=color, label=f"{gbit} Gbit/s, {mode}")
        ax.plot(WORKERS, WORKERS, ":", color="#777777", label="as many as workers")
        ax.set(xscale="log", yscale="log", xlabel="workers", title=f"{rows} rows a worker")
    axes[0].set_ylabel("rows a second, of one worker's")
    axes[0].legend(fontsize=7)
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    """Measure, predict, compare, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement")
    parser.add_argument("--docs", action="store_true", help="write docs/scaling.md's tables")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(asked.rounds)
        return
    costs = parts(20 * asked.rounds)
    measured = {(1, exact): steps(Alone(), asked.rounds, exact) for exact in (True, False)}
    of_two, exact, fast = two_processes(asked.rounds)
    measured |= {(2, True): exact, (2, False): fast}
    told = tables({1: costs, 2: of_two}, measured)
    sys.stdout.write(told + "\n")
    if asked.docs:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measured -->\n")
        _, end, after = rest.partition("<!-- end -->")
        PAGE.write_text(f"{before}<!-- measured -->\n{told}\n{end}{after}", encoding="utf-8")
        draw(costs)


if __name__ == "__main__":
    main()

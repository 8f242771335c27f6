"""``python -m benchmarks.training --steps``: microseconds a step of plain SGD on one batch.

libxsmm-dnn, whose kernels are compiled at run time for each size, does plain SGD on the same batch
every step. Its times were measured on another day, when two cores of this kind multiplied 2048 x
2048 float32 matrices at 160 GFLOP/s; they are given as they were and scaled to today's rate,
measured in the same rounds as ours.

Then what a user's training has on top of it, each alone and all together: Adam; rows shuffled
over the whole data set; those rows uint8. Our steps are driven through an engine's own
``advance``, in calls of some tenths of a second; the batch of the first column is gathered too,
but its rows lie in the cache.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._about import write_json
from benchmarks._common import (
    SGEMM,
    Array,
    Config,
    layers_of,
    load_problem,
    our_engine,
    ratios,
    save_problem,
    spread,
    table,
)
from benchmarks._processes import Worker, Workers, rounds_of

LIBXSMM = {
    "30-64-64-2": 29.0,
    "64-256-256-10": 981.0,
    "784-128-10": 256.0,
    "784-512-512-10": 4_000.0,
    "784-2048-2048-10": 376_000.0,
}
THEN = 160e9
VARIANTS = {
    "SGD, same batch": {"optimizer": "sgd"},
    "Adam, same batch": {"optimizer": "adam"},
    "SGD, shuffled": {"optimizer": "sgd", "shuffled": True},
    "SGD, shuffled, uint8": {"optimizer": "sgd", "shuffled": True, "dtype": "uint8"},
    "Adam, shuffled": {"optimizer": "adam", "shuffled": True},
    "Adam, shuffled, uint8": {"optimizer": "adam", "shuffled": True, "dtype": "uint8"},
}
BASE = "SGD, same batch"
TURN = 0.3  # seconds of steps a turn
CALL = 0.05  # seconds of steps an engine is asked for at a time, as training does


class Steps:
    """One run of our engine on batches that are drawn beforehand.

    Parameters
    ----------
    folder : str
        Where the problem lies.
    sizes : list of int
    batch : int
    optimizer : str
    shuffled : bool
        Whether batches are drawn from all rows, anew each epoch; else all are the first rows.
    dtype : str
        Of the rows.
    """

    def __init__(
        self,
        folder: str,
        sizes: list[int],
        batch: int,
        optimizer: str,
        shuffled: bool = False,
        dtype: str = "float32",
    ) -> None:
        X, y, flat = load_problem(folder)
        if dtype != "float32":
            X = np.clip(32 * X + 128, 0, 255).astype(dtype)
        self.n_rows, self.batch, self.shuffled = len(X), batch, shuffled
        self.rng = np.random.default_rng(2)
        self.run = self._start(X, y, flat, sizes, optimizer)
        self.n_steps = 1
        while (seconds := self._seconds(self._rows())) < CALL:
            self.n_steps = max(self.n_steps + 1, int(self.n_steps * min(4, CALL / seconds)))

    def _start(self, X: Array, y: Array, flat: Array, sizes: list[int], optimizer: str) -> Any:
        from backpass import Network
        from backpass.core.settings import Settings
        from backpass.engines import Problem, choose

        weights, biases = zip(*layers_of(sizes, flat), strict=True)
        network = Network.from_arrays(weights, biases, "relu", "softmax", "cross_entropy")
        settings = Settings(optimizer=optimizer, batch_size=self.batch)
        problem = Problem(network.model, X, y, settings=settings)
        return choose(our_engine(), problem).start(problem)

    def _rows(self) -> Array:
        """Return the rows of the next steps, one batch after another, every one full."""
        if not self.shuffled:
            return np.tile(np.arange(self.batch), self.n_steps)
        full, wanted = self.n_rows - self.n_rows % self.batch, self.n_steps * self.batch
        orders = [self.rng.permutation(self.n_rows)[:full] for _ in range(-(-wanted // full))]
        return np.concatenate(orders)[:wanted]

    def _seconds(self, rows: Array) -> float:
        rates = [1e-5] * self.n_steps  # small: nothing grows however many rounds are asked for
        started = time.perf_counter()
        self.run.advance(rows, rates)
        return time.perf_counter() - started

    def epoch(self) -> float:
        """Return the seconds of one step, the mean over some tenths of a second."""
        total, steps = 0.0, 0
        while total < TURN:
            total += self._seconds(self._rows())
            steps += self.n_steps
        return total / steps


def measure(config: Config, rounds: int) -> dict[str, list[float]]:
    """Return seconds a step in every round by variant, and seconds of matrix products."""
    with tempfile.TemporaryDirectory() as folder:
        save_problem(Path(folder), config)
        problem = {"folder": folder, "sizes": config.sizes, "batch": config.batch}
        # the reference engine's matrix products are BLAS's, which spins with more threads
        threads = 1 if our_engine() == "reference" else None
        ours = [
            Worker(name, "benchmarks._steps:Steps", {**problem, **variant}, threads)
            for name, variant in VARIANTS.items()
        ]
        products = [Worker(f"sgemm {n}", "benchmarks._trainers:Sgemm", {}, n) for n in (1, 2)]
        with Workers([*ours, *products]) as workers:
            seconds = rounds_of(workers, rounds, "epoch")
            workers.tell_idle()
    return seconds


def sgemm_rates(seconds: dict[str, list[float]]) -> list[float]:
    """Return the operations a second of the faster matrix product of each round."""
    pairs = zip(seconds["sgemm 1"], seconds["sgemm 2"], strict=True)
    return [2 * SGEMM**3 / min(pair) for pair in pairs]


def libxsmm_today(config: Config, seconds: dict[str, list[float]]) -> list[float] | None:
    """Return libxsmm-dnn's seconds a step, scaled to the sgemm rate of each round, if known."""
    if config.name not in LIBXSMM:
        return None
    return [1e-6 * LIBXSMM[config.name] * THEN / rate for rate in sgemm_rates(seconds)]


def beside_libxsmm(config: Config, seconds: dict[str, list[float]]) -> list[str]:
    """Return our time of a step beside libxsmm-dnn's, as it was and at today's sgemm rate."""
    ours, today = seconds[BASE], libxsmm_today(config, seconds)
    row = [str(config), f"{spread(1e6 * s for s in ours):.1f}"]
    sgemm = f"{spread(1e-9 * rate for rate in sgemm_rates(seconds)):.0f}"
    if today is None:
        return [*row, "", sgemm, "", ""]
    scaled = f"{spread(1e6 * s for s in today):.1f}"
    return [*row, f"{LIBXSMM[config.name]:.0f}", sgemm, scaled, f"{ratios(today, ours):.2f}"]


def on_top(config: Config, seconds: dict[str, list[float]]) -> list[str]:
    """Return what each variant takes, as a multiple of plain SGD on the same batch."""
    base = seconds[BASE]
    each = (f"{ratios(seconds[n], base):.2f}" if n in seconds else "" for n in VARIANTS)
    return [str(config), *each]


def report(results: dict[Config, dict[str, list[float]]]) -> str:
    """Return both tables."""
    titles = ["network", "ours, µs a step", "libxsmm-dnn, µs, another day"]
    titles += ["sgemm today, GFLOP/s", "libxsmm-dnn scaled to it", "libxsmm-dnn scaled / ours"]
    first = table(titles, [beside_libxsmm(config, s) for config, s in results.items()])
    second = table(["network", *VARIANTS], [on_top(config, s) for config, s in results.items()])
    return f"{first}\n\nTime as a multiple of the first:\n\n{second}"


def main(configs: list[Config], told: argparse.Namespace) -> None:
    """Measure and print both tables."""
    results = {}
    for config in configs:
        measured = measure(config, min(told.rounds, 2) if told.short else told.rounds)
        if BASE in measured:
            results[config] = measured
    print(report(results))
    write_json(told.json, "steps", {str(config): seconds for config, seconds in results.items()})

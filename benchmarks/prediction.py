"""Time to predict: 10 000 rows at a time, and one row.

``python -m benchmarks.prediction [--configs 784-512-512-10 …] [--rounds 5] [--short]``

The same float32 parameters for all: ours as a network and as an estimator, scikit-learn, PyTorch
(eager, inference mode), onnxruntime and JAX (jit). Each lives in a process of its own and answers
in turns; a turn is some tenths of a second of calls and gives their median. Every call takes a
NumPy array and gives one. A ratio is theirs / our network's within a round, given as median (least
to most). Last, the largest difference of any probability from a float64 computation in NumPy.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._about import machine, write_json
from benchmarks._common import (
    SHORT,
    Config,
    chosen,
    first_parameters,
    layers_of,
    learnable,
    logits,
    our_engine,
    parser,
    ratios,
    save_problem,
    spread,
    table,
    thousands,
)
from benchmarks._processes import Worker, Workers, rounds_of

CONFIGS = (Config((30, 64, 64, 2), 1, 10_000), Config((784, 512, 512, 10), 1, 10_000))
OURS = "backpass Network"
PROGRAMS = {
    OURS: ("Backpass", None, {}),
    "backpass predict_proba": ("BackpassEstimator", None, {}),
    "scikit-learn, 1 thread": ("Sklearn", 1, {}),
    "scikit-learn, 2 threads": ("Sklearn", 2, {}),
    "PyTorch, 1 thread": ("Torch", 1, {"threads": 1}),
    "PyTorch, 2 threads": ("Torch", 2, {"threads": 2}),
    "onnxruntime, 1 thread": ("Onnxruntime", None, {"threads": 1}),
    "onnxruntime, 2 threads": ("Onnxruntime", None, {"threads": 2}),
    "JAX, 1 thread": ("Jax", 1, {}),
    "JAX, 2 threads": ("Jax", 2, {}),
}
QUICK = (OURS, "backpass predict_proba", "scikit-learn, 1 thread")


def measure(config: Config, programs: list[str], rounds: int) -> dict[str, Any]:
    """Return seconds a call of both kinds in every round, and how far outputs are off."""
    with tempfile.TemporaryDirectory() as folder:
        save_problem(Path(folder), config)
        workers = []
        for name in programs:
            target, threads, arguments = PROGRAMS[name]
            problem = {"folder": folder, "sizes": config.sizes, **arguments}
            workers.append(Worker(name, f"benchmarks._predictors:{target}", problem, threads))
        with Workers(workers) as ready:
            measured = {kind: rounds_of(ready, rounds, kind) for kind in ("many", "one")}
            outputs = {worker.name: worker.call("outputs") for worker in ready}
            ready.tell_idle()
    right = right_outputs(config)
    measured["differences"] = {
        name: float(np.abs(np.array(found) - right).max()) for name, found in outputs.items()
    }
    return measured


def right_outputs(config: Config) -> np.ndarray[Any, Any]:
    """Return the probabilities of the first rows in float64."""
    flat = first_parameters(config.sizes).astype(np.float64)
    X, _ = learnable(config.rows, config.sizes[0], config.sizes[-1])
    z = logits(layers_of(config.sizes, flat), X[:100].astype(np.float64))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def report(config: Config, measured: dict[str, Any]) -> str:
    """Return the table of one network."""
    flops = 2 * config.rows * sum(W.size for W, _ in _shapes(config))
    many, one, rows = measured["many"], measured["one"], []
    for name in many:
        rows.append(
            [
                name,
                f"{spread(1e3 * s for s in many[name]):.2f}",
                f"{flops / spread(many[name]).median / 1e9:.1f}",
                f"{ratios(many[name], many[OURS]):.2f}",
                f"{spread(1e6 * s for s in one[name]):.1f}",
                f"{ratios(one[name], one[OURS]):.2f}",
                f"{measured['differences'][name]:.1e}",
            ]
        )
    titles = ["program", f"{thousands(config.rows)} rows, ms", "GFLOP/s", "theirs / ours"]
    titles += ["one row, µs", "theirs / ours", "largest difference"]
    return f"### {config.name}\n\n{table(titles, rows)}"


def _shapes(config: Config) -> list[tuple[Any, Any]]:
    return layers_of(config.sizes, first_parameters(config.sizes))


def arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=5)
    options.add_argument("--configs", nargs="*", metavar="SIZES", help="such as 784-512-512-10")
    return options.parse_args()


def main() -> None:
    told = arguments()
    print(f"{machine()}; engine: {our_engine()}")
    configs = SHORT if told.short else chosen(told.configs, CONFIGS)
    programs, rounds = list(PROGRAMS), told.rounds
    if told.short:
        programs, rounds = list(QUICK), min(rounds, 2)
    results = {}
    for config in configs:
        results[str(config)] = measured = measure(config, programs, rounds)
        print(f"\n{report(config, measured)}", flush=True)
    write_json(told.json, "prediction", results)


if __name__ == "__main__":
    main()

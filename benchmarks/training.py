"""Time to train the same network: backpass, its peers, and the machine's own matrix product.

``python -m benchmarks.training [--configs 784-128-10 …] [--peers …] [--rounds 5] [--short]``

Float32, Adam, ReLU, softmax cross-entropy; the same rows, first parameters, optimiser's numbers
and number of updates, shuffled every epoch, a small last batch taken as a step by all. Each
program lives in a process of its own, set up, compiled and warm before the clock starts; the
programs take turns, one epoch each, for several rounds. A ratio is theirs / ours within a round
(above 1: we are faster), given as median (least to most). The final loss of each is computed by one
function on the same rows after the same number of updates. The share of sgemm is our rate, the
operations of the matrix products alone (F1, B2a down to layer 1, B3) over our time, to that of
NumPy's 2048 x 2048 float32 product in the same round with as many threads.

``--steps`` compares plain SGD on the same batch with libxsmm-dnn's published times instead, and
tells what Adam, shuffling and uint8 rows cost on top.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._about import machine, write_json
from benchmarks._common import (
    CONFIGS,
    SGEMM,
    SHORT,
    Config,
    Spread,
    chosen,
    epoch_flops,
    our_engine,
    parser,
    ratios,
    save_problem,
    spread,
    table,
)
from benchmarks._processes import Worker, Workers, rounds_of


@dataclass(frozen=True)
class Program:
    """One program that trains.

    Parameters
    ----------
    kind : str
        What ``--peers`` calls it; several thread counts of one program share it.
    target : str
        Its class.
    threads : int, optional
        Set in its environment.
    arguments : dict, optional
        Of its class.
    """

    kind: str
    target: str
    threads: int | None = None
    arguments: dict[str, Any] | None = None


def _ours(engine: str, threads: int | None) -> Program:
    arguments = {"engine": engine, "threads": threads}
    return Program(engine, "Backpass", None, arguments)


OURS = {
    "native": _ours("native", None),
    "native, 1 thread": _ours("native", 1),
    "reference": _ours("reference", None),
}
PEERS = {
    "scikit-learn, 1 thread": Program("sklearn", "Sklearn", 1),
    "scikit-learn, 2 threads": Program("sklearn", "Sklearn", 2),
    "PyTorch eager, 1 thread": Program("torch", "Torch", 1, {"threads": 1}),
    "PyTorch eager, 2 threads": Program("torch", "Torch", 2, {"threads": 2}),
    "PyTorch compiled, 1 thread": Program("compiled", "TorchCompiled", 1, {"threads": 1}),
    "PyTorch compiled, 2 threads": Program("compiled", "TorchCompiled", 2, {"threads": 2}),
    "JAX, 1 thread": Program("jax", "Jax", 1),
    "JAX, 2 threads": Program("jax", "Jax", 2),
}
CEILING = {f"sgemm, {n} thread{'s' * (n > 1)}": Program("sgemm", "Sgemm", n) for n in (1, 2)}
PROGRAMS = {**OURS, **CEILING, **PEERS}  # the ceiling is measured right after us
KINDS = list(dict.fromkeys(program.kind for program in PROGRAMS.values()))


def start(config: Config, kinds: list[str], folder: str) -> Workers:
    """Set up a worker for each program of these kinds, on the problem in `folder`."""
    workers = []
    for name, program in PROGRAMS.items():
        if program.kind not in kinds:
            continue
        arguments = {**(program.arguments or {})}
        if program.kind != "sgemm":
            arguments |= {"folder": folder, "sizes": config.sizes, "batch": config.batch}
        target = f"benchmarks._trainers:{program.target}"
        workers.append(Worker(name, target, arguments, program.threads))
    return Workers(workers)


def measure(config: Config, kinds: list[str], rounds: int) -> dict[str, Any]:
    """Return seconds an epoch in every round, final losses and notes, by program."""
    with tempfile.TemporaryDirectory() as folder:
        save_problem(Path(folder), config)
        with start(config, kinds, folder) as workers:
            seconds = rounds_of(workers, rounds, "epoch")
            training = [worker for worker in workers if worker.name not in CEILING]
            losses = {worker.name: worker.call("loss") for worker in training}
            notes = {worker.name: worker.call("note") for worker in training}
            workers.tell_idle()
    return {"seconds": seconds, "losses": losses, "notes": notes}


def ours_among(seconds: dict[str, list[float]]) -> str | None:
    """Return our fastest program by its median: the native engine's, where it was measured."""
    native = [name for name in seconds if name in OURS and OURS[name].kind == "native"]
    ours = native or [name for name in seconds if name in OURS]
    return min(ours, key=lambda name: spread(seconds[name]).median, default=None)


def fastest_peer(seconds: dict[str, list[float]]) -> str | None:
    """Return the peer, at its better thread count, with the smallest median."""
    peers = [name for name in seconds if name in PEERS]
    return min(peers, key=lambda name: spread(seconds[name]).median, default=None)


def sgemm_share(config: Config, seconds: dict[str, list[float]], name: str) -> Spread | None:
    """Return our rate's share of the machine's product in the same rounds; None for others.

    One thread is held against one; otherwise against the faster of one and two.
    """
    products = [seconds[n] for n in CEILING if n in seconds]
    if name not in OURS or not products:
        return None
    if name.endswith("1 thread"):
        products = products[:1]
    fastest = [min(turn) for turn in zip(*products, strict=True)]
    work = epoch_flops(config) / (2 * SGEMM**3)
    return ratios([work * s for s in fastest], seconds[name])


def report(config: Config, measured: dict[str, Any]) -> str:
    """Return the table of one configuration and its verdict."""
    seconds, rows = measured["seconds"], []
    best, peer = ours_among(seconds), fastest_peer(seconds)
    for name, times in seconds.items():
        if name in CEILING:
            continue
        middle, share = spread(times), sgemm_share(config, seconds, name)
        rows.append(
            [
                f"**{name}**" if name in (best, peer) else name,
                f"{middle:.3g}",
                f"{1e6 * middle.median / config.steps:.1f}",
                f"{ratios(times, seconds[best]):.2f}" if best else "",
                f"{epoch_flops(config) / middle.median / 1e9:.1f}",
                f"{share:.0%}" if share else "",
                f"{measured['losses'][name]:.4f}",
            ]
        )
    titles = ["program", "s per epoch", "µs per step", "theirs / ours", "GFLOP/s", "of sgemm"]
    parts = [f"### {config}", "", table([*titles, "final loss"], rows), ""]
    for name in (name for name in CEILING if name in seconds):
        rate = spread(2e-9 * SGEMM**3 / s for s in seconds[name])
        parts.append(f"- {name}: {rate:.0f} GFLOP/s")
    parts += [f"- {name}: {note}" for name, note in measured["notes"].items() if note]
    if best and peer:
        ratio = ratios(seconds[peer], seconds[best])
        parts.append(f"- fastest peer / ours: {ratio:.2f} ({peer} / {best})")
    return "\n".join(parts)


def arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=5)
    options.add_argument("--configs", nargs="*", metavar="SIZES", help="such as 784-128-10")
    options.add_argument("--peers", nargs="*", choices=KINDS, help="all by default")
    options.add_argument("--steps", action="store_true", help="SGD, the same batch every step")
    return options.parse_args()


def main() -> None:
    told = arguments()
    configs = SHORT if told.short else chosen(told.configs, CONFIGS)
    print(machine())
    if our_engine() != "native":
        print("native: not available; ours is the reference engine")
    if told.steps:
        from benchmarks import _steps

        _steps.main(configs, told)
        return
    kinds = [*told.peers, "sgemm"] if told.peers else KINDS
    kinds = (told.peers or ["reference", "native", "sklearn"]) if told.short else kinds
    rounds = min(told.rounds, 2) if told.short else told.rounds
    results = {}
    for config in configs:
        results[str(config)] = measured = measure(config, kinds, rounds)
        print(f"\n{report(config, measured)}", flush=True)
    write_json(told.json, "training", results)


if __name__ == "__main__":
    main()

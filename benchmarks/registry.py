"""What every activation, loss, optimiser and option costs, beside ReLU, softmax and Adam.

``python -m benchmarks.registry [--rounds 5] [--only gelu hinge …] [--short]``

One network (64-256-256-10, batch 256) in our own engine. In every round each variant trains for an
epoch right after the base (ReLU, softmax cross-entropy, Adam, dense rows, nothing else), both
in float32 and then both in float64: the ratio is the variant's time over the base's of the same
type and round (median, least to most), flagged above 2. Then the rate in float64 as a share of that
in float32, flagged below 45 %. The learning rate is small, so that no variant diverges.
"""

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
from benchmarks._about import machine, write_json
from benchmarks._common import (
    Array,
    Config,
    Spread,
    our_engine,
    parser,
    ratios,
    spread,
    table,
)

from backpass import Network
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES, Loss
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.settings import Settings
from backpass.errors import InputError
from backpass.training.trainer import Trainer

CONFIG = Config((64, 256, 256, 10), 256, 10_240)
SHORT = Config((8, 16, 16, 3), 32, 128)
LIMIT = 2.0  # a variant that takes longer than this needs a reason
FLOAT64 = 0.45  # and so does one whose rate in float64 is a smaller share of that in float32
RATE = 1e-5
DTYPES = ("float32", "float64")
BASE = "relu, softmax, adam, dense"


@dataclass(frozen=True)
class Variant:
    """What differs from the base.

    Parameters
    ----------
    hidden, output, loss : str
    settings : dict
        Of :class:`backpass.training.trainer.Settings`.
    rows : callable
        Makes the rows of the training from the base's, in the network's type.
    weighted : bool
        Whether rows have weights.
    """

    hidden: str = "relu"
    output: str = "softmax"
    loss: str = "cross_entropy"
    settings: dict[str, Any] = field(default_factory=dict)
    rows: Callable[[Array], Any] = lambda X: X
    weighted: bool = False


def _as_bytes(X: Array) -> Array:
    return np.clip(32 * X + 128, 0, 255).astype(np.uint8)


def _sparse(share: float) -> Callable[[Array], Any]:
    """Return what keeps about this share of the entries, as CSR."""

    def rows(X: Array) -> Any:
        kept = np.random.default_rng(3).random(X.shape) < share
        return scipy.sparse.csr_matrix(np.where(kept, X, 0))

    return rows


OPTIONS = {
    "dropout 0.5": Variant(settings={"dropout": 0.5}),
    "sample weights": Variant(weighted=True),
    "clip_norm": Variant(settings={"clip_norm": 1.0}),
    "clip_norm, clipping": Variant(settings={"clip_norm": 1e-6}),
    "L2": Variant(settings={"alpha": 1e-4}),
    "decoupled decay": Variant(settings={"alpha": 1e-4, "optimizer": "adamw"}),
    "label smoothing": Variant(loss="cross_entropy:label_smoothing=0.1"),
    "rows: uint8": Variant(rows=_as_bytes),
    "rows: the other float type": Variant(
        rows=lambda X: X.astype(np.float64 if X.dtype == np.float32 else np.float32)
    ),
    "rows: column order": Variant(rows=np.asfortranarray),
    "rows: CSR, all entries": Variant(rows=_sparse(1.0)),
    "rows: CSR, one entry in ten": Variant(rows=_sparse(0.1)),
    "everything": Variant(
        "gelu",
        loss="cross_entropy:label_smoothing=0.1",
        settings={"dropout": 0.5, "clip_norm": 1.0, "alpha": 1e-4},
        rows=_as_bytes,
        weighted=True,
    ),
}


def variants() -> dict[str, Variant]:
    """Return every variant: what is registered, with its fitting outputs, then the options."""
    found = {
        f"activation: {record.name}": Variant(hidden=record.name)
        for record in ACTIVATIONS.records()
        if record.hidden
    }
    for loss in LOSSES.records():
        for output in dict.fromkeys([loss.outputs[0], *loss.fused]):
            found[f"loss: {loss.name}, {output}"] = Variant(output=output, loss=loss.name)
    for name in OPTIMIZERS:
        found[f"optimiser: {name}"] = Variant(settings={"optimizer": name})
    return found | OPTIONS


def targets_for(loss: Loss, rows: int, outputs: int) -> Array:
    """Return random targets that `loss` takes: classes, numbers, signs, counts or shares.

    Raises
    ------
    InputError
        When it takes none of them.
    """
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(rows, outputs))
    kinds = [numbers, np.sign(numbers), np.floor(np.abs(numbers)), rng.random((rows, outputs))]
    if loss.task == "classification":
        kinds.insert(0, rng.integers(0, outputs, rows))
    for kind in kinds:
        try:
            loss.encode(kind, outputs, np, np.dtype(np.float64))
        except InputError:
            continue
        return kind
    raise InputError(f"no targets here fit the loss {loss.name!r}")


def trainer_of(variant: Variant, config: Config, dtype: str) -> Trainer:
    """Return a trainer of this variant, warm."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((config.rows, config.sizes[0])).astype(dtype)
    loss = LOSSES.get_record(variant.loss)
    network = Network(config.sizes, variant.hidden, variant.output, loss, seed=1, dtype=dtype)
    told = {"learning_rate": RATE, "batch_size": config.batch, "patience": math.inf}
    trainer = Trainer(
        network,
        variant.rows(X),
        targets_for(loss, config.rows, config.sizes[-1]),
        rng.uniform(0.5, 1.5, config.rows).astype(dtype) if variant.weighted else None,
        settings=Settings(**{**told, **variant.settings}),
        rng=rng,
        engine=our_engine(),
    )
    trainer.train(1)
    return trainer


def seconds_of(trainer: Trainer) -> float:
    """Return the seconds of one more epoch."""
    started = time.perf_counter()
    trainer.train(1)
    return time.perf_counter() - started


def measure(found: dict[str, Variant], config: Config, rounds: int) -> dict[str, Any]:
    """Return by variant and type the seconds of every round, and the base's beside them."""
    bases = {dtype: trainer_of(Variant(), config, dtype) for dtype in DTYPES}
    trainers, results = {}, {}
    for name, variant in found.items():
        try:
            trainers[name] = {dtype: trainer_of(variant, config, dtype) for dtype in DTYPES}
        except InputError as error:
            print(f"not measured — {name}: {error}")
    for name in trainers:
        results[name] = {dtype: {"base": [], "variant": []} for dtype in DTYPES}
    for _ in range(rounds):
        for name, mine in trainers.items():
            for dtype in DTYPES:
                results[name][dtype]["base"].append(seconds_of(bases[dtype]))
                results[name][dtype]["variant"].append(seconds_of(mine[dtype]))
    return results


def costs(measured: dict[str, Any]) -> tuple[dict[str, Spread], Spread]:
    """Return a variant's time over the base's by type, and float64's share of float32's rate."""
    of_base = {d: ratios(measured[d]["variant"], measured[d]["base"]) for d in DTYPES}
    return of_base, ratios(measured["float32"]["variant"], measured["float64"]["variant"])


def flags(measured: dict[str, Any]) -> list[str]:
    """Return what needs a reason: a type in which a variant takes too long."""
    of_base, share = costs(measured)
    found = [f"{d} over {LIMIT:g}" for d, ratio in of_base.items() if ratio.median > LIMIT]
    return [*found, *[f"float64 below {FLOAT64:.0%}"] * (share.median < FLOAT64)]


def row(name: str, measured: dict[str, Any]) -> list[str]:
    """Return one line of the table."""
    of_base, share = costs(measured)
    ratio = [f"{ratio:.2f}" for ratio in of_base.values()]
    return [name, *ratio, f"{share:.0%}", ", ".join(flags(measured))]


def report(results: dict[str, Any]) -> str:
    """Return the base's times and the table."""
    config, measured, parts = Config.parse(results["network"]), results["variants"], []
    for dtype in DTYPES:
        base = [s for by_type in measured.values() for s in by_type[dtype]["base"]]
        step = spread(1e6 * s / config.steps for s in base)
        parts.append(f"- {config}, {BASE}, {dtype}: {step:.0f} µs a step")
    titles = ["variant", "float32, / base", "float64, / base", "float64's rate of float32's", ""]
    return "\n".join([*parts, "", table(titles, [row(name, m) for name, m in measured.items()])])


def arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=5)
    options.add_argument("--only", nargs="*", metavar="WORD", help="names that contain one")
    return options.parse_args()


def main() -> None:
    told = arguments()
    config = SHORT if told.short else CONFIG
    found = variants()
    if told.only:
        found = {name: v for name, v in found.items() if any(word in name for word in told.only)}
    measured = measure(found, config, min(told.rounds, 1) if told.short else told.rounds)
    print(f"{machine()}; engine: {our_engine()}\n")
    results = {"network": str(config), "variants": measured}
    print(report(results))
    write_json(told.json, "registry", results)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

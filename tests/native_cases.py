"""What the tests of the native engine share: instruction sets, networks, batches, runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from backpass.core.dropout import dropout_mask
from backpass.core.settings import Settings
from backpass.engines import ENGINES
from backpass.engines import Problem as TrainingProblem
from backpass.engines.extension import extension, missing
from backpass.network.network import Network
from helpers import draw_targets
from rounding import Problem, widened

DTYPES = [np.dtype("float32"), np.dtype("float64")]
ISAS = extension().isas() if missing() is None else ["native"]
NATIVE, REFERENCE = ENGINES["native"], ENGINES["reference"]

needs_native = pytest.mark.skipif(
    missing() is not None and not os.environ.get("BACKPASS_REQUIRE_NATIVE"),
    reason=f"{missing()}",
)
every_isa = pytest.mark.parametrize("isa", ISAS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@contextmanager
def forced(isa: str) -> Iterator[None]:
    """Make every engine that starts inside use one instruction set."""
    before = os.environ.get("BACKPASS_FORCE_ISA")
    os.environ["BACKPASS_FORCE_ISA"] = isa
    try:
        yield
    finally:
        if before is None:
            del os.environ["BACKPASS_FORCE_ISA"]
        else:
            os.environ["BACKPASS_FORCE_ISA"] = before


def new_network(
    sizes: Any = (5, 7, 3), hidden: Any = "tanh", output: str = "identity",
    loss: str = "squared_error", dtype: Any = "float64", seed: int = 0,
) -> Network:  # fmt: skip
    """Return a network whose biases are not 0."""
    network = Network(sizes, hidden, output, loss, seed=seed, dtype=dtype)
    rng = np.random.default_rng([seed, 1])
    for b in network.biases:
        b[...] = 0.3 * rng.normal(size=b.shape)
    return network


def draw_batch(network: Network, n: int, seed: int = 0, weights: bool = True) -> Any:
    """Return X (n, n_0) of the network's dtype, targets, and sample weights, some of them 0."""
    rng, dtype = np.random.default_rng([seed, 2]), network.parameters.flat.dtype
    X = rng.normal(size=(n, network.sizes[0])).astype(dtype)
    y = draw_targets(network.model.loss, n, network.sizes[-1], rng)
    s = rng.uniform(0.2, 3.0, size=n) * (rng.random(n) < 0.8)
    s[0] += 0.5
    return X, y, (s.astype(dtype) if weights else None)


def training_on(
    network: Network, batch: Any, optimizer: str = "adam", seed: int = 0, **settings: Any
) -> TrainingProblem:
    """Return what an engine is given to train on a batch of rows."""
    X, y, s = batch
    settings = Settings(optimizer=optimizer, **settings)
    return TrainingProblem(network.model, X, y, s, settings, seed=seed)


def seen_by(
    network: Network, given: TrainingProblem, rows: Any, flat: Any = None, step: int | None = None
) -> Problem:
    """Return the batch of some `rows` as an engine sees it, with the masks of a `step`."""
    dtype, model = network.parameters.flat.dtype, network.model
    y = model.loss.encode(np.asarray(given.y)[rows], network.sizes[-1], np, dtype)
    s = np.ones(len(rows)) if given.sample_weight is None else given.sample_weight[rows]
    masks = None
    if given.settings.dropout and step is not None:
        masks = [
            dropout_mask(given.seed, step, layer, len(rows), units, given.settings.dropout).astype(
                float
            )
            for layer, units in enumerate(network.sizes[1:-1], start=1)
        ]
        masks.append(None)
    return Problem(
        widened(model, flat), given.X[rows].astype(dtype).astype(float), y.astype(float),
        s.astype(dtype).astype(float), dtype, 0.0 if given.optimizer.decoupled else
        given.settings.alpha, given.settings.dropout if masks else 0.0, masks,
        given.settings.ceiling,
    )  # fmt: skip


def trained(network: Network, given: TrainingProblem, engine: Any, rows: Any, rates: Any) -> Any:
    """Return a run after some steps, its parameters published, and their costs."""
    run = engine.start(given)
    costs = run.advance(rows, rates)
    run.publish()
    return run, costs

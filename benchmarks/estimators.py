"""Time to fit the same network: backpass, scikit-learn and, where installed, PyTorch.

``python -m benchmarks.estimators [--rounds 5] [--configs 2] [--short]``

Same data, same first parameters (backpass and scikit-learn: the same seed), same optimiser, same
number of updates, interleaved rounds; the ratio of each round is peer / backpass, and the final
loss of each is printed, so that nobody wins by doing less. The time is that of the whole call, the
estimators' checks included; the engine is named. scikit-learn is timed with as many BLAS threads
as it takes, and with one. One program for all: :mod:`benchmarks.training` separates them.
"""

import functools
import importlib.util
import itertools
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks._about import machine, write_json
from benchmarks._common import INSTALL, parser, ratios, spread, table
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from threadpoolctl import threadpool_limits

from backpass import MLPClassifier

# rows, inputs, hidden layers, classes, batch, epochs, type
NETWORKS = {
    "20-100-2, batch 200, 1 000 rows, 50 epochs": (1_000, 20, (100,), 2, 200, 50, "float32"),
    "the same, float64": (1_000, 20, (100,), 2, 200, 50, "float64"),
    "30-64-64-2, batch 32, 20 000 rows": (20_000, 30, (64, 64), 2, 32, 2, "float32"),
    "64-256-256-10, batch 256, 20 000 rows": (20_000, 64, (256, 256), 10, 256, 2, "float32"),
    "784-128-10, batch 64, 10 000 rows": (10_000, 784, (128,), 10, 64, 2, "float32"),
}


def data(rows: int, inputs: int, classes: int, dtype: str) -> tuple[Any, Any]:
    """Return rows of numbers and classes that can be learnt from them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, inputs)).astype(dtype)
    y = (X @ rng.normal(size=(inputs, classes))).argmax(axis=1)
    return X, y


def fit(
    kind: Any, threads: int | None, X: Any, y: Any, hidden: tuple[int, ...], batch: int, epochs: int
) -> tuple[float, float]:
    """Fit an estimator of this class and return seconds and loss; none stops early."""
    told = {"max_iter": epochs, "n_iter_no_change": epochs, "batch_size": batch, "alpha": 0.0}
    model = kind(hidden, random_state=0, **told)
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        model.fit(X, y)
        taken = time.perf_counter() - started
    assert model.n_iter_ == epochs
    return taken, model.loss_


def torch_fit(
    X: Any, y: Any, hidden: tuple[int, ...], batch: int, epochs: int
) -> tuple[float, float]:
    """Fit with PyTorch's modules, eager, and its fused Adam, one thread."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = [X.shape[1], *hidden, int(y.max()) + 1]
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).to(torch.from_numpy(X).dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()
    started = time.perf_counter()
    X_t, y_t = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(epochs):
        total, order = 0.0, torch.randperm(len(X))
        for rows in order.split(batch):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(X_t[rows]), y_t[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    return time.perf_counter() - started, total / len(X)


def peers() -> dict[str, Callable[..., tuple[float, float]]]:
    """Return the peers that are installed."""
    found = {
        "scikit-learn": functools.partial(fit, SklearnClassifier, None),
        "scikit-learn, one BLAS thread": functools.partial(fit, SklearnClassifier, 1),
    }
    if importlib.util.find_spec("torch") is None:
        print(f"not measured — PyTorch: not installed: {INSTALL}")
    else:
        found["PyTorch eager"] = torch_fit
    return found


def row(name: str, peer: str, measured: dict[str, Any]) -> list[str]:
    """Return a line of the table."""
    theirs, mine = measured["theirs"], measured["ours"]
    times = [f"{spread(seconds):.3f}" for seconds in (theirs, mine)]
    losses = ", ".join(f"{loss:.4f}" for loss in measured["losses"])
    return [name, peer, *times, f"{ratios(theirs, mine):.2f}", losses]


def report(results: dict[str, dict[str, Any]]) -> str:
    """Return the table."""
    titles = ["network", "peer", "seconds, peer", "seconds, backpass", "peer / backpass"]
    rows = [row(name, peer, m) for name, peers in results.items() for peer, m in peers.items()]
    return table([*titles, "final losses"], rows)


def main() -> None:
    options = parser(__doc__, rounds=5)
    options.add_argument("--configs", type=int, default=len(NETWORKS), help="only so many")
    told = options.parse_args()
    rounds, results = (1, {}) if told.short else (told.rounds, {})
    ours = functools.partial(fit, MLPClassifier, None)
    engine = MLPClassifier(max_iter=1).fit(np.eye(4), [0, 1, 0, 1]).engine_
    print(f"{machine()}; engine: {engine}; Adam, ReLU; {rounds} rounds")
    programs = peers()
    for name in list(NETWORKS)[: 1 if told.short else told.configs]:
        rows, inputs, hidden, classes, batch, epochs, dtype = NETWORKS[name]
        X, y = data(rows, inputs, classes, dtype)
        results[name] = {}
        for peer, peer_fit in programs.items():
            problem = X, y, hidden, batch, epochs
            pairs = [(peer_fit(*problem), ours(*problem)) for _ in range(rounds)]
            theirs, mine = ([pair[i][0] for pair in pairs] for i in (0, 1))
            losses = [loss for _, loss in pairs[-1]]
            results[name][peer] = {"theirs": theirs, "ours": mine, "losses": losses}
        print(f"\n{report({name: results[name]})}", flush=True)
    write_json(told.json, "estimators", results)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

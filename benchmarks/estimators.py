"""Time to fit the same network: backpass, scikit-learn and, where installed, PyTorch.

``python -m benchmarks.estimators [--rounds 5]``

Same data, same first parameters (backpass and scikit-learn: the same seed), same optimiser, same
number of updates, float32, interleaved rounds; the ratio of each round is peer / backpass, and
the final loss of each is printed, so that nobody wins by doing less. The engine is named: until
there is a faster one it is the readable reference.
"""

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier as SklearnClassifier

from backpass import MLPClassifier

NETWORKS = {
    "30-64-64-2, batch 32, 20 000 rows": (20_000, 30, (64, 64), 2, 32),
    "64-256-256-10, batch 256, 20 000 rows": (20_000, 64, (256, 256), 10, 256),
    "784-128-10, batch 64, 10 000 rows": (10_000, 784, (128,), 10, 64),
}
EPOCHS = 2


def data(rows: int, inputs: int, classes: int) -> tuple[Any, Any]:
    """Return rows of numbers and classes that can be learnt from them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, inputs)).astype(np.float32)
    y = (X @ rng.normal(size=(inputs, classes))).argmax(axis=1)
    return X, y


def sklearn_like(kind: Any) -> Callable[..., tuple[float, float]]:
    """Return what fits an estimator of this class and tells seconds and loss."""

    def fit(X: Any, y: Any, hidden: tuple[int, ...], batch: int) -> tuple[float, float]:
        model = kind(hidden, max_iter=EPOCHS, batch_size=batch, alpha=0.0, random_state=0)
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)
        return time.perf_counter() - started, model.loss_

    return fit


def torch_fit(X: Any, y: Any, hidden: tuple[int, ...], batch: int) -> tuple[float, float]:
    """Fit with PyTorch's modules, eager, and its fused Adam, one thread."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = [X.shape[1], *hidden, int(y.max()) + 1]
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()
    started = time.perf_counter()
    X_t, y_t = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(EPOCHS):
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
    found = {"scikit-learn": sklearn_like(SklearnClassifier)}
    try:
        import torch  # noqa: F401

        found["PyTorch eager"] = torch_fit
    except ImportError:
        print("PyTorch is not installed: left out")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ours = sklearn_like(MLPClassifier)
    engine = MLPClassifier(max_iter=1).fit(np.eye(4), [0, 1, 0, 1]).engine_
    print(f"engine: {engine}; {EPOCHS} epochs, Adam, ReLU, float32; {rounds} rounds")
    print("| network | peer | seconds, peer | seconds, backpass | peer / backpass | losses |")
    print("|---|---|---|---|---|---|")
    for name, (rows, inputs, hidden, classes, batch) in NETWORKS.items():
        X, y = data(rows, inputs, classes)
        for peer, fit in peers().items():
            pairs = [(fit(X, y, hidden, batch), ours(X, y, hidden, batch)) for _ in range(rounds)]
            theirs = [p[0][0] for p in pairs]
            mine = [p[1][0] for p in pairs]
            ratios = sorted(a / b for a, b in zip(theirs, mine, strict=True))
            print(
                f"| {name} | {peer} | {statistics.median(theirs):.2f} "
                f"| {statistics.median(mine):.2f} | {statistics.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f}) "
                f"| {pairs[-1][0][1]:.4f}, {pairs[-1][1][1]:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

"""Small fits of every kind, to be interrupted, repeated and compared, byte by byte."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from backpass import MLPClassifier, MLPRegressor, Network, TabularModel, train
from backpass.errors import InputError
from backpass.tabular.recipe import Recipe


def rows(n: int = 400, width: int = 6, dtype: Any = np.float64) -> tuple[Any, Any, Any]:
    """Return X (n, width), numbers y (n,) and three classes (n,)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, width)).astype(dtype)
    y = (np.sin(X[:, 0]) * X[:, 1] + rng.normal(scale=0.1, size=n)).astype(dtype)
    return X, y, np.digitize(y, [-0.3, 0.3])


def table(n: int = 300) -> dict[str, Any]:
    """Return a table with two columns of numbers, one of text, and a target of two classes."""
    X, y, classes = rows(n)
    return {"a": X[:, 0], "b": X[:, 1], "c": [f"c{k}" for k in classes], "y": list(y > 0)}


def write_table(path: Path) -> None:
    """Write a table of two thousand rows, for ``backpass fit``."""
    columns = table(2000)
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def fingerprint(network: Network, history: Any, *more: Any) -> str:
    """Return a hash of the parameters, the curves, the reason to stop and some arrays."""
    digest = hashlib.sha256(network.parameters.flat.tobytes())
    for name, value in sorted(vars(history).items()):
        told = value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)
        digest.update(f"{name} {told}".encode())
    for array in more:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclass
class Fit:
    """One thing that can be fitted, again and again.

    What is asked of it raises AttributeError or InputError where there is nothing yet.
    """

    start: Callable[[], Any]  # fits it
    network: Callable[[], Network]
    history: Callable[[], Any]
    predict: Callable[[], Any]  # numbers for some rows

    def answer(self) -> str:
        """Fit it, and return a hash of what came out."""
        self.start()
        return fingerprint(self.network(), self.history(), self.predict())


def of_estimator(kind: type, sparse: bool = False, **settings: Any) -> Callable[[Path], Fit]:
    """Return what makes an estimator's fit, with checkpoints in a folder if `settings` say so."""
    checkpointed = settings.pop("checkpointed", False)
    X, y, classes = rows()
    y = classes if kind is MLPClassifier else y
    X = csr_matrix(np.where(X > 0.5, X, 0)) if sparse else X

    def make(folder: Path) -> Fit:
        model = kind(**{"hidden_layer_sizes": (24, 24), "random_state": 0, "tol": 0.0, **settings})
        extra = {"checkpoint": folder, "resume": True, "checkpoint_every": 0.0}
        return Fit(
            lambda: model.fit(X, y, **(extra if checkpointed else {})),
            lambda: model.network_,
            lambda: model._bp_history,
            lambda: getattr(model, "predict_proba", model.predict)(X),
        )

    return make


def of_steps(steps: Callable[[dict[str, Any]], None]) -> Fit:
    """Return a fit by a function that puts what there is into a dict, one by one."""
    kept: dict[str, Any] = {}

    def start() -> None:
        kept.clear()
        steps(kept)

    def found(name: str) -> Any:
        if name not in kept:
            raise InputError(f"there is no {name}")
        return kept[name]

    return Fit(
        start, lambda: found("network"), lambda: found("history"), lambda: found("predict")()
    )


def of_table(folder: Path) -> Fit:
    """Return a fit of a table."""

    def steps(kept: dict[str, Any]) -> None:
        model = TabularModel.fit(table(), "y", recipe=RECIPE)
        kept.update(network=model.network, history=model.history)
        kept["predict"] = lambda: model.predict_proba(table()).to_numpy()

    return of_steps(steps)


def of_network(folder: Path) -> Fit:
    """Return a training of a network, with checkpoints."""
    X, y, _ = rows(dtype=np.float32)

    def steps(kept: dict[str, Any]) -> None:
        network = Network([6, 24, 24, 1], "tanh", seed=1, dtype="float32")
        kept.update(network=network, predict=lambda: network.predict(X))
        kept["history"] = train(
            network, X, y, seed=0, epochs=200, batch_size=20, dropout=0.1, tolerance=0.0,
            schedule="cosine", n_threads=2, checkpoint=folder, resume=True, checkpoint_every=0.02,
        )  # fmt: skip

    return of_steps(steps)


RECIPE = Recipe(hidden_layer_sizes=(24, 24), epochs=200, patience=200)

INTERRUPTIBLE: dict[str, Callable[[Path], Fit]] = {
    "Adam": of_estimator(MLPClassifier, max_iter=1000, n_threads=1),
    "Adam, two threads": of_estimator(MLPRegressor, max_iter=800, n_threads=2, batch_size=50),
    "SGD, three threads, CSR": of_estimator(
        MLPClassifier, sparse=True, solver="sgd", max_iter=100, n_threads=3, batch_size=20
    ),
    "early stopping, dropout": of_estimator(
        MLPClassifier, max_iter=400, n_iter_no_change=400, early_stopping=True, dropout=0.2
    ),
    "gradient norms, two threads": of_estimator(
        MLPRegressor, max_iter=250, gradient_norms=True, n_threads=2, solver="rmsprop"
    ),
    "checkpoints at every opportunity": of_estimator(
        MLPRegressor, max_iter=20, checkpointed=True, early_stopping=True, n_threads=2
    ),
    "L-BFGS": of_estimator(MLPClassifier, solver="lbfgs", max_iter=150, n_threads=2),
    "readable engine": of_estimator(MLPClassifier, max_iter=60, engine="reference"),
    "one long step": of_estimator(
        MLPRegressor, hidden_layer_sizes=(512, 512), max_iter=12, batch_size=400, n_threads=2
    ),
    "TabularModel": of_table,
    "train, checkpoints": of_network,
}
"""What is interrupted: solvers, engines, threads, validation, checkpoints."""

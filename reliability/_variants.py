"""Fits of every kind whose bytes must not depend on threads, repeats or processes."""

import json
import sys
import warnings
from typing import Any

import numpy as np
from reliability._fits import fingerprint, rows
from scipy.sparse import csr_matrix

from backpass import MLPClassifier, MLPRegressor

SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "adam": {"solver": "adam"},
    "adamw": {"solver": "adamw"},
    "rmsprop": {"solver": "rmsprop"},
    "lbfgs": {"solver": "lbfgs"},
}
DTYPES = ("float32", "float64")
STOPPING = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "dense": {},
    "CSR": {"sparse": True},
    "regression": {"kind": MLPRegressor},
    "Fortran order": {"order": "F"},
    "L2": {"alpha": 0.5},
    "dropout": {"dropout": 0.3},
    "early stopping": STOPPING,
    "class weights": {"class_weight": "balanced"},
    "sample weights": {"weights": True},
    "clipped": {"clip_norm": 0.1},
    "gradient norms": {"gradient_norms": True},
    "invscaling": {"learning_rate": "invscaling"},
    "adaptive": {"learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    "linear warm-up": {"learning_rate": "linear_warmup"},
    "cosine": {"learning_rate": "cosine:warmup=0.2"},
    "one batch": {"batch_size": 300},
    "a row at a time": {"batch_size": 1, "max_iter": 1},
    "wide": {"hidden_layer_sizes": (130, 70), "activation": "tanh"},
    "everything": {
        **STOPPING, "dropout": 0.2, "alpha": 0.1, "clip_norm": 0.5, "weights": True,
        "class_weight": "balanced", "learning_rate": "cosine", "sparse": True,
        "activation": ["mish", "selu"],
    },
}  # fmt: skip
"""What is set beside the solver."""
OF_LBFGS = ("dense", "CSR", "regression", "L2", "class weights", "sample weights", "wide")


def digest(
    solver: str, dtype: str, variant: str, n_threads: int | None, engine: str = "auto"
) -> str:
    """Fit, and return a hash of coefficients, curves and predictions."""
    settings = {
        "hidden_layer_sizes": (40, 33), "max_iter": 3, "batch_size": 64, "tol": 0.0,
        **SOLVERS[solver], **VARIANTS[variant],
    }  # fmt: skip
    kind = settings.pop("kind", MLPClassifier)
    X, numbers, classes = rows(300, 20, dtype)
    X = np.asarray(X, order=settings.pop("order", "C"))
    X = csr_matrix(np.where(X > 1, X, 0)) if settings.pop("sparse", False) else X
    weights = np.random.default_rng(1).random(300) if settings.pop("weights", False) else None
    model = kind(random_state=0, n_threads=n_threads, engine=engine, **settings)
    with warnings.catch_warnings(action="ignore"):
        model.fit(X, numbers if kind is MLPRegressor else classes, sample_weight=weights)
    found = [*model.coefs_, *model.intercepts_, model.predict(X)]
    found += [model.predict_proba(X)] if kind is MLPClassifier else []
    return fingerprint(model.network_, model._bp_history, *found)


def combinations() -> list[tuple[str, str, str]]:
    """Return solver, dtype and variant of all; L-BFGS has no batches, epochs or dropout."""
    return [
        (solver, dtype, variant)
        for solver in SOLVERS
        for dtype in DTYPES
        for variant in VARIANTS
        if solver != "lbfgs" or variant in OF_LBFGS
    ]


if __name__ == "__main__":  # a fresh process of reliability.determinism
    threads = None if sys.argv[1] == "None" else int(sys.argv[1])
    sys.stdout.write(json.dumps([digest(*names, threads) for names in combinations()]))

"""Every choice of a training run, in one record that is handed down unchanged."""

from dataclasses import dataclass

import numpy as np

from backpass.core.optimizers import Optimizer
from backpass.core.requirements import (
    COUNT,
    FLAG,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    SIZE,
    THREADS,
    check_values,
)
from backpass.core.schedules import Schedule

SETTINGS = {
    "learning_rate": POSITIVE,
    "batch_size": COUNT.or_none,
    "epochs": COUNT,
    "alpha": SIZE,
    "dropout": FRACTION,
    "clip_norm": POSITIVE.or_none,
    "ceiling": POSITIVE.or_none,
    "tolerance": NOT_NEGATIVE,
    "patience": NOT_NEGATIVE,
    "early_stopping": FLAG,
    "outputs_averaged": FLAG,
    "time_limit": POSITIVE.or_none,
    "gradient_norms": FLAG,
    "n_threads": THREADS.or_none,
}
"""What each setting must be."""


@dataclass(frozen=True)
class Settings:
    """Every choice of a training run.

    Parameters
    ----------
    optimizer : str or Optimizer
    schedule : str or Schedule
    learning_rate : float
        η before the schedule's factor.
    batch_size : int or None
        M; None takes all rows (full-batch gradient descent).
    epochs : int
        Most epochs.
    sampling : {"shuffle", "replacement", "sequential", "blocks"}
        The order of the rows: see :mod:`backpass.training.batches`.
    alpha : float
        L2 strength; decoupled decay with an optimiser that asks for it.
    dropout : float
        Probability of dropping a hidden unit.
    clip_norm : float, optional
        Largest 2-norm of a gradient.
    ceiling : float, optional
        Largest recorded cost of one sample and output.
    tolerance, patience : float
        Training stalls after more than `patience` epochs without improving by `tolerance`.
    early_stopping : bool
        Whether a stall is seen in the validation score instead of the training loss.
    outputs_averaged : bool
        Whether the stall is seen in data loss / k + L2, scikit-learn's loss of several outputs.
    time_limit : float, optional
        Most seconds.
    gradient_norms : bool
        Whether the norm of each layer's gradient, and the noise of a single sample's, are
        recorded every epoch; the noise takes a further pass over the rows.
    n_threads : int, optional
        Threads to compute with; the native engine's results do not depend on it, and None measures
        which number is fastest.

    Raises
    ------
    InputError
        When one of them cannot be used.
    """

    optimizer: str | Optimizer = "adam"
    schedule: str | Schedule = "constant"
    learning_rate: float = 1e-3
    batch_size: int | None = 200
    epochs: int = 200
    sampling: str = "shuffle"
    alpha: float = 0.0
    dropout: float = 0.0
    clip_norm: float | None = None
    ceiling: float | None = None
    tolerance: float = 1e-4
    patience: float = 10
    early_stopping: bool = False
    outputs_averaged: bool = False
    time_limit: float | None = None
    gradient_norms: bool = False
    n_threads: int | None = None

    def __post_init__(self) -> None:
        check_values(self, SETTINGS)
        for name in SETTINGS:  # a NumPy number would have computations in its own precision
            if isinstance(getattr(self, name), np.generic):
                object.__setattr__(self, name, getattr(self, name).item())

"""What a training run is told, and what it tells: settings, validation, history."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from backpass.core.arrays import Array
from backpass.core.optimizers import Optimizer
from backpass.core.schedules import Clock, Schedule
from backpass.core.validation import (
    COUNT,
    FLAG,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    SIZE,
    THREADS,
    check_values,
)

__all__ = ["History", "OnEpoch", "Settings", "Validation"]

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
    sampling : {"shuffle", "replacement", "sequential"}
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


@dataclass(frozen=True)
class Validation:
    """How a network is judged on rows it is not trained on.

    Parameters
    ----------
    score : callable
        The current score, higher is better.
    loss : callable
        The current validation loss.
    """

    score: Callable[[], float]
    loss: Callable[[], float]


@dataclass
class History:
    """What happened, epoch by epoch; it goes on where training goes on.

    Attributes
    ----------
    loss_curve, validation_loss_curve, validation_scores : list of float
    learning_rates : list of float
        The rate of each epoch's last step.
    layer_gradient_norms : list of list of float
        Norm of ∂J/∂(W_l, b_l) after each epoch, on up to 256 rows.
    mean_squared_gradient_norms, gradient_noise : list of float
        mean ‖g_n‖² and mean ‖g_n − ḡ‖² after each epoch over all training rows, g_n the gradient
        of sample n's cost, without dropout and L2; weighted means where samples have weights.
    best_loss, best_score : float
        The smallest loss of a stall check, the highest validation score.
    best_epoch : int
        The epoch, from 1, with the highest validation score; 0 where there is none.
    best_parameters : array (P,) or None
        The parameters of that epoch.
    epochs : int
        Epochs since the history began.
    clock : Clock
        How far training has come.
    stalled : int
        Epochs in a row without improvement.
    stop_reason : str
        ``"max_epochs"``, ``"converged"``, ``"time_limit"``, ``"interrupted"`` or ``"callback"``.
    """

    loss_curve: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    layer_gradient_norms: list[list[float]] = field(default_factory=list)
    mean_squared_gradient_norms: list[float] = field(default_factory=list)
    gradient_noise: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    best_score: float = -math.inf
    best_epoch: int = 0
    stalled: int = 0
    epochs: int = 0
    best_parameters: Array | None = None
    clock: Clock = field(default_factory=Clock)
    stop_reason: str = ""


OnEpoch = Callable[[History], bool | None]
"""Called with the history after every epoch; a true result stops training."""

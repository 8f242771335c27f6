"""How a training run is judged, and what it tells: validation and history."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backpass.core.arrays import Array
from backpass.core.schedules import Clock

__all__ = ["History", "OnEpoch", "Validation"]


@dataclass(frozen=True)
class Validation:
    """The rows that judge a network after every epoch, and how they do.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_rows, n_0)
    y : array of shape (n_rows,) or (n_rows, k)
        Targets as the network's loss takes them.
    sample_weight : array of shape (n_rows,) or None
    rows : array of int or None
        Those of them that judge; all by default.
    score : callable
        ``score(output, loss)``: the score of the present network, higher is better, from its
        output (n, k) for these rows and its mean loss on them; by default −loss.
    """

    X: Array
    y: Array
    sample_weight: Array | None = None
    rows: Any = None
    score: Callable[[Any, float], float] = lambda output, loss: -loss


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

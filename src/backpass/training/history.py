"""What training tells of each epoch, and the rows that judge it: history and validation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.core.schedules import Clock

FEW_COSTS = 8  # NumPy adds up fewer in the same order, and takes longer than a small step


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


def epoch_losses(costs: Any, batch_size: int, n_rows: int, k: int) -> tuple[float, float]:
    """Return the mean loss of an epoch, and the same with the data's part divided by `k`.

    Parameters
    ----------
    costs : array of shape (steps, 2)
        Mean loss and penalty of each mini-batch; they count by their rows.
    batch_size, n_rows : int
        Of a mini-batch, and of all of them: the last has what is left.
    k : int
        Outputs, where scikit-learn averages over them.

    Examples
    --------
    >>> epoch_losses(np.array([[1.0, 0.5], [4.0, 0.5]]), batch_size=2, n_rows=3, k=2)
    (2.5, 1.5)
    """
    last = n_rows - batch_size * (len(costs) - 1)
    if len(costs) < FEW_COSTS:
        sizes = [batch_size] * (len(costs) - 1) + [last]
        rows = list(zip(sizes, costs.tolist(), strict=True))
        mean = sum(n * (data + penalty) for n, (data, penalty) in rows) / n_rows
        return mean, sum(n * (data / k + penalty) for n, (data, penalty) in rows) / n_rows
    weights = np.full(len(costs), batch_size)
    weights[-1] = last
    data, penalty = costs.T
    with np.errstate(over="ignore"):
        mean = float((weights * (data + penalty)).sum() / n_rows)
        return mean, float((weights * (data / k + penalty)).sum() / n_rows)

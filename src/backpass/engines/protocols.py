"""What an engine is told about a training run, and what it answers: data only."""

from dataclasses import dataclass
from typing import NamedTuple

from backpass.core.arrays import Array
from backpass.core.optimizers import Optimizer
from backpass.core.parameters import Model
from backpass.errors import InputError

__all__ = ["Evaluation", "Plan", "check_row"]


@dataclass(frozen=True)
class Plan:
    """Everything a step depends on, besides its batch and its learning rate.

    Parameters
    ----------
    model : Model
        Where training starts; a run moves these very parameters.
    X : array or sparse matrix of shape (n_rows, n_0)
        All rows; batches are gathered from it.
    y : array of shape (n_rows,) or (n_rows, k)
        Targets as the user gave them; the loss encodes each batch.
    sample_weight : array of shape (n_rows,) or None
        s of the equations; None means 1 for every row.
    optimizer : Optimizer
        Equation U.
    alpha : float
        L2 strength; through the gradient (B3), or decoupled with an optimiser that asks for it.
    dropout : float
        Probability of dropping a hidden unit (D).
    seed : int
        Seed of the dropout masks.
    clip_norm : float or None
        Largest 2-norm of the gradient; longer ones are scaled down to it.
    ceiling : float or None
        Largest recorded cost of one sample and output.
    batch_size : int
        M, rows of a mini-batch.
    n_threads : int or None
        Threads an engine may use; None leaves it to the engine. The reference engine has one.
    """

    model: Model
    X: Array
    y: Array
    sample_weight: Array | None
    optimizer: Optimizer
    alpha: float = 0.0
    dropout: float = 0.0
    seed: int = 0
    clip_norm: float | None = None
    ceiling: float | None = None
    batch_size: int = 200
    n_threads: int | None = None


class Evaluation(NamedTuple):
    """The cost of some rows in its two terms, and its gradient.

    Parameters
    ----------
    data : float
        The mean loss.
    penalty : float
        The L2 penalty.
    gradient : array of shape (P,) or None
        ∂J/∂θ; None where it was not asked for.
    """

    data: float
    penalty: float
    gradient: Array | None


def check_row(shape: tuple[int, ...], model: Model) -> None:
    """Raise InputError unless `shape` is that of one row of the input layer."""
    if shape != (model.parameters.sizes[0],):
        raise InputError(
            f"x has shape {tuple(shape)}; this network takes one row ({model.parameters.sizes[0]},)"
        )

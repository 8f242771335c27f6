"""What an engine is told about a training run: data only."""

from dataclasses import dataclass

from backpass.ops import Array
from backpass.optimizers import Optimizer
from backpass.parameters import Model

__all__ = ["Plan"]


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

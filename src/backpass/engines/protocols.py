"""What an engine is told, what it answers, and what an engine is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeAlias

from backpass.core.arrays import Array
from backpass.core.gradient_noise import GradientNoise
from backpass.core.optimizers import OPTIMIZERS, Optimizer
from backpass.core.parameters import Model
from backpass.core.settings import Settings
from backpass.errors import InputError


@dataclass(frozen=True)
class Problem:
    """Everything that a step depends on, besides its mini-batch and its learning rate.

    Parameters
    ----------
    model : Model
        Where training starts; a run moves these very parameters.
    X : array or sparse matrix of shape (n_rows, n_0)
        All rows; mini-batches are gathered from it.
    y : array of shape (n_rows,) or (n_rows, k)
        Targets as the user gave them; the loss encodes each mini-batch.
    sample_weight : array of shape (n_rows,) or None
        s of the equations; None means 1 for every row.
    settings : Settings
        Of which an engine reads optimizer, alpha, dropout, clip_norm, ceiling, batch_size and
        n_threads.
    rows : array of int or None
        Those to train on; None means all.
    seed : int
        Seed of the dropout masks.
    """

    model: Model
    X: Array
    y: Array
    sample_weight: Array | None = None
    settings: Settings = field(default_factory=Settings)
    rows: Any = None
    seed: int = 0

    @cached_property
    def optimizer(self) -> Optimizer:
        """Equation U."""
        return OPTIMIZERS.get_record(self.settings.optimizer)

    @cached_property
    def batch_size(self) -> int:
        """M, rows of a mini-batch: no more than there are to train on."""
        n_rows = int(self.X.shape[0]) if self.rows is None else len(self.rows)
        return min(self.settings.batch_size or n_rows, n_rows)

    @property
    def alpha_in_cost(self) -> float:
        """The L2 strength of J and its gradient: 0 where the optimiser decays weights itself."""
        return 0.0 if self.optimizer.decoupled else self.settings.alpha


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


Evaluator: TypeAlias = Callable[[], tuple[Array, float]]
"""Returns the present network's output (n, k) for given rows, and its mean loss on them."""


class Run(Protocol):
    """One training run of an engine: parameters and optimiser state that move with each batch."""

    model: Model

    @property
    def state(self) -> dict[str, Array]:
        """The optimiser's state, each slot laid out like the flat parameters."""
        ...

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        ...

    def advance(self, rows: Array, rates: Sequence[float]) -> Any:
        """Take one step for each mini-batch of `rows`; stop after the first non-finite loss.

        Parameters
        ----------
        rows : array of int
            Row indices; every `batch_size` of them (the last may have less) are a mini-batch.
        rates : sequence of float
            The learning rate of each step.

        Returns
        -------
        array of shape (steps, 2)
            The cost J of every mini-batch that was tried, before its step, in its two terms: the
            mean loss and the L2 penalty. A mini-batch whose weights sum to zero has no mean: it
            costs 0 and changes nothing.
        """
        ...

    def evaluate(self, rows: Array, *, gradient: bool = True) -> Evaluation:
        """Return the cost of all `rows` at the present θ, without dropout, and its gradient."""
        ...

    def evaluator(self, X: Array, y: Array, sample_weight: Array | None, rows: Any) -> Evaluator:
        """Return what evaluates the present θ on rows of other arrays, again and again.

        Parameters
        ----------
        X, y, sample_weight
            As in :class:`Problem`.
        rows : array of int or None
            Those of them that count; None for all.

        Returns
        -------
        callable
            Returns the output a_L (n, k) of those rows, in their order, and their mean loss: no
            dropout, no penalty, no ceiling; NaN where their weights sum to zero.
        """
        ...

    def squared_norms(self, rows: Array) -> Array:
        """Return ‖g_n‖² (N,) of each of `rows` at the present θ (no dropout, no L2)."""
        ...

    def noise(self, rows: Array) -> GradientNoise:
        """Return how the gradients of single `rows` scatter at the present θ, without L2."""
        ...

    def publish(self) -> None:
        """Bring the parameters of the model up to date: an engine may keep its own meanwhile."""
        ...

    def adopt(self) -> None:
        """Go on from the parameters as they are in the model, which a callback may have changed."""
        ...


class PartialRun(Run, Protocol):
    """A run whose steps can be put together from parts of their mini-batch."""

    def shard(
        self, rows: Array, offset: int, mass: float, into: Array | None = None
    ) -> tuple[float, Array]:
        """Return what some rows of a mini-batch add to its mean loss and to its gradient.

        Parameters
        ----------
        rows : array of int
        offset : int
            Where they begin in the mini-batch: their dropout masks are those of the next step.
        mass : float
            S, the sum of the weights of the whole mini-batch.
        into : array of shape (P,), optional
            Becomes the gradient.

        Returns
        -------
        float, array of shape (P,)
            Σ s_n C_n / S over these rows, and its gradient, without L2.
        """
        ...

    def apply(self, gradient: Array, mass: float, rate: float) -> float:
        """Take the step of a mini-batch whose gradient is given; return its L2 penalty.

        Parameters
        ----------
        gradient : array of shape (P,)
            Of the mean loss; L2 and clipping are added here.
        mass : float
            S of the mini-batch.
        rate : float
            The learning rate.
        """
        ...


class Engine(Protocol):
    """Something that can train a model."""

    name: str
    uses_blas: bool

    def obstacle(self, problem: Problem) -> str | None:
        """Return why this engine cannot train on `problem`, or None where it can."""
        ...

    def prediction_obstacle(self, model: Model, X: Array) -> str | None:
        """Return why this engine cannot compute `model` on `X`, or None where it can."""
        ...

    def predict(self, model: Model, X: Array) -> Array:
        """Return the output a_L (N, k) for the rows of `X`."""
        ...

    def start(self, problem: Problem, state: dict[str, Any] | None = None, steps: int = 0) -> Run:
        """Begin a run, or go on with the optimiser `state` after so many `steps`."""
        ...


class RowPredictor(Protocol):
    """Something that predicts one row at a time."""

    model: Model
    flat: Array

    def predict(self, x: Array) -> Array:
        """Return the output (k,) for one row (n_0,)."""
        ...


def check_row(shape: tuple[int, ...], model: Model) -> None:
    """Raise InputError unless `shape` is that of one row of the input layer."""
    if shape != (model.parameters.sizes[0],):
        raise InputError(
            f"x has shape {tuple(shape)}; this network takes one row ({model.parameters.sizes[0]},)"
        )

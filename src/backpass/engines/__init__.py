"""Engines: who computes a training step. A structural protocol, and the choice.

An engine trains a :class:`~backpass.core.parameters.Model` on batches of rows; everything that
steers training (epochs, order, schedule, stopping, progress) stays in
:mod:`backpass.training.trainer`. The reference engine is the readable
:mod:`backpass.core.backprop`, batch by batch; the native engine is the same algorithm in C++.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from backpass.core.arrays import Array
from backpass.core.gradient_noise import GradientNoise
from backpass.core.parameters import Model
from backpass.engines.extension import missing, warn_once_if_missing
from backpass.engines.native import NativeEngine, NativeRowPredictor, model_obstacle
from backpass.engines.protocols import Evaluation, Plan
from backpass.engines.reference import ReferenceEngine, ReferenceRowPredictor
from backpass.errors import InputError

__all__ = ["ENGINES", "Engine", "Evaluation", "Plan", "Run", "choose", "predictor", "row_predictor"]


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


class Engine(Protocol):
    """Something that can train a model."""

    name: str
    uses_blas: bool

    def obstacle(self, plan: Plan) -> str | None:
        """Return why this engine cannot follow `plan`, or None where it can."""
        ...

    def prediction_obstacle(self, model: Model, X: Array) -> str | None:
        """Return why this engine cannot compute `model` on `X`, or None where it can."""
        ...

    def predict(self, model: Model, X: Array) -> Array:
        """Return the output a_L (N, k) for the rows of `X`."""
        ...

    def start(self, plan: Plan, state: dict[str, Any] | None = None, steps: int = 0) -> Run:
        """Begin a run, or go on with the optimiser `state` after so many `steps`."""
        ...


ENGINES: dict[str, Engine] = {"native": NativeEngine(), "reference": ReferenceEngine()}
"""Engines by name, the fastest first."""


def choose(name: str, plan: Plan) -> Engine:
    """Return the engine called `name`, or for ``"auto"`` the fastest that can follow `plan`.

    Raises
    ------
    InputError
        When the engine is unknown, or cannot follow the plan and was asked for by name.

    Examples
    --------
    >>> choose("warp", None)
    Traceback (most recent call last):
    backpass.errors.InputError: unknown engine 'warp'; known: auto, native, reference
    """
    return _first(name, lambda engine: engine.obstacle(plan), "train")


def predictor(name: str, model: Model, X: Array) -> Engine:
    """Return the engine called `name`, or the fastest that can compute `model` on `X`."""
    return _first(name, lambda engine: engine.prediction_obstacle(model, X), "compute")


def _first(name: str, obstacle: Callable[[Engine], str | None], what: str) -> Engine:
    """Return the engine called `name`, or the first one, if nothing stands in its way."""
    if name != "auto" and name not in ENGINES:
        raise InputError(f"unknown engine {name!r}; known: auto, {', '.join(ENGINES)}")
    candidates = list(ENGINES.values()) if name == "auto" else [ENGINES[name]]
    if name == "auto":
        warn_once_if_missing()
    for engine in candidates:
        why = obstacle(engine)
        if why is None:
            return engine
    raise InputError(f"engine {name!r} cannot {what} this: {why}")


class RowPredictor(Protocol):
    """Something that predicts one row at a time."""

    model: Model
    flat: Array

    def predict(self, x: Array) -> Array:
        """Return the output (k,) for one row (n_0,)."""
        ...


def row_predictor(model: Model) -> RowPredictor:
    """Return the fastest way to predict single rows with `model`."""
    if missing() is None and model_obstacle(model) is None:
        return NativeRowPredictor(model)
    return ReferenceRowPredictor(model)

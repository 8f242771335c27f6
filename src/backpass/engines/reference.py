"""The reference engine: :mod:`backpass.core.backprop` batch by batch, in any array library."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from backpass.core.arrays import (
    Array,
    gather,
    in_dtype,
    namespace,
    norm_and_unit,
    scalar,
    take_rows,
)
from backpass.core.backprop import backward, cost, forward
from backpass.core.dropout import dropout_mask
from backpass.core.gradient_noise import GradientNoise, gradient_noise, squared_gradient_norms
from backpass.core.parameters import Model, row_blocks
from backpass.engines.protocols import Evaluation, Evaluator, Problem, check_row

Cost: TypeAlias = tuple[float, float]
"""The cost J of a batch in its two terms: the mean loss and the L2 penalty."""


class ReferenceRun:
    """A run of the reference engine; see :class:`backpass.engines.Run`."""

    def __init__(self, problem: Problem, state: dict[str, Array] | None, steps: int) -> None:
        self.problem = problem
        self.model = problem.model
        theta = self.model.parameters.flat
        self.state = problem.optimizer.init(theta) if state is None else dict(state)
        self.steps = steps
        self._is_weight = self.model.parameters.is_weight() if problem.optimizer.decoupled else None

    def advance(self, rows: Array, rates: Sequence[float]) -> Any:
        """Take one step for each mini-batch of `rows`; stop after the first non-finite loss."""
        costs, M = [], self.problem.batch_size
        # overflow is not warned about batch by batch: the loss that it ends in is reported
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for start, rate in zip(range(0, rows.shape[0], M), rates, strict=True):
                stop = min(start + M, rows.shape[0])  # not every library slices beyond the end
                costs.append(self._step(rows[start:stop], rate))
                if not math.isfinite(sum(costs[-1])):
                    break
        return np.array(costs)

    def shard(
        self, rows: Array, offset: int, mass: float, into: Array | None = None
    ) -> tuple[float, Array]:
        """Return what `rows` add to a mini-batch, as a ``PartialRun`` does."""
        problem, settings, model = self.problem, self.problem.settings, self.model
        s, flat = _weights(problem, rows), model.parameters.flat
        share = scalar(namespace(flat).sum(s)) / mass
        into = flat * 0 if into is None else into
        if share == 0:
            into[...] = 0
            return 0.0, into
        y, masks = _targets(problem, rows), self._masks(rows.shape[0], offset)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            X = gather(problem.X, rows, flat)
            passed = forward(model, X, masks=masks, dropout=settings.dropout)
            J = cost(model, passed, y, s, ceiling=settings.ceiling)
            into[...] = share * backward(model, passed, y, s, inputs=False).flat
        return share * scalar(J.data), into

    def apply(self, gradient: Array, mass: float, rate: float) -> float:
        """Take the step of a given gradient, as a ``PartialRun`` does."""
        alpha, theta = self.problem.alpha_in_cost, self.model.parameters
        W = theta.is_weight() * theta.flat
        penalty = alpha * scalar(namespace(W).sum(W * W)) / (2 * mass)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self._update(self._clip(gradient + (alpha / mass) * W), rate)
        return penalty

    def evaluate(self, rows: Array, *, gradient: bool = True) -> Evaluation:
        """Return the cost of all `rows` and its gradient; see :class:`backpass.engines.Run`."""
        problem, model = self.problem, self.model
        flat = model.parameters.flat
        X, s = in_dtype(take_rows(problem.X, rows), flat), _weights(problem, rows)
        y = _targets(problem, rows)
        alpha = problem.alpha_in_cost
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            passed = forward(model, X)
            J = cost(model, passed, y, s, alpha=alpha, ceiling=problem.settings.ceiling)
            found = None
            if gradient:
                found = backward(model, passed, y, s, alpha=alpha, inputs=False).flat
        return Evaluation(scalar(J.data), scalar(J.penalty), found)

    def evaluator(self, X: Array, y: Array, sample_weight: Array | None, rows: Any) -> Evaluator:
        """Return what evaluates the present θ on other rows; see :class:`backpass.engines.Run`."""
        model, flat = self.model, self.model.parameters.flat
        xp = namespace(flat)
        if rows is None:
            rows = xp.arange(X.shape[0])
        held = Problem(model, X, y, sample_weight)

        def evaluate() -> tuple[Array, float]:
            outputs, mean, mass = [], math.nan, 0.0
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                for block in row_blocks(len(rows), model.parameters.sizes):
                    here = rows[block]
                    passed = forward(model, gather(held.X, here, flat))
                    outputs.append(passed.a[-1])
                    s = _weights(held, here)
                    if (S := scalar(xp.sum(s))) > 0:
                        loss = scalar(cost(model, passed, _targets(held, here), s).data)
                        mass += S
                        mean = loss if mass == S else mean + (loss - mean) * (S / mass)
            return xp.concat(outputs), mean

        return evaluate

    def squared_norms(self, rows: Array) -> Array:
        """Return ‖g_n‖² (N,) of each of `rows`; see :class:`backpass.engines.Run`."""
        problem, model, theta = self.problem, self.model, self.model.parameters
        xp, squared = namespace(theta.flat), []
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for block in row_blocks(len(rows), theta.sizes):
                here = rows[block]
                X = in_dtype(take_rows(problem.X, here), theta.flat)
                squared.append(squared_gradient_norms(model, X, _targets(problem, here)))
        return xp.concat(squared)

    def noise(self, rows: Array) -> GradientNoise:
        """Return mean ‖g_n‖² and ‖ḡ‖² over `rows`; see :class:`backpass.engines.Run`."""
        problem = self.problem
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return gradient_noise(self.model, problem.X, problem.y, rows, problem.sample_weight)

    def publish(self) -> None:
        """Do nothing: the parameters of the model are the ones that move."""

    def adopt(self) -> None:
        """Do nothing: the parameters of the model are the ones that move."""

    def _step(self, rows: Array, rate: float) -> Cost:
        problem, settings, model = self.problem, self.problem.settings, self.model
        flat = model.parameters.flat
        xp, s = namespace(flat), _weights(problem, rows)
        if scalar(xp.sum(s)) == 0:
            return 0.0, 0.0
        X, y = gather(problem.X, rows, flat), _targets(problem, rows)
        alpha = problem.alpha_in_cost
        masks = self._masks(rows.shape[0])
        passed = forward(model, X, masks=masks, dropout=settings.dropout)
        J = cost(model, passed, y, s, alpha=alpha, ceiling=settings.ceiling)
        if not math.isfinite(scalar(J.total)):
            return scalar(J.total), 0.0
        gradient = backward(model, passed, y, s, alpha=alpha, inputs=False).flat
        self._update(self._clip(gradient), rate)
        return scalar(J.data), scalar(J.penalty)

    def _masks(self, n_rows: int, first: int = 0) -> list[Array | None] | None:
        """Draw the masks of the hidden layers for the step about to be taken."""
        p, theta = self.problem.settings.dropout, self.model.parameters
        if not p:
            return None
        xp = namespace(theta.flat)
        masks: list[Array | None] = [None] * len(theta.weights)
        for layer, units in enumerate(theta.sizes[1:-1], start=1):
            kept = dropout_mask(self.problem.seed, self.steps, layer, n_rows, units, p, first)
            masks[layer - 1] = xp.astype(xp.asarray(kept), theta.flat.dtype)
        return masks

    def _clip(self, gradient: Array) -> Array:
        clip_norm = self.problem.settings.clip_norm
        if clip_norm is None:
            return gradient
        norm, unit = norm_and_unit(gradient)
        if norm <= clip_norm / unit:
            return gradient
        if unit != 1:  # the factor to the gradient itself may be too small for its dtype
            gradient = gradient / unit
        return gradient * (clip_norm / norm)

    def _update(self, gradient: Array, rate: float) -> None:  # U
        optimizer, theta = self.problem.optimizer, self.model.parameters.flat
        self.steps += 1
        new, self.state = optimizer.step(theta, gradient, self.state, self.steps, rate)
        if self._is_weight is not None:
            new = new - rate * self.problem.settings.alpha * self._is_weight * theta
        theta[...] = new


def _targets(problem: Problem, rows: Array) -> Array:
    """Return the encoded targets (n, k) of some rows."""
    theta = problem.model.parameters
    xp, y = namespace(theta.flat), take_rows(problem.y, rows)
    return problem.model.loss.encode(y, theta.sizes[-1], xp, theta.flat.dtype)


def _weights(problem: Problem, rows: Array) -> Array:
    """Return the weights s (n,) of some rows, 1 each where there are none."""
    flat = problem.model.parameters.flat
    if problem.sample_weight is None:
        return namespace(flat).ones(rows.shape[0], dtype=flat.dtype)
    return gather(problem.sample_weight, rows, flat)


class ReferenceEngine:
    """The readable truth as an engine; it can train on every problem."""

    name = "reference"
    uses_blas = True

    def obstacle(self, problem: Problem) -> str | None:
        """Return None: every problem can be trained on."""
        return None

    def predict(self, model: Model, X: Array) -> Array:
        """Return the output a_L (N, k) for the rows of `X`."""
        flat = model.parameters.flat
        # in blocks of rows, so that the hidden layers stay small and X is not cast whole
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as native code does
            outputs = [
                forward(model, in_dtype(X[block, :], flat)).a[-1]
                for block in row_blocks(X.shape[0], model.parameters.sizes)
            ]
        return outputs[0] if len(outputs) == 1 else namespace(outputs[0]).concat(outputs)

    def prediction_obstacle(self, model: Model, X: Array) -> str | None:
        """Return None: every model can be computed."""
        return None

    def start(
        self, problem: Problem, state: dict[str, Any] | None = None, steps: int = 0
    ) -> ReferenceRun:
        """Begin a run, or go on with the optimiser `state` after so many `steps`."""
        return ReferenceRun(problem, state, steps)


class ReferenceRowPredictor:
    """Predicts one row at a time with the readable forward pass."""

    def __init__(self, model: Model) -> None:
        self.model, self.flat = model, model.parameters.flat

    def predict(self, x: Array) -> Array:
        """Return the output (k,) for one row (n_0,)."""
        x = namespace(self.flat).asarray(x)
        check_row(x.shape, self.model)
        return ReferenceEngine().predict(self.model, x[None, :])[0, :]

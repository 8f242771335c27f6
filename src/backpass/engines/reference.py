"""The reference engine: :mod:`backpass.backprop` batch by batch, in any array library."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from backpass.backprop import loss_and_gradients, penalty_cost
from backpass.engines.plan import Plan
from backpass.masks import dropout_mask
from backpass.ops import Array, is_sparse, namespace, scalar, take_rows

__all__ = ["ReferenceEngine", "ReferenceRun", "gather"]

Cost: TypeAlias = tuple[float, float]
"""The cost J of a batch in its two terms: the mean loss and the L2 penalty."""


def gather(X: Array, rows: Array, like: Array) -> Array:
    """Return the `rows` of `X` in the dtype and library of `like`.

    Only the batch is converted: the data set itself is never copied or cast whole.
    """
    xp = namespace(like)
    batch = take_rows(X, rows)
    if is_sparse(batch):
        return batch if batch.dtype == like.dtype else batch.astype(like.dtype)
    return xp.astype(xp.asarray(batch), like.dtype, copy=False)


class ReferenceRun:
    """A run of the reference engine; see :class:`backpass.engines.Run`."""

    def __init__(self, plan: Plan, state: dict[str, Array] | None, steps: int) -> None:
        self.plan = plan
        self.model = plan.model
        theta = self.model.parameters.flat
        self.state = plan.optimizer.init(theta) if state is None else dict(state)
        self.steps = steps
        self._is_weight = self.model.parameters.is_weight() if plan.optimizer.decoupled else None

    def advance(self, rows: Array, rates: Sequence[float]) -> Any:
        """Take one step for each mini-batch of `rows`; stop after the first non-finite loss."""
        costs, M = [], self.plan.batch_size
        # overflow is not warned about batch by batch: the loss that it ends in is reported
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for batch, rate in enumerate(rates):
                costs.append(self._step(rows[batch * M : (batch + 1) * M], rate))
                if not math.isfinite(sum(costs[-1])):
                    break
        return np.array(costs)

    def publish(self) -> None:
        """Do nothing: the parameters of the model are the ones that move."""

    def adopt(self) -> None:
        """Do nothing: the parameters of the model are the ones that move."""

    def _step(self, rows: Array, rate: float) -> Cost:
        plan, theta = self.plan, self.model.parameters
        xp = namespace(theta.flat)
        s = self._weights(rows)
        if scalar(xp.sum(s)) == 0:
            return 0.0, 0.0
        X = gather(plan.X, rows, theta.flat)
        k = theta.sizes[-1]
        y = self.model.loss.encode(take_rows(plan.y, rows), k, xp, theta.flat.dtype)
        alpha = 0.0 if plan.optimizer.decoupled else plan.alpha
        J, gradients = loss_and_gradients(
            self.model,
            X,
            y,
            s,
            alpha=alpha,
            masks=self._masks(rows.shape[0]),
            dropout=plan.dropout,
            ceiling=plan.ceiling,
            inputs=False,
        )
        loss = scalar(J)
        penalty = scalar(penalty_cost(self.model, s, alpha)) if alpha else 0.0
        if math.isfinite(loss):
            self._update(self._clip(gradients.flat), rate)
        return loss - penalty, penalty

    def _weights(self, rows: Array) -> Array:
        flat = self.model.parameters.flat
        if self.plan.sample_weight is None:
            return namespace(flat).ones(rows.shape[0], dtype=flat.dtype)
        return gather(self.plan.sample_weight, rows, flat)

    def _masks(self, n_rows: int) -> list[Array | None] | None:
        """Draw the masks of the hidden layers for the step about to be taken."""
        plan, theta = self.plan, self.model.parameters
        if not plan.dropout:
            return None
        xp = namespace(theta.flat)
        masks: list[Array | None] = [None] * len(theta.weights)
        for layer, units in enumerate(theta.sizes[1:-1], start=1):
            kept = dropout_mask(plan.seed, self.steps, layer, n_rows, units, plan.dropout)
            masks[layer - 1] = xp.astype(xp.asarray(kept), theta.flat.dtype)
        return masks

    def _clip(self, gradient: Array) -> Array:
        if self.plan.clip_norm is None:
            return gradient
        xp = namespace(gradient)
        norm = scalar(xp.sqrt(xp.sum(gradient * gradient)))
        return gradient if norm <= self.plan.clip_norm else gradient * (self.plan.clip_norm / norm)

    def _update(self, gradient: Array, rate: float) -> None:  # U
        optimizer, theta = self.plan.optimizer, self.model.parameters.flat
        self.steps += 1
        new, self.state = optimizer.step(theta, gradient, self.state, self.steps, rate)
        if self._is_weight is not None:
            new = new - rate * self.plan.alpha * self._is_weight * theta
        theta[...] = new


class ReferenceEngine:
    """The readable truth as an engine; it can follow every plan."""

    name = "reference"

    def obstacle(self, plan: Plan) -> str | None:
        """Return None: every plan can be followed."""
        return None

    def start(
        self, plan: Plan, state: dict[str, Any] | None = None, steps: int = 0
    ) -> ReferenceRun:
        """Begin a run, or go on with the optimiser `state` after so many `steps`."""
        return ReferenceRun(plan, state, steps)

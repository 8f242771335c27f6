"""Diagnostics of every epoch, where asked for: the norms and the noise of the gradients."""

import math

import numpy as np

from backpass.core.arrays import Array, gather, norm_and_unit, take_rows, to_numpy
from backpass.engines import Problem, Run
from backpass.network.network import Network
from backpass.training.divergence import check_mean
from backpass.training.snapshots import TrainingState

FEW_ROWS = 256  # that the norm of a layer's gradient is taken on
WHAT = "{} of the gradients (gradient_norms=True)"


def record_gradients(problem: Problem, run: Run, rows: Array, state: TrainingState) -> None:
    """Record the norm of each layer's gradient at the present θ, and the samples' noise.

    Parameters
    ----------
    problem : Problem
    run : Run
        Between two epochs; its parameters are published.
    rows : array of int
        Those trained on.
    state : TrainingState
        Its history goes on.

    Raises
    ------
    NonFiniteError
        Where a norm, or its square, leaves the range of the dtype.
    """
    history, s = state.history, problem.sample_weight
    network = Network.from_model(problem.model)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = run.noise(rows)
        if s is not None:  # rows without weight have no gradient to speak of
            rows = rows[to_numpy(take_rows(s, rows)) > 0]
        few = rows[:FEW_ROWS]
        s = None if s is None else take_rows(s, few)
        X = gather(problem.X, few, state.parameters)
        _, gradients = network.loss_and_gradients(X, take_rows(problem.y, few), s)
        norms = [
            math.hypot(math.prod(norm_and_unit(W)), math.prod(norm_and_unit(b)))
            for W, b in zip(gradients.weights, gradients.biases, strict=True)
        ]
    at = history.epochs, state.last_rate
    check_mean(WHAT.format("mean square"), found.mean_squared, *at)
    check_mean(WHAT.format("noise"), found.noise, *at)
    check_mean(WHAT.format("largest norm"), math.fsum(norms), *at)
    history.mean_squared_gradient_norms.append(found.mean_squared)
    history.gradient_noise.append(found.noise)
    history.layer_gradient_norms.append(norms)

"""What is recorded of the gradients after every epoch, where it was asked for."""

import math
from typing import Any

import numpy as np

from backpass.core.arrays import gather, norm_and_unit, take_rows, to_numpy
from backpass.training.divergence import check_mean

__all__ = ["record_gradients"]

FEW_ROWS = 256  # that the norm of a layer's gradient is taken on
WHAT = "{} of the gradients (gradient_norms=True)"


def record_gradients(trainer: Any) -> None:
    """Record the norm of each layer's gradient at the present θ, and the samples' noise.

    Parameters
    ----------
    trainer : Trainer
        Between two epochs; its history goes on.

    Raises
    ------
    NonFiniteError
        Where a norm, or its square, leaves the range of the dtype.
    """
    network, plan, history = trainer.network, trainer.plan, trainer.history
    flat, rows, s = network.parameters.flat, trainer.rows, plan.sample_weight
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = trainer.run.noise(rows)
        if s is not None:  # rows without weight have no gradient to speak of
            rows = rows[to_numpy(take_rows(s, rows)) > 0]
        few = rows[:FEW_ROWS]
        s = None if s is None else take_rows(s, few)
        _, gradients = network.loss_and_gradients(
            gather(plan.X, few, flat), take_rows(plan.y, few), s
        )
        norms = [
            math.hypot(math.prod(norm_and_unit(W)), math.prod(norm_and_unit(b)))
            for W, b in zip(gradients.weights, gradients.biases, strict=True)
        ]
    at = history.epochs, trainer.progress.last_rate
    check_mean(WHAT.format("mean square"), found.mean_squared, *at)
    check_mean(WHAT.format("noise"), found.noise, *at)
    check_mean(WHAT.format("largest norm"), math.fsum(norms), *at)
    history.mean_squared_gradient_norms.append(found.mean_squared)
    history.gradient_noise.append(found.noise)
    history.layer_gradient_norms.append(norms)

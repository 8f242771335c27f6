"""What the gradient costs in every form, and by finite differences."""

from collections.abc import Sequence
from itertools import pairwise

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.core.parameters import Gradients, Model, Parameters

__all__ = ["finite_differences", "multiplications"]


def finite_differences(
    model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0, *, step: float = 6e-6
) -> Gradients:
    """Compute (J(θ + h) − J(θ − h)) / 2h for one parameter after the other; no input derivative.

    What the gradient would cost without backpropagation: two forward passes a parameter.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.
    step : float
        h; ∛ε balances truncation (h²) and rounding (ε/h).

    Examples
    --------
    >>> import numpy as np
    >>> from backpass.core.parameters import Model, Parameters
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> finite_differences(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat.round(8)
    array([-0.0625, -0.125 ])
    """
    theta, gradient = model.parameters, model.parameters.copy()

    def J(flat: Array) -> Array:
        moved = model.with_parameters(Parameters(theta.sizes, flat))
        return backprop.cost(moved, backprop.forward(moved, X), y, s, alpha=alpha).total

    for i in range(len(theta.flat)):
        plus, minus = theta.flat.copy(), theta.flat.copy()
        plus[i], minus[i] = theta.flat[i] + step, theta.flat[i] - step
        gradient.flat[i] = (J(plus) - J(minus)) / (2 * step)
    return Gradients(gradient, None)


def multiplications(sizes: Sequence[int], n_samples: int) -> dict[str, int]:
    """Count the scalar multiplications of one gradient, forward pass included, in every form.

    Those inside activations and losses are left out: they are a few a unit, the same in every
    form. The output activation is elementwise; all derivatives to the inputs are included, but for
    finite differences, which have none and are counted for alpha = 0.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first.
    n_samples : int
        N.

    Examples
    --------
    >>> counts = multiplications([10, 20, 20, 5], n_samples=100)
    >>> counts["batch"], counts["finite_differences"] // counts["batch"]
    (215700, 484)
    """
    layers, N = list(pairwise(sizes)), n_samples
    W, U = sum(n * m for n, m in layers), sum(sizes[1:])  # weights; units above the input
    mean = W + U + sizes[0]  # s_n / S times every derivative of a sample
    squares, cubes = sum(m * m for _, m in layers), sum(n * m * m for n, m in layers)
    together = 3 * W + U + sizes[-1]  # forward, B2a, B3: W each; B2b and B1: the units
    return {
        "per_parameter": N * together + W,  # the last W: the penalty
        "per_sample": N * (3 * W + U + mean) + W,
        "batch": N * together + W,
        "jacobian": N * (3 * W + 3 * cubes + squares + mean) + W,
        "recursion": N * (3 * W + squares + mean) + W,
        "finite_differences": 2 * (W + U) * N * (W + 1),  # 2 P forward passes and their costs
    }

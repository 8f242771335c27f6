"""The same derivatives by HIPS autograd, where it is installed: an oracle nobody here wrote.

It differentiates the cost as it is written down here a second time, in its own NumPy: activations
and losses by their formulas, F1 and C in a line each.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE
from backpass.core.arrays import Array
from backpass.core.losses import LOSSES
from backpass.derivatives.checking.numerical import Costs

__all__ = ["autograd_derivatives"]


def autograd_derivatives(costs: Costs) -> dict[tuple[str, int], Array]:
    """Return ∂J/∂W, ∂J/∂b and ∂J/∂X by kind and layer.

    Nothing where autograd is not installed, or a record is not this package's own.
    """
    model = costs.model
    ours = all(ACTIVATIONS.is_ours(phi) for phi in model.activations)
    if importlib.util.find_spec("autograd") is None or not (ours and LOSSES.is_ours(model.loss)):
        return {}
    import autograd

    theta, given = costs.theta, costs.given
    values, loss = _activations(), _losses()[model.loss.name]
    S = given.s.sum()

    def J(parameters: Any) -> Any:
        weights, biases, a = parameters
        penalty = 0.0
        for W, b, phi in zip(weights, biases, model.activations, strict=True):
            z = a @ W + b
            a = values[phi.name](z, **phi.numbers)
            penalty = penalty + (W * W).sum()
        numbers = {} if model.loss.name == "cross_entropy" else model.loss.numbers
        terms = loss(given.y, a, z, **numbers)
        return (given.s * terms.sum(axis=1)).sum() / S + given.alpha * penalty / (2 * S)

    start = [list(map(np.array, theta.weights)), list(map(np.array, theta.biases)), given.X]
    with np.errstate(all="ignore"):
        weights, biases, X = autograd.grad(J)(start)
    found = {("g", 0): X}
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True), start=1):
        found["W", layer], found["b", layer] = W, b
    return found


def _activations() -> dict[str, Callable[..., Any]]:
    """Return φ(z) of every activation in autograd's NumPy."""
    import autograd.numpy as anp

    def gelu(z: Any) -> Any:
        from autograd.scipy.special import erf  # loads much of SciPy

        return z * (1 + erf(z / np.sqrt(2))) / 2

    def softplus(z: Any) -> Any:
        return anp.logaddexp(0, z)

    def sigma(z: Any) -> Any:
        return (1 + anp.tanh(z / 2)) / 2

    def elu(z: Any, alpha: float) -> Any:
        return anp.where(z > 0, z, alpha * anp.expm1(anp.where(z > 0, 0, z)))

    def softmax(z: Any) -> Any:
        e = anp.exp(z - anp.max(z, axis=1, keepdims=True))
        return e / anp.sum(e, axis=1, keepdims=True)

    return {
        "identity": lambda z: z,
        "logistic": sigma,
        "tanh": anp.tanh,
        "relu": lambda z: anp.where(z > 0, z, 0),
        "leaky_relu": lambda z, slope: anp.where(z > 0, z, slope * z),
        "elu": elu,
        "selu": lambda z: SELU_SCALE * elu(z, SELU_ALPHA),
        "gelu": gelu,
        "silu": lambda z: z * sigma(z),
        "mish": lambda z: z * anp.tanh(softplus(z)),
        "softplus": softplus,
        "exp": anp.exp,
        "softmax": softmax,
    }


def _losses() -> dict[str, Callable[..., Any]]:
    """Return C(y, ŷ) of every loss in autograd's NumPy; z where logits are stable."""
    import autograd.numpy as anp

    def cross_entropy(y: Any, p: Any, z: Any) -> Any:
        z = z - anp.max(z, axis=1, keepdims=True)
        return y * (anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True)) - z)

    def huber(y: Any, p: Any, z: Any, delta: float) -> Any:
        r = anp.abs(p - y)
        return anp.where(r <= delta, r**2 / 2, delta * (r - delta / 2))

    def poisson(y: Any, p: Any, z: Any) -> Any:
        return np.where(y > 0, y * np.log(np.where(y > 0, y, 1)), 0) - y * anp.log(p) - y + p

    return {
        "squared_error": lambda y, p, z: (p - y) ** 2 / 2,
        "absolute_error": lambda y, p, z: anp.abs(p - y),
        "huber": huber,
        "logistic": lambda y, p, z: anp.logaddexp(0, -y * p),
        "hinge": lambda y, p, z: anp.where(y * p < 1, 1 - y * p, 0),
        "shortfall": lambda y, p, z: anp.where(p < y, y - p, 0),
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": lambda y, p, z: (
            y * anp.logaddexp(0, -z) + (1 - y) * anp.logaddexp(0, z)
        ),
        "poisson": poisson,
        "pinball": lambda y, p, z, tau: (
            anp.where(y > p, tau, 0) * (y - p) + anp.where(y < p, 1 - tau, 0) * (p - y)
        ),
    }

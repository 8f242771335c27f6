"""The first loss of a training run in wider numbers, and how far rounding may take it."""

from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np

from backpass.core import backprop
from backpass.core.activations import Activation
from backpass.core.parameters import Model, Parameters
from backpass.network.network import Network

Wide = np.longdouble
STEEPEST = 1.14  # no activation is steeper, but exp; Huber's loss is 1.35 steep, the others 1
OPERATIONS = 64  # roundings of an activation and a loss, and of sums as long as these


@dataclass(frozen=True)
class FirstLoss:
    """What the loss of all rows is before the first step."""

    value: Any  # J
    tolerance: Any  # the error that rounding may bring to it
    largest: Any  # number on the way to it


def first_loss(network: Network, X: Any, y: Any, s: Any, alpha: float) -> FirstLoss:
    """Return J of all rows, in the network's dtype, at the present θ; α is 0 where decoupled."""
    model, eps = network.model, Wide(np.finfo(network.parameters.flat.dtype).eps)
    theta = Parameters(network.sizes, network.parameters.flat.astype(Wide))
    wide = Model(theta, tuple(_wide(phi) for phi in model.activations), model.loss)
    X, y = X.astype(Wide), y.astype(Wide)
    s = np.ones(len(X), dtype=Wide) if s is None else s.astype(Wide)
    passed = backprop.forward(wide, X)
    terms = backprop.cost_terms(wide, passed, y)
    J = backprop.cost(wide, passed, y, s, alpha=Wide(alpha)).total
    terms_off = _off_by(wide, passed, y, terms, eps)
    off = (s * terms_off.sum(axis=1)).sum() / s.sum() + OPERATIONS * eps * J
    parts = [*passed.z, *passed.a, terms, s[:, None] * terms.sum(axis=1, keepdims=True)]
    parts += [np.asarray(J), y * y if model.loss.name == "poisson" else y]
    largest = max(np.abs(part).max() for part in parts)
    return FirstLoss(J, off, largest)


def _wide(phi: Activation) -> Activation:
    """Return an activation that takes longdouble: SciPy has no such erf, mpmath has."""
    if phi.name != "gelu":
        return phi

    def cdf(z: Any) -> Any:
        with mpmath.workdps(30):  # beyond 40 it is 0 or 1 to all digits
            values = [Wide(str(mpmath.ncdf(str(x)))) for x in np.clip(z, -40, 40).ravel()]
        return np.array(values, dtype=Wide).reshape(z.shape)

    return replace(phi, value=lambda z: z * cdf(z))


def _off_by(model: Model, passed: Any, y: Any, terms: Any, eps: Any) -> Any:
    """Return how far rounding may take each cost (N, k) from `terms`, to first order in eps."""
    smallest = Wide(np.finfo(np.float32 if eps > 1e-10 else np.float64).smallest_normal)
    a_off = np.zeros_like(passed.a[0]) + smallest  # features below it are taken for 0
    theta = model.parameters
    for W, b, a, below in zip(
        theta.weights, theta.biases, passed.a[1:], passed.inputs, strict=True
    ):
        sums = np.abs(below) @ np.abs(W) + np.abs(b)
        z_off = a_off @ np.abs(W) + eps * (len(W) + 2) * sums + smallest
        a_off = STEEPEST * z_off + OPERATIONS * eps * (np.abs(a) + 1)
    output, loss = model.activations[-1].name, model.loss.name
    p, z = passed.a[-1], passed.z[-1]
    if output == "exp":
        a_off = p * np.expm1(np.minimum(z_off, 1e3)) + OPERATIONS * eps * p + smallest
    if output == "softmax":  # each output moves with every logit
        z_off = np.broadcast_to(2 * z_off.max(axis=1, keepdims=True), z.shape)
        a_off = p * np.expm1(np.minimum(z_off, 1e3)) + OPERATIONS * eps + smallest
    own = OPERATIONS * eps * (np.abs(terms) + np.abs(z) + 1)
    if loss == "squared_error":
        residual = np.abs(p - y)
        return residual * (a_off + eps * residual) + a_off**2 + own
    if loss in ("cross_entropy", "binary_cross_entropy"):
        return z_off + own
    if loss == "poisson":
        log_y = np.abs(np.log(np.where(y > 0, y, 1)))
        return a_off + y * z_off + own + OPERATIONS * eps * (y * (log_y + np.abs(z) + 1) + p)
    return 1.35 * (a_off + eps * (np.abs(p) + np.abs(y))) + own

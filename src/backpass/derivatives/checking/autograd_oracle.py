"""The same derivatives by HIPS autograd, where it is installed: an oracle nobody here wrote.

Autograd differentiates the values of the records themselves, φ(z) and C(y, ŷ), so that it is
independent of every derivative in this package; F1 and C are written down again in a line each.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import Array
from backpass.core.losses import LOSSES
from backpass.derivatives.checking.numerical import Costs


def autograd_derivatives(costs: Costs) -> dict[tuple[str, int], Array]:
    """Return ∂J/∂W, ∂J/∂b and ∂J/∂X by kind and layer.

    Nothing where autograd is not installed, or a record is somebody's own: its NumPy functions
    cannot take the arrays that autograd follows.
    """
    model = costs.model
    ours = all(ACTIVATIONS.is_ours(phi) for phi in model.activations)
    if importlib.util.find_spec("autograd") is None or not (ours and LOSSES.is_ours(model.loss)):
        return {}
    import autograd

    theta, given = costs.theta, costs.given
    S = given.s.sum()

    def J(quantities: Any) -> Any:
        weights, biases, a, y = quantities
        penalty = 0.0
        for W, b, phi in zip(weights, biases, model.activations, strict=True):
            z = a @ W + b
            a = phi.value(z)
            penalty = penalty + (W * W).sum()
        terms = backprop.cost_terms(model, backprop.Forward([z], [a], [], [], 0.0), y)
        return (given.s * terms.sum(axis=1)).sum() / S + given.alpha * penalty / (2 * S)

    # y is followed, too, since the records' functions take arrays of one library only
    start = [list(map(np.array, theta.weights)), list(map(np.array, theta.biases))]
    with np.errstate(all="ignore"), _array_api():
        weights, biases, X, _ = autograd.grad(J)([*start, given.X, given.y])
    found = {("g", 0): X}
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True), start=1):
        found["W", layer], found["b", layer] = W, b
    return found


class _Namespace:
    """Autograd's NumPy, with what the records use of the array-API standard beyond NumPy."""

    def __getattr__(self, name: str) -> Any:
        import autograd.numpy

        return getattr(autograd.numpy, name)

    @staticmethod
    def erf(z: Any) -> Any:
        from autograd.scipy.special import erf  # loads much of SciPy

        return erf(z)

    @staticmethod
    def astype(x: Any, dtype: Any) -> Any:
        return x.astype(dtype)

    @staticmethod
    def isdtype(dtype: Any, kind: str) -> bool:
        return bool(np.isdtype(dtype, kind))


@contextmanager
def _array_api() -> Iterator[None]:
    """Let the arrays that autograd follows say which functions they go with."""
    from autograd.numpy.numpy_boxes import ArrayBox

    namespace = _Namespace()
    ArrayBox.__array_namespace__ = lambda self, api_version=None: namespace
    try:
        yield
    finally:
        del ArrayBox.__array_namespace__

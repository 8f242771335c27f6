"""How far two right derivatives may lie apart: rounding, carried through the equations.

First order in the unit of rounding, with magnitudes in place of values (Higham, *Accuracy and
Stability of Numerical Algorithms*, section 3.1): a sum of n products errs by at most n times the
sum of the products' magnitudes. The error signals that weigh these errors are taken down from a
numerical one at the output, with numerical φ′, so that a wrong gradient cannot excuse itself.
"""

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.checking.numerical import Costs

__all__ = ["Rounding"]

EPS = float(np.finfo(np.float64).eps)
FUNCTION = 4  # roundings of one elementary function
CURVATURE = 2  # |φ″| of every activation of the registry is smaller
BOTH = 2  # the derivative and what it is compared with
STENCIL = 1.5  # sum of the weights of the five points


class Rounding:
    """Error bounds of every derivative of a batch.

    Parameters
    ----------
    costs : Costs
    output_delta : array of shape (N, k)
        δ_L, found without backpropagation.
    """

    def __init__(self, costs: Costs, output_delta: Array) -> None:
        slopes = _slopes(costs)
        self.costs = costs
        self.deltas = [abs(delta) for delta in _error_signals(costs, output_delta, slopes)]
        self.slopes = [abs(slope) for slope in slopes]
        self.inputs, self.z = [np.zeros_like(costs.passed.a[0])], []
        layers = zip(costs.theta.weights, costs.theta.biases, costs.passed.z, strict=True)
        for layer, (W, b, z) in enumerate(layers):
            below = abs(costs.passed.a[layer])
            mass = below @ abs(W) + abs(b)
            self.z.append(self.inputs[-1] @ abs(W) + (W.shape[0] + 1) * mass)
            e = self.z[-1] * self.slopes[layer]
            self.inputs.append(e + FUNCTION * (abs(costs.passed.a[layer + 1]) + abs(z)))
        self._backward()

    def _backward(self) -> None:
        costs, delta = self.costs, self.deltas[-1]
        p, y, n = abs(costs.passed.a[-1]), abs(costs.given.y), len(costs.given.X)
        slope = np.maximum(1, self.slopes[-1])
        far = FUNCTION * (p + y + 1) * slope + self.z[-1].max(axis=1, keepdims=True) * slope
        e = abs(costs.share) * far + (n + FUNCTION + y.shape[1]) * delta
        self.delta: list[Array] = [e]
        self.g: list[Array] = []
        for layer in range(costs.depth - 1, -1, -1):
            W, delta = abs(costs.theta.weights[layer]), self.deltas[layer]
            size = delta @ W.T
            self.g.insert(0, self.delta[0] @ W.T + W.shape[1] * size)
            if layer:
                slope, z = self.slopes[layer - 1], abs(costs.passed.z[layer - 1])
                bent = CURVATURE * self.z[layer - 1] + FUNCTION * (1 + z + slope)
                self.delta.insert(0, self.g[0] * slope + size * bent)

    def of(self, kind: str, layer: int, eps: float = EPS) -> Array:
        """Return the error that an exact method and backpropagation may differ by.

        Parameters
        ----------
        kind, layer
            As in :class:`~backpass.derivatives.checking.numerical.Costs`.
        eps : float
            Of the floating-point numbers that the gradient was computed in.
        """
        if kind in ("delta", "g"):
            e = self.delta[layer - 1] if kind == "delta" else self.g[layer]
            return BOTH * eps * e
        delta, error, n = self.deltas[layer - 1], self.delta[layer - 1], len(self.costs.given.X)
        if kind == "b":
            return BOTH * eps * (error.sum(axis=0) + n * delta.sum(axis=0))
        a = abs(self.costs.passed.a[layer - 1])
        L2 = 2 * abs(self.costs.penalty_share * self.costs.theta.weights[layer - 1])
        e = a.T @ error + (self.inputs[layer - 1] + n * a).T @ delta + (n + FUNCTION) * L2
        return BOTH * eps * e

    def of_rows(self) -> Array:
        """Return the error of each row's share in J, (N,): what differences divide by h."""
        costs = self.costs
        terms = abs(costs.cost_of_rows)
        z = 1 + abs(costs.passed.z[-1]).max(axis=1)
        e = (
            terms * (FUNCTION + costs.given.y.shape[1])
            + abs(costs.share).max(axis=1) * z * FUNCTION
        )
        for delta, error in zip(self.deltas, self.z, strict=True):
            e = e + (delta * error).sum(axis=1)
        return STENCIL * EPS * e


def _slopes(costs: Costs) -> list[Array]:
    """Return φ'(z) of every layer by differences; 1 for what mixes the units of a row."""
    found = []
    for z, phi in zip(costs.passed.z, costs.model.activations, strict=True):
        h = EPS ** (1 / 3) * np.maximum(1, abs(z))
        with np.errstate(all="ignore"):
            slope = (phi.value(z + h) - phi.value(z - h)) / (2 * h)
        found.append(slope if phi.elementwise else np.ones_like(z))
    return found


def _error_signals(costs: Costs, output_delta: Array, slopes: list[Array]) -> list[Array]:
    """Return δ_1 … δ_L from the last one and φ′."""
    deltas = [output_delta]
    for W, slope in zip(costs.theta.weights[:0:-1], slopes[-2::-1], strict=True):
        deltas.insert(0, (deltas[0] @ W.T) * slope)
    return deltas

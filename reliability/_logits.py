"""Logits as far apart as 1e4 and 1e30: cost, gradient and probabilities against mpmath."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import mpmath
import numpy as np

from backpass.engines import Problem, choose
from backpass.network.network import Network

SIZES = (1e4, -1e4, 1e30, -1e30, 0.0, 1.0, 1e-4)
LOSSES = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "logistic",
    "logistic": "identity",
    "hinge": "identity",
}
ROUNDINGS = 16  # of exp, log, a sum of three and a difference


@dataclass(frozen=True)
class Logits:
    """One row of logits, right or wrong."""

    loss: str
    dtype: str
    engine: str
    z: tuple[float, ...]
    label: int

    @property
    def y(self) -> Any:
        """The target as the loss takes it, (1,) or (1, 1)."""
        if self.loss == "cross_entropy":
            return np.array([self.label])
        return np.array(
            [[self.label if self.loss == "binary_cross_entropy" else 2 * self.label - 1]]
        )


def logits() -> Iterator[Logits]:
    """Yield every row: three classes or one label, each right and wrong, in both dtypes."""
    for loss, dtype, engine in product(LOSSES, ("float32", "float64"), ("native", "reference")):
        width = 3 if loss == "cross_entropy" else 1
        for z in product(SIZES, repeat=width):
            for label in range(max(2, width)):
                yield Logits(loss, dtype, engine, z, label)


def wrong_with(case: Logits) -> str | None:
    """Return what is wrong with cost, gradient or probabilities of a row, or None.

    The network is one layer with W = 1 and b = 0, so that its logits are the features; the
    gradient to b is then ∂C/∂z.
    """
    k = len(case.z)
    network = Network([k, k], output=LOSSES[case.loss], loss=case.loss, seed=0, dtype=case.dtype)
    network.weights[0][...], network.biases[0][...] = np.eye(k), 0
    X = np.array([case.z], dtype=case.dtype)
    problem = Problem(network.model, X, case.y)
    found = choose(case.engine, problem).start(problem).evaluate(np.arange(1))
    output = network.predict(X, engine=case.engine)[0]
    with mpmath.workdps(60):
        cost, gradient, p = exact(case.loss, [mpmath.mpf(float(z)) for z in X[0]], case.label)
        eps = float(np.finfo(case.dtype).eps)
        checks = [("cost", found.data, cost, ROUNDINGS * eps * (cost + 1))]
        checks += [
            (f"gradient {i}", g, gradient[i], ROUNDINGS * eps)
            for i, g in enumerate(found.gradient[-k:])
        ]
        if p is not None:
            checks += [(f"probability {i}", a, p[i], ROUNDINGS * eps) for i, a in enumerate(output)]
        for what, got, want, tolerance in checks:
            if not abs(mpmath.mpf(float(got)) - want) <= tolerance:
                return f"{what} is {got}, not {mpmath.nstr(want, 20)}"
    if p is not None and not (output.min() >= 0 and output.max() <= 1):
        return f"probabilities {output} are not in [0, 1]"
    if case.loss == "cross_entropy" and abs(float(output.sum(dtype=np.float64)) - 1) > 4 * eps:
        return f"probabilities {output} do not sum to 1"
    return None


def exact(loss: str, z: list[Any], label: int) -> tuple[Any, list[Any], list[Any] | None]:
    """Return the cost, its derivatives to the logits, and the probabilities."""
    if loss == "cross_entropy":
        top = max(z)
        e = [mpmath.exp(x - top) for x in z]
        p = [x / mpmath.fsum(e) for x in e]
        cost = mpmath.log(mpmath.fsum(e)) + top - z[label]
        return cost, [x - (i == label) for i, x in enumerate(p)], p
    sign = 2 * label - 1
    if loss == "hinge":
        gap = 1 - sign * z[0]
        return max(gap, 0), [mpmath.mpf(-sign if gap > 0 else 0)], None
    right = 1 / (1 + mpmath.exp(-sign * z[0])) if sign * z[0] > -1e6 else mpmath.mpf(0)
    cost = max(-sign * z[0], 0) + mpmath.log1p(mpmath.exp(-abs(z[0])))
    gradient = [-sign * (1 - right)]
    p = [right if sign > 0 else 1 - right]
    return cost, gradient, p if loss == "binary_cross_entropy" else None

"""Whether an answer and a gradient are the same number for number, up to rounding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.answers import Part
from backpass.derivatives.homework.faulty_pass import Pass

# ruff: noqa: E741

__all__ = ["DIFFERENCES", "EXACT", "Comparison", "distance", "rounding"]

EXACT = 1e-9  # relative to the largest entry: what formulas reach
DIFFERENCES = 1e-6  # what finite differences reach
MOST_NOISE = 1e-6  # of the largest entry, however much cancels
SAFETY = 8  # covers two computations in different order


@dataclass(frozen=True)
class Comparison:
    """How answers are compared.

    Parameters
    ----------
    bounds : dict
        Of every result by kind and layer: what rounding may change, in units of eps.
    length : int
        Of the longest sum, for answers in float32.
    relative : float
        How much of the largest entry an answer may be off.
    """

    bounds: dict[tuple[str, int], float]
    length: int
    relative: float = EXACT

    def off(self, part: Part, kind: str, l: int, value: Array) -> float | None:
        """Return how far `part` is off, in parts of the largest entry; None where it differs."""
        shaped = part.shaped(kind, value.shape)
        if shaped is None or not np.isfinite(value).all():
            return None
        numbers, units = shaped
        gap, size = np.abs(numbers - value), np.abs(value).max(initial=0.0)
        if (gap <= self.allowed(kind, l, size, part.eps) + units * (1 + 1e-6)).all():
            return _ratio(gap.max(initial=0.0), size)
        return None

    def allowed(self, kind: str, l: int, size: float, eps: float) -> float:
        """Return how far off an entry may be where the largest one is `size`.

        Rounding may change a sum of terms that cancel by more than `relative`, but an answer that
        is far off is not called right on that account, unless the result itself is but rounding.
        """
        relative = max(self.relative, SAFETY * self.length * eps)
        noise = SAFETY * eps * self.bounds[kind, l]
        if size <= noise * np.finfo(float).eps / eps:
            return noise
        return min(relative * size + noise, max(relative, MOST_NOISE) * size)

    def same(self, kind: str, l: int, one: Array | None, other: Array | None) -> bool:
        """Return whether two results are the same up to rounding."""
        if one is None or other is None or one.shape != other.shape:
            return False
        size = float(np.abs(other).max(initial=0.0))
        allowed = self.allowed(kind, l, size, float(np.finfo(float).eps))
        return bool((np.abs(one - other) <= allowed).all())


def distance(part: Part, kind: str, value: Array) -> float:
    """Return the largest difference of an answer, in parts of the largest entry."""
    shaped = part.shaped(kind, value.shape)
    if shaped is None:
        return np.inf
    gap, size = np.abs(shaped[0] - value), np.abs(value).max(initial=0.0)
    return _ratio(gap.max(initial=0.0), size)


def _ratio(gap: float, size: float) -> float:
    return float(gap / size) if size else (0.0 if gap == 0 else np.inf)


def rounding(w: Pass) -> dict[tuple[str, int], float]:
    r"""Return what rounding may change in every result, in units of eps.

    A sum of n products errs by n·u times the sum of their magnitudes (Higham, *Accuracy and
    Stability*, section 3.1), which is far more than the sum itself where terms cancel, as they do
    near a minimum of J. The magnitudes are carried back like the error signals themselves; `length`
    covers the sums that they went through.
    """
    length = len(w.s) + sum(w.sizes)
    bounds = {}
    for l in range(1, w.L + 1):
        magnitude = np.abs(w.a[l - 1]) @ np.abs(w.W[l]) + np.abs(w.b[l])
        bounds["z", l] = bounds["a", l] = length * float(magnitude.max(initial=0.0))
    bounds["a", 0] = 0.0
    D = (w.s / w.S)[:, None] * (np.abs(w.derivative) + np.abs(w.y) + np.abs(w.a[w.L]))
    for l in range(w.L, 0, -1):
        bounds["delta", l] = length * float(D.max(initial=0.0))
        bounds["W", l] = length * float((np.abs(w.a[l - 1]).T @ D).max(initial=0.0))
        bounds["b", l] = length * float(D.sum(axis=0).max(initial=0.0))
        D = D @ np.abs(w.W[l]).T
        bounds["g", l - 1] = length * float(D.max(initial=0.0))
        if l > 1:
            slope: Callable[[Array, Array], Array] = w.phi[l - 1].derivative
            D = D * (np.abs(slope(w.z[l - 1], w.a[l - 1])) + np.abs(w.z[l - 1]))
    return bounds

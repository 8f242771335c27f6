"""The comparison of an answer with right numbers, or with those that a mistake would give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import Pass
from backpass.derivatives.homework.part import Part

EXACT = 1e-9  # relative to the largest entry: what formulas reach
ROUGH = 1e-6  # what finite differences reach
MOST_NOISE = 1e-6  # of the largest entry, however much cancels
SAFETY = 8  # covers two computations in different order


class Span(NamedTuple):
    """A number, and how small and how large it may be."""

    number: float
    least: float
    most: float


@dataclass(frozen=True)
class Tolerance:
    """The comparison of an answer with right numbers."""

    bounds: dict[tuple[str, int], float]  # what rounding may change in each result, in eps
    length: int  # of the longest sum, for answers in float32
    relative: float = EXACT  # how much of the largest entry an answer may be off

    def off(self, part: Part, kind: str, l: int, value: Array, factor: float = 1.0) -> float | None:
        """Return how far `part` is off `factor` times a value; None where it differs.

        In parts of the largest entry.
        """
        shaped = part.shaped(kind, value.shape)
        if shaped is None or not np.isfinite(value).all():
            return None
        numbers, units = shaped
        expected = value if factor == 1 else factor * value
        gap, size = np.abs(numbers - expected), float(np.abs(expected).max(initial=0.0))
        allowed = self.allowed(kind, l, size, part.eps, abs(factor) or 1.0)
        if (gap <= allowed + units * (1 + 1e-6)).all():
            # of what is itself but rounding, no part can be said
            return 0.0 if self.is_nothing(kind, l, expected) else float(gap.max() / size)
        return None

    def factors(self, part: Part, kind: str, l: int, value: Array) -> Span | None:
        """Return the numbers that `part` may be a multiple of a value by; None where none is.

        Least squares say about which, and every entry, as far as it may be off, says how far from
        there. 0 where the part is 0 but for rounding and the value is not.
        """
        shaped = part.shaped(kind, value.shape)
        if shaped is None or not np.isfinite(value).all() or self.is_nothing(kind, l, value):
            return None
        if self.is_nothing(kind, l, shaped[0]):
            return Span(0.0, 0.0, 0.0)
        theirs, units = shaped
        number = float(np.vdot(value, theirs) / np.vdot(value, value))
        size = abs(number) * float(np.abs(value).max())
        doubt = self.allowed(kind, l, size, part.eps, abs(number) or 1.0) + units * (1 + 1e-6)
        doubt = np.broadcast_to(doubt, value.shape)
        told = value != 0
        if number == 0 or (np.abs(theirs[~told]) > doubt[~told]).any():
            return None
        middle, reach = theirs[told] / value[told], np.abs(doubt[told] / value[told])
        least, most = float((middle - reach).max()), float((middle + reach).min())
        return Span(min(max(number, least), most), least, most) if least <= most else None

    def is_nothing(self, kind: str, l: int, value: Array) -> bool:
        """Return whether a result is 0 but for rounding."""
        noise = SAFETY * np.finfo(float).eps * self.bounds[kind, l]
        return bool((np.abs(value) <= noise).all())

    def digits(self, part: Part, kind: str, l: int, value: Array) -> list[float]:
        """Return how many digits of a part a value explains, entry by entry, 0s left out.

        An answer that agrees in so many digits does so by chance once in 10 to the power of their
        sum.
        """
        shaped = part.shaped(kind, value.shape)
        if shaped is None:
            return []
        size = float(np.abs(value).max(initial=0.0))
        doubt = np.broadcast_to(
            np.maximum(self.allowed(kind, l, size, part.eps) + shaped[1], 1e-300), value.shape
        )
        told = np.abs(value) > doubt
        found: list[float] = np.log10(np.maximum(size / doubt[told], 1.0)).tolist()
        return found

    def allowed(self, kind: str, l: int, size: float, eps: float, scale: float = 1.0) -> float:
        """Return how far off an entry may be where the largest one is `size`.

        Rounding may change a sum of terms that cancel by more than `relative`, but an answer that
        is far off is not called right on that account, unless the result itself is but rounding.
        """
        relative = max(self.relative, SAFETY * self.length * eps)
        noise = SAFETY * eps * scale * self.bounds[kind, l]
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
    gap, size = (float(np.abs(x).max(initial=0.0)) for x in (shaped[0] - value, value))
    return gap / size if size else np.inf if gap else 0.0


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
    D = (w.s / w.S)[:, None] * (np.abs(w.do("B1z", w.L)) + np.abs(w.y) + np.abs(w.a[w.L]))
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

"""From two numbers to a verdict: CS231n's bands, and how far right derivatives may lie apart.

First order in the unit of rounding, with magnitudes in place of values (Higham, *Accuracy and
Stability of Numerical Algorithms*, section 3.1): a sum of n products errs by at most n times the
sum of the products' magnitudes. The error signals that weigh these errors are taken down from a
numerical one at the output, with numerical φ′, so that a wrong gradient cannot excuse itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.checking.numerical import Costs

BANDS = ((1e-7, "good"), (1e-4, "acceptable"), (1e-2, "uncomfortable"), (np.inf, "wrong"))
"""Upper ends of the relative error, and what CS231n says of it."""
VERDICTS = ("too small", "kink", "good", "acceptable", "uncomfortable", "wrong")
"""From the least to the most severe; the last two fail."""
FAILS = frozenset(VERDICTS[-2:])
FLOAT64 = float(np.finfo(np.float64).eps)


def relative_error(a: Array, b: Array) -> Array:
    r"""Return \|a − b\| / (\|a\| + \|b\|): 0 where both are 0, ∞ where one is not finite.

    Examples
    --------
    >>> relative_error([1.0, 0.0, 3.0, np.nan], [1.0, 0.0, 1.0, 1.0])
    array([0. , 0. , 0.5, inf])
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    with np.errstate(all="ignore"):
        size = abs(a) + abs(b)
        error = np.where(size == 0, 0.0, abs(a - b) / size)
    return np.where(np.isfinite(a) & np.isfinite(b), error, np.inf)


@dataclass(frozen=True)
class Comparison:
    """Claimed derivatives of one array beside those of one method.

    Parameters
    ----------
    method : str
        ``"complex step"``, ``"differences"`` or ``"autograd"``.
    worst, median : float
        Relative errors of the entries that could be judged; NaN where none could.
    entry : int
        The worst one, an index into what was compared.
    kinks, too_small : int
        Entries that could not be judged: a kink lay within the difference; or the numbers differ
        by no more than rounding.
    verdict : str
        One of :data:`VERDICTS`.
    """

    method: str
    worst: float
    median: float
    entry: int
    kinks: int
    too_small: int
    verdict: str


def compare(
    claimed: Array, found: Array, floor: Array, crossed: Array, method: str, eps: float = FLOAT64
) -> Comparison:
    """Return how far claimed derivatives are from those that were found.

    An entry is not judged where the two differ by no more than the `floor`, and that would look
    bad only because both are small; or where a kink lay within a difference. What an exact method
    finds wrong by more than its floor is wrong: truncation cannot explain it.

    Parameters
    ----------
    claimed, found, floor, crossed : arrays of shape (m,)
    method : str
    eps : float
        Of the numbers that the claim was computed in.

    Examples
    --------
    >>> a = np.array([1.0, 2.0, 1e-12])
    >>> n = np.array([1.0, 2.5, 2e-12])
    >>> compare(a, n, np.full(3, 1e-11), np.zeros(3, bool), "differences")
    Comparison(method='differences', worst=0.1111111111111111, median=0.0555..., entry=1,
    kinks=0, too_small=1, verdict='wrong')
    """
    exact = method != "differences"
    good = BANDS[0][0] * max(1.0, np.sqrt(eps / FLOAT64) / 25)
    error = relative_error(claimed, found)
    with np.errstate(invalid="ignore"):
        small = (error > good) & (abs(claimed - found) <= floor)
    kinks = (error > good) & crossed & ~small & np.isfinite(claimed)
    judged = ~(small | kinks)
    told: dict[str, Any] = {"kinks": int(kinks.sum()), "too_small": int(small.sum())}
    if not judged.any():
        verdict = "kink" if kinks.any() else "too small"
        entry = int(error.argmax())
        return Comparison(method, np.nan, np.nan, entry, verdict=verdict, **told)
    entry = int(np.where(judged, error, -1.0).argmax())
    worst = float(error[entry])
    verdict = next(name for end, name in BANDS if worst <= end)
    if worst <= good:
        verdict = "good"
    elif exact:
        verdict = "wrong"
    median = float(np.median(error[judged]))
    return Comparison(method, worst, median, entry, verdict=verdict, **told)


def deciding(comparisons: Mapping[str, Comparison]) -> Comparison:
    """Return the first comparison that failed, or the first, which is by the most exact method."""
    failed = [c for c in comparisons.values() if c.verdict in FAILS]
    return (failed or list(comparisons.values()))[0]


@dataclass(frozen=True)
class GroupCheck:
    """One row of a certificate: an array of a layer.

    Parameters
    ----------
    layer : int
        1 … L; 0 for the inputs.
    kind : str
        ``"W"``, ``"b"``, ``"delta"``, ``"g"``, ``"input"``, ``"W data"`` (without L2), or
        ``"phi'"`` and ``"C'"``, what an activation's and the loss's record say of themselves.
    equation : str
        The id of the equation that computes it; empty for a record.
    record : str
        The activation, or the loss and the output activation, whose derivative enters here.
    entries, checked : int
        How many there are, and how many of them were compared.
    where : tuple of int
        Index of the worst entry, from 0; samples come first.
    claimed, found : float
        Its two values; `found` is that of the most exact method.
    comparisons : mapping of str to Comparison
        By method.
    """

    layer: int
    kind: str
    equation: str
    record: str
    entries: int
    checked: int
    where: tuple[int, ...]
    claimed: float
    found: float
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def deciding(self) -> Comparison:
        """The comparison that the row's figures are of: a failed one, or the most exact."""
        return deciding(self.comparisons)

    @property
    def worst(self) -> float:
        """Largest relative error among the entries that could be judged."""
        return self.deciding.worst

    @property
    def median(self) -> float:
        """Median relative error among the entries that could be judged."""
        return self.deciding.median

    @property
    def verdict(self) -> str:
        """One of :data:`VERDICTS`: that of the failed method, or of the most exact."""
        return self.deciding.verdict

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.verdict not in FAILS


EPS = float(np.finfo(np.float64).eps)
FUNCTION = 4  # roundings of one elementary function
CURVATURE = 2  # |φ″| of every activation of the registry is smaller
BOTH = 2  # the derivative and what it is compared with
STENCIL = 1.5  # sum of the weights of the five points


class Rounding:
    """Error bounds of every derivative of a batch, from δ_L found without backpropagation."""

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

        `eps` is that of the numbers that the gradient was computed in.
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

"""From two numbers to a verdict, in the bands of CS231n's notes on gradient checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.core.arrays import Array

__all__ = ["BANDS", "VERDICTS", "Comparison", "GroupCheck", "compare", "relative_error"]

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

"""The comparison of answers, and the search for the mistakes: each one alone, then two together."""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.answers import Part
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Fault, Pass
from backpass.derivatives.homework.known import MISTAKES
from backpass.derivatives.homework.mistake import Mistake, Value, Way, times

# l is a layer, as in the notes
# ruff: noqa: E741

EXACT = 1e-9  # relative to the largest entry: what formulas reach
DIFFERENCES = 1e-6  # what finite differences reach
MOST_NOISE = 1e-6  # of the largest entry, however much cancels
SAFETY = 8  # covers two computations in different order


@dataclass(frozen=True)
class Tolerance:
    """The comparison of an answer with right numbers.

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


FARTHER = 100  # times off, at which an explanation that fits is a chance hit
FEWEST = 6  # numbers that must be the same multiple of the right ones
WORK = 2e10  # floating-point operations, about, that pairs of mistakes may take

Candidates = list[tuple[str, int]]
"""The results, by kind and layer, that a part of an answer may stand for."""


@dataclass(frozen=True)
class Made:
    """A mistake in one of its ways.

    Parameters
    ----------
    mistake : Mistake
    way : Way
    rank : int
        How common the mistake is; 0 is the commonest.
    """

    mistake: Mistake
    way: Way
    rank: int

    @property
    def where(self) -> str:
        """The place where it was made; empty where its name says that already."""
        return self.way.where

    def __str__(self) -> str:
        return f"{self.mistake.name} ({self.where})" if self.where else self.mistake.name


@dataclass(frozen=True)
class Explanation:
    """Mistakes that together give the answer.

    Parameters
    ----------
    made : tuple of Made
        One mistake, or two.
    of : tuple of (str, int)
        The results that the answer's parts are then, by kind and layer.
    off : float
        How far the answer is from what these mistakes give, in parts of the largest entry.
    """

    made: tuple[Made, ...]
    of: tuple[tuple[str, int], ...]
    off: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the mistakes."""
        return tuple(made.mistake.name for made in self.made)

    def __str__(self) -> str:
        return " and ".join(map(str, self.made))


@dataclass
class Search:
    """The search for mistakes that give an answer.

    Parameters
    ----------
    run : callable
        ``run(faults)`` is the pass with these faults.
    right : Pass
        The one without.
    compare : Tolerance
    parts : sequence of Part
        The answer.
    candidates : sequence of Candidates
        The results that each part may stand for.
    """

    run: Callable[[Sequence[Fault]], Pass]
    right: Pass
    compare: Tolerance
    parts: Sequence[Part]
    candidates: Sequence[Candidates]

    def __post_init__(self) -> None:
        # next to the output first: the least has to be computed to see that they differ
        self.order = sorted(range(len(self.parts)), key=lambda i: -self.candidates[i][0][1])
        self.found: dict[frozenset[str], Explanation] = {}

    def explain(self) -> tuple[list[Explanation], int]:
        """Return what explains the answer, the likeliest first, and how many pairs were left out.

        Fewest mistakes come first, then the commonest.
        """
        with np.errstate(all="ignore"):
            effective = [trial for trial in self._trials() if self._try(trial)]
            left = self._try_pairs(effective)
            if not self.found:
                self._try_factors(effective)
        found = list(self.found.values())
        best = min((explanation.off for explanation in found), default=0.0)
        return [e for e in found if e.off <= FARTHER * best + EXACT], left

    def _trials(self) -> list[Made]:
        return [
            Made(mistake, way, rank)
            for rank, mistake in enumerate(MISTAKES.values())
            for way in mistake.expanded(self.right)
        ]

    def _try(self, trial: Made) -> bool:
        """Try one mistake; return whether it changes anything here."""
        try:
            value = self._value(trial)
            if not self._differs(value, self.right.value):
                return False
            self._keep([trial], self._match(value))
        except CannotPlantError:
            return False
        return True

    def _try_pairs(self, trials: Sequence[Made]) -> int:
        """Try two mistakes together; return how many pairs were left out to save time."""
        pairs = [
            (one, other)
            for one, other in combinations(trials, 2)
            if one.mistake is not other.mistake
            and not _far_fetched(one.way, other.way)
            and not one.way.clashes(other.way)
            and not any(frozenset([made.mistake.name]) in self.found for made in (one, other))
        ]
        pairs.sort(key=lambda pair: pair[0].rank + pair[1].rank)
        most = int(WORK / self._operations())
        for pair in pairs[:most]:
            with contextlib.suppress(CannotPlantError):
                value = self._value(*pair)
                match = self._match(value)
                # a second mistake that changes nothing explains nothing
                if match is not None and all(
                    self._differs(value, simpler)
                    for simpler in (self.right.value, *map(self._value, pair))
                ):
                    self._keep(pair, match)
        return max(0, len(pairs) - most)

    def _try_factors(self, trials: Sequence[Made]) -> None:
        """Look for one number that the answer is a multiple by: of what is right, or nearly."""
        if sum(part.numbers.size for part in self.parts) < FEWEST:
            return
        self._try_factor()
        for trial in trials if not self.found else ():
            with contextlib.suppress(CannotPlantError):
                self._try_factor(trial)

    def _try_factor(self, *trials: Made) -> None:
        value, part = self._value(*trials), self.parts[self.order[0]]
        for kind, l in self.candidates[self.order[0]]:
            found = value(kind, l)
            shaped = None if found is None else part.shaped(kind, found.shape)
            if found is None or shaped is None or not np.any(found):
                continue
            number = float(np.vdot(found, shaped[0]) / np.vdot(found, found))
            way = Way(f"{number:.4g}", result=times(number))
            multiple = (*trials, Made(MISTAKES["constant factor"], way, len(MISTAKES)))
            if math.isfinite(number) and number != 0:
                self._keep(multiple, self._match(self._value(*multiple)))

    def _value(self, *trials: Made) -> Value:
        """Return what comes out where these mistakes are made."""
        w = self.run([fault for trial in trials for fault in trial.way.faults])
        value: Value = w.value
        for trial in trials:
            if trial.way.result is not None:
                value = partial(trial.way.result, w, value)
        return value

    def _match(self, value: Value) -> tuple[tuple[tuple[str, int], ...], float] | None:
        """Return what each part is by `value`, and how far off at most; None where one differs."""
        found: dict[int, tuple[str, int]] = {}
        worst = 0.0
        for i in self.order:
            for kind, l in self.candidates[i]:
                array = value(kind, l)
                off = None if array is None else self.compare.off(self.parts[i], kind, l, array)
                if off is not None:
                    found[i], worst = (kind, l), max(worst, off)
                    break
            else:
                return None
        return tuple(found[i] for i in range(len(self.parts))), worst

    def _differs(self, one: Value, other: Value) -> bool:
        """Return whether any result that the answer may stand for differs."""
        return any(
            not self.compare.same(kind, l, one(kind, l), other(kind, l))
            for i in self.order
            for kind, l in self.candidates[i]
            if one(kind, l) is not None
        )

    def _keep(
        self, trials: Sequence[Made], match: tuple[tuple[tuple[str, int], ...], float] | None
    ) -> None:
        """Keep what explains the answer, in the first of the ways of the same mistakes."""
        key = frozenset(trial.mistake.name for trial in trials)
        if match is not None and key not in self.found:
            self.found[key] = Explanation(tuple(trials), *match)

    def _operations(self) -> float:
        """Return about how many operations a pass takes, its overhead included."""
        weights = int(sum(W.size for W in self.right.W.values()))
        return 6.0 * len(self.right.s) * weights + 1e6


def _far_fetched(one: Way, other: Way) -> bool:
    """Return whether a mistake in one layer alone meets another one in the passes."""
    return bool(one.alone and other.faults) or bool(other.alone and one.faults)

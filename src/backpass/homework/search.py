"""The search for the mistakes that give an answer: each one alone, then two together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from backpass.homework.answers import Part
from backpass.homework.comparing import EXACT, Comparison
from backpass.homework.faulty import CannotPlantError, Fault, Pass
from backpass.homework.mistake import Mistake, Value, Way
from backpass.homework.mistakes import MISTAKES
from backpass.ops import Array

# ruff: noqa: E741

__all__ = ["Candidates", "Explanation", "Made", "Search"]

FARTHER = 100  # times off, at which an explanation that fits is a chance hit
WORK = 5e10  # floating-point operations, about, that pairs of mistakes may take

Candidates = list[tuple[str, int]]
"""The results, by kind and layer, that a part of an answer may stand for."""


@dataclass(frozen=True)
class Made:
    """A mistake, and where it was made.

    Parameters
    ----------
    mistake : Mistake
    where : str
    """

    mistake: Mistake
    where: str = ""

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


@dataclass(frozen=True)
class Trial:
    """A mistake in one of its ways, to be tried."""

    mistake: Mistake
    way: Way
    rank: int


class Search:
    """What could have given an answer.

    Parameters
    ----------
    run : callable
        ``run(faults)`` is the pass with these faults.
    compare : Comparison
    """

    def __init__(self, run: Callable[[Sequence[Fault]], Pass], compare: Comparison) -> None:
        self.run, self.compare = run, compare
        self.right = run(())
        self.trials = [
            Trial(mistake, way, rank)
            for rank, mistake in enumerate(MISTAKES.values())
            for way in mistake.expanded(self.right)
        ]

    def matches(
        self, value: Value, parts: Sequence[Part], candidates: Sequence[Candidates]
    ) -> tuple[tuple[tuple[str, int], ...], float] | None:
        """Return what each part is by `value`, and how far off at most; None where one differs."""
        found, worst = [], 0.0
        for part, possible in zip(parts, candidates, strict=True):
            for kind, l in possible:
                array = value(kind, l)
                off = None if array is None else self.compare.off(part, kind, l, array)
                if off is not None:
                    found.append((kind, l))
                    worst = max(worst, off)
                    break
            else:
                return None
        return tuple(found), worst

    def explain(
        self, parts: Sequence[Part], candidates: Sequence[Candidates]
    ) -> tuple[list[Explanation], int]:
        """Return what explains all parts, the likeliest first, and how many pairs were not tried.

        Parts that are right already must not be all there is: a mistake that changes nothing here
        explains nothing.
        """
        found: dict[frozenset[str], Explanation] = {}
        firsts = []
        with np.errstate(all="ignore"):
            for trial, w in self._passes(self.trials):
                value = changed(w, [trial.way])
                if not self._differs(value, self.right.value, candidates):
                    continue
                firsts.append(trial)
                self._keep(found, [trial], self.matches(value, parts, candidates))
            left = self._pairs(found, firsts, parts, candidates)
            if not found:
                self._factor(found, parts, candidates)
        return _closest(list(found.values())), left

    def _passes(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Pass]]:
        """Yield every trial with its pass, leaving out what cannot be made here."""
        for trial in trials:
            try:
                yield trial, self.run(trial.way.faults) if trial.way.faults else self.right
            except CannotPlantError:
                continue

    def _pairs(
        self,
        found: dict[frozenset[str], Explanation],
        trials: Sequence[Trial],
        parts: Sequence[Part],
        candidates: Sequence[Candidates],
    ) -> int:
        """Try two mistakes together; return how many pairs were left out to save time."""
        pairs = [
            (one, other)
            for one, other in combinations(trials, 2)
            if one.mistake is not other.mistake
            and not (one.way.alone and other.way.alone)
            and not one.way.clashes(other.way)
            and not {frozenset([one.mistake.name]), frozenset([other.mistake.name])} & found.keys()
        ]
        pairs.sort(key=lambda pair: pair[0].rank + pair[1].rank)
        most = int(WORK / self._operations())
        for one, other in pairs[:most]:
            try:
                w = self.run([*one.way.faults, *other.way.faults])
            except CannotPlantError:
                continue
            value = changed(w, [one.way, other.way])
            match = self.matches(value, parts, candidates)
            if match is None:
                continue
            alone = (self._alone(one), self._alone(other), self.right.value)
            if all(self._differs(value, simpler, candidates) for simpler in alone):
                self._keep(found, [one, other], match)
        return max(0, len(pairs) - most)

    def _alone(self, trial: Trial) -> Value:
        return changed(self.run(trial.way.faults), [trial.way])

    def _operations(self) -> float:
        """Return about how many operations a pass takes, its overhead included."""
        weights = int(sum(W.size for W in self.right.W.values()))
        return 6.0 * len(self.right.s) * weights + 1e6

    def _differs(self, one: Value, other: Value, candidates: Sequence[Candidates]) -> bool:
        """Return whether two passes differ in any result that the answer may stand for."""
        return any(
            not self.compare.same(kind, l, one(kind, l), other(kind, l))
            for possible in candidates
            for kind, l in possible
            if one(kind, l) is not None
        )

    def _keep(
        self,
        found: dict[frozenset[str], Explanation],
        trials: Sequence[Trial],
        match: tuple[tuple[tuple[str, int], ...], float] | None,
    ) -> None:
        """Keep what explains the answer, in one of the ways of the same mistakes."""
        key = frozenset(trial.mistake.name for trial in trials)
        if match is not None and key not in found:
            made = tuple(Made(trial.mistake, trial.way.where) for trial in trials)
            found[key] = Explanation(made, *match)

    def _factor(
        self,
        found: dict[frozenset[str], Explanation],
        parts: Sequence[Part],
        candidates: Sequence[Candidates],
    ) -> None:
        """Look for one number that the answer is a multiple by."""
        part = parts[0]
        for kind, l in candidates[0]:
            right = self.right.value(kind, l)
            shaped = None if right is None else part.shaped(kind, right.shape)
            if right is None or shaped is None or not np.any(right):
                continue
            number = float(np.vdot(right, shaped[0]) / np.vdot(right, right))
            value = scaled(self.right.value, number)
            match = None if number == 0 else self.matches(value, parts, candidates)
            if match is not None:
                made = Made(MISTAKES["constant factor"], f"{number:.4g}")
                found[frozenset([made.mistake.name])] = Explanation((made,), *match)
                return


def _closest(found: list[Explanation]) -> list[Explanation]:
    """Return the explanations without those that are much farther off than the best."""
    best = min((explanation.off for explanation in found), default=0.0)
    return [explanation for explanation in found if explanation.off <= FARTHER * best + EXACT]


def changed(w: Pass, ways: Sequence[Way]) -> Value:
    """Return the results of a pass, changed as the ways say."""
    value: Value = w.value
    for way in ways:
        if way.result is not None:
            value = _changed(w, value, way)
    return value


def _changed(w: Pass, value: Value, way: Way) -> Value:
    return lambda kind, l: way.result(w, value, kind, l) if way.result else value(kind, l)


def scaled(value: Value, number: float) -> Value:
    """Return results times a number."""

    def times(kind: str, l: int) -> Array | None:
        right = value(kind, l)
        return None if right is None else number * right

    return times

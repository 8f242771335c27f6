"""The search for the mistakes that give an answer: each one alone, then two together.

An explanation is held to every part of the answer. Most pairs are refused without a pass: what a
mistake leaves alone is as the other one makes it, and that is known already.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, groupby
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.comparison import EXACT, Tolerance
from backpass.derivatives.homework.factors import Fit, explained, one_number, place
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Fault, Pass
from backpass.derivatives.homework.known import MISTAKES
from backpass.derivatives.homework.mistake import Explanation, Made, Value, Way, printed
from backpass.derivatives.homework.part import KINDS, Part
from backpass.derivatives.homework.unknown import solve

FARTHER = 100  # times off, at which an explanation that fits is a chance hit
CHANCE = 0.01  # how often one of the explanations tried may fit by chance
WORK = 8e9  # floating-point operations, about, that pairs of mistakes may take: some second
SOLVING = 3e9  # those that solving for a number beside another mistake may take

CONSTANT = MISTAKES["constant factor"]

Candidates = list[tuple[str, int]]
"""The results, by kind and layer, that a part of an answer may stand for."""

Places = set[tuple[str, int]]
"""Rules, each by its name and a layer."""


@dataclass
class Trial:
    """A mistake that is tried, and what came of it."""

    made: Made
    faults: Places = field(default_factory=set)  # the rules that it takes wrongly,
    replaced: Places = field(default_factory=set)  # and those that it does not just multiply
    # of the parts that were compared, whether each fits, and the rules behind it
    seen: list[tuple[bool, Places]] = field(default_factory=list)


class Search:
    """The search for mistakes that give an answer, whose parts may stand for `candidates`."""

    def __init__(
        self,
        right: Pass,
        compare: Tolerance,
        parts: Sequence[Part],
        candidates: Sequence[Candidates],
    ) -> None:
        self.right, self.compare = right, compare
        self.parts, self.candidates = parts, candidates
        # next to the output first: the least has to be computed to see that they differ
        self.order = sorted(
            range(len(parts)), key=lambda i: (-candidates[i][0][1], candidates[i][0][0] == "W")
        )
        self.every = [
            Made(mistake, way, common)
            for common, mistake in enumerate(MISTAKES.values())
            for way in mistake.expanded(right)
        ]
        self.found: dict[frozenset[str], Explanation] = {}
        self.fitting: list[tuple[Any, ...]] = []  # two mistakes that fit, as _keep takes them
        self.multiples: list[tuple[tuple[Made, ...], Value, Sequence[Fit]]] = []
        self.tried = self.passes = 0

    def explain(self) -> tuple[list[Explanation], int]:
        """Return what explains the answer, the likeliest first, and how many pairs were left out.

        Fewest mistakes come first, then the commonest.
        """
        left = 0
        with np.errstate(all="ignore"):
            trials = self._try_alone()
            if not self._settled():
                for two in self.fitting:
                    self._keep(*two)
                left = self._try_pairs(trials)
            if not self.found:  # what is known comes before what has to be solved for
                self._try_constants(everywhere=True)
            if not self.found:
                self._try_unknown(trials)
            if not self.found:
                self._try_constants()
        found = sorted(self.found.values(), key=_rank)
        best = min((explanation.off for explanation in found), default=0.0)
        return [e for e in found if e.off <= FARTHER * best + EXACT], left

    def told_multiples(self) -> list[str]:
        """Return a sentence for each part that is a multiple of what is right."""
        several = [i for i, part in enumerate(self.parts) if part.numbers.size > 1]
        fits = [fit for fit in (self._fit(i, self.right.value) for i in several) if fit]
        return [
            f"{{{KINDS[fit.kind]}[{fit.layer}]}} is "
            + (f"{printed(fit.factor)} times the right one" if fit.factor else "0")
            for fit in fits
            if fit.span
        ]

    def _settled(self) -> bool:
        """Return whether an explanation fits to the digits that the answer has."""
        rounded = any(part.units.any() or part.eps > EXACT for part in self.parts)
        return any(rounded or e.off <= EXACT for e in self.found.values())

    # --- what mistakes give ----------------------------------------------------------------------

    def _value(self, *made: Made, base: Pass | None = None) -> Value:
        """Return what is handed in with these mistakes; `base` has the first of their faults."""
        faults = [fault for one in made for fault in one.way.faults]
        return self._given((base or self.right).with_faults(faults), *made)

    def _given(self, w: Pass, *made: Made) -> Value:
        """Return what is handed in of a pass with the faults of these mistakes."""
        value = w.value
        for way in (one.way for one in made):
            if way.result is not None:
                value = partial(way.result, w, value)
            if way.factor is not None:
                value = partial(_times, way.factor(self.right), value)
        return value

    def _trial(self, made: Made, faults: Sequence[Fault]) -> Trial:
        layers = range(self.right.L + 1)
        places = [(f.rule, (f.name, l)) for f in faults for l in layers if f.concerns(l)]
        return Trial(made, {at for _, at in places}, {at for rule, at in places if rule})

    # --- one mistake alone -----------------------------------------------------------------------

    def _try_alone(self) -> list[Trial]:
        """Try each mistake; return those that change the passes, for pairs."""
        changes = [made for made in self.every if made.way.result is not None]
        trials = []
        fits = self._fits(self.right.value)
        if fits:
            self._try_scalars((), self.right.value, fits)
        for made in self.every:
            if made.way.factor is not None or made.way.family is not None:
                continue
            self.tried += 1
            trial = self._trial(made, made.way.faults)
            with contextlib.suppress(CannotPlantError):
                if made.way.faults and not self._shows(trial):
                    continue
                w = self.right.with_faults(made.way.faults)
                value = self._given(w, made)
                fits = self._fits(value, (w, trial))
                if made.way.faults:
                    trials.append(trial)
                if fits and not any(fit.span for fit in fits):
                    self._keep((made,), fits, value)
                elif fits:
                    self._try_scalars((made,), value, fits)
                for change in changes:
                    if change.mistake is not made.mistake:
                        both = self._given(w, made, change)
                        fits = self._fits(both, equal=True)
                        if fits:
                            self.fitting.append(((made, change), fits, both))
        return trials

    def _shows(self, trial: Trial) -> bool:
        """Return whether a part of the answer can show a mistake: one of its rules is used."""
        return any(
            not trial.faults.isdisjoint(self.right.rules(kind, l))
            for candidates in self.candidates
            for kind, l in candidates
        )

    def _try_scalars(self, made: tuple[Made, ...], value: Value, fits: Sequence[Fit]) -> None:
        """Say by which known numbers an answer is a multiple of a value, where it is one."""
        self.multiples.append((made, value, fits))
        covers = partial(self._covered, fits, value)
        for found, numbers in explained(self.right, fits, self.every, covers, two=not made):
            told = (*made, *found)
            # beside another mistake one number for everything, or a part that is left out
            if made and (
                made[0].mistake is found[0].mistake or (len({*numbers}) > 1 and 0 not in numbers)
            ):
                continue
            if len(told) == 1:
                self._keep(told, fits, value, numbers)
            else:
                self.fitting.append((told, fits, value, numbers))

    def _covered(self, fits: Sequence[Fit], value: Value, number: float) -> set[int]:
        """Return the parts that are so many times a value, and not the value itself."""
        return {
            i
            for i, fit in enumerate(fits)
            if fit.span is not None
            and (fit.factor == 0 if number == 0 else self._off(i, fit, value, number) is not None)
        }

    # --- numbers that are not known --------------------------------------------------------------

    def _try_unknown(self, trials: Sequence[Trial]) -> None:
        """Solve for the number of the mistakes that have one, alone and beside another mistake."""
        families = [
            self._trial(made, made.way.family(0.5)) for made in self.every if made.way.family
        ]
        self.passes = 0
        for family in families:
            self._solve(family.made)
        others = [
            Trial(made)
            for made in self.every
            if made.way.result or (made.way.factor and made.way.factor(self.right) not in (0, 1))
        ]
        others += [trial for trial in trials if not trial.made.way.alone]
        for family in families:
            for other in others:
                if self.found or self.passes > SOLVING / self._operations():
                    return
                if other.made.mistake is not family.made.mistake and not _refuted(family, other):
                    self._solve(family.made, other.made)

    def _solve(self, made: Made, *others: Made) -> None:
        """Solve for the number of a mistake, beside another one or not."""

        def at(number: float) -> Made:
            return replace(made, way=made.way.at(self.right, number))

        def value(number: float) -> Value:
            self.passes += 1
            return self._value(*others, at(number))

        self.tried += 1
        with contextlib.suppress(CannotPlantError):
            neutral = made.way.neutral(self.right)
            # the first part that is not right without it must be what the number makes it
            untouched = value(neutral)
            first = next((i for i in self.order if not self._fit(i, untouched, equal=True)), None)
            if first is None:
                return
            kind, l = self.candidates[first][0]
            start = untouched(kind, l)
            wanted = None if start is None else self.parts[first].shaped(kind, start.shape)
            if wanted is None:
                return
            number = solve(lambda number: value(number)(kind, l), wanted[0], neutral)
            if number is None:
                return
            found = *others, at(number)
            came = self._value(*found)
            fits = self._fits(came, equal=True)
            if fits and self._each_counts(found, came):
                self._keep(found, fits, came, unknown=1)

    def _try_constants(self, *, everywhere: bool = False) -> None:
        """Look for one number that the answer is a multiple by: of what is right, or nearly.

        With `everywhere` all of the answer, and of what is right.
        """
        for made, value, fits in self.multiples:  # of what is right comes first
            if made and frozenset({CONSTANT.name}) in self.found:
                return
            wrong = [i for i, fit in enumerate(fits) if fit.span]
            number, where = one_number(fits), place(wrong, fits)
            if everywhere and (made or where):
                continue
            if number is not None and where is not None and not (made and where):
                way = Way(f"{printed(number)} {where}".strip())
                told = *made, Made(CONSTANT, way, len(MISTAKES))
                numbers = [number if fit.span else 1.0 for fit in fits]
                self._keep(told, fits, value, numbers, unknown=1)

    # --- two mistakes ----------------------------------------------------------------------------

    def _try_pairs(self, trials: Sequence[Trial]) -> int:
        """Try two mistakes together; return how many pairs were left out to save time."""
        self.tried += len(trials) ** 2 // 2
        # one made in one layer alone beside another one is far-fetched
        trials = [trial for trial in trials if not trial.made.way.alone]
        pairs = [
            (i, j)
            for i, j in combinations(range(len(trials)), 2)
            if trials[i].made.mistake is not trials[j].made.mistake
            and not _refuted(trials[i], trials[j])
            and trials[i].replaced.isdisjoint(trials[j].replaced)
        ]
        pairs.sort(key=lambda pair: sum(trials[i].made.rank for i in pair))
        most = int(WORK / self._operations())
        for i, group in groupby(sorted(pairs[:most]), key=lambda pair: pair[0]):
            one = trials[i].made
            base = self.right.with_faults(one.way.faults)  # shared by the pairs
            for _, j in group:
                with contextlib.suppress(CannotPlantError):
                    both = one, trials[j].made
                    value = self._value(*both, base=base)
                    fits = self._fits(value, equal=True)
                    if fits and self._each_counts(both, value):
                        self._keep(both, fits, value)
        return max(0, len(pairs) - most)

    def _each_counts(self, made: Sequence[Made], value: Value) -> bool:
        """Return whether the value of some mistakes is another one without any of them.

        One that changes nothing explains nothing.
        """
        return all(
            self._differs(value, self._value(*(other for other in made if other is not one)))
            for one in made
        )

    def _operations(self) -> float:
        """Return about how many operations a pass takes, its overhead included."""
        weights = int(sum(W.size for W in self.right.W.values()))
        return 4.0 * len(self.right.weights) * weights + 1e6

    # --- the comparison --------------------------------------------------------------------------

    def _fits(
        self,
        value: Value,
        seen: tuple[Pass, Trial] | None = None,
        *,
        equal: bool = False,
    ) -> list[Fit]:
        """Return what every part is beside a value, but for a factor each; empty where one differs.

        What was `seen` of each part in a pass on the way is written into the trial.
        """
        fits: dict[int, Fit] = {}
        for i in self.order:
            fit = self._fit(i, value, equal=equal)
            if seen is not None:
                w, trial = seen
                rules = set().union(*(w.rules(kind, l) for kind, l in self.candidates[i]))
                trial.seen.append((fit is not None and fit.span is None, rules))
            if fit is None:
                return []
            fits[i] = fit
        return [fits[i] for i in range(len(self.parts))]

    def _fit(self, i: int, value: Value, *, equal: bool = False) -> Fit | None:
        """Return what a part is: the first result that it equals, or is a multiple of."""
        arrays = [(kind, l, value(kind, l)) for kind, l in self.candidates[i]]
        there = [(kind, l, array) for kind, l, array in arrays if array is not None]
        for kind, l, array in there:
            if self.compare.off(self.parts[i], kind, l, array) is not None:
                return Fit(kind, l, nothing=self.compare.is_nothing(kind, l, array))
        for kind, l, array in () if equal else there:
            span = self.compare.factors(self.parts[i], kind, l, array)
            if span is not None:
                return Fit(kind, l, span)
        return None

    def _off(self, i: int, fit: Fit, value: Value, number: float = 1.0) -> float | None:
        """Return how far a part is off a number of times a value; None where it differs."""
        array = value(fit.kind, fit.layer)
        if array is None:
            return None
        return self.compare.off(self.parts[i], fit.kind, fit.layer, array, number)

    def _differs(self, one: Value, other: Value) -> bool:
        """Return whether any result that the answer may stand for differs."""
        return any(
            not self.compare.same(kind, l, one(kind, l), other(kind, l))
            for i in self.order
            for kind, l in self.candidates[i]
            if one(kind, l) is not None
        )

    def _keep(
        self,
        made: Sequence[Made],
        fits: Sequence[Fit],
        value: Value,
        numbers: Sequence[float] | None = None,
        *,
        unknown: int = 0,
    ) -> None:
        """Keep what explains the answer, in the first of the ways of the same mistakes.

        Not what may be chance: where the answer has too few digits that speak for it.
        """
        made = sorted(made, key=lambda one: one.rank)  # the commoner one is named first
        key = frozenset(one.mistake.name for one in made)
        if key in self.found:
            return
        digits: list[float] = []
        worst = 0.0
        for i, fit in enumerate(fits):
            number = numbers[i] if numbers else 1.0
            array = value(fit.kind, fit.layer)
            assert array is not None  # it fits
            if number:
                worst = max(worst, self._off(i, fit, value, number) or 0.0)
            if self._off(i, fit, self.right.value) is None:
                expected = number * array if number else array
                digits += self.compare.digits(self.parts[i], fit.kind, fit.layer, expected)
        certain = sum(sorted(digits)[: max(len(digits) - unknown, 0)])
        if 10.0 ** -min(certain, 300) * max(self.tried, 1) <= CHANCE and math.isfinite(worst):
            results = tuple((fit.kind, fit.layer) for fit in fits)
            self.found[key] = Explanation(tuple(made), results, worst)


def _rank(explanation: Explanation) -> tuple[int, bool, int]:
    """Return what explanations are sorted by: the likeliest first.

    Fewest mistakes, then those in the equations and in the whole answer before a number in some of
    its parts, then the commonest.
    """
    made = explanation.made
    in_parts = any(one.way.factor and one.where.endswith(("only", "down")) for one in made)
    return len(made), in_parts, sum(one.rank for one in made)


def _refuted(one: Trial, other: Trial) -> bool:
    """Return whether a part differs as one mistake makes it, whatever the other does."""
    return any(
        not fits and rules.isdisjoint(others)
        for trial, others in ((one, other.faults), (other, one.faults))
        for fits, rules in trial.seen
    )


def _times(number: float, value: Value, kind: str, l: int) -> Array | None:
    array = value(kind, l)
    return None if array is None else number * array

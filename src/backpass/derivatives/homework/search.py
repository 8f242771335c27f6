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
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from backpass.derivatives.homework.beside import Beside
from backpass.derivatives.homework.carried import Given
from backpass.derivatives.homework.comparison import EXACT
from backpass.derivatives.homework.factors import Fit, explained, one_number, place
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Fault, Pass
from backpass.derivatives.homework.known import MISTAKES
from backpass.derivatives.homework.mistake import Explanation, Made, Way, printed
from backpass.derivatives.homework.unknown import solve

FARTHER = 100  # times off, at which an explanation that fits is a chance hit
CHANCE = 0.01  # how often one of the explanations tried may fit by chance
AT_LEAST = 1.5e9  # operations, about, for pairs, however busy the machine: all of a small one
SHARE = 5e8  # operations between two looks at the clock: some twentieth of a second
SOLVING = 3e9  # those that solving for a number beside another mistake may take

CONSTANT = MISTAKES["constant factor"]

Places = set[tuple[str, int]]
"""Rules, each by its name and a layer."""


class Untried(NamedTuple):
    """How many pairs of mistakes were not tried, and of how many."""

    left: int = 0
    pairs: int = 0


@dataclass
class Trial:
    """A mistake that is tried, and what came of it."""

    made: Made
    faults: Places = field(default_factory=set)  # the rules that it takes wrongly,
    replaced: Places = field(default_factory=set)  # and those that it does not just multiply
    # of the parts that were compared, whether each fits, and the rules behind it
    seen: list[tuple[bool, Places]] = field(default_factory=list)


class Search:
    """The search for mistakes that give an answer."""

    def __init__(self, answer: Beside, until: float) -> None:
        self.answer, self.until = answer, until  # until when pairs are tried
        names = dict.fromkeys(phi.name for phi in answer.right.phi.values())
        self.every = [
            Made(mistake, way, common)
            for common, known in enumerate(MISTAKES.values())
            for mistake in [known.with_slopes(names)]
            for way in mistake.expanded(answer.right)
        ]
        self.found: dict[frozenset[str], Explanation] = {}
        self.trials: list[Trial] = []
        self.fitting: list[tuple[Any, ...]] = []  # two mistakes that fit, as _keep takes them
        self.multiples: list[tuple[tuple[Made, ...], Given, Sequence[Fit]]] = []
        self.tried = self.passes = 0

    def explain(self, most: int = 2, *, solve: bool = True) -> tuple[list[Explanation], Untried]:
        """Return what explains the answer, the likeliest first, and what was left out.

        Fewest mistakes come first, then the commonest: at `most` so many, and with `solve` those
        with a number that is not known, too.
        """
        untried = Untried()
        with np.errstate(all="ignore"):
            if not self.trials:
                self.trials = self._try_alone()
            if most > 1 and not self._settled():
                untried = self._try_pairs(self.trials)
            if most > 1 and solve:
                self._try_numbers(self.trials)
        found = sorted(self.found.values(), key=_rank)
        best = min((explanation.off for explanation in found), default=0.0)
        found = [e for e in found if e.off <= FARTHER * best + EXACT]
        names = [frozenset(e.names) for e in found]
        # what one mistake alone gives does not take two
        return [e for e in found if not any(n < frozenset(e.names) for n in names)], untried

    def _try_numbers(self, trials: Sequence[Trial]) -> None:
        """Solve for a number where nothing known fits."""
        if not self.found:
            self._try_constants(everywhere=True)
        if not self.found:
            self._try_unknown(trials)
        if not self.found:
            self._try_constants()

    def _settled(self) -> bool:
        """Return whether an explanation fits to the digits that the answer has."""
        rounded = any(part.units.any() or part.eps > EXACT for part in self.answer.parts)
        return any(rounded or e.off <= EXACT for e in self.found.values())

    # --- what mistakes give ----------------------------------------------------------------------

    def _value(self, *made: Made, base: Pass | None = None) -> Given:
        """Return what is handed in with these mistakes; `base` has the first of their faults."""
        faults = [fault for one in made for fault in one.way.faults]
        return self.answer.given((base or self.answer.right).with_faults(faults), *made)

    def _trial(self, made: Made, faults: Sequence[Fault]) -> Trial:
        layers = range(self.answer.right.L + 1)
        places = [(f.rule, (f.name, l)) for f in faults for l in layers if f.concerns(l)]
        return Trial(made, {at for _, at in places}, {at for rule, at in places if rule})

    # --- one mistake alone -----------------------------------------------------------------------

    def _try_alone(self) -> list[Trial]:
        """Try each mistake; return those that change the passes, for pairs."""
        changes = [made for made in self.every if made.way.result is not None]
        trials = []
        fits = self._fits(self.answer.untouched)
        if fits:
            self._try_scalars((), self.answer.untouched, fits)
        for made in self.every:
            if made.way.factor is not None or made.way.family is not None:
                continue
            self.tried += 1
            trial = self._trial(made, made.way.faults)
            with contextlib.suppress(CannotPlantError):
                if made.way.faults and not self._shows(trial):
                    continue
                w = self.answer.right.with_faults(made.way.faults)
                value = self.answer.given(w, made)
                fits = self._fits(value, (w, trial))
                if made.way.faults:
                    trials.append(trial)
                if fits and not any(fit.span for fit in fits):
                    self._keep((made,), fits, value)
                elif fits:
                    self._try_scalars((made,), value, fits)
                for change in changes:
                    if change.mistake is not made.mistake:
                        both = self.answer.given(w, made, change)
                        fits = self._fits(both, equal=True)
                        if fits:
                            self.fitting.append(((made, change), fits, both))
        return trials

    def _shows(self, trial: Trial) -> bool:
        """Return whether a part of the answer can show a mistake: one of its rules is used."""
        return any(
            not trial.faults.isdisjoint(self.answer.right.rules(kind, l))
            for candidates in self.answer.candidates
            for kind, l in candidates
        )

    def _try_scalars(self, made: tuple[Made, ...], value: Given, fits: Sequence[Fit]) -> None:
        """Say by which known numbers an answer is a multiple of a value, where it is one."""
        self.multiples.append((made, value, fits))
        covers = partial(self.answer.covered, fits, value)
        for found, numbers in explained(self.answer.right, fits, self.every, covers, two=not made):
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
            if made.way.result
            or (made.way.factor and made.way.factor(self.answer.right) not in (0, 1))
        ]
        others += [trial for trial in trials if not trial.made.way.alone]
        for family in families:
            for other in others:
                if self.found or self.passes > SOLVING / self._operations():
                    return
                if self._is_late(self.passes):
                    return
                if other.made.mistake is not family.made.mistake and not _refuted(family, other):
                    self._solve(family.made, other.made)

    def _solve(self, made: Made, *others: Made) -> None:
        """Solve for the number of a mistake, beside another one or not."""

        def at(number: float) -> Made:
            return replace(made, way=made.way.at(self.answer.right, number))

        def value(number: float) -> Given:
            self.passes += 1
            return self._value(*others, at(number))

        self.tried += 1
        with contextlib.suppress(CannotPlantError):
            neutral = made.way.neutral(self.answer.right)
            # the first part that is not right without it must be what the number makes it
            untouched = value(neutral)
            first = next(
                (i for i in self.answer.order if not self.answer.fit(i, untouched, equal=True)),
                None,
            )
            if first is None:
                return
            kind, l = self.answer.candidates[first][0]
            start = untouched(kind, l)
            wanted = None if start is None else self.answer.parts[first].shaped(kind, start.shape)
            if wanted is None:
                return
            number = solve(lambda number: value(number)(kind, l), wanted[0], neutral)
            if number is None or (number <= 0 and made.mistake.name != CONSTANT.name):
                return  # a rate, a strength, a slope are positive
            if made.mistake.name == CONSTANT.name and self._fits(value(-1.0), equal=True):
                return  # that is a sign
            found = *others, at(number)
            came = self._value(*found)
            fits = self._fits(came, equal=True)
            if fits:
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

    def _try_pairs(self, trials: Sequence[Trial]) -> Untried:
        """Try two mistakes together, the commonest first; say how many pairs time did not allow."""
        for two in self.fitting:
            self._keep(*two)
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
        done, share = 0, int(SHARE / self._operations())
        while done < len(pairs) and not self._is_late(done):
            # a share of them at a time, so that those with one mistake in common share its pass
            some, done = sorted(pairs[done : done + share]), done + share
            for i, group in groupby(some, key=lambda pair: pair[0]):
                one = trials[i].made
                base = self.answer.right.with_faults(one.way.faults)
                for _, j in group:
                    with contextlib.suppress(CannotPlantError):
                        both = one, trials[j].made
                        value = self._value(*both, base=base)
                        fits = self._fits(value, equal=True)
                        if fits:
                            self._keep(both, fits, value)
        return Untried(max(0, len(pairs) - done), len(pairs))

    def _each_counts(
        self,
        made: Sequence[Made],
        fits: Sequence[Fit],
        value: Given,
        numbers: Sequence[float] | None,
    ) -> bool:
        """Return whether the value of some mistakes is another one without any of them.

        One that changes nothing explains nothing, nor do two that undo each other. Numbers that
        multiply it do.
        """
        right = self.answer.untouched
        undone = (
            _same(value(fit.kind, fit.layer), right(fit.kind, fit.layer), number)
            for fit, number in zip(fits, numbers or [1.0] * len(fits), strict=True)
        )
        if all(undone):
            return False
        if numbers is not None:
            return value is right or self.answer.differs(value, right)
        without = (self._value(*(other for other in made if other is not one)) for one in made)
        return all(self.answer.differs(value, other) for other in without)

    def _is_late(self, passes: int) -> bool:
        return passes > AT_LEAST / self._operations() and perf_counter() > self.until

    def _operations(self) -> float:
        """Return about how many operations a pass takes, its overhead and a bound included."""
        weights = int(sum(W.size for W in self.answer.right.W.values()))
        passes = 10 if self.answer.carried else 1  # some 30 for a bound, few of which are needed
        return passes * (4.0 * len(self.answer.right.weights) * weights + 1e6)

    # --- the comparison --------------------------------------------------------------------------

    def _fits(
        self,
        value: Given,
        seen: tuple[Pass, Trial] | None = None,
        *,
        equal: bool = False,
    ) -> list[Fit]:
        """Return what every part is beside a value, but for a factor each; empty where one differs.

        What was `seen` of each part in a pass on the way is written into the trial.
        """
        fits: dict[int, Fit] = {}
        for i in self.answer.order:
            fit = self.answer.fit(i, value, equal=equal)
            if seen is not None:
                w, trial = seen
                rules = set().union(*(w.rules(kind, l) for kind, l in self.answer.candidates[i]))
                trial.seen.append((fit is not None and fit.span is None, rules))
            if fit is None:
                return []
            fits[i] = fit
        return [fits[i] for i in range(len(self.answer.parts))]

    def _keep(
        self,
        made: Sequence[Made],
        fits: Sequence[Fit],
        value: Given,
        numbers: Sequence[float] | None = None,
        *,
        unknown: int = 0,
    ) -> None:
        """Keep what explains the answer, in the first of the ways of the same mistakes.

        Not what may be chance, where the answer has too few digits that speak for it, nor one that
        changes nothing.
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
                worst = max(worst, self.answer.off(i, fit, value, number) or 0.0)
            if self.answer.off(i, fit, self.answer.untouched) is None:
                digits += self.answer.digits(i, fit, value, number)
        certain = sum(sorted(digits)[: max(len(digits) - unknown, 0)])
        if (
            10.0 ** -min(certain, 300) * max(self.tried, 1) <= CHANCE
            and math.isfinite(worst)
            and self._each_counts(made, fits, value, numbers)
        ):
            results = tuple((fit.kind, fit.layer) for fit in fits)
            self.found[key] = Explanation(tuple(made), results, worst)


def _same(array: Any, right: Any, number: float) -> bool:
    """Return whether a number of times a result is the right one, but for float64's rounding."""
    if array is None or right is None or array.shape != right.shape:
        return False
    return bool(np.abs(number * array - right).max() <= EXACT * np.abs(right).max())


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

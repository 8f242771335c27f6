"""The search for the mistakes that give an answer: each one alone, then two together.

An explanation is held to every part of the answer. Most pairs are refused without a pass: what a
mistake leaves alone is as the other one makes it, and that is known already.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, groupby
from typing import NamedTuple

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.comparison import EXACT, Tolerance
from backpass.derivatives.homework.explanation import Explanation, rank
from backpass.derivatives.homework.factors import Fit, explained, multiples, one_number, place
from backpass.derivatives.homework.faulty_pass import RULES, CannotPlantError, Fault, Pass
from backpass.derivatives.homework.known import MISTAKES
from backpass.derivatives.homework.mistake import Made, Value, Way, printed
from backpass.derivatives.homework.part import Part
from backpass.derivatives.homework.unknown import solve

# l is a layer, as in the notes
# ruff: noqa: E741

FARTHER = 100  # times off, at which an explanation that fits is a chance hit
CHANCE = 0.01  # how often one of the explanations tried may fit by chance
WORK = 8e9  # floating-point operations, about, that pairs of mistakes may take: some second
SOLVING = 3e9  # those that solving for a number beside another mistake may take

Candidates = list[tuple[str, int]]
"""The results, by kind and layer, that a part of an answer may stand for."""


class Seen(NamedTuple):
    """What is known of a part where a mistake is made: whether it fits, and the rules behind it."""

    fits: bool
    rules: int


@dataclass
class Trial:
    """A mistake that is tried, and what came of it."""

    made: Made
    faults: int = 0
    seen: list[Seen] = field(default_factory=list)


class Search:
    """The search for mistakes that give an answer.

    Parameters
    ----------
    run : callable
        ``run(faults, base)`` is the pass with these faults, from a pass with some of them.
    right : Pass
        The one without.
    compare : Tolerance
    parts : sequence of Part
        The answer.
    candidates : sequence of Candidates
        The results that each part may stand for.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Fault], Pass], Pass],
        right: Pass,
        compare: Tolerance,
        parts: Sequence[Part],
        candidates: Sequence[Candidates],
    ) -> None:
        self.run, self.right, self.compare = run, right, compare
        self.parts, self.candidates = parts, candidates
        # next to the output first: the least has to be computed to see that they differ
        self.order = sorted(
            range(len(parts)), key=lambda i: (-candidates[i][0][1], candidates[i][0][0] == "W")
        )
        self.found: dict[frozenset[str], Explanation] = {}
        self.pairs: list[tuple[tuple[Made, ...], list[Fit], Value, tuple[float, ...]]] = []
        self.tried = self.passes = 0
        places = [(name, l) for name in RULES for l in range(right.L + 1)]
        self.bits = {place: 1 << i for i, place in enumerate(places)}

    def explain(self) -> tuple[list[Explanation], int]:
        """Return what explains the answer, the likeliest first, and how many pairs were left out.

        Fewest mistakes come first, then the commonest.
        """
        every = [
            Made(mistake, way, common)
            for common, mistake in enumerate(MISTAKES.values())
            for way in mistake.expanded(self.right)
        ]
        left = 0
        with np.errstate(all="ignore"):
            trials = self._try_alone(every)
            if not self._settled():
                for made, fits, value, numbers in self.pairs:
                    self._keep(made, fits, value, numbers)
                left = self._try_pairs(trials)
            if not self.found:  # what is known comes before what has to be solved for
                self._try_unknown(every, trials)
            if not self.found:
                changes = [made for made in every if made.way.result is not None]
                self._try_constants([*changes, *(trial.made for trial in trials)])
        found = sorted(self.found.values(), key=rank)
        best = min((explanation.off for explanation in found), default=0.0)
        return [e for e in found if e.off <= FARTHER * best + EXACT], left

    def multiples(self) -> list[str]:
        """Return a sentence for each part that is a multiple of what is right."""
        several = [i for i, part in enumerate(self.parts) if part.numbers.size > 1]
        return multiples([self._fit(i, self.right.value) for i in several])

    def _settled(self) -> bool:
        """Return whether an explanation fits to the digits that the answer has."""
        rounded = any(part.units.any() or part.eps > EXACT for part in self.parts)
        return any(rounded or e.off <= EXACT for e in self.found.values())

    # --- one mistake alone -----------------------------------------------------------------------

    def _try_alone(self, every: Sequence[Made]) -> list[Trial]:
        """Try each mistake; return those that change the passes, for pairs."""
        scalars = [made for made in every if made.way.factor is not None]
        changes = [made for made in every if made.way.result is not None]
        trials = []
        self._try_scalars((), self.right.value, scalars)
        for made in every:
            if made.way.factor is not None or made.way.family is not None:
                continue
            self.tried += 1
            with contextlib.suppress(CannotPlantError):
                if self._is_idle(made):
                    continue
                w = self.run(made.way.faults, self.right)
                value = made.changed(w, w.value)
                trial = Trial(made, self._mask(made.way.faults))
                fits = self._fits(value, w, trial)
                if made.way.faults:
                    trials.append(trial)
                if fits and all(fit.factor == 1 for fit in fits):
                    self._keep([made], fits, value)
                elif fits:
                    self._try_scalars((made,), value, scalars, fits)
                for change in changes:
                    if change.mistake is not made.mistake:
                        both = change.changed(w, value)
                        fits = self._fits(both, equal=True)
                        if fits:
                            self.pairs.append(((made, change), fits, both, ()))
        return trials

    def _is_idle(self, made: Made) -> bool:
        """Return whether no part of the answer can show a mistake: none of its rules is used."""
        if made.way.result is not None:
            return False
        faults = self._mask(made.way.faults)
        return not any(
            faults & self._rules_of(self.right, kind, l)
            for candidates in self.candidates
            for kind, l in candidates
        )

    def _try_scalars(
        self,
        made: tuple[Made, ...],
        value: Value,
        scalars: Sequence[Made],
        fits: Sequence[Fit] | None = None,
    ) -> None:
        """Say by which known numbers an answer is a multiple of a value, where it is one."""
        fits = self._fits(value) if fits is None else fits
        if not fits:
            return
        covers = partial(self._covered, fits, value)
        for found, numbers in explained(self.right, fits, scalars, covers, two=not made):
            told = (*made, *found)
            # beside another mistake one number for everything, or a part that is left out
            if made and (
                made[0].mistake is found[0].mistake or (len({*numbers}) > 1 and 0 not in numbers)
            ):
                continue
            if len(told) == 1:
                self._keep(told, fits, value, numbers)
            else:
                self.pairs.append((told, list(fits), value, numbers))

    def _covered(self, fits: Sequence[Fit], value: Value, number: float) -> set[int]:
        """Return the parts that are so many times a value, and not the value itself."""
        covered = set()
        for i, fit in enumerate(fits):
            array = value(fit.kind, fit.layer)
            if fit.factor == 1 or array is None or (number == 0) != (fit.factor == 0):
                continue
            off = self.compare.off(self.parts[i], fit.kind, fit.layer, array, number)
            if number == 0 or off is not None:
                covered.add(i)
        return covered

    # --- numbers that are not known --------------------------------------------------------------

    def _try_unknown(self, every: Sequence[Made], trials: Sequence[Trial]) -> None:
        """Solve for the number of the mistakes that have one, alone and beside another mistake."""
        families = [made for made in every if made.way.family is not None]
        self.passes = 0
        for made in families:
            self._solve(made, None)
        others = [Trial(made) for made in every if made.way.factor or made.way.result]
        others += [trial for trial in trials if not trial.made.way.alone]
        for made in families:
            assert made.way.family is not None
            trial = Trial(made, self._mask(made.way.family(0.5)))
            for other in others:
                if self.found or self.passes > SOLVING / self._operations():
                    return
                if other.made.mistake is not made.mistake and not self._refuted(trial, other):
                    self._solve(made, other.made)

    def _solve(self, made: Made, other: Made | None) -> None:
        """Solve for the number of a mistake, beside another one or not."""
        factor = other.way.factor(self.right) if other and other.way.factor else 1.0
        if factor == 0 or (factor == 1 and other and other.way.factor):
            return
        faults = other.way.faults if other else ()

        def value(number: float) -> Value:
            assert made.way.family is not None
            self.passes += 1
            w = self.run((*faults, *made.way.family(number)), self.right)
            changed = other.changed(w, w.value) if other else w.value
            return changed if factor == 1 else partial(_times, factor, changed)

        self.tried += 1
        with contextlib.suppress(CannotPlantError):
            neutral = made.way.neutral(self.right) if made.way.neutral else 0.0
            # the first part that is not right without it must be what the number makes it
            untouched = value(neutral)
            first = next((i for i in self.order if not self._fit(i, untouched, equal=True)), None)
            if first is None:
                return
            kind, l = self.candidates[first][0]
            number = solve(
                lambda number: value(number)(kind, l),
                partial(_in_shape, self.parts[first], kind),
                neutral,
            )
            if number is None:
                return
            found = replace(made, way=made.way.at(self.right, number))
            came = value(number)
            fits = self._fits(came, equal=True)
            # neither the number nor the other mistake explains anything where it changes nothing
            alone = self.run(found.way.faults, self.right).value
            if (
                fits
                and self._differs(came, untouched)
                and not (other and not self._differs(came, alone))
            ):
                self._keep([other, found] if other else [found], fits, came, unknown=1)

    def _try_constants(self, tried: Sequence[Made]) -> None:
        """Look for one number that the answer is a multiple by: of what is right, or nearly."""
        self._try_constant(None)
        if not self.found:
            for made in tried:
                with contextlib.suppress(CannotPlantError):
                    self._try_constant(made)

    def _try_constant(self, made: Made | None) -> None:
        w = self.run(made.way.faults, self.right) if made else self.right
        value = made.changed(w, w.value) if made else w.value
        fits = self._fits(value)
        if not fits or all(fit.factor == 1 for fit in fits):
            return
        wrong = [i for i, fit in enumerate(fits) if fit.factor != 1]
        number, where = one_number(fits), place(wrong, fits)
        if number is None or where is None or (made and where):
            return
        way = Way(f"{printed(number)} {where}".strip())
        told = Made(MISTAKES["constant factor"], way, len(MISTAKES))
        numbers = tuple(number if i in wrong else 1.0 for i in range(len(fits)))
        self._keep([made, told] if made else [told], fits, value, numbers, unknown=1)

    # --- two mistakes ----------------------------------------------------------------------------

    def _try_pairs(self, trials: Sequence[Trial]) -> int:
        """Try two mistakes together; return how many pairs were left out to save time."""
        pairs = [
            (one, other)
            for one, other in combinations(trials, 2)
            if one.made.mistake is not other.made.mistake
            and not one.made.way.is_far_fetched_with(other.made.way)
            and not self._refuted(one, other)
            and not one.made.way.clashes(other.made.way)
        ]
        self.tried += len(trials) ** 2 // 2
        pairs.sort(key=lambda pair: pair[0].made.rank + pair[1].made.rank)
        most = int(WORK / self._operations())
        places = {id(trial): place for place, trial in enumerate(trials)}
        kept = sorted(pairs[:most], key=lambda pair: places[id(pair[0])])
        for _, group in groupby(kept, key=lambda pair: id(pair[0])):
            self._try_with([*group])
        return max(0, len(pairs) - most)

    def _refuted(self, one: Trial, other: Trial) -> bool:
        """Return whether a part differs as one mistake makes it, whatever the other does."""
        return any(
            not seen.fits and not seen.rules & others
            for trial, others in ((one, other.faults), (other, one.faults))
            for seen in trial.seen
        )

    def _try_with(self, pairs: Sequence[tuple[Trial, Trial]]) -> None:
        """Try pairs of the same first mistake, whose pass they share."""
        base = self.run(pairs[0][0].made.way.faults, self.right)
        for one, other in pairs:
            with contextlib.suppress(CannotPlantError):
                w = self.run((*one.made.way.faults, *other.made.way.faults), base)
                fits = self._fits(w.value, equal=True)
                # a second mistake that changes nothing explains nothing
                if fits and all(
                    self._differs(w.value, self.run(made.way.faults, self.right).value)
                    for made in (one.made, other.made)
                ):
                    self._keep([one.made, other.made], fits, w.value)

    def _operations(self) -> float:
        """Return about how many operations a pass takes, its overhead included."""
        weights = int(sum(W.size for W in self.right.W.values()))
        return 4.0 * len(self.right.s) * weights + 1e6

    # --- the comparison --------------------------------------------------------------------------

    def _fits(
        self,
        value: Value,
        w: Pass | None = None,
        trial: Trial | None = None,
        *,
        equal: bool = False,
    ) -> list[Fit]:
        """Return what every part is beside a value, but for a factor each; empty where one differs.

        What was seen of each part in the pass `w` on the way is written into `trial`.
        """
        fits: dict[int, Fit] = {}
        for i in self.order:
            fit = self._fit(i, value, equal=equal)
            if w is not None and trial is not None:
                rules = 0
                for kind, l in self.candidates[i]:
                    rules |= self._rules_of(w, kind, l)
                trial.seen.append(Seen(fit is not None and fit.factor == 1, rules))
            if fit is None:
                return []
            fits[i] = fit
        return [fits[i] for i in range(len(self.parts))]

    def _fit(self, i: int, value: Value, *, equal: bool = False) -> Fit | None:
        """Return what a part is: the first result that it equals, or is a multiple of."""
        arrays = [(kind, l, value(kind, l)) for kind, l in self.candidates[i]]
        for kind, l, array in arrays:
            off = None if array is None else self.compare.off(self.parts[i], kind, l, array)
            if off is not None and array is not None:
                return Fit(kind, l, 1.0, off, nothing=self.compare.is_nothing(kind, l, array))
        for kind, l, array in arrays if not equal else ():
            span = None if array is None else self.compare.factors(self.parts[i], kind, l, array)
            if span is not None:
                return Fit(kind, l, span.number, 0.0, span)
        return None

    def _rules_of(self, w: Pass, kind: str, l: int) -> int:
        return sum(self.bits[rule] for rule in w.rules(kind, l))

    def _mask(self, faults: Sequence[Fault]) -> int:
        return sum(
            {
                bit
                for (name, l), bit in self.bits.items()
                for fault in faults
                if fault.name == name and fault.concerns(l)
            }
        )

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
        numbers: Sequence[float] = (),
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
            array, right = value(fit.kind, fit.layer), self.right.value(fit.kind, fit.layer)
            assert array is not None
            number = numbers[i] if numbers else 1.0
            off = self.compare.off(self.parts[i], fit.kind, fit.layer, array, number)
            worst = max(worst, off or 0.0) if number else worst
            is_right = right is not None and self.compare.off(
                self.parts[i], fit.kind, fit.layer, right
            )
            if is_right is None or is_right is False:
                digits += self.compare.digits(
                    self.parts[i], fit.kind, fit.layer, array if number == 0 else number * array
                )
        certain = sum(sorted(digits)[: max(len(digits) - unknown, 0)])
        if 10.0 ** -min(certain, 300) * max(self.tried, 1) <= CHANCE and math.isfinite(worst):
            results = tuple((fit.kind, fit.layer) for fit in fits)
            self.found[key] = Explanation(tuple(made), results, worst)


def _in_shape(part: Part, kind: str, value: Array) -> Array | None:
    shaped = part.shaped(kind, value.shape)
    return None if shaped is None else shaped[0]


def _times(number: float, value: Value, kind: str, l: int) -> Array | None:
    array = value(kind, l)
    return None if array is None else number * array

"""The verdict on an answer: whether it is right, and what explains it where it is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.batch import Subject, subject
from backpass.derivatives.homework.answers import called, parts_of
from backpass.derivatives.homework.comparison import EXACT, ROUGH, Tolerance, distance, rounding
from backpass.derivatives.homework.faulty_pass import Pass
from backpass.derivatives.homework.localise import located
from backpass.derivatives.homework.part import KINDS, Part, has_too_few_digits, title
from backpass.derivatives.homework.search import Candidates, Search
from backpass.derivatives.homework.verdict import MOST_SHOWN, Difference, PartResult, Verdict
from backpass.derivatives.notation import get_notation
from backpass.engines.threads import blas_threads, threads_worth_using
from backpass.errors import InputError


def explain_mismatch(
    model: Any,
    X: Any,
    y: Any,
    answer: Any,
    *,
    sample_weight: Any = None,
    alpha: float | None = None,
    what: str | None = None,
    layer: int | None = None,
    layout: str = "code",
    notation: str = "code",
) -> Verdict:
    """Return whether a gradient computed by hand is right, or which mistake explains it.

    Parameters
    ----------
    model : Network, MLPClassifier, MLPRegressor, Pipeline that ends in one, or TabularModel
    X : array of shape (N, n_0), or a table for a TabularModel
    y : array of shape (N,) or (N, k) or None
        Targets as the loss takes them; labels for a classifier. None: those in a
        TabularModel's table.
    answer : array, mapping, Gradients, flat vector, lists, or callable
        One array, of which kind and layer are found by its shape; or ``{"W1": …, "b1": …}``,
        ``(weights, biases)``, ``[(W1, b1), …]``, ``[W1, b1, W2, …]``, or θ's gradient as one
        vector; or a function ``gradients(W, b, X, y)`` that returns any of these, to be called with
        lists of weights and biases, the rows, and the targets as given. Numbers, lists, and arrays
        of NumPy, PyTorch and JAX; names in capitals or not.
    sample_weight : array of shape (N,), optional
        1 each by default.
    alpha : float, optional
        L2 strength; by default the estimator's own, 0 for the others.
    what : {"W", "b", "delta", "g", "X", "z", "a"}, optional
        What a single array is: ∂J/∂W_l, ∂J/∂b_l, ∂J/∂z_l, ∂J/∂a_l, ∂J/∂X, or z_l or a_l itself.
    layer : int, optional
        Of which layer, from 1.
    layout : str
        The notation that the answer is laid out in
        (:data:`backpass.derivatives.notation.NOTATIONS`).
    notation : str
        The notation that the verdict speaks, with the places of its note; by default that of
        backpass's own code.

    Raises
    ------
    InputError
        When rows or targets do not fit the network, or the answer's shape fits nothing.

    Examples
    --------
    >>> from backpass import Network
    >>> network = Network([2, 3, 1], "tanh", seed=0)
    >>> X, y = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0, 2.0])
    >>> gradients = network.loss_and_gradients(X, y)[1]
    >>> print(explain_mismatch(network, X, y, gradients.weights[1].T))
    ∂J/∂W_2 is wrong: not of its shape
    What explains it:
      1. transposed: ∂J/∂W_2
         this is the transpose, the layout of another notation.
         right (B3, weight gradient): ∂J/∂W_l = a_{l−1}.T @ δ_l
         see note 1 (the derivative by a matrix has the shape of the matrix)
         to mend it: transpose it, or give its layout: W is (out, in) in 'chain' (note 2) and...
    """
    seen = subject(model, X, y, sample_weight, alpha=alpha, double=True).in_numpy()
    get_notation(notation)
    theirs = called(answer, seen, y, get_notation(layout))
    parts = parts_of(theirs, seen.network.sizes, get_notation(layout), what, layer)
    with blas_threads(threads_worth_using(seen.network.sizes, len(seen.s))):
        verdict = Homework(seen, parts).judge()
    return replace(verdict, notation=notation)


class Homework:
    """An answer beside the pass that is right, computed in float64."""

    def __init__(self, seen: Subject, parts: Sequence[Part]) -> None:
        self.parts = parts
        with np.errstate(all="ignore"):
            self.right = Pass(seen.network.model, seen.X, seen.y, seen.s, seen.alpha)
            bounds = rounding(self.right)
            finite = all(np.isfinite(self._ours(*result)).all() for result in bounds)
        if not finite:
            raise InputError(
                "the network's own gradient is not finite on these rows; scale the inputs, or "
                "take smaller weights"
            )
        length = len(seen.s) + max(seen.network.sizes)
        self.exactly, self.compare = Tolerance(bounds, length), Tolerance(bounds, length, ROUGH)
        self.candidates = [_candidates(part, self.right) for part in parts]

    def judge(self) -> Verdict:
        """Return the verdict."""
        results = [*map(self._result, self.parts, self.candidates)]
        wrong = [i for i, result in enumerate(results) if not result.right]
        if not wrong:
            return Verdict(True, tuple(results))
        search = Search(self.right, self.compare, self.parts, self.candidates)
        explanations, untried = search.explain()
        if explanations:
            if len(results) == 1:
                results = [self._beside(self.parts[0], *explanations[0].of[0])]
            explanations = [replace(e, of=tuple(e.of[i] for i in wrong)) for e in explanations]
            return Verdict(False, tuple(results), tuple(explanations), untried=untried)
        return Verdict(
            False,
            tuple(results),
            unexplained=tuple(results[i].title for i in wrong),
            differences=tuple(
                d for i in wrong for d in self._differences(self.parts[i], results[i])
            ),
            untried=untried,
            too_few_digits=any(has_too_few_digits(self.parts[i].numbers) for i in wrong),
            located=located({(r.kind, r.layer): bool(r.right) for r in results}, self.right.L),
            multiples=tuple(search.told_multiples()),
        )

    def _ours(self, kind: str, l: int) -> Array:
        value = self.right.value(kind, l)
        assert value is not None  # candidates are results that there are
        return value

    def _result(self, part: Part, possible: Candidates) -> PartResult:
        """Return how a part compares with what it may stand for: the first that it equals."""
        for compare in (self.exactly, self.compare):
            for kind, l in possible:
                off = compare.off(part, kind, l, self._ours(kind, l))
                if off is not None:
                    why = _why(part, off) if compare is self.exactly else "differences"
                    return PartResult(part.name, kind, l, off, why)
        gradients = [c for c in possible if c[0] in ("W", "b")] or possible
        return min((self._beside(part, *c) for c in gradients), key=lambda result: result.off)

    def _beside(self, part: Part, kind: str, l: int) -> PartResult:
        """Return a part that is wrong beside a result."""
        return PartResult(part.name, kind, l, distance(part, kind, self._ours(kind, l)), "")

    def _differences(self, part: Part, result: PartResult) -> list[Difference]:
        """Return the entries that differ most."""
        kind, l = result.kind, result.layer
        ours = self._ours(kind, l)
        shaped = part.shaped(kind, ours.shape)
        if shaped is None:
            return []
        theirs, gap = shaped[0], np.abs(shaped[0] - ours)
        most = MOST_SHOWN if len(self.parts) == 1 else 2
        worst = np.argsort(-gap, axis=None, kind="stable")[:most]
        places = [tuple(int(i) for i in np.unravel_index(w, gap.shape)) for w in worst]
        return [
            Difference(
                kind, l, part.index(kind, ours.shape, at), float(theirs[at]), float(ours[at])
            )
            for at in places
            if gap[at] > 0
        ]


def _why(part: Part, off: float) -> str:
    """Return why a part that is right may be off by so much."""
    if off <= EXACT:
        return "exact"
    if part.units.any():
        return "digits"
    return "single" if part.eps > EXACT else "cancelling"


def _candidates(part: Part, right: Pass) -> Candidates:
    """Return the results that a part may stand for: by what was said of it, and by its shape."""
    shapes = {
        (kind, l): value.shape
        for kind in KINDS
        for l in range(right.L + 1)
        if (value := right.value(kind, l)) is not None
    }
    asked = [
        (kind, l)
        for kind, l in shapes
        if part.kind in (None, kind)
        and part.layer in (None, l)
        and (kind, l) != ("a", 0)  # X itself
    ]
    fitting = [c for c in asked if any(part.shaped(c[0], s) for s in _possible(part, *c, shapes))]
    if fitting:
        return fitting
    told = ", ".join(f"{title(*c)} {shapes[c]}" for c in asked)
    raise InputError(
        f"{part.name}: shape {part.numbers.shape} fits nothing in layout {part.notation.name!r}, "
        f"where it could be {told}, or a transpose"
    )


def _possible(
    part: Part, kind: str, l: int, right: dict[tuple[str, int], tuple[int, ...]]
) -> set[tuple[int, ...]]:
    """Return the shapes that a right or a mistaken result of this kind and layer may have."""
    last = max(layer for _, layer in right)
    layers = (l,) if part.layer is None else (l, l - 1, l + 1, last + 1 - l)
    shapes = {right[kind, other] for other in layers if (kind, other) in right}
    shapes |= {shape[::-1] for shape in shapes}
    if part.kind is None or kind not in ("W", "b"):
        return shapes
    rows = right["z", last][0]  # what was named may be unsummed
    unsummed = {(rows, *shape) for shape in shapes} | ({(rows,), ()} if kind == "b" else set())
    return shapes | unsummed | {shape[::-1] for shape in unsummed}

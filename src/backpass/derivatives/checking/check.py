"""Check every derivative of a network on a batch, and say which one is wrong."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from backpass.core.arrays import Array, to_numpy
from backpass.derivatives.batch import Subject, subject
from backpass.derivatives.checking.autograd_oracle import autograd_derivatives
from backpass.derivatives.checking.claims import (
    Claim,
    claim_of_engine,
    claim_of_somebody,
    our_claim,
)
from backpass.derivatives.checking.comparison import (
    FLOAT64,
    GroupCheck,
    Rounding,
    compare,
    deciding,
)
from backpass.derivatives.checking.numerical import (
    COMPLEX_STEP,
    DIFFERENCES,
    FIVE_POINTS,
    STEP,
    TINY_STEP,
    Costs,
    Derivative,
    threads_for_costs,
)
from backpass.derivatives.checking.result import GradientCheck
from backpass.derivatives.notation import get_notation
from backpass.engines.threads import blas_threads
from backpass.errors import InputError

EQUATION = {"W": "B3", "W data": "B3", "b": "B4", "g": "B2a", "input": "B2a"}
AUTOGRAD = "autograd"
FINER = 0.01
"""The second step of differences, in units of the first."""


def check_gradients(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    alpha: float | None = None,
    entries: int | str = "all",
    claimed: Any = None,
    layout: str = "code",
    engine: str | None = None,
    seed: int = 0,
) -> GradientCheck:
    """Check every derivative of the loss on a batch against numerical ones, layer by layer.

    In float64, without dropout: every weight and bias, every error signal δ, the derivatives to
    the activations and to the inputs, with the mean over the batch, sample weights and the L2
    penalty. The numerical derivatives come from differences, from the complex step where every
    function on the way is analytic, and from HIPS autograd where it is installed.

    Parameters
    ----------
    model : Network, MLPClassifier, MLPRegressor, Pipeline that ends in one, or TabularModel
    X : array of shape (N, n_0), or a table for a TabularModel
    y : array of shape (N,) or (N, k), optional
        Targets as the loss takes them; labels for a classifier. Left out or None: those in
        a TabularModel's table.
    sample_weight : array of shape (N,), optional
    alpha : float, optional
        L2 strength; by default the estimator's own, 0 for the others. The weights' gradient is
        checked without it as well.
    entries : "all" or int
        How many entries of each array are checked, drawn at random; of δ, the activations and the
        inputs, how many units, each on all rows.
    claimed : optional
        Gradients to judge in place of ours: ``Gradients``, ``Parameters``, a flat vector, a pair
        or dict of weights and biases, or W_1, b_1, W_2, b_2, … in one list.
    layout : str
        The notation in whose layout the claimed weights lie: (out, in) is ``"nabla"``.
    engine : str, optional
        Judge the gradient of this engine, in the network's own precision.
    seed : int
        Of the draw of entries.

    Returns
    -------
    GradientCheck

    Raises
    ------
    InputError
        When the batch does not fit, the cost is not finite, or `claimed` has the wrong shape.

    Examples
    --------
    >>> from backpass import Network
    >>> network = Network([2, 3, 1], activation="tanh", seed=0)
    >>> X, y = np.array([[0.0, 1.0], [1.0, 0.5]]), np.array([1.0, 0.0])
    >>> check = check_gradients(network, X, y)
    >>> check.passed
    True
    >>> wrong = check_gradients(network, X, y, claimed=2 * network.loss_and_gradients(X, y)[1].flat)
    >>> wrong.passed, wrong.worst.verdict, round(wrong.worst.worst, 3)
    (False, 'wrong', 0.333)
    """
    _check_options(entries, claimed, engine)
    get_notation(layout)
    given = subject(model, X, y, sample_weight, alpha=alpha)
    dtype, given = _real_dtype(given), given.in_numpy()
    with blas_threads(threads_for_costs(given)):
        costs = Costs(given)
        _check_finite(costs)
        if claimed is not None:
            claim = claim_of_somebody(claimed, given.network.parameters, layout)
        elif engine is not None:
            claim = claim_of_engine(engine, given, dtype)
        else:
            claim = our_claim(given)
        groups = list(_Certifier(costs, claim, entries, np.random.default_rng(seed)).groups())
        if claimed is None and engine is None:
            groups += check_records(costs)
    return GradientCheck(groups, costs, claim)


def _check_options(entries: int | str, claimed: Any, engine: str | None) -> None:
    whole = isinstance(entries, int | np.integer) and not isinstance(entries, bool)
    if not (entries == "all" or (whole and int(entries) >= 1)):
        raise InputError(f"entries must be 'all' or an integer of at least 1, not {entries!r}")
    if claimed is not None and engine is not None:
        raise InputError("give claimed or engine, not both: one gradient is judged at a time")


def _real_dtype(given: Subject) -> Any:
    """Return the dtype of a network's parameters, which must be real numbers."""
    dtype = to_numpy(given.network.parameters.flat).dtype
    if dtype.kind != "f":
        raise InputError(f"the parameters must be real numbers, not {dtype}")
    return dtype


def _check_finite(costs: Costs) -> None:
    bad = ~np.isfinite(costs.cost_of_rows)
    if bad.any():
        raise InputError(
            f"the cost of row {int(bad.argmax())} is not finite: scale the inputs, or check a "
            "network whose training did not diverge"
        )


class _Found(NamedTuple):
    """The derivatives that a method found, and how far a right claim may be from them: (m,)."""

    derivative: Derivative
    floor: Array


class _Certifier:
    """Compares a claim with numerical derivatives, one array after the other."""

    def __init__(
        self, costs: Costs, claim: Claim, entries: int | str, rng: np.random.Generator
    ) -> None:
        self.costs, self.claim, self.entries, self.rng = costs, claim, entries, rng
        self.exact = costs.is_analytic()
        self.found: dict[tuple[str, int], tuple[Array, dict[str, _Found]]] = {}
        self.autograd = autograd_derivatives(costs) if self.exact else {}
        units = np.arange(costs.size_of("delta", costs.depth))
        best = COMPLEX_STEP if self.exact else DIFFERENCES
        output = costs.derivative("delta", costs.depth, units, best)
        self.rounding = Rounding(costs, output.values.T)

    def groups(self) -> Iterator[GroupCheck]:
        """Yield a row for every array of the claim, from the inputs up."""
        for layer in range(self.costs.depth + 1):
            for kind in ("W", "W data", "b", "delta", "g"):
                if (kind, layer) in self.claim.arrays:
                    row = self._group(kind, layer)
                    at_output = kind == "delta" and layer == self.costs.depth
                    yield self._blamed_at_output(row) if at_output else row

    def _blamed_at_output(self, row: GroupCheck) -> GroupCheck:
        """Return the row of δ_L; its equation is B1z where ∂C/∂z_L is wrong already."""
        dz = self.claim.arrays.get(("dz", row.layer))
        if row.passed or dz is None:
            return row
        rows = copy.copy(self.costs)
        rows.share = np.ones_like(self.costs.share)  # what each row costs by itself, without C
        claim = Claim({("delta", row.layer): dz}, self.claim.source, self.claim.eps)
        (before,) = _Certifier(rows, claim, "all", self.rng).groups()
        return row if before.passed else replace(row, equation="B1z")

    def _draw(self, kind: str, layer: int) -> Array:
        size = self.costs.size_of(kind, layer)
        if self.entries == "all" or int(self.entries) >= size:
            return np.arange(size)
        return np.sort(self.rng.choice(size, int(self.entries), replace=False))

    def _find(self, kind: str, layer: int) -> tuple[Array, dict[str, _Found]]:
        """Return the entries that are checked, and what each method finds, the most exact first."""
        entries = self._draw(kind, layer)
        own = self._picked(self.rounding.of(kind, layer, self.claim.eps), kind, entries)
        found = {}
        if self.exact:
            exact = self.costs.derivative(kind, layer, entries, COMPLEX_STEP)
            found[COMPLEX_STEP] = _Found(exact, own)
        rough, h = self._differences(kind, layer, entries)
        rows = self.rounding.of_rows()
        rows = rows.sum() if kind in ("W", "b") else rows
        found[DIFFERENCES] = _Found(rough, own + (rows / h).ravel())
        return entries, found

    def _differences(self, kind: str, layer: int, entries: Array) -> tuple[Derivative, Array]:
        """Return the derivatives by differences, and h of each.

        Where a kink was crossed and nothing else can judge, a smaller step may stay clear of it.
        """
        rough = self.costs.derivative(kind, layer, entries, DIFFERENCES)
        h = self.costs.steps_of(kind, layer, entries)
        if self.exact or not rough.crossed.any():
            return rough, h
        fine = self.costs.derivative(kind, layer, entries, DIFFERENCES, STEP * FINER)
        better = rough.crossed & ~fine.crossed
        values = np.where(better, fine.values, rough.values)
        crossed = rough.crossed & fine.crossed
        return Derivative(values, rough.penalty, crossed), np.where(better, FINER * h, h)

    def _group(self, name: str, layer: int) -> GroupCheck:
        kind = "W" if name == "W data" else name
        if (kind, layer) not in self.found:  # once for the weights with and without L2
            self.found[kind, layer] = self._find(kind, layer)
        entries, found = self.found[kind, layer]
        a = self._picked(self.claim.arrays[name, layer], kind, entries)
        comparisons = {
            method: compare(
                a, self._value(d, name), floor, d.crossed.ravel(), method, self.claim.eps
            )
            for method, (d, floor) in found.items()
        }
        if (kind, layer) in self.autograd and name != "W data":
            other = self._picked(self.autograd[kind, layer], kind, entries)
            floor, clear = found[COMPLEX_STEP].floor, np.zeros(a.shape, bool)
            comparisons[AUTOGRAD] = compare(a, other, floor, clear, AUTOGRAD, self.claim.eps)
        best = self._value(next(iter(found.values())).derivative, name)
        return self._row(name, layer, entries, a, best, comparisons)

    def _value(self, d: Derivative, name: str) -> Array:
        return (d.values + d.penalty if name == "W" else d.values).ravel()

    def _picked(self, array: Array, kind: str, entries: Array) -> Array:
        """Return the entries of a claimed array in the order in which they are found."""
        return array.reshape(-1)[entries] if kind in ("W", "b") else array.T[entries].ravel()

    def _row(
        self, name: str, layer: int, entries: Array, a: Array, best: Array, comparisons: Any
    ) -> GroupCheck:
        worst = deciding(comparisons).entry
        kind = "W" if name == "W data" else name
        shape = self.claim.arrays[name, layer].shape
        if kind in ("W", "b"):
            where = np.unravel_index(int(entries[worst]), shape)
        else:
            where = (worst % shape[0], entries[worst // shape[0]])
        equation = EQUATION.get(kind) or ("B1" if layer == self.costs.depth else "B2b")
        return GroupCheck(
            layer=layer,
            kind="input" if (kind, layer) == ("g", 0) else name,
            equation=equation,
            record=self._record(kind, layer),
            entries=int(np.prod(shape)),
            checked=len(a),
            where=tuple(int(i) for i in where),
            claimed=float(a[worst]),
            found=float(best[worst]),
            comparisons=comparisons,
        )

    def _record(self, kind: str, layer: int) -> str:
        """Return the records whose derivative enters an error signal."""
        if kind != "delta":
            return ""
        phi = self.costs.model.activations[layer - 1].name
        return f"{self.costs.model.loss.name}, {phi}" if layer == self.costs.depth else phi


ROUNDINGS = 64  # of a value or a derivative, a few elementary functions each


def check_records(costs: Costs) -> list[GroupCheck]:
    """Return a row for the derivative of every record that the backward pass uses."""
    model, passed = costs.model, costs.passed
    rows = []
    fused = model.loss.fused.get(model.activations[-1].name)
    for layer, (phi, z, a) in enumerate(
        zip(model.activations, passed.z, passed.a[1:], strict=True), start=1
    ):
        if layer == costs.depth and fused is not None:
            continue
        claimed = phi.derivative(z, a)
        by_unit = None if phi.elementwise else z.shape[1]
        found = _derivatives(phi.value, z, phi.analytic, by_unit)
        crossed = _at_kink(z, phi.kinks)
        rows.append(_record_row(layer, "phi'", phi.name, claimed, found, crossed))
    y, a, z = costs.given.y, passed.a[-1], passed.z[-1]
    if fused is not None:
        name = f"{model.loss.name}, {model.activations[-1].name}"
        claimed = fused.delta(y, a)
        found = _cost_derivatives(lambda x: fused.terms(y, x), z, costs.is_analytic())
    else:
        name = model.loss.name
        claimed = model.loss.derivative(y, a)
        found = _cost_derivatives(lambda x: model.loss.terms(y, x), a, model.loss.analytic)
    kinks = np.zeros(a.shape, bool)
    if model.loss.kinks is not None:
        residual = model.loss.kinks(y, a)
        kinks = abs(residual) <= 4 * STEP * (1 + abs(a))
    rows.append(_record_row(costs.depth, "C'", name, claimed, found, kinks))
    return rows


def _at_kink(z: Array, kinks: tuple[float, ...]) -> Array:
    """Return where a kink lies within a difference."""
    h = 2 * STEP * np.maximum(1, abs(z))
    near = np.zeros(z.shape, bool)
    for kink in kinks:
        near |= abs(z - kink) <= h
    return near


def _derivatives(
    f: Callable[[Array], Array], z: Array, analytic: bool, units: int | None
) -> dict[str, tuple[Array, Array]]:
    """Return f′ by every method, and how exact that is; Jacobians (N, k, i) where units mix."""
    h = STEP * np.maximum(1, abs(z))

    def along(move: Callable[[Any], Array]) -> Array:
        if units is None:
            return move(1.0)
        return np.stack([move(np.arange(units) == i) for i in range(units)], axis=2)

    def differences(unit: Any) -> Array:
        ends = (c * f(z + i * h * unit) for i, c in FIVE_POINTS)
        total: Array = sum(ends)
        return total / (h if units is None else (h * unit).max(axis=1, keepdims=True))

    size = 1 + abs(f(z)) + abs(z)
    size = size if units is None else size[:, :, None] * np.ones(units)
    found = {}
    with np.errstate(all="ignore"):
        if analytic:
            exact = along(lambda unit: np.imag(f(z + TINY_STEP * 1j * unit)) / TINY_STEP)
            found[COMPLEX_STEP] = exact, ROUNDINGS * FLOAT64 * size * (1 + abs(exact))
        found[DIFFERENCES] = along(differences), ROUNDINGS * FLOAT64 * size / STEP
    return found


def _cost_derivatives(
    f: Callable[[Array], Array], x: Array, analytic: bool
) -> dict[str, tuple[Array, Array]]:
    """Return the derivative of a row's cost to every output, by every method."""
    by_method = _derivatives(f, x, analytic, x.shape[1])
    return {m: (d.sum(axis=1), floor.sum(axis=1)) for m, (d, floor) in by_method.items()}


def _record_row(
    layer: int, kind: str, record: str, claimed: Array, found: Any, crossed: Array
) -> GroupCheck:
    clear = np.zeros(claimed.size, bool)
    comparisons = {}
    for method, (d, floor) in found.items():
        kinks = crossed.ravel() if method == DIFFERENCES and claimed.ndim == 2 else clear
        comparisons[method] = compare(claimed.ravel(), d.ravel(), floor.ravel(), kinks, method)
    entry = deciding(comparisons).entry
    best = next(iter(found.values()))[0]
    where = tuple(int(i) for i in np.unravel_index(entry, claimed.shape))
    return GroupCheck(
        layer, kind, "", record, claimed.size, claimed.size, where,
        float(claimed.ravel()[entry]), float(best.ravel()[entry]), comparisons,
    )  # fmt: skip

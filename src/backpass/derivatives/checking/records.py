"""The derivatives that records declare, φ′ of every layer and ∂C, where this batch needs them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.checking.comparison import FLOAT64, GroupCheck, compare, deciding
from backpass.derivatives.checking.numerical import (
    COMPLEX_STEP,
    DIFFERENCES,
    FIVE_POINTS,
    STEP,
    TINY_STEP,
    Costs,
)

__all__ = ["check_records"]

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
        crossed = _crossed(z, phi.kinks)
        rows.append(_row(layer, "phi'", phi.name, claimed, found, crossed))
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
    rows.append(_row(costs.depth, "C'", name, claimed, found, kinks))
    return rows


def _crossed(z: Array, kinks: tuple[float, ...]) -> Array:
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


def _row(
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

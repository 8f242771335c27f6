"""Numerical derivatives of the cost by one quantity after the other, without backpropagation.

A quantity is an array of a layer: ``"W"`` and ``"b"`` (the parameters), ``"delta"`` (z of the
layer, whose derivative is δ) and ``"g"`` (its activations; those of layer 0 are the inputs). Many
moved copies are computed at a time, from the layer that they act on upwards, by the functions of
:mod:`backpass.core.backprop` for F1, F2 and C; nothing of the backward pass is used.

The complex step is so small that it leaves every real part as it is, and that each function
multiplies the imaginary part by a number: so the imaginary parts alone go upwards, F1 being linear,
and F2 of a complex number is computed once for each unit and row, not once a copy.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.core.backprop import Forward
from backpass.derivatives.batch import Subject
from backpass.engines.threads import threads_worth_using

STEP = 1e-5
"""h of the differences: CS231n's."""
COMPLEX_STEP, DIFFERENCES = "complex step", "differences"
TINY_STEP = 1e-30  # of the complex step: there is no subtraction, so it can be this small
FIVE_POINTS = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))
MOST_NUMBERS = 1 << 17  # of the largest array that is computed at a time: it stays in the cache


class Derivative(NamedTuple):
    """Derivatives of J to some entries of a quantity."""

    values: Array  # without the L2 penalty, (m,)
    penalty: Array  # what the L2 penalty adds, (m,)
    crossed: Array  # whether a kink lay between the ends of the difference


@dataclass
class _Outcome:
    """Each row's share in J for B moved copies, (B, N), and the side of every kink it lies on."""

    shares: Array
    sides: list[Array]


def threads_for_costs(given: Subject) -> int | None:
    """Return how many threads the products of moved copies are worth; None for all there are."""
    sizes = given.network.sizes
    return threads_worth_using(sizes, max(len(given.X), MOST_NUMBERS // max(sizes)))


class Costs:
    """J of one batch, NumPy arrays of float64, as a function of any quantity.

    `passed` is the forward pass, without dropout; `share`, (N, k), what C makes of one more unit of
    cost of a sample and output: s_n / S.
    """

    def __init__(self, given: Subject) -> None:
        self.given, self.model = given, given.network.model
        self.passed = backprop.forward(self.model, given.X)
        self.theta = self.model.parameters
        self.depth = len(self.theta.weights)
        self.slopes: dict[int, Array] = {}
        self.share = np.array([self._mean_cost(unit) for unit in self._units()])
        self.share = self.share.reshape(given.y.shape)
        self.penalty_share = self._mean_cost(np.zeros_like(given.y), penalty=1.0)
        terms = backprop.cost_terms(self.model, self.passed, given.y)
        self.cost_of_rows = (self.share * terms).sum(axis=1)
        cost = backprop.cost(self.model, self.passed, given.y, given.s, alpha=given.alpha)
        self.cost = cost.total

    def _units(self) -> Iterator[Array]:
        """Yield the terms of C with a single 1, one sample and output after the other."""
        for i in range(self.given.y.size):
            unit = np.zeros_like(self.given.y)
            unit.flat[i] = 1
            yield unit

    def _mean_cost(self, terms: Array, penalty: float = 0.0) -> Any:
        return backprop.mean_cost(terms, self.given.s, self.given.alpha, penalty).total

    def is_analytic(self) -> bool:
        """Return whether the complex step applies to every function on the way to J."""
        return self.model.loss.analytic and all(phi.analytic for phi in self.model.activations)

    def size_of(self, kind: str, layer: int) -> int:
        """Return how many entries a quantity has; for ``"delta"`` and ``"g"``, how many units."""
        n_in, n_out = self.theta.sizes[layer - 1], self.theta.sizes[layer]
        return n_in * n_out if kind == "W" else n_out

    def derivative(
        self, kind: str, layer: int, entries: Array, method: str, step: float = STEP
    ) -> Derivative:
        """Return the derivative of J to some `entries`, without the backward pass.

        They are indices into the flattened weights, or units of the other kinds, all rows at once;
        layers are 1 … L, of ``"g"`` 0 … L − 1. `step` is h of the differences.
        """
        size = max(1, MOST_NUMBERS // self._largest(kind, layer))
        blocks = [entries[i : i + size] for i in range(0, len(entries), size)]
        work = self._by_complex_step if method == COMPLEX_STEP else self._by_differences
        with np.errstate(all="ignore"):
            found = [work(kind, layer, block, step) for block in blocks]
        return Derivative(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _largest(self, kind: str, layer: int) -> int:
        """Return how many numbers one moved copy takes, at most, in one array."""
        rows = len(self.given.X) * max(self.theta.sizes)
        return max(rows, self.theta.weights[layer - 1].size if kind == "W" else 0)

    def _by_complex_step(self, kind: str, layer: int, entries: Array, step: float) -> Derivative:
        def part(x: Array) -> Array:
            return np.imag(x) / TINY_STEP

        by = np.ones(len(entries))
        first, imag = self._z_of_copies(kind, layer, entries, by, alone=True)
        for number in range(first, self.depth):
            W, b = self.theta.weights[number], self.theta.biases[number]
            imag = _by_rows(imag * self._slope(number), W, np.zeros_like(b))
        values = part(self._shares(*self._complex_outputs(imag)))
        if kind in ("W", "b"):
            values = values.sum(axis=1)
        penalty = part(self._penalty(kind, layer, entries)(TINY_STEP * 1j * by))
        return Derivative(values, penalty, np.zeros(values.shape, bool))

    def _slope(self, layer: int) -> Array:
        """Return φ′(z) of a layer by the complex step, (N, n_l)."""
        if layer not in self.slopes:
            z, phi = self.passed.z[layer - 1], self.model.activations[layer - 1]
            self.slopes[layer] = np.imag(backprop.activate(z + TINY_STEP * 1j, phi)) / TINY_STEP
        return self.slopes[layer]

    def _complex_outputs(self, imag: Array) -> tuple[Array, Array]:
        """Return z and a of the last layer for copies that `imag`, (B, N, k), is a step in z of."""
        phi, step = self.model.activations[-1], TINY_STEP * 1j
        z = self.passed.z[-1] + step * imag
        if not phi.elementwise:
            return z, _activated_by_rows(z, phi)
        # not φ of the complex number, whose real part may lie on the other side of a loss's kink
        return z, self.passed.a[-1] + step * (imag * self._slope(self.depth))

    def _by_differences(self, kind: str, layer: int, entries: Array, step: float) -> Derivative:
        h, penalty = self.steps_of(kind, layer, entries, step), self._penalty(kind, layer, entries)
        ends = {i: self._moved(kind, layer, entries, i * h) for i, _ in FIVE_POINTS}
        values = sum(c * ends[i].shares for i, c in FIVE_POINTS)
        crossed = _crossed(ends[2], ends[-2].sides)
        if kind in ("W", "b"):
            values, crossed = values.sum(axis=1), crossed.any(axis=1)
        added = sum(c * penalty(i * h) for i, c in FIVE_POINTS)
        added = added / h if kind == "W" else added
        return Derivative(values / h, added, crossed)

    def by_step(self, layer: int, entries: Array, h: float) -> dict[str, Array]:
        """Return the derivatives to some weights of a layer by every method with the same h."""

        def J(by: Any) -> Array:
            """Return how far J moves, without what does not move."""
            by = np.full(len(entries), by)
            rows = self._moved("W", layer, entries, by).shares - self.cost_of_rows
            return rows.sum(axis=1) + self._penalty("W", layer, entries)(by)

        with np.errstate(all="ignore"):
            found = {
                "one-sided difference": (J(h) - J(0.0)) / h,
                "centred difference": (J(h) - J(-h)) / (2 * h),
            }
            if self.is_analytic():
                found["complex step"] = np.imag(J(h * 1j)) / h
        return found

    def steps_of(self, kind: str, layer: int, entries: Array, step: float = STEP) -> Array:
        """Return h of every entry, (m,) or, of what has a row a sample, (m, N).

        It grows with the entry, and shrinks with what it is multiplied by: z of the layer moves by
        about `step`, however the inputs are scaled.
        """
        if kind == "b":
            return step * np.maximum(1, abs(self.theta.biases[layer - 1][entries]))
        if kind == "delta":
            return step * np.maximum(1, abs(self.passed.z[layer - 1][:, entries].T))
        if kind == "W":
            W, a = self.theta.weights[layer - 1], self.passed.a[layer - 1]
            size, factor = abs(W.reshape(-1)[entries]), abs(a).max(axis=0)[entries // W.shape[1]]
        else:
            W, a = self.theta.weights[layer], self.passed.a[layer]
            size, factor = abs(a[:, entries].T), abs(W[entries]).max(axis=1)[:, None]
        return step * np.maximum(1, size) / np.maximum(1, factor)

    def _penalty(self, kind: str, layer: int, entries: Array) -> Callable[[Array], Array]:
        """Return the penalty's part that moves with the entries, as a function of their move."""
        if kind != "W":
            return lambda by: np.zeros(len(entries))
        w = self.theta.weights[layer - 1].reshape(-1)[entries]
        return lambda by: self.penalty_share * ((w + by) ** 2)

    def _moved(self, kind: str, layer: int, entries: Array, by: Array) -> _Outcome:
        """Return the costs of one copy an entry, in which that entry is moved."""
        return self._upwards(*self._z_of_copies(kind, layer, entries, by))

    def _z_of_copies(
        self, kind: str, layer: int, entries: Array, by: Array, *, alone: bool = False
    ) -> tuple[int, Array]:
        """Return the first layer whose z moves, and its z in one copy an entry, (B, N, n_l).

        `by` is how far each entry is moved, (B,) or (B, N); `alone` gives only what the moves add:
        F1 is linear.
        """
        layer = layer + 1 if kind == "g" else layer
        a, z = self.passed.a[layer - 1], self.passed.z[layer - 1]
        W, b = self.theta.weights[layer - 1], self.theta.biases[layer - 1]
        copy = np.arange(len(entries))

        def copies(x: Array) -> Array:
            start = np.zeros_like(x) if alone else x
            return np.broadcast_to(start, (len(entries), *x.shape)).astype(by.dtype, order="C")

        others = np.zeros_like if alone else np.asarray
        if kind == "W":
            moved = copies(W)
            moved.reshape(len(entries), -1)[copy, entries] += by
            return layer, backprop.pre_activation(a, moved, others(b))
        if kind == "b":
            moved = copies(b[None])
            moved[copy, 0, entries] += by
            moved = backprop.pre_activation(a, others(W), moved)
            return layer, np.broadcast_to(moved, (len(entries), *z.shape))
        moved = copies(z if kind == "delta" else a)
        moved[copy, :, entries] += by.reshape(len(entries), -1)
        return layer, moved if kind == "delta" else _by_rows(moved, W, others(b))

    def _upwards(self, layer: int, z: Array) -> _Outcome:
        """Return the costs of B copies of z of a layer, (B, N, n_l)."""
        a, sides = z, []
        for number in range(layer, self.depth + 1):
            if number > layer:
                z = _by_rows(a, self.theta.weights[number - 1], self.theta.biases[number - 1])
            a = self._activated(number, z)
            kinks = self.model.activations[number - 1].kinks
            sides += [np.sign(np.real(z) - kink) for kink in kinks]
        if self.model.loss.kinks is not None:
            sides.append(np.sign(np.real(self.model.loss.kinks(self.given.y, a))))
        return _Outcome(self._shares(z, a), sides)

    def _activated(self, layer: int, z: Array) -> Array:
        """Return F2 of copies of z of a layer, (B, N, n_l), computed only where they moved."""
        phi = self.model.activations[layer - 1]
        moved = z != self.passed.z[layer - 1]
        if not phi.elementwise or 2 * np.count_nonzero(moved) > moved.size:
            return _activated_by_rows(z, phi)
        a = np.broadcast_to(self.passed.a[layer], z.shape).astype(z.dtype, order="C")
        a[moved] = backprop.activate(z[moved][:, None], phi)[:, 0]
        return a

    def _shares(self, z: Array, a: Array) -> Array:
        """Return each row's share in J, (B, N), for copies of the last layer, (B, N, k)."""
        copies, y = z.shape[0], self.given.y
        z, a = (x.reshape(-1, y.shape[1]) for x in (z, a))
        passed = Forward([z], [a], [], [], 0.0)
        terms = backprop.cost_terms(self.model, passed, np.tile(y, (copies, 1)))
        return (terms.reshape(copies, *y.shape) * self.share).sum(axis=2)


def _by_rows(a: Array, W: Array, b: Array) -> Array:
    """Return F1 of copies of a layer's inputs, in one product of all their rows."""
    z = backprop.pre_activation(a.reshape(-1, a.shape[2]), W, b)
    return z.reshape(*a.shape[:2], -1)


def _activated_by_rows(z: Array, phi: Any) -> Array:
    """Return F2 of copies of a layer's z, (B, N, n_l): a record takes rows."""
    return backprop.activate(z.reshape(-1, z.shape[2]), phi).reshape(z.shape)


def _crossed(moved: _Outcome, sides: list[Array]) -> Array:
    """Return in which copies and rows, (B, N), a number lies on another side of a kink."""
    crossed: Array = np.zeros(moved.shares.shape, bool)
    for here, there in zip(moved.sides, sides, strict=True):
        crossed = crossed | np.any(here != there, axis=2)
    return crossed

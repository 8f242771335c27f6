"""Numerical derivatives of the cost by one quantity after the other, without backpropagation.

A quantity is an array of a layer: ``"W"`` and ``"b"`` (the parameters), ``"delta"`` (z of the
layer, whose derivative is δ) and ``"g"`` (its activations; those of layer 0 are the inputs). Many
moved copies are computed at a time, from the layer that they act on upwards, by the functions of
:mod:`backpass.core.backprop` for F1, F2 and C; nothing of the backward pass is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.core.backprop import Forward
from backpass.derivatives.batch import Subject

STEP = 1e-5
"""h of the differences: CS231n's."""
COMPLEX_STEP, DIFFERENCES = "complex step", "differences"
TINY_STEP = 1e-30  # of the complex step: there is no subtraction, so it can be this small
FIVE_POINTS = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))
MOST_NUMBERS = 1 << 17  # of the largest array that is computed at a time: it stays in the cache


class Derivative(NamedTuple):
    """Derivatives of J to some entries of a quantity.

    Parameters
    ----------
    values : array of shape (m,), or (m, N) for what has a row a sample
        Without the L2 penalty.
    penalty : array of shape (m,)
        What the L2 penalty adds.
    crossed : array of bool, as `values`
        Whether a kink lay between the ends of the difference.
    """

    values: Array
    penalty: Array
    crossed: Array


@dataclass
class _Outcome:
    """Each row's share in J for B moved copies, (B, N), and the side of every kink it lies on."""

    shares: Array
    sides: list[Array]


class Costs:
    """J of one batch as a function of any quantity.

    Parameters
    ----------
    given : Subject
        NumPy arrays of float64.

    Attributes
    ----------
    passed : Forward
        The forward pass, without dropout.
    share : array of shape (N, k)
        What C makes of one more unit of cost of a sample and output: s_n / S.
    """

    def __init__(self, given: Subject) -> None:
        self.given, self.model = given, given.network.model
        self.passed = backprop.forward(self.model, given.X)
        self.theta = self.model.parameters
        self.depth = len(self.theta.weights)
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

        Parameters
        ----------
        kind : {"W", "b", "delta", "g"}
        layer : int
            1 … L; ``"g"`` has 0 … L − 1.
        entries : array of int
            Indices into the flattened weights; units for the other kinds, all rows at once.
        method : {"differences", "complex step"}
        step : float
            h of the differences.
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

        by = np.full(len(entries), TINY_STEP * 1j)
        moved, penalty = self._moved(kind, layer, entries, by), self._penalty(kind, layer, entries)
        # a number within rounding of a kink may come to lie on its other side in a copy
        own = self._sides(layer + 1 if kind == "g" else layer)
        values, crossed = part(moved.shares), _crossed(moved, own)
        if kind in ("W", "b"):
            values, crossed = values.sum(axis=1), crossed.any(axis=1)
        return Derivative(values, part(penalty(by)), crossed)

    def _sides(self, layer: int) -> list[Array]:
        """Return on which side of every kink the batch itself lies, from a layer upwards."""
        z, phis = self.passed.z[layer - 1 :], self.model.activations[layer - 1 :]
        sides = [np.sign(x - kink) for x, phi in zip(z, phis, strict=True) for kink in phi.kinks]
        if self.model.loss.kinks is not None:
            sides.append(np.sign(self.model.loss.kinks(self.given.y, self.passed.a[-1])))
        return sides

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
        W, b = self.theta.weights[layer - 1], self.theta.biases[layer - 1]
        copy, dtype = np.arange(len(entries)), by.dtype

        def copies(x: Array) -> Array:
            return np.repeat(x[None], len(entries), axis=0).astype(dtype)

        if kind == "W":
            moved = copies(W)
            moved.reshape(len(entries), -1)[copy, entries] += by
            z = backprop.pre_activation(self.passed.a[layer - 1], moved, b)
        elif kind == "b":
            moved = copies(b[None])
            moved[copy, 0, entries] += by
            z = backprop.pre_activation(self.passed.a[layer - 1], W, moved)
            z = np.broadcast_to(z, (len(entries), *self.passed.z[layer - 1].shape))
        elif kind == "delta":
            z = copies(self.passed.z[layer - 1])
            z[copy, :, entries] += by.reshape(len(entries), -1)
        else:
            moved = copies(self.passed.a[layer])
            moved[copy, :, entries] += by.reshape(len(entries), -1)
            above = self.theta.weights[layer], self.theta.biases[layer]
            return self._upwards(layer + 1, backprop.pre_activation(moved, *above))
        return self._upwards(layer, z)

    def _upwards(self, layer: int, z: Array) -> _Outcome:
        """Return the costs of B copies of z of a layer, (B, N, n_l)."""
        copies, rows = z.shape[:2]
        z, sides = z.reshape(copies * rows, -1), []
        a = z
        for number in range(layer, self.depth + 1):
            if number > layer:
                W, b = self.theta.weights[number - 1], self.theta.biases[number - 1]
                z = backprop.pre_activation(a, W, b)
            phi = self.model.activations[number - 1]
            a = backprop.activate(z, phi)
            sides += [np.sign(np.real(z) - kink) for kink in phi.kinks]
        y, loss = np.tile(self.given.y, (copies, 1)), self.model.loss
        if loss.kinks is not None:
            sides.append(np.sign(np.real(loss.kinks(y, a))))
        terms = backprop.cost_terms(self.model, Forward([z], [a], [], [], 0.0), y)
        shares = (terms.reshape(copies, rows, -1) * self.share).sum(axis=2)
        return _Outcome(shares, [side.reshape(copies, rows, -1) for side in sides])


def _crossed(moved: _Outcome, sides: list[Array]) -> Array:
    """Return in which copies and rows, (B, N), a number lies on another side of a kink."""
    crossed: Array = np.zeros(moved.shares.shape, bool)
    for here, there in zip(moved.sides, sides, strict=True):
        crossed = crossed | np.any(here != there, axis=2)
    return crossed

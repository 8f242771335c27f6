"""How far apart two right computations of a training step may lie: running error bounds.

The truth is the reference engine in float64, on the very numbers that the engine under test sees
(a float32 problem is widened, not drawn anew). Beside every quantity its absolute error bound is
carried through the equations, in units of eps = 2u, which covers two computations of u each:

* a sum of n products, in any order, with or without fused multiply-adds, errs by at most n·u times
  the sum of magnitudes (Higham, *Accuracy and Stability*, section 3.1): F1, B2a, B3, B4, S;
* a function of a number z that errs by e varies by its range over [z − e, z + e], kinks included;
  evaluating it costs up to 4 ULP on either side, relative to what it is put together from;
* numbers below the smallest normal one may be taken as 0: `tiny` is added where that can happen.

Each bound is a worst case of these and of nothing else; no constant was fitted to a result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from backpass.core import backprop
from backpass.core.optimizers import Optimizer
from backpass.core.parameters import Model, Parameters

ULPS = 8  # of eps: an elementary function of 4 ULP on either side
LANES = 64  # a long sum of squares is blocked: at most so many roundings on either side


@dataclass
class Bound:
    """A value of the truth, and how far a right computation may be from it."""

    value: Any
    error: Any


@dataclass
class Problem:
    """One batch as an engine sees it: numbers of the engine's dtype, widened to float64."""

    model: Model
    X: Any
    y: Any
    s: Any
    dtype: Any
    alpha: float = 0.0
    dropout: float = 0.0
    masks: list[Any] | None = None
    ceiling: float | None = None

    @property
    def eps(self) -> float:
        return float(np.finfo(self.dtype).eps)

    @property
    def tiny(self) -> float:
        return float(np.finfo(self.dtype).tiny)


def widened(model: Model, flat: Any = None) -> Model:
    """Return the model, or the one with other parameters `flat`, in float64."""
    flat = model.parameters.flat if flat is None else flat
    return model.with_parameters(Parameters(model.parameters.sizes, flat.astype(np.float64)))


def range_over(f: Callable[[Any], Any], x: Any, e: Any) -> tuple[Any, Any]:
    """Return f(x) and how far it gets from that on [x − e, x + e]."""
    centre = f(x)
    return centre, np.maximum(abs(f(x - e) - centre), abs(f(x + e) - centre))


@dataclass
class Bounds:
    """Every quantity of a pass over one batch."""

    output: Bound
    data: Bound
    penalty: Bound
    gradient: Bound


class Pass:
    """Both passes over one batch with their error bounds; see the equations of backprop.py."""

    def __init__(self, problem: Problem) -> None:
        self.p, self.theta = problem, problem.model.parameters
        p, L = problem, len(self.theta.weights)
        masks = p.masks or [None] * L
        self.keep = [1.0 if m is None else m / (1 - p.dropout) for m in masks]
        # inputs, z, a and phi' of every layer, each with its error
        self.inputs: list[Bound] = [Bound(p.X, np.zeros_like(p.X))]
        self.z: list[Bound] = []
        self.slope: list[Bound | None] = []
        for layer in range(L):
            self._forward(layer)
        self.a = self.inputs.pop()

    def _forward(self, layer: int) -> None:
        p, eps = self.p, self.p.eps
        W, b = self.theta.weights[layer], self.theta.biases[layer]
        phi, below = p.model.activations[layer], self.inputs[-1]
        z = below.value @ W + b
        magnitude = abs(below.value) @ abs(W) + abs(b)
        e = below.error @ abs(W) + (W.shape[0] + 1) * (eps * magnitude + p.tiny)
        self.z.append(Bound(z, e))
        if phi.elementwise:
            a, e_a = range_over(phi.value, z, e)
            e_a = e_a + ULPS * eps * (abs(a) + abs(z)) + p.tiny
            d, e_d = range_over(lambda x: phi.derivative(x, phi.value(x)), z, e)
            e_d = e_d + 2 * ULPS * eps * (1 + abs(d) + abs(z) + abs(a)) + p.tiny
            keep = self.keep[layer]
            self.slope.append(Bound(d * keep, (e_d + 2 * eps * abs(d)) * keep))
            self.inputs.append(Bound(a * keep, (e_a + 2 * eps * abs(a)) * keep))
        else:
            a = phi.value(z)
            spread = (a * e).sum(axis=1, keepdims=True)
            grown = np.exp(2 * e.max(axis=1, keepdims=True))
            below_top = z.max(axis=1, keepdims=True) - z
            e_a = a * ((e + spread) * grown + eps * (ULPS + z.shape[1] + below_top)) + p.tiny
            self.slope.append(None)
            self.inputs.append(Bound(a, e_a))

    def cost(self) -> tuple[Bound, Bound]:
        """C: the mean loss and the L2 penalty."""
        p, eps = self.p, self.p.eps
        loss, z, a, y = p.model.loss, self.z[-1], self.a, p.y
        fused = loss.fused.get(p.model.activations[-1].name)
        size = (1 + abs(y)) * (1 + abs(a.value) + abs(z.value) + np.log1p(abs(y)))
        if fused is not None and not p.model.activations[-1].elementwise:
            terms = fused.terms(y, z.value)
            top = abs(z.value).max(axis=1, keepdims=True)
            e = abs(y) * 2 * z.error.max(axis=1, keepdims=True)
            e = e + ULPS * eps * abs(y) * (1 + top + z.value.shape[1])
        elif fused is not None:
            terms, e = range_over(lambda x: fused.terms(y, x), z.value, z.error)
            e = e + ULPS * eps * size
        else:
            near = a.error + 2 * eps * (1 + abs(a.value) + abs(y))
            terms, e = range_over(lambda x: loss.terms(y, x), a.value, near)
            e = e + ULPS * eps * (1 + abs(a.value)) * (1 + abs(y))
        if p.ceiling is not None:  # no steeper than 1
            terms = np.where(terms > p.ceiling, p.ceiling, terms)
        S, lengths = p.s.sum(), sum(y.shape) + 4
        e = e + lengths * eps * abs(terms) + p.tiny
        data = Bound((p.s * terms.sum(axis=1)).sum() / S, (p.s * e.sum(axis=1)).sum() / S)
        penalty = p.alpha * sum((W * W).sum() for W in self.theta.weights) / (2 * S)
        return data, Bound(penalty, (LANES + len(p.s)) * eps * penalty + p.tiny)

    def output_derivative(self) -> Bound:
        """∂C/∂z_L, before the factor s/S."""
        p, eps = self.p, self.p.eps
        loss, a, y, slope = p.model.loss, self.a, p.y, self.slope[-1]
        fused = loss.fused.get(p.model.activations[-1].name)
        # what a residual is rounded by can carry it over a kink
        near = a.error + 2 * eps * (1 + abs(a.value) + abs(y))
        if fused is not None:
            q, e = range_over(lambda x: fused.delta(y, x), a.value, near)
            return Bound(q, e + ULPS * eps * (abs(a.value) + abs(y)))
        if slope is None:  # squared error of softmax: a_i (r_i − Σ a_k r_k)
            r, k = a.value - y, y.shape[1]
            mean = (a.value * r).sum(axis=1, keepdims=True)
            total = (a.value * abs(r)).sum(axis=1, keepdims=True)
            e_mean = (near * (abs(r) + a.value)).sum(axis=1, keepdims=True)
            e = near * (abs(r) + abs(mean)) + a.value * (near + e_mean)
            e = e + (k + ULPS) * eps * a.value * (abs(r) + total)
            return Bound(a.value * (r - mean), e)
        d, e = range_over(lambda x: loss.derivative(y, x), a.value, near)
        e = e + ULPS * eps * abs(d)
        e = e * (abs(slope.value) + slope.error) + abs(d) * slope.error
        return Bound(d * slope.value, e + 2 * eps * abs(d * slope.value))

    def gradient(self) -> Bound:
        """B1 … B4: ∂J/∂θ."""
        p, eps, theta = self.p, self.p.eps, self.theta
        n, S = len(p.s), p.s.sum()
        found = Parameters(theta.sizes, np.zeros_like(theta.flat))
        error = Parameters(theta.sizes, np.zeros_like(theta.flat))
        share, q = (p.s / S)[:, None], self.output_derivative()
        delta = Bound(share * q.value, share * (q.error + (n + 4) * eps * abs(q.value)) + p.tiny)
        for layer in range(len(theta.weights) - 1, -1, -1):
            W, below = theta.weights[layer], self.inputs[layer]
            size, far = abs(delta.value), abs(delta.value) + delta.error
            found.weights[layer][...] = below.value.T @ delta.value + p.alpha / S * W
            error.weights[layer][...] = (
                abs(below.value).T @ delta.error + below.error.T @ far
                + (n + 2) * (eps * abs(below.value).T @ size + p.tiny)
                + (n + 4) * eps * p.alpha / S * abs(W)
            )  # fmt: skip
            found.biases[layer][...] = delta.value.sum(axis=0)
            error.biases[layer][...] = delta.error.sum(axis=0) + n * eps * size.sum(axis=0)
            if layer:
                delta = self._below(delta, W, self.slope[layer - 1])
        return Bound(found.flat, error.flat)

    def _below(self, delta: Bound, W: Any, slope: Any) -> Bound:
        eps = self.p.eps
        g, size = delta.value @ W.T, abs(delta.value) @ abs(W).T
        e = delta.error @ abs(W).T + W.shape[1] * (eps * size + self.p.tiny)
        e = e * (abs(slope.value) + slope.error) + abs(g) * slope.error
        return Bound(g * slope.value, e + 2 * eps * abs(g * slope.value) + self.p.tiny)


def bounds(problem: Problem) -> Bounds:
    """Return output, cost and gradient of a batch with their error bounds.

    The values are held to backprop.py itself, so that a slip here cannot pass for a bound.
    """
    passed = Pass(problem)
    data, penalty = passed.cost()
    gradient = passed.gradient()
    p = problem
    J, true = backprop.loss_and_gradients(
        p.model, p.X, p.y, p.s, alpha=p.alpha, masks=p.masks, dropout=p.dropout,
        ceiling=p.ceiling, inputs=False,
    )  # fmt: skip
    assert abs(float(J) - data.value - penalty.value) <= 1e-9 * (1 + abs(float(J)))
    assert (abs(true.flat - gradient.value) <= 1e-9 * (1 + abs(true.flat).max())).all()
    return Bounds(passed.a, data, penalty, Bound(true.flat, gradient.error))


def clipped(gradient: Bound, clip_norm: float | None, eps: float) -> Bound:
    """Return the gradient scaled down to `clip_norm`: a continuous function of its norm."""
    if clip_norm is None:
        return gradient
    g, e = gradient.value, gradient.error
    norm = float(np.linalg.norm(g))
    e_norm = float(np.linalg.norm(e)) + LANES * eps * norm
    scale = min(1.0, clip_norm / norm) if norm else 1.0
    relative = e_norm / max(norm - e_norm, e_norm) if norm + e_norm > clip_norm else 0.0
    return Bound(scale * g, scale * (e + abs(g) * (relative + 2 * eps)))


def updated(
    optimizer: Optimizer, problem: Problem, gradient: Bound, state: dict[str, Any], t: int,
    rate: float, alpha: float = 0.0,
) -> tuple[Bound, dict[str, Bound]]:  # fmt: skip
    """Return θ and the state after step `t`: U over the interval that the gradient lies in.

    U is evaluated at both ends, in the middle and next to 0, with state that is off by 4 eps
    either way: the roundings of a slot's own update, relative to its parts.
    """
    eps, theta = problem.eps, problem.model.parameters
    g, e = gradient.value, gradient.error + 4 * eps * abs(gradient.value)
    decay = rate * alpha * theta.is_weight() * theta.flat if optimizer.decoupled else 0 * theta.flat
    middle, after = optimizer.step(theta.flat, g, state, t, rate)
    error = np.zeros_like(middle)
    errors = {name: np.zeros_like(middle) for name in after}
    for off in product((1 - 4 * eps, 1 + 4 * eps), repeat=len(state)):
        moved = {name: x * f for (name, x), f in zip(state.items(), off, strict=True)}
        for h in (g - e, g, g + e, np.clip(0.0, g - e, g + e)):
            end, slots = optimizer.step(theta.flat, h, moved, t, rate)
            error = np.maximum(error, abs(end - middle))
            errors = {
                name: np.maximum(errors[name], abs(slots[name] - after[name])) for name in after
            }
    # an underflow, divided by no less than Adam's and RMSprop's epsilon of 1e-8 or more
    small = 1e9 * problem.tiny
    error = error + ULPS * eps * (abs(middle - theta.flat) + abs(decay)) + small
    # two terms are added to θ: v and −η g of Nesterov, the step and the decay of AdamW
    error = error + 2 * eps * (abs(middle) + abs(decay))
    return Bound(middle - decay, error), {
        name: Bound(after[name], errors[name] + 4 * eps * abs(after[name]) + small)
        for name in after
    }

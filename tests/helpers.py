"""What the tests of the core share.

A comparator that passes nothing by accident; derivative oracles (centred differences, complex
step); and every activation and loss written down a second time, independently of the package, so
that HIPS autograd (on arrays) and mpmath (in 400 digits) can say what the right numbers are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import autograd
import autograd.numpy as anp
import autograd.scipy.special
import mpmath
import numpy as np
from autograd.extend import defvjp, primitive

from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.arrays import is_sparse
from backpass.core.losses import LOSSES, Loss
from backpass.core.parameters import Model, Parameters, parameter_count

EPS = float(np.finfo(np.float64).eps)
TINY = float(np.finfo(np.float64).tiny)

# --- the comparator ------------------------------------------------------------------------------


def assert_close(got: Any, want: Any, tolerance: Any, what: str = "values") -> None:
    """Fail unless `got` has the shape of `want` and every entry lies within its `tolerance`.

    The tolerance is absolute, one number or one an entry, and must itself be finite. Nothing is
    skipped: NaN agrees with NaN only, an infinity with the same infinity only.
    """
    got, want = np.asarray(got), np.asarray(want)
    tolerance = np.asarray(tolerance, dtype=float)
    assert got.shape == want.shape, f"{what}: shape {got.shape} is not {want.shape}"
    assert np.isfinite(tolerance).all(), f"{what}: the tolerance is not finite"
    assert (tolerance >= 0).all(), f"{what}: the tolerance is negative"
    with np.errstate(all="ignore"):
        gap = np.abs(got - want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    bad = ~same & ~(gap <= tolerance)  # a NaN gap is not <= anything
    if bad.any():
        tolerance = np.broadcast_to(tolerance, bad.shape)
        i = tuple(int(index[0]) for index in np.nonzero(np.atleast_1d(bad)))
        i = i if bad.ndim else ()
        raise AssertionError(
            f"{what}: {int(bad.sum())} of {bad.size} differ; first at {i}: {got[i]!r} is not "
            f"{want[i]!r} (difference {gap[i]:.3g}, tolerance {tolerance[i]:.3g})"
        )


def assert_identical(got: Any, want: Any, what: str = "values") -> None:
    """Fail unless `got` equals `want` to the last bit, in shape and dtype too."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype} is not {want.dtype}"
    assert got.shape == want.shape, f"{what}: shape {got.shape} is not {want.shape}"
    assert got.tobytes() == want.tobytes(), f"{what}: bits differ, by up to {abs(got - want).max()}"


# --- derivatives without derivatives -------------------------------------------------------------

STEP = 1e-30  # of the complex step: there is no subtraction, so it can be this small


def complex_step(f: Callable[[Any], Any], x: Any) -> Any:
    """Return f'(x) of an elementwise analytic `f`: Im f(x + ih) / h."""
    return f(np.asarray(x) + STEP * 1j).imag / STEP


WIDTH = EPS**0.2  # of the five-point rule: balances h⁴ against eps / h


def centred(f: Callable[[Any], Any], x: Any) -> Any:
    """Return f'(x) by the five-point centred difference of order h⁴."""
    h = WIDTH
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


# --- every record written down again -------------------------------------------------------------
# `m` is the mathematics to use: arrays that autograd differentiates, or mpmath's scalars.


@primitive
def _erf(z: Any) -> Any:
    return autograd.scipy.special.erf(z)


defvjp(_erf, lambda ans, z: lambda g: g * 2 / anp.sqrt(anp.pi) * anp.exp(-(z**2)))

ARRAYS = SimpleNamespace(
    exp=anp.exp, log=anp.log, tanh=anp.tanh, erf=_erf, abs=anp.abs, where=anp.where,
    maximum=anp.maximum, minimum=anp.minimum,
)  # fmt: skip

DIGITS = SimpleNamespace(
    exp=mpmath.exp, log=mpmath.log, tanh=mpmath.tanh, erf=mpmath.erf, abs=abs,
    where=lambda condition, yes, no: yes if condition else no,
    maximum=max, minimum=min,
)  # fmt: skip


def selu_constants() -> tuple[float, float]:
    """Return λ and α of SELU from their closed form (Klambauer et al., 2017, equation 14)."""
    with mpmath.workdps(50):
        c, e, pi = mpmath.erfc(1 / mpmath.sqrt(2)), mpmath.e, mpmath.pi
        alpha = -mpmath.sqrt(2 / pi) / (c * mpmath.sqrt(e) - 1)
        spread = (
            2 * mpmath.erfc(mpmath.sqrt(2)) * e**2 + pi * c**2 * e
            - 2 * (2 + pi) * c * mpmath.sqrt(e) + pi + 2
        )  # fmt: skip
        scale = (1 - c * mpmath.sqrt(e)) * mpmath.sqrt(2 * pi) / mpmath.sqrt(spread)
        return float(scale), float(alpha)


SELU_SCALE, SELU_ALPHA = selu_constants()

ACTIVATION_FORMULAS: dict[str, Callable[..., Any]] = {
    "identity": lambda m, z: z * 1,
    "logistic": lambda m, z: 1 / (1 + m.exp(-z)),
    "tanh": lambda m, z: (m.exp(z) - m.exp(-z)) / (m.exp(z) + m.exp(-z)),
    "relu": lambda m, z: m.maximum(z, 0),
    "leaky_relu": lambda m, z, slope: m.where(z > 0, z, slope * z),
    "elu": lambda m, z, alpha: m.where(z > 0, z, alpha * (m.exp(m.minimum(z, 0)) - 1)),
    "selu": lambda m, z: SELU_SCALE * m.where(z > 0, z, SELU_ALPHA * (m.exp(m.minimum(z, 0)) - 1)),
    "gelu": lambda m, z: z * (1 + m.erf(z / np.sqrt(2))) / 2,
    "silu": lambda m, z: z / (1 + m.exp(-z)),
    "mish": lambda m, z: z * m.tanh(m.log(1 + m.exp(z))),
    "softplus": lambda m, z: m.log(1 + m.exp(z)),
    "exp": lambda m, z: m.exp(z),
    "softmax": lambda m, z: m.exp(z) / anp.sum(m.exp(z), axis=1, keepdims=True),
}

LOSS_FORMULAS: dict[str, Callable[..., Any]] = {
    "squared_error": lambda m, y, p: (p - y) ** 2 / 2,
    "absolute_error": lambda m, y, p: m.abs(p - y),
    "huber": lambda m, y, p, delta: m.where(
        m.abs(p - y) <= delta, (p - y) ** 2 / 2, delta * (m.abs(p - y) - delta / 2)
    ),
    "logistic": lambda m, y, p: m.log(1 + m.exp(-y * p)),
    "hinge": lambda m, y, p: m.maximum(1 - y * p, 0),
    "shortfall": lambda m, y, p: m.maximum(y - p, 0),
    # the smoothing is in the targets
    "cross_entropy": lambda m, y, p, label_smoothing=0: -y * m.log(p),
    "binary_cross_entropy": lambda m, y, p: -y * m.log(p) - (1 - y) * m.log(1 - p),
    "poisson": lambda m, y, p: y * m.log(m.where(y > 0, y, p) / p) - y + p,
    "pinball": lambda m, y, p, tau: m.where(y > p, tau * (y - p), (1 - tau) * (p - y)),
}


def activation_formula(phi: Activation, m: Any) -> Callable[[Any], Any]:
    """Return the second writing of `phi` in the mathematics `m`."""
    assert phi.name in ACTIVATION_FORMULAS, (
        f"write {phi.name!r} down again in tests/helpers.py: ACTIVATION_FORMULAS"
    )
    return lambda z: ACTIVATION_FORMULAS[phi.name](m, z, **phi.numbers)


def loss_formula(loss: Loss, m: Any) -> Callable[[Any, Any], Any]:
    """Return the second writing of `loss` in the mathematics `m`."""
    assert loss.name in LOSS_FORMULAS, (
        f"write {loss.name!r} down again in tests/helpers.py: LOSS_FORMULAS"
    )
    return lambda y, p: LOSS_FORMULAS[loss.name](m, y, p, **loss.numbers)


def in_digits(f: Callable[..., Any], *arrays: Any) -> Any:
    """Return f of every entry, evaluated in 400 digits and then rounded."""
    with mpmath.workdps(400):
        rounded = [
            float(f(*(mpmath.mpf(float(x)) for x in entries)))
            for entries in zip(*(np.asarray(a).ravel() for a in arrays), strict=True)
        ]
    return np.reshape(rounded, np.shape(arrays[0]))


# --- which records, with which numbers -----------------------------------------------------------

OTHER_NUMBERS = {
    "leaky_relu": ["leaky_relu:slope=0", "leaky_relu:slope=0.3"],
    "elu": ["elu:alpha=0.5", "elu:alpha=1.7"],
    "huber": ["huber:delta=0.4", "huber:delta=3"],
    "pinball": ["pinball:tau=0.05", "pinball:tau=0.9"],
    "cross_entropy": ["cross_entropy:label_smoothing=0.1"],
    "momentum": ["momentum:momentum=0", "momentum:momentum=0.5"],
    "nesterov": ["nesterov:momentum=0.5"],
    "adam": ["adam:beta_1=0,beta_2=0.5", "adam:epsilon=0.001"],
    "adamw": ["adamw:beta_1=0.5,epsilon=0.001"],
    "rmsprop": ["rmsprop:decay=0.5"],
    "invscaling": ["invscaling:power=0", "invscaling:power=1"],
    "linear_warmup": ["linear_warmup:warmup=0", "linear_warmup:warmup=1"],
    "cosine": ["cosine:warmup=0.25"],
}


def specs(registry: Any) -> list[str]:
    """Return every registered name, then the same records with other numbers."""
    return [*registry, *(spec for name in registry for spec in OTHER_NUMBERS.get(name, ()))]


HIDDEN = [a.name for a in ACTIVATIONS.records() if a.hidden]
PAIRS = [(output, loss.name) for loss in LOSSES.records() for output in loss.outputs]
TRIPLES = [(hidden, output, loss) for output, loss in PAIRS for hidden in HIDDEN]


# --- targets, models and batches -----------------------------------------------------------------


def draw_targets(loss: Loss, n: int, k: int, rng: np.random.Generator) -> Any:
    """Return targets that `loss` accepts: the first kind below that it does."""
    kinds: list[Any] = [
        rng.normal(size=(n, k)),
        rng.poisson(1.3, size=(n, k)).astype(float),
        (rng.random((n, k)) < 0.5).astype(float),
        rng.choice([-1.0, 1.0], size=(n, k)),
        rng.integers(k, size=n),
    ]
    if loss.outputs == ("softmax",):
        kinds.reverse()
    for y in kinds:
        try:
            loss.encode(y, k, np, np.dtype(float))
        except ValueError:
            continue
        return y
    raise AssertionError(f"no kind of target fits {loss.name!r}: add one to draw_targets")


@dataclass
class Case:
    """A model and a batch for it."""

    model: Model
    X: Any
    y: Any
    s: Any
    alpha: float = 0.0
    masks: list[Any] | None = None
    dropout: float = 0.0
    raw_y: Any = None

    def run(self, **options: Any) -> tuple[Any, Any]:
        """Return J and the gradients, as training computes them."""
        return backprop.loss_and_gradients(
            self.model, self.X, self.y, self.s,
            **{"alpha": self.alpha, "masks": self.masks, "dropout": self.dropout, **options},
        )  # fmt: skip

    def value(self, flat: Any, X: Any, **options: Any) -> Any:
        """Return our J for other parameters and inputs, forward pass only."""
        model = self.model.with_parameters(Parameters(self.model.parameters.sizes, flat))
        passed = backprop.forward(model, X, masks=self.masks, dropout=self.dropout)
        return backprop.cost(model, passed, self.y, self.s, alpha=self.alpha, **options).total

    def oracle(self, flat: Any, X: Any) -> Any:
        """Return J as autograd's arrays compute it, from the records' second writing."""
        model, a, start, penalty = self.model, X, 0, 0.0
        masks = self.masks or [None] * len(model.activations)
        layers = zip(pairwise(model.parameters.sizes), model.activations, masks, strict=True)
        for (n_in, n_out), phi, mask in layers:
            W = anp.reshape(flat[start : start + n_in * n_out], (n_in, n_out))
            start += n_in * n_out
            b = flat[start : start + n_out]
            start += n_out
            a = activation_formula(phi, ARRAYS)(anp.dot(a, W) + b)
            if mask is not None:
                a = a * (mask / (1 - self.dropout))
            penalty = penalty + anp.sum(W**2)
        terms = loss_formula(model.loss, ARRAYS)(self.y, a)
        S = np.sum(self.s)
        return anp.dot(self.s, anp.sum(terms, axis=1)) / S + self.alpha / (2 * S) * penalty


def draw_case(
    sizes: Sequence[int],
    hidden: str | Sequence[str],
    output: str,
    loss: str,
    *,
    n: int = 5,
    alpha: float = 0.0,
    dropout: float = 0.0,
    seed: int = 0,
) -> Case:
    """Return a model and a batch of `n` rows that stay clear of every kink."""
    hidden = [hidden] * (len(sizes) - 2) if isinstance(hidden, str) else list(hidden)
    for attempt in range(500):
        rng = np.random.default_rng([seed, attempt])
        theta = Parameters(sizes, np.empty(parameter_count(sizes)))
        for W, b in zip(theta.weights, theta.biases, strict=True):
            W[...] = rng.normal(size=W.shape) / np.sqrt(W.shape[0])
            b[...] = 0.3 * rng.normal(size=b.shape)
        model = Model.from_specs(theta, [*hidden, output], loss)
        raw_y = draw_targets(model.loss, n, sizes[-1], rng)
        masks = None
        if dropout:
            masks = [(rng.random((n, w)) >= dropout).astype(float) for w in sizes[1:-1]]
            masks = [*masks, None]
        case = Case(
            model,
            rng.normal(size=(n, sizes[0])),
            model.loss.encode(raw_y, sizes[-1], np, np.dtype(float)),
            rng.uniform(0.2, 3.0, size=n),
            alpha,
            masks,
            dropout,
            raw_y,
        )
        if _clear_of_kinks(case):
            return case
    raise AssertionError("no draw stays clear of the kinks")


def _clear_of_kinks(case: Case, margin: float = 5e-3) -> bool:
    """Return whether a small step crosses no kink, nor a jump of a second derivative."""
    passed = backprop.forward(case.model, case.X, masks=case.masks, dropout=case.dropout)
    gaps = [
        np.abs(z - kink).min()
        for z, phi in zip(passed.z, case.model.activations, strict=True)
        for kink in (phi.kinks or ((0.0,) if phi.name == "elu" else ()))
    ]
    loss, p = case.model.loss, passed.a[-1]
    if loss.kinks is not None:
        gaps.append(np.abs(loss.kinks(case.y, p)).min())
    if loss.name == "huber":
        gaps.append(np.abs(np.abs(p - case.y) - loss.numbers["delta"]).min())
    return all(gap > margin for gap in gaps)


# --- how exact a gradient can be -----------------------------------------------------------------


def gradient_tolerance(case: Case, factor: float = 8.0) -> tuple[Any, Any]:
    """Return the absolute rounding error to allow for every entry of ∂J/∂θ and of ∂J/∂X.

    A forward error analysis in units of eps: e is the error carried by an activation, d by an
    error signal. A product of length n adds n times the product of the magnitudes; φ passes an
    error on times |φ'|, and the error of φ' is the error of z times |φ''| ≤ 2 (all hidden
    activations). `factor` covers two computations in different order.
    """
    model = case.model
    X = np.asarray(case.X.todense() if is_sparse(case.X) else case.X)
    passed = backprop.forward(model, X, masks=case.masks, dropout=case.dropout)
    masks = case.masks or [None] * len(model.activations)
    keep = [1.0 if m is None else m / (1 - case.dropout) for m in masks]
    weights, biases = model.parameters.weights, model.parameters.biases
    e, errors, z_errors, slopes = np.zeros_like(X), [np.zeros_like(X)], [], []
    for layer, (W, b, phi) in enumerate(zip(weights, biases, model.activations, strict=True)):
        below, z, a = passed.inputs[layer], passed.z[layer], passed.a[layer + 1]
        ez = e @ abs(W) + (W.shape[0] + 1) * (abs(below) @ abs(W) + abs(b))
        slope = abs(phi.derivative(z, a))
        slope = slope if phi.elementwise else slope.sum(axis=2)
        e = (ez * slope + 4 * abs(a)) * keep[layer]
        errors.append(e)
        z_errors.append(ez)
        slopes.append(slope)
    k, p = model.parameters.sizes[-1], passed.a[-1]
    share = (case.s / case.s.sum())[:, None]
    derivative = abs(backprop.output_derivative(model, passed, case.y))
    raw = abs(p) + abs(case.y) + abs(model.loss.derivative(case.y, p))
    d = share * (
        k * raw * np.maximum(1, slopes[-1])
        + _curvature(case, passed) * z_errors[-1].max(axis=1, keepdims=True)
        + case.s.size * derivative
    )
    delta = share * derivative
    tolerance = Parameters(model.parameters.sizes, np.zeros_like(model.parameters.flat))
    n = case.s.size
    for layer in range(len(weights) - 1, -1, -1):
        W, below = weights[layer], abs(passed.inputs[layer])
        tolerance.weights[layer][...] = (
            below.T @ d + errors[layer].T @ delta + n * (below.T @ delta)
            + 4 * case.alpha / case.s.sum() * abs(W)
        )  # fmt: skip
        tolerance.biases[layer][...] = d.sum(axis=0) + n * delta.sum(axis=0)
        g = delta @ abs(W).T
        dg = d @ abs(W).T + W.shape[1] * g
        if layer:
            slope, z = slopes[layer - 1], passed.z[layer - 1]
            d = keep[layer - 1] * (dg * slope + g * (2 * z_errors[layer - 1] + 8 * (1 + abs(z))))
            delta = g * slope * keep[layer - 1]
    return factor * EPS * tolerance.flat + TINY, factor * EPS * dg + TINY


def _curvature(case: Case, passed: Any) -> Any:
    """Return how strongly ∂C/∂z_L of a row answers to z_L, (N, 1), by differences."""
    model, phi, h = case.model, case.model.activations[-1], 1e-6
    rows = np.zeros((case.s.size, 1))
    for column in range(model.parameters.sizes[-1]):
        ends = []
        for sign in (1, -1):
            z = passed.z[-1].copy()
            z[:, column] += sign * h
            moved = backprop.Forward(
                [*passed.z[:-1], z], [*passed.a[:-1], phi.value(z)], passed.inputs, passed.masks,
                passed.dropout,
            )  # fmt: skip
            ends.append(backprop.output_derivative(model, moved, case.y))
        rows += np.abs(ends[0] - ends[1]).sum(axis=1, keepdims=True) / (2 * h)
    return rows


def differences_tolerance(case: Case, J: float) -> float:
    """Return what the five-point rule can reach: eps^(4/5), times the size of the problem."""
    return 100 * len(case.model.activations) * EPS**0.8 * (1 + abs(float(J)))


def autograd_gradients(case: Case) -> tuple[float, Any, Any]:
    """Return J, ∂J/∂θ and ∂J/∂X as HIPS autograd sees them."""
    flat = case.model.parameters.flat
    value = autograd.value_and_grad(case.oracle, argnum=(0, 1))
    J, (by_flat, by_X) = value(flat, case.X)
    return float(J), by_flat, by_X


def complex_step_gradients(case: Case, **options: Any) -> tuple[Any, Any]:
    """Return ∂J/∂θ and ∂J/∂X by the complex step through our own forward pass and cost."""
    flat, X = case.model.parameters.flat, case.X

    def along(i: int, x: Any) -> Any:
        moved = x.astype(complex)
        moved.flat[i] += STEP * 1j
        return moved

    by_flat = [case.value(along(i, flat), X, **options).imag / STEP for i in range(flat.size)]
    by_X = [case.value(flat, along(i, X), **options).imag / STEP for i in range(X.size)]
    return np.array(by_flat), np.reshape(by_X, X.shape)


def centred_gradients(case: Case) -> tuple[Any, Any]:
    """Return ∂J/∂θ and ∂J/∂X by five-point centred differences."""
    flat, X = case.model.parameters.flat, case.X

    def along(i: int, x: Any, h: float) -> Any:
        moved = x.copy()
        moved.flat[i] += h
        return moved

    by_flat = [
        centred(lambda h, i=i: case.value(along(i, flat, h), X), 0.0) for i in range(flat.size)
    ]
    by_X = [centred(lambda h, i=i: case.value(flat, along(i, X, h)), 0.0) for i in range(X.size)]
    return np.array(by_flat), np.reshape(by_X, X.shape)


def unregistered() -> Iterator[str]:
    """Yield names that this file writes down although the package no longer has them."""
    yield from set(ACTIVATION_FORMULAS) - set(ACTIVATIONS)
    yield from set(LOSS_FORMULAS) - set(LOSSES)

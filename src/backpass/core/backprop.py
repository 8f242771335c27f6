r"""Forward and backward pass: the readable truth of backpass.

One small function per equation, tagged with its id (see :mod:`backpass.core.equations`), then the
two loops that use them: :func:`forward` (note 3, "Backpropagation", section 5.2; note 5, step 1)
and :func:`backward` (note 4, slide "Backpropagation and gradient computation"; note 5, step 2).
Every other way to compute these numbers in this project, fast or slow, is held to this file by
tests.

Layout: samples in rows, X (N, n_0), ``W`` (in, out). The functions take arrays of any array-API
library; X may be a SciPy sparse matrix where the parameters are NumPy arrays.

An observer ``observe(id, layer, operands, result)`` sees every equation as it is computed; layers
are numbered 1 … L as in the notes. It gets the arrays themselves: it must not change them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from backpass.core.arrays import Array, namespace
from backpass.core.losses import Fused
from backpass.core.parameters import Gradients, Model, Parameters

__all__ = [
    "Cost",
    "Forward",
    "backward",
    "cost",
    "forward",
    "loss_and_gradients",
    "output_derivative",
]

Observer: TypeAlias = Callable[[str, int, Mapping[str, Any], Array], None]
Masks: TypeAlias = Sequence[Array | None]


def pre_activation(a: Array, W: Array, b: Array) -> Array:  # F1
    # a (N, in), W (in, out), b (out,) → (N, out)
    return a @ W + b


def activate(z: Array, phi: Any) -> Array:  # F2
    # z (N, out) → (N, out)
    return phi.value(z)


def drop(a: Array, mask: Array, p: float) -> Array:  # D, forward and backward alike
    # a (N, out), mask (N, out) → (N, out)
    return a * mask / (1 - p)


class Cost(NamedTuple):
    """The cost of a batch in its two terms."""

    total: Array  # J, the sum of both
    data: Array  # the mean of the samples' costs
    penalty: Array  # the L2 penalty α Σ‖W‖² / (2 S)


def mean_cost(terms: Array, s: Array, alpha: float, penalty: Array) -> Cost:  # C
    # terms (N, k), s (N,), penalty Σ‖W‖² () → three numbers ()
    xp = namespace(terms)
    S = xp.sum(s)
    data, penalty = xp.sum(s * xp.sum(terms, axis=1)) / S, alpha * penalty / (2 * S)
    return Cost(data + penalty, data, penalty)


def chained_derivative(dC: Array, dphi: Array) -> Array:  # B1z
    # dC ∂C/∂a_L (N, k), dphi ∂a_L/∂z_L (N, k), of softmax (N, k, i) → (N, k)
    if dphi.ndim == 2:
        return dC * dphi
    return namespace(dC).sum(dC[:, :, None] * dphi, axis=1)


def fused_derivative(y: Array, a: Array, pair: Fused) -> Array:  # B1f
    # y (N, k), a (N, k) → (N, k)
    return pair.delta(y, a)


def output_error(s: Array, derivative: Array) -> Array:  # B1
    # s (N,), derivative ∂C/∂z_L (N, k) → (N, k)
    return (s / namespace(s).sum(s))[:, None] * derivative


def error_below(delta: Array, W: Array) -> Array:  # B2a
    # delta (N, out), W (in, out) → (N, in)
    return delta @ W.T


def hidden_error(g: Array, dphi: Array) -> Array:  # B2b
    # g (N, out), dphi (N, out) → (N, out)
    return g * dphi


def weight_gradient(a: Array, delta: Array, W: Array, alpha: float, S: Array) -> Array:  # B3
    # a (N, in), delta (N, out), W (in, out) → (in, out)
    return a.T @ delta + (alpha / S) * W


def bias_gradient(delta: Array) -> Array:  # B4
    # delta (N, out) → (out,)
    return namespace(delta).sum(delta, axis=0)


@dataclass(frozen=True)
class Forward:
    """The arrays that the forward pass keeps for the backward pass.

    Parameters
    ----------
    z : list of arrays (N, n_l)
        Pre-activations of layers 1 … L.
    a : list of arrays (N, n_l)
        Activations of layers 0 … L (a[0] is X), before dropout.
    inputs : list of arrays (N, n_l)
        What layers 1 … L received: a[l], after dropout where there is any.
    masks : list of arrays (N, n_l) or None
        Dropout masks of layers 1 … L.
    dropout : float
        The rate they were drawn with.
    """

    z: list[Array]
    a: list[Array]
    inputs: list[Array]
    masks: Masks
    dropout: float


def _run(
    observe: Observer | None,
    equation_id: str,
    layer: int,
    equation: Callable[..., Array],
    **operands: Any,
) -> Array:
    """Evaluate one equation and show it to the observer."""
    result = equation(**operands)
    if observe is not None:
        observe(equation_id, layer, operands, result)
    return result


def forward(
    model: Model,
    X: Array,
    *,
    masks: Masks | None = None,
    dropout: float = 0.0,
    observe: Observer | None = None,
) -> Forward:
    """Compute every layer from the input to the output (F1, F2, D).

    Parameters
    ----------
    model : Model
    X : array of shape (N, n_0)
    masks : sequence of arrays (N, n_l) or None, optional
        Dropout masks of layers 1 … L, None where a layer has none.
    dropout : float
        The rate that the masks were drawn with.
    observe : callable, optional
        Sees every equation.
    """
    theta = model.parameters
    masks = masks if masks is not None else [None] * len(theta.weights)
    z, a, inputs = [], [X], [X]
    layers = zip(theta.weights, theta.biases, model.activations, masks, strict=True)
    for layer, (W, b, phi, mask) in enumerate(layers, start=1):
        z.append(_run(observe, "F1", layer, pre_activation, a=inputs[-1], W=W, b=b))
        a.append(_run(observe, "F2", layer, activate, z=z[-1], phi=phi))
        below = a[-1]
        if mask is not None:
            below = _run(observe, "D", layer, drop, a=below, mask=mask, p=dropout)
        inputs.append(below)
    return Forward(z, a, inputs[:-1], masks, dropout)


def cost_terms(model: Model, passed: Forward, y: Array, *, fused: bool = True) -> Array:
    """Return the cost of every sample and output, (N, k), from logits where that is stable."""
    pair = _fused(model, fused)
    if pair is not None:
        return pair.terms(y, passed.z[-1])
    return model.loss.terms(y, passed.a[-1])


def cost(
    model: Model,
    passed: Forward,
    y: Array,
    s: Array,
    *,
    alpha: float = 0.0,
    ceiling: float | None = None,
    fused: bool = True,
    observe: Observer | None = None,
) -> Cost:
    """Return J and its two terms (C): the samples' weighted mean, and the L2 penalty.

    A sample's cost is the sum over its outputs.

    Parameters
    ----------
    model, passed
        The model and its forward pass.
    y : array of shape (N, k)
        Encoded targets.
    s : array of shape (N,)
        Sample weights.
    alpha : float
        L2 strength.
    ceiling : float, optional
        Largest cost of one sample and output. scikit-learn clips probabilities at eps, so its
        log-loss, and what follows from it, never exceeds −log eps a term.
    fused : bool
        Whether loss and output activation may be evaluated together (stable) where declared.
    """
    terms = cost_terms(model, passed, y, fused=fused)
    if ceiling is not None:
        xp = namespace(terms)
        terms = xp.where(terms > ceiling, xp.asarray(ceiling, dtype=terms.dtype), terms)
    penalty = _squared_norm(model) if alpha else 0.0
    operands = {"terms": terms, "s": s, "alpha": alpha, "penalty": penalty}
    found = mean_cost(**operands)
    if observe is not None:
        costs = namespace(terms).sum(terms, axis=1)  # of every sample
        observe("C", len(passed.z), {"y": y, "costs": costs, **operands}, found.total)
    return found


def _squared_norm(model: Model) -> Array:
    """Return Σ‖W‖² over the layers; biases are not penalised."""
    return sum(namespace(W).sum(W * W) for W in model.parameters.weights)


def _fused(model: Model, fused: bool) -> Fused | None:
    return model.loss.fused.get(model.activations[-1].name) if fused else None


def output_derivative(
    model: Model, passed: Forward, y: Array, *, fused: bool = True, observe: Observer | None = None
) -> Array:
    """Return ∂C/∂z_L, (N, k): in one formula where declared (B1f), else by the chain rule (B1z).

    For an elementwise activation ∂a_L/∂z_L is diagonal; for softmax it is the Jacobian
    [n, k, i] = ∂a_k/∂z_i.
    """
    z, a, phi, last = passed.z[-1], passed.a[-1], model.activations[-1], len(model.activations)
    pair = _fused(model, fused)
    if pair is not None:
        return _run(observe, "B1f", last, fused_derivative, y=y, a=a, pair=pair)
    dC, dphi = model.loss.derivative(y, a), phi.derivative(z, a)
    return _run(observe, "B1z", last, chained_derivative, dC=dC, dphi=dphi)


def backward(
    model: Model,
    passed: Forward,
    y: Array,
    s: Array,
    *,
    alpha: float = 0.0,
    fused: bool = True,
    inputs: bool = True,
    observe: Observer | None = None,
) -> Gradients:
    """Compute ∂J/∂θ and ∂J/∂X from the output back to the input (B1z or B1f, B1 … B4).

    Parameters
    ----------
    model, passed
        The model and its forward pass.
    y : array of shape (N, k)
        Encoded targets.
    s : array of shape (N,)
        Sample weights.
    alpha : float
        L2 strength.
    inputs : bool
        Whether ∂J/∂X is wanted; training does not need it.
    fused, observe
        As in :func:`cost` and :func:`forward`.
    """
    theta = model.parameters
    xp = namespace(theta.flat)
    gradient = Parameters(theta.sizes, xp.zeros_like(theta.flat))
    S = xp.sum(s)
    last = len(theta.weights)
    derivative = output_derivative(model, passed, y, fused=fused, observe=observe)
    delta = _run(observe, "B1", last, output_error, s=s, derivative=derivative)
    for layer in range(last, 0, -1):
        W, a = theta.weights[layer - 1], passed.inputs[layer - 1]
        gradient.weights[layer - 1][...] = _run(
            observe, "B3", layer, weight_gradient, a=a, delta=delta, W=W, alpha=alpha, S=S
        )
        gradient.biases[layer - 1][...] = _run(observe, "B4", layer, bias_gradient, delta=delta)
        if layer > 1 or inputs:
            g = _run(observe, "B2a", layer - 1, error_below, delta=delta, W=W)
        if layer > 1:
            delta = _error_through(model, passed, layer - 1, g, observe)
    return Gradients(gradient, g if inputs else None)


def _error_through(
    model: Model, passed: Forward, layer: int, g: Array, observe: Observer | None
) -> Array:
    """Take g = ∂J/∂(output of `layer`) back through its dropout and its activation (D, B2b)."""
    mask = passed.masks[layer - 1]
    if mask is not None:
        g = _run(observe, "D", layer, drop, a=g, mask=mask, p=passed.dropout)
    dphi = model.activations[layer - 1].derivative(passed.z[layer - 1], passed.a[layer])
    return _run(observe, "B2b", layer, hidden_error, g=g, dphi=dphi)


def loss_and_gradients(
    model: Model,
    X: Array,
    y: Array,
    s: Array,
    *,
    alpha: float = 0.0,
    masks: Masks | None = None,
    dropout: float = 0.0,
    ceiling: float | None = None,
    fused: bool = True,
    inputs: bool = True,
    observe: Observer | None = None,
) -> tuple[Array, Gradients]:
    """Return J and its gradient for a batch: one forward and one backward pass.

    Parameters
    ----------
    model : Model
    X : array of shape (N, n_0)
    y : array of shape (N, k)
        Encoded targets.
    s : array of shape (N,)
        Sample weights; their sum must be positive.
    alpha, masks, dropout, ceiling, fused, inputs, observe
        As in :func:`forward`, :func:`cost` and :func:`backward`.

    Examples
    --------
    One neuron, h = Φ(ωα + β) with Φ = σ, and the squared error (note 4's single neuron):

    >>> import numpy as np
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> X, y, s = np.array([[0.5]]), np.array([[1.0]]), np.ones(1)
    >>> J, gradients = loss_and_gradients(neuron, X, y, s)
    >>> float(J), gradients.flat, gradients.inputs  # z = 0, a = ½, δ = (a − y)·a(1 − a) = −⅛
    (0.125, array([-0.0625, -0.125 ]), array([[-0.25]]))
    """
    passed = forward(model, X, masks=masks, dropout=dropout, observe=observe)
    J = cost(model, passed, y, s, alpha=alpha, ceiling=ceiling, fused=fused, observe=observe)
    gradients = backward(
        model, passed, y, s, alpha=alpha, fused=fused, inputs=inputs, observe=observe
    )
    return J.total, gradients

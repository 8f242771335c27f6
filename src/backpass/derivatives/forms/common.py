"""The forms of the gradient: their table, one sample's forward pass, and what they cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from backpass.core import backprop
from backpass.core.activations import Activation
from backpass.core.arrays import Array
from backpass.core.parameters import Gradients, Model, Parameters


@dataclass(frozen=True)
class Form:
    """One way to compute the gradient.

    Parameters
    ----------
    name : str
        Its key in :data:`FORMS`.
    title : str
        What it works on at a time.
    source : str
        The notes that have it, and where.
    gradients : callable
        ``gradients(model, X, y, s, alpha=0.0)``.

    Examples
    --------
    >>> from backpass.derivatives.forms import FORMS
    >>> [form.name for form in FORMS.values()]
    ['recursion', 'jacobian', 'per_parameter', 'per_sample', 'batch']
    """

    name: str
    title: str
    source: str
    gradients: Callable[..., Gradients]


F = TypeVar("F", bound=Callable[..., Gradients])

FORMS: dict[str, Form] = {}
"""Every form by name."""


def form(title: str, source: str) -> Callable[[F], F]:
    """Register a function as the form of its name, with a title and the notes it comes from."""

    def register(gradients: F) -> F:
        FORMS[gradients.__name__] = Form(gradients.__name__, title, source, gradients)
        return gradients

    return register


def from_one(layers: Sequence[Any]) -> dict[int, Any]:
    """Return L things, one a layer, numbered 1 … L as the notes do."""
    return dict(enumerate(layers, start=1))


def one_neuron() -> tuple[Model, Array, Array, Array]:
    """Return the examples' neuron σ(2x − 1) with the squared error, a row, a target, a weight."""
    theta = Parameters([1, 1], np.array([2.0, -1.0]))
    neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    return neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)


def zeros(model: Model, X: Array) -> tuple[Gradients, dict[int, Any], dict[int, Any], Array]:
    """Return gradients of zeros, and views of them by layer: ∂J/∂W^l, ∂J/∂b^l, and ∂J/∂X."""
    flat, sizes = model.parameters.flat, model.parameters.sizes
    dX = np.zeros(X.shape, dtype=flat.dtype)
    gradients = Gradients(Parameters(sizes, np.zeros_like(flat)), dX)
    return gradients, from_one(gradients.weights), from_one(gradients.biases), dX


def forward_one(model: Model, x: Array) -> tuple[list[Array], list[Array]]:
    """Return z and a of one sample, ``z[l]`` and ``a[l]`` of layer l (note 5, Summary, step 1)."""
    z, a = [x], [x]  # a^0 = x; z[0] only fills the place
    theta = model.parameters
    for W, b, f in zip(theta.weights, theta.biases, model.activations, strict=True):
        z.append(W.T @ a[-1] + b)  # z^l = (W^l)ᵀ a^{l-1} + b^l
        a.append(f.value(z[-1][None, :])[0])  # a^l = f(z^l)
    return z, a


def slope_of(f: Activation, z: Array, a: Array) -> Array:
    """Return f'(z), (n,); for softmax the Jacobian (n, n), [k, i] = ∂a_k/∂z_i."""
    return f.derivative(z[None, :], a[None, :])[0]


def matrix_of(f: Activation, z: Array, a: Array) -> Array:
    """Return ∂a/∂z, (n, n): diag(f'(z_1), …, f'(z_n)), or softmax's Jacobian."""
    return np.diag(slope_of(f, z, a)) if f.elementwise else slope_of(f, z, a)


def cost_derivative(model: Model, a: Array, y: Array) -> Array:
    """Return ∂C/∂a^L, (k,), of one sample."""
    return model.loss.derivative(y[None, :], a[None, :])[0]


def add_penalty(gradients: Gradients, model: Model, alpha: float, s: Array) -> Gradients:
    """Add (α / S) W, the derivative of ½ α Σ‖W‖² / S, to gradients of the mean cost."""
    for dW, W in zip(gradients.weights, model.parameters.weights, strict=True):
        dW += (alpha / np.sum(s)) * W
    return gradients


def finite_differences(
    model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0, *, step: float = 6e-6
) -> Gradients:
    """Compute (J(θ + h) − J(θ − h)) / 2h for one parameter after the other; no input derivative.

    What the gradient would cost without backpropagation: two forward passes a parameter.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.
    step : float
        h; ∛ε balances truncation (h²) and rounding (ε/h).

    Examples
    --------
    >>> finite_differences(*one_neuron()).flat.round(8)
    array([-0.0625, -0.125 ])
    """
    theta, gradient = model.parameters, model.parameters.copy()

    def J(flat: Array) -> Array:
        moved = model.with_parameters(Parameters(theta.sizes, flat))
        return backprop.cost(moved, backprop.forward(moved, X), y, s, alpha=alpha).total

    for i in range(len(theta.flat)):
        plus, minus = theta.flat.copy(), theta.flat.copy()
        plus[i], minus[i] = theta.flat[i] + step, theta.flat[i] - step
        gradient.flat[i] = (J(plus) - J(minus)) / (2 * step)
    return Gradients(gradient, None)


def multiplications(sizes: Sequence[int], n_samples: int) -> dict[str, int]:
    """Count the scalar multiplications of one gradient, forward pass included, in every form.

    Those inside activations and losses are left out: they are a few a unit, the same in every
    form. The output activation is elementwise; all derivatives to the inputs are included, but for
    finite differences, which have none and are counted for alpha = 0.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first.
    n_samples : int
        N.

    Examples
    --------
    >>> counts = multiplications([10, 20, 20, 5], n_samples=100)
    >>> counts["batch"], counts["finite_differences"] // counts["batch"]
    (215700, 484)
    """
    layers, N = list(pairwise(sizes)), n_samples
    W, U = sum(n * m for n, m in layers), sum(sizes[1:])  # weights; units above the input
    mean = W + U + sizes[0]  # s_n / S times every derivative of a sample
    squares, cubes = sum(m * m for _, m in layers), sum(n * m * m for n, m in layers)
    together = 3 * W + U + sizes[-1]  # forward, B2a, B3: W each; B2b and B1: the units
    return {
        "per_parameter": N * together + W,  # the last W: the penalty
        "per_sample": N * (3 * W + U + mean) + W,
        "batch": N * together + W,
        "jacobian": N * (3 * W + 3 * cubes + squares + mean) + W,
        "recursion": N * (3 * W + squares + mean) + W,
        "finite_differences": 2 * (W + U) * N * (W + 1),  # 2 P forward passes and their costs
    }

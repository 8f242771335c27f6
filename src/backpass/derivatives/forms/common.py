"""What the forms of the gradient share: their table, and one sample's forward pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from backpass.core.activations import Activation
from backpass.core.arrays import Array
from backpass.core.parameters import Gradients, Model, Parameters

__all__ = [
    "FORMS",
    "Form",
    "add_penalty",
    "cost_derivative",
    "form",
    "forward_one",
    "from_one",
    "matrix_of",
    "slope_of",
    "zeros",
]


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

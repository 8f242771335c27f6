"""Note 4: the single neuron, a layer's Jacobians, and their product through the network."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from backpass.core.activations import Activation
from backpass.core.arrays import Array
from backpass.core.parameters import Gradients, Model
from backpass.derivatives.forms.common import (
    add_penalty,
    cost_derivative,
    form,
    forward_one,
    from_one,
    matrix_of,
    zeros,
)
from backpass.errors import InputError


def neuron_derivatives(
    alpha: Array, omega: Array, beta: float, phi: Activation
) -> tuple[Array, Array, Array]:
    r"""Return ∂h/∂a, ∂h/∂w and ∂h/∂b of a single neuron h = Φ ∘ Ψ, Ψ(a, w, b) = wᵀa + b.

    Note 4, slide "Partial derivatives for a single neuron":
    :math:`\Phi'(\zeta)\,\omega^T`, :math:`\Phi'(\zeta)\,\alpha^T` and
    :math:`\Phi'(\zeta)` with :math:`\zeta = \omega^T \alpha + \beta`.

    Parameters
    ----------
    alpha : array of shape (n,)
        The neuron's input.
    omega : array of shape (n,)
        Its weights.
    beta : float
        Its bias.
    phi : Activation
        Φ, elementwise.

    Examples
    --------
    >>> from backpass.core.activations import ACTIVATIONS
    >>> phi = ACTIVATIONS.get_record("logistic")
    >>> neuron_derivatives(np.array([0.5, 1.0]), np.array([4.0, 2.0]), -4.0, phi)  # ζ = 0, Φ' = ¼
    (array([1. , 0.5]), array([0.125, 0.25 ]), array(0.25))
    """
    # alpha, omega (n,), beta () → (n,), (n,), ()
    zeta = np.array([[omega @ alpha + beta]])
    slope = phi.derivative(zeta, phi.value(zeta))[0, 0]
    return slope * omega, slope * alpha, np.asarray(slope)


class LayerJacobians(NamedTuple):
    """The Jacobian matrices of one layer f(a, W, b) with n inputs and m neurons.

    Parameters
    ----------
    a : array of shape (m, n)
        ∂f/∂a.
    w : array of shape (m, m, n)
        ``w[k]`` is ∂f/∂w_k: zero but in line k, where Φ acts on each neuron alone.
    b : array of shape (m, m)
        ∂f/∂b = diag(Φ'(ζ_1), …, Φ'(ζ_m)) = ∂f/∂ζ; column k is ∂f/∂b_k.
    """

    a: Array
    w: Array
    b: Array


def layer_jacobians(alpha: Array, Omega: Array, beta: Array, phi: Activation) -> LayerJacobians:
    r"""Return ∂f/∂a, every ∂f/∂w_k, and ∂f/∂b of a layer.

    Note 4, slide "Back to partial derivatives for a layer". The slide's diag(Φ') is the Jacobian
    ∂a/∂z of an elementwise Φ; softmax brings a full one, and its ∂f/∂w_k is zero in no line.

    Parameters
    ----------
    alpha : array of shape (n,)
        The layer's input.
    Omega : array of shape (n, m)
        (ω_1, …, ω_m), a column each neuron.
    beta : array of shape (m,)
        The biases.
    phi : Activation
        Φ.

    Examples
    --------
    >>> from backpass.core.activations import ACTIVATIONS
    >>> phi = ACTIVATIONS.get_record("relu")
    >>> J = layer_jacobians(np.array([3.0]), np.array([[2.0, -1.0]]), np.zeros(2), phi)
    >>> J.a, J.b, J.w[0]  # ζ = (6, −3): the second neuron is off
    (array([[2.],
           [0.]]), array([[1., 0.],
           [0., 0.]]), array([[3.],
           [0.]]))
    """
    # alpha (n,), Omega (n, m), beta (m,) → (m, n), (m, m, n), (m, m)
    zeta = Omega.T @ alpha + beta
    slope = matrix_of(phi, zeta, phi.value(zeta[None, :])[0])
    w = [np.outer(slope[:, k], alpha) for k in range(len(beta))]
    return LayerJacobians(slope @ Omega.T, np.stack(w), slope)


def prefix(model: Model, x: Array, i: int) -> Array:
    """Return α^i = g^i(x), the output of the first `i` layers.

    Note 4, slide "What we want to compute".

    Parameters
    ----------
    model : Model
    x : array of shape (n_0,)
    i : int
        0 gives x itself.

    Examples
    --------
    >>> from backpass.core.parameters import Model, Parameters
    >>> theta = Parameters([1, 1, 1], np.array([2.0, 0.0, -1.0, 5.0]))
    >>> model = Model.from_specs(theta, ["relu", "identity"], "squared_error")
    >>> prefix(model, np.array([3.0]), 1), prefix(model, np.array([3.0]), 2)
    (array([6.]), array([-1.]))
    """
    # x (n_0,) → (n_i,)
    if not 0 <= i < len(model.parameters.sizes):
        raise InputError(f"i must be 0 … {len(model.activations)}, not {i!r}")
    return forward_one(model, x)[1][i]


def _unseen(name: str, layer: int, value: Array) -> None:
    """Look at nothing."""


@form(
    "one sample, a product of Jacobians",
    "note 4, slide Back to partial derivatives for an entire network",
)
def jacobian(
    model: Model,
    X: Array,
    y: Array,
    s: Array,
    alpha: float = 0.0,
    *,
    observe: Callable[[str, int, Array], None] | None = None,
) -> Gradients:
    r"""Compute one sample at a time, as a product of the layers' Jacobians.

    Note 4, slides "Recap" and "Back to partial derivatives for an entire network":
    :math:`\mathcal P^{L+1} = \partial \mathcal C/\partial a^L`,
    :math:`\mathcal P^j = \mathcal P^{j+1} \cdot \partial f^j/\partial a^{j-1}`,
    :math:`\partial \mathcal E/\partial w_k^j = \mathcal P^{j+1} \cdot \partial f^j/\partial w_k^j`,
    :math:`\partial \mathcal E/\partial b^j = \mathcal P^{j+1} \cdot \partial f^j/\partial b^j`.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.
    observe : callable, optional
        ``observe(name, j, value)`` sees 𝒫^{j+1} (``"P"``), the Jacobians ∂f^j/∂a, ∂f^j/∂w and
        ∂f^j/∂b (``"dfa"``, ``"dfw"``, ``"dfb"``) and their products with 𝒫^{j+1} (``"Pw"``,
        ``"Pb"``), of every sample in turn.

    Examples
    --------
    >>> from backpass.derivatives.forms.common import one_neuron
    >>> jacobian(*one_neuron()).flat
    array([-0.0625, -0.125 ])
    """
    Omega, beta = from_one(model.parameters.weights), from_one(model.parameters.biases)
    Phi, (gradients, dOmega, dbeta, dX) = from_one(model.activations), zeros(model, X)
    last = len(Phi)
    see = observe if observe is not None else _unseen
    for n, share in enumerate(s / np.sum(s)):
        a = forward_one(model, X[n])[1]
        P = cost_derivative(model, a[last], y[n])  # 𝒫^{L+1}
        see("P", last, P)
        for j in range(last, 0, -1):
            df = layer_jacobians(a[j - 1], Omega[j], beta[j], Phi[j])
            Pw = np.stack([P @ df.w[k] for k in range(len(beta[j]))], axis=1)
            Pb = P @ df.b
            dOmega[j] += share * Pw
            dbeta[j] += share * Pb
            P = P @ df.a  # 𝒫^j
            for name, value in (("dfa", df.a), ("dfw", df.w), ("dfb", df.b), ("Pw", Pw)):
                see(name, j, value)
            see("Pb", j, Pb)
            see("P", j - 1, P)
        dX[n] = share * P  # 𝒫^1 = ∂C/∂a^0
    return add_penalty(gradients, model, alpha, s)

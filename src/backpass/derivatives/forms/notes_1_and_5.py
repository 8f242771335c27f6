"""Notes 1 and 5: one parameter at a time, one sample, a batch."""

from typing import Any

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.core.parameters import Gradients, Model
from backpass.derivatives.forms.common import (
    add_penalty,
    cost_derivative,
    form,
    forward_one,
    from_one,
    slope_of,
    zeros,
)


def _forward_by_sums(model: Model, x: Array) -> tuple[list[Any], list[Any]]:
    # x (n_0,) → z, a as in forward_one; z_j^l = Σ_i w_ij^l a_i^{l-1} + b_j^l (note 5)
    z, a = [x], [x]
    theta = model.parameters
    for W, b, f in zip(theta.weights, theta.biases, model.activations, strict=True):
        below, units = a[-1], range(len(b))
        sums = [sum(W[i, j] * below[i] for i in range(len(below))) + b[j] for j in units]
        z.append(np.array(sums))
        a.append(f.value(z[-1][None, :])[0])
    return z, a


def _output_error_by_sums(model: Model, z: Array, a: Array, y: Array, share: Any) -> list[Any]:
    # z, a, y (k,) → e^L (k,): e_j = ∂J/∂z_j = (s_n/S) ∂C/∂a_j f'(z_j); softmax: sum over a_i
    f, units = model.activations[-1], range(len(a))
    dC, slope = cost_derivative(model, a, y), slope_of(f, z, a)
    if f.elementwise:
        return [share * (dC[j] * slope[j]) for j in units]
    return [share * sum(dC[i] * slope[i, j] for i in units) for j in units]


@form(
    "one parameter, with sums",
    "note 1, Derivatives with Respect to Individual Parameters; note 5, At l-th layer",
)
def per_parameter(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute one parameter at a time, with sums over samples and units.

    Note 1, "Derivatives with Respect to Individual Parameters"; note 5, "At l-th layer":
    :math:`e_j^l = \bigl(\sum_k w_{jk}^{l+1} e_k^{l+1}\bigr) f'(z_j^l)`,
    :math:`\partial J/\partial w_{ij}^l = a_i^{l-1} e_j^l`,
    :math:`\partial J/\partial b_j^l = e_j^l`.

    Parameters
    ----------
    model : Model
    X : array of shape (N, n_0)
    y : array of shape (N, k)
        Encoded targets.
    s : array of shape (N,)
        Sample weights; their sum must be positive.
    alpha : float
        L2 strength.

    Examples
    --------
    >>> from backpass.derivatives.forms.common import one_neuron
    >>> per_parameter(*one_neuron()).flat  # z = 0, a = ½, e = (a − y)·a(1 − a) = −⅛
    array([-0.0625, -0.125 ])
    """
    W, f = from_one(model.parameters.weights), from_one(model.activations)
    last, (gradients, dW, db, dX) = len(f), zeros(model, X)
    for n, share in enumerate(s / np.sum(s)):
        z, a = _forward_by_sums(model, X[n])
        e = _output_error_by_sums(model, z[last], a[last], y[n], share)
        for layer in range(last, 0, -1):
            below, units = range(len(a[layer - 1])), range(len(e))
            for j in units:
                for i in below:
                    dW[layer][i, j] += a[layer - 1][i] * e[j]
                db[layer][j] += e[j]
            g = [sum(W[layer][j, k] * e[k] for k in units) for j in below]
            if layer > 1:
                slope = slope_of(f[layer - 1], z[layer - 1], a[layer - 1])
                e = [g[j] * slope[j] for j in below]
        dX[n] = g
    return add_penalty(gradients, model, alpha, s)


@form(
    "one sample, with vectors",
    "note 1, Derivatives with Respect to Matrices; note 3, section 5.1; note 5, Summary",
)
def per_sample(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute one sample at a time, with vectors; the mean over samples comes last.

    Note 1, "Derivatives with Respect to Matrices"; note 3, section 5.1 (with Wᵀ for W); note 5,
    "Summary", step 2: :math:`e^l = (W^{l+1} e^{l+1}) \odot f'(z^l)`,
    :math:`\partial C/\partial W^l = a^{l-1} (e^l)^T`, :math:`\partial C/\partial b^l = e^l`.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.

    Examples
    --------
    >>> from backpass.derivatives.forms.common import one_neuron
    >>> per_sample(*one_neuron()).flat
    array([-0.0625, -0.125 ])
    """
    W, f = from_one(model.parameters.weights), from_one(model.activations)
    last, (gradients, dW, db, dX) = len(f), zeros(model, X)
    for n, share in enumerate(s / np.sum(s)):
        z, a = forward_one(model, X[n])
        dC, slope = cost_derivative(model, a[last], y[n]), slope_of(f[last], z[last], a[last])
        e = dC * slope if f[last].elementwise else dC @ slope  # e^L = ∂C/∂z^L
        for layer in range(last, 0, -1):
            dW[layer] += share * np.outer(a[layer - 1], e)
            db[layer] += share * e
            g = W[layer] @ e
            if layer > 1:
                e = g * slope_of(f[layer - 1], z[layer - 1], a[layer - 1])
        dX[n] = share * g
    return add_penalty(gradients, model, alpha, s)


@form(
    "a batch, with matrices",
    "note 1, Backpropagation for Batch Gradient Descent; note 3, section 5.2; note 5, Summary",
)
def batch(
    model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0, *, fused: bool = False
) -> Gradients:
    """Compute a batch with matrices: this is :func:`backpass.core.backprop.backward` itself.

    Note 1, "Backpropagation for Batch (Mini-Batch) Gradient Descent"; note 3, section 5.2; note 5,
    "For Minibatch-Gradient Descent"; samples in rows here, in columns there.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.
    fused : bool
        Whether to start from ∂C/∂z in one formula where the loss declares it (note 3: ŷ − e_ℓ).

    Examples
    --------
    >>> from backpass.derivatives.forms.common import one_neuron
    >>> batch(*one_neuron()).flat
    array([-0.0625, -0.125 ])
    """
    passed = backprop.forward(model, X)
    return backprop.backward(model, passed, y, s, alpha=alpha, fused=fused)

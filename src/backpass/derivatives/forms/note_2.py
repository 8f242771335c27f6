"""Note 2: the recursion from ∂L/∂b of a layer to ∂L/∂b of the one below."""

import numpy as np

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

__all__ = ["recursion"]


@form(
    "one sample, the recursion in b",
    "note 2, Derivatives with respect to b^l and with respect to W^l",
)
def recursion(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute by the recursion from ∂L/∂b^{l+1} to ∂L/∂b^l, W of (n_l, n_{l-1}); the mean last.

    Note 2, "Derivatives with respect to b^l" and "… to W^l":
    :math:`\partial L/\partial b^l
    = \mathrm{diag}(f'(z^l)) \cdot (W^{l+1})^T \cdot \partial L/\partial b^{l+1}`,
    :math:`\partial L/\partial W^l = \partial L/\partial b^l \cdot (a^{l-1})^T`.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.

    Examples
    --------
    >>> from backpass.core.parameters import Model, Parameters
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> recursion(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat
    array([-0.0625, -0.125 ])
    """
    W = from_one([weights.T for weights in model.parameters.weights])  # note 2's layout
    f, (gradients, _, db, dX) = from_one(model.activations), zeros(model, X)
    dW, last = from_one([view.T for view in gradients.weights]), len(f)
    for n, share in enumerate(s / np.sum(s)):
        z, a = forward_one(model, X[n])
        dL_da = cost_derivative(model, a[last], y[n])  # ∇g(a^L − y), or any other loss
        for l in range(last, 0, -1):  # noqa: E741
            # note 2 stacks the ∂a/∂b_j row by row: the transpose of the Jacobian
            dL_db = matrix_of(f[l], z[l], a[l]).T @ dL_da
            dW[l] += share * np.outer(dL_db, a[l - 1])
            db[l] += share * dL_db
            dL_da = W[l].T @ dL_db
        dX[n] = share * dL_da
    return add_penalty(gradients, model, alpha, s)

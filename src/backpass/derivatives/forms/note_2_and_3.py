"""Note 2's recursion from ∂L/∂b to that of the layer below, and note 3's chain rule along paths."""

from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple

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
from backpass.errors import InputError


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
    >>> from backpass.derivatives.forms.common import one_neuron
    >>> recursion(*one_neuron()).flat
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


class Factor(NamedTuple):
    """One fraction of note 3's chain.

    Parameters
    ----------
    name : str
        ``"∂ŷ/∂a_3"``.
    value : float
        Its value.
    brace : str
        What note 3 writes under its brace.
    """

    name: str
    value: float
    brace: str


def thin_chain(model: Model, x: float, y: float) -> tuple[list[Factor], float]:
    """Write out the chain of fractions of ∂𝓛/∂W_111 in a network with one neuron a layer.

    Note 3, sections 4.1 and 4.2, in its symbols: a is the pre-activation, h the activation.

    Parameters
    ----------
    model : Model
        Sizes 1, 1, …, 1.
    x, y : float
        One sample and its encoded target.

    Returns
    -------
    factors : list of Factor
        From the loss down to the weight.
    product : float
        Their product, ∂𝓛/∂W_111.

    Raises
    ------
    InputError
        When a layer has more than one neuron.

    Examples
    --------
    >>> from backpass.core.parameters import Model, Parameters
    >>> theta = Parameters([1, 1, 1, 1], np.array([0.5, 0.0, -1.0, 0.5, 2.0, 0.25]))
    >>> model = Model.from_specs(theta, ["tanh", "logistic", "identity"], "squared_error")
    >>> factors, product = thin_chain(model, x=1.5, y=1.0)
    >>> for name, value, brace in factors:
    ...     print(f"{name:>11} = {value:7.4f}  {brace}")
          ∂𝓛/∂ŷ =  0.1825  talk to the output layer
        ∂ŷ/∂a_3 =  1.0000  talk to the output layer
      ∂a_3/∂h_2 =  2.0000  talk to the previous hidden layer
      ∂h_2/∂a_2 =  0.2489  talk to the previous hidden layer
      ∂a_2/∂h_1 = -1.0000  talk to the previous hidden layer
      ∂h_1/∂a_1 =  0.5966  talk to the previous hidden layer
    ∂a_1/∂W_111 =  1.5000  and now talk to the weights
    >>> print(f"{product:.4f}")
    -0.0813
    >>> X, Y = np.array([[1.5]]), np.array([[1.0]])
    >>> from backpass.derivatives.forms import batch
    >>> gradients = batch(model, X, Y, np.ones(1))
    >>> bool(np.isclose(product, gradients.weights[0][0, 0], rtol=1e-14))
    True
    """
    # x, y () → L·2 + 1 factors, each ()
    if set(model.parameters.sizes) != {1}:
        raise InputError(f"a thin network has sizes 1, 1, …, not {list(model.parameters.sizes)}")
    a, h = forward_one(model, np.array([x]))
    W, last = from_one(model.parameters.weights), len(model.activations)
    brace = "talk to the output layer"
    dL = cost_derivative(model, h[last], np.array([y]))[0]
    factors = [Factor("∂𝓛/∂ŷ", float(dL), brace)]
    for k in range(last, 0, -1):
        if k < last:
            brace = "talk to the previous hidden layer"
            factors.append(Factor(f"∂a_{k + 1}/∂h_{k}", float(W[k + 1][0, 0]), brace))
        slope = matrix_of(model.activations[k - 1], a[k], h[k])[0, 0]
        factors.append(Factor(f"∂{'ŷ' if k == last else f'h_{k}'}/∂a_{k}", float(slope), brace))
    factors.append(Factor("∂a_1/∂W_111", float(h[0][0]), "and now talk to the weights"))
    return factors, float(np.prod([factor.value for factor in factors]))


class Path(NamedTuple):
    """One way from a unit to the cost: its units, the first layer's first, and their product."""

    units: tuple[int, ...]
    product: float


def strongest_paths(
    start: int,
    slopes: Sequence[Array],
    weights: Sequence[Array],
    error: Array,
    most: int,
) -> list[Path]:
    """Return the paths from one unit's pre-activation to the cost, largest products first.

    Note 3, section 4.3.2, "Chain Rule along multiple paths": the products of all paths sum to the
    derivative. Of the many, each unit needs to keep the `most` strongest of those above it.
    `slopes` are g'(a_m) of the unit's layer and all hidden ones above it, `weights` W_{m+1} above
    each of them, and `error` is ∂ℒ/∂a_L.

    Examples
    --------
    >>> slopes, weights = [np.array([0.5])], [np.array([[2.0, -3.0]])]
    >>> strongest_paths(0, slopes, weights, np.array([1.0, 0.5]), 5)
    [Path(units=(0, 0), product=1.0), Path(units=(0, 1), product=-0.75)]
    """
    above = [[Path((k,), float(value))] for k, value in enumerate(error)]
    for layer in range(len(weights) - 1, -1, -1):
        W, units = weights[layer], range(len(slopes[layer])) if layer else [start]
        found = {}
        for u in units:
            steps = float(slopes[layer][u]) * W[u]
            all_paths = (
                Path((u, *path.units), float(steps[v]) * path.product)
                for v, paths in enumerate(above)
                for path in paths
            )
            found[u] = nlargest(most, all_paths, key=lambda path: abs(path.product))
        above = list(found.values())
    return above[0 if weights else start]

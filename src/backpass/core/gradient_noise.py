r"""The length of each sample's own gradient, without forming it, and the noise of one sample.

The gradient of one sample's cost in layer l is an outer product, ∂C_n/∂W_l = a_{l-1,n}ᵀ δ_{l,n}
(note 5, "Summary": "∂C/∂W^l = a^{l-1} (e^l)^T"), and ‖aᵀδ‖² = ‖a‖² ‖δ‖². With ∂C_n/∂b_l = δ_{l,n},

.. math:: \|g_n\|^2 = \sum_l (\|a_{l-1,n}\|^2 + 1) \, \|\delta_{l,n}\|^2

needs the error signals of the batch only: N numbers instead of N gradients (Goodfellow, "Efficient
per-example gradient computations", 2015). g_n is the gradient of sample n's cost alone: δ before
the factor s_n / S of B1, no L2 penalty, no dropout.

How far the g_n scatter about their mean is the noise of note 4's stochastic gradient descent
("Using a single arbitrary sample gives us a noisy approximation of the actual gradient"):
mean ‖g_n − ḡ‖² = mean ‖g_n‖² − ‖ḡ‖², at fixed θ.
"""

from collections.abc import Iterator
from typing import NamedTuple

from backpass.core import backprop
from backpass.core.arrays import Array, gather, namespace, row_sums_of_squares, scalar, take_rows
from backpass.core.backprop import Forward
from backpass.core.parameters import Model, Parameters, row_blocks
from backpass.errors import InputError


class GradientNoise(NamedTuple):
    """The scatter of the samples' gradients g_n about their mean ḡ, at fixed θ.

    Parameters
    ----------
    mean_squared : float
        mean ‖g_n‖².
    squared_mean : float
        ‖ḡ‖².

    Examples
    --------
    >>> GradientNoise(5.0, 2.0).noise
    3.0
    """

    mean_squared: float
    squared_mean: float

    @property
    def noise(self) -> float:
        """Mean ‖g_n − ḡ‖² = mean ‖g_n‖² − ‖ḡ‖², and 0 where rounding makes that negative."""
        return max(0.0, self.mean_squared - self.squared_mean)


def squared_norms_of_layer(a: Array, delta: Array) -> Array:
    """Return ‖∂C_n/∂W‖² + ‖∂C_n/∂b‖² of every sample: (‖a_n‖² + 1) ‖δ_n‖²."""
    # a (N, in), delta (N, out) → (N,)
    return (row_sums_of_squares(a) + 1) * row_sums_of_squares(delta)


def squared_gradient_norms(model: Model, X: Array, y: Array) -> Array:
    """Return ‖g_n‖² of every sample, (N,): one forward and one backward pass.

    Parameters
    ----------
    model : Model
    X : array or sparse matrix of shape (N, n_0)
    y : array of shape (N, k)
        Encoded targets.

    Examples
    --------
    One neuron, σ(ωα + β), and the squared error, z = 0, a = ½: ∂C/∂β = (a − y)·a(1 − a) = −⅛ and
    ∂C/∂ω = −⅛·α, so ‖g‖² = (½² + 1)·(⅛)².

    >>> import numpy as np
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> squared_gradient_norms(neuron, np.array([[0.5]]), np.array([[1.0]]))
    array([0.01953125])
    """
    passed = backprop.forward(model, X)
    return sum(squared_norms_of_layer(a, delta) for _, a, delta in _errors(model, passed, y))


def _errors(model: Model, passed: Forward, y: Array) -> Iterator[tuple[int, Array, Array]]:
    """Yield l, a_{l-1} and ∂C_n/∂z_l of every sample, from the output layer back."""
    delta = backprop.output_derivative(model, passed, y)  # B1 without s_n / S
    for layer in range(len(passed.z), 0, -1):
        yield layer, passed.inputs[layer - 1], delta
        if layer > 1:
            g = backprop.error_below(delta, model.parameters.weights[layer - 1])
            z, a = passed.z[layer - 2], passed.a[layer - 1]
            delta = backprop.hidden_error(g, model.activations[layer - 2].derivative(z, a))


def gradient_noise(
    model: Model, X: Array, y: Array, rows: Array, sample_weight: Array | None = None
) -> GradientNoise:
    """Return mean ‖g_n‖² and ‖ḡ‖² over the given rows, a few at a time.

    With sample weights s both are weighted means, so that ḡ = Σ s_n g_n / S is the gradient of
    the mean cost, and a weight of 2 is a sample that is there twice.

    Parameters
    ----------
    model : Model
    X : array or sparse matrix of shape (n_rows, n_0)
        All rows, in any dtype; blocks of them are converted.
    y : array of shape (n_rows,) or (n_rows, k)
        Targets as the user gave them; the loss encodes each block.
    rows : array of int
        Which rows count.
    sample_weight : array of shape (n_rows,), optional

    Raises
    ------
    InputError
        When the weights of the rows have no positive sum.

    Examples
    --------
    Two samples that pull a bias to either side: each gradient has length 1, their mean has 0.

    >>> import numpy as np
    >>> model = Model.from_specs(Parameters([1, 1], np.zeros(2)), ["identity"], "squared_error")
    >>> X, y = np.zeros((2, 1)), np.array([1.0, -1.0])
    >>> gradient_noise(model, X, y, np.arange(2))
    GradientNoise(mean_squared=1.0, squared_mean=0.0)
    """
    theta = model.parameters
    flat = theta.flat
    xp = namespace(flat)
    mean, mean_squared = Parameters(theta.sizes, xp.zeros_like(flat)), 0.0
    S = (
        float(len(rows))
        if sample_weight is None
        else scalar(xp.sum(gather(sample_weight, rows, flat)))
    )
    check_mass(S)
    for block in row_blocks(len(rows), theta.sizes):
        here = rows[block]
        X_here = gather(X, here, flat)
        y_here = model.loss.encode(take_rows(y, here), theta.sizes[-1], xp, flat.dtype)
        share = xp.ones(len(here), dtype=flat.dtype) / S
        if sample_weight is not None:
            share = gather(sample_weight, here, flat) / S
        squares = 0.0
        for layer, a, delta in _errors(model, backprop.forward(model, X_here), y_here):
            squares = squares + squared_norms_of_layer(a, delta)
            shared = share[:, None] * delta
            mean.weights[layer - 1][...] += a.T @ shared  # B3 and B4, without penalty
            mean.biases[layer - 1][...] += backprop.bias_gradient(shared)
        mean_squared += scalar(xp.sum(share * squares))
    return GradientNoise(mean_squared, scalar(xp.sum(mean.flat * mean.flat)))


def check_mass(S: float) -> None:
    """Raise InputError unless the sum of the rows' weights is positive."""
    if not S > 0:
        raise InputError("the weights of the rows have no positive sum: there is no mean gradient")

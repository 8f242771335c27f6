"""Note 3: the chain of fractions through a network with one neuron a layer."""

from typing import NamedTuple

import numpy as np

from backpass.core.parameters import Model
from backpass.derivatives.forms.common import cost_derivative, forward_one, from_one, matrix_of
from backpass.errors import InputError

__all__ = ["Factor", "thin_chain"]


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

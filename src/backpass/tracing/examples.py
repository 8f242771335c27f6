"""Small networks to trace where nothing is trained yet."""

import numpy as np

from backpass.errors import InputError
from backpass.network import Network
from backpass.ops import Array

__all__ = ["EXAMPLES", "example"]


def xor() -> tuple[Network, Array, Array]:
    """Return a 2-2-1 network that is on its way to exclusive or, and the four rows."""
    W1, b1 = np.array([[1.0, -1.0], [1.0, -1.0]]), np.array([-0.5, 1.5])
    W2, b2 = np.array([[2.0], [2.0]]), np.array([-1.0])
    network = Network.from_arrays([W1, W2], [b1, b2], "tanh", "logistic", "binary_cross_entropy")
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return network, X, np.array([0.0, 1.0, 1.0, 0.0])


def thin() -> tuple[Network, Array, Array]:
    """Return note 3's thin network, one unit in each of three layers, and one row."""
    weights = [np.array([[value]]) for value in (0.5, -1.0, 2.0)]
    biases = [np.array([value]) for value in (0.0, 0.5, 0.25)]
    network = Network.from_arrays(weights, biases, ["tanh", "logistic"])
    return network, np.array([[1.5]]), np.array([1.0])


EXAMPLES = {"xor": xor, "thin": thin}
"""Every example by name."""


def example(name: str) -> tuple[Network, Array, Array]:
    """Return a network, its rows and its targets.

    Parameters
    ----------
    name : {"xor", "thin"}

    Raises
    ------
    InputError
        When there is no such example.

    Examples
    --------
    >>> network, X, y = example("xor")
    >>> network.predict(X).round(2).ravel()
    array([0.47, 0.7 , 0.7 , 0.47])
    """
    if name not in EXAMPLES:
        raise InputError(f"unknown example {name!r}; known: {', '.join(EXAMPLES)}")
    return EXAMPLES[name]()

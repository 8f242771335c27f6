"""Small networks to trace where nothing is trained yet."""

import numpy as np

from backpass.core.arrays import Array
from backpass.errors import InputError
from backpass.network.network import Network

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


def small() -> tuple[Network, Array, Array]:
    """Return a 2-3-2 network with logistic outputs and the squared error, and three rows."""
    return _small("logistic", "squared_error"), SMALL_ROWS, np.eye(2)[SMALL_CLASSES]


def classes() -> tuple[Network, Array, Array]:
    """Return the network of :func:`small` with softmax and cross-entropy: note 3's case."""
    return _small("softmax", "cross_entropy"), SMALL_ROWS, SMALL_CLASSES


SMALL_ROWS = np.array([[1.0, 2.0], [0.5, -1.0], [-1.5, 0.25]])
SMALL_CLASSES = np.array([0, 1, 1])


def _small(output: str, loss: str) -> Network:
    W1 = np.array([[0.5, -1.0, 0.25], [1.0, 0.5, -0.75]])
    W2 = np.array([[1.0, -0.5], [-1.0, 0.75], [0.5, 1.0]])
    biases = [np.array([0.1, 0.0, -0.2]), np.array([0.0, 0.2])]
    return Network.from_arrays([W1, W2], biases, "tanh", output, loss)


EXAMPLES = {"xor": xor, "thin": thin, "small": small, "classes": classes}
"""Every example by name."""


def example(name: str) -> tuple[Network, Array, Array]:
    """Return a network, its rows and its targets.

    Parameters
    ----------
    name : {"xor", "thin", "small", "classes"}

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

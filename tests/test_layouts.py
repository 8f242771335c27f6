"""Matrices in the layout of any notation become our parameters, or one line says why not."""

import numpy as np
import pytest

from backpass import Network
from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation import NOTATIONS
from backpass.errors import InputError

SIZES = [3, 4, 2]


def drawn():
    network = Network(SIZES, "tanh", seed=0)
    return network, [W.copy() for W in network.weights], [b.copy() for b in network.biases]


@pytest.mark.parametrize("name", NOTATIONS)
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
def test_every_notation_gives_the_same_network(name, shape):
    network, weights, biases = drawn()
    transposed = NOTATIONS[name].weights_transposed
    again = Network.from_arrays(
        [W.T if transposed else W for W in weights],
        [b.reshape(shape) for b in biases],
        "tanh",
        layout=name,
    )
    assert again.sizes == network.sizes
    assert (again.parameters.flat == network.parameters.flat).all()


def test_lists_of_lists_are_taken():
    network = Network.from_arrays([[[1, 2, 3], [4, 5, 6]]], [[[7], [8]]], layout="nabla")
    assert network.predict(np.array([[1.0, 0.0, 0.0]])).tolist() == [[8.0, 12.0]]


@pytest.mark.parametrize(
    ("turn", "layout", "message"),
    [
        ([], "nabla", r"\(3, 4\) and b \(4,\) do not fit the .*; W is \(out, in\) and b is \(out,\)"
         r" in layout 'nabla' \(note 3\); they fit transposed: give layout='code' or 'error'"),
        ([0, 1], "code", "they fit transposed: give layout='chain' or 'nabla'$"),
        ([0], "omega", r"in layout 'omega' \(note 4\); W of layer 1 alone fits transposed$"),
        ([1], "code", "layer 2: .* do not fit the 4 units below;.*W of layer 2 alone fits"),
        ([], "fortran", "unknown layout 'fortran'; known: 'code', 'error', 'chain', 'nabla', "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_the_layout_that_would(turn, layout, message):
    _, weights, biases = drawn()
    weights = [W.T if i in turn else W for i, W in enumerate(weights)]
    with pytest.raises(InputError, match=message) as raised:
        Network.from_arrays(weights, biases, layout=layout)
    assert "\n" not in str(raised.value)


def test_nothing_is_said_of_transposing_where_that_does_not_help():
    with pytest.raises(InputError, match=r"do not fit the 3 units below; W is \(in, out\)") as e:
        Network.from_arrays([np.ones((3, 5))], [np.ones(4)])
    assert "transposed" not in str(e.value)


def test_every_notation_has_the_layout_that_matrices_are_given_in():
    assert list(LAYOUTS) == list(NOTATIONS)
    for name, notation in NOTATIONS.items():
        assert LAYOUTS[name] == (notation.note, notation.weights_transposed)

"""The flat buffer, its views, and what survives copying and pickling."""

import copy
import io
import pickle
from itertools import pairwise

import joblib
import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from backpass.core.parameters import Gradients, Model, Parameters, parameter_count
from backpass.errors import InputError
from backpass.network.network import Network
from helpers import assert_identical

SIZES = [3, 5, 4, 2]


def numbered(sizes=SIZES, dtype=float):
    """Return parameters that hold 0, 1, 2, …"""
    return Parameters(sizes, np.arange(parameter_count(sizes), dtype=dtype))


def through_joblib(x):
    buffer = io.BytesIO()
    joblib.dump(x, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def through_skops(x):
    data = skops.io.dumps(x)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "method": lambda x: x.copy(),
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "pickle protocol 2": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
    "joblib": through_joblib,
    "skops": through_skops,
}


def check_views(theta):
    """Fail unless every weight and bias is the right stretch of the flat buffer."""
    start = 0
    for W, b in zip(theta.weights, theta.biases, strict=True):
        for view in (W, b):
            assert np.shares_memory(view, theta.flat)
            kept = theta.flat.copy()
            theta.flat[start] = -1234.5
            assert view.flat[0] == -1234.5
            view.flat[-1] = 77.5
            assert theta.flat[start + view.size - 1] == 77.5
            theta.flat[...] = kept
            start += view.size
    assert start == theta.flat.size


def test_layout_is_weights_then_biases_layer_by_layer():
    theta = numbered([2, 3, 1])
    assert theta.weights[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert theta.biases[0].tolist() == [6, 7, 8]
    assert theta.weights[1].tolist() == [[9], [10], [11]]
    assert theta.biases[1].tolist() == [12]
    check_views(theta)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=6))
def test_count_and_views_for_any_sizes(sizes):
    theta = numbered(sizes)
    assert sum(x.size for x in (*theta.weights, *theta.biases)) == parameter_count(sizes)
    assert [W.shape for W in theta.weights] == list(pairwise(sizes))
    assert [b.shape for b in theta.biases] == [(n,) for n in sizes[1:]]
    check_views(theta)


def test_the_buffer_is_used_not_copied():
    flat = np.zeros(parameter_count(SIZES))
    theta = Parameters(SIZES, flat)
    assert theta.flat is flat
    flat += 1.0
    assert (theta.weights[1] == 1).all()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_views_stay_views(way, dtype):
    theta = numbered(dtype=dtype)
    other = way(theta)
    assert other.sizes == theta.sizes
    assert isinstance(other.sizes, tuple)
    assert_identical(other.flat, theta.flat)
    check_views(other)
    assert not np.shares_memory(other.flat, theta.flat)
    other.flat += 1
    assert (theta.flat == np.arange(theta.flat.size)).all()


def test_sharing_inside_one_object_is_kept():
    theta = numbered()
    for way in (copy.deepcopy, WAYS["pickle"]):
        first, second = way((theta, theta))
        assert first is second


@pytest.mark.parametrize("n", [0, 1, 54 - 1, 54 + 1])
def test_a_buffer_of_the_wrong_length(n):
    with pytest.raises(InputError, match=r"sizes \[3, 5, 4, 2\] need 54 parameters, not \(\d+,\)"):
        Parameters(SIZES, np.zeros(n))
    with pytest.raises(InputError, match=r"need 54 parameters, not \(6, 9\)"):
        Parameters(SIZES, np.zeros((6, 9)))


def test_is_weight_marks_weights():
    theta = numbered()
    marks = Parameters(SIZES, theta.is_weight())
    assert all((W == 1).all() for W in marks.weights)
    assert all((b == 0).all() for b in marks.biases)
    assert (theta.flat == np.arange(theta.flat.size)).all()


@pytest.mark.parametrize("way", [w for w in WAYS if w != "method"])
def test_gradients_survive(way):
    gradients = Gradients(numbered(), np.ones((2, 3)))
    other = WAYS[way](gradients)
    assert_identical(other.flat, gradients.flat)
    assert_identical(other.inputs, gradients.inputs)
    check_views(other.parameters)
    assert other.weights is other.parameters.weights
    assert other.biases is other.parameters.biases


def model(activations=("tanh", "relu", "softmax"), loss="cross_entropy"):
    return Model.from_specs(numbered(), activations, loss)


@pytest.mark.parametrize("way", ["copy", "deepcopy", "pickle", "joblib"])
def test_models_survive(way):
    first = model(["leaky_relu:slope=0.2", "elu:alpha=0.3", "identity"], "huber:delta=0.7")
    other = WAYS[way](first)
    assert other.specs() == first.specs()
    assert_identical(other.parameters.flat, first.parameters.flat)
    check_views(other.parameters)


def test_models_refuse_what_does_not_fit():
    with pytest.raises(InputError, match=r"3 layers need 2 hidden activation\(s\), not 1"):
        model(["tanh", "softmax"])
    with pytest.raises(
        InputError,
        match=r"layer 2: 'softmax' is for the output only; hidden layers take ",
    ):
        model(["tanh", "softmax", "softmax"])
    with pytest.raises(InputError, match=r"layer 1: 'exp' is for the output only"):
        model(["exp", "tanh", "softmax"])
    with pytest.raises(
        InputError,
        match=r"loss 'cross_entropy' does not go with .* it goes with softmax",
    ):
        model(["tanh", "tanh", "identity"])
    with pytest.raises(
        InputError,
        match=r"loss 'poisson' does not go with output 'identity'; .* exp, softplus",
    ):
        model(["tanh", "tanh", "identity"], "poisson")


def test_is_finite():
    first = model()
    assert first.is_finite()
    for bad in (np.nan, np.inf, -np.inf):
        first.parameters.biases[2][1] = bad
        assert not first.is_finite()


def test_with_parameters_shares_the_records():
    first = model()
    other = first.with_parameters(numbered())
    assert other.activations is first.activations
    assert other.loss is first.loss
    assert other.parameters is not first.parameters


def test_updates_through_the_buffer_reach_a_copied_networks_predictions():
    X = np.random.default_rng(0).normal(size=(4, 3))
    for way in WAYS.values():
        network = way(Network(SIZES, activation="tanh", seed=0))
        before = network.predict(X)
        network.parameters.flat[-2:] += 1.0  # the output's biases
        assert np.allclose(network.predict(X), before + 1.0, rtol=0, atol=1e-14)


def test_gradients_say_what_they_hold():
    from backpass import Network

    _, gradients = Network([2, 3, 1], seed=0).loss_and_gradients(np.ones((4, 2)), np.ones(4))
    assert repr(gradients).startswith("Gradients of W (2, 3), (3, 1): .weights")

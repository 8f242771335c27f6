"""The public network: what it takes, what it refuses, and what survives."""

import copy
import math
import pickle

import numpy as np
import pytest
import scipy.sparse

from backpass import Network
from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.errors import InputError
from helpers import (
    EPS,
    PAIRS,
    assert_close,
    assert_identical,
    draw_case,
    draw_targets,
    specs,
)
from test_parameters import WAYS, check_views

X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.random.default_rng(1).normal(size=(6, 2))


def with_record(spec, registry):
    """Return a network that has the record `spec` in it, and a batch for it."""
    record = registry.get_record(spec)
    if registry is LOSSES:
        network = Network([3, 4, 2], "tanh", record.outputs[0], spec, seed=0)
    elif record.hidden:
        network = Network([3, 4, 2], spec, "identity", seed=0)
    else:
        loss = next(r.name for r in LOSSES.records() if record.name in r.outputs)
        network = Network([3, 4, 2], "tanh", spec, loss, seed=0)
    return network, draw_targets(network.model.loss, 6, 2, np.random.default_rng(3))


RECORDS = [(ACTIVATIONS, s) for s in specs(ACTIVATIONS)] + [(LOSSES, s) for s in specs(LOSSES)]


@pytest.mark.parametrize(("registry", "spec"), RECORDS, ids=[f"{r.kind}-{s}" for r, s in RECORDS])
def test_every_record_survives_with_its_numbers(registry, spec):
    network, y = with_record(spec, registry)
    J, gradients = network.loss_and_gradients(X, y)
    for name, way in WAYS.items():
        other = way(network)
        assert other.model.specs() == network.model.specs(), name
        check_views(other.parameters)
        other_J, other_gradients = other.loss_and_gradients(X, y)
        assert other_J == J
        assert_identical(other_gradients.flat, gradients.flat)
        assert_identical(other.predict(X), network.predict(X))


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_the_face_is_thin(output, loss):
    case = draw_case([3, 4, 2], "gelu", output, loss, n=6)
    network = Network.from_model(case.model)
    assert network.model is case.model
    J, gradients = network.loss_and_gradients(case.X, case.raw_y, case.s, alpha=0.3)
    want_J, want = case.run(alpha=0.3)
    assert type(J) is float
    assert want_J == J
    assert network.loss(case.X, case.raw_y, case.s, alpha=0.3, engine="reference") == J
    assert_identical(gradients.flat, want.flat)
    assert_identical(gradients.inputs, want.inputs)
    output = network.predict(case.X, engine="reference")
    assert_identical(output, backprop.forward(case.model, case.X).a[-1])


def test_weights_default_to_one():
    network = Network([3, 4, 2], seed=0)
    J, gradients = network.loss_and_gradients(X, Y)
    J_ones, gradients_ones = network.loss_and_gradients(X, Y, np.ones(6))
    assert J_ones == J
    assert_identical(gradients_ones.flat, gradients.flat)


def test_the_observer_is_passed_on():
    seen = []
    Network([3, 4, 2], seed=0).loss_and_gradients(X, Y, observe=lambda *entry: seen.append(entry))
    assert [entry[0] for entry in seen][:5] == ["F1", "F2", "F1", "F2", "C"]


# --- construction --------------------------------------------------------------------------------


@pytest.mark.parametrize("init", INITIALIZERS)
def test_parameters_are_drawn_layer_by_layer_weights_first(init):
    network = Network([3, 4, 2], activation="logistic", init=init, seed=np.random.RandomState(5))
    rng = np.random.RandomState(5)
    draw = INITIALIZERS.get_record(init).draw
    for W, b in zip(network.weights, network.biases, strict=True):
        W_want, b_want = draw(rng, *W.shape, "logistic")
        assert_identical(W, W_want)
        assert_identical(b, b_want)


def test_seeds():
    first, again, other = (Network([3, 4, 2], seed=seed) for seed in (1, 1, 2))
    assert_identical(first.parameters.flat, again.parameters.flat)
    assert (first.parameters.flat != other.parameters.flat).any()
    generator = np.random.default_rng(1)
    assert_identical(Network([3, 4, 2], seed=generator).parameters.flat, first.parameters.flat)
    assert (Network([3, 4, 2], seed=generator).parameters.flat != first.parameters.flat).any()
    assert Network([3, 4, 2]).parameters.flat.shape == first.parameters.flat.shape


def test_scikit_learn_draws_the_same_parameters():
    from sklearn.neural_network import MLPRegressor

    mlp = MLPRegressor(
        hidden_layer_sizes=(5, 4), solver="sgd", learning_rate_init=1e-300, random_state=3
    )
    mlp.partial_fit(X, Y)
    network = Network([3, 5, 4, 2], seed=np.random.RandomState(3))
    for W, b, coef, intercept in zip(
        network.weights, network.biases, mlp.coefs_, mlp.intercepts_, strict=True
    ):
        assert_identical(W, coef)
        assert_identical(b, intercept)
    assert_close(network.predict(X), mlp.predict(X), 16 * EPS)


@pytest.mark.parametrize("hidden", ["relu", "logistic"])
def test_scikit_learn_draws_the_same_parameters_without_a_hidden_layer(hidden):
    """Its rule asks for the hidden activation even where no layer has it."""
    from sklearn.neural_network import MLPClassifier

    mlp = MLPClassifier(
        (), activation=hidden, solver="sgd", learning_rate_init=1e-300, random_state=3
    )
    mlp.partial_fit(X, np.arange(6) % 2, classes=[0, 1])
    network = Network(
        [3, 1], hidden, "logistic", "binary_cross_entropy", seed=np.random.RandomState(3)
    )
    assert_identical(network.weights[0], mlp.coefs_[0])
    assert_identical(network.biases[0], mlp.intercepts_[0])


def test_scikit_learns_probabilities():
    from sklearn.neural_network import MLPClassifier

    y = np.arange(6) % 3
    for hidden in ("relu", "logistic", "tanh", "identity"):
        mlp = MLPClassifier((5,), activation=hidden, solver="sgd", random_state=3, alpha=0.0)
        mlp.partial_fit(X, y, classes=[0, 1, 2])
        network = Network.from_arrays(
            mlp.coefs_, mlp.intercepts_, hidden, "softmax", "cross_entropy"
        )
        assert_close(network.predict(X), mlp.predict_proba(X), 32 * EPS)


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype("float64")])
def test_dtype(dtype):
    network = Network([3, 4, 2], seed=0, dtype=dtype)
    J, gradients = network.loss_and_gradients(X, Y)
    assert type(J) is float
    for array in (network.parameters.flat, network.predict(X), gradients.flat, gradients.inputs):
        assert array.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["int64", "float16", "complex128"])
def test_dtypes_refused(dtype):
    with pytest.raises(InputError, match="dtype must be float32 or float64, not "):
        Network([3, 2], dtype=dtype)


def test_hidden_may_be_one_or_one_each_or_records():
    one = Network([3, 4, 5, 2], activation="tanh", seed=0)
    each = Network([3, 4, 5, 2], activation=["tanh", ACTIVATIONS["tanh"]()], seed=0)
    record = Network([3, 4, 5, 2], activation=ACTIVATIONS["tanh"](), seed=0)
    assert_identical(one.predict(X), each.predict(X))
    assert_identical(one.predict(X), record.predict(X))
    mixed = Network([3, 4, 5, 2], activation=("tanh", "leaky_relu:slope=0.2"), seed=0)
    assert mixed.model.specs()[0] == ["tanh", "leaky_relu:slope=0.2", "identity"]
    none = Network([3, 2], activation=[], seed=0)
    assert none.model.specs()[0] == ["identity"]


@pytest.mark.parametrize(
    "sizes", [[], [3], [3, 0], [3, -1, 2], [3, 2.0], ["3", 2], [True, 2], "32"]
)
def test_sizes_refused(sizes):
    with pytest.raises(InputError, match="sizes must be at least two integers of at least 1"):
        Network(sizes)


def test_other_refusals():
    with pytest.raises(InputError, match=r"activation: 2 activations given for 1 hidden"):
        Network([3, 4, 2], activation=["tanh", "relu"])
    with pytest.raises(InputError, match="unknown activation 'rellu'; did you mean 'relu'"):
        Network([3, 4, 2], activation="rellu")
    with pytest.raises(InputError, match="unknown loss 'mse'; "):
        Network([3, 4, 2], loss="mse")
    with pytest.raises(InputError, match="unknown initializer 'he'; "):
        Network([3, 4, 2], init="he")
    with pytest.raises(InputError, match="loss 'cross_entropy' does not go with output 'identity'"):
        Network([3, 4, 2], loss="cross_entropy")


# --- from_arrays ---------------------------------------------------------------------------------


def test_from_arrays_copies():
    W, b = np.ones((3, 2)), np.zeros(2)
    network = Network.from_arrays([W], [b])
    W[...] = 7
    assert (network.weights[0] == 1).all()
    check_views(network.parameters)


def test_from_arrays_takes_integers_and_any_memory_order():
    network = Network.from_arrays([np.asfortranarray([[1, 2], [3, 4]])], [np.array([0, 1])])
    assert network.parameters.flat.dtype == np.float64
    assert network.predict(np.array([[1.0, 10.0]])).tolist() == [[31.0, 43.0]]


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        ([], [], "got 0 weights and 0 biases"),
        ([np.ones((3, 2))], [], "got 1 weights and 0 biases"),
        ([np.ones(3)], [np.ones(1)], r"layer 1: W \(3,\) and b \(1,\) do not fit; W is"),
        (
            [np.ones((3, 2))],
            [np.ones(3)],
            r"layer 1: W \(3, 2\) and b \(3,\) do not fit the 3 units",
        ),
        ([np.ones((3, 2))], [np.ones((2, 2))], r"layer 1: W \(3, 2\) and b \(2, 2\) do not fit"),
        (
            [np.ones((3, 2)), np.ones((3, 1))],
            [np.ones(2), np.ones(1)],
            r"layer 2: W \(3, 1\) and b \(1,\) do not fit the 2 units below; W is \(in, out\)",
        ),
        ([np.ones((3, 0))], [np.ones(0)], "sizes must be at least two integers of at least 1"),
    ],
)
def test_from_arrays_refuses(weights, biases, message):
    with pytest.raises(InputError, match=message):
        Network.from_arrays(weights, biases)


def test_unknown_layout():
    with pytest.raises(InputError, match="unknown layout 'fortran'"):
        Network.from_arrays([np.ones((3, 2))], [np.ones(2)], layout="fortran")


# --- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda a: a.astype(">f8"),
        lambda a: a.tolist(),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        scipy.sparse.csr_array,
        scipy.sparse.csc_array,
        scipy.sparse.coo_matrix,
    ],
    ids=["F order", "big-endian", "lists", "strided", "csr", "csc", "coo"],
)
def test_X_of_every_kind(convert):
    network = Network([3, 4, 2], seed=0)
    J, gradients = network.loss_and_gradients(convert(X), Y)
    want_J, want = network.loss_and_gradients(X, Y)
    assert_close(network.predict(convert(X)), network.predict(X), 16 * EPS)
    assert_close(J, want_J, 32 * EPS * want_J)
    assert_close(gradients.flat, want.flat, 64 * EPS * abs(want.flat).max())


def test_read_only_and_memory_mapped_X(tmp_path):
    network = Network([3, 4, 2], seed=0)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_identical(network.predict(mapped), network.predict(X))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_X_is_converted_to_the_parameters_dtype(dtype):
    network = Network([3, 4, 2], seed=0)
    small = (np.abs(X) * 3).astype(dtype)
    assert_identical(network.predict(small), network.predict(small.astype(float)))


@pytest.mark.parametrize(
    "bad", [X[:, :2], X[0], X[None], np.float64(1.0), scipy.sparse.csr_array(X[:, :2])]
)
def test_X_refused(bad):
    with pytest.raises(InputError, match=r"X has shape .*; this network takes \(n_samples, 3\)"):
        Network([3, 4, 2], seed=0).predict(bad)


def test_rows_refused():
    network = Network([3, 4, 2], seed=0)
    with pytest.raises(InputError, match="X has 6 rows and y has 5; they must match"):
        network.loss(X, Y[:5])
    with pytest.raises(InputError, match=r"X has 0 rows and y has 0; .* not be empty"):
        network.loss(X[:0], Y[:0])
    assert network.predict(X[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    "s",
    [
        np.ones(5), np.ones((6, 1)), np.zeros(6), -np.ones(6), [1, 1, 1, 1, 1, math.nan],
        [1, 1, 1, 1, 1, math.inf], [2, 1, 1, 1, 1, -1], np.float64(1.0),
    ],
)  # fmt: skip
def test_sample_weights_refused(s):
    with pytest.raises(InputError, match="sample_weight must be 6 finite numbers of at "):
        Network([3, 4, 2], seed=0).loss(X, Y, s)


def test_copies_are_independent():
    network = Network([3, 4, 2], seed=0)
    for other in (network.copy(), copy.copy(network), copy.deepcopy(network)):
        other.parameters.flat[...] = 0
    assert (network.parameters.flat != 0).any()


def test_repr_can_be_read_back():
    for network in (
        Network([3, 2]),
        Network([3, 4, 2], "tanh", "softmax", "cross_entropy:label_smoothing=0.1"),
        Network([3, 4, 5, 2], ["relu", "elu:alpha=0.5"], loss="huber:delta=2"),
    ):
        again = eval(repr(network), {"Network": Network})
        assert again.model.specs() == network.model.specs()
        assert again.sizes == network.sizes


def test_a_pickle_holds_no_code_of_records():
    data = pickle.dumps(Network([3, 4, 2], "tanh", "softmax", "cross_entropy", seed=0))
    assert b"tanh" in data
    assert b"lambda" not in data

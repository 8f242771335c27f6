"""The same equations on arrays of other libraries, equal to NumPy within rounding.

array-api-strict has nothing beyond the standard; PyTorch is tried where it is installed.
"""

import importlib
import tracemalloc

import array_api_strict
import numpy as np
import pytest

from backpass import Network
from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import dtype_name, erf, namespace, real, take_rows, to_numpy
from backpass.core.dropout import dropout_mask
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.parameters import Model, Parameters
from backpass.core.settings import Settings
from backpass.engines.protocols import Problem
from backpass.engines.reference import ReferenceEngine, gather
from helpers import (
    EPS,
    HIDDEN,
    PAIRS,
    Case,
    assert_close,
    assert_identical,
    draw_case,
    gradient_tolerance,
    specs,
)


def strict(x, dtype=None):
    return array_api_strict.asarray(np.array(x, dtype=dtype, copy=True))


def torch(x, dtype=None):
    return importlib.import_module("torch").asarray(np.array(x, dtype=dtype, copy=True))


LIBRARIES = [
    pytest.param(strict, id="array_api_strict"),
    pytest.param(torch, id="torch", marks=pytest.mark.torch),
]


@pytest.fixture(params=LIBRARIES)
def to(request):
    """Return a function that turns a NumPy array into one of the library."""
    return request.param


def library(x):
    return type(x).__module__.partition(".")[0]


def of(case, to, dtype="float64"):
    """Return the same case in another library."""
    theta = case.model.parameters
    model = Model(
        Parameters(theta.sizes, to(theta.flat, dtype)), case.model.activations, case.model.loss
    )
    masks = case.masks and [m if m is None else to(m, dtype) for m in case.masks]
    raw = case.raw_y if case.raw_y.dtype.kind == "i" else case.raw_y.astype(dtype)
    return Case(
        model, to(case.X, dtype), to(case.y, dtype), to(case.s, dtype), case.alpha, masks,
        case.dropout, to(raw),
    )  # fmt: skip


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("way", ["fused", "general"])
def test_gradients_of_every_pair(output, loss, way, to):
    position = PAIRS.index((output, loss))
    hidden = [HIDDEN[position % len(HIDDEN)], HIDDEN[(position * 5 + 3) % len(HIDDEN)]]
    case = draw_case([3, 5, 4, 2], hidden, output, loss, n=6, alpha=0.3, dropout=0.3)
    other = of(case, to)
    J, gradients = case.run(fused=way == "fused")
    other_J, other_gradients = other.run(fused=way == "fused")
    assert library(other_gradients.flat) == library(other_J) == library(other.X)
    tolerance, tolerance_X = gradient_tolerance(case)
    assert_close(float(other_J), float(J), 64 * EPS * (1 + abs(float(J))))
    assert_close(to_numpy(other_gradients.flat), gradients.flat, tolerance)
    assert_close(to_numpy(other_gradients.inputs), gradients.inputs, tolerance_X)
    # the views are views in this library too
    flat = to_numpy(other_gradients.flat)
    pieces = [
        np.ravel(to_numpy(x))
        for pair in zip(other_gradients.weights, other_gradients.biases, strict=True)
        for x in pair
    ]
    assert_identical(np.concatenate(pieces), flat)


@pytest.mark.parametrize("spec", specs(ACTIVATIONS))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_activations(spec, dtype, to):
    phi = ACTIVATIONS.get_record(spec)
    z = np.random.default_rng(0).uniform(*phi.domain, (5, 4)).astype(dtype)
    a = phi.value(z)
    other_a = phi.value(to(z))
    other = phi.derivative(to(z), other_a)
    assert dtype_name(other_a.dtype) == dtype_name(other.dtype) == dtype
    eps = float(np.finfo(dtype).eps)
    scale = (1 + abs(z)) * np.maximum(1, abs(a))
    assert_close(to_numpy(other_a), a, 8 * eps * scale)
    # the derivative carries the rounding of a, and mish's of three functions of z
    slope = phi.derivative(z, a)
    assert_close(to_numpy(other), slope, 16 * eps * (scale if phi.elementwise else 1.0))


@pytest.mark.parametrize("spec", specs(LOSSES))
def test_the_public_network(spec, to):
    """predict, loss and loss_and_gradients take targets as a user gives them."""
    loss = LOSSES.get_record(spec)
    case = draw_case([3, 5, 2], "gelu", loss.outputs[0], spec, n=6, seed=1)
    theta, other = case.model.parameters, of(case, to)
    names = case.model.specs()
    network = Network.from_arrays(
        [to(W) for W in theta.weights], [to(b) for b in theta.biases],
        names[0][:-1], names[0][-1], names[1],
    )  # fmt: skip
    ours = Network.from_model(case.model)
    tolerance, tolerance_X = gradient_tolerance(case)
    p = network.predict(other.X)
    assert library(p) == library(other.X)
    size = 64 * EPS * (1 + abs(ours.predict(case.X)))
    assert_close(to_numpy(p), ours.predict(case.X), size)
    J, gradients = network.loss_and_gradients(other.X, other.raw_y, other.s, alpha=0.2)
    want_J, want = ours.loss_and_gradients(case.X, case.raw_y, case.s, alpha=0.2)
    assert type(J) is float
    assert_close(J, want_J, 64 * EPS * (1 + abs(want_J)))
    assert network.loss(other.X, other.raw_y, other.s, alpha=0.2) == J
    assert_close(to_numpy(gradients.flat), want.flat, 2 * tolerance)
    assert_close(to_numpy(gradients.inputs), want.inputs, tolerance_X)
    J_one, _ = network.loss_and_gradients(other.X, other.raw_y)
    assert_close(J_one, ours.loss(case.X, case.raw_y), 64 * EPS * (1 + abs(want_J)))


def test_labels_of_every_kind(to):
    network = Network.from_arrays(
        [to(np.eye(3))], [to(np.zeros(3))], output="softmax", loss="cross_entropy"
    )
    X = np.random.default_rng(0).normal(size=(3, 3))
    want = network.loss(to(X), to(np.array([0, 2, 1])))
    for y in (
        np.array([0, 2, 1], np.uint8), np.array([0.0, 2.0, 1.0]), np.eye(3)[[0, 2, 1]],
        np.array([[0], [2], [1]]),
    ):  # fmt: skip
        assert network.loss(to(X), to(y)) == want
    two = Network.from_arrays(
        [to(np.eye(3)[:, :2])], [to(np.zeros(2))], output="softmax", loss="cross_entropy"
    )
    booleans, integers = np.array([True, False, True]), np.array([1, 0, 1])
    assert two.loss(to(X), to(booleans)) == two.loss(to(X), to(integers))


@pytest.mark.parametrize("spec", specs(OPTIMIZERS))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_step_of_the_reference_engine(spec, dtype, to):
    case = draw_case([3, 5, 2], "mish", "softmax", "cross_entropy", n=8, seed=2)
    other = of(case, to, dtype)
    settings = Settings(optimizer=spec, alpha=0.3, dropout=0.4, clip_norm=0.5, ceiling=2.0)
    run = ReferenceEngine().start(Problem(case.model, case.X, case.raw_y, case.s, settings, seed=7))
    view = other.model.parameters.weights[1]
    other_run = ReferenceEngine().start(
        Problem(other.model, other.X, other.raw_y, other.s, settings, seed=7)
    )
    before = case.model.parameters.flat.copy()
    for rows, of_library in ((np.array([3, 0, 6, 5, 1]), True), (np.array([7, 2, 4]), False)):
        cost = run.advance(rows, [0.01])
        other_cost = other_run.advance(to(rows) if of_library else rows, [0.01])
        # a float32 cost carries the rounding of some ten operations in a row
        assert_close(np.sum(other_cost), np.sum(cost), 64 * np.finfo(dtype).eps * np.sum(cost))
    theta = other.model.parameters
    assert library(theta.flat) == library(other.X)
    assert dtype_name(theta.flat.dtype) == dtype
    # 100 roundings of the update's own size: Adam's is the rate, the others' less than 0.5
    got, want = to_numpy(theta.flat).astype(float), case.model.parameters.flat
    moved = abs(want - before).max()
    condition = 1e3 if "adam" in spec or "rms" in spec else 1.0  # g/√v: relative errors of small g
    tolerance = np.finfo(dtype).eps * (2 * abs(want) + 256 * condition * moved)
    assert_close(got, want, tolerance)
    assert_identical(to_numpy(view), to_numpy(theta.weights[1]), "the view after two steps")


def test_parameters_copy_and_mark_weights(to):
    theta = Parameters([2, 3, 1], to(np.arange(13.0)))
    other = theta.copy()
    other.weights[0][...] = to(np.zeros((2, 3)))
    assert to_numpy(theta.flat).tolist() == list(range(13))
    assert to_numpy(other.flat).tolist() == [0] * 6 + list(range(6, 13))
    assert to_numpy(theta.is_weight()).tolist() == [1] * 6 + [0] * 3 + [1] * 3 + [0]
    assert Model.from_specs(theta, ["tanh", "identity"], "squared_error").is_finite()


def test_wrong_input_is_refused_in_every_library(to):
    network = Network.from_arrays([to(np.ones((3, 2)))], [to(np.zeros(2))])
    with pytest.raises(ValueError, match=r"X has shape \(4, 2\); this network takes"):
        network.predict(to(np.ones((4, 2))))
    with pytest.raises(ValueError, match="X has 4 rows and y has 3"):
        network.loss(to(np.ones((4, 3))), to(np.ones((3, 2))))
    with pytest.raises(ValueError, match="sample_weight must be 4 "):
        network.loss(to(np.ones((4, 3))), to(np.ones((4, 2))), to(np.zeros(4)))


def test_the_helpers_of_ops(to):
    x = to(np.array([-1.0, 0.0, 2.0]))
    assert namespace(x) is not namespace(np.ones(1))
    assert_identical(to_numpy(x), np.array([-1.0, 0.0, 2.0]))
    assert_identical(to_numpy(real(x)), np.array([-1.0, 0.0, 2.0]))
    z = to(np.array([1 + 2j]))
    assert_identical(to_numpy(real(z)), np.array([1.0]))
    import scipy.special

    assert_close(to_numpy(erf(x)), scipy.special.erf([-1.0, 0.0, 2.0]), 2 * EPS)
    assert dtype_name(x.dtype) == "float64"
    with pytest.raises(TypeError, match=r"[Mm]ultiple namespaces"):
        namespace(x, np.ones(1))


@pytest.mark.parametrize("order", ["C", "F", "big-endian", "uint8"])
def test_gathering_rows_does_not_copy_the_data_set(order):
    X = np.ones((20_000, 50))
    X = {
        "C": X, "F": np.asfortranarray(X), "big-endian": X.astype(">f8"), "uint8": X.astype("u1"),
    }[order]  # fmt: skip
    tracemalloc.start()
    try:
        batch = gather(X, np.arange(0, 640, 20), np.ones(1, np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert batch.shape == (32, 50)
    assert batch.dtype == np.float32
    assert peak < 10 * batch.size * 8


def test_rows_are_taken_in_every_library(to):
    x = np.arange(12.0).reshape(4, 3)
    rows = np.array([2, 0, 2])
    for chosen in (rows, to(rows)):
        assert_identical(to_numpy(take_rows(to(x), chosen)), x[rows])
        assert_identical(to_numpy(take_rows(to(x[:, 0]), chosen)), x[rows, 0])


def test_masks_do_not_depend_on_the_library(to):
    """They are drawn by one generator and only then converted."""
    mask = dropout_mask(1, 2, 1, 4, 3, 0.5)
    assert_identical(to_numpy(to(mask)), mask)


@pytest.mark.parametrize("flag", ["2023.12", "2024.12"])
def test_older_editions_of_the_standard_suffice(flag):
    """Nothing newer than the 2023 edition is needed."""
    case = draw_case([3, 5, 2], "selu", "softmax", "cross_entropy", n=6)
    with array_api_strict.ArrayAPIStrictFlags(api_version=flag):
        other = of(case, strict)
        got = to_numpy(other.run()[1].flat)
    assert_close(got, case.run()[1].flat, gradient_tolerance(case)[0])

"""The length of each sample's gradient, and their noise, are those of the gradients themselves."""

from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass import Network, train
from backpass.core import parameters
from backpass.core.arrays import to_numpy
from backpass.core.gradient_noise import GradientNoise, gradient_noise, squared_gradient_norms
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model, Parameters
from backpass.derivatives import forms
from backpass.errors import InputError
from helpers import EPS, HIDDEN, PAIRS, assert_close, draw_case, gradient_tolerance

SIZES = st.lists(st.integers(1, 6), min_size=2, max_size=4)
COLUMNS = st.integers(2, 4)  # a softmax of one is constant


def one(case, n):
    """Return sample n of a case, with weight 1, no penalty and no dropout."""
    rows = slice(n, n + 1)
    return replace(
        case, X=case.X[rows], y=case.y[rows], s=np.ones(1), alpha=0.0, masks=None, dropout=0.0
    )


def gradients_of(case):
    """Return every g_n by note 1's form, (N, P), and the rounding to allow for each, (N, P)."""
    gradients, tolerances = [], []
    for n in range(len(case.s)):
        sample = one(case, n)
        g = forms.per_sample(sample.model, sample.X, sample.y, sample.s).flat
        gradients.append(g)
        # the norm adds P squares, and its rounding to that of the entries
        tolerances.append(gradient_tolerance(sample)[0] + 4 * g.size * EPS * abs(g))
    return np.stack(gradients), np.stack(tolerances)


def assert_norms(case, norms, scale=1.0):
    """‖g‖ and ‖g + t‖ differ by at most ‖t‖."""
    g, t = gradients_of(case)
    bound = scale * np.linalg.norm(t, axis=1)
    assert_close(norms, np.linalg.norm(g, axis=1), bound, "norms")


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@given(sizes=SIZES, n=st.integers(1, 5), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=2)  # of each pair, with every hidden activation
def test_norms_are_those_of_each_samples_gradient(output, loss, sizes, n, seed, data):
    if output == "softmax":
        sizes = [*sizes[:-1], data.draw(COLUMNS)]
    for hidden in HIDDEN:
        case = draw_case(sizes, hidden, output, loss, n=n, seed=seed)
        assert_norms(case, np.sqrt(squared_gradient_norms(case.model, case.X, case.y)))


def test_the_comparison_sees_what_is_wrong():
    case = draw_case([3, 5, 2], "tanh", "identity", "squared_error")
    norms = np.sqrt(squared_gradient_norms(case.model, case.X, case.y))
    for wrong in (norms * (1 + 1e-10), norms**2, norms / len(norms)):
        with pytest.raises(AssertionError, match="norms"):
            assert_norms(case, wrong)


@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_inputs(kind):
    case = draw_case([6, 5, 2], "tanh", "softmax", "cross_entropy", n=7)
    case.X = case.X * (case.X > 0)
    sparse = getattr(scipy.sparse, f"csr_{kind}")(case.X)
    assert_norms(case, np.sqrt(squared_gradient_norms(case.model, sparse, case.y)))
    dense = gradient_noise(case.model, case.X, case.raw_y, np.arange(7), case.s)
    assert_noise(case, gradient_noise(case.model, sparse, case.raw_y, np.arange(7), case.s))
    assert dense.noise > 0


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_float32(output, loss):
    case = draw_case([4, 6, 3], "tanh", output, loss, n=6)
    theta = case.model.parameters
    single = Parameters(theta.sizes, theta.flat.astype(np.float32))
    theta.flat[...] = single.flat  # the same numbers in both
    case.X, case.y = (x.astype(np.float32).astype(float) for x in (case.X, case.y))
    model = case.model.with_parameters(single)
    squares = squared_gradient_norms(model, case.X.astype("f4"), case.y.astype("f4"))
    assert squares.dtype == np.float32
    scale = float(np.finfo(np.float32).eps) / EPS
    assert_norms(case, np.sqrt(squares), scale)
    rows = np.arange(6)
    assert_noise(case, gradient_noise(model, case.X, case.y, rows, case.s), scale)


def assert_noise(case, found, scale=1.0):
    """Both means are weighted sums of what `gradients_of` gives, and inherit its rounding."""
    g, t = gradients_of(case)
    share = case.s / case.s.sum()
    norms, bounds = (np.linalg.norm(x, axis=1) for x in (g, scale * t))
    n = len(share)
    mean, slack = share @ g, scale * (share @ (t + 2 * (n + 2) * EPS * abs(g)))
    want = GradientNoise(share @ norms**2, mean @ mean)
    # ‖g + t‖² − ‖g‖² ≤ 2 ‖g‖ ‖t‖ + ‖t‖²
    rounding = 2 * (n + 2) * EPS * scale * want.mean_squared
    bound = share @ (2 * norms * bounds + bounds**2) + rounding
    assert_close(found.mean_squared, want.mean_squared, bound, "mean ‖g_n‖²")
    off, length = np.linalg.norm(slack), np.linalg.norm(mean)
    bound_of_mean = 2 * length * off + off**2
    assert_close(found.squared_mean, want.squared_mean, bound_of_mean, "‖ḡ‖²")
    spread = share @ np.sum((g - mean) ** 2, axis=1)
    assert_close(found.noise, spread, 2 * (bound + bound_of_mean), "noise")


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("at_a_time", [1, 3, 100])
def test_noise_is_the_spread_of_the_gradients(output, loss, at_a_time, monkeypatch):
    monkeypatch.setattr(parameters, "MOST_ROWS", at_a_time)
    hidden = HIDDEN[PAIRS.index((output, loss)) % len(HIDDEN)]
    case = draw_case([3, 5, 4, 2], [hidden, "tanh"], output, loss, n=8)
    assert_noise(case, gradient_noise(case.model, case.X, case.raw_y, np.arange(8), case.s))


def test_noise_of_some_rows_and_without_weights():
    case = draw_case([3, 4, 2], "tanh", "softmax", "cross_entropy", n=8)
    rows = np.array([6, 1, 2])
    found = gradient_noise(case.model, case.X, case.raw_y, rows)
    chosen = replace(case, X=case.X[rows], y=case.y[rows], s=np.ones(3))
    assert_noise(chosen, found)


def test_smoothing_is_applied_once():
    loss = "cross_entropy:label_smoothing=0.1"
    case = draw_case([3, 4, 3], "tanh", "softmax", loss, n=6)
    network = Network.from_model(case.model)
    assert_norms(case, network.gradient_norms(case.X, case.raw_y))
    assert_noise(case, network.gradient_noise(case.X, case.raw_y, case.s))


def test_a_doubled_weight_is_a_repeated_sample():
    case = draw_case([3, 4, 1], "tanh", "identity", "squared_error", n=5)
    s = np.array([1.0, 2.0, 1.0, 0.0, 1.0])
    weighted = gradient_noise(case.model, case.X, case.raw_y, np.arange(5), s)
    repeated = gradient_noise(case.model, case.X, case.raw_y, np.array([0, 1, 1, 2, 4]))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-13)


def test_one_sample_has_no_noise():
    case = draw_case([3, 4, 1], "tanh", "identity", "squared_error", n=1)
    found = gradient_noise(case.model, case.X, case.raw_y, np.arange(1))
    assert 0 <= found.noise <= 64 * EPS * found.mean_squared


def test_rows_without_weight_are_refused():
    case = draw_case([3, 1], "tanh", "identity", "squared_error", n=3)
    with pytest.raises(InputError, match="no positive sum"):
        gradient_noise(case.model, case.X, case.raw_y, np.arange(2), np.array([0.0, 0.0, 1.0]))


def test_other_libraries():
    case = draw_case([3, 5, 2], "gelu", "softmax", "cross_entropy", n=6)
    theta = case.model.parameters
    strict = Parameters(theta.sizes, array_api_strict.asarray(theta.flat.copy()))
    model = Model(strict, case.model.activations, case.model.loss)
    X, y, s = (array_api_strict.asarray(x) for x in (case.X, case.raw_y, case.s))
    network = Network.from_model(model)
    assert_norms(case, to_numpy(network.gradient_norms(X, y)))
    assert_noise(case, network.gradient_noise(X, y, s))


@pytest.mark.parametrize("at_a_time", [2, 100])
def test_the_network_takes_what_it_takes_elsewhere(at_a_time, monkeypatch):
    monkeypatch.setattr(parameters, "MOST_ROWS", at_a_time)
    network = Network([2, 3, 1], "tanh", seed=0)
    X, y = [[0, 1], [1, 0], [1, 1], [2, 1], [0, 2]], [1, 0, 1, 0, 1]
    sparse = scipy.sparse.csc_array(np.array(X))
    for found, same in [
        (network.gradient_norms(X, y), network.gradient_norms(sparse, y)),
        (network.predict(X), network.predict(sparse)),
    ]:
        np.testing.assert_allclose(found, same, rtol=1e-14)
    g = [network.loss_and_gradients(np.array([x]), [t])[1].flat for x, t in zip(X, y, strict=True)]
    np.testing.assert_allclose(network.gradient_norms(X, y), np.linalg.norm(g, axis=1), rtol=1e-14)
    for call in (network.gradient_norms, network.gradient_noise):
        with pytest.raises(InputError, match="X has 5 rows and y has 4"):
            call(X, y[:4])
        with pytest.raises(InputError, match="X has 0 rows"):
            call(np.empty((0, 2)), [])
        with pytest.raises(InputError, match="this network takes"):
            call(np.ones((5, 3)), y)
    with pytest.raises(InputError, match="sample_weight must be 5"):
        network.gradient_noise(X, y, [1, 1, 1, 1, -1])


def test_predicting_nothing_gives_no_rows():
    assert Network([2, 3, 1], seed=0).predict(np.empty((0, 2))).shape == (0, 1)


def test_training_records_the_noise_of_the_rows_it_trains_on():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y, s = X[:, 0] ** 2, rng.uniform(0.1, 2, size=300)
    network = Network([3, 8, 1], "tanh", seed=0)
    options = {"dropout": 0.3, "alpha": 0.1, "epochs": 3, "gradient_norms": True}
    history = train(network, X, y, s, seed=0, **options)
    found = network.gradient_noise(X, y, s)
    assert len(history.mean_squared_gradient_norms) == len(history.gradient_noise) == 3
    # the same sums over the same rows; only the order of the rows could differ
    assert history.mean_squared_gradient_norms[-1] == pytest.approx(found.mean_squared, rel=1e-12)
    assert history.gradient_noise[-1] == pytest.approx(found.noise, rel=1e-12)
    without = train(network, X, y, s, seed=0, epochs=1)
    assert without.mean_squared_gradient_norms == without.gradient_noise == []


def test_training_goes_on_where_the_first_rows_weigh_nothing():
    X = np.linspace(-1, 1, 300)[:, None]
    s = np.where(np.arange(300) < 280, 0.0, 1.0)
    network = Network([1, 3, 1], "tanh", seed=0)
    history = train(
        network, X, X[:, 0], s, seed=0, epochs=1, batch_size=300, gradient_norms=True,
        sampling="sequential",
    )  # fmt: skip
    assert np.isfinite(history.layer_gradient_norms).all()
    assert history.layer_gradient_norms[0][0] > 0


def test_every_loss_is_covered():
    assert {loss for _, loss in PAIRS} == set(LOSSES)

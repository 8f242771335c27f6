"""A native run: what changes nothing, where it stops, how it is taken up again; single rows."""

import math
import pickle
import warnings

import numpy as np
import pytest

from backpass import MLPClassifier, MLPRegressor, train
from backpass.core.dropout import dropout_mask
from backpass.core.optimizers import OPTIMIZERS
from backpass.engines.reference import ReferenceRowPredictor
from backpass.errors import InputError, NonFiniteError
from backpass.network.network import Network
from helpers import HIDDEN, PAIRS, assert_close, assert_identical
from native_cases import (
    NATIVE,
    REFERENCE,
    draw_batch,
    every_dtype,
    every_isa,
    forced,
    needs_native,
    new_network,
    seen_by,
    training_on,
)
from rounding import bounds

pytestmark = needs_native

N = 40
ENGINES = {"native": NATIVE, "reference": REFERENCE}


def start(dtype="float64", optimizer="adam", engine=NATIVE, change=None, **options):
    """Return a network and a run that takes batches of 8 of its 40 rows."""
    network = new_network(dtype=dtype)
    X, y, s = draw_batch(network, N)
    if change:
        change(X, y, s)
    options = {"batch_size": 8, **options}
    return network, engine.start(training_on(network, (X, y, s), optimizer, **options))


# --- batches without weight, losses that are not finite ------------------------------------------


@every_isa
@every_dtype
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_a_batch_without_weight_changes_nothing(clip_norm, n_threads, dtype, isa):
    def no_weight(X, y, s):
        s[8:16] = 0

    options = {"alpha": 0.3, "dropout": 0.2, "clip_norm": clip_norm, "n_threads": n_threads}
    with forced(isa):
        network, run = start(dtype, change=no_weight, **options)
        other, alone = start(dtype, change=no_weight, **options)
    run.advance(np.arange(8), [0.1])
    before = {"state": run.state["v"], "steps": run.steps}
    run.publish()
    theta = network.parameters.flat.copy()
    np.testing.assert_array_equal(run.advance(np.arange(8, 16), [0.1]), [[0.0, 0.0]])
    run.publish()
    assert_identical(network.parameters.flat, theta)
    assert_identical(run.state["v"], before["state"])
    assert run.steps == before["steps"] == 1
    # nor does it where it stands between others: the next masks are those of the second step
    costs = alone.advance(np.arange(24), [0.1, 123.0, 0.1])
    assert costs[1].tolist() == [0, 0]
    run.advance(np.arange(16, 24), [0.1])
    run.publish()
    alone.publish()
    assert alone.steps == 2
    assert_identical(other.parameters.flat, network.parameters.flat)


@every_isa
@every_dtype
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_training_stops_at_the_first_loss_that_is_not_finite(bad, clip_norm, n_threads, dtype, isa):
    def spoilt(X, y, s):
        (X if math.isnan(bad) else y)[21, 2] = bad  # tanh would take an infinite X for 1
        s[21] = 1

    options = {"clip_norm": clip_norm, "n_threads": n_threads, "alpha": 0.1}
    with forced(isa):
        network, run = start(dtype, change=spoilt, **options)
        other, right = start(dtype, **options)
    costs = run.advance(np.arange(N), [0.01] * 5)
    assert len(costs) == 3
    assert np.isfinite(costs[:2]).all()
    assert not math.isfinite(costs[2].sum())
    assert run.steps == 2
    run.publish()
    assert network.model.is_finite()
    assert all(np.isfinite(slot).all() for slot in run.state.values())
    right.advance(np.arange(16), [0.01] * 2)
    right.publish()
    assert_identical(network.parameters.flat, other.parameters.flat)
    # and it goes on with other rows
    assert np.isfinite(run.advance(np.arange(8), [0.01])).all()


@pytest.mark.parametrize("where", ["the first row", "the last of a block", "after a block"])
def test_a_loss_that_is_not_finite_in_a_batch_of_several_blocks(where):
    row = {"the first row": 0, "the last of a block": 2047, "after a block": 2048}[where]
    for n_threads in (1, 2):
        network = new_network()
        X, y, _ = draw_batch(network, 4097)
        X[row] = np.nan
        run = NATIVE.start(training_on(network, (X, y, None), n_threads=n_threads, batch_size=4097))
        costs = run.advance(np.arange(4097), [0.01])
        assert len(costs) == 1
        assert not math.isfinite(costs[0].sum())
        assert run.steps == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_evaluated_is_not_a_number(engine):
    """Whatever was computed before: no gradient of other rows is handed out for these."""

    def spoilt(X, y, s):
        X[3] = np.nan

    _, run = start(engine=ENGINES[engine], change=spoilt)
    assert np.isfinite(run.evaluate(np.arange(8, 16)).gradient).all()
    found = run.evaluate(np.arange(8))
    assert math.isnan(found.data)
    assert np.isnan(found.gradient[:5]).all()  # of W_1, which meets X
    squares = run.squared_norms(np.arange(8))
    assert np.isnan(squares[3])
    assert np.isfinite(np.delete(squares, 3)).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_evaluated_in_several_blocks(engine):
    network = new_network()
    X, y, _ = draw_batch(network, 5000)
    X[3] = np.nan
    run = ENGINES[engine].start(training_on(network, (X, y, None), batch_size=64))
    squares = run.squared_norms(np.arange(5000))
    assert np.isnan(squares[3])
    assert np.isfinite(np.delete(squares, 3)).all()
    assert np.isnan(run.evaluate(np.arange(5000)).gradient[:5]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_there_is_no_mean_without_weight(engine):
    def no_weight(X, y, s):
        s[:8] = 0

    _, run = start(engine=ENGINES[engine], change=no_weight)
    run.evaluate(np.arange(N))
    with pytest.raises(InputError, match="the weights of the rows have no positive sum"):
        run.noise(np.arange(8))
    found = run.evaluate(np.arange(8))
    assert math.isnan(found.data)
    assert np.isnan(found.gradient).all()


@every_dtype
def test_weights_play_no_part_in_the_norm_of_a_single_gradient(dtype):
    norms, noises = [], []
    for scale in (1.0, 0.0, 2.0**-80, 2.0**60):

        def weighted(X, y, s, scale=scale):
            s[:8] *= scale

        _, run = start(dtype, change=weighted)
        norms.append(run.squared_norms(np.arange(12)))
        if scale:
            noises.append(run.noise(np.arange(8)))
    for got in norms[1:]:
        assert_identical(got, norms[0])
    for got in noises[1:]:  # only their ratios count, and powers of two cost no bit
        assert_identical(got, noises[0])
    want = start(dtype, engine=REFERENCE)[1].squared_norms(np.arange(12))
    np.testing.assert_allclose(norms[0], want, rtol=1e-4 if dtype == np.float32 else 1e-12)


def test_the_message_says_where():
    network = new_network()
    X, y, _ = draw_batch(network, N)
    X[20] = np.nan
    with pytest.raises(NonFiniteError, match=r"the loss is nan in epoch 1, step 3, at learning"):
        train(network, X, y, engine="native", batch_size=8, sampling="sequential", epochs=2)
    assert network.model.is_finite()


# --- rates, state, engines that take over from one another --------------------------------------


@every_dtype
def test_every_step_has_its_own_rate(dtype):
    rates = [0.1, 0.0, 0.03, 1e-5, 0.2]
    one, all_at_once = start(dtype)[1], start(dtype)[1]
    all_at_once.advance(np.arange(N), rates)
    for step, rate in enumerate(rates):
        one.advance(np.arange(8 * step, 8 * step + 8), [rate])
    for run in (one, all_at_once):
        run.publish()
    assert_identical(one.model.parameters.flat, all_at_once.model.parameters.flat)
    network, still = start(dtype, "sgd", alpha=0.5)
    before = network.parameters.flat.copy()
    still.advance(np.arange(N), [0.0] * 5)
    still.publish()
    assert_identical(network.parameters.flat, before)


@every_isa
@every_dtype
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_run_can_be_taken_up_again(optimizer, dtype, isa):
    """Parameters, state and the count of steps are all there is; the bytes go on."""
    options = {"dropout": 0.3, "seed": 2, "alpha": 0.1}
    rows = np.random.default_rng(0).integers(0, N, 48)
    with forced(isa):
        network, whole = start(dtype, optimizer, **options)
        whole.advance(rows, [0.05] * 6)
        whole.publish()
        half, first = start(dtype, optimizer, **options)
        first.advance(rows[:24], [0.05] * 3)
        first.publish()
        state = pickle.loads(pickle.dumps(first.state))
        again = NATIVE.start(first.problem, state, first.steps)
        assert again.steps == 3
        for name, slot in again.state.items():
            assert_identical(slot, state[name])
        again.advance(rows[24:], [0.05] * 3)
        again.publish()
    assert_identical(half.parameters.flat, network.parameters.flat)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_engines_take_over_from_one_another(optimizer):
    """In float64, 6 steps of 8 rows differ by some 1e-13; a state that is lost, by far more."""
    options = {"dropout": 0.3, "seed": 2, "alpha": 0.1}
    rows = np.random.default_rng(0).integers(0, N, 48)
    results = []
    for order in ("nnnnnn", "rrrrrr", "nnnrrr", "rrrnnn", "nrnrnr"):
        network, run = start("float64", optimizer, **options)
        for step, letter in enumerate(order):
            engine = NATIVE if letter == "n" else REFERENCE
            run = engine.start(run.problem, run.state, run.steps)
            run.advance(rows[8 * step : 8 * step + 8], [0.05])
            run.publish()
        assert run.steps == 6
        results.append(network.parameters.flat)
    for got in results[1:]:
        np.testing.assert_allclose(got, results[0], rtol=0, atol=1e-9)


def test_a_state_of_another_dtype_or_length():
    _, run = start("float32")
    state = {name: slot.astype(float) for name, slot in run.state.items()}
    assert NATIVE.start(run.problem, state, 4).steps == 4
    with pytest.raises(ValueError, match="wrong length"):
        NATIVE.start(run.problem, {name: slot[:-1] for name, slot in state.items()}, 4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_callback_may_change_the_parameters(engine):
    network = new_network()
    X, y, _ = draw_batch(network, N)
    seen = []

    def reset(history):
        seen.append(network.parameters.flat.copy())
        network.parameters.flat[...] = 0.25

    train(network, X, y, engine=engine, epochs=3, batch_size=8, sampling="sequential",
          optimizer="sgd", seed=0, on_epoch=reset)  # fmt: skip
    assert_identical(seen[1], seen[2])  # both began at 0.25
    assert (seen[0] != seen[1]).any()
    assert (network.parameters.flat == 0.25).all()


@pytest.mark.parametrize("weights", [False, True])
def test_partial_fit_and_warm_start_go_on(weights):
    """One native fit in pieces is the reference engine's in pieces."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    s = rng.random(60) if weights else None
    results = []
    for engine in ENGINES:
        model = MLPClassifier((8,), random_state=0, engine=engine, dropout=0.2, batch_size=16)
        for _ in range(4):
            model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=s)
        regressor = MLPRegressor(
            hidden_layer_sizes=(8,),
            random_state=0,
            engine=engine,
            warm_start=True,
            max_iter=3,
            batch_size=16,
        )
        for _ in range(2):
            with pytest.warns(UserWarning, match="Maximum iterations"):
                regressor.fit(X, X[:, :2], sample_weight=s)
        assert model.engine_ == regressor.engine_ == engine
        assert model.t_ == 240
        results.append([model.network_.parameters.flat, regressor.network_.parameters.flat])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


def test_lbfgs_takes_the_steps_that_it_takes_on_the_reference_engine():
    """Ten iterations from the same start; without end, both find a minimum as good."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    y = np.tanh(X @ rng.normal(size=(4, 2)))
    common = {"activation": "tanh", "solver": "lbfgs", "alpha": 0.1, "tol": 1e-9}
    losses = []
    for iterations in (10, 2000):
        fitted = []
        for engine in ENGINES:
            model = MLPRegressor(
                hidden_layer_sizes=(5,), max_iter=iterations, max_fun=20000, random_state=0,
                engine=engine, **common,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, y, sample_weight=1 + np.arange(80) % 3)
            assert model.engine_ == engine
            fitted.append(model)
        losses += [model.loss_ for model in fitted]
        if iterations == 10:
            np.testing.assert_allclose(
                *(model.network_.parameters.flat for model in fitted), rtol=0, atol=1e-9
            )
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    assert losses[2] == pytest.approx(losses[3], rel=1e-5)
    assert losses[2] < losses[0]


@pytest.mark.parametrize("rate", [1 - 2**-33, 1 - 1e-12, 2**-34, 0.5, 0.999])
def test_masks_at_the_ends_of_their_range(rate):
    """A rate that rounds to 1 keeps nothing, one that rounds to 0 keeps everything."""
    network, run = start("float64", "sgd", dropout=rate)
    kept = dropout_mask(0, 0, 1, 8, 7, rate)
    gradient = bounds(seen_by(network, run.problem, np.arange(8), step=0)).gradient
    before = network.parameters.copy()
    run.advance(np.arange(8), [1e-3])
    run.publish()
    moved = np.abs(before.weights[1] - network.parameters.weights[1]).sum(axis=1) > 0
    weighed = kept * run.problem.sample_weight[:8, None]
    np.testing.assert_array_equal(moved, (weighed > 0).any(axis=0))
    error = 1e-3 * gradient.error + 4e-16 * (abs(before.flat) + 1e-3 * abs(gradient.value))
    assert_close(network.parameters.flat, before.flat - 1e-3 * gradient.value, error)


# --- one row -----------------------------------------------------------------------------------


@every_isa
@every_dtype
@pytest.mark.parametrize("kind", ["hidden", "outputs"])
def test_one_row_is_a_row_of_many(kind, dtype, isa):
    pairs = [(h, "identity", "squared_error") for h in HIDDEN]
    pairs = pairs if kind == "hidden" else [("tanh", *pair) for pair in PAIRS]
    for hidden, output, loss in pairs:
        for sizes in ((3, 1), (5, 7, 2), (16, 33, 17, 16), (1, 300, 4)):
            with forced(isa):
                network = new_network(sizes, hidden, output, loss, dtype)
                X, y, _ = draw_batch(network, 3)
                right = bounds(seen_by(network, training_on(network, (X, y, None)), np.arange(3)))
                got = [network.predict_one(x) for x in X]
            assert got[0].dtype == dtype
            assert_close(got, right.output.value, right.output.error, f"{hidden} {output} {sizes}")


@every_dtype
def test_one_row_of_every_form(dtype):
    network = new_network((4, 6, 2), dtype=dtype)
    numbers = np.array([3, -1, 0, 2])
    want = network.predict_one(numbers.astype(dtype))
    for kind in ("i1", "i8", "f2", "f4", "f8", ">f4", "longdouble", object):
        x = numbers.astype(kind)
        for form in (x, np.repeat(x, 2)[::2], x[::-1].copy()[::-1]):
            assert_identical(network.predict_one(form), want)
    assert_identical(network.predict_one([3, -1, 0, 2]), want)
    assert_identical(network.predict_one((3.0, -1.0, 0.0, 2.0)), want)
    read_only = numbers.astype(dtype)
    read_only.flags.writeable = False
    assert_identical(network.predict_one(read_only), want)
    assert_identical(network.predict(numbers[None, :])[0], want)
    missing = network.predict_one([np.nan, 0, 0, 0])
    assert np.isnan(missing).all()


@pytest.mark.parametrize("reference", [False, True])
def test_what_is_no_row_is_refused(reference):
    network = new_network((4, 6, 2))
    one = ReferenceRowPredictor(network.model).predict if reference else network.predict_one
    for x in (np.zeros(3), np.zeros(5), np.zeros((1, 4)), np.zeros((4, 1)), np.zeros(0), 1.0, [[]]):
        with pytest.raises(InputError, match=r"this network takes one row \(4,\)"):
            one(x)
    one = new_network((1, 2)).predict_one
    with pytest.raises(InputError, match=r"x has shape \(\); this network takes one row \(1,\)"):
        one(3.0)


def test_parameters_changed_afterwards_are_seen():
    network = new_network((4, 6, 2))
    x = np.ones(4)
    first = network.predict_one(x)
    network.weights[0][...] *= 2
    second = network.predict_one(x)
    assert (first != second).all()
    np.testing.assert_allclose(second, network.predict(x[None, :])[0], rtol=1e-12)
    train(network, np.ones((9, 4)), np.ones((9, 2)), epochs=2, engine="native")
    np.testing.assert_allclose(network.predict_one(x), network.predict(x[None, :])[0], rtol=1e-12)
    other = Network([4, 6, 2], seed=9)
    network.model = other.model
    assert_identical(network.predict_one(x), other.predict_one(x))


def test_networks_that_predicted_rows_are_copied_and_pickled():
    network = new_network((4, 6, 2))
    want = network.predict_one(np.ones(4))
    for twin in (network.copy(), pickle.loads(pickle.dumps(network))):
        assert_identical(twin.predict_one(np.ones(4)), want)
        twin.parameters.flat[...] = 0
        assert (twin.predict_one(np.ones(4)) == 0).all()
    assert_identical(network.predict_one(np.ones(4)), want)

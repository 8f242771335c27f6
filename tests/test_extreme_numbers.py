"""Extreme numbers end in a right result or in a clear stop, and never in a silent NaN."""

import math
import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import polars
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from backpass import MLPClassifier, MLPRegressor, Network, TabularModel, train
from backpass.cli import main
from backpass.core.requirements import usable_weights
from backpass.errors import InputError, NonFiniteError, TableError
from backpass.estimators.data import r_squared
from backpass.export import onnx_inputs, to_onnx
from backpass.storage.container import read_container
from backpass.tabular.metrics import number_metrics
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.recipe import RECIPE
from backpass.training.checkpoints import KIND, checkpoints_in
from backpass.training.snapshots import SNAPSHOT_SCHEMA

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::backpass.errors.DeadUnitsWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
LABELS = RNG.integers(0, 3, 40)
Y = X @ [1.0, 2.0, 3.0, 4.0]
ENGINES = ("native", "reference")


def classifier(**options):
    return MLPClassifier((5,), random_state=0, **({"max_iter": 6} | options))


def regressor(**options):
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 6} | options
    return MLPRegressor(**options)


def float32(x):
    return np.asarray(x, dtype=np.float32)


# --- what stops training -----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_adam_that_froze_by_overflow_is_refused(engine):
    """v = inf makes every later step 0: the loss stays finite, and nothing is learnt."""
    with pytest.raises(NonFiniteError, match=r"adam's v has left the range of float32 by epoch 6"):
        classifier(engine=engine).fit(float32(X * 1e30), LABELS)


@pytest.mark.parametrize("engine", ENGINES)
def test_infinite_parameters_behind_a_flat_activation_are_refused(engine):
    """tanh(±inf) is ±1, so the loss stays finite while weights are infinite."""
    network = Network([1, 2, 1], "tanh", seed=0)
    before = network.parameters.flat.copy()
    one = np.ones((4, 1))

    def overflow(history):
        network.weights[0][...] = np.inf

    with pytest.raises(NonFiniteError, match=r"parameters are not finite in epoch 2, after step 2"):
        train(network, one, one[:, 0], epochs=3, on_epoch=overflow, engine=engine, seed=0)
    np.testing.assert_array_equal(network.parameters.flat, before)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_step_of_the_last_epoch_may_not_diverge(engine):
    with pytest.raises(NonFiniteError, match=r"not finite in epoch 1, after step 1, at learning"):
        regressor(engine=engine, solver="sgd", learning_rate_init=1e200, max_iter=1).fit(
            X, Y * 1e150
        )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("held_out", "what"),
    [((X * 4e307, LABELS), "the validation loss is inf"), ((X * 1e300, LABELS), "validation")],
)
def test_validation_that_overflows_stops_training(engine, held_out, what):
    rows = X if "inf" in what else float32(X)
    with pytest.raises(NonFiniteError, match=what):
        classifier(engine=engine).fit(rows, LABELS, validation_data=held_out)


def test_a_validation_score_that_is_not_defined_stops_training():
    fitted = regressor(early_stopping_metric=lambda *_: math.nan, early_stopping=True)
    with pytest.raises(InputError, match=r"score is not defined on the validation rows .* metric"):
        fitted.fit(X, Y)


@pytest.mark.parametrize("engine", ENGINES)
def test_gradient_norms_that_overflow_are_refused(engine):
    with pytest.raises(NonFiniteError, match=r"gradients \(gradient_norms=True\) is"):
        classifier(engine=engine, gradient_norms=True).fit(X * 1e170, LABELS)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_step_without_a_finite_loss_is_named(engine):
    """A penalty of inf is not followed by worse losses, so that it must be looked for."""
    network = Network([4, 1], seed=0)
    network.weights[0][...] = 1e200
    with pytest.raises(NonFiniteError, match="the loss is inf in epoch 1, step 1, at learning"):
        train(network, X * 1e-250, Y, alpha=1.0, optimizer="sgd", engine=engine, batch_size=8)


def test_the_mean_loss_of_an_epoch_may_not_overflow():
    network = Network([1, 1], "identity", loss="absolute_error", seed=0)
    rows, y = np.ones((40, 1)), np.full(40, 1e307)
    with pytest.raises(NonFiniteError, match="the mean loss is inf after epoch 1"):
        train(network, rows, y, epochs=1, batch_size=10, optimizer="sgd")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "power", "clip", "rate"),
    [
        ("float32", 100, 1.0, 1.0),
        ("float64", 800, 1.0, 1.0),
        ("float32", 70, 2.0**90, 2.0**-70),
        ("float64", 800, 2.0**790, 2.0**-790),
    ],
)
def test_a_gradient_whose_square_overflows_is_clipped(engine, threads, dtype, power, clip, rate):
    """One step on features times 2^p: a longer gradient is cut to the same step, to rounding."""
    size = 2.0**power
    rows, y = X.astype(dtype), Y.astype(dtype)
    network = Network([4, 33, 1], "identity", loss="absolute_error", seed=0, dtype=dtype)
    plain, huge = network.copy(), network.copy()
    options = {"optimizer": "sgd", "batch_size": 40, "epochs": 1, "seed": 0, "engine": engine}
    options["n_threads"] = threads
    _, gradient = plain.loss_and_gradients(rows * size, y)
    exact = gradient.flat.astype(np.longdouble)
    norm = np.sqrt((exact * exact).sum())
    train(huge, rows * size, y, clip_norm=clip, learning_rate=rate, **options)
    moved = (huge.parameters.flat - plain.parameters.flat).astype(np.longdouble)
    want = -rate * exact * min(1, clip / norm)
    # θ − step is rounded to θ's last bit; the step itself to some bits of its own
    eps = np.finfo(dtype).eps
    tolerance = eps * np.abs(plain.parameters.flat).max() + 400 * eps * np.abs(want).max()
    assert np.abs(moved - want).max() <= tolerance
    assert np.abs(moved).max() > 0


# --- what is left behind -------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_an_estimator_whose_first_fit_diverges_is_not_fitted(solver):
    fitted = regressor(solver=solver, learning_rate_init=1e30)
    with pytest.raises(NonFiniteError):
        fitted.fit(float32(X), float32(Y * 1e30))
    assert [name for name in vars(fitted) if name.endswith("_")] == []
    with pytest.raises(NotFittedError):
        fitted.predict(X)


@pytest.mark.parametrize("again", ["fit", "warm", "partial_fit"])
def test_an_estimator_that_diverges_later_stays_as_it_was(again):
    fitted = regressor(solver="sgd", learning_rate_init=1e-3, warm_start=again == "warm")
    fitted.fit(X, Y)
    before, curve = fitted.predict(X), list(fitted.loss_curve_)
    assert fitted.loss_curve_ is fitted._bp_history.loss_curve
    go_on = fitted.partial_fit if again == "partial_fit" else fitted.fit
    with pytest.raises(NonFiniteError):
        go_on(X, Y * 1e200)
    np.testing.assert_array_equal(fitted.predict(X), before)
    assert fitted.loss_curve_ == curve
    assert fitted._bp_history.loss_curve == curve
    go_on(X, Y)
    assert math.isfinite(fitted.loss_)
    assert len(fitted.loss_curve_) == {"fit": 6, "warm": 12, "partial_fit": 7}[again]


def test_a_first_partial_fit_that_diverges_may_be_tried_again():
    fitted = classifier(solver="sgd", learning_rate_init=1e300)
    for _ in range(2):
        with pytest.raises(NonFiniteError):
            fitted.partial_fit(X * 1e10, LABELS, classes=[0, 1, 2])
        with pytest.raises(NotFittedError):
            fitted.predict(X)
    fitted.set_params(learning_rate_init=0.001).partial_fit(X, LABELS, classes=[0, 1, 2])
    assert fitted.predict_proba(X).shape == (40, 3)


def test_targets_that_float32_cannot_hold_are_refused_by_row():
    y = np.where(np.arange(40) == 3, 1e300, Y)
    with pytest.raises(
        InputError, match=r"squared_error: row 3 of the targets is \[1.e\+300\], too l"
    ):
        regressor().fit(float32(X), y)


# --- settings that a dtype cannot hold -----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 1e-46}, "adam: epsilon is 1e-46, smaller than what has a square in float32; "),
        ({"clip_norm": 1e-40}, "clip_norm is 1e-40, which is 0 in float32"),
        (
            {"learning_rate_init": 1e39},
            "learning_rate is 1e[+]39; in float32 it must be a number o",
        ),
        ({"alpha": 1e39}, "alpha is 1e[+]39; in float32 it must be a number of at most 3.4e[+]38"),
        ({"alpha": math.inf}, "alpha must be a number of at least 0 and finite, not inf"),
    ],
)
def test_settings_beyond_the_dtype_are_refused(options, message):
    fitted = classifier(**options)
    with pytest.raises(InputError, match=message):
        fitted.fit(float32(X), LABELS)
    assert not hasattr(fitted, "network_")


def test_a_schedule_whose_power_overflows_gives_a_rate_of_0():
    slow = classifier(solver="sgd", learning_rate="invscaling", power_t=1e10).fit(X, LABELS)
    assert slow._bp_history.learning_rates[1:] == [0.0] * 5


# --- sample weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1e300, 1e-300, 5e-324])
def test_weights_that_float32_cannot_hold_are_refused(value):
    with pytest.raises(InputError, match="finite numbers of at least 0 with a positive sum, in fl"):
        classifier().fit(float32(X), LABELS, sample_weight=np.full(40, value))


@pytest.mark.parametrize("value", [1e308, 1e-310, 5e-324])
def test_weights_whose_sum_float64_cannot_hold_are_refused(value):
    weights = np.full(40, value)
    with pytest.raises(InputError, match=r"in float64; divide them by their largest"):
        classifier().fit(X, LABELS, sample_weight=weights)
    with pytest.raises(InputError, match=r"in float64; divide them by their largest"):
        train(Network([4, 1], seed=0), X, Y, weights)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_1e300_are_weights_of_1_without_a_penalty(engine):
    one, huge = (
        classifier(engine=engine, alpha=0.0, early_stopping=True).fit(X, LABELS, np.full(40, w))
        for w in (1.0, 2.0**996)
    )
    np.testing.assert_array_equal(one.network_.parameters.flat, huge.network_.parameters.flat)
    assert one.validation_loss_curve_ == huge.validation_loss_curve_
    assert one.validation_scores_ == huge.validation_scores_


def test_class_weights_are_checked_too():
    with pytest.raises(InputError, match=r"class_weight=.* give finite numbers of at least 0"):
        classifier(class_weight={0: -1.0, 1: 1.0, 2: 1.0}).fit(X, LABELS)


def test_a_vanishing_weight_is_0_to_both_engines():
    weights = np.where(LABELS == 0, 1e-310, 1.0)
    assert (usable_weights(weights, 40, X) == np.where(LABELS == 0, 0.0, 1.0)).all()
    native, reference = (
        classifier(engine=engine, batch_size=1, solver="sgd").fit(X, LABELS, weights)
        for engine in ENGINES
    )
    gap = np.abs(native.network_.parameters.flat - reference.network_.parameters.flat).max()
    assert gap < 240 * 100 * np.finfo(float).eps  # steps, and operations of a step


# --- predictions and scores ----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [classifier, regressor])
def test_rows_beyond_the_dtype_are_refused_by_a_fitted_estimator(engine, make):
    fitted = make(engine=engine).fit(float32(X), LABELS)
    rows = X.copy()
    rows[2] = 1e300
    with pytest.raises(InputError, match=r"X, row 3: the network's output is nan, because its fea"):
        fitted.predict(rows)


def test_r_squared_of_huge_and_tiny_numbers_is_that_of_ordinary_ones():
    predicted = Y + RNG.normal(size=40)
    want = r2_score(Y, predicted)
    for power in (-1000, -600, 600, 1000):
        assert r_squared(np.ldexp(Y, power), np.ldexp(predicted, power)) == pytest.approx(
            want, rel=1e-14
        )
    assert r_squared(float32(Y) * float32(2.0**100), float32(predicted) * float32(2.0**100)) == (
        pytest.approx(want, rel=1e-5)
    )
    assert r_squared(Y, predicted) == want
    assert number_metrics(Y, predicted) == {
        name: value / (1.0 if name == "R²" else 2.0**900)
        for name, value in number_metrics(np.ldexp(Y, 900), np.ldexp(predicted, 900)).items()
    }


def test_scores_of_huge_targets_are_told():
    fitted = regressor(loss="absolute_error", early_stopping=True).fit(X, Y * 2.0**700)
    assert np.isfinite(fitted.validation_scores_).all()
    assert fitted.score(X, Y * 2.0**700) == r2_score(Y, fitted.predict(X) / 2.0**700)


# --- tables and the command line -----------------------------------------------------------------


def table(size, **columns):
    rng = np.random.default_rng(5)
    x = rng.normal(size=60)
    return polars.DataFrame({"x": x * size, "y": (5 + 0.1 * x) * size, **columns})


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e300])
def test_an_exported_model_keeps_centers_that_float32_cannot_hold(size):
    """onnxruntime takes such constants for 0, and drops sums with them."""
    onnxruntime = pytest.importorskip("onnxruntime")
    rows = table(size if size < 1 else size / 6)
    model = TabularModel.fit(rows, "y", recipe=replace(RECIPE, hidden_layer_sizes=(8,), epochs=5))
    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, onnx_inputs(model, rows))
    gap = np.abs(found.ravel() - model.predict(rows).to_numpy()).max()
    assert gap <= 100 * float(np.finfo(np.float32).eps) * model.target.scale


def test_weights_too_small_beside_others_are_refused_by_row():
    rows = table(1.0, s=np.where(np.arange(60) == 7, 1e-300, 1e300))
    with pytest.raises(
        TableError, match=r"column 's', row 8: the weight is 1e-300, too small besid"
    ):
        TabularModel.fit(rows, "y", sample_weight="s")


def test_a_table_whose_training_diverges_is_as_it_was():
    rows = table(1.0)
    recipe = replace(RECIPE, hidden_layer_sizes=(8,), learning_rate=1e30, clip_norm=None, epochs=3)
    prepared = PreparedTable.of(rows, Question("y", recipe=recipe))
    before = deepcopy(prepared)
    for _ in range(2):  # what was begun does not begin in another place
        with pytest.raises(NonFiniteError, match=r"in epoch 1, step \d+, at learning rate"):
            TabularModel.train(prepared)
    np.testing.assert_array_equal(prepared.rows.X, before.rows.X)
    np.testing.assert_array_equal(prepared.rows.y, before.rows.y)
    assert (prepared.question, prepared.target) == (before.question, before.target)


@pytest.mark.parametrize("option", [["--plain"], ["--effort", "default"]])
def test_fit_that_diverges_writes_no_model(tmp_path, capsys, monkeypatch, option):
    file, model = tmp_path / "rows.csv", tmp_path / "rows.backpass"
    table(1.0).write_csv(file)
    command = ["fit", str(file), "--target", "y", "--model", str(model), *option]
    assert main(command) == 0
    older = model.read_bytes()
    runaway = replace(RECIPE, hidden_layer_sizes=(8,), learning_rate=1e30, clip_norm=None)
    monkeypatch.setattr("backpass.tabular.recipe.RECIPE", runaway)
    monkeypatch.setattr("backpass.tabular.pack.training.ROUNDS", ((runaway,),))
    code = main(command)
    assert code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"error: training diverged, and no model was written: .* epoch \d+", said)
    assert model.read_bytes() == older
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.backpass", "rows.csv"]


def test_no_checkpoint_holds_what_diverged(tmp_path):
    network = Network([4, 5, 1], "tanh", seed=0)
    before = network.parameters.flat.copy()
    with pytest.raises(NonFiniteError):
        train(network, X, Y, optimizer="sgd", learning_rate=1e3, batch_size=8, epochs=50,
              checkpoint=tmp_path / "run", checkpoint_every=0.0)  # fmt: skip
    np.testing.assert_array_equal(network.parameters.flat, before)
    kept = checkpoints_in(tmp_path / "run")
    assert kept
    for path in kept:
        _, arrays = read_container(path, KIND, SNAPSHOT_SCHEMA)
        assert all(np.isfinite(x).all() for name, x in arrays.items() if name != "best")
    with pytest.raises(NonFiniteError):  # it goes on from there, and ends alike
        train(network, X, Y, optimizer="sgd", learning_rate=1e3, batch_size=8, epochs=50,
              checkpoint=tmp_path / "run", resume=True, checkpoint_every=0.0)  # fmt: skip
    np.testing.assert_array_equal(network.parameters.flat, before)

"""The displays: what they draw, what they keep, what they refuse, and that they load lazily."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from sklearn.exceptions import NotFittedError

import backpass
from backpass import GradientFlowDisplay, History, LossCurveDisplay, MLPClassifier, MLPRegressor
from backpass.errors import BackpassError, InputError


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def fitted(data):
    X, y = data
    classifier = MLPClassifier(
        (8, 6), max_iter=12, n_iter_no_change=2, tol=1.0, gradient_norms=True, random_state=0
    )
    return classifier.fit(X[:80], y[:80], validation_data=(X[80:], y[80:]))


def test_loss_curves_of_an_estimator(fitted):
    display = LossCurveDisplay.from_estimator(fitted)
    training, validation = display.lines_
    np.testing.assert_array_equal(training.get_ydata(), fitted.loss_curve_)
    np.testing.assert_array_equal(validation.get_ydata(), fitted.validation_loss_curve_)
    np.testing.assert_array_equal(training.get_xdata(), np.arange(1, fitted.n_iter_ + 1))
    assert list(display.best_line_.get_xdata()) == [fitted.best_epoch_] * 2
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "loss"
    assert display.figure_ is display.ax_.figure
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["training", "validation", f"best epoch ({fitted.best_epoch_})"]
    assert training.get_linestyle() != validation.get_linestyle()  # not by colour alone


def test_without_validation_there_is_one_curve_and_no_best_epoch(data):
    X, y = data
    regressor = MLPRegressor(hidden_layer_sizes=(4,), tol=10.0, n_iter_no_change=1).fit(X, y)
    display = LossCurveDisplay.from_estimator(regressor, log=True, color="red", label="mine")
    assert [line.get_label() for line in display.lines_] == ["mine"]
    assert display.lines_[0].get_color() == "red"
    assert display.best_line_ is None
    assert display.ax_.get_yscale() == "log"


def test_lbfgs_has_a_loss_curve(data):
    X, y = data
    estimator = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0).fit(X, y)
    display = LossCurveDisplay.from_estimator(estimator)
    assert len(display.lines_[0].get_xdata()) == len(estimator.loss_curve_)


def test_gradient_flow_of_an_estimator(fitted):
    display = GradientFlowDisplay.from_estimator(fitted, lw=3)
    norms = np.array(fitted.layer_gradient_norms_)
    assert [line.get_label() for line in display.lines_] == [
        "layer 1",
        "layer 2",
        "layer 3 (output)",
    ]
    for layer, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_ydata(), norms[:, layer])
        assert line.get_linewidth() == 3
    assert display.ax_.get_yscale() == "log"


def test_displays_of_a_history_and_into_given_axes(data):
    X, y = data
    network = backpass.Network([4, 5, 2], "tanh", "softmax", "cross_entropy", seed=0)
    history = backpass.train(network, X, y, seed=0, epochs=3, gradient_norms=True)
    figure, (left, right) = plt.subplots(1, 2)
    loss = LossCurveDisplay.from_history(history, ax=left)
    flow = GradientFlowDisplay.from_history(history, ax=right)
    assert (loss.ax_, flow.ax_) == (left, right)
    assert loss.figure_ is figure is flow.figure_
    assert len(plt.get_fignums()) == 1
    np.testing.assert_array_equal(loss.lines_[0].get_ydata(), history.loss_curve)
    assert len(flow.lines_) == 2


def test_a_display_can_be_drawn_again(fitted):
    display = LossCurveDisplay.from_estimator(fitted)
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first
    assert len(display.lines_) == 2


def test_a_single_epoch_is_seen():
    assert LossCurveDisplay([0.5]).plot().lines_[0].get_marker() == "o"
    assert GradientFlowDisplay([[0.5, 0.2]]).plot().lines_[0].get_marker() == "o"


def test_norms_of_zero_leave_a_gap_and_do_not_break_the_scale():
    display = GradientFlowDisplay([[0.0, 1.0], [0.0, 0.5]]).plot()
    assert np.isnan(display.lines_[0].get_ydata()).all()
    display.figure_.canvas.draw()
    still = GradientFlowDisplay([[0.0, 0.0]]).plot()
    assert still.ax_.get_yscale() == "linear"
    still.figure_.canvas.draw()


@pytest.mark.parametrize("display", [LossCurveDisplay, GradientFlowDisplay])
def test_an_estimator_that_is_not_fitted_is_refused(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(MLPClassifier())


def test_missing_gradient_norms_say_how_to_record_them(data):
    X, y = data
    estimator = MLPClassifier((3,), tol=10.0, n_iter_no_change=1, random_state=0).fit(X, y)
    with pytest.raises(InputError, match="gradient_norms=True"):
        GradientFlowDisplay.from_estimator(estimator)
    with pytest.raises(InputError, match="gradient_norms=True"):
        GradientFlowDisplay.from_history(History())


@pytest.mark.parametrize("curve", [[], [[1.0, 2.0]]])
def test_curves_of_another_shape_are_refused(curve):
    with pytest.raises(InputError, match="loss_curve"):
        LossCurveDisplay(curve)


def test_norms_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"\(n_epochs, n_layers,\)"):
        GradientFlowDisplay([1.0, 2.0])


def test_matplotlib_is_loaded_when_something_is_drawn():
    code = (
        "import sys, backpass; backpass.LossCurveDisplay([1.0]); backpass.GradientFlowDisplay;"
        "print('matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for display in (LossCurveDisplay([1.0]), GradientFlowDisplay([[1.0]])):
        with pytest.raises(BackpassError, match=r"pip install 'backpass\[plots\]'"):
            display.plot()

"""The certificate: right gradients pass, wrong ones do not, and what is shown is true."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backpass
from backpass import MLPClassifier, MLPRegressor, Network, check_gradients
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model
from backpass.derivatives.batch import Subject, subject
from backpass.derivatives.checking import autograd_oracle as by_autograd
from backpass.derivatives.checking import compare, relative_error
from backpass.derivatives.checking.comparison import Rounding
from backpass.derivatives.checking.numerical import COMPLEX_STEP, DIFFERENCES, Costs
from backpass.engines.extension import missing
from backpass.errors import BackpassError, InputError
from helpers import EPS, HIDDEN, PAIRS, autograd_gradients, draw_case, specs

KINDS = {"W", "b", "delta", "g", "input", "phi'", "C'"}


def network_and_batch(case):
    return Network.from_model(case.model), case.X, case.y


def check_case(case, **options):
    X, y = case.X, case.raw_y
    options = {"sample_weight": case.s, "alpha": case.alpha, **options}
    return check_gradients(Network.from_model(case.model), X, y, **options)


def simple(hidden="tanh", seed=0, n=6, **options):
    network = Network([3, 5, 4, 2], hidden, seed=seed, **options)
    rng = np.random.default_rng(seed)
    return network, rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


# --- right gradients pass -------------------------------------------------------------------------


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_pair_passes(output, loss):
    found = check_case(draw_case([3, 4, 2], "mish", output, loss, alpha=0.3, n=6))
    assert found.passed, found
    assert {row.kind for row in found.table} == KINDS | {"W data"}
    for row in found.table:
        assert row.verdict == "good", row
        assert row.checked == row.entries
        assert row.comparisons[COMPLEX_STEP].worst < 1e-11
    assert "autograd" in found.table[0].comparisons


@pytest.mark.parametrize("hidden", specs(ACTIVATIONS))
def test_every_hidden_activation_passes(hidden):
    if not ACTIVATIONS.get_record(hidden).hidden:
        pytest.skip("for the output only")
    found = check_case(draw_case([3, 5, 4, 2], hidden, "softmax", "cross_entropy", n=6))
    assert found.passed, found
    assert {m for row in found.table for m in row.comparisons} == {
        COMPLEX_STEP, DIFFERENCES, "autograd"
    }  # fmt: skip


@pytest.mark.parametrize("loss", specs(LOSSES))
def test_every_loss_passes_with_its_numbers(loss):
    record = LOSSES.get_record(loss)
    found = check_case(draw_case([3, 4, 2], "tanh", record.outputs[0], loss, n=6))
    assert found.passed, found


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_autograd_asks_no_record_for_a_derivative(monkeypatch, output, loss):
    def refuse(*arrays):
        raise AssertionError("a derivative was asked for")

    case = draw_case([3, 4, 2], "gelu", output, loss, n=5, alpha=0.3)
    want = case.run()[1]
    phis = tuple(replace(phi, derivative=refuse) for phi in case.model.activations)
    fused = {name: replace(pair, delta=refuse) for name, pair in case.model.loss.fused.items()}
    blind = replace(case.model.loss, derivative=refuse, fused=fused)
    network = Network.from_model(Model(case.model.parameters, phis, blind))
    for records in (ACTIVATIONS, LOSSES):
        monkeypatch.setattr(records, "is_ours", lambda record: True)
    costs = Costs(Subject(network, case.X, case.y, case.s, 0.3))
    found = by_autograd.autograd_derivatives(costs)
    for layer in (1, 2):
        for kind, own in (("W", want.weights), ("b", want.biases)):
            gap = abs(found[kind, layer] - own[layer - 1])
            assert gap.max() <= 1e-12 * (1 + abs(own[layer - 1]).max())


@pytest.mark.parametrize("seed", range(10))
def test_many_draws_pass_that_were_not_drawn_clear_of_kinks(seed):
    network, X, y = simple("relu", seed, n=9)
    assert check_gradients(network, 30 * X, y).passed


def test_a_kink_that_is_crossed_is_no_failure():
    network, X, y = simple("relu")
    network.biases[0][...] -= (X[0] @ network.weights[0] + network.biases[0]) - 1e-6
    found = check_gradients(network, X, y)
    assert found.passed
    row = next(r for r in found.table if (r.kind, r.layer) == ("b", 1))
    assert row.comparisons[DIFFERENCES].kinks > 0
    assert row.comparisons[COMPLEX_STEP].verdict == "good"
    assert "at a kink" in str(found)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_rows_of_any_size_pass(scale):
    network, X, y = simple("tanh")
    assert check_gradients(network, X * scale, y).passed
    network.parameters.flat *= 10
    assert check_gradients(network, X, y).passed  # saturated


@pytest.mark.parametrize("hidden", ["tanh", "plain"])
def test_inputs_without_scaling_are_no_reason_to_fail(registries, hidden):
    """Weights of 1e-4 to inputs of 1e4: a step of 1e-5 in the weights is none in z."""
    backpass.register_activation("plain", softsign, softsign_derivative)
    network, X, y = simple(hidden)
    network.weights[0][...] /= 1e4
    found = check_gradients(network, 1e4 * X, y)
    assert found.passed, found
    assert check_gradients(network, 1e4 * X, y).worst.verdict == "good"
    network.weights[0][...] *= 1e8
    assert check_gradients(network, 1e-4 * X, y).worst.verdict == "good"


@pytest.mark.parametrize("off", [0, 1, -1])
@pytest.mark.parametrize("loss", [x.name for x in LOSSES.records() if x.kinks is not None])
def test_residuals_of_0_and_next_to_it_pass(loss, off):
    """The complex step and autograd agree with the convention at the kink itself."""
    network = Network([2, 3, 1], "tanh", "identity", loss, seed=0)
    X = np.array([[0.3, 0.7], [0.1, -0.4], [1.0, 2.0]])
    y = network.predict(X, engine="reference")[:, 0] * (1 + off * EPS)
    if loss == "hinge":
        y = np.array([1.0, 1.0, -1.0])
        network.parameters.flat[...] = 0.0
        network.biases[-1][...] = 1.0  # 1 − yŷ is 0, 0, 2
    assert check_gradients(network, X, y).passed


def test_a_finer_step_stays_clear_of_a_kink_where_nothing_else_can_judge(registries):
    backpass.register_activation(
        "fold", lambda z: np.where(z < 0, 0.1, 1) * z + softsign(z),
        lambda z: np.where(z < 0, 0.1, 1) + softsign_derivative(z), kinks=[0],
    )  # fmt: skip
    network, X, y = simple("fold")
    network.biases[0][...] -= (X[0] @ network.weights[0] + network.biases[0]) - 3e-6
    found = check_gradients(network, X, y)
    row = next(r for r in found.table if (r.kind, r.layer) == ("b", 1))
    assert (found.passed, row.verdict, row.deciding.kinks) == (True, "good", 0)
    gradients = network.loss_and_gradients(X, y)[1]
    gradients.biases[0][...] *= 1.01
    assert not check_gradients(network, X, y, claimed=gradients).passed
    network.biases[0][...] -= (X[0] @ network.weights[0] + network.biases[0])[0]  # z is 0 itself
    assert check_gradients(network, X, y).passed


def test_numbers_that_cancel_are_called_too_small_not_wrong():
    network = Network([2, 3, 1], "tanh", seed=0)
    X, y = np.array([[0.3, 0.7], [0.3, 0.7]]), np.array([1.0, 2.0])
    y = y - y.mean() + network.predict(X)[0, 0]  # the residuals are opposite: J does not move
    found = check_gradients(network, X, y)
    assert found.passed
    assert sum(c.too_small for row in found.table for c in row.comparisons.values()) > 0


def test_a_dead_layer_passes_as_zeros():
    network, X, y = simple("relu")
    network.biases[0][...] = -100
    found = check_gradients(network, X, y)
    assert found.passed
    row = next(r for r in found.table if (r.kind, r.layer) == ("W", 1))
    assert (row.worst, row.claimed, row.found, row.verdict) == (0.0, 0.0, 0.0, "good")


# --- what it says of each entry -------------------------------------------------------------------


def test_numerical_derivatives_are_those_of_autograd():
    case = draw_case([3, 5, 4, 2], "gelu", "softmax", "cross_entropy", alpha=0.4, n=7)
    costs = Costs(subject(*network_and_batch(case), case.s, alpha=case.alpha))
    _, by_flat, by_X = autograd_gradients(case)
    start = 0
    for layer, W in enumerate(costs.theta.weights, start=1):
        entries = np.arange(W.size)
        want = by_flat[start : start + W.size]
        start += W.size + W.shape[1]
        exact = costs.derivative("W", layer, entries, COMPLEX_STEP)
        assert abs(exact.values + exact.penalty - want).max() < 1e-13
        rough = costs.derivative("W", layer, entries, DIFFERENCES)
        assert abs(rough.values + rough.penalty - want).max() < 1e3 * EPS / 1e-5
    exact = costs.derivative("g", 0, np.arange(3), COMPLEX_STEP)
    assert abs(exact.values.T - by_X).max() < 1e-13


def test_a_part_of_the_entries_is_drawn():
    network, X, y = simple()
    found = check_gradients(network, X, y, entries=4)
    for row in found.table:
        if row.kind in ("W", "b"):
            assert row.checked == min(4, row.entries)
        elif row.kind in ("delta", "g", "input"):
            assert row.checked == min(4 * len(X), row.entries)
    again = check_gradients(network, X, y, entries=4)
    assert found.to_dict() == again.to_dict()
    assert found.to_dict() != check_gradients(network, X, y, entries=4, seed=1).to_dict()


BANDS = [
    (0, "good", "good"), (5e-8, "good", "good"), (1e-6, "wrong", "acceptable"),
    (1e-3, "wrong", "uncomfortable"), (0.1, "wrong", "wrong"), (np.inf, "wrong", "wrong"),
    (np.nan, "wrong", "wrong"),
]  # fmt: skip


@pytest.mark.parametrize(("off", "exact", "rough"), BANDS)
def test_bands_are_those_of_cs231n(off, exact, rough):
    right = np.array([1.0, -3.0, 2.0])
    claimed = right * np.array([1, 1 + 2 * off, 1])
    zero, no = np.zeros(3), np.zeros(3, bool)
    assert compare(claimed, right, zero, no, COMPLEX_STEP).verdict == exact
    assert compare(claimed, right, zero, no, DIFFERENCES).verdict == rough
    if off:
        assert compare(claimed, right, zero, no, DIFFERENCES).entry == 1


def test_floor_and_kink_hide_nothing_but_themselves():
    right, no = np.array([1.0, 2.0]), np.zeros(2, bool)
    wrong = np.array([1.5, 2.0])
    kink = compare(wrong, right, np.zeros(2), np.array([True, False]), DIFFERENCES)
    assert (kink.verdict, kink.kinks, kink.worst) == ("good", 1, 0.0)
    floor = compare(wrong, right, np.array([0.6, 0]), no, DIFFERENCES)
    assert (floor.verdict, floor.too_small) == ("good", 1)
    assert compare(wrong, right, np.array([0.4, 9]), no, DIFFERENCES).verdict == "wrong"
    assert compare(wrong, right, np.zeros(2), ~no, DIFFERENCES).kinks == 1
    alone = compare(wrong[:1], right[:1], np.zeros(1), ~no[:1], DIFFERENCES)
    assert alone.verdict == "kink"
    assert np.isnan(alone.worst)
    assert compare(wrong * np.nan, right, np.full(2, 9.0), ~no, COMPLEX_STEP).verdict == "wrong"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_floor_is_low(hidden):
    """What rounding excuses is below a billionth of an array's largest derivative."""
    case = draw_case([3, 5, 4, 2], hidden, "softmax", "cross_entropy", n=7)
    costs = Costs(subject(*network_and_batch(case), case.s))
    delta = costs.derivative("delta", 3, np.arange(2), COMPLEX_STEP).values.T
    floors = Rounding(costs, delta)
    gradients = case.run()[1]
    for layer, (W, b) in enumerate(zip(gradients.weights, gradients.biases, strict=True), start=1):
        assert 0 < floors.of("W", layer).max() < 1e-9 * abs(W).max()
        assert 0 < floors.of("b", layer).max() < 1e-9 * abs(b).max()


def test_relative_errors():
    assert relative_error([0, 1, 0, np.inf, 1], [0, 1, 1e-300, np.inf, -1]).tolist() == [
        0, 0, 1, np.inf, 1
    ]  # fmt: skip


# --- wrong gradients do not pass ------------------------------------------------------------------


@pytest.mark.parametrize("off", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("hidden", ["tanh", "relu"])
def test_one_wrong_entry_is_found(hidden, off):
    network, X, y = simple(hidden)
    gradients = network.loss_and_gradients(X, y)[1]
    for layer, (W, b) in enumerate(zip(gradients.weights, gradients.biases, strict=True), start=1):
        for kind, array in (("W", W), ("b", b)):
            i = np.unravel_index(abs(array).argmax(), array.shape)
            before = array[i]
            array[i] *= 1 + off
            found = check_gradients(network, X, y, claimed=gradients)
            assert not found.passed
            assert [(r.kind, r.layer, r.where) for r in found.failures] == [(kind, layer, i)]
            assert found.worst.claimed == array[i]
            assert found.worst.found == pytest.approx(before, rel=1e-12)
            array[i] = before


@pytest.mark.parametrize("planted", ["bias_gradient", "weight_gradient", "error_below"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_only_the_layer_that_is_wrong_is_named(monkeypatch, planted, layer):
    right, calls = getattr(backpass.core.backprop, planted), []

    def wrong(*operands, **named):
        calls.append(1)
        return right(*operands, **named) * (2 if len(calls) == 4 - layer else 1)

    network, X, y = simple()
    monkeypatch.setattr(backpass.core.backprop, planted, wrong)
    found = check_gradients(network, X, y)
    equation = {"bias_gradient": "B4", "weight_gradient": "B3", "error_below": "B2a"}[planted]
    at = layer - 1 if planted == "error_below" else layer
    assert len(found.blame) == 1
    assert found.blame[0].startswith(f"{equation}, layer {at}: ")


@pytest.fixture
def registries():
    """Give the registries back as they were."""
    before = [(r, dict(r._makers)) for r in (ACTIVATIONS, LOSSES)]
    yield
    for registry, makers in before:
        registry._makers = makers


def softsign(z):
    return z / (1 + abs(z))


def softsign_derivative(z):
    return 1 / (1 + abs(z)) ** 2


def test_a_wrong_derivative_of_an_activation_is_named(registries):
    backpass.register_activation("softsign", softsign, softsign_derivative)
    backpass.register_activation("wrong", softsign, lambda z: 1 / (1 + abs(z)))
    network, X, y = simple(["tanh", "softsign"])
    assert check_gradients(network, X, y).passed
    found = check_gradients(*simple(["tanh", "wrong"]))
    assert found.blame == ["the derivative of activation 'wrong', layer 2"]
    assert not ACTIVATIONS.get_record("softsign").analytic  # |z| of a complex number is real
    assert set(found.worst.comparisons) == {DIFFERENCES}


def test_a_wrong_derivative_of_a_loss_is_named(registries):
    fourth = (lambda y, p: (p - y) ** 4, lambda y, p: 4 * (p - y) ** 3)
    backpass.register_loss("fourth", *fourth)
    backpass.register_loss("wrong", fourth[0], lambda y, p: (p - y) ** 3)
    assert LOSSES.get_record("fourth").analytic
    assert check_gradients(*simple(loss="fourth")).passed
    found = check_gradients(*simple(loss="wrong"))
    assert found.blame == ["the derivative of loss 'wrong', layer 3"]


def test_a_kink_that_was_not_declared_is_no_secret(registries):
    """A jump of φ itself has no derivative there: differences and the record disagree."""
    backpass.register_activation("step", lambda z: z + (z > 0), lambda z: np.ones_like(z))
    network, X, y = simple("step")
    X[0] = 0.0
    network.biases[0][...] = 0.0
    assert not check_gradients(network, X, y).passed


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators_take_registered_records_with_the_readable_engine(registries):
    backpass.register_activation("softsign", softsign, softsign_derivative)
    backpass.register_loss("fourth", lambda y, p: (p - y) ** 4, lambda y, p: 4 * (p - y) ** 3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    options = {"activation": "softsign", "max_iter": 3, "random_state": 0}
    regressor = MLPRegressor("fourth", (6,), **options).fit(X, X[:, 0])
    assert regressor.engine_ == "reference"
    assert check_gradients(regressor, X, X[:, 0]).passed
    if missing() is None:
        with pytest.raises(InputError, match="no native code for the activation 'softsign'"):
            MLPRegressor("fourth", (6,), engine="native", **options).fit(X, X[:, 0])


PLAIN = [
    (("two words", softsign, softsign_derivative), {}, "must be a word"),
    (("tanh", softsign, softsign_derivative), {}, "registered already"),
    (("s", softsign, lambda z: 1.0), {}, "derivative must return real numbers of the shape"),
    (("s", lambda z: z.sum(), softsign), {}, "value must return real numbers of the shape"),
    (("s", lambda z: z > 0, softsign), {}, "not bool"),
    (("s", lambda z: 1 / (z * 0), softsign), {}, "value is .*inf at"),
    (("s", lambda z, a: z, softsign), {}, "value fails on an array of shape"),
]


@pytest.mark.parametrize(("arguments", "options", "said"), PLAIN)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_that_cannot_be_activations_are_refused(registries, arguments, options, said):
    with pytest.raises(InputError, match=said):
        backpass.register_activation(*arguments, **options)


def test_functions_that_cannot_be_losses_are_refused(registries):
    pair = (lambda y, p: (p - y) ** 2, lambda y, p: 2 * (p - y))
    for said, arguments, options in [
        ("task must be one of", ("x", *pair), {"task": "guessing"}),
        ("unknown activation", ("x", *pair), {"outputs": ["tanhh"]}),
        ("outputs", ("x", *pair), {"outputs": []}),
        ("derivative must return", ("x", pair[0], lambda y, p: (p - y).sum()), {}),
        ("must be a word", ("1x", *pair), {}),
    ]:
        with pytest.raises(InputError, match=said):
            backpass.register_loss(*arguments, **options)


# --- claims ---------------------------------------------------------------------------------------


def claims_of(gradients):
    W, b = list(gradients.weights), list(gradients.biases)
    return {
        "Gradients": (gradients, {}),
        "Parameters": (gradients.parameters, {}),
        "flat": (gradients.flat, {}),
        "pair": ((W, b), {}),
        "dict": ({"weights": W, "biases": b}, {}),
        "in order": ([x for pair in zip(W, b, strict=True) for x in pair], {}),
        "(out, in)": (([x.T for x in W], b), {"layout": "nabla"}),
        "nested lists": (([x.tolist() for x in W], [x.tolist() for x in b]), {}),
    }


@pytest.mark.parametrize("form", claims_of(simple()[0].loss_and_gradients(*simple()[1:])[1]))
def test_claims_come_in_many_forms(form):
    network, X, y = simple()
    claimed, options = claims_of(network.loss_and_gradients(X, y)[1])[form]
    found = check_gradients(network, X, y, claimed=claimed, **options)
    assert found.passed
    assert {row.kind for row in found.table} <= {"W", "b", "input"}


def test_float32_claims_are_held_to_float32():
    network, X, y = simple()
    flat = network.loss_and_gradients(X, y)[1].flat
    assert check_gradients(network, X, y, claimed=flat.astype(np.float32)).passed
    assert not check_gradients(network, X, y, claimed=(flat * 1.001).astype(np.float32)).passed


BAD_CLAIMS = [
    (lambda g: g.flat[:-1], {}, r"flat gradient has shape \(\d+,\), not"),
    (lambda g: ([x.T for x in g.weights], list(g.biases)), {}, "go with layout='nabla'"),
    (lambda g: (list(g.weights), list(g.biases)), {"layout": "nabla"}, "W of layer 1 has shape"),
    (lambda g: (list(g.weights)[:2], list(g.biases)), {}, "2 arrays of W for 3 layers"),
    (lambda g: {"coefs": g.weights}, {}, "'weights' and 'biases'"),
    (lambda g: list(g.weights), {}, "W_1, b_1, W_2"),
    (lambda g: "text", {}, "no array of real numbers"),
    (lambda g: g.flat * 1j, {}, "no array of real numbers"),
    (lambda g: ([[["a"]]] * 3, list(g.biases)), {}, "W of layer 1 is no array of real numbers"),
    (lambda g: ([[[1], [1, 2]]] * 3, list(g.biases)), {}, "W of layer 1 is no array of numbers"),
    (lambda g: g, {"layout": "sideways"}, "unknown notation"),
    (lambda g: g, {"engine": "native"}, "not both"),
]


@pytest.mark.parametrize(("claim", "options", "said"), BAD_CLAIMS)
def test_claims_that_do_not_fit_are_refused(claim, options, said):
    network, X, y = simple()
    gradients = network.loss_and_gradients(X, y)[1]
    with pytest.raises(InputError, match=said) as refused:
        check_gradients(network, X, y, claimed=claim(gradients), **options)
    assert "\n" not in str(refused.value)


# --- engines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_engines_are_held_to_their_precision(engine, dtype):
    if engine == "native" and missing():
        pytest.skip("the extension is not there")
    network = Network([6, 9, 7, 3], "gelu", "softmax", "cross_entropy", seed=0, dtype=dtype)
    rng = np.random.default_rng(1)
    X, y, s = rng.normal(size=(20, 6)), rng.integers(3, size=20), rng.uniform(0.2, 3, 20)
    found = check_gradients(network, X, y, sample_weight=s, alpha=0.2, engine=engine)
    assert found.passed, found
    assert dtype in found.claim.source
    assert engine in found.claim.source
    worst = max(row.worst for row in found.table if np.isfinite(row.worst))
    assert worst < (1e-11 if dtype == "float64" else 1e-4)


def test_smoothed_labels_are_not_smoothed_twice():
    network = Network([4, 5, 3], "tanh", "softmax", "cross_entropy:label_smoothing=0.2", seed=0)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(9, 4)), rng.integers(3, size=9)
    assert check_gradients(network, X, y, engine="reference").passed
    assert check_gradients(network, X, y).passed


# --- what can be checked --------------------------------------------------------------------------


def test_estimators_and_pipelines_are_checked_with_their_penalty():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    labels = np.where(X[:, 0] > 0, "yes", "no")
    options = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, "tol": 0.0}
    with pytest.warns(UserWarning, match="hasn't converged"):
        classifier = MLPClassifier(alpha=0.5, **options).fit(X, labels)
    found = check_gradients(classifier, X, labels)
    assert found.passed
    assert "W data" in {row.kind for row in found.table}
    bare = check_gradients(classifier, X, labels, alpha=0.0)
    assert "W data" not in {row.kind for row in bare.table}
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(**options))
    with pytest.warns(UserWarning, match="hasn't converged"):
        pipeline.fit(X, X[:, :2])
    assert check_gradients(pipeline, X, X[:, :2]).passed


def test_other_libraries_and_dtypes_are_checked_in_float64():
    xp = pytest.importorskip("array_api_strict")
    network, X, y = simple()
    weights = [xp.asarray(W) for W in network.weights]
    other = Network.from_arrays(weights, [xp.asarray(b) for b in network.biases], "tanh")
    found = check_gradients(other, xp.asarray(X), xp.asarray(y))
    assert found.passed
    assert found.to_dict() == check_gradients(network, X, y).to_dict()


BAD = [
    (lambda n, X, y: ((n, X[:0], y[:0]), {}), "0 rows"),
    (lambda n, X, y: ((n, X, y[:2]), {}), "must match"),
    (lambda n, X, y: ((n, X[:, :2], y), {}), "this network takes"),
    (lambda n, X, y: ((n, X * np.nan, y), {}), "not a finite number"),
    (lambda n, X, y: (("model", X, y), {}), "give a Network"),
    (lambda n, X, y: ((n, X * 1e200, y * 1e200), {}), "the cost of row 0 is not finite"),
    (lambda n, X, y: ((n, X, y), {"entries": 0}), "entries must be"),
    (lambda n, X, y: ((n, X, y), {"entries": "some"}), "entries must be"),
    (lambda n, X, y: ((n, X, y), {"entries": True}), "entries must be"),
    (lambda n, X, y: ((n, X, y), {"sample_weight": -np.ones(6)}), "sample_weight must be"),
    (lambda n, X, y: ((n, X, y), {"engine": "warp"}), "unknown engine"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_input_gets_one_line(arguments, said):
    network, X, y = simple("relu")
    given, options = arguments(network, X, y)
    with pytest.raises(InputError, match=said) as refused:
        check_gradients(*given, **options)
    assert "\n" not in str(refused.value)


# --- how it is shown ------------------------------------------------------------------------------


def wrong_check():
    network, X, y = simple()
    return check_gradients(network, X, y, claimed=-network.loss_and_gradients(X, y)[1].flat)


def test_text_rich_and_html_show_every_row():
    from rich.console import Console

    for found in (check_gradients(*simple()), wrong_check()):
        console = Console(width=80, record=True, file=StringIO())
        console.print(found)
        for text in (str(found), console.export_text(), found._repr_html_()):
            for row in found.table:
                assert str(row.where[0]) in text
            for note in found.blame:
                assert note.split(":")[0] in text
        assert ("every derivative agrees" in str(found)) == found.passed
        table = str(found).splitlines()[1 : 2 + len(found.table)]
        assert max(map(len, table)) <= 80


def test_html_is_well_formed_escaped_and_without_script(registries):
    backpass.register_activation("wrong", softsign, lambda z: 1 / (1 + abs(z)))
    page = check_gradients(*simple("wrong"))._repr_html_()
    root = ET.fromstring(f"<div>{page}</div>")
    assert "script" not in {element.tag for element in root.iter()}
    assert not re.search(r"https?:|url\(", page)
    assert "currentColor" in page
    assert len(root.findall(".//tbody/tr")) == len(check_gradients(*simple("wrong")).table)


def test_dictionaries_are_strict_json():
    for found in (check_gradients(*simple()), wrong_check()):
        told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert told["passed"] == found.passed
        assert [row["kind"] for row in told["table"]] == [row.kind for row in found.table]
    network, X, y = simple()
    nan = network.loss_and_gradients(X, y)[1].flat * np.nan
    told = json.dumps(check_gradients(network, X, y, claimed=nan).to_dict(), allow_nan=False)
    assert '"wrong"' in told


def test_steps_show_a_v_and_a_flat_line():
    import matplotlib

    matplotlib.use("Agg")
    found = check_gradients(*simple())
    display = found.plot_steps(layer=2)
    centred, exact = display.errors["centred difference"], display.errors["complex step"]
    best = display.steps[centred.argmin()]
    assert 1e-7 < best < 1e-3
    assert centred.min() < 1e-8 < min(centred[0], centred[-1])
    assert exact[display.steps < 1e-8].max() < 1e-14
    assert len(display.lines_) == 3
    axes = display.ax_
    assert found.plot_steps(ax=axes).ax_ is axes
    with pytest.raises(InputError, match="there is no layer 4; the layers are 1 … 3"):
        found.plot_steps(layer=4)


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(BackpassError, match="pip install"):
        check_gradients(*simple()).plot_steps()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_autograd_stays_out_where_it_is_not_installed(monkeypatch, hidden):
    monkeypatch.setattr(by_autograd.importlib.util, "find_spec", lambda name: None)
    found = check_gradients(*simple(hidden))
    assert "autograd" not in {m for row in found.table for m in row.comparisons}

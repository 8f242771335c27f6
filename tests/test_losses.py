"""Every registered loss: value, derivative, fused error signal, targets, extremes, kinks."""

import math

import autograd
import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.errors import InputError
from backpass.network.network import Network
from helpers import (
    ARRAYS,
    DIGITS,
    EPS,
    STEP,
    activation_formula,
    assert_close,
    assert_identical,
    centred,
    complex_step,
    draw_targets,
    in_digits,
    loss_formula,
    specs,
)

ALL = specs(LOSSES)
FUSED = [
    (spec, output) for spec in ALL for output in LOSSES.get_record(spec).fused
]  # fmt: skip
FLOAT = np.dtype(float)


def encode(loss, y, k=1):
    return loss.encode(np.asarray(y), k, np, FLOAT)


def batch(spec, output=None, n=60, k=3, margin=5e-3):
    """Return a loss, its targets, and logits and predictions that stay clear of its kinks."""
    loss = LOSSES.get_record(spec)
    phi = ACTIVATIONS.get_record(output or loss.outputs[0])
    rng = np.random.default_rng(5)
    y = encode(loss, draw_targets(loss, n, k, rng), k)
    z = rng.normal(scale=1.5, size=(n, k))
    if loss.kinks is not None:
        clear = (np.abs(loss.kinks(y, phi.value(z))) > margin).all(axis=1)
        y, z = y[clear], z[clear]
    return loss, y, z, phi.value(z)


def value_tolerance(loss, y, p):
    """A few roundings of every quantity in the formula, none of them larger than these."""
    slope = loss.derivative(y, p)
    return 8 * EPS * (1 + abs(y) + abs(p) + abs(loss.terms(y, p)) + abs(p * slope))


@pytest.mark.parametrize("spec", ALL)
def test_value_in_400_digits(spec):
    loss, y, _, p = batch(spec)
    want = in_digits(loss_formula(loss, DIGITS), y, p)
    assert_close(loss.terms(y, p), want, value_tolerance(loss, y, p))


@pytest.mark.parametrize("spec", ALL)
def test_derivative_is_autograds(spec):
    loss, y, _, p = batch(spec)
    want = autograd.elementwise_grad(loss_formula(loss, ARRAYS), 1)(y, p)
    got = loss.derivative(y, p)
    assert_close(got, want, 8 * EPS * (1 + abs(y) + abs(p) + abs(got)))


@pytest.mark.parametrize("spec", [s for s in ALL if LOSSES.get_record(s).analytic])
def test_derivative_is_the_complex_step(spec):
    loss, y, _, p = batch(spec)
    got = loss.derivative(y, p)
    want = complex_step(lambda x: loss.terms(y, x), p)
    assert_close(got, want, 8 * EPS * (1 + abs(y) + abs(p) + abs(got)))


@pytest.mark.parametrize("spec", ALL)
def test_derivative_is_the_centred_difference(spec):
    loss, y, _, p = batch(spec)
    # in units of p where the formula has a logarithm of it, which gets steep near 0
    scale = np.minimum(p, 1 - p) if set(loss.outputs) <= {"softmax", "logistic"} else 1.0
    scale = p if loss.name == "poisson" else scale
    got = loss.derivative(y, p) * scale
    want = centred(lambda h: loss.terms(y, p + h * scale), 0.0)
    if loss.name == "huber":  # its derivative has kinks of its own
        smooth = abs(abs(p - y) - loss.numbers["delta"]) > 5e-3
        got, want, y, p = got[smooth], want[smooth], y[smooth], p[smooth]
    assert_close(got, want, 100 * EPS**0.8 * (1 + abs(y) + abs(loss.terms(y, p))))


# --- fused with the output activation ------------------------------------------------------------


@pytest.mark.parametrize(("spec", "output"), FUSED)
def test_fused_delta_is_the_complex_step_of_the_fused_cost(spec, output):
    loss, y, z, p = batch(spec, output)
    fused = loss.fused[output]
    delta = fused.delta(y, p)
    for i in range(z.shape[1]):
        moved = z.astype(complex)
        moved[:, i] += STEP * 1j
        want = fused.terms(y, moved).sum(axis=1).imag / STEP
        assert_close(delta[:, i], want, 16 * EPS * (1 + abs(y[:, i]) + p[:, i]))


@pytest.mark.parametrize(("spec", "output"), FUSED)
def test_fused_delta_is_autograds(spec, output):
    loss, y, z, p = batch(spec, output)
    phi = ACTIVATIONS.get_record(output)

    def total(logits):
        a = activation_formula(phi, ARRAYS)(logits)
        return autograd.numpy.sum(loss_formula(loss, ARRAYS)(y, a))

    # autograd goes through ŷ and divides by it, or by 1 − ŷ
    condition = (1 + y) * (1 + p) * (1 + (p / (1 - p) if output == "logistic" else 0))
    row = condition.max(axis=1, keepdims=True)
    assert_close(loss.fused[output].delta(y, p), autograd.grad(total)(z), 16 * EPS * row)


@pytest.mark.parametrize(("spec", "output"), FUSED)
def test_fused_cost_is_the_general_cost(spec, output):
    loss, y, z, p = batch(spec, output)
    condition = (1 + p / (1 - p)) if output == "logistic" else 1.0  # of log(1 − ŷ)
    got = loss.fused[output].terms(y, z)
    assert_close(got, loss.terms(y, p), value_tolerance(loss, y, p) * (1 + abs(z)) * condition)


@pytest.mark.parametrize("gap", [0.0, 1.0, 30.0, 100.0, 500.0, 700.0])
@pytest.mark.parametrize("spec", specs({"cross_entropy": None}))
def test_fused_equals_general_while_the_general_path_holds(spec, gap):
    """−log ŷ of an unlikely class; up to e^−700 it is still a normal number."""
    network = Network([2, 3], output="softmax", loss=spec, seed=0)
    z = np.array([[0.0, gap, gap / 2], [gap, 0.0, gap], [gap, gap / 3, 0.0]])
    y = network.model.loss.encode(np.array([0, 1, 2]), 3, np, FLOAT)
    a = network.model.activations[-1].value(z)
    passed = backprop.Forward([z], [z, a], [z], [None], 0.0)
    fused, general = (
        backprop.cost_terms(network.model, passed, y, fused=way) for way in (True, False)
    )
    assert_close(fused, general, 8 * EPS * (1 + gap) * (1 + abs(fused)))
    fused, general = (
        backprop.output_derivative(network.model, passed, y, fused=way) for way in (True, False)
    )
    assert_close(fused, general, 16 * EPS)


@pytest.mark.parametrize("z", [-700.0, -300.0, -30.0, 0.0, 3.0, 30.0])
def test_fused_equals_general_for_one_label(z):
    loss = LOSSES.get_record("binary_cross_entropy")
    logit = np.array([[z]])
    p = ACTIVATIONS.get_record("logistic").value(logit)
    slope = ACTIVATIONS.get_record("logistic").derivative(logit, p)
    for y in (np.zeros((1, 1)), np.ones((1, 1)), np.full((1, 1), 0.25)):
        # 1 − ŷ keeps ŷ's rounding, relative to what is left
        condition = 1 + abs(z) + (p / (1 - p) if (y < 1).all() else 0.0)
        assert_close(loss.fused["logistic"].terms(y, logit), loss.terms(y, p), 4 * EPS * condition)
        general = loss.derivative(y, p) * slope
        assert_close(loss.fused["logistic"].delta(y, p), general, 4 * EPS * condition)


@pytest.mark.parametrize("z", [-700.0, -41.0, -40.0, -39.0, -1e-9, 0.0, 3.0, 50.0, 700.0])
@pytest.mark.parametrize("count", [0.0, 1.0, 7.0])
def test_fused_equals_general_for_counts_by_softplus(z, count):
    loss, phi = LOSSES.get_record("poisson"), ACTIVATIONS["softplus"]()
    y, logit = np.array([[count]]), np.array([[z]])
    p = phi.value(logit)
    general = loss.derivative(y, p) * phi.derivative(logit, p)
    size = (1 + abs(z)) * (1 + count)
    assert_close(loss.fused["softplus"].terms(y, logit), loss.terms(y, p), 4 * EPS * size)
    assert_close(loss.fused["softplus"].delta(y, p), general, 8 * EPS * (1 + count))


@pytest.mark.parametrize("z", [-700.0, -30.0, 0.0, 3.0, 700.0])
@pytest.mark.parametrize("count", [0.0, 1.0, 7.0])
def test_fused_equals_general_for_counts(z, count):
    loss = LOSSES.get_record("poisson")
    y, logit = np.array([[count]]), np.array([[z]])
    p = np.exp(logit)
    size = (1 + abs(z)) * (1 + count) + p * (1 + abs(z))
    assert_close(loss.fused["exp"].terms(y, logit), loss.terms(y, p), 4 * EPS * size)
    assert_close(loss.fused["exp"].delta(y, p), loss.derivative(y, p) * p, 4 * EPS * size)


def test_finite_and_right_for_logits_of_ten_thousand():
    z = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4]])
    softmax, cross_entropy = ACTIVATIONS["softmax"](), LOSSES["cross_entropy"]()
    for label, want in ((0, [0, 2e4, math.log(3)]), (1, [1e4, 2e4, math.log(3)])):
        y = encode(cross_entropy, np.full(3, label), 3)
        terms = cross_entropy.fused["softmax"].terms(y, z).sum(axis=1)
        assert_close(terms, want, 2 * EPS * np.array([*want[:2], 2.0]))
        delta = cross_entropy.fused["softmax"].delta(y, softmax.value(z))
        assert_close(delta.sum(axis=1), np.zeros(3), 4 * EPS)
    logistic, binary = ACTIVATIONS["logistic"](), LOSSES["binary_cross_entropy"]()
    y = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.5, 0.0]])
    want = [[1e4, math.log(2), 1e4], [1e4, 0.0, 1e4], [0.0, 5e3, 1e4]]
    assert_close(binary.fused["logistic"].terms(y, z), want, 4 * EPS * np.abs(want))
    assert_close(binary.fused["logistic"].delta(y, logistic.value(z)), logistic.value(z) - y, 0.0)
    margin = LOSSES["logistic"]()
    sign = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [1.0, 1.0, -1.0]])
    want = [[1e4, math.log(2), 1e4], [1e4, 0.0, 1e4], [0.0, 0.0, 1e4]]
    assert_close(margin.terms(sign, z), want, 4 * EPS * np.abs(want))
    poisson = LOSSES["poisson"]().fused["exp"]
    low = np.array([[-1e4]])
    assert_close(poisson.terms(np.array([[2.0]]), low), [[2 * math.log(2) + 2e4 - 2]], 8e4 * EPS)
    assert_close(poisson.terms(np.array([[0.0]]), low), [[0.0]], 0.0)
    softplus, counts = LOSSES["poisson"]().fused["softplus"], np.array([[0.0, 2.0, 2.0]])
    ends = np.array([[-1e4, -1e4, 1e4]])
    want = [[0.0, 2 * math.log(2) + 2e4 - 2, 2 * math.log(2e-4) - 2 + 1e4]]
    assert_close(softplus.terms(counts, ends), want, 8e4 * EPS)
    p = ACTIVATIONS["softplus"]().value(ends)
    assert_close(softplus.delta(counts, p), [[0.0, -2.0, 1 - 2e-4]], 2 * EPS)


@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [
        ("softmax", "cross_entropy", [0, 2]),
        ("softmax", "cross_entropy:label_smoothing=0.1", [0, 2]),
        ("logistic", "binary_cross_entropy", [[1, 0, 1], [0, 1, 0]]),
        ("softplus", "poisson", [[2, 0, 1], [1, 3, 0]]),
        ("identity", "logistic", [[1, -1, 1], [-1, 1, -1]]),
        ("identity", "hinge", [[1, -1, 1], [-1, 1, -1]]),
        ("identity", "huber", [[1, -1, 1], [-1, 1, -1]]),
        ("identity", "squared_error", [[1, -1, 1], [-1, 1, -1]]),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_network_with_huge_logits_neither_warns_nor_breaks(output, loss, y, dtype):
    W = np.array([[1e4, -1e4, 3.0], [-1e4, 1e4, 1e4]], dtype=dtype)
    network = Network.from_arrays([W], [np.zeros(3, dtype)], output=output, loss=loss)
    J, gradients = network.loss_and_gradients(np.eye(2, dtype=dtype), np.array(y))
    assert math.isfinite(J)
    assert np.isfinite(gradients.flat).all()
    assert np.isfinite(gradients.inputs).all()


@pytest.mark.parametrize("spec", ALL)
def test_nan_predictions_cost_nan(spec):
    """A diverged network must not look perfect."""
    loss, y, z, p = batch(spec)
    assert np.isnan(loss.terms(y, np.full_like(p, np.nan)).sum(axis=1)).all()
    for fused in loss.fused.values():
        assert np.isnan(fused.terms(y, np.full_like(z, np.nan)).sum(axis=1)).all()


# --- kinks ---------------------------------------------------------------------------------------


def one(loss, y, p):
    return loss.derivative(np.array([[y]]), np.array([[p]])).item()


def test_derivatives_at_kinks():
    below, above = np.nextafter(2.0, -np.inf), np.nextafter(2.0, np.inf)
    absolute = LOSSES["absolute_error"]()
    assert [one(absolute, 2.0, p) for p in (below, 2.0, above)] == [-1, 0, 1]
    pinball = LOSSES["pinball"](tau=0.25)
    assert [one(pinball, 2.0, p) for p in (below, 2.0, above)] == [-0.25, 0, 0.75]
    shortfall = LOSSES["shortfall"]()
    assert [one(shortfall, 2.0, p) for p in (below, 2.0, above)] == [-1, 0, 0]
    hinge = LOSSES["hinge"]()
    assert [one(hinge, 1.0, p) for p in (np.nextafter(1, 0), 1.0, 1.5)] == [-1, 0, 0]
    assert [one(hinge, -1.0, p) for p in (np.nextafter(-1, 0), -1.0, -1.5)] == [1, 0, 0]
    huber = LOSSES["huber"](delta=0.5)
    assert [one(huber, 0.0, p) for p in (-9, -0.5, -0.25, 0, 0.25, 0.5, 9)] == [
        -0.5, -0.5, -0.25, 0, 0.25, 0.5, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize("spec", ALL)
def test_the_declared_kinks_are_all_of_them(spec):
    """The derivative jumps where `kinks` changes sign, and nowhere else."""
    loss = LOSSES.get_record(spec)
    unit, positive = set(loss.outputs) <= {"softmax", "logistic"}, loss.name == "poisson"
    p = np.linspace(0.05, 0.95, 2001)[:, None]
    if not unit:
        p = np.linspace(0.5 if positive else -4, 4, 2001)[:, None]
    for target in {x for row in batch(spec)[1][:6].tolist() for x in row}:
        y = np.full_like(p, target)
        slope = loss.derivative(y, p)
        limit = (500 if unit else 40 if positive else 3) * (p[1] - p[0])
        jumps = (np.abs(np.diff(slope[:, 0])) > limit)[:, None]
        if loss.kinks is None:
            assert not jumps.any()
        else:
            residual = loss.kinks(y, p)
            crossed = residual[1:] * residual[:-1] <= 0
            assert not (jumps & ~crossed).any()
            assert jumps.any() == crossed.any()


# --- what others compute -------------------------------------------------------------------------


def mean(loss, y, p, s):
    return float(backprop.mean_cost(loss.terms(y, p), s, 0.0, 0.0).total)


METRICS = {
    "squared_error": lambda y, p, s: sklearn.metrics.mean_squared_error(y, p, sample_weight=s) / 2,
    "absolute_error": lambda y, p, s: sklearn.metrics.mean_absolute_error(y, p, sample_weight=s),
    "pinball:tau=0.9": lambda y, p, s: sklearn.metrics.mean_pinball_loss(
        y, p, sample_weight=s, alpha=0.9
    ),
    "poisson": lambda y, p, s: (
        sklearn.metrics.mean_poisson_deviance(y[:, 0], p[:, 0], sample_weight=s) / 2
    ),
    "hinge": lambda y, p, s: sklearn.metrics.hinge_loss(y[:, 0], p[:, 0], sample_weight=s),
    "binary_cross_entropy": lambda y, p, s: sklearn.metrics.log_loss(
        y[:, 0], p[:, 0], sample_weight=s
    ),
    "logistic": lambda y, p, s: sklearn.metrics.log_loss(
        y[:, 0], scipy.special.expit(p[:, 0]), sample_weight=s
    ),
    "huber:delta=0.4": lambda y, p, s: np.average(scipy.special.huber(0.4, p - y)[:, 0], weights=s),
}


@pytest.mark.parametrize("spec", METRICS)
def test_weighted_mean_is_scikit_learns(spec):
    loss, y, _, p = batch(spec, k=1)
    s = np.random.default_rng(6).uniform(0.1, 2, len(y))
    want = METRICS[spec](y, p, s)
    assert_close(mean(loss, y, p, s), want, 8 * EPS * len(y) * (1 + abs(want)))


def test_cross_entropy_is_scikit_learns_log_loss():
    loss, _, _, p = batch("cross_entropy")
    labels = np.random.default_rng(7).integers(3, size=len(p))
    s = np.random.default_rng(8).uniform(0.1, 2, len(p))
    want = sklearn.metrics.log_loss(labels, p, sample_weight=s, labels=[0, 1, 2])
    assert_close(mean(loss, encode(loss, labels, 3), p, s), want, 8 * EPS * len(p) * (1 + want))


def test_poisson_is_scipys_divergence():
    loss, y, _, p = batch("poisson")
    assert (y == 0).any()
    assert_close(loss.terms(y, p), scipy.special.kl_div(y, p), value_tolerance(loss, y, p))


def test_binary_cross_entropy_is_scipys_entropies():
    loss, _, _, p = batch("binary_cross_entropy")
    y = np.random.default_rng(9).random(p.shape)
    want = -scipy.special.xlogy(y, p) - scipy.special.xlog1py(1 - y, -p)
    assert_close(loss.terms(y, p), want, value_tolerance(loss, y, p))


def test_log_softmax_is_scipys():
    loss, y, z, _ = batch("cross_entropy")
    want = -y * scipy.special.log_softmax(z, axis=1)
    assert_close(loss.fused["softmax"].terms(y, z), want, 8 * EPS * (1 + abs(z).max()))


# --- by hand -------------------------------------------------------------------------------------


def test_note_3_by_hand():
    """∇_{a_L} L = ŷ − e_ℓ: probabilities 1/8, 1/4, 5/8 and the true class ℓ = 2 (from 0)."""
    z = np.log([[1.0, 2.0, 5.0]])
    loss = LOSSES["cross_entropy"]()
    e = encode(loss, [2], 3)
    assert e.tolist() == [[0, 0, 1]]
    p = ACTIVATIONS["softmax"]().value(z)
    assert_close(loss.fused["softmax"].delta(e, p), [[0.125, 0.25, -0.375]], 4 * EPS)
    assert_close(loss.fused["softmax"].terms(e, z).sum(), math.log(1.6), 4 * EPS)
    # section 4.3.1: ∂L/∂ŷ = −e_ℓ / ŷ_ℓ
    assert_close(loss.derivative(e, p), [[0, 0, -1.6]], 8 * EPS)


@pytest.mark.parametrize(
    ("spec", "y", "p", "cost", "slope"),
    [
        ("squared_error", 1.0, 3.0, 2.0, 2.0),
        ("absolute_error", 1.0, 3.0, 2.0, 1.0),
        ("huber:delta=1", 1.0, 1.5, 0.125, 0.5),
        ("huber:delta=1", 1.0, 4.0, 2.5, 1.0),
        ("huber:delta=1", 1.0, -2.0, 2.5, -1.0),
        ("logistic", 1.0, 0.0, math.log(2), -0.5),
        ("logistic", -1.0, 0.0, math.log(2), 0.5),
        ("hinge", 1.0, 0.25, 0.75, -1.0),
        ("hinge", -1.0, 0.25, 1.25, 1.0),
        ("hinge", -1.0, -3.0, 0.0, 0.0),
        ("shortfall", 2.0, 0.5, 1.5, -1.0),
        ("shortfall", 2.0, 2.5, 0.0, 0.0),
        ("binary_cross_entropy", 1.0, 0.5, math.log(2), -2.0),
        ("binary_cross_entropy", 0.0, 0.75, math.log(4), 4.0),
        ("poisson", 0.0, 2.0, 2.0, 1.0),
        ("poisson", 2.0, 1.0, 2 * math.log(2) - 1, -1.0),
        ("poisson", 2.0, 2.0, 0.0, 0.0),
        ("pinball:tau=0.75", 2.0, 1.0, 0.75, -0.75),
        ("pinball:tau=0.75", 2.0, 4.0, 0.5, 0.25),
    ],
)
def test_by_hand(spec, y, p, cost, slope):
    loss = LOSSES.get_record(spec)
    y, p = encode(loss, [y]), np.array([[p]])
    assert_close(loss.terms(y, p), [[cost]], 2 * EPS)
    assert_close(loss.derivative(y, p), [[slope]], 2 * EPS)


@given(
    y=st.floats(-100, 100), p=st.floats(-100, 100), delta=st.floats(0.01, 10),
    tau=st.floats(0.01, 0.99),
)  # fmt: skip
def test_relations_between_losses(y, p, delta, tau):
    y, p = np.array([[y]]), np.array([[p]])
    cost = {spec: LOSSES[spec]().terms(y, p).item() for spec in ("squared_error", "absolute_error")}
    size = 8 * EPS * (1 + abs(y).item() + abs(p).item()) ** 2
    huber = LOSSES["huber"](delta=delta).terms(y, p).item()
    assert 0 <= huber <= cost["squared_error"] * (1 + 4 * EPS) + size
    assert huber <= delta * cost["absolute_error"] * (1 + 4 * EPS)
    wide = LOSSES["huber"](delta=1000.0).terms(y, p).item()
    assert wide == cost["squared_error"]
    low, high = (LOSSES["pinball"](tau=t).terms(y, p).item() for t in (tau, 1 - tau))
    assert_close(low + high, cost["absolute_error"], size)


def test_the_pinball_loss_is_least_at_the_quantile():
    y = np.random.default_rng(0).normal(size=(1001, 1))
    for tau in (0.1, 0.5, 0.8):
        loss = LOSSES["pinball"](tau=tau)
        q = np.sort(y[:, 0])
        costs = [loss.terms(y, np.full_like(y, c)).sum() for c in q]
        assert np.argmin(costs) == math.ceil(tau * 1001) - 1


# --- targets -------------------------------------------------------------------------------------


def test_label_smoothing_by_hand():
    loss = LOSSES.get_record("cross_entropy:label_smoothing=0.1")
    want = [[0.025, 0.925, 0.025, 0.025], [0.025, 0.025, 0.025, 0.925]]
    assert_close(encode(loss, [1, 3], 4), want, EPS)
    soft = np.array([[0.5, 0.5, 0, 0]])
    assert_close(encode(loss, soft, 4), [[0.475, 0.475, 0.025, 0.025]], EPS)
    p = np.full((2, 4), 0.25)  # an even guess costs log 4 whatever the targets
    assert_close(loss.terms(encode(loss, [1, 3], 4), p).sum(axis=1), [math.log(4)] * 2, 8 * EPS)
    z = np.log(encode(loss, [1, 3], 4))  # it is least, and flat, where ŷ is the smoothed target
    delta = loss.fused["softmax"].delta(encode(loss, [1, 3], 4), ACTIVATIONS["softmax"]().value(z))
    assert_close(delta, np.zeros((2, 4)), 4 * EPS)


def test_soft_targets_mix_the_hard_ones():
    loss, _, z, p = batch("cross_entropy")
    mix = np.array([0.2, 0.5, 0.3])
    hard = [encode(loss, np.full(len(z), label), 3) for label in range(3)]
    soft = encode(loss, np.tile(mix, (len(z), 1)), 3)
    fused = loss.fused["softmax"]
    want = sum(m * fused.terms(e, z).sum(axis=1) for m, e in zip(mix, hard, strict=True))
    assert_close(fused.terms(soft, z).sum(axis=1), want, 16 * EPS * (1 + abs(z).max()))
    want = sum(m * fused.delta(e, p) for m, e in zip(mix, hard, strict=True))
    assert_close(fused.delta(soft, p), want, 8 * EPS)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2, 1],
        [0.0, 2.0, 1.0],
        [[0], [2], [1]],
        np.array([0, 2, 1], np.uint8),
        np.array([0, 2, 1], np.int8),
        np.array([0, 2, 1], np.float32),
        np.array([0, 2, 1], ">i4"),
    ],
)
def test_labels_of_every_kind(labels):
    loss = LOSSES["cross_entropy"]()
    assert_identical(encode(loss, labels, 3), np.eye(3)[[0, 2, 1]])


def test_boolean_labels():
    loss = LOSSES["cross_entropy"]()
    assert_identical(encode(loss, [True, False], 2), np.eye(2)[[1, 0]])
    assert_identical(
        encode(LOSSES["binary_cross_entropy"](), [True, False]), np.array([[1.0], [0]])
    )


WRONG_TARGETS = [
    ("squared_error", [[1, 2]], 1,
     r"squared_error: targets of shape \(1, 2\) do not fit 1 output\(s\); "
     r"give shape \(n_samples, 1\) or \(n_samples,\)$"),
    ("squared_error", [1, 2], 3,
     r"targets of shape \(2, 1\) do not fit 3 output\(s\); give shape \(n_samples, 3\)"
     r"; class labels go with loss='cross_entropy'$"),
    ("huber", [[[1]]], 1, r"huber: targets of shape \(1, 1, 1\) do not fit"),
    ("pinball", 3.0, 1, r"pinball: targets of shape \(\) do not fit"),
    ("logistic", [1, 0], 1, r"logistic: targets must be −1 or 1; row 1 is \[0\.\]"),
    ("logistic", [1, math.nan], 1, r"logistic: targets must be −1 or 1; row 1 is \[nan\]"),
    ("hinge", [2, 1], 1, r"hinge: targets must be −1 or 1; row 0 is \[2\.\]"),
    ("poisson", [0, 3, -1], 1, r"poisson: targets must be at least 0; row 2 is \[-1\.\]"),
    ("poisson", [0, math.nan], 1, r"poisson: targets must be at least 0; row 1 is \[nan\]"),
    ("binary_cross_entropy", [[0, 1], [1, 1.5]], 2,
     r"binary_cross_entropy: targets must be between 0 and 1; row 1 is \[1\. +1\.5\]"),
    ("cross_entropy", [0, 3], 3,
     r"cross_entropy: labels must lie in 0 … 2 \(one of 3 outputs each\); found 0 … 3"),
    ("cross_entropy", [0, -1], 3, r"cross_entropy: labels must lie in 0 … 2 .*found -1 … 0"),
    ("cross_entropy", [0, 0.5], 3, "cross_entropy: labels must be integers 0 … 2; row 1 is 0.5"),
    ("cross_entropy", [0, math.nan], 3,
     "cross_entropy: labels must be integers 0 … 2; row 1 is nan"),
    ("cross_entropy", [0, math.inf], 3,
     "cross_entropy: labels must be integers 0 … 2; row 1 is inf"),
    ("cross_entropy", ["a", "b"], 3, r"cross_entropy: labels must be integers 0 … 2, not str"),
    ("cross_entropy", [[0.5, 0.6]], 2,
     r"cross_entropy: targets must be integer labels, or rows of probabilities with sum 1; "
     r"row 0 is \[0\.5 0\.6\]"),
    ("cross_entropy", [[1, 0], [1.5, -0.5]], 2, r"rows of probabilities with sum 1; row 1 is"),
    ("cross_entropy", [[1, 0]], 3, r"cross_entropy: targets of shape \(1, 2\) do not fit 3 output"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "y", "k", "message"), WRONG_TARGETS)
def test_wrong_targets_are_told_what_is_wrong(spec, y, k, message):
    with pytest.raises(InputError, match=message):
        encode(LOSSES.get_record(spec), y, k)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("huber:delta=0", "huber: delta must be positive, not 0.0"),
        ("huber:delta=nan", "huber: delta must be positive, not nan"),
        ("pinball:tau=0", "pinball: tau must lie between 0 and 1, not 0.0"),
        ("pinball:tau=1", "pinball: tau must lie between 0 and 1, not 1.0"),
        ("cross_entropy:label_smoothing=1", "label_smoothing must be at least 0 and below 1"),
    ],
)
def test_numbers_out_of_range(spec, message):
    with pytest.raises(InputError, match=message):
        LOSSES.get_record(spec)


# --- the mean over samples, the sum over outputs -------------------------------------------------


@pytest.mark.parametrize("spec", ALL)
def test_costs_are_summed_over_outputs_and_averaged_over_samples(spec):
    loss, y, _, p = batch(spec)
    s = np.random.default_rng(1).uniform(0.2, 3, len(y))
    terms = loss.terms(y, p)
    want = math.fsum(
        math.fsum(s[n] * terms[n, i] for i in range(terms.shape[1])) for n in range(len(s))
    ) / math.fsum(s)
    scale = np.abs(terms).sum(axis=1).max()
    assert_close(mean(loss, y, p, s), want, EPS * (len(s) + terms.shape[1] + 4) * scale)
    assert mean(loss, y, p, 4 * s) == mean(loss, y, p, s)
    twice = np.concatenate([y, y]), np.concatenate([p, p]), np.concatenate([s, s])
    assert_close(mean(loss, *twice), want, EPS * (2 * len(s) + terms.shape[1] + 4) * scale)


def test_many_binary_labels_cost_their_sum():
    loss, y, z, p = batch("binary_cross_entropy", k=4)
    together = loss.fused["logistic"].terms(y, z)
    for i in range(4):
        one_label = slice(i, i + 1)
        assert_identical(
            loss.fused["logistic"].terms(y[:, one_label], z[:, one_label]), together[:, one_label]
        )
        assert_identical(
            loss.fused["logistic"].delta(y[:, one_label], p[:, one_label]),
            loss.fused["logistic"].delta(y, p)[:, one_label],
        )


# --- the records ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES.records(), ids=lambda loss: loss.name)
def test_records_are_complete(loss):
    assert loss.derivation
    assert loss.source
    assert loss.task in {"regression", "classification", "margin"}
    assert loss.outputs
    assert set(loss.outputs) <= set(ACTIVATIONS)
    assert set(loss.fused) <= set(loss.outputs)
    assert all(fused.derivation for fused in loss.fused.values())


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dtype_is_kept_and_inputs_are_left_alone(spec, dtype):
    loss, y, z, p = (x.astype(dtype) if isinstance(x, np.ndarray) else x for x in batch(spec))
    kept = [x.copy() for x in (y, z, p)]
    results = [loss.terms(y, p), loss.derivative(y, p)]
    for fused in loss.fused.values():
        results += [fused.terms(y, z), fused.delta(y, p)]
    for result in results:
        assert result.dtype == dtype
        assert result.shape == y.shape
    for before, now in zip(kept, (y, z, p), strict=True):
        assert_identical(now, before)
    raw = draw_targets(loss, 5, 3, np.random.default_rng(0))
    assert loss.encode(raw, 3, np, np.dtype(dtype)).dtype == dtype

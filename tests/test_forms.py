"""The notes' forms of the gradient: one result, and the costs that they are said to have."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model, Parameters, parameter_count
from backpass.derivatives import forms
from backpass.derivatives.forms import FORMS
from backpass.errors import InputError

EPS = np.finfo(float).eps
SIZES, N = (3, 5, 4, 2), 6
HIDDEN = [a.name for a in ACTIVATIONS.records() if a.hidden]
PAIRS = [(loss.name, output) for loss in LOSSES.records() for output in loss.outputs]


def make_model(sizes, hidden, output, loss, seed=0):
    rng = np.random.default_rng(seed)
    theta = Parameters(sizes, rng.uniform(-0.8, 0.8, parameter_count(sizes)))
    return Model.from_specs(theta, [*hidden, output], loss)


def make_targets(model, rng, n):
    loss, k = model.loss, model.parameters.sizes[-1]
    if loss.task == "margin":
        y = rng.choice([-1.0, 1.0], (n, k))
    elif loss.name == "cross_entropy":
        y = rng.integers(0, k, n)
    elif loss.name == "binary_cross_entropy":
        y = rng.uniform(0, 1, (n, k))
    else:
        y = rng.uniform(0, 3, (n, k))
    return loss.encode(y, k, np, np.float64)


def make_data(model, seed=1, n=N):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, model.parameters.sizes[0]))
    return X, make_targets(model, rng, n), rng.uniform(0.2, 3.0, n)


def absolute_gradients(model, X, y, s, alpha):
    """The gradient with every factor replaced by its absolute value: what rounding scales with."""
    passed = backprop.forward(model, X)
    weights = [abs(W) for W in model.parameters.weights]
    delta = abs(model.loss.derivative(y, passed.a[-1]))
    layers = []
    for layer in range(len(weights), 0, -1):
        phi = model.activations[layer - 1]
        slope = abs(phi.derivative(passed.z[layer - 1], passed.a[layer]))
        delta = delta * slope if phi.elementwise else np.einsum("nk,nki->ni", delta, slope)
        if layer == len(weights):
            delta = (s / s.sum())[:, None] * delta
        W = weights[layer - 1]
        layers.insert(0, (abs(passed.a[layer - 1]).T @ delta + alpha / s.sum() * W, delta.sum(0)))
        delta = delta @ W.T
    return np.concatenate([x.ravel() for pair in layers for x in pair]), delta


def tolerance(sizes, n):
    """Rounding of two orders of summation, relative to the sum of absolute terms.

    One element sums at most n Π terms whose chains are at most Σ (n_l + 3) operations long on the
    way up and the same on the way down, so each way is within that many eps (Higham 2002, γ_k).
    z differs in its last bits as well, and φ'(z) with it: |z φ''/φ'| is at most about 10 here.
    """
    chain = n + 2 * sum(size + 3 for size in sizes)
    return 2 * 10 * chain * EPS


def assert_same(got, want, bound, sizes=SIZES, n=N):
    flat_bound, inputs_bound = bound
    for a, b in zip(
        (*got.weights, *got.biases, got.inputs), (*want.weights, *want.biases, want.inputs),
        strict=True,
    ):  # fmt: skip
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= 1e-12 * np.linalg.norm(b)
    rtol = tolerance(sizes, n)
    assert np.all(abs(got.flat - want.flat) <= rtol * flat_bound)
    assert np.all(abs(got.inputs - want.inputs) <= rtol * inputs_bound)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_forms_agree(loss, output, hidden):
    following = HIDDEN[(HIDDEN.index(hidden) + 1) % len(HIDDEN)]
    model = make_model(SIZES, [hidden, following], output, loss)
    data = *make_data(model), 0.3
    want, bound = forms.batch(model, *data), absolute_gradients(model, *data)
    for form in FORMS.values():
        assert_same(form.gradients(model, *data), want, bound)
    assert_same(forms.batch(model, *data, fused=True), want, bound)


@pytest.mark.parametrize("sizes", [(2, 3), (4, 1), (1, 1, 1), (2, 6, 5, 4, 3)])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_forms_agree_for_any_depth(sizes, alpha):
    model = make_model(sizes, ["tanh"] * (len(sizes) - 2), "identity", "squared_error")
    data = *make_data(model, n=5), alpha
    want, bound = forms.batch(model, *data), absolute_gradients(model, *data)
    for form in FORMS.values():
        assert_same(form.gradients(model, *data), want, bound, sizes, 5)


def test_the_comparison_sees_what_is_wrong():
    model = make_model(SIZES, ["tanh", "relu"], "identity", "squared_error")
    X, y, s = make_data(model)
    want, bound = forms.batch(model, X, y, s, 0.3), absolute_gradients(model, X, y, s, 0.3)
    wrongs = [
        forms.per_sample(model, X, y, np.ones(N), 0.3),  # 1/N for s_n/S
        forms.per_sample(model, X, y, s, 0.0),  # no penalty
        forms.per_sample(model, X + 1e-10, y, s, 0.3),
    ]
    last = forms.per_sample(model, X, y, s, 0.3)
    last.biases[0][0] *= 1 + 1e-11
    for wrong in (*wrongs, last):
        with pytest.raises(AssertionError):
            assert_same(wrong, want, bound)


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_functions_of_their_arguments_only(name):
    model = make_model(SIZES, ["tanh", "relu"], "softmax", "cross_entropy")
    X, y, s = make_data(model)
    before = [x.copy() for x in (model.parameters.flat, X, y, s)]
    first = FORMS[name].gradients(model, X, y, s, 0.3)
    again = FORMS[name].gradients(model, X, y, s, alpha=0.3)
    assert np.array_equal(first.flat, again.flat)
    for x, kept in zip((model.parameters.flat, X, y, s), before, strict=True):
        assert np.array_equal(x, kept)


@pytest.mark.parametrize("name", FORMS)
def test_doubled_weight_is_a_repeated_sample(name):
    model = make_model((2, 3, 2), ["tanh"], "softmax", "cross_entropy")
    X, y, _ = make_data(model, n=3)
    twice = [0, 1, 1, 2]
    weighted = FORMS[name].gradients(model, X, y, np.array([1.0, 2.0, 1.0]), 0.5)
    repeated = FORMS[name].gradients(model, X[twice], y[twice], np.ones(4), 0.5)
    np.testing.assert_allclose(weighted.flat, repeated.flat, rtol=1e-12)


@pytest.mark.parametrize("hidden", ["tanh", "gelu", "softplus"])
def test_finite_differences_agree(hidden):
    model = make_model(SIZES, [hidden, hidden], "softmax", "cross_entropy")
    data = *make_data(model), 0.3
    numeric, want = forms.finite_differences(model, *data), forms.batch(model, *data)
    assert numeric.inputs is None
    # truncation h² |J'''| / 6 and rounding eps J / h, h = 6e-6: some 1e-10 each
    np.testing.assert_allclose(numeric.flat, want.flat, rtol=0, atol=2e-9)


# --- numbers worked out by hand ------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_two_two_one_by_hand(name):
    # z¹ = (1·0.1 + 2·0.2 + 0.1, 1·0.3 − 2·0.4 − 0.1) = (0.6, −0.6)
    # a¹ = (0.645656, 0.354344); z² = 0.5·0.645656 − 0.6·0.354344 + 0.2 = 0.310222
    # a² = 1 / (1 + e^−0.310222) = 1 / 1.733284 = 0.576939
    # e² = (a² − 1) a² (1 − a²) = −0.423061 · 0.244080 = −0.103261
    # W² e² = (−0.051630, 0.061957); f'(z¹) = 0.645656 · 0.354344 = 0.228784 for both
    # e¹ = (−0.011812, 0.014175)
    theta = Parameters([2, 2, 1], np.array([0.1, 0.3, 0.2, -0.4, 0.1, -0.1, 0.5, -0.6, 0.2]))
    model = Model.from_specs(theta, ["logistic", "logistic"], "squared_error")
    X, y, s = np.array([[1.0, 2.0]]), np.array([[1.0]]), np.ones(1)
    gradients = FORMS[name].gradients(model, X, y, s)
    by_hand = [
        [[-0.011812, 0.014175], [-0.023624, 0.028349]], [-0.011812, 0.014175],
        [[-0.066671], [-0.036590]], [-0.103261],
    ]  # fmt: skip
    got = [gradients.weights[0], gradients.biases[0], gradients.weights[1], gradients.biases[1]]
    for have, want in zip(got, by_hand, strict=True):
        np.testing.assert_allclose(have, want, rtol=0, atol=1.5e-6)
    # W¹ e¹ = (0.1·−0.011812 + 0.3·0.014175, 0.2·−0.011812 − 0.4·0.014175)
    np.testing.assert_allclose(gradients.inputs, [[0.003071, -0.008032]], rtol=0, atol=1.5e-6)


@pytest.mark.parametrize("name", FORMS)
def test_softmax_cross_entropy_is_prediction_less_label(name):
    # note 3, section 4.3.1: logits (ln 1, ln 2, ln 5) give ŷ = (1, 2, 5)/8; ℓ = 2 (the second)
    theta = Parameters([1, 3], np.array([0.0, 0.0, 0.0, 0.0, np.log(2), np.log(5)]))
    model = Model.from_specs(theta, ["softmax"], "cross_entropy")
    X, y = np.array([[2.0]]), np.array([[0.0, 1.0, 0.0]])
    gradients = FORMS[name].gradients(model, X, y, np.ones(1))
    np.testing.assert_allclose(gradients.biases[0], [0.125, -0.75, 0.625], rtol=1e-14)
    np.testing.assert_allclose(gradients.weights[0], [[0.25, -1.5, 1.25]], rtol=1e-14)


# --- the fused start -----------------------------------------------------------------------------


def logits_model(output, loss, k):
    """A network whose logits are its inputs."""
    theta = Parameters([k, k], np.concatenate([np.eye(k).ravel(), np.zeros(k)]))
    return Model.from_specs(theta, [output], loss)


@pytest.mark.parametrize("gap", [0.0, 1.0, 30.0, 300.0, 700.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_fused_softmax_agrees_with_the_general_path(gap, smoothing):
    loss = f"cross_entropy:label_smoothing={smoothing}"
    model = logits_model("softmax", loss, 3)
    X = np.repeat(np.array([[0.0, -gap / 2, -gap]]), 3, axis=0)
    y = model.loss.encode(np.arange(3), 3, np, np.float64)
    fused = forms.batch(model, X, y, np.ones(3), fused=True)
    # both lie in [−⅓, ⅓]: a few roundings of numbers of at most 1
    for form in FORMS.values():
        general = form.gradients(model, X, y, np.ones(3))
        np.testing.assert_allclose(general.inputs, fused.inputs, rtol=0, atol=8 * EPS)


@pytest.mark.parametrize(
    ("output", "loss", "low", "high"),
    # above 36.7 the logistic function rounds to 1 and only the fused path knows 1 − ŷ ≠ 0
    [("logistic", "binary_cross_entropy", -700.0, 36.0), ("exp", "poisson", -700.0, 20.0)],
)
def test_fused_elementwise_agrees_with_the_general_path(output, loss, low, high):
    model = logits_model(output, loss, 1)
    X = np.concatenate([np.linspace(low, high, 41), [0.0]])[:, None]
    for target in (0.0, 1.0):
        y, s = np.full_like(X, target), np.ones(len(X))
        fused = forms.batch(model, X, y, s, fused=True).inputs
        for form in FORMS.values():
            general = form.gradients(model, X, y, s).inputs
            scale = np.maximum(1, np.exp(X)) if output == "exp" else 1
            assert np.all(abs(general - fused) <= 8 * EPS * scale / len(X))


def test_fused_is_right_at_extreme_logits():
    model = logits_model("softmax", "cross_entropy", 3)
    X = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]])
    y = model.loss.encode(np.array([1, 0, 2]), 3, np, np.float64)
    J, gradients = backprop.loss_and_gradients(model, X, y, np.ones(3))
    right = np.array([[1.0, -1, 0], [-1, 0.5, 0.5], [1 / 3, 1 / 3, -2 / 3]]) / 3
    np.testing.assert_allclose(
        forms.batch(model, X, y, np.ones(3), fused=True).inputs, right, rtol=0, atol=EPS
    )
    np.testing.assert_allclose(gradients.inputs, right, rtol=0, atol=EPS)
    np.testing.assert_allclose(J, (2e4 + (2e4 + np.log(2)) + np.log(3)) / 3, rtol=4 * EPS)


def test_fused_logistic_is_right_at_extreme_logits():
    model = logits_model("logistic", "binary_cross_entropy", 1)
    X, y = np.array([[1e4], [1e4], [-1e4], [-1e4]]), np.array([[0.0], [1.0], [0.0], [1.0]])
    gradients = forms.batch(model, X, y, np.ones(4), fused=True)
    assert np.array_equal(gradients.inputs, np.array([[1.0], [0.0], [0.0], [-1.0]]) / 4)


# --- note 4's parts ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HIDDEN)
def test_layer_jacobians_are_the_neurons_derivatives(name):
    phi, rng = ACTIVATIONS.get_record(name), np.random.default_rng(3)
    alpha, Omega, beta = rng.normal(size=4), rng.normal(size=(4, 3)), rng.normal(size=3)
    J = forms.layer_jacobians(alpha, Omega, beta, phi)
    assert J.a.shape == (3, 4)
    assert J.w.shape == (3, 3, 4)
    assert J.b.shape == (3, 3)
    for k in range(3):
        h_a, h_w, h_b = forms.neuron_derivatives(alpha, Omega[:, k], beta[k], phi)
        np.testing.assert_allclose(J.a[k], h_a, rtol=1e-13)
        np.testing.assert_allclose(J.w[k][k], h_w, rtol=1e-13)
        np.testing.assert_allclose(J.b[k, k], h_b, rtol=1e-13)
        others = np.arange(3) != k
        assert not J.w[k][others].any()  # zero but in line k
        assert not J.b[k, others].any()


@pytest.mark.parametrize("name", ["tanh", "softmax"])
def test_layer_jacobians_are_derivatives(name):
    phi, rng = ACTIVATIONS.get_record(name), np.random.default_rng(4)
    alpha, Omega, beta = rng.normal(size=4), rng.normal(size=(4, 3)), rng.normal(size=3)
    J, h = forms.layer_jacobians(alpha, Omega, beta, phi), 1e-20

    def f(alpha, Omega, beta):  # complex step: exact to rounding
        return phi.value((Omega.T @ alpha + beta)[None, :])[0].imag / h

    for i in range(4):
        np.testing.assert_allclose(f(alpha + 1j * h * np.eye(4)[i], Omega, beta), J.a[:, i], 1e-12)
        for k in range(3):
            moved = Omega.astype(complex)
            moved[i, k] += 1j * h
            np.testing.assert_allclose(f(alpha, moved, beta), J.w[k][:, i], 1e-12, 1e-15)
    for k in range(3):
        np.testing.assert_allclose(f(alpha, Omega, beta + 1j * h * np.eye(3)[k]), J.b[:, k], 1e-12)


def test_prefix_is_the_first_layers():
    model = make_model(SIZES, ["tanh", "relu"], "softmax", "cross_entropy")
    X, _, _ = make_data(model)
    passed = backprop.forward(model, X)
    for i in range(4):
        np.testing.assert_allclose(forms.prefix(model, X[2], i), passed.a[i][2], rtol=1e-13)
    for i in (-1, 4):
        with pytest.raises(InputError, match="0 … 3"):
            forms.prefix(model, X[2], i)


# --- note 3's thin network -----------------------------------------------------------------------


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_thin_chain_is_the_gradient(hidden, depth):
    model = make_model((1,) * (depth + 1), [hidden] * (depth - 1), "identity", "squared_error")
    factors, product = forms.thin_chain(model, x=0.7, y=-0.4)
    want = forms.batch(model, np.array([[0.7]]), np.array([[-0.4]]), np.ones(1))
    np.testing.assert_allclose(product, want.weights[0][0, 0], rtol=1e-13)
    assert len(factors) == 2 * depth + 1
    # each denominator is the next numerator: the fractions chain
    fractions = [factor.name.split("/") for factor in factors]
    for (_, below), (above, _) in pairwise(fractions):
        assert below == above
    assert (fractions[0][0], fractions[-1][1]) == ("∂𝓛", "∂W_111")


def test_thin_chain_braces_are_note_3s():
    model = make_model((1, 1, 1, 1), ["relu", "relu"], "identity", "squared_error")
    factors, _ = forms.thin_chain(model, 1.0, 0.0)
    output, hidden, weight = (
        "talk to the output layer",
        "talk to the previous hidden layer",
        "and now talk to the weights",
    )
    assert [f.name for f in factors] == [
        "∂𝓛/∂ŷ", "∂ŷ/∂a_3", "∂a_3/∂h_2", "∂h_2/∂a_2", "∂a_2/∂h_1", "∂h_1/∂a_1", "∂a_1/∂W_111",
    ]  # fmt: skip
    assert [f.brace for f in factors] == [output] * 2 + [hidden] * 4 + [weight]


def test_thin_chain_needs_a_thin_network():
    with pytest.raises(InputError, match="thin network"):
        forms.thin_chain(make_model((1, 2, 1), ["tanh"], "identity", "squared_error"), 1.0, 0.0)


# --- costs, counted ------------------------------------------------------------------------------


class Counted:
    """A number that counts the multiplications it takes part in."""

    done = 0

    def __init__(self, value):
        self.value = float(value)

    def __mul__(self, other):
        Counted.done += 1
        return Counted(self.value * float(other))

    __rmul__ = __mul__

    def __add__(self, other):
        return Counted(self.value + float(other))

    __radd__ = __add__

    def __sub__(self, other):
        return Counted(self.value - float(other))

    def __truediv__(self, other):
        return Counted(self.value / float(other))

    def __float__(self):
        return self.value


counted = np.vectorize(Counted, otypes=[object])


@pytest.mark.parametrize("name", [*FORMS, "finite_differences"])
@pytest.mark.parametrize(("sizes", "n"), [((1, 1), 1), ((3, 4, 2), 3), ((2, 3, 5, 1), 4)])
def test_multiplications_are_counted(name, sizes, n):
    # identity and squared error without the ½ and the square: no multiplication of their own
    plain = make_model(sizes, ["identity"] * (len(sizes) - 2), "identity", "squared_error")
    loss = replace(plain.loss, terms=lambda y, p: p - y)
    theta = Parameters(sizes, counted(plain.parameters.flat))
    X, y, s = make_data(plain, n=n)
    run = getattr(forms, name)
    Counted.done = 0
    gradients = run(Model(theta, plain.activations, loss), counted(X), y, s)
    assert Counted.done == forms.multiplications(sizes, n)[name]
    if name in FORMS:  # and it was the gradient that was computed
        want = forms.batch(plain, X, y, s).flat
        np.testing.assert_allclose(gradients.flat.astype(float), want, rtol=1e-12)


def test_backpropagation_costs_two_more_forward_passes():
    sizes, n = (64, 128, 128, 32), 256
    forward = n * sum(a * b for a, b in pairwise(sizes))
    counts = forms.multiplications(sizes, n)
    assert 3 < counts["batch"] / forward < 3.05
    two_each = 2 * parameter_count(sizes)
    assert two_each < counts["finite_differences"] / forward < 1.01 * two_each


def test_every_form_is_in_the_table():
    assert set(forms.multiplications((2, 3, 1), 1)) == {*FORMS, "finite_differences"}
    for name, form in FORMS.items():
        assert form.name == name
        assert form.gradients is getattr(forms, name)
        assert form.source.startswith("note ")

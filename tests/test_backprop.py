"""Forward and backward pass against autograd, the complex step, differences and hand numbers.

Every declared (hidden, output, loss); widths that differ, so that a transposed matrix cannot fit;
unequal sample weights, so that a mean in the wrong place shows.
"""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model, Parameters
from helpers import (
    EPS,
    HIDDEN,
    PAIRS,
    TRIPLES,
    Case,
    assert_close,
    assert_identical,
    autograd_gradients,
    centred_gradients,
    complex_step_gradients,
    differences_tolerance,
    draw_case,
    gradient_tolerance,
    specs,
)


def seed_of(*parts):
    """Return a seed that is the same in every run (`hash` of a string is not)."""
    return int.from_bytes("-".join(map(str, parts)).encode(), "little") % 2**32


def check_against_autograd(case, what=""):
    J, gradients = case.run()
    J_want, by_flat, by_X = autograd_gradients(case)
    tolerance, tolerance_X = gradient_tolerance(case)
    # J's own error: to first order the gradient's, once per entry, along the entry itself
    size = float(abs(case.model.parameters.flat) @ (abs(by_flat) + tolerance / EPS / 8))
    assert_close(float(J), J_want, 8 * EPS * (1 + abs(J_want) + size), f"{what}J")
    assert_close(gradients.flat, by_flat, tolerance, f"{what}∂J/∂θ")
    assert_close(gradients.inputs, by_X, tolerance_X, f"{what}∂J/∂X")


def check_against_complex_step(case, what="", **options):
    _, gradients = case.run(**options)
    by_flat, by_X = complex_step_gradients(case, **options)
    tolerance, tolerance_X = gradient_tolerance(case)
    assert_close(gradients.flat, by_flat, tolerance, f"{what}∂J/∂θ")
    assert_close(gradients.inputs, by_X, tolerance_X, f"{what}∂J/∂X")


def check_against_differences(case):
    J, gradients = case.run()
    by_flat, by_X = centred_gradients(case)
    tolerance = differences_tolerance(case, J)
    assert_close(gradients.flat, by_flat, tolerance, "∂J/∂θ")
    assert_close(gradients.inputs, by_X, tolerance, "∂J/∂X")


# --- every declared combination ------------------------------------------------------------------


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_combination_against_autograd(output, loss):
    for hidden in HIDDEN:
        seed = seed_of(hidden, output, loss)
        case = draw_case([3, 5, 4, 2], hidden, output, loss, n=6, alpha=0.3, seed=seed)
        check_against_autograd(case, f"{hidden}: ")


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_combination_against_the_complex_step(output, loss):
    for hidden in HIDDEN:
        seed = seed_of(loss, hidden, output)
        case = draw_case([2, 4, 3], hidden, output, loss, n=5, alpha=0.3, seed=seed)
        check_against_complex_step(case, f"{hidden}: ")


@pytest.mark.slow
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_pair_against_differences(output, loss):
    position = PAIRS.index((output, loss))
    hidden = [HIDDEN[position % len(HIDDEN)], HIDDEN[(position * 5 + 3) % len(HIDDEN)]]
    case = draw_case([3, 5, 4, 2], hidden, output, loss, n=6, alpha=0.3, seed=position)
    check_against_differences(case)


OTHERS = [spec for spec in specs(LOSSES) if ":" in spec]


@pytest.mark.parametrize("loss", OTHERS)
def test_losses_with_other_numbers(loss):
    output = LOSSES.get_record(loss).outputs[0]
    case = draw_case([3, 5, 2], "gelu", output, loss, n=6, seed=1)
    check_against_autograd(case)
    check_against_complex_step(case)


@pytest.mark.parametrize("hidden", [spec for spec in specs(ACTIVATIONS) if ":" in spec])
def test_activations_with_other_numbers(hidden):
    case = draw_case([3, 5, 4, 2], hidden, "softmax", "cross_entropy", n=6, seed=2)
    check_against_autograd(case)
    check_against_complex_step(case)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_one_layer(output, loss):
    case = draw_case([3, 2], [], output, loss, n=6, alpha=0.2, seed=3)
    check_against_autograd(case)
    check_against_complex_step(case)


@pytest.mark.parametrize(
    ("output", "loss"), [(o, r.name) for r in LOSSES.records() for o in r.fused]
)
def test_the_general_path_where_a_fused_one_exists(output, loss):
    case = draw_case([3, 5, 2], "tanh", output, loss, n=6, alpha=0.2, seed=4)
    check_against_complex_step(case, fused=False)
    fused, general = case.run()[1], case.run(fused=False)[1]
    tolerance, tolerance_X = gradient_tolerance(case)
    assert_close(general.flat, fused.flat, tolerance)
    assert_close(general.inputs, fused.inputs, tolerance_X)


# --- drawn sizes ---------------------------------------------------------------------------------

DRAWN = {
    "triple": st.sampled_from(TRIPLES),
    "sizes": st.lists(st.integers(1, 7), min_size=2, max_size=5, unique=True),
    "n": st.integers(5, 9),
    "alpha": st.sampled_from([0.0, 1e-4, 0.5, 10.0]),
    "dropout": st.sampled_from([0.0, 0.25, 0.5]),
    "seed": st.integers(0, 2**32 - 1),
    "mixed": st.lists(st.sampled_from(HIDDEN), min_size=3, max_size=3),
}


def drawn_case(triple, sizes, n, alpha, dropout, seed, mixed):
    hidden, output, loss = triple
    if output == "softmax" and sizes[-1] == 1:
        sizes = [*sizes[:-1], max(sizes) + 1]
    hidden = [hidden, *mixed][: len(sizes) - 2]
    return draw_case(sizes, hidden, output, loss, n=n, alpha=alpha, dropout=dropout, seed=seed)


@given(**DRAWN)
def test_drawn_networks_against_autograd(**drawn):
    check_against_autograd(drawn_case(**drawn))


@given(**DRAWN)
def test_drawn_networks_against_the_complex_step(**drawn):
    check_against_complex_step(drawn_case(**drawn))


# --- dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", HIDDEN)
def test_dropout_masks_in_both_passes(hidden):
    case = draw_case([3, 6, 5, 2], hidden, "softmax", "cross_entropy", n=7, dropout=0.4, seed=6)
    assert any((mask == 0).any() for mask in case.masks[:-1])
    check_against_autograd(case)
    check_against_complex_step(case)
    check_against_differences(case)


def test_a_dropped_unit_takes_no_part():
    case = draw_case([3, 6, 2], "tanh", "identity", "squared_error", n=5, dropout=0.5, seed=1)
    case.masks[0][:, 2] = 0
    gradients = case.run()[1]
    assert (gradients.weights[0][:, 2] == 0).all()
    assert gradients.biases[0][2] == 0
    assert (gradients.weights[1][2] == 0).all()
    # the same as a network without that unit
    theta = case.model.parameters
    keep = [i for i in range(6) if i != 2]
    smaller = Parameters([3, 5, 2], np.zeros(3 * 5 + 5 + 5 * 2 + 2))
    smaller.weights[0][...], smaller.biases[0][...] = (
        theta.weights[0][:, keep],
        theta.biases[0][keep],
    )
    smaller.weights[1][...], smaller.biases[1][...] = theta.weights[1][keep], theta.biases[1]
    other = Case(
        case.model.with_parameters(smaller), case.X, case.y, case.s,
        masks=[case.masks[0][:, keep], None], dropout=0.5,
    )  # fmt: skip
    assert_close(float(other.run()[0]), float(case.run()[0]), 16 * EPS)
    assert_close(other.run()[1].inputs, gradients.inputs, gradient_tolerance(other)[1])


def test_dropout_keeps_the_expected_activation():
    """Inverted dropout: with one unit of four dropped, the mean of equal units stays."""
    kept = backprop.drop(np.ones((1, 4)), np.array([[0.0, 1.0, 1.0, 1.0]]), 0.25)
    assert kept.tolist() == [[0.0, 4 / 3, 4 / 3, 4 / 3]]
    assert kept.mean() == 1.0


# --- means, weights, penalties -------------------------------------------------------------------


def rows(case, index):
    return Case(case.model, case.X[index], case.y[index], case.s[index])


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_the_full_gradient_is_the_mean_of_the_samples_gradients(output, loss):
    """Note 4: E[∇C of a sample drawn at random] = ∇ℰ; with weights, drawn with probability s/S."""
    case = draw_case([3, 5, 2], "silu", output, loss, n=7, seed=8)
    gradients = case.run()[1]
    share = case.s / case.s.sum()
    each = [rows(case, [i]).run() for i in range(7)]
    expected = sum(p * g.flat for p, (_, g) in zip(share, each, strict=True))
    tolerance, tolerance_X = gradient_tolerance(case)
    assert_close(gradients.flat, expected, tolerance)
    inputs = np.concatenate([p * g.inputs for p, (_, g) in zip(share, each, strict=True)])
    assert_close(gradients.inputs, inputs, tolerance_X)
    mean = sum(p * J for p, (J, _) in zip(share, each, strict=True))
    size = sum(p * abs(J) for p, (J, _) in zip(share, each, strict=True))
    assert_close(float(case.run()[0]), float(mean), 16 * EPS * (1 + size))


@given(**DRAWN)
def test_order_scale_and_zero_weights_of_samples(**drawn):
    case = drawn_case(**{**drawn, "alpha": 0.0, "dropout": 0.0})
    gradients = case.run()[1]
    tolerance, tolerance_X = gradient_tolerance(case)
    order = np.random.default_rng(drawn["seed"]).permutation(len(case.s))
    permuted = rows(case, order).run()[1]
    assert_close(permuted.flat, gradients.flat, tolerance)
    assert_close(permuted.inputs, gradients.inputs[order], tolerance_X[order])
    heavier = Case(case.model, case.X, case.y, 8 * case.s)
    assert_identical(heavier.run()[1].flat, gradients.flat)  # a power of two changes no bit
    case.s[-1] = 0.0
    without = rows(case, slice(0, -1))
    tolerance, _ = gradient_tolerance(case)
    assert_close(case.run()[1].flat, without.run()[1].flat, tolerance)
    assert (case.run()[1].inputs[-1] == 0).all()


def test_a_weight_of_two_is_the_row_twice():
    case = draw_case([3, 5, 2], "tanh", "softmax", "cross_entropy", n=5, seed=9)
    case.s[:] = [1, 2, 1, 1, 3]
    twice = rows(case, [0, 1, 1, 2, 3, 4, 4, 4])
    twice.s = np.ones(8)
    tolerance, _ = gradient_tolerance(case)
    assert_close(case.run()[1].flat, twice.run()[1].flat, tolerance)


def test_the_penalty_is_on_weights_only():
    case = draw_case([3, 5, 2], "tanh", "identity", "squared_error", n=5, seed=10)
    plain_J, plain = case.run()
    J, gradients = case.run(alpha=0.7)
    S, theta = case.s.sum(), case.model.parameters
    norms = sum((W**2).sum() for W in theta.weights)
    assert_close(float(J - plain_J), 0.7 * norms / (2 * S), 32 * EPS * (float(J) + norms))
    for layer in range(2):
        extra = gradients.weights[layer] - plain.weights[layer]
        scale = abs(plain.weights[layer]) + abs(theta.weights[layer])
        assert_close(extra, 0.7 * theta.weights[layer] / S, 4 * EPS * scale)
        assert_identical(gradients.biases[layer], plain.biases[layer])
    assert_identical(gradients.inputs, plain.inputs)


def test_the_cost_has_two_terms():
    case = draw_case([3, 5, 2], "tanh", "identity", "squared_error", n=5, seed=10)
    J, plain = case.run(alpha=0.7)[0], case.run()[0]
    got = backprop.cost(case.model, backprop.forward(case.model, case.X), case.y, case.s, alpha=0.7)
    assert got.total == got.data + got.penalty == J
    assert_identical(got.data, plain)
    assert_close(float(got.penalty), float(J - plain), 8 * EPS * float(J))


# --- ceiling -------------------------------------------------------------------------------------


def test_the_ceiling_caps_the_recorded_cost_and_not_the_gradient():
    case = draw_case([3, 5, 2], "tanh", "softmax", "cross_entropy", n=6, seed=11)
    passed = backprop.forward(case.model, case.X)
    terms = backprop.cost_terms(case.model, passed, case.y)
    ceiling = float(np.median(terms[terms > 0]))
    J, gradients = case.run(ceiling=ceiling)
    want = np.average(np.minimum(terms, ceiling).sum(axis=1), weights=case.s)
    assert_close(float(J), want, 16 * EPS * want)
    assert float(J) < float(case.run()[0])
    assert_identical(gradients.flat, case.run()[1].flat)
    assert_identical(case.run(ceiling=1e9)[0], case.run()[0])


def test_the_ceiling_lets_nan_through():
    case = draw_case([3, 5, 2], "tanh", "softmax", "cross_entropy", n=6, seed=11)
    case.X[0, 0] = np.nan
    assert np.isnan(case.run(ceiling=1.0)[0])


# --- what goes in --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
@pytest.mark.parametrize(("hidden", "output", "loss"), [
    ("relu", "softmax", "cross_entropy"), ("tanh", "identity", "huber"), ("mish", "exp", "poisson"),
])  # fmt: skip
def test_sparse_equals_dense(kind, hidden, output, loss):
    case = draw_case([8, 5, 2], hidden, output, loss, n=9, alpha=0.1, seed=12)
    case.X[np.random.default_rng(0).random(case.X.shape) < 0.7] = 0
    J, dense = case.run()
    tolerance, tolerance_X = gradient_tolerance(case)
    sparse_case = Case(case.model, kind(case.X), case.y, case.s, case.alpha)
    J_sparse, sparse = sparse_case.run()
    assert_close(float(J_sparse), float(J), 32 * EPS * (1 + float(J)))
    assert type(sparse.flat) is np.ndarray
    assert_close(sparse.flat, dense.flat, tolerance)
    assert_close(sparse.inputs, dense.inputs, tolerance_X)


@pytest.mark.parametrize("inputs", [True, False])
def test_the_parameters_gradient_does_not_depend_on_asking_for_the_inputs(inputs):
    for sizes in ([3, 2], [3, 5, 4, 2]):
        case = draw_case(sizes, "tanh", "softmax", "cross_entropy", seed=13)
        gradients = case.run(inputs=inputs)[1]
        assert (gradients.inputs is not None) == inputs
        assert_identical(gradients.flat, case.run()[1].flat)


def test_nothing_given_is_changed():
    case = draw_case([3, 5, 4, 2], "elu", "identity", "huber", alpha=0.3, dropout=0.5, seed=14)
    given_arrays = [case.model.parameters.flat, case.X, case.y, case.s, *case.masks[:-1]]
    kept = [x.copy() for x in given_arrays]
    for x in given_arrays:
        x.setflags(write=False)
    gradients = case.run()[1]
    for before, now in zip(kept, given_arrays, strict=True):
        assert_identical(now, before)
    assert not np.shares_memory(gradients.flat, case.model.parameters.flat)


@pytest.mark.parametrize("order", ["F", "strided", "reversed"])
def test_memory_layout_of_the_input_changes_nothing_but_rounding(order):
    case = draw_case([3, 5, 2], "tanh", "softmax", "cross_entropy", n=6, seed=15)
    X = {
        "F": np.asfortranarray(case.X),
        "strided": np.repeat(case.X, 2, axis=0)[::2],
        "reversed": case.X[::-1].copy()[::-1],
    }[order]
    other = Case(case.model, X, case.y, case.s).run()[1]
    tolerance, _ = gradient_tolerance(case)
    assert_close(other.flat, case.run()[1].flat, tolerance)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_float32_stays_float32_and_close(output, loss):
    case = draw_case([3, 5, 2], "gelu", output, loss, n=6, alpha=0.1, dropout=0.25, seed=16)
    J, gradients = case.run()
    single = Case(
        Model(
            Parameters([3, 5, 2], case.model.parameters.flat.astype(np.float32)),
            case.model.activations,
            case.model.loss,
        ),
        case.X.astype(np.float32), case.y.astype(np.float32), case.s.astype(np.float32), 0.1,
        [case.masks[0].astype(np.float32), None], 0.25,
    )  # fmt: skip
    J_single, rounded = single.run()
    assert J_single.dtype == np.float32
    assert rounded.flat.dtype == rounded.inputs.dtype == np.float32
    # the same error analysis, in units of float32's eps; also θ, X, y and s were rounded
    wider = 4 * float(np.finfo(np.float32).eps) / EPS
    tolerance, tolerance_X = gradient_tolerance(case)
    assert_close(rounded.flat.astype(float), gradients.flat, wider * tolerance)
    assert_close(rounded.inputs.astype(float), gradients.inputs, wider * tolerance_X)
    assert_close(float(J_single), float(J), 16 * wider * EPS * (1 + abs(float(J))))


# --- by hand -------------------------------------------------------------------------------------


def test_note_4s_neuron():
    """ζ = ωα + β = 2·½ − 1 = 0, σ = ½, σ' = ¼; C = ½(½ − 1)²; ∂C/∂ζ = −½·¼ = −⅛."""
    neuron = Model.from_specs(
        Parameters([1, 1], np.array([2.0, -1.0])), ["logistic"], "squared_error"
    )
    J, gradients = backprop.loss_and_gradients(
        neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)
    )
    assert J == 0.125
    assert gradients.weights[0].item() == -0.0625  # ∂ω = α·∂ζ
    assert gradients.biases[0].item() == -0.125  # ∂β = ∂ζ
    assert gradients.inputs.item() == -0.25  # ∂α = ω·∂ζ


def test_two_layers_by_hand():
    """x = (1, 2); relu hidden z = (3, −1), a = (3, 0); ŷ = 2·3 + 5·0 + 1 = 7, y = 5, δ = 2."""
    W1, b1 = np.array([[1.0, 1.0], [1.0, -1.0]]), np.zeros(2)
    W2, b2 = np.array([[2.0], [5.0]]), np.array([1.0])
    theta = Parameters([2, 2, 1], np.concatenate([W1.ravel(), b1, W2.ravel(), b2]))
    model = Model.from_specs(theta, ["relu", "identity"], "squared_error")
    J, gradients = backprop.loss_and_gradients(
        model, np.array([[1.0, 2.0]]), np.array([[5.0]]), np.array([4.0]), alpha=0.0
    )
    assert J == 2.0
    assert gradients.weights[1].tolist() == [[6.0], [0.0]]
    assert gradients.biases[1].tolist() == [2.0]
    assert gradients.weights[0].tolist() == [[4.0, 0.0], [8.0, 0.0]]
    assert gradients.biases[0].tolist() == [4.0, 0.0]
    assert gradients.inputs.tolist() == [[4.0, 4.0]]


def test_softmax_regression_by_hand():
    """Zero weights: every ŷ is 1/k, and the bias gradient is 1/k minus the class frequencies."""
    model = Model.from_specs(Parameters([2, 4], np.zeros(12)), ["softmax"], "cross_entropy")
    y = np.eye(4)[[0, 0, 1, 2]]
    X = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 4.0]])
    J, gradients = backprop.loss_and_gradients(model, X, y, np.ones(4))
    assert_close(float(J), np.log(4), 2 * EPS)
    assert gradients.biases[0].tolist() == [-0.25, 0.0, 0.0, 0.25]
    assert gradients.weights[0].tolist() == (X.T @ (0.25 - y) / 4).tolist()


def test_gradient_layout_is_the_parameters():
    case = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy")
    gradients = case.run()[1]
    pieces = []
    for (n_in, n_out), W, b in zip(
        pairwise([3, 5, 4, 2]), gradients.weights, gradients.biases, strict=True
    ):
        assert W.shape == (n_in, n_out)
        assert b.shape == (n_out,)
        assert np.shares_memory(W, gradients.flat)
        assert np.shares_memory(b, gradients.flat)
        pieces += [W.ravel(), b]
    assert_identical(np.concatenate(pieces), gradients.flat)


def test_a_step_against_the_gradient_goes_down():
    """Descent lemma: a small enough step lowers J by about η‖g‖²."""
    case = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", alpha=0.1)
    J, gradients = case.run()
    eta = 1e-6
    lower = case.value(case.model.parameters.flat - eta * gradients.flat, case.X)
    drop = float(J - lower)
    assert drop == pytest.approx(eta * float(gradients.flat @ gradients.flat), rel=1e-4)

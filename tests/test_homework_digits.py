"""Homework with few digits: rounded in every step, printed, or as near as differences come."""

# ruff: noqa: E741 (l is a layer)

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass import Network, explain_mismatch, worksheet
from backpass.derivatives.homework.carried import Carried
from backpass.derivatives.homework.faulty_pass import Pass
from backpass.derivatives.homework.part import Digits
from helpers import draw_case


def rounded(x, digits):
    text = np.vectorize(lambda number: float(f"{number:.{digits}g}"))
    return text(np.asarray(x, dtype=float))


def sheet(seed):
    """Return a worksheet's network with tanh and a logistic output, its rows and targets."""
    plain = Network([2, 3, 2], "tanh", "logistic", "squared_error")
    solution = worksheet(plain, seed=seed).solution
    W, b = ([solution[kind, l] for l in (1, 2)] for kind in "Wb")
    network = Network.from_arrays(W, [np.ravel(x) for x in b], "tanh", "logistic")
    return network, solution["a", 0], solution["y"]


RIGHT = {
    "slope": lambda z, a: 1 - a**2,
    "bias": lambda b: b,
    "error": lambda a, y: a - y,
}
MISTAKES = {
    "f′ missing": {"slope": lambda z, a: 1 + 0 * a},
    "z for a in f′": {"slope": lambda z, a: 1 - z**2},
    "f for f′": {"slope": lambda z, a: a},
    "f′ twice": {"slope": lambda z, a: (1 - a**2) ** 2},
    "sign slip in f′": {"slope": lambda z, a: 1 + a**2},
    "bias forgotten": {"bias": lambda b: 0 * b},
    "factor 2": {"error": lambda a, y: 2 * (a - y)},
    "sign": {"error": lambda a, y: y - a},
}


def by_hand(network, X, y, digits=16, **wrong):
    """Return the gradients of a pass whose every number was rounded to so many digits."""
    rule, r = RIGHT | wrong, lambda x: rounded(x, digits)
    (W1, W2), (b1, b2) = network.weights, network.biases
    z1 = r(X @ W1 + rule["bias"](b1))
    a1 = r(np.tanh(z1))
    a2 = r(1 / (1 + np.exp(-r(a1 @ W2 + rule["bias"](b2)))))
    delta2 = r(r(r(rule["error"](a2, y)) * r(a2 * (1 - a2))) / len(X))
    delta1 = r(r(delta2 @ W2.T) * r(rule["slope"](z1, a1)))
    return [r(X.T @ delta1), r(a1.T @ delta2)], [r(delta1.sum(axis=0)), r(delta2.sum(axis=0))]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 200), st.sampled_from([3, 4, 5, 7]))
def test_the_bound_holds_for_a_pass_with_rounded_steps(seed, digits):
    network, X, y = sheet(seed)
    right = Pass(network.model, X, y, np.ones(len(X)))
    bound = Carried(right, Digits(digits, 300))
    for kind, arrays in zip("Wb", by_hand(network, X, y, digits), strict=True):
        for l, array in enumerate(arrays, start=1):
            error = bound.error(kind, l) * 1.01 + 1e-15  # it is of first order
            assert (abs(array - right.value(kind, l)) <= error).all()


@pytest.mark.parametrize("given_with", [4, 3])
def test_a_worksheet_with_four_digits_is_right_to_the_digits_carried(given_with):
    for seed in range(5):
        network, X, y = sheet(seed)
        answer = [rounded(x, given_with) for one in by_hand(network, X, y, 4) for x in one]
        verdict = explain_mismatch(network, X, y, (answer[:2], answer[2:]))
        assert repr(verdict) in ("Verdict(right, to the digits carried)", "Verdict(right)")


def explained(seed, name):
    """Return the verdict on a sheet with a mistake in it; None where that changes nothing."""
    network, X, y = sheet(seed)
    planted = MISTAKES[name]
    exact, right = by_hand(network, X, y, **planted), by_hand(network, X, y)
    if np.allclose(exact[0][0], right[0][0], rtol=0.1) or not exact[0][0].any():
        return None
    return explain_mismatch(network, X, y, by_hand(network, X, y, 4, **planted))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_rounded_steps_is_named(name):
    found = [verdict for seed in (0, 4) if (verdict := explained(seed, name))]
    assert found
    for verdict in found:
        assert verdict.outcome == "wrong"
        assert verdict.explanations[0].names == (name,)


@pytest.mark.slow
def test_a_hundred_worksheets_with_four_digits_are_never_judged_wrong():
    told = []
    for seed in range(100):
        network, X, y = sheet(seed)
        assert explain_mismatch(network, X, y, by_hand(network, X, y, 4)).outcome != "wrong"
        told += [(name, verdict) for name in MISTAKES if (verdict := explained(seed, name))]
    first = [verdict.explanations[0].names == (name,) for name, verdict in told]
    assert np.mean(first) > 0.98
    assert all(verdict.outcome != "right" for _, verdict in told)


# --- answers that are as good as differences, or as their digits ----------------------------------

CASE = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=7)
NETWORK = Network.from_model(CASE.model)


def ask(answer, **options):
    return explain_mismatch(NETWORK, CASE.X, CASE.raw_y, answer, **options)


GRADIENTS = NETWORK.loss_and_gradients(CASE.X, CASE.raw_y)[1]


def scaled(factor, *, weights=1.0, noise=0.0):
    rng = np.random.default_rng(0)
    named = {f"W{l}": weights * x for l, x in enumerate(GRADIENTS.weights, start=1)}
    named |= {f"b{l}": factor * x for l, x in enumerate(GRADIENTS.biases, start=1)}
    return {k: x + noise * abs(x).max() * rng.normal(size=x.shape) for k, x in named.items()}


@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_what_changes_nothing_is_no_part_of_an_explanation(noise):
    for answer, name in [
        (scaled(7.0, weights=7.0, noise=noise), "1/N missing"),
        (scaled(1 / 7, noise=noise), "1/N twice"),
    ]:
        assert [explanation.names for explanation in ask(answer).explanations] == [(name,)]


def test_one_digit_cannot_be_told():
    W = GRADIENTS.weights[1]
    one = W.round(-int(np.floor(np.log10(abs(W).max()))))
    verdict = ask(one, what="W", layer=2)
    assert (verdict.outcome, repr(verdict)) == ("cannot be told", "Verdict(cannot be told)")
    assert "wrong" not in verdict.text
    assert verdict.to_dict()["outcome"] == "cannot be told"
    assert ask(one + 5, what="W", layer=2).outcome == "wrong"


def test_a_part_of_the_gradient_is_right_as_such():
    some = {"W1": GRADIENTS.weights[0], "W2": GRADIENTS.weights[1]}
    assert repr(ask(some)) == "Verdict(right, 2 of 6 arrays)"
    assert "2 of 6 arrays" in ask(some).text


def test_only_entries_that_differ_are_shown():
    wrong = GRADIENTS.weights[1].copy()
    wrong[2, 3] *= -1
    (shown,) = ask(wrong).differences
    assert shown.index == (2, 3)


def test_a_wrong_shape_is_told_with_the_right_one():
    text = ask(np.ones((2, 4)), what="W", layer=3).text
    assert "∂J/∂W_3 is wrong: its shape is (2, 4), not (4, 2)" in text
    assert "differ most" not in text


def test_pairs_that_were_not_tried_are_told_in_the_same_sentence():
    verdict = replace(ask(GRADIENTS.weights[1] + 1), untried=1072, pairs=1219)
    assert "nor two together (147 of 1219 pairs were tried in the time), gives" in verdict.text


def test_the_mend_is_of_the_activation_in_use():
    case = draw_case([3, 6, 2], "relu", "softmax", "cross_entropy", n=7)
    network = Network.from_model(case.model)
    (W1, W2), (b1, b2) = network.weights, network.biases
    a = np.maximum(case.X @ W1 + b1, 0)
    p = np.exp(a @ W2 + b2) / np.exp(a @ W2 + b2).sum(axis=1, keepdims=True)
    delta = (p - case.y) / 7 @ W2.T * (1 + a**2)
    text = explain_mismatch(network, case.X, case.raw_y, case.X.T @ delta).text
    assert "φ′ is 1 where z > 0 and 0 elsewhere for relu" in text
    assert "tanh," not in text


def test_numbers_of_a_float32_network_are_right_within_its_precision():
    single = Network.from_arrays(
        [W.astype(np.float32) for W in NETWORK.weights],
        [b.astype(np.float32) for b in NETWORK.biases],
        "tanh", "softmax", loss="cross_entropy",
    )  # fmt: skip
    W = single.loss_and_gradients(CASE.X, CASE.raw_y)[1].weights[1].astype(float)
    near = W * (1 + 2e-7 * np.sin(np.arange(W.size).reshape(W.shape)))
    text = explain_mismatch(single, CASE.X, CASE.raw_y, near).text
    assert "right" in text
    assert "differences" not in text


@pytest.mark.parametrize("seed", range(10))
def test_two_mistakes_that_undo_each_other_explain_nothing(seed):
    network = Network([3, 8, 1], "tanh", "logistic", "binary_cross_entropy", seed=seed)
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(1, 3)), np.array([1.0])
    hidden = rounded(np.tanh(X @ network.weights[0] + network.biases[0]), 4)
    delta = rounded(network.predict(X).ravel() - y, 4)
    answer = np.round(hidden.T * delta, 5)  # more digits than its numbers had
    verdict = explain_mismatch(network, X, y, answer, what="W", layer=2)
    for explanation in verdict.explanations:
        assert {"factor 2", "factor ½"} != set(explanation.names)

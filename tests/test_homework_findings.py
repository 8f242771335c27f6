"""Gradients as people hand them in: hand-made cases, random wrong answers, pairs of mistakes."""

# ruff: noqa: E741 (l is a layer)

from itertools import combinations

import numpy as np
import pytest

import student
import test_homework_mistakes as planted
from backpass import Network, explain_mismatch
from backpass.core.activations import ACTIVATIONS
from backpass.derivatives.notation import NOTATIONS
from backpass.errors import InputError
from helpers import draw_case

N = 7
TANH = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=N)
LOGISTIC = draw_case([3, 4, 4, 2], "logistic", "softmax", "cross_entropy", n=N)
SQUARE = draw_case([4, 4, 4, 2], "tanh", "softmax", "cross_entropy", n=N)
RELU = draw_case([3, 6, 5, 2], "relu", "softmax", "cross_entropy", n=N)
ONE = draw_case([3, 4, 1], "tanh", "identity", "squared_error", n=N)
DEEP = draw_case([3, 4, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=N)
PENALISED = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=N, alpha=0.3)
for case in (TANH, LOGISTIC, SQUARE, RELU, ONE, DEEP, PENALISED):
    case.s[:] = 1.0


def ask(case, answer, **options):
    network = Network.from_model(case.model)
    return explain_mismatch(
        network, case.X, case.raw_y, answer, sample_weight=case.s, alpha=case.alpha, **options
    )


def told(case, answer, **options):
    """Return the first explanation, as it is written."""
    verdict = ask(case, answer, **options)
    assert not verdict.right
    return str(verdict.explanations[0]) if verdict.explanations else "nothing"


def by_hand(case, *, slope=None, loop=None, y=None, forward=None, out=None):
    """Return W1, b1, … of a plain backward pass, into which a mistake can be put.

    ``slope(z, a, g)`` for φ′, ``loop(l, a, delta, W)`` for (dW, db), ``forward(l, z)`` for a_l,
    ``out(a, y)`` for the error signals at the output before the mean.
    """
    W = [None, *case.model.parameters.weights]
    b = [None, *case.model.parameters.biases]
    phis = [None, *case.model.activations]
    L, n = len(W) - 1, len(case.X)
    z, a = [None], [case.X]
    for l in range(1, L + 1):
        z.append(a[-1] @ W[l] + b[l])
        a.append(phis[l].value(z[-1]) if forward is None else forward(l, z[-1]))
    y = case.y if y is None else y
    delta = (a[L] - y if out is None else out(a[L], y)) / n
    answer = {}
    for l in range(L, 0, -1):
        right = a[l - 1].T @ delta, delta.sum(axis=0)
        answer[f"W{l}"], answer[f"b{l}"] = right if loop is None else loop(l, a, delta, W)
        if l > 1:
            g = delta @ W[l].T
            phi = phis[l - 1]
            delta = g * (
                phi.derivative(z[l - 1], a[l - 1]) if slope is None
                else slope(z[l - 1], a[l - 1], g)
            )  # fmt: skip
    return answer


def test_the_pass_by_hand_is_right_without_a_mistake():
    for case in (TANH, LOGISTIC, SQUARE, RELU, ONE, DEEP):
        assert ask(case, by_hand(case)).right


def changed(case, **factors):
    """Return the right answer, some arrays of it multiplied."""
    right = by_hand(case)
    return {name: factors.get(name, 1) * x for name, x in right.items()}


# --- a verdict is about the whole answer ----------------------------------------------------------


def test_two_factors_are_not_told_as_one():
    verdict = ask(TANH, changed(TANH, W1=1.75, W2=1.4))
    assert not verdict.explanations
    assert "∂J/∂W_1 is 1.75 times the right one." in verdict.text
    assert "∂J/∂W_2 is 1.4 times the right one." in verdict.text
    assert told(TANH, changed(TANH, W1=1.75, b1=1.75)) == "constant factor (1.75 in layer 1 only)"


def test_zeros_are_zeros():
    zero = {name: x * (1e-17 if name[0] == "b" else 1) for name, x in by_hand(TANH).items()}
    assert told(TANH, zero) == "left at zero (in the bias gradients only)"
    assert told(TANH, changed(TANH, W2=0)) == "left at zero (in ∂J/∂W_2 only)"
    assert ask(RELU, by_hand(RELU)).right


def test_a_factor_has_the_digits_that_tell_it_from_1():
    near = {name: 1.00001 * x for name, x in by_hand(TANH).items()}
    assert told(TANH, near) == "constant factor (1.00001)"


@pytest.mark.parametrize(
    ("factors", "where"),
    [
        ({"W3": -1, "b3": -1}, "sign (in layer 3 only)"),
        ({"b1": -1, "b2": -1, "b3": -1}, "sign (in the bias gradients only)"),
        ({"W1": -1}, "sign (in ∂J/∂W_1 only)"),
    ],
)
def test_the_sign_of_a_part_is_not_the_sign_of_the_output(factors, where):
    verdict = ask(TANH, changed(TANH, **factors))
    assert str(verdict.explanations[0]) == where
    assert all("y − ŷ" not in explanation.names for explanation in verdict.explanations)


def test_an_explanation_that_other_parts_refute_is_not_given():
    case = draw_case([2, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=N)
    case.s[:] = 1.0
    answer = by_hand(case)
    answer |= {f"W{l}": answer[f"W{l}"] / len(answer[f"W{l}"]) for l in (1, 2, 3)}
    said = told(case, answer)
    assert said == "averaged over the units (of the layer below, its inputs)"
    assert "averaged over the outputs" not in ask(case, answer).text


def test_penalties_are_one_mistake():
    data = by_hand(PENALISED)
    W, b = PENALISED.model.parameters.weights, PENALISED.model.parameters.biases
    right = {f"W{l}": data[f"W{l}"] + 0.3 / N * W[l - 1] for l in (1, 2, 3)}
    right = data | right
    assert ask(PENALISED, right).right
    halved = data | {f"W{l}": data[f"W{l}"] + 0.3 / (2 * N) * W[l - 1] for l in (1, 2, 3)}
    assert told(PENALISED, halved) == "penalty halved"
    biases = right | {f"b{l}": data[f"b{l}"] + 0.3 * b[l - 1] for l in (1, 2, 3)}
    assert told(PENALISED, biases) == "biases regularised (without 1/S)"
    other = data | {f"W{l}": data[f"W{l}"] + 0.7 / N * W[l - 1] for l in (1, 2, 3)}
    assert told(PENALISED, other) == "another α (α = 0.7, or 0.1 without 1/S)"


# --- every mistake of the list is known -----------------------------------------------------------


def wrong_bias(bias):
    return lambda l, a, delta, W: (a[l - 1].T @ delta, bias(l, a, delta))


def early(rate):
    """Return a pass in which every layer is updated before its error signal goes down."""

    def answer(case):
        W = [None, *(W.copy() for W in case.model.parameters.weights)]
        b = [None, *case.model.parameters.biases]
        phis, a = [None, *case.model.activations], [case.X]
        for l in range(1, len(W)):
            a.append(phis[l].value(a[-1] @ W[l] + b[l]))
        delta, found = (a[-1] - case.y) / len(case.X), {}
        for l in range(len(W) - 1, 0, -1):
            found |= {f"W{l}": a[l - 1].T @ delta, f"b{l}": delta.sum(axis=0)}
            W[l] -= rate * found[f"W{l}"]
            if l > 1:
                delta = delta @ W[l].T * (1 - a[l - 1] ** 2)
        return found

    return answer


def with_penalty(case, alpha):
    W = case.model.parameters.weights
    answer = by_hand(case)
    return answer | {f"W{l}": answer[f"W{l}"] + alpha / N * W[l - 1] for l in range(1, 4)}


def other_activation(case, name):
    phi, last = ACTIVATIONS.get_record(name), case.model.activations[-1]
    L = len(case.model.activations)
    return by_hand(
        case,
        forward=lambda l, z: (phi if l < L else last).value(z),
        slope=lambda z, a, g: phi.derivative(z, a),
    )


def whole_softmax(l, z):
    if l < 3:
        return np.tanh(z)
    e = np.exp(z)
    return e / e.sum()


HAND_MADE = {
    "updated early": (DEEP, early(0.2), "weights updated too early (η = 0.2)"),
    "updated early, 3": (TANH, early(0.013), "weights updated too early (η = 0.013)"),
    "bias summed over everything": (
        TANH,
        lambda c: by_hand(c, loop=wrong_bias(lambda l, a, d: np.full(d.shape[1], d.sum()))),
        "bias gradient summed wrongly|left at zero",
    ),
    "bias a single number": (
        ONE,
        lambda c: by_hand(
            c, loop=wrong_bias(lambda l, a, d: d.sum() if l < 2 else d.sum(axis=0))
        ),
        "bias gradient summed wrongly (one sum over samples and units, a single number)",
    ),
    "bias over the wrong axis": (
        TANH,
        lambda c: by_hand(c, loop=wrong_bias(lambda l, a, d: d.sum(axis=1))),
        "bias gradient summed wrongly (over the units, for every sample)",
    ),
    "bias over the weight gradient": (
        TANH,
        lambda c: by_hand(c, loop=wrong_bias(lambda l, a, d: (a[l - 1].T @ d).sum(axis=0))),
        "bias gradient summed wrongly (over the weight gradient)",
    ),
    "bias zero": (
        TANH,
        lambda c: by_hand(c, loop=wrong_bias(lambda l, a, d: np.zeros(d.shape[1]))),
        "left at zero (in the bias gradients only)",
    ),
    "broadcast": (
        ONE,
        lambda c: by_hand(c, out=lambda a, y: (a - y.ravel()).mean(axis=1, keepdims=True)),
        "(N, 1) − (N,) (and the mean over the N × N)",
    ),
    "broadcast, summed": (
        ONE,
        lambda c: by_hand(c, out=lambda a, y: (a - y.ravel()).sum(axis=1, keepdims=True)),
        "(N, 1) − (N,) (and their sum divided by N)",
    ),
    "relu: sign": (
        RELU, lambda c: by_hand(c, slope=lambda z, a, g: np.sign(z)),
        "relu's f′ (the sign of z)",
    ),
    "relu: z < 0": (
        RELU, lambda c: by_hand(c, slope=lambda z, a, g: z < 0), "relu's f′ (z < 0 for z > 0)",
    ),
    "relu: z": (
        RELU, lambda c: by_hand(c, slope=lambda z, a, g: z), "relu's f′ (z itself)",
    ),
    "relu: leaky": (
        RELU, lambda c: by_hand(c, slope=lambda z, a, g: np.where(z > 0, 1, 0.01)),
        "relu's f′ (leaky, 0.01 where z < 0)",
    ),
    "relu: leaky by another number": (
        RELU, lambda c: by_hand(c, slope=lambda z, a, g: np.where(z > 0, 1, 0.2)),
        "relu's f′ (leaky, 0.2 where z < 0)",
    ),
    "relu: mask of the gradient": (
        RELU, lambda c: by_hand(c, slope=lambda z, a, g: g > 0),
        "relu's f′ (where the error signal is positive)",
    ),
    "sign slip": (
        TANH, lambda c: by_hand(c, slope=lambda z, a, g: a**2 - 1),
        "sign slip in f′ (−φ′, as a² − 1 for 1 − a², in the hidden layers)",
    ),
    "sign slip, +": (
        TANH, lambda c: by_hand(c, slope=lambda z, a, g: 1 + a**2),
        "sign slip in f′ (1 + a² for 1 − a² in the hidden layers)",
    ),
    "sign slip of a logistic": (
        LOGISTIC, lambda c: by_hand(c, slope=lambda z, a, g: a * (1 + a)),
        "sign slip in f′ (a(1 + a) for a(1 − a) in the hidden layers)",
    ),
    "another activation": (
        TANH, lambda c: other_activation(c, "logistic"),
        "another activation (logistic in the hidden layers)",
    ),
    "last row left out": (
        TANH, lambda c: by_hand(c, out=lambda a, y: (a - y) * (np.arange(N) < N - 1)[:, None]),
        "row left out (the last, divided by N)",
    ),
    "penalty though alpha is 0": (
        TANH, lambda c: with_penalty(c, 0.35),
        "penalty not asked for (α = 0.35, or 0.05 without 1/S)",
    ),
    "a overwritten": (
        LOGISTIC,
        lambda c: by_hand(
            c,
            loop=lambda l, a, d, W: (
                (a[l - 1] * (1 - a[l - 1]) if l > 1 else a[0]).T @ d, d.sum(axis=0)
            ),
        ),
        "a overwritten by f′ (in the weight gradients)",
    ),
    "softmax over everything": (
        TANH, lambda c: by_hand(c, forward=whole_softmax), "softmax over the whole array",
    ),
    "rows out of step": (
        TANH, lambda c: by_hand(c, y=np.roll(c.y, 1, axis=0)),
        "rows out of step (targets one row down)",
    ),
    "W times the sum": (
        TANH, lambda c: by_hand(c, loop=lambda l, a, d, W: (W[l] * d.sum(axis=0), d.sum(axis=0))),
        "W times the summed error",
    ),
    "X for a": (
        SQUARE, lambda c: by_hand(c, loop=lambda l, a, d, W: (a[0].T @ d, d.sum(axis=0))), "X for a"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "answer", "name"), HAND_MADE.values(), ids=HAND_MADE)
def test_a_hand_made_mistake_is_named_with_its_number(case, answer, name):
    said = told(case, answer(case))
    assert any(said.startswith(one) for one in name.split("|")), said


# --- where nothing fits, it localises -------------------------------------------------------------


def test_the_error_enters_between_two_error_signals():
    rng = np.random.default_rng(0)
    right = by_hand(TANH)
    odd = right | {name: rng.normal(size=right[name].shape) for name in ("W1", "b1", "W2", "b2")}
    verdict = ask(TANH, odd)
    assert not verdict.explanations
    assert (
        "∂J/∂W_3, ∂J/∂b_3 are right, all below is wrong: the error enters between δ_3 and δ_2 "
        "(B2a or B2b of layer 2)"
    ) in verdict.text
    only = ask(TANH, right | {"W2": odd["W2"]}).text
    assert "the error is in B3 of layer 2." in only
    assert "The error enters at or before δ_L" in ask(TANH, odd | {"W3": -1 - right["W3"]} | {
        "b3": rng.normal(size=2)}).text  # fmt: skip
    z = TANH.X @ TANH.model.parameters.weights[0] + TANH.model.parameters.biases[0]
    wrong = ask(TANH, {"z1": z, "a1": rng.normal(size=z.shape)}).text
    assert "The error enters the forward pass at a_1 after z_1, which is right." in wrong


def test_a_bias_gradient_alone_does_not_say_that_its_error_signal_is_right():
    """Labels in another order leave the sum over the samples as it is."""
    case = draw_case([3, 5, 4, 3], "tanh", "softmax", "cross_entropy", n=12)
    case.s[:] = 1.0
    wrong = by_hand(case, y=case.y[np.random.default_rng(0).permutation(12)])
    verdict = ask(case, wrong)
    assert [part.name for part in verdict.parts if part.right] == ["b3"]
    assert not verdict.explanations
    assert not verdict.located
    assert not ask(case, {name: wrong[name] for name in ("W3", "b3")}).located


# --- random wrong answers, and pairs --------------------------------------------------------------


def random_answer(case, rng):
    """Return a wrong answer of noise, of entries in another order, or of scaled parts."""
    right = by_hand(case) if not case.alpha else planted.handed_in(case)
    names = [name for name in right if rng.random() < 0.6] or ["W1"]
    kind = rng.integers(4)
    answer = dict(right)
    for name in names:
        x = right[name]
        if kind == 0:
            answer[name] = rng.normal(size=x.shape) * abs(x).max()
        elif kind == 1:
            answer[name] = x + 10.0 ** rng.uniform(-4, 0) * abs(x).max() * rng.normal(size=x.shape)
        elif kind == 2:
            answer[name] = rng.permutation(x.ravel()).reshape(x.shape)
        else:
            answer[name] = x * rng.uniform(-3, 3)
    return right, answer


def gives(right, answer, explanation):
    """Return whether an explanation of a scaled answer says what is so: one number, where it is."""
    wrong = [n for n in right if not np.allclose(answer[n], right[n], rtol=1e-9, atol=1e-14)]
    ratios = [np.vdot(right[n], answer[n]) / np.vdot(right[n], right[n]) for n in wrong]
    is_multiple = all(
        np.allclose(answer[n], ratio * right[n], rtol=1e-6)
        for n, ratio in zip(wrong, ratios, strict=True)
    )
    if not is_multiple or np.ptp(ratios) > 1e-5:
        return False
    return f"{ratios[0]:.4g}" in str(explanation) or abs(abs(ratios[0]) - 1) < 1e-9


def check_random_answers(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        case = (TANH, LOGISTIC, RELU, ONE, planted.CASES["classes"])[rng.integers(5)]
        right, answer = random_answer(case, rng)
        verdict = ask(case, answer)
        for explanation in verdict.explanations:
            assert gives(right, answer, explanation), (seed, verdict.text)


def test_random_wrong_answers_have_no_false_explanation():
    check_random_answers(range(75))


@pytest.mark.slow
def test_a_thousand_random_wrong_answers_have_no_false_explanation():
    check_random_answers(range(75, 1000))


SAME_NUMBERS = {"averaged over the outputs": "factor ½", "y − ŷ": "sign"}


def pairs_of_mistakes():
    """Yield two mistakes that a learner can make at once and that make a difference each.

    Not those that a single mistake says as well: y − ŷ with the penalty's sign is the sign.
    """

    def same(one, other):
        return one.keys() == other.keys() and all(
            np.shape(one[n]) == np.shape(other[n]) and np.allclose(one[n], other[n], 1e-9, 1e-12)
            for n in one
        )

    for case_name, case in planted.CASES.items():
        names = [name for of, name in planted.PLANTS if of == case_name]
        singles = [planted.handed_in(case, name) for name in names]
        for pair in combinations(names, 2):
            try:
                answer = planted.handed_in(case, *pair)
                alone = [planted.handed_in(case), *singles]
            except ValueError:  # the two leave shapes that do not fit
                continue
            if len({planted.VARIANTS.get(n, n) for n in pair}) == 2 and not any(
                same(answer, one) for one in alone
            ):
                yield case, pair, answer


def share_of_pairs(step):
    right = total = 0
    for case, pair, answer in list(pairs_of_mistakes())[::step]:
        wanted = {planted.VARIANTS.get(n, n) for n in pair}
        found = planted.names(planted.ask(case, answer))
        total += 1
        # where two pairs are the same numbers, either may come first
        plain = [{SAME_NUMBERS.get(n, n) for n in names} for names in (wanted, *found[:1])]
        right += wanted in found and plain[0] == plain[1]
    return right / total


@pytest.mark.slow
def test_most_pairs_of_mistakes_are_told():
    assert share_of_pairs(13) >= 0.97


# --- answers as people have them ------------------------------------------------------------------


def test_a_number_alone_is_a_bias():
    right = by_hand(ONE)
    for b2 in (right["b2"].item(), np.asarray(right["b2"].item()), right["b2"][None, None]):
        assert ask(ONE, right | {"b2": b2}).right


def test_what_was_not_summed_is_told():
    right = by_hand(TANH)
    deltas = {}
    by_hand(TANH, loop=lambda l, a, d, W: deltas.setdefault(l, (a[l - 1], d)))
    biases = right | {f"b{l}": deltas[l][1] for l in (1, 2, 3)}
    assert "not summed over the 7 samples" in told(TANH, biases)
    weights = right | {f"W{l}": np.einsum("ni,no->nio", *deltas[l]) for l in (1, 2, 3)}
    assert "not summed over the 7 samples" in told(TANH, weights)
    with pytest.raises(InputError, match="fits nothing"):
        ask(TANH, right | {"b1": np.ones((9, 9))})


def test_pairs_and_names_in_any_case_are_taken():
    right = by_hand(TANH)
    pairs = [(right[f"W{l}"], right[f"b{l}"]) for l in (1, 2, 3)]
    assert ask(TANH, pairs).right
    assert ask(TANH, [{"W": W, "b": b} for W, b in pairs]).right
    assert ask(TANH, (0.7, pairs)).right
    for name in (str.lower, str.upper, lambda n: f"d{n}", lambda n: f"D{n.upper()}"):
        assert ask(TANH, {name(n): x for n, x in right.items()}).right
    one = by_hand(ONE)
    assert ask(ONE, [(one["W1"], one["b1"]), (one["W2"], one["b2"])]).right
    assert ask(ONE, ([one["W1"], one["W2"]], [one["b1"], one["b2"]])).right


class Tensor:
    """What a tensor of another library is to NumPy: it has to be let go before it is read."""

    def __init__(self, x, detached=False):
        self.x, self.detached = x, detached

    def detach(self):
        return Tensor(self.x, True)

    def __array__(self, dtype=None, copy=None):
        assert self.detached, "a tensor that requires its gradient cannot be read"
        return self.x if dtype is None else self.x.astype(dtype)


def test_tensors_are_taken():
    right = by_hand(TANH)
    assert ask(TANH, {n: Tensor(x) for n, x in right.items()}).right
    assert ask(TANH, [Tensor(x) for l in (1, 2, 3) for x in (right[f"W{l}"], right[f"b{l}"])]).right


@pytest.mark.torch
def test_tensors_of_pytorch_are_taken():
    torch = pytest.importorskip("torch")
    right = by_hand(TANH)
    assert ask(TANH, {n: torch.tensor(x, requires_grad=True) for n, x in right.items()}).right


def test_a_function_is_called():
    def gradients(W, b, X, y):
        a1 = np.tanh(X @ W[0] + b[0])
        delta = (a1 @ W[1] + b[1] - y.reshape(-1, 1)) / len(X)
        below = delta @ W[1].T * (1 - a1**2)
        X *= 2  # what it does to its arguments is its own affair
        return (X / 2).T @ below, below.sum(0), a1.T @ delta, delta.sum(0)

    assert ask(ONE, gradients).right
    assert told(ONE, lambda W, b, X, y: [-x for x in gradients(W, b, X, y)]) == "sign"
    with pytest.raises(InputError, match="returned None"):
        ask(ONE, lambda W, b, X, y: None)

    def in_columns(W, b, X, y):
        a1 = np.tanh(W[0] @ X + b[0][:, None])
        delta = (W[1] @ a1 + b[1][:, None] - y.reshape(1, -1)) / X.shape[1]
        below = W[1].T @ delta * (1 - a1**2)
        return [(below @ X.T, below.sum(1)), (delta @ a1.T, delta.sum(1))]

    assert ask(ONE, in_columns, layout="nabla").right


# --- the notation of the verdict ------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTATIONS)
def test_the_verdict_speaks_the_notation(name):
    answer = student.gradients(planted.CASES["classes"], "f′ missing", "1/N missing")
    verdict = planted.ask(planted.CASES["classes"], answer, notation=name)
    told = verdict.to_dict()["explanations"][0]["mistakes"]
    assert {mistake["name"] for mistake in told} == {"f′ missing", "1/N missing"}
    assert "{" not in verdict.text.replace("_{", "")
    if name != "code":
        assert "∂J/∂W_" not in verdict.text
        note = NOTATIONS[name]
        assert note.place("B2b") in verdict.text


def test_the_nabla_of_note_3():
    rng = np.random.default_rng(0)
    verdict = ask(TANH, {n: -x for n, x in by_hand(TANH).items()}, notation="nabla")
    assert "∇W₂ is wrong" in verdict.text
    missing = ask(TANH, by_hand(TANH, slope=lambda z, a, g: 1), notation="nabla").text
    assert "right (B2b, error signal of a hidden layer): ∇Aₗ = ∇Hₗ ⊙ g′(Aₗ)" in missing
    assert "see note 3, section 4.3.2" in missing
    odd = by_hand(TANH)
    odd |= {n: rng.normal(size=odd[n].shape) for n in ("W1", "b1", "W2", "b2")}
    assert "between ∇A₃ and ∇A₂" in ask(TANH, odd, notation="nabla").text
    with pytest.raises(InputError, match="unknown notation 'x'"):
        ask(TANH, odd, notation="x")

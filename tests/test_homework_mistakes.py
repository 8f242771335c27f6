"""Every mistake, planted in a learner's own backpropagation, is named; so are sensible pairs."""

# ruff: noqa: E741 (l is a layer)

from itertools import combinations

import numpy as np
import pytest

import student
from backpass import explain_mismatch
from backpass.core.equations import EQUATIONS
from backpass.derivatives.homework import MISTAKES
from backpass.derivatives.homework.faulty_pass import RULES, CannotPlantError, Fault, Pass
from backpass.derivatives.homework.mistake import Way
from backpass.network.network import Network
from helpers import TRIPLES, assert_identical, draw_case

CASES = {
    "regression": draw_case(
        [3, 5, 4, 2], ["logistic", "tanh"], "identity", "squared_error", n=6, alpha=0.3
    ),
    "classes": draw_case(
        [3, 5, 4, 3], ["tanh", "logistic"], "softmax", "cross_entropy", n=6, alpha=0.3
    ),
    "labels": draw_case([4, 6, 5, 3], "tanh", "logistic", "binary_cross_entropy", n=7, alpha=0.3),
    "square": draw_case([4, 4, 4, 4], "tanh", "softmax", "cross_entropy", n=6, alpha=0.3),
    "squared softmax": draw_case([3, 4, 3], "tanh", "softmax", "squared_error", n=5, alpha=0.2),
    "relu": draw_case([3, 5, 4, 2], "relu", "softmax", "cross_entropy", n=7, alpha=0.3),
    "one output": draw_case([3, 4, 1], "tanh", "identity", "squared_error", n=6),
    "smoothed": draw_case(
        [3, 4, 3], "tanh", "softmax", "cross_entropy:label_smoothing=0.1", n=5, alpha=0.2
    ),
}

# other names of the same numbers in some case: with two outputs, averaging over them halves
SAME = {
    "averaged over the outputs": {"factor ½"},
    "1/N in every layer": {"1/N twice"},  # one hidden layer
}

# what the learner of tests/student.py can do in more than one way, by the mistake's own name
VARIANTS = {
    "output f′ missing": "f′ missing",
    "output f′ twice": "f′ twice",
    "W for Wᵀ forward": "W for Wᵀ",
    "neighbouring W": "neighbouring layer",
    "neighbouring a": "neighbouring layer",
    "1/N twice in the biases": "1/N twice",
    "data term doubled": "factor 2",
}

# in which cases a mistake can be made, or makes a difference; everywhere else
ONLY = {
    "softmax Jacobian missing": {"classes", "square", "squared softmax", "smoothed"},
    "softmax Jacobian twice": {"classes", "square", "squared softmax", "smoothed"},
    "softmax like a logistic": {"classes", "square", "squared softmax", "smoothed"},
    "softmax maximum over the batch": {"classes", "square", "squared softmax", "smoothed"},
    "softmax sum over the batch": {"classes", "square", "squared softmax", "smoothed"},
    "label index for one-hot": {"classes", "square", "smoothed"},
    "labels one off": {"classes", "square", "smoothed"},
    "label smoothing forgotten": {"smoothed"},
    "W for Wᵀ": {"square"},
    "W for Wᵀ forward": {"square"},
    "neighbouring W": {"square"},
    "neighbouring a": {"square"},
    "W missing": {"square"},
    "softmax over the whole array": {"classes", "square", "squared softmax", "smoothed"},
    "(N, 1) − (N,)": {"one output"},
    "relu's f′": {"relu"},
    "X for a": {"square"},
    "a overwritten by f′": {"regression", "labels"},
    "penalty not asked for": {"one output"},
    "output f′ missing": {"labels"},
    "output f′ twice": {"labels"},
}

EVERYTHING = {"regression", "classes"}  # the other cases: what only some can have

PLANTS = [
    (case, name)
    for case in CASES
    for name in [*MISTAKES, *VARIANTS]
    if case in ONLY.get(name, EVERYTHING)
]


def test_every_mistake_is_planted():
    assert {VARIANTS.get(name, name) for _, name in PLANTS} == set(MISTAKES)


def ask(case, answer, **options):
    network = Network.from_model(case.model)
    return explain_mismatch(
        network, case.X, case.raw_y, answer, sample_weight=case.s, alpha=case.alpha, **options
    )


def handed_in(case, *mistakes):
    """Return weights and bias gradients, without the error signals."""
    answer = student.gradients(case, *mistakes)
    return {name: x for name, x in answer.items() if name[0] in "Wb"}


def names(verdict):
    return [set(explanation.names) for explanation in verdict.explanations]


# --- the passes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("hidden", "output", "loss"), TRIPLES[::5])  # each record is in
def test_without_faults_the_passes_are_backprop_bit_for_bit(hidden, output, loss):
    case = draw_case([3, 5, 4, 2], hidden, output, loss, n=6, alpha=0.3)
    _, right = case.run()
    w = Pass(case.model, case.X, case.y, case.s, case.alpha)
    for l in (3, 2, 1):
        assert_identical(w.dW[l], right.weights[l - 1])
        assert_identical(w.db[l], right.biases[l - 1])
    assert_identical(w.g[0], right.inputs)


def test_every_rule_can_be_replaced_in_one_layer_and_scaled():
    case = CASES["classes"]
    for name in RULES.keys() - {"phi"}:  # a record is replaced, but not scaled
        right = Pass(case.model, case.X, case.y, case.s, case.alpha)
        layers = [
            l for l in range(4)
            if changed(case, right, [Fault(name, factor=lambda w, l: 3.0, layers=[l])])
        ]  # fmt: skip
        assert layers, name
        as_rule = [Fault(name, lambda w, l, name=name: 3.0 * RULES[name](w, l))]
        as_factor = [Fault(name, factor=lambda w, l: 3.0)]
        one, other = (
            Pass(case.model, case.X, case.y, case.s, case.alpha, faults)
            for faults in (as_rule, as_factor)
        )
        for l in (1, 2, 3):
            assert_identical(one.dW[l], other.dW[l])


def changed(case, right, faults):
    w = Pass(case.model, case.X, case.y, case.s, case.alpha, faults)
    kinds = ("W", "b", "g")
    pairs = [(w.value(k, l), right.value(k, l)) for k in kinds for l in range(4)]
    return any(a is not None and not np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("case", ["classes", "relu", "smoothed"])
def test_what_a_pass_takes_from_another_is_what_it_would_compute(case):
    case = CASES[case]
    batch = (case.model, case.X, case.y, case.s, case.alpha)
    right = Pass(*batch)
    ways = [w for m in MISTAKES.values() for w in m.expanded(right) if w.faults and not w.alone]
    compared = 0
    for one, other in list(combinations(ways, 2))[::17]:
        faults = (*one.faults, *other.faults)
        shared = Pass(*batch, faults, base=Pass(*batch, one.faults, base=right))
        alone = Pass(*batch, faults)
        for kind, l in [("b", 2), ("W", 2), ("b", 1), ("W", 1), ("g", 0)]:
            try:
                expected = alone.value(kind, l)
            except CannotPlantError:
                continue
            assert_identical(shared.value(kind, l), expected)
            compared += 1
    assert compared > 500


# --- the records ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_record_says_what_is_right_and_where_that_stands(mistake):
    assert mistake.equation in EQUATIONS
    assert mistake.source.startswith(("note", "our"))
    assert mistake.sentence[0] not in "ABCDEFGHIJ"  # it follows a number in the text
    assert not mistake.sentence.endswith(".")
    assert not mistake.mend.endswith(".")
    assert all(isinstance(way, Way) for way in mistake.ways)
    labels = [way.where for way in mistake.ways]
    assert len(labels) == len(set(labels))


def test_the_learner_is_right_without_mistakes():
    for case in CASES.values():
        assert ask(case, student.gradients(case)).right


# --- planted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "name"), PLANTS)
def test_a_planted_mistake_is_named_first(case, name):
    case = CASES[case]
    right, answer = handed_in(case), handed_in(case, name)
    assert right.keys() != answer.keys() or any(
        np.shape(answer[n]) != np.shape(right[n]) or not np.allclose(answer[n], right[n], 1e-9)
        for n in answer
    ), "the mistake makes no difference: enter it in ONLY"
    verdict = ask(case, answer)
    assert not verdict.right
    planted = VARIANTS.get(name, name)
    first = next(found for found in names(verdict) if found - SAME.get(planted, set()))
    assert first == {planted}, verdict.text
    assert not verdict.unexplained


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "name", "array"),
    [
        ("classes", "sign", "W2"),
        ("classes", "transposed", "W1"),
        ("classes", "1/N missing", "b2"),
        ("classes", "f′ missing", "W1"),
        ("regression", "z for a in f′", "W2"),
        ("labels", "f′ at a", "delta1"),
        ("labels", "bias forgotten", "W3"),
        ("squared softmax", "softmax Jacobian missing", "W2"),
        ("square", "W for Wᵀ", "W1"),
        ("square", "neighbouring layer", "W1"),
        ("regression", "regularisation forgotten", "W1"),
    ],
)
def test_a_planted_mistake_is_found_from_one_matrix(case, name, array):
    case = CASES[case]
    answer = student.gradients(case, name)[array]
    verdict = ask(case, answer, what=array[:-1], layer=int(array[-1]))
    assert not verdict.right
    assert {name} in names(verdict)
    by_shape = ask(case, answer)
    assert name == "neighbouring layer" or {name} in names(by_shape)


PAIRS = [
    ("regression", "sign", "1/N missing"),
    ("regression", "f′ missing", "factor 2"),
    ("regression", "transposed", "f′ at a"),
    ("regression", "bias forgotten", "1/N twice"),
    ("regression", "regularisation forgotten", "1/N missing"),
    ("regression", "sample weights forgotten", "z for a in f′"),
    ("classes", "softmax Jacobian twice", "1/N missing"),
    ("classes", "label index for one-hot", "transposed"),
    ("classes", "regularisation forgotten", "f for f′"),
    ("classes", "y − ŷ", "1/N missing"),
    ("classes", "bias forgotten", "f′ missing"),
    ("classes", "last sample only", "1/N missing"),
    ("classes", "averaged over the outputs", "sign"),
    ("classes", "softmax like a logistic", "biases regularised"),
    ("classes", "f′ missing", "constant factor"),
    ("labels", "transposed", "constant factor"),
    ("labels", "f′ twice", "sign"),
    ("labels", "z for a in the weight gradient", "1/N missing"),
    ("labels", "product of the means", "penalty not halved"),
    ("square", "W for Wᵀ", "f′ missing"),
    ("square", "W for Wᵀ", "transposed"),
    ("square", "neighbouring a", "sign"),
    ("squared softmax", "softmax maximum over the batch", "1/N missing"),
    ("smoothed", "label smoothing forgotten", "sign"),
    ("smoothed", "N for S", "activation forgotten"),
]

# two mistakes that one other name, or another pair, says as well
PAIRS_SAME = {
    frozenset({"y − ŷ", "1/N missing"}): [{"sign", "1/N missing"}],
}


@pytest.mark.slow
@pytest.mark.parametrize(("case", "one", "other"), PAIRS)
def test_two_planted_mistakes_are_named_together(case, one, other):
    case = CASES[case]
    verdict = ask(case, handed_in(case, one, other))
    planted = {VARIANTS.get(name, name) for name in (one, other)}
    same = PAIRS_SAME.get(frozenset(planted), [])
    assert not verdict.right
    first = next(found for found in names(verdict) if found not in same)
    assert first == planted, verdict.text


def test_a_sum_for_the_whole_mean_is_one_mistake():
    case = CASES["labels"]
    verdict = ask(case, handed_in(case, "regularisation without 1/S", "1/N missing"))
    assert str(verdict.explanations[0]) == "1/N missing (in the penalty, too)"


def test_a_mistake_in_one_layer_alone_is_named_with_the_layer():
    case = CASES["classes"]
    w = Pass(case.model, case.X, case.y, case.s, case.alpha, [
        Fault("slope", lambda w, l: np.ones_like(w.z[l]), layers=[1])
    ])  # fmt: skip
    verdict = ask(case, {"W1": w.dW[1], "W2": w.dW[2], "b1": w.db[1]})
    assert str(verdict.explanations[0]) == "f′ missing (in layer 1)"
    assert verdict.explanations[0].of == (("W", 1), ("b", 1))
    assert [part.right != "" for part in verdict.parts] == [False, True, False]


def test_different_mistakes_in_different_arrays_are_told_apart():
    case = CASES["classes"]
    answer = handed_in(case)
    answer |= {"W2": -answer["W2"], "W1": 2 * answer["W1"]}
    verdict = ask(case, answer)
    assert str(verdict.explanations[0]) == ("sign (in ∂J/∂W_2 only) and factor 2 (in ∂J/∂W_1 only)")
    assert verdict.explanations[0].of == (("W", 2), ("W", 1))
    answer["b3"] = answer["b3"] + [0.1, 0.0, 0.3]
    verdict = ask(case, answer)
    assert not verdict.explanations
    assert verdict.unexplained == ("∂J/∂b_3", "∂J/∂W_2", "∂J/∂W_1")
    assert "∂J/∂W_2 is -1 times the right one." in verdict.text
    assert "∂J/∂W_1 is 2 times the right one." in verdict.text
    assert {d.index for d in verdict.differences if d.title == "∂J/∂b_3"} == {(0,), (2,)}


def test_a_mistake_that_changes_nothing_here_is_not_named():
    """With one sample of weight 1 and no penalty, 1/N is 1 and there is nothing to forget."""
    case = draw_case([3, 4, 2], "tanh", "identity", "squared_error", n=1)
    case.s[:] = 1.0
    assert ask(case, handed_in(case, "1/N missing", "regularisation forgotten")).right
    verdict = ask(case, handed_in(case, "sign", "1/N missing"))
    idle = {"1/N missing", "1/N twice", "regularisation forgotten", "last sample only"}
    assert not any(idle & found for found in names(verdict))
    assert names(verdict)[:2] == [{"sign"}, {"y − ŷ"}]  # without a penalty the same numbers


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_random_wrong_answer_fits_nothing(case):
    case, rng = CASES[case], np.random.default_rng(0)
    right = handed_in(case)
    for answer in (
        rng.normal(size=right["W1"].shape),
        right["W2"] * (1 + 0.01 * rng.normal(size=right["W2"].shape)),
    ):
        verdict = ask(case, answer)
        assert not verdict.right
        assert not verdict.explanations
        assert verdict.unexplained
        assert len(verdict.differences) == min(5, answer.size)
        worst = verdict.differences[0]
        assert worst.theirs == answer[worst.index]
        assert "No known mistake" in verdict.text


def test_one_wrong_entry_fits_nothing_and_is_shown():
    case = CASES["classes"]
    W = handed_in(case)["W2"].copy()
    W[3, 1] += 1e-4
    verdict = ask(case, W)
    assert verdict.differences[0].index == (3, 1)
    assert not verdict.explanations

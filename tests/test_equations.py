"""The equations' own text, evaluated on what the observer saw, gives what the code computed."""

import re

import numpy as np
import pytest
import scipy.sparse

from backpass.core import backprop
from backpass.core.equations import EQUATIONS
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.settings import Settings
from backpass.engines.protocols import Problem
from backpass.engines.reference import ReferenceEngine
from helpers import HIDDEN, PAIRS, assert_identical, draw_case, specs

SCOPE = {"__builtins__": {}, "sum": np.sum}


def evaluate(equation_id, operands):
    return eval(EQUATIONS[equation_id].code, SCOPE, dict(operands))


def watch(case, **options):
    """Return J, the gradients, and copies of everything that the observer saw, in order."""
    seen = []

    def observe(equation_id, layer, operands, result):
        seen.append((equation_id, layer, dict(operands), result))

    J, gradients = case.run(observe=observe, **options)
    return J, gradients, seen


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("fused", [True, False])
def test_code_text_gives_the_computed_numbers(output, loss, fused):
    hidden = HIDDEN[PAIRS.index((output, loss)) % len(HIDDEN)]
    case = draw_case([3, 5, 4, 2], hidden, output, loss, n=6, alpha=0.3, dropout=0.4)
    _, _, seen = watch(case, fused=fused)
    for equation_id, layer, operands, result in seen:
        assert_identical(evaluate(equation_id, operands), result, f"{equation_id}, layer {layer}")
    declared = fused and case.model.loss.fused.get(output) is not None
    assert {entry[0] for entry in seen} == set(EQUATIONS) - {"U", "B1z" if declared else "B1f"}


def test_code_text_holds_for_sparse_inputs():
    case = draw_case([6, 5, 2], "tanh", "identity", "squared_error", alpha=0.1)
    case.X = scipy.sparse.csr_array(case.X * (case.X > 0))
    for equation_id, layer, operands, result in watch(case)[2]:
        assert_identical(evaluate(equation_id, operands), result, f"{equation_id}, layer {layer}")


@pytest.mark.parametrize("spec", specs(OPTIMIZERS))
def test_code_text_of_the_update_gives_the_engines_parameters(spec):
    optimizer = OPTIMIZERS.get_record(spec)
    case = draw_case([3, 5, 2], "tanh", "identity", "squared_error", n=6)
    problem = Problem(case.model, case.X, case.raw_y, case.s, Settings(optimizer=optimizer))
    run = ReferenceEngine().start(problem)
    state, rate = optimizer.init(case.model.parameters.flat), 0.05
    for t in (1, 2, 3):
        theta = case.model.parameters.flat.copy()
        operands = {
            "optimizer": optimizer, "theta": theta, "gradient": case.run()[1].flat,
            "state": state, "t": t, "rate": rate,
        }  # fmt: skip
        want = evaluate("U", operands)
        state = optimizer.step(theta, operands["gradient"], state, t, rate)[1]
        run.advance(np.arange(6), [rate])
        assert_identical(case.model.parameters.flat, want, f"U, step {t}")


def order(n_layers, *, dropout, inputs):
    """Return the ids and layers in the order of note 4's two algorithms."""
    hidden = range(1, n_layers)
    expected = []
    for layer in range(1, n_layers + 1):
        expected += [("F1", layer), ("F2", layer)]
        expected += [("D", layer)] if dropout and layer in hidden else []
    expected += [("C", n_layers), ("B1f", n_layers), ("B1", n_layers)]
    for layer in range(n_layers, 0, -1):
        expected += [("B3", layer), ("B4", layer)]
        expected += [("B2a", layer - 1)] if layer > 1 or inputs else []
        expected += [("D", layer - 1)] if dropout and layer > 1 else []
        expected += [("B2b", layer - 1)] if layer > 1 else []
    return expected


@pytest.mark.parametrize("sizes", [[3, 2], [3, 5, 2], [3, 5, 4, 6, 2]])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("inputs", [True, False])
def test_the_observer_sees_every_equation_in_order(sizes, dropout, inputs):
    case = draw_case(sizes, "tanh", "softmax", "cross_entropy", dropout=dropout)
    seen = watch(case, inputs=inputs)[2]
    want = order(len(sizes) - 1, dropout=dropout, inputs=inputs)
    assert [(equation_id, layer) for equation_id, layer, _, _ in seen] == want


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_observer_sees_the_numbers_in_use(dropout):
    case = draw_case([3, 5, 4, 2], "gelu", "softmax", "cross_entropy", alpha=0.2, dropout=dropout)
    J, gradients, seen = watch(case)
    at = {}
    for equation_id, layer, operands, result in seen:
        at.setdefault((equation_id, layer), []).append((operands, result))
    theta = case.model.parameters

    def operands(equation_id, layer, visit=0):
        return at[equation_id, layer][visit][0]

    def result(equation_id, layer, visit=0):
        return at[equation_id, layer][visit][1]

    assert result("C", 3) is J
    for layer in (1, 2, 3):
        assert operands("F1", layer)["W"] is theta.weights[layer - 1]
        assert operands("F1", layer)["b"] is theta.biases[layer - 1]
        assert operands("F2", layer)["z"] is result("F1", layer)
        assert operands("F2", layer)["phi"] is case.model.activations[layer - 1]
        assert operands("B3", layer)["a"] is operands("F1", layer)["a"]
        assert operands("B3", layer)["delta"] is operands("B4", layer)["delta"]
        assert operands("B3", layer)["delta"] is operands("B2a", layer - 1)["delta"]
        assert operands("B2a", layer - 1)["W"] is theta.weights[layer - 1]
        assert_identical(result("B3", layer), gradients.weights[layer - 1])
        assert_identical(result("B4", layer), gradients.biases[layer - 1])
    assert operands("F1", 1)["a"] is case.X
    assert operands("B1f", 3)["a"] is result("F2", 3)
    assert operands("B1", 3)["derivative"] is result("B1f", 3)
    assert operands("B3", 3)["delta"] is result("B1", 3)
    assert result("B2a", 0) is gradients.inputs
    for layer in (1, 2):
        above = operands("F1", layer + 1)["a"]
        assert above is (result("D", layer) if dropout else result("F2", layer))
        if dropout:
            assert operands("D", layer)["a"] is result("F2", layer)
            assert operands("D", layer, 1)["a"] is result("B2a", layer)
            assert operands("D", layer)["mask"] is operands("D", layer, 1)["mask"]
            assert operands("D", layer)["mask"] is case.masks[layer - 1]
        through = result("D", layer, 1) if dropout else result("B2a", layer)
        assert operands("B2b", layer)["g"] is through
        assert operands("B3", layer)["delta"] is result("B2b", layer)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_watching_changes_nothing(dropout):
    case = draw_case([3, 5, 4, 2], "mish", "identity", "huber", alpha=0.2, dropout=dropout)
    J, gradients, _ = watch(case)
    J_alone, gradients_alone = case.run()
    assert_identical(J, J_alone)
    assert_identical(gradients.flat, gradients_alone.flat)
    assert_identical(gradients.inputs, gradients_alone.inputs)


def test_records_are_complete_and_named_in_the_source():
    source = __import__("inspect").getsource(backprop)
    engine = __import__("inspect").getsource(
        __import__("backpass.engines.reference", fromlist=["_"])
    )
    for equation_id, equation in EQUATIONS.items():
        assert equation.id == equation_id
        assert all((equation.title, equation.latex, equation.code, equation.shapes))
        assert equation.source
        assert f"# {equation_id}" in (engine if equation_id == "U" else source)


def shape(text, sizes):
    """Return the shape that a text such as ``(N, out)`` or ``scalar`` stands for."""
    return tuple(sizes[name] for name in re.findall(r"\w+", text))


def test_shapes_are_as_written():
    """``a (N, in), W (in, out), b (out,) → z (N, out)`` is true of what the observer saw."""
    case = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=7, alpha=1, dropout=0.5)
    widths = case.model.parameters.sizes
    checked = set()
    for equation_id, layer, operands, result in watch(case)[2]:
        text = EQUATIONS[equation_id].shapes.replace("φ'(z)", "")
        # an equation about W_{l+1} stands at layer l
        upper = layer + 1 if equation_id == "B2a" else layer
        sizes = {"N": 7, "k": widths[-1], "in": widths[upper - 1], "out": widths[upper]}
        before, _, after = text.partition("→")
        for name, written in re.findall(r"(\w+)[^(),]*(\([^)]*\))", before):
            assert np.shape(operands[name]) == shape(written, sizes), (equation_id, name)
            checked.add((equation_id, name))
        written = re.search(r"\([^)]*\)", after)
        assert np.shape(result) == (shape(written.group(), sizes) if written else ())
    assert len(checked) >= 15

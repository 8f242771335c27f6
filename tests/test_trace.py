"""A trace shows the run itself: what it displays multiplies out, and nothing is computed for it."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from backpass import Network, trace
from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.notation.table import register, symbol
from backpass.derivatives.tracing import FORMS, example
from backpass.derivatives.tracing.formatter import Limits, cuts
from backpass.derivatives.tracing.formulas import Leaf, leaves
from backpass.derivatives.tracing.to_html import MathPainter
from backpass.derivatives.tracing.to_latex import LatexPainter
from backpass.derivatives.tracing.to_text import TextPainter
from backpass.derivatives.tracing.trace import WITHOUT_GRADIENTS
from backpass.errors import InputError
from displayed import Interval, evaluate, latex_tokens, math_tokens, text_tokens
from helpers import HIDDEN, PAIRS

MATRICES = ["batch", "sample", "parameter", "jacobian", "neuron"]


def small(rows=3, hidden="tanh", output="softmax", loss="cross_entropy", k=2):
    """Return a network of distinct widths, and rows with targets."""
    rng = np.random.default_rng(5)
    network = Network([3, 4, k], hidden, output, loss, seed=1)
    for b in network.biases:
        b[...] = rng.normal(size=b.shape)
    X = rng.normal(size=(rows, 3)).round(2)
    y = {
        "classification": rng.integers(0, k, rows),
        "margin": rng.choice([-1.0, 1.0], (rows, k)),
        "regression": rng.random((rows, k)).round(2) + 0.1,
    }[network.model.loss.task]
    if network.model.loss.task == "classification" and loss != "cross_entropy":
        y = (rng.random((rows, k)) < 0.5).astype(float)
    return network, X, y


def lines_of(seen):
    return [(step, line) for part in seen.sections for step in part.steps for line in step.lines]


def whole(line):
    """Return whether all of a line is displayed: nothing is cut, and no term left out."""
    if line.defines:
        return False
    text = show_with(TextPainter, line, Limits(None))
    return "more)" not in "".join(
        "".join(piece.lines) for piece in (text.symbols, text.numbers or text.result)
    )


def show_with(painter, line, limits, batch=True):
    return painter(line.values.notation).show(line, limits, batch=batch)


class Phi:
    """φ of a layer, and φ′ as `slope`, for intervals laid out as a notation has them."""

    def __init__(self, network, notation, layer):
        self.phi = network.model.activations[layer - 1]
        self.columns = NOTATIONS[notation].samples_in_columns

    def __call__(self, z):
        return self.through(z, self.phi.value)

    def slope(self, z):
        return self.through(z, lambda x: self.phi.derivative(x, self.phi.value(x)))

    def through(self, z, function):
        turned = z.middle.T if self.columns else z.middle
        around = z.radius.T if self.columns else z.radius
        low, middle, high = (function(np.atleast_2d(turned + d * around)) for d in (-1, 0, 1))
        # within so narrow a range φ' changes little: twice the difference of the ends
        radius = 2 * np.maximum(abs(high - middle), abs(low - middle)) + 1e-12
        if not self.phi.elementwise:
            radius = np.full_like(radius, 2 * np.max(z.radius) * middle.shape[1])
        middle, radius = (middle.T, radius.T) if self.columns else (middle, radius)
        if z.middle.ndim == 0:
            return Interval(middle[0, 0], radius[0, 0])
        return Interval(middle, radius)


def first_line(matrix, shape):
    """Return the first line of that shape, or the first column; the rest must be zeros."""
    part = (slice(shape[0]), slice(shape[1]))
    others = matrix.middle.copy()
    others[part] = 0
    assert not others.any()
    return Interval(matrix.middle[part], matrix.radius[part])


def assert_multiplies_out(tokens, result, phi, what):
    tokens, right = list(tokens), evaluate(result, phi)
    if "in" in tokens:  # in the first line or column, 0 elsewhere
        tokens = tokens[: tokens.index("in")]
        right = first_line(right, evaluate(tokens, phi).middle.shape)
    left = evaluate(tokens, phi)
    got, want = np.ravel(left.middle), np.ravel(right.middle)
    slack = np.ravel(left.radius) + np.ravel(right.radius)
    assert got.shape == want.shape, what
    assert np.all(abs(got - want) <= slack + 1e-9), f"{what}: {got} is displayed as {want}"
    # a comparison that everything passes would show nothing
    assert np.all(slack <= 0.05 * np.maximum(abs(want), 0.1) + 0.02), f"{what}: too coarse {slack}"


@pytest.mark.parametrize("form", MATRICES)
@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("rows", [1, 3])
def test_every_displayed_formula_multiplies_out(notation, form, rows):
    network, X, y = small(rows)
    seen = trace(network, X, y, notation=notation, form=form, alpha=0.3, max_elements=None)
    checked = 0
    for step, line in lines_of(seen):
        layer = max(step.layer, 1)
        phi = Phi(network, notation, layer)
        text = show_with(TextPainter, line, Limits(None))
        if text.numbers is None or not whole(line):
            continue
        pieces = {
            "text": [
                text_tokens(_equals(text.numbers)),
                text_tokens(_equals(text.result)),
            ],
            "mathml": [
                math_tokens(part) for part in _both(show_with(MathPainter, line, Limits(None)))
            ],
            "latex": [
                list(latex_tokens(part))
                for part in _both(show_with(LatexPainter, line, Limits(None)))
            ],
        }
        for kind, (numbers, result) in pieces.items():
            what = f"{notation} {form} {kind}: {step.id}, layer {step.layer}, {step.title}"
            assert_multiplies_out(numbers, result, phi, what)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("notation", ["code", "error", "nabla", "bracket"])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
def test_softmax_without_a_joint_formula_has_a_jacobian_for_every_sample(notation, weights):
    network, X, y = small(3, "relu", "softmax", "squared_error")
    seen = trace(network, X, y, notation=notation, sample_weight=weights, max_elements=None)
    lines = [line for step, line in lines_of(seen) if step.id in ("B1z", "B1") and whole(line)]
    keys = [line.equation.left.key for line in lines]
    # ∂C/∂a of 3 × 2 outputs, 12 elements of three Jacobians, three samples, then the mean
    assert [keys.count(key) for key in ("dC", "jac", "dz", "delta")] == [6, 12, 3, 1]
    for line in lines:
        shown = show_with(TextPainter, line, Limits(None))
        numbers = text_tokens(_equals(shown.numbers))
        assert_multiplies_out(numbers, text_tokens(_equals(shown.result)), None, notation)


@pytest.mark.parametrize("form", MATRICES)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_latex_is_plain_ascii_and_needs_amsmath_alone(notation, form):
    network, X, y = small(3, "relu")
    update = None if form in WITHOUT_GRADIENTS else "adam"
    latex = trace(network, X, y, notation=notation, form=form, alpha=0.1, update=update).to_latex()
    assert {c for c in latex if ord(c) > 127} == set()
    assert re.findall(r"\\usepackage.*", latex) == [r"\usepackage{amsmath}"]


def _both(shown):
    return shown.numbers, shown.result


def _equals(box):
    """Return the lines of a box with ``=`` in front of its line of writing."""
    return [("= " if i == box.base else "  ") + line for i, line in enumerate(box.lines)]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
def test_the_cost_adds_up(notation, weights):
    network, X, y = small()
    seen = trace(network, X, y, notation=notation, alpha=0.2, sample_weight=weights)
    J = network.loss(X, y, weights, alpha=0.2)
    assert np.isclose(seen["J"], J, rtol=1e-14)
    if NOTATIONS[notation].samples_alone:
        return
    (line,) = (line for _, line in lines_of(seen) if line.equation.left == Leaf("J"))
    shown = show_with(TextPainter, line, Limits(None, digits=12))
    got = evaluate(text_tokens(_equals(shown.numbers)), None)
    assert abs(got.middle - J) <= got.radius + 1e-9


def test_wrong_numbers_do_not_multiply_out():
    """The comparison itself finds a wrong entry in any of the three."""
    network, X, y = small(1)
    seen = trace(network, X, y, notation="error")
    _, line = next(pair for pair in lines_of(seen) if pair[0].id == "B3")
    shown = show_with(TextPainter, line, Limits(None))
    result = text_tokens(_equals(shown.result))
    result[0][1].middle[0, 0] *= 1.02
    with pytest.raises(AssertionError, match="is displayed as"):
        assert_multiplies_out(text_tokens(_equals(shown.numbers)), result, None, "B3")


# --- the trace is the run --------------------------------------------------------------------


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_numbers_are_bitwise_those_of_the_gradients_in_use(output, loss):
    hidden = HIDDEN[PAIRS.index((output, loss)) % len(HIDDEN)]
    network, X, y = small(4, hidden, output, loss)
    seen = trace(network, X, y, alpha=0.1)
    J, gradients = network.loss_and_gradients(X, y, alpha=0.1)
    assert float(seen["J"]) == J
    for layer, (dW, db) in enumerate(zip(gradients.weights, gradients.biases, strict=True), 1):
        assert np.array_equal(seen["dW", layer], dW)
        assert np.array_equal(seen["db", layer], db)
    assert np.array_equal(seen["g", 0], gradients.inputs)


PRODUCTS = (np.matmul, np.vecdot)


class NoProducts(np.ndarray):
    """An array whose products of matrices are refused."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc in PRODUCTS:
            raise AssertionError("a product of matrices was computed for showing")
        plain = [np.asarray(x) if isinstance(x, NoProducts) else x for x in inputs]
        found = getattr(ufunc, method)(*plain, **options)
        return found.view(NoProducts) if isinstance(found, np.ndarray) else found


def without_products(seen, monkeypatch):
    """Make every array of a trace refuse products, and take NumPy's away."""
    recordings = {id(seen.recording): seen.recording}
    for _, line in lines_of(seen):
        for recording in (line.values.recording, *line.values.samples):
            recordings[id(recording)] = recording
    for recording in recordings.values():
        for key, value in recording.arrays.items():
            recording.arrays[key] = value.view(NoProducts)

    def refuse(*operands, **options):
        raise AssertionError("a product of matrices was computed for showing")

    for name in ("matmul", "dot", "vdot", "inner", "outer", "einsum", "tensordot"):
        monkeypatch.setattr(np, name, refuse)
    network = seen.network
    network.parameters.flat[:] = np.nan  # whatever is shown was seen before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_nothing_is_computed_to_show_it(notation, form, monkeypatch):
    network, X, y = example("thin") if form == "chain" else small()
    if form == "chain":
        network, X, y = network.copy(), X, y
    update = None if form in WITHOUT_GRADIENTS else "sgd"
    seen = trace(network, X, y, notation=notation, form=form, alpha=0.1, update=update)
    before = (str(seen), seen.to_html(), seen.to_latex(), seen.to_dict())
    without_products(seen, monkeypatch)
    with pytest.raises(AssertionError, match="product of matrices"):
        seen["dW", 1] @ seen["dW", 1].T
    assert (str(seen), seen.to_html(), seen.to_latex(), seen.to_dict()) == before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_number_was_delivered_by_an_observer(notation, form):
    network, X, y = example("thin") if form == "chain" else small()
    seen = trace(network, X, y, notation=notation, form=form)
    given = {"ones", "N", "S", "same", "unit", "dz_db"}  # counted, or 0 and 1 by definition
    for step, line in lines_of(seen):
        for leaf in leaves(line.equation) if not line.defines else ():
            if leaf.key in given:
                continue
            source = line.values.recording
            source = source if leaf.sample is None else line.values.samples[leaf.sample]
            delivered = np.concatenate([np.ravel(array) for array in source.arrays.values()])
            shown = np.ravel(line.values(leaf))
            assert np.isin(shown, delivered).all(), (step.id, leaf)


def test_the_recording_is_a_copy():
    network, X, y = small()
    seen = trace(network, X, y)
    before = seen["W", 1].copy()
    network.parameters.flat[:] = 0
    assert np.array_equal(seen["W", 1], before)


def test_the_update_is_the_optimisers():
    network, X, y = small()
    seen = trace(network, X, y, update="sgd", learning_rate=0.5)
    gradient = network.loss_and_gradients(X, y)[1]
    want = network.weights[0] - 0.5 * gradient.weights[0]
    assert np.allclose(seen["W_new", 1], want, rtol=1e-15, atol=1e-15)
    assert "U  layer 1  update" in str(seen)
    assert "update by adam" in str(trace(network, X, y, update="adam"))


# --- what it looks like ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_record_can_be_shown(output, loss):
    number = PAIRS.index((output, loss))
    network, X, y = small(1, HIDDEN[(number + 3) % len(HIDDEN)], output, loss)
    notation = list(NOTATIONS)[number % len(NOTATIONS)]
    for form in MATRICES[: 3 if output == "softmax" else None]:
        seen = trace(network, X, y, notation=notation, form=form, alpha=0.1)
        assert str(seen).count(f"layer {1 if form == 'neuron' else 2}") >= 3
        assert seen.to_html().count("<math") > 10
        latex = seen.to_latex()
        assert latex.count(r"\left") == latex.count(r"\right") > 0
        assert seen.to_dict()["sections"][0]["steps"]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_pages_are_well_formed_and_load_nothing(notation):
    network, X, y = small()
    names = ["<b>", "a & b", "c"]
    page = trace(network, X, y, notation=notation, input_names=names, update="sgd").to_html()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    for url in re.findall(r"https?://[^\"' )]+", page):
        assert url == "http://www.w3.org/2000/svg"
    for part in re.findall(r"<math.*?</math>|<svg.*?</svg>", page, re.S):
        ET.fromstring(part)
    assert "aria-label" in page
    assert "prefers-color-scheme: dark" in page


def test_large_arrays_are_cut_with_a_count():
    network = Network([100, 30, 12], "relu", "softmax", "cross_entropy", seed=0)
    X = np.random.default_rng(0).normal(size=(1, 100))
    seen = trace(network, X, [3], notation="nabla")
    text = str(seen)
    assert "W₁: 8×8 of 30×100 shown, 2936 entries left out" in text
    assert "h₀: 8×1 of 100×1 shown, 92 entries left out" in text
    for _, line in lines_of(seen):
        for leaf, part in cuts(line, seen.limits):
            value = line.values(leaf)
            kept = value[: part.rows, : part.columns]
            printed = np.array(part.texts, dtype=float)
            assert np.allclose(printed, kept, rtol=5.1e-4, atol=0)
            assert part.left_out == value.size - kept.size > 0
    assert "left out" not in str(trace(network, X, [3], max_elements=None))
    told = seen.to_dict()["sections"][0]["steps"][0]["lines"][0]["quantities"]["W_1"]
    assert told["shape"] == [30, 100]
    assert told["left_out"] == 2936


def test_many_rows_are_counted_where_they_are_left_out():
    network, X, y = small(9)
    text = str(trace(network, X, y, form="sample"))
    assert "sample 3" in text
    assert "sample 4" not in text
    assert "the mean over the samples (5 of them not shown above)" in text
    assert "… (6 more)" in text


def test_dead_and_saturated_units_are_named():
    network = Network([1, 3, 1], "relu", seed=0)
    network.weights[0][...], network.biases[0][...] = [[1.0, 1.0, 1.0]], [0.0, -50.0, 0.0]
    text = str(trace(network, [[1.0], [2.0]], [0.0, 1.0]))
    assert "1 of 3 units dead (φ′ = 0 in every row): 1" in text
    network = Network([1, 2, 1], "tanh", seed=0)
    network.weights[0][...], network.biases[0][...] = [[1.0, 1.0]], [0.0, 9.0]
    text = str(trace(network, [[0.1]], [0.0], notation="error"))
    assert "1 of 2 units saturated (|f′| < 0.01 in every row): 2" in text


def test_a_layer_can_be_shown_alone():
    network, X, y = small()
    seen = trace(network, X, y, layer=2)
    assert {step.layer for step, _ in lines_of(seen)} == {2}


def test_wide_formulas_are_folded_and_lose_nothing():
    network, X, y = small(3)
    seen = trace(network, X, y, notation="error", max_elements=None)
    from backpass.derivatives.tracing.to_text import text_page

    narrow, wide = text_page(seen, 60), text_page(seen, 10_000)
    assert max(map(len, wide.splitlines())) > 80
    # titles are not folded
    assert max(len(line) for line in narrow.splitlines() if line.startswith("  ")) <= 60
    count = [sorted(re.findall(r"-?\d+\.\d+", text)) for text in (narrow, wide)]
    assert count[0] == count[1]


def test_a_sixth_notation_is_a_table_and_its_layout():
    table = NOTATIONS["error"]
    symbols = {**table.symbols, "delta": (symbol("y", "up"), symbol("Y", "up"))}
    LAYOUTS["sixth"] = LAYOUTS["error"]
    register(replace(table, name="sixth", title="mine", symbols=symbols))
    try:
        network, X, y = small()
        assert "Y²" in str(trace(network, X, y, notation="sixth"))
    finally:
        del NOTATIONS["sixth"], LAYOUTS["sixth"]


def test_a_notation_without_a_symbol_is_refused():
    table = NOTATIONS["error"]
    with pytest.raises(InputError, match="has no symbol for \\['z'\\]"):
        replace(table, symbols={k: v for k, v in table.symbols.items() if k != "z"})


def test_pictures_draw_every_unit_or_count_the_rest():
    network = Network([3, 30, 2], "tanh", "softmax", "cross_entropy", seed=0)
    seen = trace(network, np.ones((2, 3)), [0, 1], output_names=["no", "yes, of course so"])
    picture = seen.picture(row=1)
    ET.fromstring(picture)
    assert picture.count('class="bp-unit"') == 3 + 6 + 2
    assert "⋮ 24 more" in picture
    assert "yes, of course …" in picture
    assert picture.count("stroke-dasharray") > 5


@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_graph_has_every_quantity_and_equation(notation):
    network, X, y = small()
    picture = trace(network, X, y, notation=notation).graph()
    ET.fromstring(picture)
    boxes = 2 + 3 * 2 + 2 + 3 * 2 + 1  # x, ∂C/∂z; z, a, and W, b; δ and gradients; ∂J/∂a; J
    assert picture.count("<rect") == boxes + 2
    names = ("F1", "F2", "C", "B1f", "B1", "B2a", "B2b", "B3", "B4")
    labels = re.findall(f">({'|'.join(names)})<", picture)
    assert [labels.count(name) for name in names] == [6, 2, 1, 1, 1, 2, 1, 2, 2]


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"notation": "greek"}, "unknown notation 'greek'; known: code, error"),
        ({"form": "poem"}, "unknown form 'poem'; known: batch, sample"),
        ({"layer": 0}, "layer must be 1 … 2, not 0"),
        ({"layer": 3}, "layer must be 1 … 2, not 3"),
        ({"max_elements": 0}, "max_elements must be at least 1"),
        ({"digits": 0}, "digits must be 1 … 17"),
        ({"form": "chain"}, "one unit in every layer; this one is 3-4-2"),
        ({"form": "neuron", "layer": 2}, "layer 2 is softmax, which mixes its units"),
        ({"form": "neuron", "update": "sgd"}, "form neuron shows no gradients to update by"),
        ({"update": "fancy"}, "unknown optimizer 'fancy'"),
        ({"update": "sgd", "learning_rate": float("nan")}, "learning_rate must be a number above"),
        ({"alpha": -1.0}, "alpha must be a finite number of at least 0, not -1"),
        ({"alpha": float("nan")}, "alpha must be a finite number of at least 0, not nan"),
        ({"max_elements": "a"}, "max_elements must be at least 1, or None for all, not 'a'"),
        ({"layer": True}, "layer must be 1 … 2, not True"),
        ({"input_names": ["a"]}, "input_names: 1 names for 3 units"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, "sample_weight must be 3 finite numbers"),
    ],
)
def test_bad_options_get_one_line(options, words):
    network, X, y = small()
    with pytest.raises(InputError, match=re.escape(words)) as told:
        trace(network, X, y, **options)
    assert "\n" not in str(told.value)


def test_a_wide_network_is_refused_where_its_jacobians_would_fill_the_memory():
    network = Network([300, 300, 1], "relu", seed=0)
    with pytest.raises(InputError, match="27000000 numbers in layer 1"):
        trace(network, np.ones((1, 300)), [1.0], form="jacobian")


def test_many_elements_are_counted():
    network = Network([20, 10, 1], "tanh", seed=0)
    text = str(trace(network, np.ones((1, 20)), [1.0], form="parameter"))
    assert "188 of 200 elements left out" in text
    assert "… (12 more)" in text


def test_unknown_quantities_and_rows_get_one_line():
    network, X, y = small()
    seen = trace(network, X, y)
    with pytest.raises(InputError, match="this trace has no \\('delta', 7\\)"):
        seen["delta", 7]
    with pytest.raises(InputError, match="row must be 0 … 2, not 3"):
        seen.picture(3)
    with pytest.raises(InputError, match="give a Network, or a fitted MLPClassifier"):
        trace("network", X, y)

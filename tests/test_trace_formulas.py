"""No number of a trace stands without its equation, and every symbol is the note's."""

import re
from itertools import product

import numpy as np
import pytest

from backpass import Network, trace
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.tracing import EXAMPLES, FORMS, example
from backpass.derivatives.tracing.formatter import Limits
from backpass.derivatives.tracing.formulas import (
    Constant,
    Fraction,
    Leaf,
    Power,
    Row,
    Written,
    leaves,
)
from backpass.derivatives.tracing.record_formulas import formulas_of
from backpass.derivatives.tracing.to_html import MathPainter
from backpass.derivatives.tracing.to_latex import LatexPainter
from backpass.derivatives.tracing.to_text import TextPainter
from backpass.derivatives.tracing.trace import WITHOUT_GRADIENTS
from backpass.errors import InputError
from displayed import latex_tokens, math_tokens, text_tokens
from helpers import HIDDEN, PAIRS
from test_trace import (
    Phi,
    _both,
    _equals,
    assert_multiplies_out,
    lines_of,
    show_with,
    small,
    whole,
)

DISPLAYS = [
    (notation, form, name)
    for notation, form, name in product(NOTATIONS, FORMS, EXAMPLES)
    if form != "chain" or name == "thin"
]


def shown(notation, form, name, **options):
    network, X, y = example(name)
    return trace(network, X, y, notation=notation, form=form, max_elements=None, **options)


def one_row(name):
    network, X, y = example(name)
    return network, X[:1], y[:1]


# --- no number without its equation ----------------------------------------------------------

INPUTS = {"W", "b", "bs", "w", "y", "s", "lambda", "rate", "epsilon", "penalty"}
COUNTED = {"N", "ones", "same", "unit"}
SAME = {"bs": "b", "da_dz": "dphi"}
ALIKE = {"Pb": "db", "delta": "db"}  # note 2 writes all three ∂L/∂b


class Known:
    """What a reader has seen so far: inputs, and what formulas gave, whole or by elements."""

    def __init__(self, seen):
        self.whole, self.elements = set(), {}
        self.notation, self.last = seen.notation.name, seen.last

    def name(self, leaf):
        key = SAME.get(leaf.key, leaf.key)
        table = NOTATIONS[self.notation]
        P, dC = (table.symbol(x, batch=False, at_output=True) for x in ("P", "dC"))
        if key == "P" and dC == P and leaf.layer == self.last:
            key = "dC"
        return ALIKE.get(key, key) if self.notation == "chain" else key, leaf.layer

    def add(self, leaf):
        if leaf.entry or leaf.sample is not None:
            told = self.elements.setdefault(self.name(leaf), set())
            told.add((leaf.sample, leaf.entry))
        else:
            self.whole.add(self.name(leaf))

    def has(self, leaf, values):
        if leaf.key in INPUTS | COUNTED or (leaf.key, leaf.layer) == ("a", 0):
            return True
        seen = self.elements.get(self.name(leaf), set())
        if self.name(leaf) in self.whole or (leaf.sample, leaf.entry) in seen:
            return True
        known = values.recording.arrays
        array = known.get((leaf.key, leaf.layer))
        if leaf.key == "dak" and ("jac", leaf.layer) in known:  # a column of softmax's Jacobian
            return len(self.elements["jac", leaf.layer]) >= known["jac", leaf.layer].size
        by_sample = {(sample, ()) for sample in range(len(known["s", None]))}
        return by_sample <= seen or (array is not None and len(seen) >= array.size)


@pytest.mark.parametrize(("notation", "form", "name"), DISPLAYS)
def test_each_array_shown_is_an_input_or_the_result_of_a_formula_shown(notation, form, name):
    update = None if form in WITHOUT_GRADIENTS else "sgd"
    seen = shown(notation, form, name, alpha=0.1, update=update)
    known = Known(seen)
    for step, line in lines_of(seen):
        if line.defines:
            continue
        for leaf in leaves(line.equation.right):
            assert known.has(leaf, line.values), f"{step.id}, layer {step.layer}: {leaf}"
        for leaf in leaves(line.equation.left):
            known.add(leaf)


def test_a_number_without_its_equation_is_found():
    seen = shown("nabla", "batch", "small")
    known = Known(seen)
    line = next(line for step, line in lines_of(seen) if step.id == "B3")
    assert not all(known.has(leaf, line.values) for leaf in leaves(line.equation.right))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_says_what_it_is_and_shows_its_numbers(name):
    phi = ACTIVATIONS.get_record(name)
    hidden, output = (name, "identity") if phi.hidden else ("tanh", name)
    network, X, y = small(1, hidden, output, "squared_error", k=2)
    network.biases[0][...] = [-1.0, 0.5, -0.25, 2.0]
    assert_all_multiply_out(network, X, y)
    assert formulas_of(phi).derivative is not None


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_cost_shows_its_numbers(output, loss):
    network, X, y = small(3, HIDDEN[PAIRS.index((output, loss)) % len(HIDDEN)], output, loss)
    assert_all_multiply_out(network, X[:1], y[:1])
    formulas = formulas_of(LOSSES.get_record(loss))
    assert None not in (formulas.value, formulas.derivative)


def assert_all_multiply_out(network, X, y):
    """Evaluate all that form parameter displays, in each painter's own characters."""
    found = []
    for step, line in lines_of(trace(network, X, y, form="parameter", max_elements=None)):
        text = show_with(TextPainter, line, Limits(None, 6))
        if text.numbers is None or not whole(line):
            continue
        pieces = [
            [text_tokens(_equals(text.numbers)), text_tokens(_equals(text.result))],
            [math_tokens(part) for part in _both(show_with(MathPainter, line, Limits(None, 6)))],
            [latex_tokens(part) for part in _both(show_with(LatexPainter, line, Limits(None, 6)))],
        ]
        for numbers, result in pieces:
            phi = Phi(network, "code", max(step.layer, 1))
            assert_multiplies_out(numbers, result, phi, f"{step.id}, layer {step.layer}")
        found.append(line.equation.left.key)
    assert "costs" in found


@pytest.mark.parametrize("notation", NOTATIONS)
def test_softmax_stands_in_full_and_its_quotient_rule_where_asked_for(notation):
    text = str(shown(notation, "parameter", "classes", derivations=True))
    assert "quotient rule" in str(shown(notation, "batch", "classes", derivations=True))
    assert re.search(r"= e\^0\.5412/\(e\^0\.5412 \+ e\^\(-1\.19\)\)", text)
    dot = "*" if notation == "code" else "·"
    assert f"quotient rule: (g/h)′ = (g′ {dot} h − g {dot} h′)/h²" in text
    assert "quotient" not in str(shown(notation, "parameter", "classes"))


def test_a_derivation_is_shown_line_by_line():
    text = str(shown("nabla", "batch", "small", derivations=True))
    assert "g′(z) = (−1)/((1 + e^(−z))²) · d/dz(1 + e^(−z)) = e^(−z)/((1 + e^(−z))²)" not in text
    assert "O′(z) = (−1)/((1 + e^(−z))²)" in text
    assert "= O(z) · (1 − O(z))" in text
    assert "O′(z) = (−1)" not in str(shown("nabla", "batch", "small"))


@pytest.mark.parametrize(
    "record", [*ACTIVATIONS.records(), *LOSSES.records()], ids=lambda r: r.name
)
def test_every_line_of_every_derivation_is_read(record):
    pairs = getattr(record, "fused", {}).values()
    for one in (record, *pairs):
        rows = formulas_of(one).rows
        assert 1 <= len(rows) <= len(re.split(r"\\\\", one.derivation))
        assert "\\" not in repr(rows)


# --- every symbol is the note's --------------------------------------------------------------

SYMBOLS = {
    "error": {
        "a": "Feedforward Step", "A": "Batch", "W": "Matrices", "w": "Parameters",
        "b": "Parameters", "z": "Parameters", "Z": "Batch", "e": "output layer", "E": "Batch",
        "J": "Parameters", "f": "Parameters", "Y": "Batch", "N": "Batch",
    },
    "chain": {
        "a": "output layer", "W": "output layer", "w": "with respect to W^l", "b": "output layer",
        "z": "output layer", "L": "with respect to b^l", "g": "with respect to b^l", "y": "b^l",
        "f": "output layer", "e": "e_k, output layer", "δ": "δ_jk, output layer", "N": "b^l",
    },
    "nabla": {
        "a": "2", "A": "5.2", "h": "2", "H": "5.2", "W": "2", "b": "2", "L": "3", "ℒ": "4.1",
        "ŷ": "3", "Ŷ": "5.2", "e": "4.3.1", "E": "5.2", "g": "2", "O": "2", "m": "2", "𝟏": "5.2",
        "𝟙": "4.3.1",
    },
    "omega": {
        "α": "Reminders", "Ω": "Reminders", "ω": "Reminders", "β": "Reminders", "ρ": "Reminders",
        "ζ": "single neuron", "Φ": "single layer", "ℰ": "Evaluating", "𝒞": "Evaluating",
        "𝒫": "Recap", "ℬ": "Backpropagation rules", "f": "Some formalism", "a": "Some formalism",
        "W": "Some formalism", "w": "Some formalism", "b": "Some formalism", "h": "single neuron",
        "η": "Gradient descent", "N": "Evaluating",
    },
    "bracket": {
        "a": "Notation", "A": "Minibatch", "W": "Notation", "w": "Notation", "b": "Notation",
        "B": "Minibatch", "z": "Notation", "Z": "Minibatch", "ℒ": "Notation", "𝐠": "L = g(a)",
        "e": "We set", "E": "Minibatch", "𝐟": "a = f(z)", "α": "Summary, step 3", "N": "Minibatch",
    },
}  # fmt: skip
"""The letters of each note, copied by hand, with section or slide."""

OURS = {
    "λ": "an L2 penalty is in no note", "Σ‖W‖²": "likewise",
    "Σ‖W\u0303‖²": "likewise", "s": "sample weights are in no note",
    "S": "likewise", "p": "a path", "r": "the other paths", "ε": "a nudge", "w\u0303": "likewise",
}  # fmt: skip
LACKING = {
    "error": {"C": "it has no cost of one sample", "y": "only Y", "η": "no update", "𝟏": "Σ e_n",
              "𝟙": "no softmax"},
    "chain": {"η": "no update"},
    "nabla": {"η": "no update", "w": "W_{i+1,·,j} is a column; a row of W has no letter"},
    "omega": {"𝟙": "no softmax"},
    "bracket": {"y": "no targets", "Y": "no targets", "𝟏": "a vector of ones in brackets",
                "𝟙": "no softmax"},
}  # fmt: skip
"""What a note has no letter for, and why ours stands there."""


def letters(symbol):
    if symbol.of:
        return {letter for part in symbol.of for letter in letters(part)}
    return {symbol.letter}


@pytest.mark.parametrize("notation", SYMBOLS)
def test_every_symbol_is_the_notes(notation):
    table, used = NOTATIONS[notation], set()
    for form in FORMS:
        for name in EXAMPLES if form != "chain" else ["thin"]:
            update = None if form in WITHOUT_GRADIENTS else "sgd"
            seen = shown(notation, form, name, alpha=0.1, update=update, nudge=("W", 1, 0, 0))
            for _, line in lines_of(seen):
                for leaf in leaves(line.equation):
                    if leaf.key == "dphi":
                        continue  # f′(z), of f and z
                    batch = seen.batch and (leaf.sample is None or bool(leaf.entry))
                    told = table.symbol(
                        leaf.key, batch=batch, at_output=leaf.layer == seen.last, own=leaf.own
                    )
                    used |= letters(told.entry() if leaf.entry else told)
    changes = {x for x in used if x.startswith(("Δ", "d")) or x.endswith("\u0303")}
    known = {*SYMBOLS[notation], *OURS, *LACKING[notation], *changes}
    assert used <= known, used - known
    assert set(SYMBOLS[notation]) - used <= {"Y", "ω", "𝟏", "A"}  # each letter of the list is used


@pytest.mark.parametrize(("notation", "form", "name"), DISPLAYS)
def test_every_step_has_its_place_or_the_heading_says_that_the_note_has_none(notation, form, name):
    seen = shown(notation, form, name, update=None if form in WITHOUT_GRADIENTS else "sgd")
    table = seen.notation
    told = f"note {table.note} has no" in str(seen)
    lacking = {"U"} if notation in ("error", "chain") else set()
    costs = {"nabla": "cross_entropy", "chain": "squared_error"}  # the only ones they have
    lacking |= {"C"} if costs.get(notation, loss := seen.network.model.loss.name) != loss else set()
    for section in seen.sections:
        for step in section.steps:
            assert step.place or told or table.note == 0 or step.id in lacking, (
                step.id,
                step.title,
            )


def test_a_form_that_a_note_lacks_is_shown_in_its_symbols_and_said_to_be_ours():
    text = str(shown("nabla", "jacobian", "small"))
    assert "note 3 has no Jacobians of layers; ours in its symbols" in text
    assert "ours in its symbols" not in str(shown("omega", "jacobian", "small"))


@pytest.mark.parametrize("notation", NOTATIONS)
def test_one_quantity_lies_alike_in_every_form(notation):
    """∂L/∂b is a column or a row throughout (note 4 has both, under two symbols)."""
    shapes = {}
    for form in ("batch", "sample", "jacobian"):
        network, X, y = example("small")
        for _, line in lines_of(trace(network, X[:1], y[:1], notation=notation, form=form)):
            for leaf in leaves(line.equation) if not line.defines else ():
                if leaf.key == "unit":  # e_1 is as long as its layer
                    continue
                text = TextPainter(NOTATIONS[notation]).symbol_of(leaf, batch=False, last=2)
                shapes.setdefault(text.lines[0], set()).add(np.shape(line.values(leaf)))
    assert {text: found for text, found in shapes.items() if len(found) > 1} == {}


def test_a_samples_cost_is_a_number_and_the_mean_is_over_samples():
    text = str(shown("omega", "sample", "small"))
    assert "𝒞₍₁₎ = 1/2 · (α²₁ − ρ₁)² + 1/2 · (α²₂ − ρ₂)²" in text
    assert "ℰ = 1/N · (𝒞₍₁₎ + 𝒞₍₂₎ + 𝒞₍₃₎)" in text


@pytest.mark.parametrize("nudged", [("W", 1, 0, 2), ("b", 2, 1)])
@pytest.mark.parametrize(("notation", "form", "name"), DISPLAYS)
def test_one_symbol_has_one_value(notation, form, name, nudged):
    """In all of a batch; in each sample's part and the mean beside it."""
    nudged = ("W", 1, 0, 0) if name in ("thin", "xor") else nudged
    network, X, y = example(name)
    weights = 1 + np.arange(len(X))
    seen = trace(network, X, y, notation=notation, form=form, nudge=nudged, sample_weight=weights)
    of_mean = [s for s in seen.sections if not s.title.startswith("sample")]
    samples = [s for s in seen.sections if s not in of_mean]
    for sections in [[one, *of_mean] for one in samples] or [of_mean]:
        assert_one_value_each(sections, NOTATIONS[notation], seen)


def assert_one_value_each(sections, notation, seen):
    found = {}
    for line in (line for s in sections for step in s.steps for line in step.lines):
        batch = len(line.values.recording.arrays["s", None]) > 1
        for leaf in leaves(line.equation) if not line.defines else ():
            # e_1 is as long as its layer; note 4's h is each neuron in turn
            if leaf.key in ("unit", "dha", "dhw", "dhb"):
                continue
            text = TextPainter(notation).symbol_of(leaf, batch=batch, last=seen.last).lines[0]
            value = np.asarray(line.values(leaf))
            first = found.setdefault(text, value)
            assert first.shape == value.shape, text
            assert np.allclose(first, value, atol=1e-12), text


def test_the_mean_refers_to_what_each_sample_showed():
    for form in ("sample", "parameter"):
        text = str(shown("code", form, "small"))
        assert "J = C" not in text
        assert text.count("∂J/∂W₂ =") == 1
        assert "∂J/∂W₂ = 1/N * ([∂C/∂W₂]₀ + [∂C/∂W₂]₁ + [∂C/∂W₂]₂)" in text
        assert text.count("C₁ = ") == 1
    assert "[∂C/∂W₂]₀ = a₁.T @  δ₂" in str(shown("code", "sample", "small"))


def test_a_product_of_jacobians_starts_from_the_notes_own_derivative():
    text = str(trace(*one_row("small"), notation="nabla", form="jacobian"))
    assert "∂ℒ/∂h₁ = ∂ŷ/∂h₁ · ∂ℒ/∂ŷ" in text
    assert "(∂ℒ/∂ŷ)ᵀ" not in text


def test_brackets_of_a_transpose_are_the_notes():
    for notation, want in [
        ("error", "(W²)ᵀ"),
        ("nabla", "H₁ᵀ"),
        ("omega", "[Ω²]ᵀ"),
        ("code", "W₂.T"),
    ]:
        assert want in str(shown(notation, "batch", "small"))


# --- what the notes have ---------------------------------------------------------------------


def test_note_2_stacks_derivatives_of_units():
    text = str(shown("chain", "jacobian", "small"))
    assert "∂a²/∂z²₁ = f′(z²₁) ·  e₁" in text
    assert "∂z²₁/∂b²₁ = δ₁₁" in text
    assert "∂a²/∂b²₁ = ∂a²/∂z²₁ · δ₁₁ + ∂a²/∂z²₂ · δ₁₂" in text
    assert "∂a²/∂b² = diag(f′(z²))" in text
    assert "[∂g/∂W²]₁ = (∂g/∂w²₁, ∂g/∂w²₂)^T" in text  # L is the mean of g


def test_note_4_has_its_product_and_its_line_k():
    text = str(trace(*one_row("small"), notation="omega", form="jacobian"))
    assert re.search(r"∂ℰ/∂w¹₁ = +𝒫³ · ∂f²/∂a¹ · ∂f¹/∂w¹₁", text)
    assert "∂f²/∂w²₁ = Φ′(ζ²₁) · [α¹]ᵀ in line 1, 0 elsewhere" in text
    assert "∂𝒞/∂w" not in text
    assert "line 1 does not hold for softmax" in str(shown("omega", "batch", "classes"))
    assert "line 1 does not hold for softmax" not in str(shown("omega", "batch", "small"))


def test_note_3s_thin_network_has_its_fractions():
    text = str(shown("nabla", "chain", "thin"))
    assert "∂ŷ/∂a₃" in text
    assert "∂a₁/∂W₁₁₁ = h₀₁" in text


# --- an update ---


@pytest.mark.parametrize("notation", ["code", "nabla", "omega"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimiser_shows_its_formula_with_numbers_that_multiply_out(name, notation):
    network, X, y = example("small")
    seen = trace(network, X, y, notation=notation, update=name, alpha=0.3, max_elements=None)
    lines = [line for step, line in lines_of(seen) if step.id == "U"]
    slots = OPTIMIZERS.get_record(name).slots
    assert len(lines) == 2 * len(network.weights) * (len(slots) + 1)
    limits = Limits(None, 9)
    for line in lines:
        shown = show_with(TextPainter, line, limits)
        result = by_numpy(line)
        assert np.allclose(result, line.values(line.equation.left), rtol=1e-9, atol=1e-12), shown


def by_numpy(line):
    """Compute the right side of a line from the numbers of its quantities."""

    def number(node):
        match node:
            case Leaf():
                return line.values(node)
            case Constant():
                return node.value
            case Fraction():
                return number(node.top) / number(node.bottom)
            case Power():
                return number(node.base) ** number(node.exponent)
            case Row((Written("√"), inner)):
                return np.sqrt(number(inner))
        signs = {"·": "*", "−": "-", "+": "+"}
        parts = [signs.get(p.text) if isinstance(p, Written) else number(p) for p in node.parts]
        names = {f"x{i}": part for i, part in enumerate(parts)}
        told = " ".join(p if isinstance(p, str) else f"x{i}" for i, p in enumerate(parts))
        return eval(told, names)  # signs and numbers of our own

    return number(line.equation.right)


def test_adamw_decays_weights_beside_the_gradient_as_training_does():
    network, X, y = example("small")
    seen = trace(network, X, y, update="adamw", alpha=0.3, learning_rate=0.1)
    plain = trace(network, X, y, update="adamw", learning_rate=0.1)
    assert np.array_equal(seen["dW", 1], plain["dW", 1])
    decayed = plain["W_new", 1] - 0.1 * 0.3 * network.weights[0]
    assert np.allclose(seen["W_new", 1], decayed, rtol=1e-15)
    assert np.array_equal(seen["b_new", 1], plain["b_new", 1])


# --- a nudge ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [("W", 1, 0, 2), ("W", 2, 1, 0), ("W", 3, 2, 1), ("b", 2, 3)])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_nudge_gives_the_cost_of_the_moved_network_and_what_was_promised(where, rows):
    network = Network([3, 4, 4, 2], "tanh", "softmax", "cross_entropy", seed=1)
    X, y = np.random.default_rng(0).normal(size=(rows, 3)), np.arange(rows) % 2
    seen = trace(network, X, y, nudge=where, alpha=0.2)
    key, layer, *entry = where
    moved = network.copy()
    (moved.weights if key == "W" else moved.biases)[layer - 1][tuple(entry)] += 1e-3
    assert seen["J_moved"] == moved.loss(X, y, alpha=0.2)
    change = moved.loss(X, y, alpha=0.2) - network.loss(X, y, alpha=0.2)
    assert seen["change"] == pytest.approx(change, rel=1e-12)
    derivative = seen[f"d{key}", layer][tuple(entry)]
    assert seen["promised"] == 1e-3 * derivative
    assert abs(seen["change"] - seen["promised"]) < 1e-6  # ε²


def test_the_paths_are_all_there_strongest_first_and_sum_to_the_derivative():
    network = Network([3, 4, 4, 2], "tanh", "identity", "squared_error", seed=1)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    seen = trace(network, X, y, nudge=("W", 1, 2, 1))
    W1, W2, W3 = network.weights
    b1, b2, b3 = network.biases
    a1 = np.tanh(X @ W1 + b1)
    a2 = np.tanh(a1 @ W2 + b2)
    error = (a2 @ W3 + b3 - y) / 2
    by_hand = [
        X[n, 2] * (1 - a1[n, 1] ** 2) * W2[1, j] * (1 - a2[n, j] ** 2) * W3[j, k] * error[n, k]
        for n, j, k in product(range(2), range(4), range(2))
    ]
    strongest = sorted(by_hand, key=abs, reverse=True)
    assert np.allclose(seen["path"], strongest[:8], rtol=1e-12)
    assert np.isclose(seen["rest"], sum(strongest[8:]), rtol=1e-9)
    assert np.isclose(sum(by_hand), seen["dW", 1][2, 1], rtol=1e-12)
    assert "8 of 16 paths left out" in str(seen)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (("W", 1, 3, 0), "nudge: there is no W_1[3, 0]; its indices are 0 … 2, 0 … 3"),
        (("W", 1, 0), "nudge must be ('W', layer, i, j) or ('b', layer, j), layer 1 … 2"),
        (("W", 0, 0, 0), "nudge: there is no W_0; the layers are 1 … 2"),
        (("V", 1, 0, 0), "nudge must be"),
        (("b", 3, 0), "nudge: there is no b_3; the layers are 1 … 2"),
        (("b", 1, -1), "nudge: there is no b_1[-1]"),
        (("b", 1, 0.5), "nudge must be"),
        (7, "nudge must be"),
    ],
)
def test_a_nudge_of_nothing_gets_one_line(where, words):
    with pytest.raises(InputError, match=re.escape(words)):
        trace(*small(), nudge=where)

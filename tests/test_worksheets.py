"""Worksheets: round numbers, the same for a seed; no blank's number in the sheet's source."""

import re

import numpy as np
import pytest

from backpass import Network, worksheet
from backpass.cli import main
from backpass.core.losses import LOSSES
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.tracing import EXAMPLES, FORMS, example
from backpass.derivatives.worksheets import files, round_numbers
from backpass.derivatives.worksheets.round_numbers import NOT_ROUND, decimals
from backpass.errors import InputError


def odd(rows=2, sizes=(2, 3, 2)):
    """Return a network and rows whose numbers no other number resembles."""
    rng = np.random.default_rng(3)
    network = Network(sizes, "tanh", "logistic", seed=5)
    for b in network.biases:
        b[...] = rng.normal(size=b.shape)
    return network, rng.normal(size=(rows, sizes[0])), rng.random((rows, sizes[-1]))


def numbers_in(source):
    """Return every number with a point that a page or a document shows; lengths are none."""
    source = re.sub(r"<style>.*?</style>|<mspace[^>]*>", "", source, flags=re.S)
    source = re.sub(r".*\\begin\{document\}", "", source, flags=re.S).replace("−", "-")
    source = re.sub(r" \\cdot 10\^\{(-?\d+)\}", r"e\1", source)
    source = re.sub(r"sections? [\d., and]+|arraystretch\}\{[\d.]+\}|lineskip=\S+", "", source)
    return {abs(float(n)) for n in re.findall(r"\d+\.\d+(?:e-?\d+)?", source)}


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_no_number_of_a_blank_is_in_the_source(notation, form, every):
    sizes = (1, 1, 1) if form == "chain" else (2, 2, 1)
    network, X, y = odd(2 if form in ("batch", "sample") else 1, sizes)
    steps = sorted(worksheet(network, X, y, notation=notation, form=form).blank)
    sheet = worksheet(network, X, y, notation=notation, form=form, blank=steps[::every])
    hidden = set()
    for section in sheet.solution.sections:
        for step in (step for step in section.steps if step.id in sheet.blank):
            for line in (line for line in step.lines if not line.defines):
                value = line.values(getattr(line.equation.left, "inner", line.equation.left))
                hidden |= {abs(float(f"{x:.4g}")) for x in np.ravel(value)}
    given = {abs(float(f"{x:.4g}")) for line in sheet.given
             for x in np.ravel(line.values(line.equation.left))}  # fmt: skip
    # a fraction of the chain may be a weight or an input; 0.5 may be anything
    hidden = {x for x in hidden - given if x != round(x, 1)}
    assert hidden
    for source in (sheet.to_html(), sheet.to_latex()):
        shown = numbers_in(source)
        assert not hidden & shown
        assert {abs(float(f"{x:.4g}")) for x in np.ravel(network.weights[0])} <= shown  # given
    assert hidden <= numbers_in(sheet.solution.to_latex())


def test_what_is_not_blank_is_shown_and_what_hangs_on_a_blank_is_not():
    network, X, y = odd(rows=1)
    sheet = worksheet(network, X, y, blank=["F1"])
    shown = numbers_in(sheet.to_latex())
    assert abs(float(f"{sheet.solution['dW', 2][0, 0]:.4g}")) in shown
    assert abs(float(f"{sheet.solution['z', 1][0, 0]:.4g}")) not in shown  # nor as f's argument
    # of one sample, the bias gradient is the error signal
    delta = worksheet(network, X, y, blank=["B2b"])
    assert abs(float(f"{delta.solution['db', 1][0]:.4g}")) not in numbers_in(delta.to_html())


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_numbers_come_out_round_and_are_those_of_numpy(rows):
    sheet = worksheet(Network([2, 3, 2], "relu"), rows=rows, seed=7)
    seen = sheet.solution
    X, y = seen["a", 0], sheet.given[-1].values.recording.arrays["y", None]
    (W1, W2), (b1, b2) = seen.network.weights, seen.network.biases
    z1 = X @ W1 + b1
    a1 = np.maximum(z1, 0)
    delta2 = (a1 @ W2 + b2 - y) / len(X)
    delta1 = delta2 @ W2.T * (z1 > 0)
    right = {("z", 1): z1, ("delta", 2): delta2, ("dW", 2): a1.T @ delta2, ("delta", 1): delta1,
             ("dW", 1): X.T @ delta1, ("db", 1): delta1.sum(axis=0)}  # fmt: skip
    for key, value in right.items():
        assert np.allclose(seen[key], value, atol=1e-12)
    every = np.concatenate([np.ravel(value) for value in right.values()])
    assert np.mean([decimals(x) < NOT_ROUND for x in every]) >= (1 if rows == 1 else 0.85)
    assert 0 < np.count_nonzero(a1) < a1.size  # relu matters
    assert np.count_nonzero(seen["dW", 1])


@pytest.mark.parametrize("name", EXAMPLES)
def test_pre_activations_are_round_whatever_the_activation(name):
    seen = worksheet(name, seed=7).solution
    assert max(map(decimals, np.ravel(seen["z", 1]))) <= 2
    assert np.abs(seen["delta", 1]).min() > 1e-3  # nothing is saturated


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (worksheet("classes", notation="nabla", seed=s) for s in (7, 7, 8))
    for format_ in ("to_html", "to_latex"):
        assert getattr(first, format_)() == getattr(again, format_)()
        assert getattr(first, format_)() != getattr(other, format_)()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_and_output_can_be_drawn(loss, monkeypatch):
    monkeypatch.setattr(round_numbers, "DRAWS", 2)
    for output in LOSSES.get_record(loss).outputs:
        sheet = worksheet(Network([2, 2, 2], "tanh", output, loss, seed=0), seed=1)
        assert np.isfinite(sheet.solution["J"])


def test_a_page_has_boxes_and_neither_script_nor_picture():
    sheet = worksheet("small", notation="nabla", seed=7)
    page, latex = sheet.to_html(), sheet.to_latex()
    entries = sum(
        np.size(line.values(left))
        for section in sheet.sections for step in section.steps
        for left, line in {x.equation.left: x for x in step.lines if not x.defines}.items()
    )  # fmt: skip
    assert page.count("<mspace") == latex.count(r"\blank") - 1 == entries  # that one defines it
    assert "nan" not in page + latex
    assert not re.search(r"<script|<svg|https?:", page)
    assert {c for c in latex if ord(c) > 127} == set()
    assert re.findall(r"\\usepackage.*", latex) == [r"\usepackage{amsmath}"]


WRONG = {
    "unknown example": (lambda: worksheet("poem"), "unknown example 'poem'"),
    "no network": (lambda: worksheet(3), "give a Network, or the name of an example: xor"),
    "X alone": (lambda: worksheet("small", [[1.0, 2.0]]), "give X and y, or neither"),
    "too wide": (lambda: worksheet(Network([2, 9, 1])), "not 2-9-1; take a smaller network"),
    "too many rows": (lambda: worksheet("small", rows=5), "1 … 4 rows, and not 5"),
    "no rows": (lambda: worksheet("small", rows=0), "1 … 4 rows, and not 0"),
    "unknown step": (lambda: worksheet("small", blank=["B9"]), "begins with 'B9'; its steps: F1"),
    "no step": (lambda: worksheet("small", blank=[]), "begins with ''"),
    "notation": (lambda: worksheet("small", notation="greek"), "unknown notation 'greek'"),
    "suffix": (lambda: worksheet("xor").save("a.doc"), "a.doc: the name must end in .html"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_told_in_one_line(case):
    work, words = WRONG[case]
    with pytest.raises(InputError, match=re.escape(words)) as told:
        work()
    assert "\n" not in str(told.value)


def test_the_command_writes_sheet_and_solution(tmp_path, capsys):
    sheet, solution = tmp_path / "sheet.html", tmp_path / "solution.tex"
    line = ["worksheet", "example:small", "--notation", "nabla", "--seed", "7"]
    assert main([*line, "-o", str(sheet), "--solution", str(solution)]) == 0
    assert capsys.readouterr().out.startswith(f"{sheet}: a worksheet with B1z, ")
    same = worksheet("small", notation="nabla", seed=7)
    assert sheet.read_text(encoding="utf-8") == same.to_html()
    assert solution.read_text(encoding="utf-8") == same.solution.to_latex()


def test_the_command_takes_a_networks_layers(tmp_path):
    Network([3, 2, 1], "relu", "logistic", "binary_cross_entropy").save(tmp_path / "n.backpass")
    sheet, model = tmp_path / "sheet.tex", str(tmp_path / "n.backpass")
    assert main(["worksheet", model, "-o", str(sheet)]) == 0
    assert "network 3-2-1: relu, logistic; loss binary" in sheet.read_text(encoding="utf-8")
    options = ["--sizes", "2,2,2,1", "--activation", "tanh", "--rows", "2", "--blank", "B1,B3"]
    assert main(["worksheet", model, *options, "-o", str(sheet)]) == 0
    assert "network 2-2-2-1: tanh, tanh, logistic" in sheet.read_text(encoding="utf-8")


BAD = [
    ("example:poem -o a.tex", "unknown example 'poem'"),
    ("none.backpass -o a.tex", "there is no such file"),
    ("example:small -o a.doc", "--output a.doc: the name must end in .html"),
    ("example:small -o a.tex --solution a.tex", "is the file of --output, too"),
    ("example:small -o a.tex --sizes 2", "--sizes '2': give those of the inputs and outputs"),
    ("example:small -o a.tex --sizes 2,x", "give the width of each layer, as in --sizes 2,3,2"),
    ("example:small -o a.tex --activation blu", "unknown activation 'blu'"),
    ("example:small -o a.tex --blank Q", "no step of this worksheet begins with 'Q'"),
    ("example:small -o a.tex --form chain", "one unit in every layer"),
    ("example:small", "--output"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[line for line, _ in BAD])
def test_bad_arguments_write_nothing(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["worksheet", *arguments.split()]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_pdflatex_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"needs pdflatex, .* texlive-latex-base\), or write"):
        worksheet("xor").save(tmp_path / "a.html", tmp_path / "b.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_the_examples_is_left_as_it_was():
    network = example("small")[0]
    before = network.parameters.flat.copy()
    worksheet(network)
    assert np.array_equal(network.parameters.flat, before)

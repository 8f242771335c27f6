"""pdflatex compiles what is written as LaTeX, and nothing sticks out into the margin."""

import re
import shutil
import subprocess

import pytest

from backpass import Network, trace, worksheet
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.tracing import EXAMPLES, FORMS, example
from backpass.derivatives.worksheets.files import pdf_of

pytestmark = [pytest.mark.slow, pytest.mark.tex]


def complaints(latex, folder):
    """Return what pdflatex fails at, and every box that is too wide or too high."""
    (folder / "t.tex").write_text(latex, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = (folder / "t.log").read_text(encoding="utf-8", errors="replace")
    return re.findall(r"^(?:!|Overfull).*", log, re.M)


TRACES = [
    (name, notation, form)
    for name in EXAMPLES
    for notation in NOTATIONS
    for form in FORMS
    if form != "chain" or set(example(name)[0].sizes) == {1}
]


@pytest.mark.parametrize(("name", "notation", "form"), TRACES)
def test_traces_of_the_examples_compile(name, notation, form, tmp_path):
    update = None if form in ("neuron", "chain") else "sgd"  # which show no gradients
    latex = trace(*example(name), notation=notation, form=form, update=update).to_latex()
    assert complaints(latex, tmp_path) == []


SHEETS = {
    "usual": lambda notation: worksheet("small", notation=notation, seed=7),
    "half given": lambda notation: worksheet("classes", notation=notation, rows=2, blank=["B"]),
    "widest": lambda notation: worksheet(
        Network([4, 4, 4]), notation=notation, rows=4, blank=["B3"]
    ),
}


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("kind", SHEETS)
def test_worksheets_compile(kind, notation, tmp_path):
    assert complaints(SHEETS[kind](notation).to_latex(), tmp_path) == []


def test_too_wide_a_line_is_found(tmp_path):
    wide = trace(*example("small")).to_latex().replace("textwidth}{26", "textwidth}{2")
    assert any("Overfull" in line for line in complaints(wide, tmp_path))


def test_the_same_sheet_gives_the_same_pdf(tmp_path):
    sheet = worksheet("small", notation="nabla", seed=7)
    for name in ("a", "b"):
        sheet.save(tmp_path / f"{name}.pdf", tmp_path / f"{name}-solution.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a-solution.pdf").read_bytes() == pdf_of(sheet.solution.to_latex())
    assert shutil.which("pdflatex")

"""The pages of records: the documentation's own extension renders them, so it is asked.

It needs what builds the documentation (``pip install -e '.[docs]'``).
"""

import importlib
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from backpass.core.equations import EQUATIONS

DOCS = Path(__file__).parent.parent / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="docs/ is not in this checkout")


@pytest.fixture(scope="module")
def extension():
    """Return the modules of docs/_ext, where what they need is installed."""
    for name in ("sphinx", "latex2mathml", "matplotlib"):
        pytest.importorskip(name)
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        yield importlib.import_module("records"), importlib.import_module("mathml")
    finally:
        sys.path.remove(str(DOCS / "_ext"))
        for name in ("records", "mathml", "pictures"):
            sys.modules.pop(name, None)


def formulas(records):
    for equation in EQUATIONS.values():
        yield equation.id, equation.latex
    for registry in records.REGISTRIES.values():
        for record in registry.records():
            latex = getattr(record, "derivation", None) or record.formula
            yield record.name, latex
            for pair in getattr(record, "fused", {}).values():
                yield f"{record.name}, fused", pair.derivation


def test_every_registry_has_a_page(extension):
    records, _ = extension
    import backpass

    kinds = {
        line.split(" ")[0].rstrip(":")
        for file in Path(backpass.__file__).parent.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Z]+: Registry\[", line)
    }
    assert {kind.lower() for kind in kinds} == set(records.REGISTRIES)
    for kind in records.REGISTRIES:
        page = DOCS / "records" / f"{kind}.md"
        assert f"```{{records}} {kind}\n" in page.read_text(encoding="utf-8")
    assert "```{equations}\n" in (DOCS / "concepts" / "equations.md").read_text(encoding="utf-8")


def test_every_formula_becomes_mathml(extension):
    records, mathml = extension
    for name, latex in formulas(records):
        for rendered in (
            mathml.mathml(latex, block=True),
            mathml.mathml(mathml.aligned(latex), block=True),
        ):
            root = ET.fromstring(rendered)
            text = "".join(root.itertext())
            assert text.strip(), name
            assert "\\" not in text, f"{name}: a command was not understood: {text}"
            assert "&" not in text, f"{name}: an alignment mark was left over: {text}"


def test_formulas_are_what_latex_means(extension):
    """What docutils' own translator gets wrong, and browsers leave out."""
    _, mathml = extension
    assert "<mfrac><mn>1</mn><mn>2</mn></mfrac>" in mathml.mathml(r"\tfrac12 r^2")
    assert "<msub><mover" in mathml.mathml(r"\hat y_i")
    assert "𝒫" in mathml.mathml(r"\mathcal P")
    assert "ℬ" in mathml.mathml(r"\mathcal B")
    assert "𝟙" in mathml.mathml(r"\mathbb{1}_{k=i}")
    assert mathml.mathml(r"a &= b \\ &= c", block=True).count("<mtd>") == 4
    assert "mtable" not in mathml.mathml(r"\begin{matrix}a\end{matrix}").split("<mrow>")[0]


def test_every_record_is_drawn_in_both_themes(extension, tmp_path):
    records, _ = extension
    pictures = importlib.import_module("pictures")
    for kind, registry in records.REGISTRIES.items():
        for record in registry.records():
            pictures.draw(kind, record, tmp_path / record.name)
            light, dark = ((tmp_path / f"{record.name}-{t}.svg") for t in ("light", "dark"))
            assert ET.parse(light).getroot().tag.endswith("svg")
            assert light.read_bytes() != dark.read_bytes()

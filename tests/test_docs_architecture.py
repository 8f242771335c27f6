"""The page on the architecture: what it draws and names is in the source.

It needs what builds the documentation (``pip install -e '.[docs]'``).
"""

import importlib
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import house

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "concepts" / "architecture.md"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="docs/ is not in this checkout")


@pytest.fixture(scope="module")
def architecture():
    """Return the module docs/_ext/architecture.py, where what it needs is installed."""
    for name in ("sphinx", "latex2mathml", "matplotlib"):
        pytest.importorskip(name)
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        yield importlib.import_module("architecture")
    finally:
        sys.path.remove(str(DOCS / "_ext"))
        for name in ("architecture", "house_picture", "records", "mathml", "pictures"):
            sys.modules.pop(name, None)


def places():
    """Return every ``file::name`` that the page has looked up."""
    text = PAGE.read_text(encoding="utf-8")
    for directive, content in re.findall(r"^```\{(places|way)\}\n(.*?)^```", text, re.M | re.S):
        for line in content.splitlines():
            found = line.partition(" = ")[2] if directive == "places" else line
            yield from (place.strip() for place in found.split(";"))


@pytest.mark.parametrize("place", [*places()])
def test_what_it_names_is_there(architecture, place):
    where, _ = architecture.found_place(place)
    assert where.startswith(place.partition("::")[0])


@pytest.mark.parametrize("place", ["core/no.py", "core/backprop.py::no", "native/run.hpp::no"])
def test_a_place_that_is_not_there_is_refused(architecture, place):
    with pytest.raises(LookupError):
        architecture.found_place(place)


def test_what_is_said_of_a_place_is_read_from_it(architecture):
    where, text = architecture.found_place("core/backprop.py::hidden_error")
    line = int(where.partition(":")[2])
    source = (house.ROOT / "core" / "backprop.py").read_text(encoding="utf-8").splitlines()
    assert source[line - 1].startswith("def hidden_error(")
    assert text == "`g * dphi`"


@pytest.mark.parametrize("which", ["wide", "narrow"])
def test_the_picture_has_every_package_and_every_import(architecture, which):
    packages = [*house.PACKAGES, "native"]
    told = dict.fromkeys(packages, ("What it is for, in a sentence.", "3 files, 1 200 lines"))
    imports = house.imports_between_packages()
    drawn = ET.fromstring(architecture.picture(told, imports, which))
    assert {a.get("href") for a in drawn.iter("a")} == {f"#package-{name}" for name in packages}
    titles = [title.text for title in drawn.iter("title")]
    assert len(titles) == len(imports)
    count = imports["engines", "core"]
    assert f"engines imports core: {count} imports" in titles
    tops = {a.get("href"): float(a.find("rect").get("y")) for a in drawn.iter("a")}
    assert [tops[f"#package-{name}"] for name in house.PACKAGES] == sorted(
        (tops[f"#package-{name}"] for name in house.PACKAGES), reverse=True
    )
    assert tops["#package-native"] == tops["#package-engines"]


def test_the_way_leads_from_fit_to_a_step_of_an_engine(architecture):
    way = architecture.way_to_the_engine()
    assert way[0] == "estimators/base.py::BaseMLP.fit"
    assert re.fullmatch(r"engines/\w+\.py::\w+\.advance", way[-1])
    assert any(place.startswith("training/trainer.py::") for place in way)


@pytest.mark.parametrize("package", house.PACKAGES)
def test_every_package_and_module_says_what_it_is_for(package):
    for path in (house.ROOT / package).rglob("*.py"):
        assert len(house.first_line(path)) > 10, path

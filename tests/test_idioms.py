"""What people write around scikit-learn's MLP in public code prints the same with ours.

The oracle is scikit-learn's own classes: every idiom of tests/idioms_*.py runs once with them and
once with ours, and the two texts are compared. Those of `DIFFERENT` differ on purpose: each is
refused with a way out, warned of, or named by a row of the page for those who come from there.
"""

import re
from importlib import import_module
from pathlib import Path

import pytest
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

import backpass
from idioms import IDIOMS, run

for _file in sorted(Path(__file__).parent.glob("idioms_*.py")):
    import_module(_file.stem)  # which fills the table
DIFFERENT = import_module("idioms_different").DIFFERENT
ALIKE = [name for name in IDIOMS if name not in DIFFERENT]
PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "from-scikit-learn.md"


def both(name):
    """Return what an idiom does with scikit-learn's classes, and with ours."""
    theirs = run(name, SklearnClassifier, SklearnRegressor)
    assert theirs.error is None, theirs.text
    assert theirs.text.strip(), "it prints nothing"
    return theirs, run(name, backpass.MLPClassifier, backpass.MLPRegressor)


@pytest.mark.parametrize("name", ALIKE)
def test_prints_what_it_prints_with_scikit_learn(name):
    theirs, ours = both(name)
    assert ours.text == theirs.text


@pytest.mark.parametrize("name", DIFFERENT)
def test_differs_as_it_is_meant_to(name):
    difference = DIFFERENT[name]
    theirs, ours = both(name)
    assert ours.text != theirs.text, "it is alike: move it from DIFFERENT"
    if difference.how == "raises":
        assert ours.error is not None, ours.text
        assert isinstance(ours.error, ValueError | TypeError | AttributeError), repr(ours.error)
        assert str(ours.error).isprintable()
        assert re.search(difference.says, str(ours.error)), str(ours.error)
    else:
        assert ours.error is None, ours.text
    if difference.how == "warns":
        assert any(re.search(difference.says, message) for message in ours.warnings)


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not in this checkout")
@pytest.mark.parametrize("row", sorted({d.row for d in DIFFERENT.values()}))
def test_the_page_names_what_differs(row):
    assert row in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_there_are_enough_of_them():
    assert len(ALIKE) >= 75
    assert set(DIFFERENT) <= set(IDIOMS)

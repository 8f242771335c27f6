"""scikit-learn's own tests of its MLP, run on ours: the drop-in promise, by people who are not us.

The installed file of scikit-learn is read, its import is changed, and every test in it is
collected here. The ones left out are named with the reason.
"""

import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

LEFT_OUT = {
    "test_fit": "builds an estimator out of private parts, without fit",
    "test_gradient": "calls the private _loss_grad_lbfgs; tests/test_backprop.py checks gradients",
    "test_learning_rate_warmstart": "reads the private _optimizer",
    "test_adaptive_learning_rate": "reads the private _optimizer; tests/test_training.py has ours",
    "test_nonfinite_params": "asks for scikit-learn's words, which do not say where; ours do",
    "test_early_stopping_stratified": "calls class 1 True; ours names it as the user wrote it",
    "test_mlp_diverging_loss": "wants a diverged fit to pass silently; ours stops and says where",
}

SPEC = find_spec("sklearn.neural_network")
PATH = Path(SPEC.origin).parent / "tests" / "test_mlp.py"
SOURCE = PATH.read_text(encoding="utf-8")
CHANGED = re.sub(
    r"from sklearn\.neural_network import MLPClassifier, MLPRegressor",
    "from backpass import MLPClassifier, MLPRegressor",
    SOURCE,
)
assert CHANGED != SOURCE, "scikit-learn's test file imports its MLP in another way: look at it"

MODULE: dict = {"__name__": __name__}
exec(compile(CHANGED, str(PATH), "exec"), MODULE)
TESTS = {
    name: function
    for name, function in MODULE.items()
    if name.startswith("test_") and inspect.isfunction(function)
}
for _name, _function in TESTS.items():
    if _name not in LEFT_OUT:
        globals()[_name] = pytest.mark.filterwarnings("default")(_function)


@pytest.fixture
def global_random_seed():
    return 42


def test_nothing_else_is_left_out():
    assert set(LEFT_OUT) <= set(TESTS)
    assert len(TESTS) - len(LEFT_OUT) >= 30

"""The program that trains on extreme numbers finds nothing wrong, and notices what would be."""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.errors import InputError, NonFiniteError

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "reliability").is_dir(), reason="reliability/ is not in this checkout"
)


@pytest.fixture
def program(monkeypatch):
    """Import a module of the programs, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"reliability.{name}")


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="longdouble is float64 here")
def test_networks_of_every_kind_end_right_or_stop(program):
    counts = program("_extreme_training").networks(cases=165, seed=11)
    assert counts.wrong == []
    assert counts.runs == 330
    assert min(counts.right, counts.stopped, counts.refused, counts.compared) > 10
    extremes = program("_extremes")
    for name in ("loss", "hidden", "optimizer", "features"):
        met = {key for key in counts.met if key.startswith(f"{name}=")}
        registered = {"loss": LOSSES, "hidden": extremes.HIDDEN, "optimizer": OPTIMIZERS}
        want = list(registered.get(name, extremes.FEATURES))
        assert met == {f"{name}={value}" for value in want}
    assert {f"output={output}" for _, output in extremes.PAIRS} <= set(counts.met)


def test_estimators_and_tables_end_right_or_stop(program):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    numbers, drawn = program("numbers"), program("_extreme_models")
    fits = numbers.models(60, 3, drawn.draw_fit, drawn.fit_once)
    tables = numbers.models(12, 3, drawn.draw_table, drawn.model_once)
    assert fits["silent"] == tables["silent"] == 0
    assert min(fits["right"], fits["stopped"], tables["right"]) > 2


def test_logits_give_the_right_cost_gradient_and_probabilities(program):
    found = program("numbers").judge_logits(every=7)
    assert dict(found) == {"right": 612}


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="longdouble is float64 here")
def test_the_program_notices_what_is_wrong(program):
    training, extremes = program("_extreme_training"), program("_extremes")
    case = extremes.Case(
        "tanh", "squared_error", "identity", "sgd", "float64", "ordinary", "ordinary"
    )
    network, counts = case.network(), training.Counts()
    good = training.run(case, "native", counts, None)
    assert good.error is None
    training.compare_first_loss(case, good, counts)
    assert counts.compared == 1
    off = training.End(None, [good.losses[0] * (1 + 1e-12)], 1.0)
    with pytest.raises(extremes.Wrong, match="the first loss is"):
        training.compare_first_loss(case, off, counts)
    early = NonFiniteError("the loss is inf in epoch 1, step 1, at learning rate 1")
    with pytest.raises(extremes.Wrong, match="stopped at once, where no number is above"):
        training.compare_first_loss(case, training.End(early, [], 0.0), counts)
    with pytest.raises(extremes.Wrong, match="the engines judge apart"):
        training.judge_alike(case, [good, training.End(early, [], 0.0)], counts)
    with pytest.raises(extremes.Wrong, match="one engine refuses"):
        training.judge_alike(case, [good, training.End(InputError("no"), [], 0.0)], counts)
    for error, unchanged, what in [
        (early, False, "the network is not as it was"),
        (NonFiniteError("the loss is inf"), True, "does not say where"),
        (InputError("two\nlines"), True, "not one line"),
    ]:
        with pytest.raises(extremes.Wrong, match=what):
            training.judge_stop(error, unchanged)
    with pytest.raises(extremes.Wrong, match="losses are not finite"):
        training.judge_end(network, np.ones((4, 3)), [1.0, math.nan])
    network.parameters.flat[3] = math.inf
    with pytest.raises(extremes.Wrong, match="parameters are not finite"):
        training.judge_end(network, np.ones((4, 3)), [1.0])


def test_the_program_notices_a_wrong_cost(program, monkeypatch):
    module = program("_logits")
    case = module.Logits("cross_entropy", "float64", "native", (1e4, -1e4, 0.0), 1)
    assert module.wrong_with(case) is None
    exact = module.exact
    for part in range(3):

        def off(*arguments, part=part):
            cost, gradient, p = exact(*arguments)
            if part == 0:
                cost = cost * (1 + 1e-13)
            elif part == 1:
                gradient = [g + 1e-13 for g in gradient]
            else:
                p = [x + 1e-13 for x in p]
            return cost, gradient, p

        monkeypatch.setattr(module, "exact", off)
        assert "not" in module.wrong_with(case)

"""The benchmarks run, count right, and give every program the same work.

Nothing here looks at how long anything took.
"""

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
INPUTS, HIDDEN, CLASSES = 8, 16, 3


@pytest.fixture
def module(monkeypatch):
    """Import a module of the benchmarks, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def run(name, *options):
    """Run a benchmark's smoke and return what it printed, and its results."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", "--short", "--json", str(file)]
        done = subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads(file.read_text(encoding="utf-8"))


# --- counting and averaging ------------------------------------------------------------------


def test_operations_of_a_step_are_those_of_its_products(module):
    """Every multiply-add of F1, B2a and B3 counted by hand for 2-3-4 and 5 rows."""
    forward = 5 * (2 * 3 + 3 * 4)
    back = 5 * 3 * 4  # to the activations of layer 1, not to the inputs
    gradients = 5 * (2 * 3 + 3 * 4)
    assert module("_common").step_flops([2, 3, 4], 5) == 2 * (forward + back + gradients)


def test_an_epoch_counts_its_small_last_batch(module):
    common = module("_common")
    config = common.Config((2, 3, 4), 5, 12)
    steps = [common.step_flops(config.sizes, rows) for rows in (5, 5, 2)]
    assert (config.steps, common.epoch_flops(config)) == (3, sum(steps))


def test_the_ratio_is_taken_round_by_round(module):
    common = module("_common")
    ratio = common.ratios([2.0, 9.0, 8.0], [1.0, 3.0, 2.0])
    assert (ratio.median, ratio.least, ratio.most) == (3.0, 2.0, 4.0)
    assert f"{ratio:.1f}" == "3.0 (2.0 to 4.0)"
    with pytest.raises(ValueError, match="shorter"):
        common.ratios([1.0, 2.0], [1.0])


def test_the_common_loss_is_the_networks(module):
    from backpass import Network

    common = module("_common")
    sizes = (INPUTS, HIDDEN, CLASSES)
    X, y = common.learnable(5000, INPUTS, CLASSES)
    layers = common.layers_of(sizes, common.first_parameters(sizes))
    weights, biases = zip(*layers, strict=True)
    network = Network.from_arrays(weights, biases, "relu", "softmax", "cross_entropy")
    # float32: each of the 5000 losses is rounded, and so is their sum
    assert common.final_loss(layers, X, y) == pytest.approx(network.loss(X, y), rel=1e-5)


def test_targets_are_found_for_every_loss(module):
    from backpass.core.losses import LOSSES

    registry = module("registry")
    for loss in LOSSES.records():
        assert len(registry.targets_for(loss, 20, CLASSES)) == 20
    assert {v.loss.partition(":")[0] for v in registry.variants().values()} == set(LOSSES)


# --- the workers -----------------------------------------------------------------------------


def test_a_worker_that_cannot_work_says_why(module):
    processes = module("_processes")
    with processes.Workers([processes.Worker("a", "no_such_module:A", {})], quiet=True) as none:
        assert list(none) == []
    worker = processes.Worker("a", "no_such_module:A", {})
    with pytest.raises(processes.Missing, match="no_such_module is not installed: pip install"):
        worker.ready()
    worker.close()


@pytest.mark.slow
def test_every_program_takes_the_same_steps(module):
    """With all rows in each batch the order is no matter, and the losses have to agree."""
    training = module("training")
    config = module("_common").Config((INPUTS, HIDDEN, CLASSES), 200, 200)
    losses = training.measure(config, ["reference", "native", "sklearn"], 5)["losses"]
    assert len(losses) >= 3
    # five steps of Adam, float32: it divides by gradients, whose rounding so counts fully
    assert np.ptp(list(losses.values())) <= 1e-4 * losses["reference"], losses


# --- the programs ----------------------------------------------------------------------------


@pytest.mark.slow
def test_training():
    told, results = run("training", "--peers", "reference", "sklearn", "sgemm")
    (measured,) = results["results"].values()
    assert len(measured["seconds"]["reference"]) == 2
    assert "fastest peer / ours" in told
    assert all(0 < loss < np.log(CLASSES) + 1 for loss in measured["losses"].values())


@pytest.mark.slow
def test_training_steps():
    told, results = run("training", "--steps")
    (seconds,) = results["results"].values()
    assert "libxsmm-dnn" in told
    assert min(seconds["Adam, shuffled, uint8"]) > 0


@pytest.mark.slow
def test_prediction():
    told, results = run("prediction")
    assert "scikit-learn, 1 thread" in told
    (measured,) = results["results"].values()
    assert max(measured["differences"].values()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("start", "import backpass"),
        ("registry", "loss: hinge"),
        ("estimators", "scikit-learn, one BLAS thread"),
    ],
)
def test_the_other_programs(name, expected):
    told, results = run(name)
    assert expected in told
    assert results["results"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="RssAnon is Linux's")
def test_scaling():
    told, results = run("scaling")
    assert "memmap" in told
    assert results["results"]["memory"]["uint8"]["grown"] > 0


def test_ranks_are_shared_and_a_fit_that_failed_is_last(module):
    tables = module("tables")
    rows = [
        {"table": "t", "model": name, "loss": loss, "note": note}
        for name, loss, note in (
            ("a", "0.1", ""), ("a", "0.3", ""), ("b", "0.2", ""), ("c", "", "more than 600 s"),
            ("single network", "0.0", ""),
        )
    ]  # fmt: skip
    assert tables.ranks(tables.means(rows, "loss")) == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_who_is_worse_is_told_by_the_corrected_test_over_common_splits(module):
    tables = module("tables")
    losses = {"ours": [1.1, 2.2, 3.3, 9.0], "theirs": [1.0, 2.0, 3.0]}  # the fourth is alone
    rows = [
        {"table": "t", "model": model, "split": str(split), "loss": str(loss)}
        for model, told in losses.items()
        for split, loss in enumerate(told)
    ]
    # the mean of 0.1, 0.2, 0.3 over √((1/3 + 1/3) · 0.01): t = 2.449 with two degrees of freedom
    assert tables.worse_than(rows, "ours", "theirs") == {"t": pytest.approx(0.0670, abs=1e-4)}
    assert tables.worse_than(rows, "theirs", "ours") == {}

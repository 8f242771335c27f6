"""The counts of operations and bytes: by hand for a small network, and as the page has them."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def counts(monkeypatch):
    """Return the module, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.counts")


def test_the_page_has_the_counts_and_the_measured_times(counts):
    text = counts.PAGE.read_text(encoding="utf-8")
    assert counts.fill(text, counts.RESULTS) == text, "run: python -m benchmarks.counts"


def test_kernels_of_a_small_network_by_hand(counts):
    """2-3-4 and 5 rows: 6 + 12 weights, 3 + 4 biases."""
    found = counts.counts(counts.Config((2, 3, 4), 5, 10))
    assert found == {
        "gather": (0, 5 * 2 * (4 + 4)),
        "F1": (2 * 5 * 18, 4 * ((10 + 6 + 15) + (15 + 12 + 20))),
        "F2, ReLU": (2 * 15, 3 * 4 * 15),
        "C and B1, softmax": (11 * 20 + 3 * 5, 4 * 3 * 20 + 12 * 5),
        "B2a": (2 * 5 * 12, 4 * (20 + 12 + 15)),
        "B2b": (15, 3 * 4 * 15),
        "B3": (2 * 5 * 18, 4 * ((10 + 15) + (15 + 20))),
        "B4": (15 + 20, 4 * (15 + 20)),
        "U, Adam": (17 * 25, 6 * 4 * 25),
        "transposed copy": (0, 4 * 12),
    }
    assert counts.state_bytes((2, 3, 4)) == 4 * (3 * 25 + 12)


def test_the_products_are_those_that_training_counts(counts):
    common = importlib.import_module("benchmarks._common")
    for config in counts.CONFIGS:
        found = counts.counts(config)
        products = sum(found[kernel][0] for kernel in ("F1", "B2a", "B3"))
        assert products == common.step_flops(config.sizes, config.batch)


def test_cycles_count_whole_panels(counts):
    """17-16-2 and 4 rows: panels of 16 make it 32-16-16, but k runs over 17 and 16."""
    parts, each = counts.cycles(counts.Config((17, 16, 2), 4, 8)), counts.CYCLES
    dense = 4 * (17 * 1 + 16 * 1) + 4 * 2 * 1
    assert parts["F1, B2a"] == pytest.approx(dense * each["multiply-add, F1 and B2a"])
    assert parts["B3"] == pytest.approx(4 * (32 + 16) * each["multiply-add, B3"])
    assert parts["F2"] == pytest.approx(4 * each["F2, a vector"])
    assert parts["C, B1"] == pytest.approx(4 * each["C and B1, a row"])
    assert parts["U"] == pytest.approx((32 + 16 + 1 + 1) * each["U, a vector"])
    assert parts["transposed copy"] == pytest.approx(16 * each["transposed copy, a vector"])


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (123, "0.000123"), (43.27e6, "43.3"), (5_963e6, "5 963")]
)
def test_counts_are_shown_in_millions(counts, number, text):
    assert counts.shown(number) == text

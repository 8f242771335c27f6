"""The rows held out are scikit-learn's for the same seed, and so is what is drawn after them."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from backpass.estimators.validation import hold_out


def outcome(split):
    """Return what a split gives, or what it says."""
    try:
        return [np.asarray(rows).tolist() for rows in split()]
    except ValueError as error:
        return str(error)


@given(
    n=st.integers(1, 300),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
    n_classes=st.integers(0, 4),
)
def test_the_split_is_scikit_learns(n, fraction, seed, n_classes):
    classes = np.random.default_rng(seed).integers(0, n_classes, n) if n_classes else None
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    got = outcome(lambda: hold_out(n, fraction, ours, classes))
    want = outcome(
        lambda: train_test_split(
            np.arange(n), test_size=fraction, random_state=theirs, stratify=classes
        )
    )
    assert got == want
    if isinstance(want, list):
        assert ours.randint(1 << 30) == theirs.randint(1 << 30)


@pytest.mark.parametrize("stratified", [False, True])
def test_it_takes_few_numbers_a_row(stratified):
    n = 200_000
    classes = np.arange(n) % 2 if stratified else None
    hold_out(10, 0.5, np.random.RandomState(0), None if classes is None else classes[:10])
    tracemalloc.start()
    try:
        hold_out(n, 0.1, np.random.RandomState(0), classes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 8 * n

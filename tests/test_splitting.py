"""Splits: seeded, stratified, and no class is lost to training."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.errors import TableError, TableWarning
from backpass.tabular.selection import split_rows


def names(y):
    return tuple("abcdefghijklmnopqrstuvwxyz"[: int(max(y)) + 1])


def test_every_row_is_in_one_part():
    kept, held = split_rows(np.zeros(101), 0.2, 0)
    assert len(held) == 20
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(101))
    assert np.array_equal(kept, np.sort(kept))


def test_the_seed_decides():
    y = np.arange(100.0)
    assert np.array_equal(split_rows(y, 0.2, 1)[1], split_rows(y, 0.2, 1)[1])
    assert not np.array_equal(split_rows(y, 0.2, 1)[1], split_rows(y, 0.2, 2)[1])


def test_classes_keep_their_shares():
    y = np.repeat([0, 1, 2], [700, 250, 50])
    _, held = split_rows(y, 0.2, 3, classes=("a", "b", "c"))
    assert np.bincount(y[held]).tolist() == [140, 50, 10]


def test_a_class_of_one_row_is_kept_with_a_warning():
    y = np.array([0] * 10 + [1] * 10 + [2])
    with pytest.warns(TableWarning, match="1 class has one row only and is kept.*'c'"):
        kept, _ = split_rows(y, 0.2, 0, classes=("a", "b", "c"))
    assert 20 in kept
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_rows(y, 0.2, 0, classes=("a", "b", "c"), quiet=True)


def test_many_classes_of_one_row_give_one_warning():
    y = np.array([0] * 30 + list(range(1, 9)))
    with pytest.warns(TableWarning, match="8 classes have one row only") as told:
        split_rows(y, 0.2, 0, classes=names(y))
    assert len(told) == 1
    assert "…" in str(told[0].message)


def test_a_target_of_names_is_refused():
    y = np.arange(30)
    with pytest.raises(TableError, match="30 of 30 rows have a class of their own"):
        split_rows(y, 0.2, 0, classes=tuple(map(str, y)))


@pytest.mark.parametrize(
    ("n", "fraction"), [(1, 0.2), (2, 0.2), (4, 0.1), (10, 0.99), (3, 0.9), (0, 0.5)]
)
def test_too_few_rows_are_refused(n, fraction):
    with pytest.raises(TableError, match="too few"):
        split_rows(np.zeros(n), fraction, 0)


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=60),
    st.floats(0.02, 0.95),
    st.integers(0, 2**32 - 1),
)
def test_either_refused_or_sound(classes, fraction, seed):
    _, y = np.unique(classes, return_inverse=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kept, held = split_rows(y, fraction, seed, classes=names(y))
        except TableError:
            return
    assert len(kept)
    assert len(held)
    assert sorted([*kept, *held]) == list(range(len(y)))
    assert set(y[kept]) == set(y), "a class was lost to training"

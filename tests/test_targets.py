"""Targets: what is a class and what a quantity, and the way to numbers and back."""

import datetime

import numpy as np
import polars as pl
import pytest

from backpass.errors import TableError
from backpass.storage.schema import AnyOf, check
from backpass.tabular.targets import (
    TARGET_SCHEMAS,
    ClassTarget,
    NumberTarget,
    explain_task,
    target_from_state,
)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b", "a"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        ([0.0, 1.0, None], "classification"),
        ([3] * 10 + [4] * 10 + [5] * 10, "classification"),
        ([3] * 10 + [4] * 10 + [5] * 9, "regression"),
        (list(range(20)) * 10, "classification"),
        (list(range(21)) * 20, "regression"),
        ([0.5, 1.5] * 50, "regression"),
        ([0.0, 1.0, float("nan")], "classification"),
        ([datetime.date(2020, 1, 1)], "regression"),
        ([datetime.timedelta(1)], "regression"),
    ],
)
def test_the_task_is_guessed_and_explained(values, task):
    column = pl.Series("y", values)
    guessed, why = explain_task(column)
    assert guessed == task
    assert why


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "x"], ("9", "10", "x")),
        ([10, 9, 10], ("9", "10")),
        ([-1, 1], ("-1", "1")),
        ([1.0, 2.0], ("1", "2")),
        ([0.5, 1.5], ("0.5", "1.5")),
        ([True, False], ("false", "true")),
        (["true", "perhaps"], ("perhaps", "true")),
    ],
)
def test_classes_go_to_numbers_and_back(values, classes):
    column = pl.Series("y", values)
    target = ClassTarget.fit(column)
    assert target.classes == classes
    codes = target.encode(column)
    assert [classes[c] for c in codes] == [
        str(v).lower() if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
        for v in values
    ]
    back = target.decode(codes)
    assert back.name == "y"
    if values != [0.5, 1.5]:  # no whole numbers: predictions are texts
        assert back.to_list() == values
    state = target.state()
    check(state, AnyOf(*TARGET_SCHEMAS.values()))
    assert target_from_state(state) == target


def test_one_class_is_refused_by_name():
    with pytest.raises(TableError, match="'y' has one class only, 'a'"):
        ClassTarget.fit(pl.Series("y", ["a", "a"]))


def test_an_unknown_class_is_refused_by_name():
    target = ClassTarget.fit(pl.Series("y", ["a", "b"]))
    with pytest.raises(TableError, match=r"'y' has a class that training had not: 'c'.*a, b"):
        target.encode(pl.Series("y", ["a", "c"]))


@pytest.mark.parametrize("robust", [False, True])
def test_quantities_go_to_scaled_numbers_and_back(robust):
    y = pl.Series("y", np.random.default_rng(0).normal(100, 15, 1000))
    target = NumberTarget.fit(y, robust=robust)
    scaled = target.encode(y)
    assert abs(scaled.mean()) < 0.1
    assert 0.9 < scaled.std() < 1.1
    assert np.allclose(target.decode(scaled), y)
    assert target_from_state(target.state()) == target


def test_robust_scale_falls_back_where_most_are_equal():
    target = NumberTarget.fit(pl.Series("y", [0.0] * 9 + [1.0]), robust=True)
    assert target.scale > 0


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 9e299])
def test_huge_and_tiny_numbers_are_scaled_without_overflow(size):
    column = pl.Series("y", [size * v for v in (0.1, 0.5, -0.3, 1.0)])
    with np.errstate(all="raise"):
        target = NumberTarget.fit(column)
        scaled = target.encode(column)
    assert np.isfinite(scaled).all()
    assert scaled.std() == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([5.0, 5.0], "is 5 in every row"),
        ([1.0, float("inf")], "row 2: inf is infinite"),
        (["1", "x"], "row 2: 'x' is not a number"),
        ([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], "dates"),
    ],
)
def test_unusable_quantities_are_refused(values, message):
    with pytest.raises(TableError, match=message):
        NumberTarget.fit(pl.Series("y", values))


def test_durations_are_days():
    target = NumberTarget.fit(pl.Series("y", [datetime.timedelta(1), datetime.timedelta(3)]))
    assert target.center == 2


def test_extreme_targets_are_pointed_out():
    import polars as pl

    from backpass.errors import TableWarning
    from backpass.tabular.targets import NumberTarget

    usual = [float(i % 50) for i in range(200)]
    NumberTarget.fit(pl.Series("y", usual))
    with pytest.warns(TableWarning, match="target 'y' has extreme values, 0 to 100000"):
        NumberTarget.fit(pl.Series("y", [*usual, 1e5]))


TRUTHS = [(["TRUE", "FALSE"], [1, 0]), ([1, 0], [True, False])]


@pytest.mark.parametrize(("learnt", "given"), TRUTHS)
def test_truth_is_the_same_in_words_and_numbers(learnt, given):
    target = ClassTarget.fit(pl.Series("y", learnt))
    codes = [target.encode(pl.Series("y", values)).tolist() for values in (learnt, given)]
    assert codes[0] == codes[1]
    with pytest.raises(TableError, match="a class that training had not"):
        ClassTarget.fit(pl.Series("y", [1, 2])).encode(pl.Series("y", [True]))


def test_an_unknown_class_is_named_with_its_row():
    target = ClassTarget.fit(pl.Series("y", ["a", "b"]))
    with pytest.raises(TableError, match="had not: 'c' in row 2; known: a, b"):
        target.encode(pl.Series("y", ["a", "c"]))

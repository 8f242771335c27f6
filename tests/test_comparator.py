"""The comparator and the oracles are themselves held to known-wrong answers."""

import numpy as np
import pytest

from helpers import (
    EPS,
    Case,
    assert_close,
    assert_identical,
    autograd_gradients,
    centred,
    centred_gradients,
    complex_step,
    complex_step_gradients,
    differences_tolerance,
    draw_case,
    gradient_tolerance,
    unregistered,
)

RIGHT = np.arange(1.0, 10.0).reshape(3, 3)


def one_off(x):
    x = x.copy()
    x[2, 1] += 1e-9
    return x


def one_nan(x):
    x = x.copy()
    x[1, 1] = np.nan
    return x


WRONG = {
    "transposed": lambda x: x.T,
    "doubled": lambda x: 2 * x,
    "halved": lambda x: x / 2,
    "negated": lambda x: -x,
    "one entry off": one_off,
    "one NaN": one_nan,
    "all NaN": lambda x: x * np.nan,
    "infinite": lambda x: x + np.inf,
    "rows swapped": lambda x: x[::-1],
    "zero": np.zeros_like,
    "flat": np.ravel,
    "one row": lambda x: x[:1],
    "a scalar that would broadcast": lambda x: x[0, 0],
    "same mean": lambda x: np.full_like(x, x.mean()),
}


def test_equal_arrays_pass():
    assert_close(RIGHT, RIGHT.copy(), 0.0)
    assert_close(RIGHT * (1 + EPS), RIGHT, 2 * EPS * RIGHT)
    assert_close(2.0, 2.0, 0.0)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_arrays_fail(wrong):
    with pytest.raises(AssertionError):
        assert_close(wrong(RIGHT), RIGHT, 1e-12)
    with pytest.raises(AssertionError):
        assert_close(RIGHT, wrong(RIGHT), 1e-12)


def test_non_finite_numbers_are_compared_not_skipped():
    special = np.array([np.nan, np.inf, -np.inf])
    assert_close(special, special.copy(), 0.0)
    for i, other in [(0, 1.0), (1, np.nan), (1, -np.inf), (2, 1e308)]:
        changed = special.copy()
        changed[i] = other
        with pytest.raises(AssertionError, match=rf"1 of 3 differ; first at \({i},\)"):
            assert_close(changed, special, 1e300)


@pytest.mark.parametrize("tolerance", [np.inf, np.nan, -1e-3])
def test_a_tolerance_that_passes_everything_is_refused(tolerance):
    with pytest.raises(AssertionError, match="tolerance"):
        assert_close(RIGHT, RIGHT, tolerance)


def test_a_scalar_difference_is_reported():
    with pytest.raises(AssertionError, match="cost: 1 of 1 differ"):
        assert_close(1.0, 2.0, 0.5, "cost")


def test_identical_sees_a_bit_a_sign_and_a_dtype():
    assert_identical(RIGHT, RIGHT.copy())
    for other in (RIGHT * (1 + EPS), RIGHT.astype(np.float32), RIGHT.ravel()):
        with pytest.raises(AssertionError):
            assert_identical(other, RIGHT)
    with pytest.raises(AssertionError):
        assert_identical(np.array([-0.0]), np.array([0.0]))


def test_difference_oracles_know_the_sine():
    x = np.linspace(-3, 3, 41)
    assert_close(complex_step(np.sin, x), np.cos(x), EPS)
    assert_close(centred(np.sin, x), np.cos(x), 10 * EPS**0.8)


def test_no_formula_outlives_its_record():
    assert not list(unregistered())


MISTAKES = {
    "1/N applied twice": lambda case, g: g / case.s.size,
    "1/N forgotten": lambda case, g: g * case.s.sum(),
    "sign": lambda case, g: -g,
    "factor 2": lambda case, g: 2 * g,
    "one bit in a million": lambda case, g: g * (1 + 1e-9),
    "shifted by one": lambda case, g: np.roll(g, 1),
    "last entry forgotten": lambda case, g: np.append(g[:-1], 0.0),
    "unweighted": lambda case, g: Case(
        case.model, case.X, case.y, np.ones_like(case.s), case.alpha
    ).run()[1].flat,
    "penalty forgotten": lambda case, g: Case(case.model, case.X, case.y, case.s).run()[1].flat,
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_the_derived_tolerance_catches_the_known_mistakes(mistake):
    case = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", alpha=0.3, n=7)
    J, gradients = case.run()
    tolerance, _ = gradient_tolerance(case)
    wrong = mistake(case, gradients.flat)
    for right in (autograd_gradients(case)[1], complex_step_gradients(case)[0]):
        assert_close(gradients.flat, right, tolerance)
        with pytest.raises(AssertionError):
            assert_close(wrong, right, tolerance)
    rough = centred_gradients(case)[0]
    assert_close(gradients.flat, rough, differences_tolerance(case, J))
    if mistake is not MISTAKES["one bit in a million"]:
        with pytest.raises(AssertionError):
            assert_close(wrong, rough, differences_tolerance(case, J))


def test_the_derived_tolerance_is_tight():
    """It stays below a hundred-thousandth of a millionth of the gradient's own size."""
    for hidden in ("relu", "gelu", "mish"):
        case = draw_case([3, 5, 4, 2], hidden, "softmax", "cross_entropy", n=7)
        tolerance, tolerance_X = gradient_tolerance(case)
        gradients = case.run()[1]
        assert tolerance.max() < 1e-11 * np.abs(gradients.flat).max()
        assert tolerance_X.max() < 1e-11 * np.abs(gradients.inputs).max()

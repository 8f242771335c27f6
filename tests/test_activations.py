"""Every registered activation: value, derivative, extremes, kinks."""

import math
import warnings

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from backpass.core import activations
from backpass.core.activations import ACTIVATIONS
from backpass.errors import InputError
from helpers import (
    DIGITS,
    EPS,
    SELU_ALPHA,
    SELU_SCALE,
    STEP,
    activation_formula,
    assert_close,
    assert_identical,
    centred,
    complex_step,
    in_digits,
    specs,
)

ALL = specs(ACTIVATIONS)
ELEMENTWISE = [spec for spec in ALL if ACTIVATIONS.get_record(spec).elementwise]
UNBOUNDED_ABOVE = {"exp"}  # overflows, as the exponential does


def points(phi, margin=0.0):
    """Points of the domain, off the kinks by at least `margin`."""
    drawn = np.random.default_rng(0).uniform(*phi.domain, 40)
    z = np.concatenate([np.linspace(*phi.domain, 41), drawn])
    return np.array([x for x in z if all(abs(x - kink) > margin for kink in (0.0, *phi.kinks))])


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_value_in_400_digits(spec):
    phi = ACTIVATIONS.get_record(spec)
    z = np.append(points(phi), [0.0, -0.0, 1e-300, -1e-300, 1e-9, -1e-9])
    # a few roundings of the value and of z (times the slope, at most 1 + |value|); gelu's Φ by erf
    # is exact to eps absolutely, not relatively
    want = in_digits(activation_formula(phi, DIGITS), z)
    assert_close(phi.value(z), want, 4 * EPS * (abs(want) * (1 + abs(z)) + abs(z)))


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_derivative_in_400_digits(spec):
    phi = ACTIVATIONS.get_record(spec)
    z = points(phi)
    with mpmath.workdps(60):
        f = activation_formula(phi, DIGITS)
        want = np.array([float(mpmath.diff(f, mpmath.mpf(float(x)))) for x in z])
    got = phi.derivative(z, phi.value(z))
    # it is computed from a, which carries eps·(1 + |a|), through |φ''| ≤ 2 (exp: through a)
    assert_close(got, want, 4 * EPS * (1 + abs(z)) * np.maximum(2, abs(want)))


@pytest.mark.parametrize("spec", [s for s in ELEMENTWISE if ACTIVATIONS.get_record(s).analytic])
def test_derivative_is_the_complex_step(spec):
    phi = ACTIVATIONS.get_record(spec)
    z = points(phi)  # on both sides of the kinks
    got = phi.derivative(z, phi.value(z))
    assert_close(got, complex_step(phi.value, z), 8 * EPS * (1 + abs(z)) * np.maximum(2, abs(got)))


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_derivative_is_the_centred_difference(spec):
    phi = ACTIVATIONS.get_record(spec)
    z = points(phi, margin=2e-3)
    got = phi.derivative(z, phi.value(z))
    size = np.maximum(1, abs(phi.value(z)))
    assert_close(got, centred(phi.value, z), 100 * EPS**0.8 * size)


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_derivative_at_a_kink_is_the_left_one(spec):
    phi = ACTIVATIONS.get_record(spec)
    for kink in phi.kinks:
        at = np.array([[kink]])
        left = np.array([[np.nextafter(kink, -np.inf)]])
        right = np.array([[kink + 1e-9]])
        d_at, d_left, d_right = (phi.derivative(z, phi.value(z)).item() for z in (at, left, right))
        assert d_at == pytest.approx(d_left, abs=2 * EPS)
        assert abs(d_right - d_at) > 1e-3, "no jump: not a kink"


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_the_declared_kinks_are_all_of_them(spec):
    """Away from the declared kinks the derivative has no jump."""
    phi = ACTIVATIONS.get_record(spec)
    z = np.linspace(*phi.domain, 4001)
    slope = phi.derivative(z, phi.value(z))
    step = (phi.domain[1] - phi.domain[0]) / 4000
    jumps = np.abs(np.diff(slope)) > 3 * step * np.maximum(1, abs(slope[1:]))
    near = np.zeros_like(jumps)
    for kink in phi.kinks:
        near |= (z[:-1] - step <= kink) & (kink <= z[1:] + step)
    assert not (jumps & ~near).any()
    assert jumps.any() == bool(phi.kinks)


SCIPY = {
    "logistic": scipy.special.expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "elu": lambda z: np.where(z > 0, z, scipy.special.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * scipy.special.ndtr(z),
    "silu": lambda z: z * scipy.special.expit(z),
    "softplus": lambda z: np.logaddexp(0, z),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "exp": np.exp,
}


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value_is_scipys(name, dtype):
    phi = ACTIVATIONS.get_record(name)
    z = points(phi).astype(dtype)
    want = SCIPY[name](z.astype(float))
    got = phi.value(z)
    assert got.dtype == dtype
    assert phi.derivative(z, got).dtype == dtype
    eps = np.finfo(dtype).eps
    assert_close(got.astype(float), want, 4 * eps * (abs(want) * (1 + abs(z)) + abs(z)))


def test_softmax_is_scipys():
    z = np.random.default_rng(1).normal(scale=3, size=(6, 5))
    want = scipy.special.softmax(z, axis=1)
    assert_close(activations.softmax().value(z), want, 4 * EPS * want * (5 + abs(z).max()))


def test_softmax_by_hand():
    a = activations.softmax().value(np.log([[1.0, 2.0, 5.0]]))
    assert_close(a, [[0.125, 0.25, 0.625]], 4 * EPS)
    a = np.array([[0.125, 0.25, 0.625]])
    jacobian = activations.softmax().derivative(np.log(a), a)
    assert_identical(
        jacobian[0] * 64,
        np.array([[7.0, -2.0, -5.0], [-2.0, 12.0, -10.0], [-5.0, -10.0, 15.0]]),
    )


def test_softmax_jacobian_is_the_complex_step():
    softmax = activations.softmax()
    z = np.random.default_rng(2).normal(size=(4, 3))
    jacobian = softmax.derivative(z, softmax.value(z))
    assert jacobian.shape == (4, 3, 3)
    for i in range(3):
        moved = z.astype(complex)
        moved[:, i] += STEP * 1j
        assert_close(jacobian[:, :, i], softmax.value(moved).imag / STEP, 8 * EPS)
    assert_close(jacobian.sum(axis=1), np.zeros((4, 3)), 8 * EPS)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6), st.floats(-1e4, 1e4))
def test_softmax_sums_to_one_and_ignores_a_shift(row, shift):
    softmax = activations.softmax()
    z = np.array([row])
    a = softmax.value(z)
    assert (a >= 0).all()
    assert_close(a.sum(), 1.0, 4 * len(row) * EPS)
    # the shift rounds z by eps·(|z| + |shift|), which is what e^z then carries
    assert_close(softmax.value(z + shift), a, 8 * EPS * (1 + abs(z).max() + abs(shift)))


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_overflow_at_ten_thousand(spec, dtype):
    phi = ACTIVATIONS.get_record(spec)
    z = np.array([[-1e4, -745.2, -709.8, -88.8, 88.0, 88.8, 709.8, 1e4]], dtype=dtype)
    if phi.name in UNBOUNDED_ABOVE:
        z = z[z < 88.7][None, :]
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        a = phi.value(z)
        slope = phi.derivative(z, a)
    assert np.isfinite(a).all()
    assert np.isfinite(slope).all()
    if phi.elementwise:
        want = in_digits(activation_formula(phi, DIGITS), z)
        eps = np.finfo(dtype).eps
        # also what z itself, times the slope, was rounded to
        tolerance = 4 * eps * abs(want) * (1 + abs(z)) * 1.0 + eps * abs(z) * (phi.name == "gelu")
        assert_close(a.astype(float), want, tolerance + np.finfo(dtype).tiny)
        assert (slope[0, :2] <= phi.numbers.get("slope", 1.0)).all() or phi.name == "identity"


LIMITS = {  # φ(−∞), φ(∞)
    "identity": (-math.inf, math.inf),
    "logistic": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "leaky_relu": (-math.inf, math.inf),
    "elu": (-1.0, math.inf),
    "selu": (-SELU_SCALE * SELU_ALPHA, math.inf),
    "softplus": (0.0, math.inf),
    "exp": (0.0, math.inf),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_infinity(name):
    got = ACTIVATIONS.get_record(name).value(np.array([-np.inf, np.inf]))
    assert_close(got, LIMITS[name], 2 * EPS * 2)


@pytest.mark.parametrize("spec", ALL)
def test_nan_stays_nan(spec):
    phi = ACTIVATIONS.get_record(spec)
    a = phi.value(np.array([[np.nan, 0.5], [0.25, 0.5]]))
    assert np.isnan(a[0, 0])
    assert np.isfinite(a[1]).all()
    if phi.elementwise:
        assert np.isfinite(a[0, 1])


@pytest.mark.parametrize("spec", ALL)
def test_shapes_and_inputs_are_left_alone(spec):
    phi = ACTIVATIONS.get_record(spec)
    z = np.random.default_rng(3).uniform(*phi.domain, (4, 3))
    kept = z.copy()
    a = phi.value(z)
    kept_a = a.copy()
    slope = phi.derivative(z, a)
    assert a.shape == z.shape
    assert slope.shape == (z.shape if phi.elementwise else (4, 3, 3))
    assert_identical(z, kept)
    assert_identical(a, kept_a)


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_elementwise_means_elementwise(spec):
    phi = ACTIVATIONS.get_record(spec)
    z = np.random.default_rng(3).uniform(*phi.domain, (4, 3))
    one_by_one = np.array([[phi.value(np.array([[x]])).item() for x in row] for row in z])
    # SIMD and scalar code paths of one library function may round differently
    assert_close(phi.value(z), one_by_one, 4 * EPS * np.maximum(abs(one_by_one), abs(z)))


def test_selu_constants_from_their_closed_form():
    assert_close(activations.SELU_SCALE, SELU_SCALE, 0.0)
    assert_close(activations.SELU_ALPHA, SELU_ALPHA, 0.0)


def test_selu_keeps_mean_zero_and_variance_one():
    selu = activations.selu()
    x = np.linspace(-12, 12, 2_400_001)  # 0, the kink, is a node of this trapezoid rule
    density = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    a = selu.value(x)
    step = x[1] - x[0]
    assert_close([(a * density).sum() * step, (a**2 * density).sum() * step], [0.0, 1.0], 1e-9)


def test_values_by_hand():
    """Numbers that a person can check: note 3's derivatives at the centre of each curve."""
    z = np.array([0.0])
    assert activations.logistic().value(z) == 0.5
    assert activations.logistic().derivative(z, np.array([0.5])) == 0.25
    assert activations.tanh().derivative(z, np.array([0.0])) == 1.0
    assert activations.softplus().value(z) == math.log(2)
    assert activations.softplus().derivative(z, None) == 0.5
    assert activations.gelu().derivative(z, z) == 0.5
    assert activations.silu().derivative(z, z) == 0.5
    assert_close(activations.mish().derivative(z, z), [0.6], 2 * EPS)  # tanh(log 2) = 3/5
    assert activations.leaky_relu(0.3).value(np.array([-2.0])) == -0.6
    assert activations.relu().derivative(z, z) == 0.0


@pytest.mark.parametrize(
    "spec", ["leaky_relu:slope=1", "leaky_relu:slope=-0.1", "leaky_relu:slope=nan", "elu:alpha=-1"]
)
def test_numbers_out_of_range(spec):
    with pytest.raises(InputError, match=r"must be at least 0.*, not "):
        ACTIVATIONS.get_record(spec)


@pytest.mark.parametrize("phi", ACTIVATIONS.records(), ids=lambda phi: phi.name)
def test_records_say_where_they_come_from(phi):
    assert phi.derivation
    assert phi.source
    assert phi.domain[0] < phi.domain[1]
    assert ACTIVATIONS[phi.name].__doc__

"""The native engine's elementary functions and activations, in every instruction set there is.

Largest errors seen with g++ 12, in units in the last place of the exact value (rounded up):
float32 over all 2³² numbers (against the C library's double functions), float64 over some millions
of drawn numbers (against MPFR). They were the same with AVX2 and AVX-512:

================  ==============  =================  ==============  =================
function          float32         float32            float64         float64
..                baseline        AVX2, AVX-512      baseline        AVX2, AVX-512
================  ==============  =================  ==============  =================
exp               1.01            1.04               0.99            1.02
expm1             1.66            1.53               2.11            1.95
log               0.85            0.86               0.88            0.86
log1p             1.42            1.42               1.41            1.40
tanh              2.50            2.50               2.50            2.53
erf               1.50            1.35               1.79            1.53
logistic          2.41            2.41               2.38            2.38
log_one_plus_exp  1.71            1.71               1.65            1.65
sqrt              0.50            0.50               0.50            0.50
================  ==============  =================  ==============  =================

The tests here repeat that on a sample, with NumPy's and SciPy's float64 functions as the oracle of
float32 and mpmath as that of float64.
"""

import functools
import math
import os
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

from backpass.core.activations import ACTIVATIONS
from backpass.engines.extension import extension, missing
from helpers import assert_close, assert_identical, specs

REQUIRED = os.environ.get("BACKPASS_REQUIRE_NATIVE") == "1"
ISAS = [] if missing() else extension().isas()
DTYPES = ["float32", "float64"]
ELEMENTWISE = [s for s in specs(ACTIVATIONS) if ACTIVATIONS.get_record(s).elementwise]

# the largest error allowed, in ULP
BOUNDS = {
    "exp": 1.1, "expm1": 2.3, "log": 1.0, "log1p": 1.6, "tanh": 2.7, "erf": 2.0, "logistic": 2.6,
    "log_one_plus_exp": 1.9, "sqrt": 0.5,
}  # fmt: skip

# where a function changes its formula, saturates, overflows or underflows: points to crowd around
EDGES = {
    "exp": [-103.97, -87.34, 88.7228394, -745.1332, -708.3964, 709.7827128933841],
    "expm1": [-17.33, -18.0, 88.7228394, -37.43, -38.0, 709.7827128933841, 2.0**-25, 2.0**-54],
    "log": [0.5**0.5, 1.0, 2.0**0.5, 2.0**-126, 2.0**-1022],
    "log1p": [-1.0, 0.5**0.5 - 1, 2.0**0.5 - 1, 2.0**25, 2.0**54, 2.0**1023],
    "tanh": [-9.0109, 9.0109, 19.0615, 0.1732868, 2.0**-25, 2.0**-54],
    "erf": [-1.0, 1.0, 3.8325, 5.8636, 2.5],
    "logistic": [-103.28, -87.34, 17.33, -744.44, -708.3964, 36.74],
    "log_one_plus_exp": [-103.97, -87.34, 15.94, -745.1332, -708.3964, 33.27, -0.881374, 0.881374],
    "sqrt": [2.0**-126, 1.0, 2.0**-1022],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _native() -> None:
    why = missing()
    if why and REQUIRED:
        pytest.fail(why)
    if why:
        pytest.skip(why)


every_isa = pytest.mark.parametrize("isa", ISAS or ["none"])
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def elementary(isa: str, name: str, x: Any) -> Any:
    y = np.empty_like(x)
    extension().elementary_into(isa, name, x, y)
    return y


def activation(isa: str, spec: str, z: Any) -> tuple[Any, Any]:
    record = ACTIVATIONS.get_record(spec)
    a, d = np.empty_like(z), np.empty_like(z)
    extension().activation_into(isa, (record.name, list(record.numbers.values())), z, a, d)
    return a, d


# --- elementary functions ------------------------------------------------------------------------


def unit(y: Any) -> Any:
    """Return the unit in the last place of `y`; NumPy's spacing overflows at the largest."""
    return np.spacing(np.minimum(abs(y), np.finfo(y.dtype).max * y.dtype.type(0.75)))


@functools.cache
def points(name: str, dtype: str) -> Any:
    """Numbers of every size, crowded where `name` is difficult, with zeros, infinities and NaN."""
    info, rng = np.finfo(dtype), np.random.default_rng(7)
    n = 25_000 if dtype == "float32" else 700
    words = rng.integers(0, 2**info.bits, 2 * n, dtype=f"uint{info.bits}", endpoint=False)
    crowd = np.array(EDGES[name])[:, None]
    crowd = crowd * (1 + rng.choice([-1, 1], (1, n // 8)) * 2.0 ** rng.uniform(-60, 0, (1, n // 8)))
    special = [0.0, 1.0, math.inf, math.nan, info.max, info.tiny, info.smallest_subnormal, info.eps]
    parts = [
        words.view(dtype),
        rng.uniform(-1, 1, n),
        rng.uniform(-20, 20, n),
        rng.uniform(-800, 800, n) / (1 if dtype == "float64" else 7),
        rng.uniform(-1, 1, n // 4) * info.tiny,
        crowd.ravel(),
        special,
    ]
    with np.errstate(all="ignore"):  # signalling NaN, and 2^1023 in float32
        x = np.concatenate([np.asarray(part).astype(dtype) for part in parts])
    return np.concatenate([x, -x])


def exact(name: str, x: float) -> Any:
    """Return the value at the finite `x` in 200 bits (what no precision tells apart clipped)."""
    x = mpmath.mpf(x)
    near = min(max(x, -20_000), 20_000)
    if name == "logistic":
        return 1 / (1 + mpmath.exp(-near))
    if name == "log_one_plus_exp":
        return max(x, 0) + mpmath.log1p(mpmath.exp(-abs(near)))
    if name in ("exp", "expm1", "tanh", "erf"):
        return getattr(mpmath, name)(near)
    if x < {"log1p": -1}.get(name, 0):
        return mpmath.nan
    if name != "sqrt" and x == {"log1p": -1}.get(name, 0):
        return -mpmath.inf
    return getattr(mpmath, name)(x)


IN_DOUBLE: dict[str, Callable[[Any], Any]] = {
    "logistic": scipy.special.expit,
    "erf": scipy.special.erf,
    "log_one_plus_exp": lambda x: np.logaddexp(0, x),
}


@functools.cache
def wanted(name: str, dtype: str) -> tuple[Any, Any]:
    """Return the values rounded to `dtype`, and what the exact ones exceed them by, in ULP."""
    x = points(name, dtype)
    with np.errstate(all="ignore"):  # a signalling NaN among them, overflow
        in_double = IN_DOUBLE.get(name, getattr(np, name, None))(x.astype(float))
        if dtype == "float32":
            rounded = in_double.astype(dtype)
            ulp = unit(rounded).astype(float)
            return rounded, np.nan_to_num((in_double - rounded) / ulp)
        rounded, rest = in_double.copy(), np.zeros(len(x))
        with mpmath.workprec(200):
            for i in np.flatnonzero(np.isfinite(x)):
                value = exact(name, x[i])
                if value != 0:  # mpmath knows one zero only
                    rounded[i] = float(value)
                if np.isfinite(rounded[i]):
                    rest[i] = (value - rounded[i]) / unit(rounded[i])
    return rounded, rest


@pytest.mark.slow
@every_isa
@every_dtype
@pytest.mark.parametrize("name", BOUNDS)
def test_units_in_the_last_place(isa, dtype, name):
    x = points(name, dtype)
    rounded, rest = wanted(name, dtype)
    got = elementary(isa, name, x)
    finite = np.isfinite(rounded)
    # NaN, overflow to infinity and exact zeros with their sign
    assert_close(got[~finite], rounded[~finite], 0.0, f"{name}: specials")
    zero = rounded == 0
    assert_identical(np.signbit(got[zero]), np.signbit(rounded[zero]), f"{name}: signs of zeros")
    assert np.isfinite(got[finite]).all()
    ulp = unit(rounded[finite])
    error = abs((got[finite] - rounded[finite]) / ulp - rest[finite])
    worst = int(np.argmax(error))
    assert error[worst] <= BOUNDS[name] + 1e-6, f"{error[worst]:.3f} ULP at {x[finite][worst]!r}"


INF, NAN = math.inf, math.nan
SPECIALS = {  # at 0, −0, ∞, −∞, NaN, 1, −1
    "exp": [1, 1, INF, 0, NAN, None, None],
    "expm1": [0, -0.0, INF, -1, NAN, None, None],
    "log": [-INF, -INF, INF, NAN, NAN, 0, NAN],
    "log1p": [0, -0.0, INF, NAN, NAN, None, -INF],
    "tanh": [0, -0.0, 1, -1, NAN, None, None],
    "erf": [0, -0.0, 1, -1, NAN, None, None],
    "logistic": [0.5, 0.5, 1, 0, NAN, None, None],
    "log_one_plus_exp": [None, None, INF, 0, NAN, None, None],
    "sqrt": [0, -0.0, INF, NAN, NAN, 1, NAN],
}


@every_isa
@every_dtype
@pytest.mark.parametrize("name", SPECIALS)
def test_special_values(isa, dtype, name):
    at = np.array([0.0, -0.0, INF, -INF, NAN, 1.0, -1.0], dtype=dtype)
    for x, want in zip(at, SPECIALS[name], strict=True):
        got = elementary(isa, name, np.array([x]))[0]
        if want is not None:
            assert_close(got, want, 0.0, f"{name}({x})")
            assert math.isnan(want) or np.signbit(got) == np.signbit(want), f"{name}({x}) = {got}"


@every_isa
@every_dtype
@pytest.mark.parametrize("name", BOUNDS)
def test_every_lane_computes_the_same(isa, dtype, name):
    """An element's bits do not depend on its place in the vector, nor on its neighbours."""
    x = np.random.default_rng(1).choice(points(name, dtype), 331)
    want = elementary(isa, name, x)
    for shift in range(1, 17):
        assert_identical(elementary(isa, name, np.roll(x, shift)), np.roll(want, shift))
    for i in range(0, len(x), 30):
        assert_identical(elementary(isa, name, x[i : i + 1]), want[i : i + 1])


@every_isa
@every_dtype
def test_bounded_functions_stay_in_their_bounds(isa, dtype):
    """A tanh above 1 by rounding would have a negative derivative."""
    for name, low in (("tanh", -1), ("erf", -1), ("logistic", 0)):
        y = elementary(isa, name, points(name, dtype))
        y = y[~np.isnan(y)]
        assert y.min() == low
        assert y.max() == 1


# --- activations ---------------------------------------------------------------------------------


@every_isa
@every_dtype
@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_activation_is_the_records(isa, dtype, spec):
    """Value and derivative over the record's domain, far outside it, and where it is special."""
    phi = ACTIVATIONS.get_record(spec)
    assert extension().knows("activation", phi.name), f"{phi.name}: write it in activations.hpp"
    rng = np.random.default_rng(3)
    special = [0.0, 1.0, INF, NAN, 88.8, 709.8, 745.2, 1e4, 1e30, 1e-30, np.finfo(dtype).tiny]
    drawn = (
        rng.uniform(*phi.domain, 4000),
        rng.normal(size=4000) * 2.0 ** rng.uniform(-30, 12, 4000),
    )
    z = np.concatenate([*drawn, special, np.negative(special)]).astype(dtype)
    a, d = activation(isa, spec, z)
    exactly = z.astype(float)  # so that the record's own rounding hardly counts in float32
    with np.errstate(all="ignore"):
        value = np.asarray(phi.value(exactly))
        slope = np.asarray(phi.derivative(exactly, value), dtype=float).astype(dtype)
        value = value.astype(dtype)
        # 4 ULP by each of the elementary function and the products around it; gelu's Φ is
        # exact to eps absolutely; φ' is computed from a or from 1 − t², which near 1 is so too
        eps = 8 * np.finfo(dtype).eps
        size = np.nan_to_num(abs(value), posinf=0)
        far = np.minimum(abs(exactly), 40.0)
        by_value = eps * (size + far * (phi.name == "gelu")) + np.finfo(dtype).tiny
        by_slope = eps * (1 + far + np.nan_to_num(abs(slope), posinf=0))
        by_value, by_slope = (np.where(np.isfinite(t), t, 0.0) for t in (by_value, by_slope))
    assert_close(a, value, by_value, "values")
    assert_close(d, slope, by_slope, "derivatives")
    zeros = exactly == 0
    assert_identical(np.signbit(a[zeros]), np.signbit(value[zeros]), "signs at zero")


@every_isa
@every_dtype
@pytest.mark.parametrize("spec", ["identity", "relu", "leaky_relu", "leaky_relu:slope=0.25"])
def test_piecewise_linear_activations_are_exact(isa, dtype, spec):
    phi = ACTIVATIONS.get_record(spec)
    z = np.random.default_rng(4).normal(size=501).astype(dtype)
    z[:4] = 0.0, -0.0, INF, -INF
    a, d = activation(isa, spec, z)
    with np.errstate(invalid="ignore"):
        value = phi.value(z)
    assert_identical(a, value)
    assert_identical(d, phi.derivative(z, value))


@every_isa
@every_dtype
@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_derivative_at_a_kink_is_the_left_one(isa, dtype, spec):
    for kink in ACTIVATIONS.get_record(spec).kinks:
        at = np.array([kink], dtype=dtype)
        left = np.nextafter(at, np.array(-INF, dtype=dtype))
        _, d_at = activation(isa, spec, at)
        _, d_left = activation(isa, spec, left)
        assert_close(d_at, d_left, 2 * np.finfo(dtype).eps)


@every_isa
@every_dtype
@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_nan_stays_nan_and_alone(isa, dtype, spec):
    z = np.full(37, 0.5, dtype=dtype)
    z[[0, 5, 18, 36]] = NAN
    a, d = activation(isa, spec, z)
    assert_identical(np.isnan(a), np.isnan(z))
    assert np.isfinite(d[~np.isnan(z)]).all()

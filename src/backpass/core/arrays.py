"""What the array-API standard leaves out, in one place, so that the equations stay one line each.

The equations are written against the `array-API standard <https://data-apis.org/array-api>`_: the
same lines run on NumPy arrays, whose library follows it since its second version, and through
array-api-compat on those of PyTorch, CuPy and array-api-strict.
"""

import math
from typing import Any, TypeAlias

import array_api_compat
import numpy as np

Array: TypeAlias = Any
"""An array of any array-API library (NumPy, PyTorch, CuPy, array-api-strict)."""


def namespace(*arrays: Array) -> Any:
    """Return the array-API namespace that `arrays` belong to.

    Raises
    ------
    TypeError
        When they come from different libraries.

    Examples
    --------
    >>> namespace(np.zeros(2)).__name__
    'numpy'
    """
    if all(isinstance(array, np.ndarray | np.generic) for array in arrays):
        return np  # array-api-compat's loads all of NumPy, which takes a tenth of a second
    return array_api_compat.array_namespace(*arrays)


def real(z: Array) -> Array:
    """Return the real part of `z`, by which branches and maxima are decided.

    Complex numbers have no order; deciding by the real part keeps every function analytic on
    either side of its branch, which is what the complex-step derivative needs.

    Examples
    --------
    >>> real(np.array([1 + 2j])), real(np.array([3.0]))
    (array([1.]), array([3.]))
    """
    xp = namespace(z)
    return xp.real(z) if xp.isdtype(z.dtype, "complex floating") else z


def erf(z: Array) -> Array:
    """Return the error function 2/√π ∫₀ᶻ exp(−t²) dt, elementwise; the standard has none.

    Examples
    --------
    >>> erf(np.array([0.0, 1.0])).round(6)
    array([0.      , 0.842701])
    """
    own = getattr(namespace(z), "erf", None)  # PyTorch's, or autograd's
    if own is not None:
        return own(z)
    import scipy.special

    if array_api_compat.is_numpy_array(z):
        return scipy.special.erf(z)
    if array_api_compat.is_cupy_array(z):
        from cupyx.scipy.special import erf as cupy_erf

        return cupy_erf(z)
    return namespace(z).asarray(scipy.special.erf(to_numpy(z)), dtype=z.dtype)


def sigma(z: Array) -> Array:
    """Return σ(z) = 1 / (1 + exp(−z)) without overflow: exp is only taken of numbers ≤ 0.

    Examples
    --------
    >>> sigma(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    xp = namespace(z)
    positive = real(z) >= 0
    e = xp.exp(xp.where(positive, -z, z))
    return xp.where(positive, 1 / (1 + e), e / (1 + e))


def log_one_plus_exp(z: Array) -> Array:
    """Return log(1 + exp(z)) without overflow.

    Examples
    --------
    >>> log_one_plus_exp(np.array([-1000.0, 0.0, 1000.0])).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+03])
    """
    xp = namespace(z)
    if xp.isdtype(z.dtype, "real floating"):  # without a branch for each number: twice as fast
        return xp.maximum(z, xp.zeros_like(z)) + xp.log1p(xp.exp(-xp.abs(z)))
    positive = real(z) > 0
    return xp.where(positive, z, xp.zeros_like(z)) + xp.log1p(xp.exp(xp.where(positive, -z, z)))


def to_numpy(x: Array) -> Any:
    """Return `x` as a NumPy array, without a copy where memory can be shared.

    Examples
    --------
    >>> to_numpy(np.ones(2))
    array([1., 1.])
    """
    if array_api_compat.is_numpy_array(x):
        return x
    if array_api_compat.is_torch_array(x) or array_api_compat.is_cupy_array(x):
        x = array_api_compat.to_device(x, "cpu")  # the standard has no name for the processor
    return np.from_dlpack(x)


def scalar(x: Array) -> float:
    """Return the one number in the 0-d array `x` as a Python float.

    Examples
    --------
    >>> scalar(np.float32(0.5))
    0.5
    """
    return float(x)


def is_sparse(x: object) -> bool:
    """Return whether `x` is a SciPy sparse array or matrix (told without importing SciPy).

    Examples
    --------
    >>> is_sparse(np.eye(2))
    False
    """
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


def row_sums_of_squares(x: Array) -> Array:
    """Return ‖x_n‖² of every row of `x`, dense or sparse: (N,).

    Examples
    --------
    >>> row_sums_of_squares(np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([25.,  1.])
    """
    if is_sparse(x):
        return np.asarray(x.multiply(x).sum(axis=1)).ravel()
    return namespace(x).sum(x * x, axis=1)


def norm_and_unit(x: Array) -> tuple[float, float]:
    """Return ‖x‖ / u and u: u is 1, or the largest size where squares leave the range.

    Examples
    --------
    >>> norm_and_unit(np.array([3.0, 4.0])), norm_and_unit(np.array([3e200, 4e200]))
    ((5.0, 1.0), (1.25, 4e+200))
    """
    xp = namespace(x)
    with np.errstate(over="ignore"):
        squared = scalar(xp.sum(x * x))
    if math.isfinite(squared):
        return math.sqrt(squared), 1.0
    unit = scalar(xp.max(xp.abs(x)))
    if not math.isfinite(unit):
        return unit, 1.0
    parts = x / unit
    return math.sqrt(scalar(xp.sum(parts * parts))), unit


def take_rows(x: Array, rows: Array) -> Array:
    """Return the given `rows` of `x`, dense or sparse; the rows may be NumPy's.

    Examples
    --------
    >>> take_rows(np.eye(3), np.array([2, 0]))
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    if is_sparse(x) or array_api_compat.is_numpy_array(x):
        return x[rows]  # not np.take, which first copies all of an array that is not C-contiguous
    xp = namespace(x)  # the standard indexes one axis by an array only through `take`
    return xp.take(x, xp.asarray(rows), axis=0)


def in_dtype(x: Array, like: Array) -> Array:
    """Return `x` in the dtype of `like`; complex numbers stay complex.

    Examples
    --------
    >>> in_dtype(np.array([1, 2]), np.zeros(1, dtype="float32")).dtype
    dtype('float32')
    """
    if is_sparse(x):
        return x.astype(like.dtype)
    xp = namespace(like)
    if xp.isdtype(x.dtype, "complex floating"):
        return x
    return xp.astype(x, like.dtype, copy=False)


def gather(X: Array, rows: Array, like: Array) -> Array:
    """Return the `rows` of `X` in the dtype and library of `like`.

    Only the batch is converted: the data set itself is never copied or cast whole.
    """
    xp = namespace(like)
    batch = take_rows(X, rows)
    if is_sparse(batch):
        return batch if batch.dtype == like.dtype else batch.astype(like.dtype)
    return xp.astype(xp.asarray(batch), like.dtype, copy=False)


def dtype_name(dtype: Any) -> str:
    """Return the plain name of a dtype of any library, such as ``"float32"``.

    Examples
    --------
    >>> dtype_name(np.dtype("float32")), dtype_name(np.float64)
    ('float32', 'float64')
    """
    text = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    return str(text).rsplit(".", 1)[-1]


SQRT_HALF = math.sqrt(0.5)


def power_of_two_near(*arrays: Any) -> Any:
    """Return, for each column, the power of two at or below the largest number of all `arrays`.

    To divide by it loses nothing, and keeps squares and sums in the range of floats.

    Examples
    --------
    >>> power_of_two_near(np.array([[3.0, 0.0], [-5.0, 0.0]]))
    array([4., 1.])
    """
    largest = np.max([np.abs(x).max(axis=0, initial=0) for x in arrays], axis=0)
    usable = np.isfinite(largest) & (largest > 0)
    exponents = np.frexp(np.where(usable, largest, 1).astype(np.float64))[1]
    return np.ldexp(1.0, exponents - 1)

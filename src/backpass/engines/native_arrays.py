"""Arrays for native code: which are read without a copy, and how they are handed over."""

from typing import Any

import numpy as np

from backpass.core.arrays import Array, is_sparse
from backpass.errors import InputError

SIZES = {"f": (4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}


def _is_plain(x: Any) -> bool:
    """Return whether `x` is an array of native numbers whose strides are whole elements."""
    return (
        isinstance(x, np.ndarray)
        and x.dtype.itemsize in SIZES.get(x.dtype.kind, ())
        and x.dtype.isnative
        and x.flags.aligned
        and all(stride % x.dtype.itemsize == 0 for stride in x.strides)
    )


def is_direct(x: Array) -> bool:
    """Return whether native code reads `x` where it lies: no row of it has to be converted first.

    That is any aligned NumPy array of booleans, integers, float32 or float64 in this machine's
    byte order, of any strides, and a CSR matrix of such numbers whose column indices are sorted
    and stand once in a row.

    Examples
    --------
    >>> x = np.zeros((4, 6), dtype=np.uint8)
    >>> is_direct(x), is_direct(x.T[::-1]), is_direct(x.astype(">f4")), is_direct(x.astype("f2"))
    (True, True, False, False)
    """
    if not is_sparse(x):
        return _is_plain(x)
    if getattr(x, "format", "") != "csr":
        return False
    _check_pointers(x)
    if not x.has_canonical_format:
        return False
    same = x.indices.dtype == x.indptr.dtype and x.indices.dtype in (np.int32, np.int64)
    return same and all(_is_plain(part) for part in (x.data, x.indices, x.indptr))


def _check_pointers(x: Any) -> None:
    """Refuse a CSR matrix whose row pointers lead out of its data: SciPy would follow them."""
    starts = x.indptr
    fits = len(starts) == x.shape[0] + 1 and starts[0] == 0 and starts[-1] <= len(x.indices)
    if not (fits and len(x.indices) == len(x.data) and (starts[:-1] <= starts[1:]).all()):
        raise InputError("X is a damaged CSR matrix: its indptr does not fit its data")


def row_source(x: Array) -> Any:
    """Return `x` as native code takes it: an array, or the three of a CSR matrix."""
    return (x.data, x.indices, x.indptr) if is_sparse(x) else x


def readable(x: Array) -> Array:
    """Return `x`, a sparse one in a form that native code reads: CSR of native numbers."""
    if not is_sparse(x) or is_direct(x):
        return x
    x = x.tocsr().copy()
    x.data = _native_numbers(x.data)
    if not x.has_canonical_format:
        if x.data.dtype.kind != "f":  # small integers must not overflow where they are added
            x.data = x.data.astype(np.float64)
        x.sum_duplicates()
    x.indices, x.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    return x


def _native_numbers(data: Any) -> Any:
    return data if _is_plain(data) else np.require(data, np.float64, ["C", "A"])

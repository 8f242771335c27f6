"""What is asked of the data of a fit, a block at a time: nothing here takes a second copy."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils import assert_all_finite

from backpass.core.arrays import is_sparse
from backpass.core.inputs import as_numbers
from backpass.errors import InputError

__all__ = ["as_floats", "check_container", "check_finite", "check_targets", "smallest_codes"]

BLOCK_BYTES = 1 << 22
BLOCK_ROWS = 1 << 16
FEW = 1 << 12  # numbers that are checked at once


def check_container(X: Any) -> None:
    """Refuse what scikit-learn would take for other numbers than it holds.

    Raises
    ------
    InputError
        When values are masked, or columns have the same name.

    Examples
    --------
    >>> check_container(np.ma.masked_less([[1.0, -9.0]], 0))
    Traceback (most recent call last):
    backpass.errors.InputError: X has masked values, which would be used; fill them in: X.filled(…)
    """
    if np.ma.is_masked(X):
        raise InputError("X has masked values, which would be used; fill them in: X.filled(…)")
    names = list(X.columns) if hasattr(X, "iloc") and hasattr(X, "columns") else []
    twice = [repr(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"X: column names appear twice: {', '.join(twice)}; rename them")


def as_floats(X: Any) -> Any:
    """Return an array of objects, as categories of pandas are, as floats; others as they are.

    Raises
    ------
    InputError
        When one of the objects is no number.

    Examples
    --------
    >>> as_floats(np.array([[1, 2.5]], dtype=object))
    array([[1. , 2.5]])
    """
    return as_numbers("X", X, np) if X.dtype.kind == "O" else X


def check_finite(X: Any, estimator: Any) -> None:
    """Refuse NaN and infinity as scikit-learn does, in its words, and dates.

    Its own check of a whole array takes masks as long as the array where the sum overflows, as it
    does in float16, and a copy where a float32 array lies in columns.
    """
    data = X.data if is_sparse(X) else X
    if data.dtype.kind in "mM":  # whose numbers depend on their unit
        raise InputError(
            f"X holds dates or times ({X.dtype}); convert them to numbers of days, say"
        )
    if data.dtype.kind != "f" or get_config()["assume_finite"]:
        return
    if data.size <= FEW:
        if not np.isfinite(data).all():
            assert_all_finite(data, estimator_name=type(estimator).__name__, input_name="X")
        return
    if data.ndim == 2 and data.flags.f_contiguous:
        data = data.T  # blocks that lie together
    per_block = max(1, BLOCK_BYTES // max(1, data[:1].nbytes))
    name = type(estimator).__name__
    with np.errstate(invalid="ignore"):  # of its sum, where +inf meets -inf
        for start in range(0, len(data), per_block):
            block = data[start : start + per_block]
            assert_all_finite(block, estimator_name=name, input_name="X")


def check_targets(y: Any, check: Callable[[Any], Any]) -> None:
    """Call `check` on blocks of the rows of `y`, and on all of it only to say what is wrong."""
    try:
        for start in range(0, len(y), BLOCK_ROWS):
            check(y[start : start + BLOCK_ROWS])
    except InputError:
        check(y)  # the row that a message names is counted from the first


def smallest_codes(classes: Any, y: Any) -> Any:
    """Return where each label of `y` (N,) stands in the sorted `classes`, in few bytes.

    Examples
    --------
    >>> smallest_codes(np.array(["a", "b"]), np.array(["b", "a", "b"]))
    array([1, 0, 1], dtype=int8)
    """
    # signed, so that 2 c − 1 and comparisons are what they seem
    kind = next(k for k in ("i1", "i2", "i4") if len(classes) <= np.iinfo(k).max)
    codes = np.empty(len(y), dtype=kind)
    for start in range(0, len(y), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        codes[block] = np.searchsorted(classes, y[block])
    return codes

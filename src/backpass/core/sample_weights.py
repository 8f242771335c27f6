"""Sample weights s: what they must be, in the dtype that is computed in."""

import math
from typing import Any

import numpy as np

from backpass.core.arrays import Array, dtype_name, namespace, scalar
from backpass.core.inputs import as_numbers
from backpass.errors import InputError

__all__ = ["usable_weights"]


def usable_weights(sample_weight: Any, n: int, like: Array) -> Array:
    """Return `n` weights in the dtype and library of `like`, after checking them.

    A weight below the smallest normal number counts as 0: it is 0 to native code.

    Parameters
    ----------
    sample_weight : array of shape (n,)
    n : int
    like : array

    Raises
    ------
    InputError
        When there are others than `n`, one is negative or not finite, or their sum is 0 or
        infinite in that dtype.

    Examples
    --------
    >>> usable_weights([1, 0, 1e-310], 3, np.zeros(1))
    array([1., 0., 0.])
    >>> usable_weights([1e30, 1e300], 2, np.zeros(1, dtype="float32"))
    Traceback (most recent call last):
    backpass.errors.InputError: sample_weight must be 2 finite numbers of at least 0 with ...
    """
    xp = namespace(like)
    given = as_numbers("sample_weight", sample_weight, xp)
    smallest = float(xp.finfo(like.dtype).smallest_normal)
    with np.errstate(over="ignore", invalid="ignore"):
        s = xp.astype(given, like.dtype, copy=False)
        total = scalar(xp.sum(s))
        vanishing = (s > 0) & (s < smallest)
        if s.shape == (n,) and bool(xp.any(vanishing)):
            s = xp.where(vanishing, xp.zeros_like(s), s)
            total = scalar(xp.sum(s))
    if s.shape != (n,) or bool(xp.any(s < 0)) or not 0 < total < math.inf:
        raise InputError(
            f"sample_weight must be {n} finite numbers of at least 0 with a positive sum, in "
            f"{dtype_name(like.dtype)}; divide them by their largest (those below {smallest:.2g} "
            "count as 0)"
        )
    return s

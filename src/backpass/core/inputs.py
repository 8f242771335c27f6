"""What a person hands in, made arrays, generators and numbers that can be computed with."""

from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.core.value_checks import SIZE
from backpass.errors import InputError

__all__ = ["as_generator", "as_numbers", "check_alpha"]


def as_numbers(name: str, values: Any, xp: Any) -> Array:
    """Return an array of numbers, of their own dtype.

    Parameters
    ----------
    name : str
        What to call it in messages.
    values : array-like
    xp : array namespace
        Of the array to be returned.

    Raises
    ------
    InputError
        When it holds texts, dates or records, or rows of different lengths.

    Examples
    --------
    >>> as_numbers("X", [["a"]], np)
    Traceback (most recent call last):
    backpass.errors.InputError: X holds values of <U1; give an array of numbers
    """
    try:
        array = xp.asarray(values)
        if getattr(array.dtype, "kind", "f") == "O":  # which may hold numbers
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} must be an array of numbers: {error}") from None
    if getattr(array.dtype, "kind", "f") in "SUmM" or getattr(array.dtype, "names", None):
        raise InputError(f"{name} holds values of {array.dtype}; give an array of numbers")
    return array


def as_generator(seed: Any) -> Any:
    """Return `seed` where it draws numbers itself, or a generator with that seed.

    Raises
    ------
    InputError
        When it is neither a generator, nor an integer of at least 0, nor None.

    Examples
    --------
    >>> as_generator(-1)
    Traceback (most recent call last):
    backpass.errors.InputError: seed must be an integer of at least 0 or None, not -1
    """
    if hasattr(seed, "uniform"):
        return seed
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        message = f"seed must be an integer of at least 0 or None, not {seed!r}"
        raise InputError(message) from None


def check_alpha(alpha: Any) -> None:
    """Raise an InputError where `alpha` is no strength of an L2 penalty.

    Examples
    --------
    >>> check_alpha(0.01)
    """
    if not SIZE.met_by(alpha):
        raise InputError(f"alpha must be {SIZE.words}, not {alpha!r}")

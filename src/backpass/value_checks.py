"""What numbers and switches must be: tests, each with its words, in tables."""

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from backpass.errors import InputError

__all__ = [
    "MOST_THREADS",
    "Check",
    "Table",
    "boolean",
    "check_values",
    "fraction",
    "number",
    "or_none",
    "positive_integer",
    "size",
    "threads",
]

Check: TypeAlias = Callable[[Any], bool]
Table: TypeAlias = Mapping[str, tuple[Check, str]]

MOST_THREADS = 1024


def number(low: float, high: float = math.inf, *, closed: bool = True) -> Check:
    """Return a test for a number from `low` to `high`, both included where it is `closed`.

    Examples
    --------
    >>> [number(0)(value) for value in (0, 0.5, math.nan, -1, True, "1")]
    [True, True, False, False, False, False]
    """

    def check(value: Any) -> bool:
        real = isinstance(value, Real) and not isinstance(value, bool)
        return real and bool(low <= value <= high if closed else low < value < high)

    return check


def size(value: Any) -> bool:
    """Return whether a value is a finite number of at least 0."""
    return number(0)(value) and value < math.inf


def or_none(check: Check) -> Check:
    """Return a test that None passes, too."""
    return lambda value: value is None or check(value)


def positive_integer(value: Any) -> bool:
    """Return whether a value is an integer of at least 1.

    Examples
    --------
    >>> [positive_integer(value) for value in (1, np.int64(2), 0, 1.0, True)]
    [True, True, False, False, False]
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def threads(value: Any) -> bool:
    """Return whether a value can be a number of threads."""
    return positive_integer(value) and value <= MOST_THREADS


def boolean(value: Any) -> bool:
    """Return whether a value is True or False, of Python or of NumPy."""
    return isinstance(value, bool | np.bool_)


def fraction(value: Any) -> bool:
    """Return whether a value is a number of at least 0 and below 1."""
    return number(0, 1)(value) and value < 1


def check_values(source: object, table: Table) -> None:
    """Raise an :class:`InputError` naming the first attribute that is not what it must be.

    Parameters
    ----------
    source : object
        An attribute for every name in the table.
    table : mapping of str to (test, words)

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_values(SimpleNamespace(tries=0), {"tries": (positive_integer, "an integer ≥ 1")})
    Traceback (most recent call last):
    backpass.errors.InputError: tries must be an integer ≥ 1, not 0
    """
    for name, (good, words) in table.items():
        value = getattr(source, name)
        if not good(value):
            raise InputError(f"{name} must be {words}, not {value!r}")

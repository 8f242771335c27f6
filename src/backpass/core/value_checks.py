"""What numbers and switches must be: tests, each with its words."""

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from backpass.errors import InputError

__all__ = [
    "COUNT",
    "FLAG",
    "FRACTION",
    "NOT_NEGATIVE",
    "POSITIVE",
    "SIZE",
    "THREADS",
    "Requirement",
    "check_values",
    "number",
]

MOST_THREADS = 1024


class Requirement(NamedTuple):
    """What a value must be.

    Examples
    --------
    >>> [COUNT.met_by(value) for value in (1, np.int64(2), 0, 1.0, True)]
    [True, True, False, False, False]
    >>> COUNT.or_none.words, COUNT.or_none.met_by(None)
    ('None or an integer of at least 1', True)
    """

    met_by: Callable[[Any], bool]
    words: str

    @property
    def or_none(self) -> "Requirement":
        """The same, or None."""
        return Requirement(
            lambda value: value is None or self.met_by(value), f"None or {self.words}"
        )


def number(low: float, high: float = math.inf, *, closed: bool = True) -> Callable[[Any], bool]:
    """Return a test for a number from `low` to `high`, both included where it is `closed`.

    Examples
    --------
    >>> [number(0)(value) for value in (0, 0.5, math.nan, -1, True, "1")]
    [True, True, False, False, False, False]
    """

    def test(value: Any) -> bool:
        real = isinstance(value, Real) and not isinstance(value, bool)
        return real and bool(low <= value <= high if closed else low < value < high)

    return test


def _count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


COUNT = Requirement(_count, "an integer of at least 1")
FLAG = Requirement(lambda value: isinstance(value, bool | np.bool_), "True or False")
FRACTION = Requirement(
    lambda value: number(0, 1)(value) and value < 1, "a number of at least 0 and below 1"
)
NOT_NEGATIVE = Requirement(number(0), "a number of at least 0")
POSITIVE = Requirement(number(0, closed=False), "a positive number")
SIZE = Requirement(
    lambda value: number(0)(value) and value < math.inf, "a number of at least 0 and finite"
)
THREADS = Requirement(
    lambda value: _count(value) and value <= MOST_THREADS,
    f"an integer ≥ 1, at most {MOST_THREADS}",
)


def check_values(source: object, requirements: Mapping[str, Requirement]) -> None:
    """Raise an :class:`InputError` naming the first attribute that is not what it must be.

    Parameters
    ----------
    source : object
        An attribute for every name among the requirements.
    requirements : mapping of str to Requirement

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_values(SimpleNamespace(tries=0), {"tries": COUNT})
    Traceback (most recent call last):
    backpass.errors.InputError: tries must be an integer of at least 1, not 0
    """
    for name, requirement in requirements.items():
        value = getattr(source, name)
        if not requirement.met_by(value):
            raise InputError(f"{name} must be {requirement.words}, not {value!r}")

"""Checks of values, arrays, sample weights and seeds, each with its error message."""

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from backpass.core.arrays import Array, dtype_name, namespace, scalar
from backpass.core.hints import closest
from backpass.errors import InputError, brief

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
    names: tuple[str, ...] = ()  # that may be given, where there are

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
        # the common types first: to ask whether something is a Real takes long
        real = isinstance(value, float | int | Real) and not isinstance(value, bool)
        return real and bool(low <= value <= high if closed else low < value < high)

    return test


def _count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def one_of(*names: str) -> Requirement:
    """Return the requirement to be one of some names."""
    return Requirement(
        lambda value: isinstance(value, str) and value in names, f"one of {', '.join(names)}", names
    )


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
    lambda value: _count(value) and value <= MOST_THREADS, f"an integer ≥ 1, at most {MOST_THREADS}"
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
            meant = closest(value, requirement.names) if isinstance(value, str) else None
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise InputError(f"{name} must be {requirement.words}, not {brief(value)}{hint}")


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
        message = f"seed must be an integer of at least 0 or None, not {brief(seed)}"
        raise InputError(message) from None


def check_alpha(alpha: Any) -> None:
    """Raise an InputError where `alpha` is no strength of an L2 penalty.

    Examples
    --------
    >>> check_alpha(0.01)
    """
    if not SIZE.met_by(alpha):
        raise InputError(f"alpha must be {SIZE.words}, not {brief(alpha)}")


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
    negative = bool(xp.any(s < 0))
    if s.shape != (n,) or negative or not 0 < total < math.inf:
        mend = f"divide them by their largest (those below {smallest:.2g} count as 0)"
        if s.shape == (n,) and negative:
            row = int(xp.argmax(xp.astype(s < 0, xp.int8)))
            mend = f"that of row {row} is negative, which is not taken; 0 leaves a row out"
        raise InputError(
            f"sample_weight must be {n} finite numbers of at least 0 with a positive sum, in "
            f"{dtype_name(like.dtype)}; {mend}"
        )
    return s

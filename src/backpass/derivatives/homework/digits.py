"""To how many digits an answer was given: numbers that were printed are rounded."""

import numpy as np

from backpass.core.arrays import Array

__all__ = ["half_units", "has_too_few_digits"]

FULL = 15  # significant digits from which a number was not rounded for printing
FEWEST = 10.0  # units of the last place in the largest number: two digits


def half_units(numbers: Array) -> Array:
    """Return the half unit in the last place of every number, 0 where they were not rounded.

    Numbers printed with a fixed number of decimals share the unit of the last decimal; those
    printed with a fixed number of significant digits have one each. Which it was cannot be told
    from one number; of the two units, that of the other rule is the smaller unless digits end in
    zeros, so the larger is taken. Numbers of a single digit are not taken for rounded: they would
    agree with anything.

    Parameters
    ----------
    numbers : array of float64 or float32

    Examples
    --------
    >>> half_units(np.array([0.1234, -1.5678]))
    array([5.e-05, 5.e-05])
    >>> half_units(np.array([1.234e-05, 1.234]))
    array([5.e-09, 5.e-04])
    >>> half_units(np.array([1 / 3, 0.5]))
    array([0., 0.])
    """
    units = _units(numbers)
    if units is None or _too_coarse(numbers, units):
        return np.zeros(numbers.shape)
    return units / 2


def has_too_few_digits(numbers: Array) -> bool:
    """Return whether numbers may have been rounded, but to a digit, which cannot be judged.

    Examples
    --------
    >>> has_too_few_digits(np.array([0.01, 0.03])), has_too_few_digits(np.array([0.012, 0.03]))
    (True, False)
    """
    units = _units(numbers)
    return units is not None and _too_coarse(numbers, units)


def _too_coarse(numbers: Array, units: Array) -> bool:
    return bool(np.abs(numbers).max(initial=0.0) < FEWEST * units.max(initial=0.0) * (1 - 1e-9))


def _units(numbers: Array) -> Array | None:
    """Return the unit in the last place of every number; None where they were not rounded."""
    flat = numbers.ravel()
    first = [_digits(x) for x in flat[:64]]  # enough to see that most arrays are not rounded
    if any(significant >= _full(numbers) for significant, _ in first):
        return None
    found = first + [_digits(x) for x in flat[64:]]
    significant = max((s for s, _ in found), default=0)
    decimals = max((d for s, d in found if s), default=0)
    size = np.abs(numbers.astype(np.float64))
    largest = size.max(initial=0.0)
    if significant >= _full(numbers) or largest == 0:
        return None
    exponents = np.floor(np.log10(np.where(size > 0, size, largest)))
    units = np.where(size > 0, 10.0 ** (exponents - significant + 1), 0.0)
    return np.maximum(units, 10.0**-decimals)


def _full(numbers: Array) -> int:
    return 7 if numbers.dtype == np.float32 else FULL


def _digits(x: float) -> tuple[int, int]:
    """Return the significant digits and the decimals of the shortest text that reads as `x`."""
    if x == 0:
        return 0, 0
    mantissa, _, exponent = np.format_float_scientific(abs(x), trim="-").partition("e")
    significant = len(mantissa.replace(".", ""))
    return significant, significant - 1 - int(exponent)

"""One array of an answer: its shape, and the digits that its numbers were written with."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.notation import CODE, Notation
from backpass.derivatives.notation.in_line import in_line

FULL = 15  # significant digits from which a number was not rounded for printing
FEWEST = 10.0  # units of the last place in the largest number: two digits


def half_units(numbers: Array) -> Array:
    """Return the half unit in the last place of every number, 0 where they were not rounded.

    Numbers printed with a fixed number of decimals share the unit of the last decimal; those
    printed with a fixed number of significant digits have one each. Which it was cannot be told
    from one number; of the two units, that of the other rule is the smaller unless digits end in
    zeros, so the larger is taken. Numbers of a single digit are not taken for rounded: they would
    agree with anything.

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
    if units is None or has_too_few_digits(numbers):
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
    if units is None:
        return False
    return bool(np.abs(numbers).max() < FEWEST * units.max() * (1 - 1e-9))


def _units(numbers: Array) -> Array | None:
    """Return the unit in the last place of every number; None where they were not rounded."""
    full = 7 if numbers.dtype == np.float32 else FULL
    found: list[tuple[int, int]] = []
    for x in numbers.ravel():
        found.append(_digits(x))
        if found[-1][0] >= full:
            return None
    size = np.abs(numbers.astype(np.float64))
    if not size.any():
        return None
    significant, decimals = max(s for s, _ in found), max(d for s, d in found if s)
    exponents = np.floor(np.log10(np.where(size > 0, size, size.max())))
    units = np.where(size > 0, 10.0 ** (exponents - significant + 1), 0.0)
    return np.maximum(units, 10.0**-decimals)


def _digits(x: float) -> tuple[int, int]:
    """Return the significant digits and the decimals of the shortest text that reads as `x`."""
    if x == 0:
        return 0, 0
    mantissa, _, exponent = np.format_float_scientific(abs(x), trim="-").partition("e")
    significant = len(mantissa.replace(".", ""))
    return significant, significant - 1 - int(exponent)


KINDS = {"W": "dW", "b": "db", "delta": "delta", "g": "g", "z": "z", "a": "a"}
"""The kinds of arrays that can be handed in, as quantities; ``"g"`` of layer 0 is ∂J/∂X."""


def title(kind: str, layer: int, notation: Notation = CODE) -> str:
    """Return how a result is called in a notation: ``"∂J/∂W_2"``.

    Examples
    --------
    >>> title("W", 2), title("delta", 1), title("g", 0)
    ('∂J/∂W_2', 'δ_1 = ∂J/∂z_1', '∂J/∂X')
    """
    name = in_line(notation, KINDS[kind], str(layer))
    if notation.name != "code":
        return name
    longer = {"delta": f"{name} = ∂J/∂z_{layer}", "g": f"∂J/∂a_{layer}" if layer else "∂J/∂X"}
    return longer.get(kind, name)


@dataclass(frozen=True)
class Part:
    """One array of an answer."""

    numbers: Array  # as it was given
    notation: Notation  # in whose layout
    kind: str | None = None  # one of KINDS, where it was said
    layer: int | None = None  # where it was said
    name: str = "the answer"  # in messages
    flat: bool = False  # whether it is a piece of a flat vector, whose shape is not known

    @cached_property
    def units(self) -> Array:
        """Half a unit in the last place of each number, 0 where they were not rounded."""
        return half_units(self.numbers)

    @cached_property
    def eps(self) -> float:
        """The precision that the numbers were computed with: double, or single if all are that."""
        single = self.numbers.astype(np.float32)
        was_single = bool((single == self.numbers).all()) and not self.units.any()
        return float(np.finfo(np.float32 if was_single else np.float64).eps)

    def shaped(self, kind: str, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
        """Return the numbers and their units in our layout of `shape`; None where that fails."""
        numbers = self._turned(self.numbers, kind, shape)
        return None if numbers is None else (numbers, self._turned(self.units, kind, shape))

    def _turned(self, x: Array, kind: str, shape: tuple[int, ...]) -> Array | None:
        other = (
            self.notation.weights_transposed if kind == "W"
            else self.notation.samples_in_columns
        )  # fmt: skip
        if self.flat and len(shape) == 2:
            if x.size != shape[0] * shape[1]:
                return None
            return x.reshape(shape[::-1]).T if other else x.reshape(shape)
        if other and x.ndim > 1 and x.ndim == len(shape):
            x = np.swapaxes(x, -1, -2)
        if x.ndim != len(shape) and [n for n in x.shape if n != 1] == [n for n in shape if n != 1]:
            x = x.reshape(shape)  # a number alone, a column for a vector, a batch of one
        return x if x.shape == shape else None

    def index(self, kind: str, shape: tuple[int, ...], place: tuple[int, ...]) -> tuple[int, ...]:
        """Return where an entry of our layout stands in the numbers as they were given."""
        ours = np.arange(self.numbers.size).reshape(self.numbers.shape)
        turned = self._turned(ours, kind, shape)
        found = place if turned is None else np.unravel_index(turned[place], ours.shape)
        return tuple(int(i) for i in found)

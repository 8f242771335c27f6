"""A learner's numbers: their shapes, and the digits that they were written with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.core.arrays import Array, to_numpy
from backpass.core.parameters import parameter_count
from backpass.derivatives.notation import Notation
from backpass.errors import InputError

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


KINDS = {
    "W": "∂J/∂W_{l}",
    "b": "∂J/∂b_{l}",
    "delta": "δ_{l} = ∂J/∂z_{l}",
    "g": "∂J/∂a_{l}",
    "z": "z_{l}",
    "a": "a_{l}",
}
"""The kinds of arrays that can be handed in, and their titles; ``"g"`` of layer 0 is ∂J/∂X."""

NAME = re.compile(r"(?:d|grad_?|grad_of_)?(W|b|delta|g|z|a|X)_?(\d*)")


def title(kind: str, layer: int) -> str:
    """Return how a result is called: ``"∂J/∂W_2"``.

    Examples
    --------
    >>> title("W", 2), title("g", 0)
    ('∂J/∂W_2', '∂J/∂X')
    """
    return "∂J/∂X" if (kind, layer) == ("g", 0) else KINDS[kind].format(l=layer)


@dataclass(frozen=True)
class Part:
    """One array of an answer.

    Parameters
    ----------
    numbers : array
        As it was given.
    notation : Notation
        In whose layout.
    kind : str, optional
        One of :data:`KINDS`, where it was said.
    layer : int, optional
        The layer, where it was said.
    name : str
        What it is called in messages.
    flat : bool
        Whether it is a piece of a flat vector, the shape of which is not known.
    """

    numbers: Array
    notation: Notation
    kind: str | None = None
    layer: int | None = None
    name: str = "the answer"
    flat: bool = False

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
        if len(shape) == 2:
            other = (
                self.notation.weights_transposed if kind == "W"
                else self.notation.samples_in_columns
            )  # fmt: skip
            if self.flat and x.size != shape[0] * shape[1]:
                return None
            if self.flat:
                return x.reshape(shape[::-1]).T if other else x.reshape(shape)
            x = x.T if other and x.ndim == 2 else x
            if x.ndim == 1 and 1 in shape and x.size == shape[0] * shape[1]:
                x = x.reshape(shape)
        elif x.ndim == 2 and 1 in x.shape:
            x = x.ravel()
        return x if x.shape == shape else None

    def index(self, kind: str, shape: tuple[int, ...], place: tuple[int, ...]) -> tuple[int, ...]:
        """Return where an entry of our layout stands in the numbers as they were given."""
        ours = np.arange(self.numbers.size).reshape(self.numbers.shape)
        turned = self._turned(ours, kind, shape)
        found = place if turned is None else np.unravel_index(turned[place], ours.shape)
        return tuple(int(i) for i in found)


# --- reading -------------------------------------------------------------------------------------


def parts_of(
    answer: Any,
    sizes: Sequence[int],
    notation: Notation,
    what: str | None = None,
    layer: int | None = None,
) -> list[Part]:
    """Return the arrays of an answer.

    Parameters
    ----------
    answer : array, mapping, Gradients, flat vector, or lists of weights and of biases
    sizes : sequence of int
        Units of every layer.
    notation : Notation
        In whose layout the matrices are.
    what, layer
        What a single array is, where it is known.

    Raises
    ------
    InputError
        When it is none of these, or has other than finite numbers in it.
    """
    if isinstance(answer, Mapping) or _is_gradients(answer):
        named = answer if isinstance(answer, Mapping) else _named(answer.weights, answer.biases)
    else:
        single = _as_array(answer)
        if single is None:
            named = _from_lists(answer, len(sizes) - 1)
        elif single.shape == (parameter_count(sizes),) and what is None:
            return _pieces(_checked(single, "the answer"), sizes, notation)
        else:
            return [Part(_checked(single, "the answer"), notation, *_said(what, layer, sizes))]
    if what is not None or layer is not None:
        raise InputError("what and layer are for a single array; this answer names its own")
    return _from_names(named, sizes, notation)


def _is_gradients(answer: Any) -> bool:
    return hasattr(answer, "weights") and hasattr(answer, "biases")


def _named(weights: Sequence[Any], biases: Sequence[Any]) -> dict[str, Any]:
    arrays = {f"W{l}": W for l, W in enumerate(weights, start=1)}  # noqa: E741
    return arrays | {f"b{l}": b for l, b in enumerate(biases, start=1)}  # noqa: E741


def _from_names(named: Mapping[str, Any], sizes: Sequence[int], notation: Notation) -> list[Part]:
    """Return the parts of a mapping such as ``{"W1": …, "b1": …}``."""
    if not named:
        raise InputError("the answer is empty; give at least one array")
    read = {name: _read_name(name) for name in named}
    # W0 … counts the layers from 0, as lists in code do; X and a have a layer 0 of their own
    from_zero = ("W", 0) in read.values() or ("b", 0) in read.values()
    parts = []
    for name, (kind, number) in read.items():
        shift = from_zero and kind in ("W", "b", "delta", "z")
        array = _as_array(named[name])
        if array is None:
            raise InputError(f"{name}: not an array of numbers")
        said = _said(kind, number + shift, sizes, name)
        parts.append(Part(_checked(array, name), notation, *said, name=name))
    return parts


def _read_name(name: str) -> tuple[str, int]:
    found = NAME.fullmatch(str(name))
    if not found or (found[1] != "X" and not found[2]):
        raise InputError(
            f"unknown name {str(name)!r} in the answer; call the arrays W1, b1, …, and error "
            "signals delta1, …, or give a single array"
        )
    return ("g", 0) if found[1] == "X" else (found[1], int(found[2]))


def _said(
    what: str | None, layer: int | None, sizes: Sequence[int], name: str = "the answer"
) -> tuple[str | None, int | None]:
    """Return kind and layer after a check that there are such."""
    if what == "X":
        what, layer = "g", 0
    if what is not None and what not in KINDS:
        raise InputError(f"unknown what {what!r}; known: {', '.join(KINDS)}, X")
    first = 0 if what in ("g", "a") else 1
    last = len(sizes) - 1 - (what == "g")
    if layer is not None and not first <= layer <= last:
        raise InputError(f"{name}: there is no layer {layer}; layers are {first} … {last}")
    return what, layer


def _from_lists(answer: Any, n_layers: int) -> dict[str, Any]:
    """Return names for ``(weights, biases)``, ``[W1, b1, W2, …]`` or ``[W1, W2, …]``."""
    items = list(answer) if isinstance(answer, list | tuple) else []
    nested = [isinstance(item, list | tuple) and _as_array(item) is None for item in items]
    pair = len(items) == 2 and all(isinstance(item, list | tuple) for item in items)
    if pair and all(len(item) == n_layers for item in items):
        return _named(*items)
    if not any(nested) and len(items) == 2 * n_layers:
        return _named(items[::2], items[1::2])
    if not any(nested) and len(items) == n_layers:
        return _named(items, [])
    if isinstance(answer, np.ndarray):
        raise InputError(
            "the answer must be a vector, a matrix or several of real numbers, not an array of "
            f"{answer.dtype} with {answer.ndim} dimensions"
        )
    raise InputError(
        "the answer must be an array, a mapping such as {'W1': …, 'b1': …}, a flat vector, or "
        f"lists (weights, biases) of {n_layers} each"
    )


def _pieces(flat: Array, sizes: Sequence[int], notation: Notation) -> list[Part]:
    """Return the parts of a flat vector W_1, b_1, W_2, …."""
    parts, start = [], 0
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        for kind, size in (("W", n_in * n_out), ("b", n_out)):
            piece = flat[start : start + size]
            parts.append(Part(piece, notation, kind, layer, f"{kind}{layer}", kind == "W"))
            start += size
    return parts


def _as_array(x: Any) -> Array | None:
    """Return a vector or matrix of floats; None where `x` is something else."""
    if hasattr(x, "detach"):  # a tensor
        x = x.detach()
    try:
        array = to_numpy(x) if hasattr(x, "__dlpack__") else np.asarray(x)
    except ValueError:  # lists of arrays of different shapes
        return None
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2):
        return None
    return array if array.dtype == np.float32 else array.astype(np.float64)


def _checked(array: Array, name: str) -> Array:
    """Return the array, in which every number must be finite."""
    if array.size == 0:
        raise InputError(f"{name}: has no numbers in it")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = ", ".join(str(int(i)) for i in bad[0])
        more = f", and {len(bad) - 1} more are not" if len(bad) > 1 else ""
        raise InputError(
            f"{name}[{place}] is {array[tuple(bad[0])]}, not a finite number{more}; look for a "
            "division by 0 or an overflow"
        )
    return array

"""Reading an answer: every form that people hand one in, as parts with a kind and a layer."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.core.arrays import Array, to_numpy
from backpass.core.parameters import parameter_count
from backpass.derivatives.homework.part import KINDS, Part
from backpass.derivatives.notation import Notation
from backpass.errors import InputError

NAME = re.compile(r"(?:d|grad_?|grad_of_)?(W|b|delta|g|z|a|X)_?(\d*)")


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

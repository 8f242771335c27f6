"""Reading an answer: every form that people hand one in, as parts with a kind and a layer."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.core.arrays import Array, to_numpy
from backpass.core.parameters import parameter_count
from backpass.derivatives.batch import Subject
from backpass.derivatives.homework.part import KINDS, Part
from backpass.derivatives.notation import Notation
from backpass.errors import InputError

NAME = re.compile(r"(?:d|grad_?|grad_of_)?(W|b|delta|δ|g|z|a|X)_?(\d*)", re.IGNORECASE)
SPELT = {"w": "W", "x": "X", "δ": "delta"}
"""Kinds by their names in small letters, where they have another."""


def called(answer: Any, seen: Subject, y: Any, notation: Notation) -> Any:
    """Return what a function ``gradients(W, b, X, y)`` gives; any other answer as it is.

    Weights and biases are given as lists, everything as copies in the layout of `notation`; the
    targets as they were given, where they were, else as the loss takes them. What the function
    raises comes out as it is.
    """
    if not callable(answer) or hasattr(answer, "__array__") or hasattr(answer, "weights"):
        return answer
    theta, targets = seen.network.parameters, seen.y if y is None else np.asarray(y)
    found = answer(
        [np.array(notation.from_our_weights(W)) for W in theta.weights],
        [np.array(b) for b in theta.biases],
        np.array(notation.from_our_rows(seen.X)),
        np.array(notation.from_our_rows(targets) if targets.ndim == 2 else targets),
    )
    if found is None:
        raise InputError("the function returned None; let it return its gradients")
    return found


def parts_of(
    answer: Any,
    sizes: Sequence[int],
    notation: Notation,
    what: str | None = None,
    layer: int | None = None,
) -> list[Part]:
    """Return the arrays of an answer, whose matrices lie as in `notation`.

    It is an array, a mapping, Gradients, a flat vector, or lists: of weights and of biases,
    ``[W1, b1, W2, …]``, or pairs ``[(W1, b1), …]``; also behind a loss, ``(loss, gradients)``.
    """
    if isinstance(answer, tuple) and len(answer) == 2:
        loss = None if isinstance(answer[0], list | tuple) else _as_array(answer[0])
        if loss is not None and loss.ndim == 0 and _as_array(answer[1]) is None:
            answer = answer[1]
    single = _as_array(answer)
    if isinstance(answer, Mapping):
        named = answer
    elif hasattr(answer, "weights") and hasattr(answer, "biases"):
        named = _named(answer.weights, answer.biases)
    elif single is None or (single.ndim == 3 and isinstance(answer, list | tuple)):
        named = _from_lists(answer, sizes)
    elif single.shape == (parameter_count(sizes),) and what is None:
        return _pieces(_checked(single, "the answer"), sizes, notation)
    else:
        return [Part(_checked(single, "the answer"), notation, *_said(what, layer, sizes))]
    if what is not None or layer is not None:
        raise InputError("what and layer are for a single array; this answer names its own")
    return _from_names(named, sizes, notation)


def _named(weights: Sequence[Any], biases: Sequence[Any]) -> dict[str, Any]:
    arrays = {f"W{l}": W for l, W in enumerate(weights, start=1)}
    return arrays | {f"b{l}": b for l, b in enumerate(biases, start=1)}


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
    kind = SPELT.get(found[1].lower(), found[1].lower()) if found else ""
    if not found or (kind != "X" and not found[2]):
        raise InputError(
            f"unknown name {str(name)!r} in the answer; call the arrays W1, b1, …, and error "
            "signals delta1, …, or give a single array"
        )
    return ("g", 0) if kind == "X" else (kind, int(found[2]))


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


def _from_lists(answer: Any, sizes: Sequence[int]) -> dict[str, Any]:
    """Return names for ``(weights, biases)``, pairs, ``[W1, b1, W2, …]`` or ``[W1, W2, …]``."""
    n = len(sizes) - 1
    items = list(answer) if isinstance(answer, list | tuple) else []
    pairs = [pair for pair in map(_pair, items) if pair]
    lists = len(items) == 2 and all(isinstance(x, list | tuple) and len(x) == n for x in items)
    if len(items) == len(pairs) == n and not (lists and _are_lists(items, sizes)):
        return _named(*zip(*pairs, strict=True))
    if lists:
        return _named(*items)
    if not any(isinstance(x, list | tuple) and _as_array(x) is None for x in items):
        if len(items) == 2 * n:
            return _named(items[::2], items[1::2])
        if len(items) == n:
            return _named(items, [])
    if isinstance(answer, np.ndarray):
        raise InputError(
            "the answer must be a vector, a matrix or several of real numbers, not an array of "
            f"{answer.dtype} with {answer.ndim} dimensions"
        )
    raise InputError(
        "the answer must be an array, a mapping such as {'W1': …, 'b1': …}, a flat vector, or "
        f"lists (weights, biases) of {n} each"
    )


def _pair(x: Any) -> list[Any]:
    """Return W and b of a layer, given as ``(W, b)`` or ``{"W": …, "b": …}``; else nothing."""
    if isinstance(x, Mapping):
        is_pair = [str(name).lower().removeprefix("d") for name in x] == ["w", "b"]
        return list(x.values()) if is_pair else []
    is_pair = isinstance(x, list | tuple) and len(x) == 2
    return list(x) if is_pair and all(_as_array(one) is not None for one in x) else []


def _are_lists(items: Sequence[Any], sizes: Sequence[int]) -> bool:
    """Return whether two lists of two are the weights and the biases of two layers, not pairs."""
    second, third = (np.asarray(_as_array(x)) for x in (items[0][1], items[1][0]))  # W2, b1?
    as_lists = second.size == sizes[1] * sizes[2] and third.size == sizes[1]
    return as_lists and not (second.ndim == 1 and third.ndim == 2)


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
    """Return an array of floats of at most three axes; None where `x` is something else."""
    if x is None or isinstance(x, str | Mapping):
        return None
    if isinstance(x, list | tuple) and any(hasattr(one, "detach") for one in x):
        x = [one.detach() if hasattr(one, "detach") else one for one in x]
    if hasattr(x, "detach"):  # a tensor, which may remember how it was computed
        x = x.detach()
    try:
        array = to_numpy(x) if hasattr(x, "__dlpack__") else np.asarray(x)
    except (BufferError, RuntimeError, TypeError, ValueError):
        # lists of arrays of different shapes; numbers that NumPy has no type for
        return None
    if array.dtype.kind not in "fiub" or array.ndim > 3:
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

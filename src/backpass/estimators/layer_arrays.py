"""One array a layer, as `coefs_` and `intercepts_` have them: what may be written, and is given."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Never

import numpy as np

from backpass.core.arrays import is_sparse
from backpass.errors import InputError, brief
from backpass.estimators.parameters import listed_activation
from backpass.network.network import Network

OTHER_SHAPES = "from_weights(coefs, intercepts) of the estimator makes a new one of other shapes"


class LayerArrays(list[Any]):
    """`coefs_` or `intercepts_`: a list of one array a layer, whose number and shapes stay.

    Parameters
    ----------
    name : str
        Of the attribute, for messages.
    views : sequence of arrays
        Of the parameters.
    flat : array of shape (P,) or None
        The buffer that they are views of, if they are.

    Examples
    --------
    >>> flat = np.zeros(2)
    >>> biases = LayerArrays("intercepts_", [flat[:1], flat[1:]], flat)
    >>> biases[1] = np.array([3.0])
    >>> biases
    [array([0.]), array([3.])]
    >>> biases.pop()
    Traceback (most recent call last):
    backpass.errors.InputError: intercepts_ keeps its 2 arrays; from_weights(coefs, intercepts) of \
the estimator makes a new one of other shapes
    """

    def __init__(self, name: str, views: Any, flat: Any) -> None:
        super().__init__(views)
        self.name, self.flat = name, flat

    def __setitem__(self, key: Any, value: Any) -> None:
        arrays = list(self)
        arrays[key] = value
        check_arrays(self.name, arrays, [dense(array).shape for array in self])
        super().__setitem__(slice(None), arrays)
        self.flat = None  # no longer all views of it

    def reverse(self) -> None:
        """Reverse the order, where the shapes allow it."""
        self[:] = self[::-1]

    def _keep(self, *_: Any, **__: Any) -> Never:
        raise InputError(f"{self.name} keeps its {len(self)} arrays; {OTHER_SHAPES}")

    append = extend = insert = pop = remove = clear = sort = _keep
    __delitem__ = __iadd__ = __imul__ = _keep

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)  # copies and pickles are lists of their own


def dense(array: Any) -> Any:
    """Return what was given for a layer's weights as an array, the same one where it is one."""
    return array.toarray() if is_sparse(array) else np.asarray(array)


def check_arrays(name: str, arrays: list[Any], shapes: list[tuple[int, ...]]) -> None:
    """Refuse arrays that are not one of numbers for each layer, of its shape and finite."""
    if len(arrays) != len(shapes):
        raise InputError(
            f"{name} must be {len(shapes)} arrays of shapes {shapes}, not {len(arrays)}; "
            f"{OTHER_SHAPES}"
        )
    for layer, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        numbers = dense(array)
        if numbers.dtype.kind not in "fiub" or np.ma.is_masked(array):
            raise InputError(
                f"{name}[{layer}] must be an array of real numbers, none masked, not "
                f"{type(array).__name__} of {numbers.dtype}"
            )
        if numbers.shape != shape:
            mend = OTHER_SHAPES
            if numbers.ndim == 0:
                mend = f"give np.full({shape}, {array!r})"
            elif numbers.T.shape == shape:
                mend = "it is transposed: give array.T"
            elif numbers.size == math.prod(shape):
                mend = f"give it as array.reshape({shape})"
            raise InputError(
                f"{name}[{layer}] must be of shape {shape}, not {numbers.shape}; {mend}"
            )
        if not np.isfinite(numbers).all():
            raise InputError(f"{name}[{layer}] holds numbers that are not finite")


def check_apart(arrays: list[Any]) -> None:
    """Refuse to train arrays of several layers that share memory: scikit-learn ties them."""
    for one, other in combinations(map(dense, arrays), 2):
        if np.may_share_memory(one, other) and np.shares_memory(one, other):
            raise InputError(
                "two layers share memory in coefs_ or intercepts_, and are not trained as one; "
                "assign a copy, and again after each fit if they are to stay equal"
            )


def listed(name: str, arrays: Any) -> list[Any]:
    """Return arrays as a list, the same one where they are one."""
    if not hasattr(arrays, "__len__") or isinstance(arrays, str) or len(arrays) == 0:
        raise InputError(f"{name} must be a list of one array for each layer, not {brief(arrays)}")
    return arrays if isinstance(arrays, list) else list(arrays)


def outputs_of(coefs: Any, intercepts: Any) -> int:
    """Return how many outputs there are, by biases that go with the weights."""
    weights, biases = listed("coefs", coefs), listed("intercepts", intercepts)
    k, shape = np.size(biases[-1]), dense(weights[-1]).shape
    if len(weights) != len(biases) or k not in shape:
        raise InputError(
            f"intercepts must be one array (out,) for each of coefs, not {len(biases)} for "
            f"{len(weights)}, the last of {k} numbers beside weights of shape {shape}"
        )
    return k


def network_of(
    coefs: Sequence[Any],
    intercepts: Sequence[Any],
    activation: Any,
    output: Any,
    loss: Any,
    layout: str,
) -> Network:
    """Return a network with copies of weights and biases, which are checked.

    Raises
    ------
    InputError
        When one is not an array of finite real numbers, or they do not fit together.
    """
    told = {"coefs": coefs, "intercepts": intercepts}
    given = {name: [dense(x) for x in listed(name, told[name])] for name in told}
    for name, arrays in given.items():
        check_arrays(name, arrays, [array.shape for array in arrays])
    single = all(array.dtype == np.float32 for arrays in given.values() for array in arrays)
    W, b = ([x.astype(np.float32 if single else np.float64) for x in given[name]] for name in told)
    return Network.from_arrays(W, b, listed_activation(activation), output, loss, layout=layout)

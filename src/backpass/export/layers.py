"""The layers of a network as ONNX operators, with every activation.

Activations are written in plain operators, also where ONNX has one of its own: ``Elu`` and
``LeakyRelu`` keep their number in float32 only, and onnxruntime has no ``Selu``, ``Elu`` or
``Softplus`` for float64. None overflows where ours does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from backpass.core.activations import SELU_ALPHA, SELU_SCALE, Activation
from backpass.core.arrays import SQRT_HALF, to_numpy
from backpass.errors import InputError
from backpass.export.graph import Arithmetic, Graph
from backpass.network.network import Network
from backpass.tabular.targets import ClassTarget, NumberTarget, Target

Form = Callable[[Arithmetic, str, Mapping[str, float]], str]


def _silu(f: Arithmetic, z: str) -> str:
    # z / (1 + e^−z), where an infinite divisor gives 0: onnxruntime 1.20 merges z·Sigmoid(z) into
    # an operator that it has not for float64
    return f("Div", z, f("Add", 1.0, f("Exp", f("Neg", z))))


def _softplus(f: Arithmetic, z: str) -> str:
    # max(z, 0) + log(1 + exp(−|z|)): exp is only taken of numbers ≤ 0
    e = f("Exp", f("Neg", f("Abs", z)))
    return f("Add", f("Max", z, 0.0), f("Log", f("Add", 1.0, e)))


def _expm1_of_negative(f: Arithmetic, z: str) -> str:
    # e^z − 1 = 2t / (1 − t), t = tanh(z/2): nothing cancels near 0
    t = f("Tanh", f("Mul", 0.5, f("Min", z, 0.0)))
    return f("Div", f("Mul", 2.0, t), f("Sub", 1.0, t))


def _elu(f: Arithmetic, z: str, alpha: float) -> str:
    # one of the two terms is 0
    return f("Add", f("Max", z, 0.0), f("Mul", alpha, _expm1_of_negative(f, z)))


def _erf(f: Arithmetic, z: str) -> str:
    """Return erf(z), by way of float32: onnxruntime has no kernel for float64."""
    if f.dtype == np.float32:
        return f("Erf", z)
    return f.graph.cast(f("Erf", f.graph.cast(z, np.float32)), f.dtype)


def _gelu(f: Arithmetic, z: str) -> str:
    probability = f("Mul", 0.5, f("Add", 1.0, _erf(f, f("Mul", SQRT_HALF, z))))
    return f("Mul", z, probability)


FORMS: dict[str, Form] = {
    "identity": lambda f, z, n: z,
    "logistic": lambda f, z, n: f("Sigmoid", z),
    "tanh": lambda f, z, n: f("Tanh", z),
    "relu": lambda f, z, n: f("Relu", z),
    "leaky_relu": lambda f, z, n: f("Max", z, f("Mul", n["slope"], z)),  # 0 ≤ slope < 1
    "elu": lambda f, z, n: _elu(f, z, n["alpha"]),
    "selu": lambda f, z, n: f("Mul", SELU_SCALE, _elu(f, z, SELU_ALPHA)),
    "gelu": lambda f, z, n: _gelu(f, z),
    "silu": lambda f, z, n: _silu(f, z),
    "mish": lambda f, z, n: f("Mul", z, f("Tanh", _softplus(f, z))),
    "softplus": lambda f, z, n: _softplus(f, z),
    "exp": lambda f, z, n: f("Exp", z),
    "softmax": lambda f, z, n: f("Softmax", z, axis=1),
}
"""From arithmetic, the name of z and the record's numbers to the name of φ(z)."""


def activation_node(f: Arithmetic, z: str, phi: Activation) -> str:
    """Add φ(z) to the graph and return its name.

    Raises
    ------
    InputError
        When the activation has no form here, as one that a user has registered.
    """
    if phi.name not in FORMS:
        raise InputError(
            f"activation {phi.name!r} cannot be written in ONNX operators; train with one of "
            f"{', '.join(FORMS)}"
        )
    return FORMS[phi.name](f, z, phi.numbers)


def float_dtype(network: Network) -> np.dtype[Any]:
    """Return the dtype that the network computes in.

    Raises
    ------
    InputError
        When that is neither float32 nor float64.
    """
    dtype: np.dtype[Any] = to_numpy(network.parameters.flat).dtype
    if dtype not in (np.float32, np.float64):
        raise InputError(f"ONNX export takes networks of float32 or float64, not of {dtype}")
    return dtype


def network_nodes(graph: Graph, network: Network, x: str, given: Any) -> str:
    """Add every layer, and return the name of the output (N, k), in the network's dtype.

    Parameters
    ----------
    graph : Graph
    network : Network
    x : str
        The inputs, (N, n_0).
    given : dtype
        Of the inputs; others than the network's are converted.

    Raises
    ------
    InputError
        When a parameter is not a finite number.
    """
    if not network.model.is_finite():
        raise InputError("a parameter is not a finite number; train with a lower learning rate")
    dtype = float_dtype(network)
    f = Arithmetic(graph, dtype)
    a = x if np.dtype(given) == dtype else graph.cast(x, dtype)
    layers = zip(network.weights, network.biases, network.model.activations, strict=True)
    for layer, (W, b, phi) in enumerate(layers, start=1):
        weights = graph.constant(np.ascontiguousarray(to_numpy(W)), f"W_{layer}")
        biases = graph.constant(np.ascontiguousarray(to_numpy(b)), f"b_{layer}")
        a = activation_node(f, graph.op("Gemm", a, weights, biases), phi)
    return a


class Result(NamedTuple):
    """A value of the graph that becomes an output: its name, and what it is."""

    value: str
    wish: str
    dtype: Any
    width: int | None
    meaning: str


def told_of(**values: Any) -> dict[str, str]:
    """Return what is known, not None, as the file's metadata: JSON under ``backpass.…``.

    Examples
    --------
    >>> told_of(target="kind", classes=["a", "b"], inputs=None)
    {'backpass.target': '"kind"', 'backpass.classes': '["a", "b"]'}
    """
    return {
        f"backpass.{key}": json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
        if value is not None
    }


def class_array(classes: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return the classes as ONNX has them: int64, truth values or texts; float64 for fractions.

    Examples
    --------
    >>> class_array(np.array(["a", "b"])).dtype, class_array(np.array([0, 1], "uint8")).dtype
    (dtype('O'), dtype('int64'))
    """
    array = np.asarray(classes)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind in "OU" and all(isinstance(value, str) for value in array.tolist()):
        return np.array([str(value) for value in array.tolist()], dtype=object)
    raise InputError(
        f"classes of type {array.dtype} have no ONNX form; train on texts, integers or truth values"
    )


# --- models of tables ------------------------------------------------------------------------


def target_results(graph: Graph, target: Target, output: str, dtype: Any) -> list[Result]:
    """Add what a `TabularModel` makes of the network's output (N, k)."""
    if isinstance(target, NumberTarget):
        return [_decoded(graph, target, output)]
    classes = class_array(_values(target))
    k = len(classes)
    saved = output
    if target.costs:
        saved = graph.op("Mul", output, graph.constant(np.array([target.costs], dtype=dtype)))
    code = graph.op("ArgMax", saved, axis=1, keepdims=0)
    label = graph.op("Gather", graph.constant(classes, "classes"), code)
    return [
        Result(label, "label", classes.dtype, None, f"predicted {target.name}"),
        Result(output, "probabilities", dtype, k, _listed(target.classes)),
    ]


def _listed(classes: Sequence[str]) -> str:
    """Return what the columns of the probabilities are; the metadata holds all classes."""
    listed = f"of {', '.join(classes)}"
    return listed if len(listed) <= 60 else f"of {len(classes)} classes, {classes[0]} first"


def _values(target: ClassTarget) -> list[Any]:
    """Return the classes as the target column had them."""
    if target.values == "integer":
        return [int(text) for text in target.classes]
    if target.values == "boolean":
        return [text == "true" for text in target.classes]
    if target.values == "float":
        return [float(text) for text in target.classes]
    return list(target.classes)


def _decoded(graph: Graph, target: NumberTarget, output: str) -> Result:
    f = Arithmetic(graph, np.float64)
    # not Add, which onnxruntime drops where float32 has no such small center (below 1e-45)
    number = f("Sum", f("Mul", graph.cast(output, np.float64), target.scale), target.center)
    flat = graph.op("Squeeze", number, graph.constant(np.array([1])))
    return Result(flat, "prediction", np.float64, None, f"predicted {target.name}")


# --- estimators ------------------------------------------------------------------------------


def estimator_results(graph: Graph, estimator: Any, output: str) -> list[Result]:
    """Add what `MLPClassifier` and `MLPRegressor` make of the network's output (N, k)."""
    k, dtype = estimator.network_.sizes[-1], float_dtype(estimator.network_)
    if not hasattr(estimator, "classes_"):
        if k > 1:
            return [Result(output, "prediction", dtype, k, "predicted numbers")]
        flat = graph.op("Squeeze", output, graph.constant(np.array([1])))
        return [Result(flat, "prediction", dtype, None, "predicted numbers")]
    f = Arithmetic(graph, dtype)
    scores = estimator.network_.model.loss.task == "margin"
    boundary = 0.0 if scores else 0.5
    if estimator._bp_target_type == "multilabel":
        label = graph.cast(f("Greater", output, boundary), np.int64)
        named = Result(label, "label", np.int64, k, "1 for each label that applies")
    else:
        named = _class(f, estimator._bp_labels(), output, boundary, k)
    if scores:
        return [named, Result(output, "scores", dtype, k, "what the loss compares with 0")]
    chances, width = _probabilities(f, estimator, output, k)
    return [named, Result(chances, "probabilities", dtype, width, "in the order of classes_")]


def _class(f: Arithmetic, classes: Any, output: str, boundary: float, k: int) -> Result:
    """Return the most probable class: of one output by a boundary, else the largest."""
    values = class_array(classes)
    if k == 1:
        above = f("Greater", output, boundary)
        code = f("Squeeze", f.graph.cast(above, np.int64), f.graph.constant(np.array([1])))
        known = np.concatenate([values, values])[:2] if len(values) == 1 else values
    else:
        ends = [f.graph.constant(np.array([n])) for n in (0, min(k, len(values)), 1)]
        code = f("ArgMax", f("Slice", output, *ends), axis=1, keepdims=0)
        known = values
    label = f("Gather", f.graph.constant(known, "classes"), code)
    return Result(label, "label", values.dtype, None, "predicted class")


def _probabilities(f: Arithmetic, estimator: Any, output: str, k: int) -> tuple[str, int]:
    if k == 1:
        return f("Concat", f("Sub", 1.0, output), output, axis=1), 2
    if estimator._bp_target_type == "multiclass" and estimator.out_activation_ == "logistic":
        axes = f.graph.constant(np.array([1]))
        total = f("ReduceSum", output, axes, keepdims=1)
        return f("Div", output, f("Max", total, float(np.finfo(f.dtype).tiny))), k
    return output, k

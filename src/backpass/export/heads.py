"""From a network's output to what `predict` and `predict_proba` return, in ONNX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from backpass.errors import InputError
from backpass.export.graph import Arithmetic, Graph
from backpass.export.layers import float_dtype
from backpass.tabular.targets import ClassTarget, NumberTarget, Target

__all__ = ["Result", "class_array", "estimator_results", "target_results", "told_of"]


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
    code = graph.op("ArgMax", output, axis=1, keepdims=0)
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
    if estimator._target_type == "multilabel":
        label = graph.cast(f("Greater", output, boundary), np.int64)
        named = Result(label, "label", np.int64, k, "1 for each label that applies")
    else:
        named = _class(f, estimator.classes_, output, boundary, k)
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
    if estimator._target_type == "multiclass" and estimator.out_activation_ == "logistic":
        axes = f.graph.constant(np.array([1]))
        total = f("ReduceSum", output, axes, keepdims=1)
        return f("Div", output, f("Max", total, float(np.finfo(f.dtype).tiny))), k
    return output, k

"""Models as ONNX files: the whole of one, from the columns of a table to labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from backpass.errors import InputError
from backpass.export.columns import (
    encoder_nodes,
    input_dtype,
    input_meaning,
    input_names,
    used_columns,
)
from backpass.export.graph import Arithmetic, Graph
from backpass.export.layers import (
    Result,
    estimator_results,
    float_dtype,
    network_nodes,
    target_results,
    told_of,
)
from backpass.network.network import Network
from backpass.storage.atomic_write import durable_write
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.model import TabularModel
from backpass.tabular.pack.blending import SMALLEST
from backpass.tabular.pack.pack import Pack
from backpass.tabular.targets import ClassTarget


def to_onnx(
    model: Any, path: str | Path | None = None, *, network_only: bool = False, X: Any = None
) -> Any:
    """Return a model in the ONNX format, which many programs run without Python or backpass.

    A :class:`~backpass.TabularModel` takes one input for each column of the table and gives
    ``label`` and ``probabilities``, or ``prediction`` in the units of the target. An estimator
    takes a matrix ``X``; a scikit-learn pipeline takes one input for each column if it begins
    with a :class:`~backpass.TableEncoder`, else a matrix or what the sample `X` shows (skl2onnx
    converts the steps that are not ours). A :class:`~backpass.Network` gives its ``output``.
    Results differ from `predict` and `predict_proba` by rounding. Opset 17; needs ``pip install
    'backpass[onnx]'``.

    Parameters
    ----------
    model : TabularModel, MLPClassifier, MLPRegressor, Pipeline or Network
        Trained.
    path : str or Path, optional
        Where the file goes; a file of that name is replaced when all of the new one is written.
    network_only : bool
        Whether only the network is wanted: from encoded rows ``X`` (N, n_0) to ``output`` (N, k).
    X : DataFrame or array of shape (N, n_features), optional
        Some rows, by which a pipeline that does not begin with a `TableEncoder` learns the names
        and types of its inputs; by default they are one matrix of float64.

    Returns
    -------
    onnx.ModelProto
        Checked; its metadata names the target and the classes, or the encoded inputs.

    Raises
    ------
    InputError
        When onnx or skl2onnx is not installed, the model is not trained or of another kind, has an
        activation that a user has registered, or a step that skl2onnx cannot convert.
    NotFittedError
        When a pipeline is not fitted.
    ModelFileError
        When the file cannot be written.

    Examples
    --------
    >>> network = Network([2, 3, 1], "gelu", seed=0)
    >>> converted = to_onnx(network)
    >>> [x.name for x in converted.graph.input], [y.name for y in converted.graph.output]
    (['X'], ['output'])
    """
    converted = _converted(model, network_only, X)
    if path is not None:
        durable_write(path, [converted.SerializeToString(deterministic=True)])
    return converted


def _converted(model: Any, network_only: bool, X: Any) -> Any:
    model = getattr(model, "best_estimator_", model)  # a search over settings
    if isinstance(model, Network):
        return _network(model)
    if network_only:
        encoder = getattr(model, "encoder", None)
        names = None if encoder is None else encoder.get_feature_names_out().tolist()
        if isinstance(pack := getattr(model, "pack", None), Pack):
            return _network(pack, names)
        return _network(_network_of(model), names)
    if isinstance(model, TabularModel):
        return _table_model(model)
    if hasattr(model, "steps"):
        return _pipeline(model, X)
    return _estimator(model)


def _pipeline(pipeline: Any, X: Any) -> Any:
    """Return a pipeline of our own steps as they are, and any other by way of skl2onnx."""
    steps = [step for _, step in pipeline.steps if step not in (None, "passthrough")]
    check_is_fitted(pipeline)
    if len(steps) == 1:
        return _converted(steps[0], False, X)
    if len(steps) == 2 and isinstance(steps[0], TableEncoder) and hasattr(steps[1], "network_"):
        matrix, graph = _encoded(steps[0])
        return _estimator_on(graph, matrix, steps[0].dtype, steps[1])
    from backpass.export.pipelines import convert_pipeline

    return convert_pipeline(pipeline, X)


def _network_of(model: Any) -> Network:
    """Return the trained network inside of a model."""
    last = model[-1] if hasattr(model, "steps") else model
    network = getattr(last, "network_", None) or getattr(last, "network", None)
    if not isinstance(network, Network):
        kind = type(last).__name__
        raise InputError(
            f"this {kind} holds no trained network; give a Network, TabularModel, MLPClassifier or "
            "MLPRegressor, or a pipeline of them, after fit"
        )
    return network


def _finished(graph: Graph, results: list[Result], told: dict[str, str]) -> Any:
    for value, wish, dtype, width, meaning in results:
        graph.output(value, wish, dtype, width, meaning)
    return graph.to_model(told)


def _network(network: Network | Pack, names: list[str] | None = None) -> Any:
    one = network if isinstance(network, Network) else network.first.networks[0]
    width = one.sizes[0] if names is None else len(names)
    graph, dtype = Graph(["X"]), float_dtype(one)
    x = graph.input("X", dtype, width, "encoded rows")
    output = _predictor_nodes(graph, network, x, dtype)
    result = Result(output, "output", dtype, one.sizes[-1], "the network's output")
    return _finished(graph, [result], told_of(inputs=names))


def _predictor_nodes(graph: Graph, predictor: Network | Pack, x: str, given: Any) -> str:
    """Add a network, or all those of a pack, their means and their blend: (N, k)."""
    if isinstance(predictor, Network):
        return network_nodes(graph, predictor, x, given)
    f = Arithmetic(graph, float_dtype(predictor.first.networks[0]))
    parts, blend = [], predictor.blend
    for packed, weight in zip(predictor.recipes, blend.weights, strict=True):
        first, last = (graph.constant(np.array([n])) for n in (0, packed.networks[0].sizes[0]))
        # bins are the last columns: a network without them takes those before
        rows = graph.op("Slice", x, first, last, graph.constant(np.array([1])))
        outputs = [network_nodes(graph, network, rows, given) for network in packed.networks]
        parts.append(f("Mul", f("Div", f("Sum", *outputs), len(outputs)), weight))
    mixed = f("Sum", *parts)
    if blend.temperature == 1:
        return mixed
    surest = f("Log", f("Max", mixed, SMALLEST))
    return f("Softmax", f("Div", surest, blend.temperature), axis=1)


def _table_model(model: TabularModel) -> Any:
    matrix, graph = _encoded(model.encoder)
    output = _predictor_nodes(graph, model.predictor, matrix, model.encoder.dtype)
    target = model.target
    classes = target.classes if isinstance(target, ClassTarget) else None
    results = target_results(graph, target, output, float_dtype(model.network))
    return _finished(graph, results, told_of(target=target.name, classes=classes))


def _encoded(encoder: TableEncoding) -> tuple[str, Graph]:
    """Return the encoded matrix of a new graph with an input for each column, and the graph."""
    names = input_names(encoder)
    graph = Graph(names)
    for name, column in zip(names, used_columns(encoder), strict=True):
        graph.input(name, input_dtype(column), 1, input_meaning(column))
    return encoder_nodes(graph, encoder, names), graph


def _estimator(estimator: Any) -> Any:
    network = _network_of(estimator)
    graph, dtype = Graph(["X"]), float_dtype(network)
    x = graph.input("X", dtype, network.sizes[0], "rows as in fit")
    return _estimator_on(graph, x, dtype, estimator)


def _estimator_on(graph: Graph, x: str, given: Any, estimator: Any) -> Any:
    """Return the finished graph of an estimator that takes `x` (N, n_0)."""
    output = network_nodes(graph, estimator.network_, x, given)
    classes = estimator._bp_labels().tolist() if hasattr(estimator, "classes_") else None
    told = told_of(classes=classes)
    results = estimator_results(graph, estimator, output)
    return _finished(graph, results, told)

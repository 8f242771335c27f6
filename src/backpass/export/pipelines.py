"""Pipelines of scikit-learn in ONNX, by skl2onnx with converters of ours.

skl2onnx asks for three functions a kind of step: a parser, which declares the step's outputs; a
shape calculator, which sets their types; and the converter, which adds the nodes. It asks the step
itself (``backpass.estimators.compat``), or looks in its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from backpass.errors import InputError
from backpass.estimators import MLPClassifier, MLPRegressor
from backpass.export.columns import (
    encoder_nodes,
    input_dtype,
    input_meaning,
    input_names,
    used_columns,
)
from backpass.export.graph import ML, ML_OPSET, OPSET, Graph, onnx_part
from backpass.export.layers import Result, estimator_results, float_dtype, network_nodes, told_of
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.frames import as_frame

LABEL_ENCODER = 2  # the version of the operator that we use of the domain ai.onnx.ml
FAILURES = (RuntimeError, NotImplementedError, TypeError, ValueError, KeyError, AttributeError)


def convert_pipeline(pipeline: Any, X: Any = None) -> Any:
    """Return a pipeline as a checked ``ModelProto``.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    X : DataFrame or array of shape (N, n_features), optional
        Some rows, as `predict` takes them; not needed where the first step is a `TableEncoder`.

    Raises
    ------
    InputError
        When skl2onnx is not installed, or cannot convert a step.
    """
    register_converters()
    skl2onnx = onnx_part("skl2onnx")
    names, kinds, meanings, strange = _inputs(pipeline, X)
    encoded = isinstance(pipeline[0], TableEncoder)  # takes its columns by their order
    given = [f"column_{i}" for i in range(len(names))] if encoded else names
    try:
        model = skl2onnx.convert_sklearn(
            pipeline,
            "backpass",
            initial_types=list(zip(given, kinds, strict=True)),
            target_opset={"": OPSET, ML: ML_OPSET},
            options={"zipmap": False} if hasattr(pipeline, "classes_") else None,
        )
    except InputError:
        raise
    except FAILURES as error:
        reason = "; ".join([" ".join(str(error).split()), *strange.values()])
        raise InputError(f"skl2onnx cannot convert this pipeline: {reason}") from None
    _restore_names(model, names)
    for value, meaning in zip(model.graph.input, meanings, strict=True):
        value.doc_string = meaning
    _drop_unused(model.graph, strange)
    classes = getattr(pipeline, "classes_", None)
    told = told_of(classes=None if classes is None else np.asarray(classes).tolist())
    onnx_part("onnx.helper").set_model_props(model, told)
    onnx_part("onnx.checker").check_model(model, full_check=True)
    return model


def register_converters() -> None:
    """Enter `TableEncoder`, `MLPClassifier` and `MLPRegressor` in skl2onnx's table of converters.

    That happens by itself, but in one case: skl2onnx was imported only after an ensemble of our
    estimators had been fitted, and looks up their class in place of asking them.

    Raises
    ------
    InputError
        When skl2onnx is not installed.
    """
    for kind in (TableEncoder, MLPClassifier, MLPRegressor):
        register_converter(kind)


def register_converter(kind: type) -> None:
    """Enter one class in skl2onnx's table of converters, unless it is there already.

    Parameters
    ----------
    kind : type
        `TableEncoder`, `MLPClassifier`, `MLPRegressor`, or a subclass of them.
    """
    skl2onnx = onnx_part("skl2onnx")
    try:
        skl2onnx.get_model_alias(kind)
    except RuntimeError:
        options = {"zipmap": [False]} if issubclass(kind, MLPClassifier) else None
        name = f"Backpass{kind.__name__}"
        skl2onnx.update_registered_converter(
            kind, name, set_types, convert_step, parser=_parse, options=options
        )


# --- inputs ------------------------------------------------------------------------------------

OUTPUTS = {"label", "probabilities", "scores", "prediction", "encoded"}


def _drop_unused(graph: Any, strange: Mapping[str, str]) -> None:
    """Leave out the inputs of types that ONNX has not, or refuse one that a step takes."""
    taken = {name for node in graph.node for name in node.input}
    for name, complaint in strange.items():
        if name in taken:
            raise InputError(complaint)
    for value in [value for value in graph.input if value.name in strange]:
        graph.input.remove(value)


def _inputs(pipeline: Any, X: Any) -> tuple[list[str], list[Any], list[str], dict[str, str]]:
    """Return names, skl2onnx's types and, where they are known, the meanings of the inputs.

    Last come the columns of types that ONNX has not, each with what to say if it is taken.
    """
    first = pipeline[0]
    if isinstance(first, TableEncoder):
        columns, names = used_columns(first), input_names(first)
        kinds = [_kind(input_dtype(column))([None, 1]) for column in columns]
        return names, kinds, [input_meaning(column) for column in columns], {}
    if X is None:
        return ["X"], [_kind(np.float64)([None, _width(pipeline)])], [""], {}
    if not all(isinstance(name, str) for name in getattr(X, "columns", [0])):
        array = np.asarray(X)
        return ["X"], [_kind(_plain(array.dtype, "X"))([None, array.shape[1]])], [""], {}
    frame = as_frame(X)
    if taken := OUTPUTS & {*frame.columns}:
        name = min(taken)
        raise InputError(
            f"column {name!r} of X is called as an output or step of the graph; rename it"
        )
    kinds, strange = [], {}
    for column in frame:
        try:
            dtype = _column_dtype(column)
        except InputError as error:
            dtype, strange[column.name] = np.dtype(object), str(error)
        kinds.append(_kind(dtype)([None, 1]))
    return frame.columns, kinds, [""] * frame.width, strange


def _width(pipeline: Any) -> int:
    width = getattr(pipeline, "n_features_in_", None)
    if width is None:
        raise InputError("give some rows as X: the pipeline does not say how many features it has")
    return int(width)


def _column_dtype(column: Any) -> np.dtype[Any]:
    return _plain(column.to_numpy().dtype, f"column {column.name!r} of X")


def _plain(dtype: np.dtype[Any], what: str) -> np.dtype[Any]:
    """Return the dtype that ONNX has for one of NumPy."""
    if dtype in (np.float32, np.float64) or dtype.kind == "b":
        return dtype
    plain = {"f": np.float64, "i": np.int64, "u": np.int64, "O": object, "U": object}
    if dtype.kind not in plain:
        raise InputError(f"{what} holds {dtype}; give numbers, truth values or texts")
    return np.dtype(plain[dtype.kind])


def _kind(dtype: Any) -> Any:
    """Return skl2onnx's type for a dtype."""
    types = onnx_part("skl2onnx.common.data_types")
    names = {
        "float32": "FloatTensorType",
        "float64": "DoubleTensorType",
        "int64": "Int64TensorType",
        "bool": "BooleanTensorType",
        "object": "StringTensorType",
    }
    return getattr(types, names[np.dtype(dtype).name])


def _restore_names(model: Any, names: list[str]) -> None:
    """Give the inputs the names of the columns; any other value of such a name gets a new one."""
    graph = model.graph
    changed = {v.name: name for v, name in zip(graph.input, names, strict=True)}
    others = [t.name for t in graph.initializer] + [x for node in graph.node for x in node.output]
    fresh = Graph([*names, *others])
    changed |= {name: fresh.new_name(name) for name in others if name in names}
    for value in [*graph.input, *graph.output, *graph.initializer]:
        value.name = changed.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [changed.get(name, name) for name in node.input]
        node.output[:] = [changed.get(name, name) for name in node.output]


# --- what skl2onnx calls -------------------------------------------------------------------------


class _Within(Graph):
    """A graph that becomes a part of skl2onnx's: the names are unique there.

    Parameters
    ----------
    scope
        What skl2onnx takes names from.
    """

    def __init__(self, scope: Any) -> None:
        super().__init__()
        self._scope = scope

    def new_name(self, wish: str) -> str:
        return str(self._scope.get_unique_variable_name(wish.strip("/")))

    def move_to(self, container: Any) -> None:
        """Add all nodes and constants to skl2onnx's container."""
        value_of = onnx_part("onnx.helper").get_attribute_value
        container.initializers.extend(self.constants)
        for node in self.nodes:
            attributes = {a.name: value_of(a) for a in node.attribute}
            if node.domain == ML:  # skl2onnx takes the newest one, which it then refuses
                attributes["op_version"] = LABEL_ENCODER
            container.add_node(
                node.op_type,
                list(node.input),
                list(node.output),
                op_domain=node.domain,
                name=node.name,
                **attributes,
            )

    def name_result(self, value: str, variable: Any) -> None:
        """Give a result the name that skl2onnx has for it."""
        self.nodes.append(
            self._helper.make_node(
                "Identity", [value], [variable.full_name], name=self.new_name("Named")
            )
        )


def declared_outputs(scope: Any, model: Any, inputs: Any) -> list[Any]:
    """Return new variables for the outputs of a step; `set_types` completes their types.

    Parameters
    ----------
    scope
        What skl2onnx declares variables in.
    model : TableEncoder, MLPClassifier or MLPRegressor
        Fitted.
    inputs : list
        skl2onnx's variables that the step is given.

    Raises
    ------
    NotFittedError
        When the step is not fitted.
    """
    check_is_fitted(model)
    results = _results(model, inputs)
    return [scope.declare_local_variable(r.wish, _kind(r.dtype)()) for r in results]


def set_types(operator: Any) -> None:
    """Set the types of a step's outputs.

    Parameters
    ----------
    operator
        The step as skl2onnx has it, with inputs and outputs.
    """
    results = _results(operator.raw_operator, operator.inputs)
    for variable, (_, _, dtype, width, _) in zip(operator.outputs, results, strict=True):
        variable.type = _kind(dtype)([None] if width is None else [None, width])


def convert_step(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a step.

    Parameters
    ----------
    scope
        What skl2onnx takes names from.
    operator
        The step as skl2onnx has it, with inputs and outputs.
    container
        Where the nodes go.
    """
    graph = _Within(scope)
    is_encoder = isinstance(operator.raw_operator, TableEncoder)
    results = (_encoder if is_encoder else _estimator)(graph, operator)
    for variable, result in zip(operator.outputs, results, strict=True):
        graph.name_result(result.value, variable)
    graph.move_to(container)


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare a step with its outputs."""
    alias = onnx_part("skl2onnx").get_model_alias(type(model))
    operator = scope.declare_local_operator(alias, model)
    operator.inputs = inputs
    for variable in declared_outputs(scope, model, inputs):
        operator.outputs.append(variable)
    return operator.outputs


def _results(model: Any, inputs: Any) -> list[Result]:
    """Return what a step gives, with names of values that mean nothing."""
    if isinstance(model, TableEncoder):
        return [_encoded(model, "")]
    return _estimator_results(Graph(["z"]), model, "z", inputs)


def _encoded(encoder: TableEncoder, value: str) -> Result:
    width = len(encoder.get_feature_names_out())
    return Result(value, "encoded", np.dtype(encoder.dtype), width, "")


def _estimator_results(graph: Graph, estimator: Any, output: str, inputs: Any) -> list[Result]:
    """Return what an estimator gives, in the type that it is given, as others in an ensemble do."""
    if hasattr(estimator, "classes_"):
        label, *numbers = estimator_results(graph, estimator, output)
        first = [label]
    else:
        # as skl2onnx has it: (N, k), so that regressors can be parts of others
        dtype, k = float_dtype(estimator.network_), estimator.network_.sizes[-1]
        first, numbers = [], [Result(output, "prediction", dtype, k, "")]
    wide = any(isinstance(x.type, _kind(np.float64)) for x in inputs)
    dtype = np.dtype(np.float64 if wide else np.float32)
    return first + [
        r if r.dtype == dtype else r._replace(value=graph.cast(r.value, dtype), dtype=dtype)
        for r in numbers
    ]


def _estimator(graph: Graph, operator: Any) -> list[Result]:
    estimator = operator.raw_operator
    dtype = float_dtype(estimator.network_)
    parts = [graph.cast(x.full_name, dtype) for x in operator.inputs]
    x = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1)
    output = network_nodes(graph, estimator.network_, x, dtype)
    return _estimator_results(graph, estimator, output, operator.inputs)


def _encoder(graph: Graph, operator: Any) -> list[Result]:
    encoder = operator.raw_operator
    names = [
        x if input_dtype(column).kind == "O" else graph.cast(x, np.float64)
        for x, column in zip(_columns(graph, operator), used_columns(encoder), strict=True)
    ]
    return [_encoded(encoder, encoder_nodes(graph, encoder, names))]


def _columns(graph: Graph, operator: Any) -> list[str]:
    """Return the values that hold the encoder's used columns, however they come."""
    encoder = operator.raw_operator
    used = [i for i, column in enumerate(encoder.columns_) if column.outputs]
    given = [x.full_name for x in operator.inputs]
    if len(given) == len(used):
        return given
    if len(given) == len(encoder.columns_):
        return [given[i] for i in used]
    if len(given) == 1:
        return [graph.op("Gather", given[0], graph.constant(np.array([i])), axis=1) for i in used]
    raise InputError(
        f"the TableEncoder takes {len(encoder.columns_)} columns and is given {len(given)} inputs"
    )

"""An ONNX graph, node by node: names that are never taken twice, constants, inputs, outputs.

Opset 17 (2022) and file format 8, so that runtimes of the last years load the result; the only
operator beyond the plain ones is ``LabelEncoder``, of the domain ``ai.onnx.ml``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np

from backpass.errors import InputError

OPSET, ML_OPSET, FILE_FORMAT = 17, 3, 8
ML = "ai.onnx.ml"
LARGEST = 2**31 - 2**16  # bytes that a protobuf message may have, less room for the graph


def onnx_part(name: str = "onnx") -> Any:
    """Return a module of the package onnx, which is loaded only here.

    Raises
    ------
    InputError
        When it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise InputError(
            f"ONNX export needs {package}, which is not installed: pip install 'backpass[onnx]'"
        ) from None


class Graph:
    """Nodes and constants as they are added, in an order in which they can be computed.

    Parameters
    ----------
    taken : iterable of str
        Names that no value of the graph may have, such as those of a table's columns.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._helper = onnx_part("onnx.helper")
        self._numpy = onnx_part("onnx.numpy_helper")
        self._taken = {*taken, ""}
        self._known: dict[Any, str] = {}
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def new_name(self, wish: str) -> str:
        """Return `wish`, numbered where that name is taken."""
        name, number = wish, 2
        while name in self._taken:
            name, number = f"{wish}_{number}", number + 1
        self._taken.add(name)
        return name

    def op(self, kind: str, *operands: str, domain: str = "", **attributes: Any) -> str:
        """Add one node with one result, and return the name of that."""
        name = self.new_name(f"/{kind}")
        node = self._helper.make_node(
            kind, list(operands), [name], name=name, domain=domain, **attributes
        )
        self.nodes.append(node)
        return name

    def constant(self, values: Any, wish: str = "/constant") -> str:
        """Add an array, of texts as objects, and return its name; equal ones are kept once."""
        array = np.asarray(values)
        content = tuple(array.ravel()) if array.dtype == object else array.tobytes()
        key = (str(array.dtype), array.shape, content)
        if key not in self._known:
            self._known[key] = self.new_name(wish)
            self.constants.append(self._numpy.from_array(array, self._known[key]))
        return self._known[key]

    def cast(self, x: str, dtype: Any) -> str:
        """Add a conversion to a dtype of NumPy."""
        return self.op("Cast", x, to=self._kind(dtype))

    def input(self, name: str, dtype: Any, width: int, meaning: str) -> str:
        """Declare an input of shape (N, width) by its exact name, which is taken already."""
        self.inputs.append(self._declared(name, dtype, ["N", width], meaning))
        return name

    def output(self, x: str, wish: str, dtype: Any, width: int | None, meaning: str) -> None:
        """Declare the value `x` an output, (N, width) or (N,), under a name of its own."""
        name = self.new_name(wish)
        self.nodes.append(self._helper.make_node("Identity", [x], [name], name=f"/{name}"))
        shape: list[Any] = ["N"] if width is None else ["N", width]
        self.outputs.append(self._declared(name, dtype, shape, meaning))

    def to_model(self, told: Mapping[str, str]) -> Any:
        """Return the graph as a checked ``ModelProto``; `told` goes to its metadata.

        Raises
        ------
        InputError
            When it would exceed the 2 GiB that an ONNX file can hold.
        """
        size = sum(len(tensor.raw_data) for tensor in self.constants)
        if size > LARGEST:
            raise InputError(
                f"the weights take {size / 2**30:.1f} GiB, and an ONNX file holds less than 2 GiB; "
                "export a smaller network, or one of dtype float32"
            )
        graph = self._helper.make_graph(
            self.nodes, "backpass", self.inputs, self.outputs, self.constants
        )
        opsets = [self._helper.make_opsetid("", OPSET), self._helper.make_opsetid(ML, ML_OPSET)]
        model = self._helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=FILE_FORMAT,
            producer_name="backpass",
            producer_version=metadata.version("backpass"),
        )
        self._helper.set_model_props(model, dict(told))
        onnx_part("onnx.checker").check_model(model, full_check=True)
        return model

    def _declared(self, name: str, dtype: Any, shape: list[Any], meaning: str) -> Any:
        return self._helper.make_tensor_value_info(name, self._kind(dtype), shape, meaning)

    def _kind(self, dtype: Any) -> int:
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class Arithmetic:
    """Nodes of one float type, among whose operands plain numbers may stand.

    Parameters
    ----------
    graph : Graph
    dtype : dtype
        float32 or float64.
    """

    def __init__(self, graph: Graph, dtype: Any) -> None:
        self.graph, self.dtype = graph, np.dtype(dtype)

    def __call__(self, kind: str, *operands: str | float, **attributes: Any) -> str:
        """Add a node and return the name of its result."""
        names = [
            x if isinstance(x, str) else self.graph.constant(self.dtype.type(x)) for x in operands
        ]
        return self.graph.op(kind, *names, **attributes)

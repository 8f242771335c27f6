"""What ``backpass export`` does, once its arguments are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backpass.cli.arguments import Output, check_is_file, check_outputs
from backpass.cli.output import Messages
from backpass.tabular.formatting import one_line

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["run_export"]


def run_export(model_path: str, onnx: str, *, network_only: bool) -> int:
    """Write a model as an ONNX file and show its inputs and outputs; return the exit code."""
    check_is_file(model_path)
    check_outputs([Output("--onnx", onnx, (".onnx",))], [model_path])
    from backpass.export.graph import onnx_part

    onnx_part()  # told before scikit-learn is loaded, which takes seconds
    from backpass.cli import tables as render
    from backpass.export import to_onnx
    from backpass.network.network import Network
    from backpass.storage.container import container_kind
    from backpass.tabular.model import TabularModel

    with Messages().catching():
        kind: Any = Network if container_kind(model_path) == "network" else TabularModel
        model = kind.load(model_path)
        converted = to_onnx(model, onnx, network_only=network_only)
    render.output().print(_shown(converted))
    return 0


def _shown(converted: Any) -> Table:
    """Return every input and output of an ONNX model as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("", "name", "type", "shape", "what it holds"):
        table.add_column(head, overflow="fold")
    for role, values in (("input", converted.graph.input), ("output", converted.graph.output)):
        for value in values:
            cells = (role, value.name, _element(value), _shape(value), value.doc_string)
            table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


def _element(value: Any) -> str:
    """Return the type of an input's or output's elements: ``"string"``, ``"double"``."""
    from backpass.export.graph import onnx_part

    kinds = onnx_part().TensorProto.DataType
    return str(kinds.Name(value.type.tensor_type.elem_type)).lower()


def _shape(value: Any) -> str:
    sizes = (size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)
    return " × ".join(map(str, sizes))

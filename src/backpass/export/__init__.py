"""Models as ONNX files, which other programs run without Python."""

from backpass.export.columns import onnx_inputs
from backpass.export.convert import to_onnx

__all__ = ["onnx_inputs", "to_onnx"]

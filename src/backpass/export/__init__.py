"""Models as ONNX files, which other programs run without Python."""

from backpass.export.convert import to_onnx
from backpass.export.inputs import onnx_inputs

__all__ = ["onnx_inputs", "to_onnx"]

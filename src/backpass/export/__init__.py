"""Models in formats that other programs read: ONNX."""

from backpass.export.converting import to_onnx
from backpass.export.feeding import onnx_inputs

__all__ = ["onnx_inputs", "to_onnx"]

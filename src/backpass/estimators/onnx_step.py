"""What skl2onnx asks of a step: its converter, whichever of the two packages was imported first.

The converters are in the package export, which imports the steps; they are loaded from here by
name, once skl2onnx asks for them or is there to be told of them.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any


class OnnxStep:
    """Mixin of what skl2onnx can convert.

    It asks a model, or a step of a pipeline, for the three methods. Of an estimator inside of an
    ensemble it asks nothing, but looks up the class in its table: we enter it when scikit-learn
    asks for tags, as it does in the fit of an ensemble, and when one is unpickled.
    """

    def onnx_parser(self) -> Callable[..., list[Any]]:
        """Return what declares the outputs of this step in a graph of skl2onnx.

        Returns
        -------
        callable
            Called by skl2onnx as ``(scope, inputs)``.
        """
        converters = _converters()
        converters.register_converter(type(self))  # by which it knows what options there are

        def outputs(scope: Any = None, inputs: Any = None) -> list[Any]:
            return list(converters.declared_outputs(scope, self, inputs))

        return outputs

    def onnx_shape_calculator(self) -> Callable[[Any], None]:
        """Return what sets the types of the outputs in a graph of skl2onnx.

        Returns
        -------
        callable
            Called by skl2onnx as ``(operator)``.
        """
        found: Callable[[Any], None] = _converters().set_types
        return found

    def onnx_converter(self) -> Callable[[Any, Any, Any], None]:
        """Return what adds the nodes of this step to a graph of skl2onnx.

        Returns
        -------
        callable
            Called by skl2onnx as ``(scope, operator, container)``.
        """
        found: Callable[[Any, Any, Any], None] = _converters().convert_step
        return found

    def __sklearn_tags__(self) -> Any:
        self._enter()
        return super().__sklearn_tags__()  # type: ignore[misc]

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self._enter()

    def _enter(self) -> None:
        if sys.modules.get("skl2onnx") is not None:
            _converters().register_converter(type(self))


def _converters() -> Any:
    return importlib.import_module("backpass.export.pipelines")

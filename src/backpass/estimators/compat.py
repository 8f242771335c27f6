"""What scikit-learn and skl2onnx want of an estimator, in one place.

scikit-learn 1.9 has a callback protocol; before it, :class:`EpochCallbacks` does nothing. The
converters to ONNX are in the package export, which imports the estimators; they are loaded from
here by name, once skl2onnx asks for them or is there to be told of them.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.validation import validate_data

__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassifierMixin",
    "EpochCallbacks",
    "OnnxStep",
    "RegressorMixin",
    "TransformerMixin",
    "validate_data",
    "with_callbacks",
]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9
    Method = TypeVar("Method", bound=Callable[..., Any])

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand for the mixin of scikit-learn 1.9; earlier versions have no callbacks."""

    def with_callbacks(method: Method) -> Method:
        """Return `method`: there are no callbacks to tear down."""
        return method


class EpochCallbacks:
    """Tells scikit-learn's callbacks of every epoch of a fit.

    Parameters
    ----------
    estimator : estimator
        The one being fitted.
    epochs : int
        Most epochs.
    X, y : array-like
        The training data, handed to callbacks that ask for them.
    sample_weight : array-like, optional
        Handed on as metadata, under this name.
    """

    def __init__(
        self, estimator: Any, epochs: int, X: Any, y: Any, sample_weight: Any = None
    ) -> None:
        self._active = hasattr(estimator, "_init_callback_context")
        self._listeners = bool(getattr(estimator, "_skl_callbacks", ()))
        self._data: dict[str, Any] = {"estimator": estimator, "X": X, "y": y}
        if sample_weight is not None:
            self._data["metadata"] = {"sample_weight": sample_weight}
        if self._active:
            self._context = estimator._init_callback_context(max_subtasks=epochs)
            self._context.call_on_fit_task_begin(**self._data)
            self._begin()

    def _begin(self) -> None:
        self._epoch = None
        # where nobody listens, the contexts of thousands of short epochs would cost more than they
        if self._listeners and len(self._context._children_map) < self._context.max_subtasks:
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._data)

    def epoch(self, reconstruction_attributes: Callable[[], dict[str, Any]]) -> bool:
        """Tell that an epoch ended; return whether a callback wants the fit to stop."""
        if not self._active or self._epoch is None:
            return False
        stop = self._epoch.call_on_fit_task_end(
            **self._data, reconstruction_attributes=reconstruction_attributes
        )
        if not stop:
            self._begin()
        return bool(stop)

    def end(self) -> None:
        """Tell that the fit ended."""
        if self._active:
            self._context.call_on_fit_task_end(**self._data, reconstruction_attributes=dict)


THEIRS = "sklearn.neural_network._multilayer_perceptron"
"""Where scikit-learn's MLP warns: public code filters by it."""


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
        self._bp_enter()
        return super().__sklearn_tags__()  # type: ignore[misc]

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self._bp_enter()

    def _bp_enter(self) -> None:
        if sys.modules.get("skl2onnx") is not None:
            _converters().register_converter(type(self))


def _converters() -> Any:
    return importlib.import_module("backpass.export.pipelines")

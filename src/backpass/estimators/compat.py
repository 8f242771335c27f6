"""What differs between the supported scikit-learn versions (1.7 to 1.9), in one place.

scikit-learn 1.9 has a callback protocol; before it, :class:`EpochCallbacks` does nothing.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.validation import validate_data

__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassifierMixin",
    "EpochCallbacks",
    "RegressorMixin",
    "TransformerMixin",
    "validate_data",
    "warn",
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


def warn(message: str, category: type[Warning], module: str = "") -> None:
    """Warn of the line that called an estimator, past those of backpass and scikit-learn.

    Parameters
    ----------
    module : str, optional
        What filters take for the module that warns; the caller's by default.
    """
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in ("backpass", "sklearn"):
        frame = frame.f_back
    told = frame.f_globals
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module or told["__name__"],
        told.setdefault("__warningregistry__", {}),
    )

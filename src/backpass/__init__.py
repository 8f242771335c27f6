"""Multilayer perceptrons by hand-derived backpropagation: train on a table, see every derivative.

Names are loaded when they are first used: ``import backpass`` itself loads nothing.
"""

from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "GradientCheck": "backpass.derivatives.checking",
    "GradientFlowDisplay": "backpass.training.displays",
    "Gradients": "backpass.core.parameters",
    "History": "backpass.training.history",
    "LossCurveDisplay": "backpass.training.displays",
    "MLPClassifier": "backpass.estimators",
    "MLPRegressor": "backpass.estimators",
    "Network": "backpass.network.network",
    "TableEncoder": "backpass.tabular.encoder",
    "TabularModel": "backpass.tabular.model",
    "Verdict": "backpass.derivatives.homework",
    "explain_mismatch": "backpass.derivatives.homework",
    "onnx_inputs": "backpass.export",
    "check_gradients": "backpass.derivatives.checking",
    "Trace": "backpass.derivatives.tracing",
    "read_table": "backpass.tabular.reading",
    "register_activation": "backpass.core.custom_records",
    "register_loss": "backpass.core.custom_records",
    "to_onnx": "backpass.export",
    "trace": "backpass.derivatives.tracing",
    "train": "backpass.training.trainer",
}
"""Where each public name lives."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'backpass' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

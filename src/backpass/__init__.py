"""Multilayer perceptrons by hand-derived backpropagation: train on a table, see every derivative.

Names are loaded when they are first used: ``import backpass`` itself loads nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for editors and type checkers, which do not run __getattr__
    from backpass.core.activations import Activation as Activation
    from backpass.core.custom_records import register_activation as register_activation
    from backpass.core.custom_records import register_loss as register_loss
    from backpass.core.losses import Loss as Loss
    from backpass.core.parameters import Gradients as Gradients
    from backpass.core.settings import Settings as Settings
    from backpass.derivatives.checking import GradientCheck as GradientCheck
    from backpass.derivatives.checking import check_gradients as check_gradients
    from backpass.derivatives.homework import Verdict as Verdict
    from backpass.derivatives.homework import explain_mismatch as explain_mismatch
    from backpass.derivatives.tracing import Trace as Trace
    from backpass.derivatives.tracing import trace as trace
    from backpass.derivatives.worksheets import Worksheet as Worksheet
    from backpass.derivatives.worksheets import worksheet as worksheet
    from backpass.errors import InputError as InputError
    from backpass.estimators import MLPClassifier as MLPClassifier
    from backpass.estimators import MLPRegressor as MLPRegressor
    from backpass.export import onnx_inputs as onnx_inputs
    from backpass.export import to_onnx as to_onnx
    from backpass.network.network import Network as Network
    from backpass.tabular.encoder import TableEncoder as TableEncoder
    from backpass.tabular.estimators import TabularClassifier as TabularClassifier
    from backpass.tabular.estimators import TabularRegressor as TabularRegressor
    from backpass.tabular.files import read_table as read_table
    from backpass.tabular.model import TabularModel as TabularModel
    from backpass.tabular.recipe import Recipe as Recipe
    from backpass.training.displays import GradientFlowDisplay as GradientFlowDisplay
    from backpass.training.displays import LossCurveDisplay as LossCurveDisplay
    from backpass.training.history import History as History
    from backpass.training.trainer import train as train

__version__ = "0.1.0"

_HOMES = {
    "Activation": "backpass.core.activations",
    "check_gradients": "backpass.derivatives.checking",
    "explain_mismatch": "backpass.derivatives.homework",
    "GradientCheck": "backpass.derivatives.checking",
    "GradientFlowDisplay": "backpass.training.displays",
    "Gradients": "backpass.core.parameters",
    "History": "backpass.training.history",
    "InputError": "backpass.errors",
    "Loss": "backpass.core.losses",
    "LossCurveDisplay": "backpass.training.displays",
    "MLPClassifier": "backpass.estimators",
    "MLPRegressor": "backpass.estimators",
    "Network": "backpass.network.network",
    "onnx_inputs": "backpass.export",
    "read_table": "backpass.tabular.files",
    "Recipe": "backpass.tabular.recipe",
    "register_activation": "backpass.core.custom_records",
    "register_loss": "backpass.core.custom_records",
    "Settings": "backpass.core.settings",
    "TableEncoder": "backpass.tabular.encoder",
    "TabularClassifier": "backpass.tabular.estimators",
    "TabularModel": "backpass.tabular.model",
    "TabularRegressor": "backpass.tabular.estimators",
    "to_onnx": "backpass.export",
    "Trace": "backpass.derivatives.tracing",
    "trace": "backpass.derivatives.tracing",
    "train": "backpass.training.trainer",
    "Verdict": "backpass.derivatives.homework",
    "Worksheet": "backpass.derivatives.worksheets",
    "worksheet": "backpass.derivatives.worksheets",
}
"""Where each public name lives."""

__all__ = ["__version__", *_HOMES]

if not TYPE_CHECKING:  # a name that is not there is then an error for them, too

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            import importlib

            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'backpass' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

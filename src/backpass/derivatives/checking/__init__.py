"""Check gradients: every derivative of a network beside the numerical one, layer by layer."""

from backpass.derivatives.checking.check import check_gradients
from backpass.derivatives.checking.comparison import Comparison, GroupCheck, compare, relative_error
from backpass.derivatives.checking.result import GradientCheck

__all__ = [
    "Comparison", "GradientCheck", "GroupCheck", "check_gradients", "compare", "relative_error",
]  # fmt: skip

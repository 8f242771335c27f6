"""Check gradients: every derivative of a network beside the numerical one, layer by layer."""

from backpass.checking.certificate import check_gradients
from backpass.checking.result import GradientCheck
from backpass.checking.verdicts import Comparison, GroupCheck, compare, relative_error

__all__ = [
    "Comparison",
    "GradientCheck",
    "GroupCheck",
    "check_gradients",
    "compare",
    "relative_error",
]

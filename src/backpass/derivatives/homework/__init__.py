"""A learner's gradient against the right one: right, or by which mistakes it is wrong."""

from backpass.derivatives.homework.explain import explain_mismatch
from backpass.derivatives.homework.known import MISTAKES
from backpass.derivatives.homework.mistake import Explanation, Mistake, Way
from backpass.derivatives.homework.verdict import Difference, PartResult, Verdict

__all__ = [
    "MISTAKES", "Difference", "Explanation", "Mistake", "PartResult", "Verdict", "Way",
    "explain_mismatch",
]  # fmt: skip

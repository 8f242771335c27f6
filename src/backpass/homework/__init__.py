"""A learner's gradient against the right one: right, or by which mistakes it is wrong."""

from backpass.homework.explaining import explain_mismatch
from backpass.homework.mistake import Mistake, Way
from backpass.homework.mistakes import MISTAKES
from backpass.homework.search import Explanation
from backpass.homework.verdict import Difference, PartResult, Verdict

__all__ = [
    "MISTAKES",
    "Difference",
    "Explanation",
    "Mistake",
    "PartResult",
    "Verdict",
    "Way",
    "explain_mismatch",
]

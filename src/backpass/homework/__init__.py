"""A learner's gradient against the right one: right, or by which mistakes it is wrong."""

from backpass.homework.explaining import explain_mismatch
from backpass.homework.mistakes import MISTAKES, Mistake
from backpass.homework.verdict import Verdict

__all__ = ["MISTAKES", "Mistake", "Verdict", "explain_mismatch"]

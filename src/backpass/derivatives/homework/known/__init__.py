"""The mistakes that learners make, one record each, roughly the commonest first.

A record changes one small thing of the two passes in
:mod:`backpass.derivatives.homework.faulty_pass`, or of what came out. They stand in
:mod:`backpass.derivatives.homework.known`, a file a topic; to add one is to add a record there: the
search, the tests and the documentation read the table.
"""

from backpass.derivatives.homework.known.cost import PENALTY, SAMPLES
from backpass.derivatives.homework.known.gradients import GRADIENTS
from backpass.derivatives.homework.known.layers import WEIGHTS
from backpass.derivatives.homework.known.output import AT_OUTPUT, SCALE
from backpass.derivatives.homework.known.slopes import SLOPES
from backpass.derivatives.homework.mistake import Mistake

__all__ = ["MISTAKES"]

MISTAKES: dict[str, Mistake] = {
    mistake.name: mistake
    for topic in (SCALE, SLOPES, AT_OUTPUT, WEIGHTS, GRADIENTS, SAMPLES, PENALTY)
    for mistake in topic
}
"""Every mistake by name, roughly the commonest first."""

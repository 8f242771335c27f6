"""What the quantities of a trace mean: a word or two for the legend, a sentence for the step."""

from backpass.derivatives.notation.table import QUANTITIES
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.steps import Step

SENTENCES = {
    "z": "Each unit adds up what comes from below, each activation times its weight, and its bias.",
    "a": "The activation function turns the pre-activations into what the units send on.",
    "dphi": "It says how much an activation follows its pre-activation.",
    "jac": "Softmax mixes its units: each output depends on each of the pre-activations.",
    "costs": "The cost of one sample says how far its output is from its target.",
    "J": "The cost is one number for how far the outputs are from their targets.",
    "dC": "How fast the cost of a sample grows with each of its outputs.",
    "dz": "How fast the cost of a sample grows with each pre-activation of the output.",
    "delta": "The error signal says how fast the cost grows with each pre-activation of the layer.",
    "g": "It sums the error signals of the units above, each times the weight that leads there.",
    "dW": "The activation where a weight begins times the error signal where it ends.",
    "db": "A bias moves its pre-activation one to one: its gradient sums the error signals.",
    "W_new": "The optimiser moves weights and biases against their gradients, to lower the cost.",
    "P": "The product of the Jacobians so far: how fast the cost grows with each activation.",
    "dfa": "The Jacobian says how much each activation of the layer follows each of its inputs.",
    "dfw": "A weight moves the activation of its unit alone, by what comes in through it.",
    "dfb": "The Jacobian says how much each activation of the layer follows each bias.",
    "Pw": "The product of Jacobians, taken on to the weights of one unit, is their gradient.",
    "Pb": "The product of Jacobians, taken on to the biases, is their gradient.",
    "dab": "A bias moves its pre-activation one to one: both have the same derivatives.",
    "dz_da": "A pre-activation follows an activation below by the weight between the two.",
    "dz_dW": "A pre-activation follows a weight by the activation that comes in through it.",
}  # fmt: skip
"""What the step does that computes a quantity."""

BY_TITLE = {
    "derivative of the activation":
        "It says how much an activation follows its pre-activation.",
    "mean over the samples":
        "The mean of what each sample gives alone, weighted where the samples have weights.",
    "neuron": "One neuron, and how much its activation follows each thing that goes into it.",
    "chain of fractions":
        "Each fraction says how much a quantity follows the next; their product is the gradient.",
}  # fmt: skip
"""Steps that are about more than the quantity that they compute, by words of their titles."""


def words(key: str) -> str:
    """Return what a quantity is, in words without symbols where there are such.

    Examples
    --------
    >>> words("dW"), words("ones")
    ('weight gradient', 'a vector of N ones')
    """
    if key == "dphi":
        return "derivative of the activation function"
    return QUANTITIES.get(key, "").partition(" (")[0]


def sentence(step: Step) -> str:
    """Return what a step does, in a sentence; empty where it needs none."""
    told = next((told for title, told in BY_TITLE.items() if title in step.title), "")
    return told or SENTENCES.get(computed(step).key, "")


def computed(step: Step) -> Leaf:
    """Return the quantity that a step computes: the last one that has a sentence of its own.

    Lines before it say what a function is; of W and b, which are updated together, it is W.
    """
    lefts = [left[0] for left, _ in (line.quantities() for line in step.lines) if left]
    return next((leaf for leaf in reversed(lefts) if leaf.key in SENTENCES), lefts[0])

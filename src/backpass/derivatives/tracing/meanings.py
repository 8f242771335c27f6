"""What the quantities of a trace mean: a word or two for the legend, a sentence for the step."""

import re
from typing import NamedTuple

from backpass.derivatives.notation.table import QUANTITIES
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.steps import Step


class Meaning(NamedTuple):
    """What a quantity is, and what the step does that computes it."""

    words: str
    sentence: str = ""


MEANINGS = {
    "z": Meaning("pre-activation",
        "Each unit adds up what comes from below, each activation times its weight, and its bias."),
    "a": Meaning("activation; layer 0 is the input",
        "The activation function turns the pre-activations into what the units send on."),
    "W": Meaning("weights"),
    "b": Meaning("biases"),
    "f": Meaning("activation function"),
    "dphi": Meaning("derivative of the activation function",
        "It says how much an activation follows its pre-activation."),
    "jac": Meaning("derivatives of every output to every pre-activation",
        "Softmax mixes its units: each output depends on each of the pre-activations."),
    "y": Meaning("target"),
    "costs": Meaning("cost of one sample",
        "The cost of one sample says how far its output is from its target."),
    "J": Meaning("cost", "The cost is one number for how far the outputs are from their targets."),
    "dC": Meaning("derivative of a sample's cost to the outputs",
        "How fast the cost of a sample grows with each of its outputs."),
    "dz": Meaning("derivative of a sample's cost to the pre-activations of the outputs",
        "How fast the cost of a sample grows with each pre-activation of the output."),
    "delta": Meaning("error signal: derivative of the cost to the pre-activations",
        "The error signal says how fast the cost grows with each pre-activation of the layer."),
    "g": Meaning("derivative of the cost to the activations",
        "It sums the error signals of the units above, each times the weight that leads there."),
    "dW": Meaning("weight gradient",
        "The activation where a weight begins times the error signal where it ends."),
    "db": Meaning("bias gradient",
        "A bias moves its pre-activation one to one: its gradient sums the error signals."),
    "W_new": Meaning("weights after the update",
        "The optimiser moves weights and biases against their gradients, to lower the cost."),
    "b_new": Meaning("biases after the update"),
    "P": Meaning("derivative of the cost to the activations, a row",
        "The product of the Jacobians so far: how fast the cost grows with each activation."),
    "dfa": Meaning("Jacobian of a layer to its input",
        "The Jacobian says how much each activation of the layer follows each of its inputs."),
    "dfw": Meaning("Jacobian of a layer to the weights of one unit",
        "A weight moves the activation of its unit alone, by what comes in through it."),
    "dfb": Meaning("Jacobian of a layer to its biases",
        "The Jacobian says how much each activation of the layer follows each bias."),
    "Pw": Meaning("weight gradient of one unit, a row",
        "The product of Jacobians, taken on to the weights of one unit, is their gradient."),
    "Pb": Meaning("bias gradient, a row",
        "The product of Jacobians, taken on to the biases, is their gradient."),
    "w": Meaning("weights of one unit"),
    "dha": Meaning("derivative of one neuron to its inputs"),
    "dhw": Meaning("derivative of one neuron to its weights"),
    "dhb": Meaning("derivative of one neuron to its bias"),
    "da_dz": Meaning("derivative of an activation to its pre-activation"),
    "dak": Meaning("derivative of a layer's activations to one pre-activation, a column"),
    "dab": Meaning("derivative of a layer's activations to one bias, a column",
        "A bias moves its pre-activation one to one: both have the same derivatives."),
    "dz_db": Meaning("derivative of a pre-activation to a bias"),
    "dz_da": Meaning("derivative of a pre-activation to the activation below",
        "A pre-activation follows an activation below by the weight between the two."),
    "dz_dW": Meaning("derivative of a pre-activation to its weight",
        "A pre-activation follows a weight by the activation that comes in through it."),
    "share": Meaning("what each sample counts"),
}  # fmt: skip
"""What steps compute, and quantities whose words in the tables of notations hold symbols."""

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
    if key in MEANINGS:
        return MEANINGS[key].words
    return re.sub(r" \([^)]*\)", "", QUANTITIES.get(key, ""))


def sentence(step: Step) -> str:
    """Return what a step does, in a sentence; empty where it needs none."""
    told = next((told for title, told in BY_TITLE.items() if title in step.title), "")
    return told or MEANINGS.get(computed(step).key, Meaning("")).sentence


def computed(step: Step) -> Leaf:
    """Return the quantity that a step computes: the last one that has a sentence of its own.

    Lines before it say what a function is; of W and b, which are updated together, it is W.
    """
    lefts = [left[0] for left, _ in (line.quantities() for line in step.lines) if left]
    told = (leaf for leaf in reversed(lefts) if MEANINGS.get(leaf.key, Meaning("")).sentence)
    return next(told, lefts[0])

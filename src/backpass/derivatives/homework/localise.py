"""Where an error enters: between the results that are right and those that are wrong.

The backward pass comes from the output down, so what is right above and wrong below says which
equations it can have entered by. The equations are those of :mod:`backpass.core.equations`.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from backpass.derivatives.homework.part import KINDS

Known: TypeAlias = Mapping[tuple[str, int], bool]
"""Whether each part of an answer is right, by kind and layer."""


def located(known: Known, L: int) -> str:
    """Return where the error enters, quantities in braces; empty where the answer cannot tell.

    Examples
    --------
    >>> located({("W", 3): True, ("b", 3): True, ("W", 2): False, ("b", 2): False}, 3)
    '{dW[3]}, {db[3]} are right, all below is wrong: the error enters between {delta[3]} and \
{delta[2]} (B2a or B2b of layer 2)'
    """
    forward = _in_the_forward_pass(known)
    if forward or len(known) < 2:
        return forward
    signals = {l: _signal_is_right(known, l) for l in range(L, 0, -1)}
    right = [l for l in signals if signals[l]]
    wrong = [l for l in signals if signals[l] is False]
    if not wrong:
        # signals of several layers do not all keep their sums by chance
        shown = {l for (kind, l), is_right in known.items() if is_right and kind in KINDS}
        return _in_the_gradients(known) if right or len(shown) > 1 else ""
    top = wrong[0]
    if any(l < top for l in right):  # an error signal that is right below one that is not
        return _in_the_gradients(known)
    if not right:
        if top < L:
            return ""  # nothing is known of the layers above
        return (
            "the error enters at or before {delta[L]}, in the forward pass (F1, F2) or in the "
            "error signal at the output (B1); or the gradients (B3, B4) are wrong in every layer"
        )
    last, steps, which = right[-1], f"layer {top}", "B2a or B2b"
    if last > top + 1:
        steps = f"layers {top} to {last - 1}"
    elif ("g", top) in known:
        which = "B2b" if known["g", top] else "B2a"
    return (
        f"{_all_right(known, right)} right, all below is wrong: the error enters between "
        f"{{delta[{last}]}} and {{delta[{top}]}} ({which} of {steps})"
    )


def _signal_is_right(known: Known, l: int) -> bool | None:
    """Return whether the error signal of a layer is right, as far as the answer shows it.

    A weight gradient that is right was made of a signal that is; where all that was made of it is
    wrong, the signal will be. A bias gradient alone says nothing: the sum over the samples stays,
    whatever their order.
    """
    if ("delta", l) in known:
        return known["delta", l]
    if known.get(("W", l)) or ("W", l) not in known:
        return known.get(("W", l), known.get(("b", l)))
    return None if known.get(("b", l)) else False


def _in_the_forward_pass(known: Known) -> str:
    """Return where the forward pass goes wrong first, where the answer has it."""
    after = ""
    for kind, l in sorted((c for c in known if c[0] in "za"), key=lambda c: (c[1], c[0] == "a")):
        if not known[kind, l]:
            return f"the error enters the forward pass at {{{kind}[{l}]}}{after}"
        after = f" after {{{kind}[{l}]}}, which is right"
    return ""


def _in_the_gradients(known: Known) -> str:
    """Return which gradients are wrong where the error signals that they are made of are right."""
    rules = {"W": "B3", "b": "B4"}
    wrong = sorted((c for c in known if c[0] in rules and not known[c]), key=lambda c: -c[1])
    told = "the error signals are right, as far as the answer shows them: the error is in "
    return told + ", ".join(f"{rules[kind]} of layer {l}" for kind, l in wrong) if wrong else ""


def _all_right(known: Known, layers: Sequence[int]) -> str:
    """Return the results of some layers that are right, and a verb."""
    parts = [
        f"{{{KINDS[kind]}[{l}]}}"
        for l in layers
        for kind in ("W", "b", "delta", "g")
        if known.get((kind, l))
    ]
    return f"{', '.join(parts)} {'are' if len(parts) > 1 else 'is'}"

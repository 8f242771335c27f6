"""Where an error enters: between the results that are right and those that are wrong.

The backward pass comes from the output down, so what is right above and wrong below says which
equations it can have entered by. The equations are those of :mod:`backpass.core.equations`.
"""

from collections.abc import Sequence
from typing import Protocol

from backpass.derivatives.homework.part import QUANTITY

# l is a layer, as in the notes
# ruff: noqa: E741


class Result(Protocol):
    """A part of an answer, right or wrong."""

    @property
    def kind(self) -> str:
        """The kind of result."""

    @property
    def layer(self) -> int:
        """Its layer."""

    @property
    def right(self) -> str:
        """Why it is right; empty where it is wrong."""


def located(results: Sequence[Result], L: int) -> str:
    """Return where the error enters, quantities in braces; empty where the answer cannot tell.

    Parameters
    ----------
    results : sequence of Result
        Every part of the answer.
    L : int
        The number of layers.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rights = {("W", 3): "exact", ("b", 3): "exact", ("W", 2): "", ("b", 2): ""}
    >>> parts = [SimpleNamespace(kind=k, layer=l, right=r) for (k, l), r in rights.items()]
    >>> located(parts, 3)
    '{dW[3]}, {db[3]} are right, all below is wrong: the error enters between {delta[3]} and \
{delta[2]} (B2a or B2b of layer 2)'
    """
    known = {(part.kind, part.layer): bool(part.right) for part in results}
    forward = _in_the_forward_pass(known)
    if forward or len(known) < 2:
        return forward
    signals = {l: _signal_is_right(known, l) for l in range(L, 0, -1)}
    right = [l for l in signals if signals[l]]
    wrong = [l for l in signals if signals[l] is False]
    if not wrong:
        # signals of several layers do not all keep their sums by chance
        shown = {l for (kind, l), is_right in known.items() if is_right and kind in QUANTITY}
        return _in_the_gradients(known) if right or len(shown) > 1 else ""
    top = wrong[0]
    if any(l < top for l in right):  # an error signal that is right below one that is not
        return _in_the_gradients(known)
    above = [l for l in right if l > top]
    told = _all_right(known, above)
    if not above:
        if top < L:
            return ""  # nothing is known of the layers above
        return (
            "the error enters at or before {delta[L]}, in the forward pass (F1, F2) or in the "
            "error signal at the output (B1); or the gradients (B3, B4) are wrong in every layer"
        )
    last = above[-1]
    steps = f"layer {top}" if last == top + 1 else f"layers {top} to {last - 1}"
    which = "B2a or B2b"
    if known.get(("g", top)) is not None and last == top + 1:
        which = "B2b" if known["g", top] else "B2a"
    return (
        f"{told} right, all below is wrong: the error enters between {{delta[{last}]}} and "
        f"{{delta[{top}]}} ({which} of {steps})"
    )


def _signal_is_right(known: dict[tuple[str, int], bool], l: int) -> bool | None:
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


def _in_the_forward_pass(known: dict[tuple[str, int], bool]) -> str:
    """Return where the forward pass goes wrong first, where the answer has it."""
    steps = sorted(
        ((l, kind != "z", kind) for kind, l in known if kind in ("z", "a")),
    )
    for place, (l, _, kind) in enumerate(steps):
        if known[kind, l]:
            continue
        before = steps[place - 1] if place else None
        after = f" after {{{before[2]}[{before[0]}]}}, which is right" if before else ""
        return f"the error enters the forward pass at {{{kind}[{l}]}}{after}"
    return ""


def _in_the_gradients(known: dict[tuple[str, int], bool]) -> str:
    """Return which gradients are wrong where the error signals that they are made of are right."""
    wrong = [(kind, l) for kind, l in known if kind in ("W", "b") and not known[kind, l]]
    rules = {"W": "B3", "b": "B4"}
    places = [f"{rules[kind]} of layer {l}" for kind, l in sorted(wrong, key=lambda c: -c[1])]
    if not places:
        return ""
    return (
        "the error signals are right, as far as the answer shows them: the error is in "
        + ", ".join(places)
    )


def _all_right(known: dict[tuple[str, int], bool], layers: Sequence[int]) -> str:
    """Return the results of some layers that are right, and a verb."""
    parts = [
        f"{{{QUANTITY[kind]}[{l}]}}"
        for l in layers
        for kind in ("W", "b", "delta", "g")
        if known.get((kind, l))
    ]
    return f"{', '.join(parts)} {'are' if len(parts) > 1 else 'is'}"

"""The record of a verdict on an answer, and how it is shown; ``explain`` reaches it."""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backpass.core.equations import EQUATIONS
from backpass.derivatives.homework.answers import title
from backpass.derivatives.homework.search import Explanation

TOLD = ("name", "sentence", "equation", "source", "mend")  # of a mistake
MOST_SHOWN = 5  # explanations, and entries that differ
HOW = {
    "exact": "",
    "digits": ", within the digits that were given",
    "single": ", within single precision",
    "cancelling": ", as much as rounding may change where terms cancel",
    "differences": ", as finite differences are; a formula comes to 1e-9",
}
"""Why a part counts as right, after how far it is off."""


@dataclass(frozen=True)
class PartResult:
    """One array of the answer.

    Parameters
    ----------
    name : str
        As the answer calls it.
    kind : str
    layer : int
        What it was compared with.
    off : float
        Its largest difference, in parts of the largest entry.
    right : str
        Why it is right, a key of :data:`HOW`; empty where it is wrong.
    """

    name: str
    kind: str
    layer: int
    off: float
    right: str

    @property
    def title(self) -> str:
        """The result that it was compared with, as ``"∂J/∂W_2"``."""
        return title(self.kind, self.layer)

    def __str__(self) -> str:
        if math.isinf(self.off):
            return f"{self.title} is wrong: not of its shape"
        off = f"off by {self.off:.2g} of its largest entry"
        if self.right:
            return f"{self.title} is right: {off}{HOW[self.right]}"
        return f"{self.title} is wrong: {off}"


@dataclass(frozen=True)
class Difference:
    """One entry that differs.

    Parameters
    ----------
    title : str
        Of which result.
    index : tuple of int
        Where it stands in the answer.
    theirs, ours : float
    """

    title: str
    index: tuple[int, ...]
    theirs: float
    ours: float

    def __str__(self) -> str:
        place = ", ".join(map(str, self.index))
        gap = self.theirs - self.ours
        return (
            f"  {self.title} [{place}]: given {self.theirs:.6g}, right {self.ours:.6g} ({gap:+.2g})"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and what went wrong.

    Parameters
    ----------
    right : bool
        Whether every part is.
    parts : tuple of PartResult
        What was compared.
    explanations : tuple of Explanation
        Every one that fits, fewest mistakes and commonest first; none for a right answer.
    unexplained : tuple of str
        The wrong parts that nothing fits.
    differences : tuple of Difference
        Of the parts that nothing fits, the entries that differ most.
    untried : int
        Pairs of mistakes that were left out, to save time in a large network.
    too_few_digits : bool
        Whether a part that nothing fits has numbers of one digit, which rounding may explain.

    Examples
    --------
    >>> import numpy as np
    >>> from backpass import Network, explain_mismatch
    >>> network = Network([2, 3, 1], "tanh", seed=0)
    >>> X, y = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0, 2.0])
    >>> W = network.loss_and_gradients(X, y)[1].weights[0]
    >>> explain_mismatch(network, X, y, W)
    Verdict(right)
    >>> explain_mismatch(network, X, y, -3 * W)
    Verdict(wrong: sign and 1/N missing; …)
    """

    right: bool
    parts: tuple[PartResult, ...]
    explanations: tuple[Explanation, ...] = ()
    unexplained: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    untried: int = 0
    too_few_digits: bool = False

    def __repr__(self) -> str:
        if self.right:
            return "Verdict(right)"
        names = [" and ".join(e.names) for e in self.explanations] or ["nothing fits"]
        return f"Verdict(wrong: {names[0]}{'; …' if len(names) > 1 else ''})"

    @property
    def text(self) -> str:
        """The verdict in full, as plain text."""
        return "\n".join(line for _, line in self._lines())

    def __str__(self) -> str:
        return self.text

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Yield what is said, line by line, each with its role: head, item, detail, text."""
        for part in self.parts:
            yield ("right" if part.right else "wrong"), str(part)
        if self.right:
            return
        if self.explanations:
            many = len(self.explanations) > 1
            yield "text", "What explains it, likeliest first:" if many else "What explains it:"
        for number, explanation in enumerate(self.explanations[:MOST_SHOWN], start=1):
            yield from _explained(number, explanation)
        if len(self.explanations) > MOST_SHOWN:
            yield "text", f"… and {len(self.explanations) - MOST_SHOWN} more"
        if self.unexplained:
            yield "text", f"No known mistake, nor two together, gives {self._unexplained()}."
            if self.untried:
                yield "text", f"{self.untried} pairs of mistakes were not tried, to save time."
            if self.too_few_digits:
                yield "text", "Numbers of one digit cannot be judged; give three or more."
            yield "text", "The entries that differ most:"
        for difference in self.differences:
            yield "detail", str(difference)

    def _unexplained(self) -> str:
        return ", ".join(self.unexplained)

    def __rich__(self) -> Any:
        from rich.text import Text

        styles = {"right": "bold green", "wrong": "bold red", "item": "bold"}
        lines = [Text(line, styles.get(role, "")) for role, line in self._lines()]
        return Text("\n").join(lines)

    def _repr_html_(self) -> str:
        marks = {"right": "<b>✓</b> ", "wrong": "<b>✗</b> "}
        rows = []
        for role, line in self._lines():
            told = html.escape(line.strip())
            told = f"<b>{told}</b>" if role == "item" else told
            indent = {"detail": "2em", "item": "1em"}.get(role, "0")
            rows.append(f'<div style="margin-left: {indent}">{marks.get(role, "")}{told}</div>')
        return f'<div class="backpass-verdict">{"".join(rows)}</div>'

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as values that JSON has."""
        return {
            "right": self.right,
            "parts": [
                {
                    **vars(part),
                    "title": part.title,
                    "right": bool(part.right),
                    "why": part.right,
                    "off": part.off if math.isfinite(part.off) else None,
                }
                for part in self.parts
            ],
            "explanations": [_as_dict(e) for e in self.explanations],
            "unexplained": list(self.unexplained),
            "differences": [{**vars(d), "index": list(d.index)} for d in self.differences],
            "untried": self.untried,
            "too_few_digits": self.too_few_digits,
        }


def _explained(number: int, explanation: Explanation) -> Iterator[tuple[str, str]]:
    of = ", ".join(title(*result) for result in explanation.of)
    yield "item", f"  {number}. {explanation}: {of}"
    for made in explanation.made:
        mistake = made.mistake
        equation = EQUATIONS[mistake.equation]
        which = f"{mistake.name}: " if len(explanation.made) > 1 else ""
        yield "detail", f"     {which}{mistake.sentence}."
        yield "detail", f"     right ({equation.id}, {equation.title}): {equation.code}"
        yield "detail", f"     see {mistake.source}"
        yield "detail", f"     to mend it: {mistake.mend}"


def _as_dict(explanation: Explanation) -> dict[str, Any]:
    return {
        "mistakes": [
            {
                **{key: getattr(made.mistake, key) for key in TOLD},
                "where": made.where,
                "right": EQUATIONS[made.mistake.equation].code,
            }
            for made in explanation.made
        ],
        "of": [{"kind": kind, "layer": layer} for kind, layer in explanation.of],
        "off": explanation.off,
    }

"""The record of a verdict on an answer, and how it is shown; ``explain`` reaches it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backpass.core.equations import EQUATIONS
from backpass.derivatives.homework.mistake import Explanation, Made
from backpass.derivatives.homework.part import title
from backpass.derivatives.notation import NOTATIONS, Notation, get_notation
from backpass.derivatives.notation.in_line import formula_in_line, spoken

MOST_SHOWN = 5  # explanations, and entries that differ
HOW = {
    "exact": "",
    "digits": ", within the digits that were given",
    "single": ", within single precision",
    "cancelling": ", as much as rounding may change where terms cancel",
    "carried": ", which rounding every step to the digits given may do",
    "float32": ", within single precision, which the network's numbers have",
    "differences": ", as near as finite differences come; a formula comes to 1e-9",
}
"""Why a part counts as right, after how far it is off."""

ONE_DIGIT = "Numbers of one digit cannot be judged; give three or more."


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
    instead : str
        What its shape should be, or that it should be 0, where it has no distance.
    """

    name: str
    kind: str
    layer: int
    off: float
    right: str
    instead: str = ""

    @property
    def title(self) -> str:
        """The result that it was compared with, as ``"∂J/∂W_2"``."""
        return title(self.kind, self.layer)

    def __str__(self) -> str:
        return self.told(NOTATIONS["code"])

    def told(self, notation: Notation, *, untold: bool = False) -> str:
        """Return whether it is right, and how far off, in the symbols of a notation."""
        off = self.instead or f"off by {self.off:.2g} of its largest entry"
        may_be = "may be" if untold and self.right in ("", "carried") else "is"
        which = "right" if self.right or untold else "wrong"
        return f"{title(self.kind, self.layer, notation)} {may_be} {which}: {off}" + (
            HOW[self.right] if self.right else ""
        )


@dataclass(frozen=True)
class Difference:
    """One entry that differs.

    Parameters
    ----------
    kind : str
    layer : int
        Of which result.
    index : tuple of int
        Where it stands in the answer.
    theirs, ours : float
    """

    kind: str
    layer: int
    index: tuple[int, ...]
    theirs: float
    ours: float

    @property
    def title(self) -> str:
        """The result, as ``"∂J/∂W_2"``."""
        return title(self.kind, self.layer)

    def __str__(self) -> str:
        return self.told(NOTATIONS["code"])

    def told(self, notation: Notation) -> str:
        """Return the entry given and the right one, in the symbols of a notation."""
        name, place = title(self.kind, self.layer, notation), ", ".join(map(str, self.index))
        gap = self.theirs - self.ours
        return f"  {name} [{place}]: given {self.theirs:.6g}, right {self.ours:.6g} ({gap:+.2g})"


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
        Every one that gives the whole answer, fewest mistakes and commonest first; none for a right
        answer.
    unexplained : tuple of str
        The wrong parts, where nothing gives the whole answer.
    differences : tuple of Difference
        Of these parts, the entries that differ most.
    untried, pairs : int
        Pairs of mistakes that were left out, to save time in a large network, and of how many.
    untold : bool
        Whether it may be right or not: its digits are too few to tell it from the explanations, or
        from anything.
    too_few_digits : bool
        Whether a part that nothing fits has numbers of one digit, which rounding may explain.
    of : int
        How many arrays the whole gradient has, where fewer were given; else 0.
    located : str
        Where nothing fits: between which results the error enters, quantities in braces.
    multiples : tuple of str
        Where nothing fits: which parts are a multiple of what is right, quantities in braces.
    notation : str
        The notation that the verdict speaks.

    Examples
    --------
    >>> import numpy as np
    >>> from backpass import Network, explain_mismatch
    >>> network = Network([2, 3, 1], "tanh", seed=0)
    >>> X, y = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0, 2.0])
    >>> W = network.loss_and_gradients(X, y)[1].weights[0]
    >>> explain_mismatch(network, X, y, W)
    Verdict(right, 1 of 4 arrays)
    >>> explain_mismatch(network, X, y, -3 * W)
    Verdict(wrong: sign and 1/N missing; …)
    """

    right: bool
    parts: tuple[PartResult, ...]
    explanations: tuple[Explanation, ...] = ()
    unexplained: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    untried: int = 0
    pairs: int = 0
    untold: bool = False
    too_few_digits: bool = False
    of: int = 0
    located: str = ""
    multiples: tuple[str, ...] = ()
    notation: str = "code"

    @property
    def outcome(self) -> str:
        """``"right"``, ``"wrong"`` or ``"cannot be told"``."""
        return "right" if self.right else "cannot be told" if self.untold else "wrong"

    @property
    def qualified(self) -> str:
        """The outcome; of a right answer, how right: to the digits carried, so many arrays."""
        carried = any(part.right == "carried" for part in self.parts)
        digits = ", to the digits carried" if self.right and carried else ""
        given = sum(part.kind in ("W", "b") for part in self.parts)
        few = f", {given} of {self.of} arrays" if self.right and self.of else ""
        return self.outcome + digits + few

    def __repr__(self) -> str:
        if self.right or (self.too_few_digits and self.untold):
            return f"Verdict({self.qualified})"
        names = [" and ".join(e.names) for e in self.explanations] or ["nothing fits"]
        return f"Verdict({self.outcome}: {names[0]}{'; …' if len(names) > 1 else ''})"

    @property
    def text(self) -> str:
        """The verdict in full, as plain text."""
        return "\n".join(line for _, line in self._lines())

    def __str__(self) -> str:
        return self.text

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Yield what is said, line by line, each with its role: head, item, detail, text."""
        notation, more = get_notation(self.notation), len(self.explanations) - MOST_SHOWN
        for part in self.parts:
            role = "right" if part.right else "text" if self.untold else "wrong"
            yield role, part.told(notation, untold=self.untold)
        if self.right and self.of:
            yield "text", f"{self.qualified.capitalize()}."
        if self.untold and self.too_few_digits:
            yield "text", ONE_DIGIT
        if self.explanations:
            likeliest = ", likeliest first" * (len(self.explanations) > 1)
            told = "So few digits do not tell it from" if self.untold else "What explains it"
            yield "text", f"{told}{likeliest}:"
        for number, explanation in enumerate(self.explanations[:MOST_SHOWN], start=1):
            yield from _explained(number, explanation, notation)
        if more > 0:
            yield "text", f"… and {more} more"
        if self.unexplained:
            yield from _unexplained(self, notation)
        for difference in self.differences:
            yield "detail", difference.told(notation)

    def __rich__(self) -> Any:
        from rich.text import Text

        styles = {"right": "bold green", "wrong": "bold red", "item": "bold"}
        lines = [Text(line, styles.get(role, "")) for role, line in self._lines()]
        return Text("\n").join(lines)

    def _repr_html_(self) -> str:
        from backpass.derivatives.pages import framed  # most verdicts are printed

        return framed(self.content())

    def to_html(self) -> str:
        """Return a whole page: no script, nothing loaded from elsewhere."""
        from backpass.derivatives.pages import page

        return page("Verdict on a gradient", self.content())

    def content(self) -> str:
        """Return it as HTML, for a page or a part of one."""
        import html  # loads every named character

        marks = {"right": "✓ ", "wrong": "✗ "}
        wrong = sum(not part.right for part in self.parts)
        several = f": {wrong} of {len(self.parts)} results" * (len(self.parts) > 1)
        told = self.outcome.capitalize() + several * (self.outcome == "wrong")
        parts = [f'<h2 class="bp-verdict{" bp-no" * (not self.right)}">{told}</h2>']
        for role, line in self._lines():
            text = marks.get(role, "") + html.escape(line.strip())
            tag = "h3" if role == "item" else "p"
            parts.append(f'<{tag} class="bp-{role}">{text}</{tag}>')
        return "".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as values that JSON has."""
        notation = get_notation(self.notation)
        parts = [
            {**vars(p), "title": p.title, "right": bool(p.right), "why": p.right}
            | ({} if math.isfinite(p.off) else {"off": None})
            for p in self.parts
        ]
        differences = [
            {**vars(d), "title": d.title, "index": list(d.index)} for d in self.differences
        ]
        return {
            **vars(self),
            "outcome": self.outcome,
            "parts": parts,
            "explanations": [
                {
                    "mistakes": [_told(made, notation) for made in e.made],
                    "of": [{"kind": kind, "layer": layer} for kind, layer in e.of],
                    "off": e.off,
                }
                for e in self.explanations
            ],
            "unexplained": list(self.unexplained),
            "carried": ", as far as it may be with so few digits in every step",
            "differences": differences,
            "located": spoken(self.located, notation),
            "multiples": [spoken(told, notation) for told in self.multiples],
        }


def _unexplained(verdict: Verdict, notation: Notation) -> Iterator[tuple[str, str]]:
    """Yield what can be said where nothing fits."""
    wrong = ", ".join(title(p.kind, p.layer, notation) for p in verdict.parts if not p.right)
    tried, pairs = verdict.pairs - verdict.untried, verdict.pairs
    of = f" ({tried} of {pairs} pairs were tried in the time)" if tried < pairs else ""
    yield "text", f"No known mistake, nor two together{of}, gives {wrong}."
    if verdict.located:
        yield "item", _sentence(verdict.located, notation)
    for multiple in verdict.multiples:
        yield "text", _sentence(multiple, notation)
    if verdict.too_few_digits:
        yield "text", ONE_DIGIT
    if verdict.differences:
        yield "text", "The entries that differ most:"


def _sentence(text: str, notation: Notation) -> str:
    """Return a sentence that begins with a capital, unless that is a symbol."""
    told = text if text.startswith("{") else text[0].upper() + text[1:]
    return f"{spoken(told, notation)}."


def _explained(
    number: int, explanation: Explanation, notation: Notation
) -> Iterator[tuple[str, str]]:
    of = ", ".join(title(*result, notation) for result in explanation.of)
    yield "item", f"  {number}. {explanation.told(notation)}: {of}"
    for made in explanation.made:
        which = f"{made.mistake.name}: " if len(explanation.made) > 1 else ""
        equation, told = EQUATIONS[made.mistake.equation], _told(made, notation)
        yield "detail", f"     {which}{told['sentence']}."
        yield "detail", f"     right ({equation.id}, {equation.title}): {told['right']}"
        yield "detail", f"     see {told['source']}"
        yield "detail", f"     to mend it: {told['mend']}"


def _told(made: Made, notation: Notation) -> dict[str, str]:
    """Return what is said of a mistake: with the equation and the place of the notation's own note.

    As our code computes it where the notation has none, or none with what the mistake is about: no
    note has weights of samples or a penalty.
    """
    mistake, key = made.mistake, made.mistake.equation
    right, place = formula_in_line(notation, key), notation.note and notation.place(key)
    if mistake.source.startswith("our"):
        right = place = ""
    if key == "U":  # the step of plain gradient descent, whatever the optimiser
        right = "θ ← θ − η ∂J/∂θ"
    return {
        "name": mistake.name,
        "equation": key,
        "sentence": spoken(mistake.sentence, notation),
        "mend": spoken(mistake.mend, notation),
        "source": place or mistake.source,
        "where": spoken(made.where, notation),
        "right": right or EQUATIONS[key].code,
    }

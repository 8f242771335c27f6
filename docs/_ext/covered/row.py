"""One row of the coverage: something in a note, and where it is here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Row", "Step"]

QUANTITIES = {
    "F1": "z", "F2": "a", "C": "J", "B1z": "delta", "B1f": "delta", "B1": "delta", "B2a": "g",
    "B2b": "delta", "B3": "dW", "B4": "db", "U": "W_new",
}  # fmt: skip
"""What the step of each equation computes, where a row does not say otherwise."""


class Step(NamedTuple):
    """A step of a trace in the note's notation.

    Parameters
    ----------
    form : str
        The form of the trace.
    id : str
        Of the equation.
    role : {"output", "hidden", "input", "every", "first", "mean"}
        The layers that have it; ``"mean"``: the last section of a trace of several rows.
    quantity : str
        The name of what stands on its left side.
    """

    form: str
    id: str
    role: str
    quantity: str

    def layers(self, last: int) -> range:
        """Return the layers of its role in a network of `last` layers."""
        output = range(last, last + 1)
        if self.id == "C":
            return output
        return {
            "output": output,
            "hidden": range(1, last),
            "input": range(1),
            "first": range(1, 2),
        }.get(self.role, range(1, last + 1))


@dataclass(frozen=True)
class Row:
    """Something in a note.

    Parameters
    ----------
    items : str
        Which items of its place, as tests/fixtures/note_contents.json numbers them: ``"1-3 5"``.
        Empty for what no pattern finds: an uncaptioned picture, a sentence.
    title : str
        What it is, in Markdown.
    page : str
        Sections that have it, from docs/notes: ``"note-1#the-output-layer"``; or labels:
        ``"#loss-huber"``.
    steps : str
        Steps of a trace in the note's notation: ``"batch B2b hidden; jacobian B2a every P"``.
    functions : str
        Names below ``backpass``.
    absent : str
        Why it is not here, of a picture that is another author's.
    """

    items: str
    title: str
    page: str = ""
    steps: str = ""
    functions: str = ""
    absent: str = ""

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of its items."""
        for part in self.items.split():
            first, _, last = part.partition("-")
            yield from range(int(first), int(last or first) + 1)

    def shown(self) -> Iterator[Step]:
        """Yield its steps."""
        for text in filter(None, self.steps.split("; ")):
            form, equation, role, *quantity = text.split()
            yield Step(form, equation, role, *(quantity or [QUANTITIES[equation]]))

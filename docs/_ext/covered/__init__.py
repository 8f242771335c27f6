"""What the five notes hold, and where it is here: one row each, by note and place.

:data:`COVERED` is the one list. The directive ``coverage`` makes its tables, tests/test_coverage.py
holds it to the notes, the pages, the traces and the code.
"""

from covered import note_1, note_2, note_3, note_4, note_4_learning, note_5
from covered.row import Row, Step

__all__ = ["COVERED", "EXAMPLES", "NOTATIONS", "Row", "Step"]

COVERED: dict[int, dict[str, tuple[Row, ...]]] = {
    1: note_1.ROWS,
    2: note_2.ROWS,
    3: note_3.ROWS,
    4: note_4_learning.ROWS | note_4.ROWS,
    5: note_5.ROWS,
}
"""The rows of every note by the place in it: a heading, or a slide's title."""

NOTATIONS = {1: "error", 2: "chain", 3: "nabla", 4: "omega", 5: "bracket"}
"""The notation of every note."""

EXAMPLES = {1: "small", 2: "small", 3: "classes", 4: "small", 5: "small"}
"""The example that a note's steps are looked for in; a chain of fractions in ``thin``."""

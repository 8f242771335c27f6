"""The notations of the five lecture notes, and our own: symbols, layout and formulas.

One file a notation, each a table of the same form: a sixth is one more table.
"""

from backpass.derivatives.notation.code import CODE
from backpass.derivatives.notation.note_1 import ERROR
from backpass.derivatives.notation.note_2 import CHAIN
from backpass.derivatives.notation.note_3 import NABLA
from backpass.derivatives.notation.note_4 import OMEGA
from backpass.derivatives.notation.note_5 import BRACKET
from backpass.derivatives.notation.table import NOTATIONS, Formula, Notation, get_notation

__all__ = [
    "BRACKET",
    "CHAIN",
    "CODE",
    "ERROR",
    "NABLA",
    "NOTATIONS",
    "OMEGA",
    "Formula",
    "Notation",
    "get_notation",
]

"""The notations of the five lecture notes, and our own: symbols, layout and formulas.

Each is a table of the same form: a sixth is one more table.
"""

from backpass.derivatives.notation.notes import BRACKET, CHAIN, CODE, ERROR, NABLA, OMEGA
from backpass.derivatives.notation.table import NOTATIONS, Formula, Notation, get_notation

__all__ = [
    "BRACKET", "CHAIN", "CODE", "ERROR", "NABLA", "NOTATIONS", "OMEGA", "Formula", "Notation",
    "get_notation",
]  # fmt: skip

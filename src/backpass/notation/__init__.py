"""The notations of the five lecture notes, and our own: symbols and layout, one table each."""

from backpass.notation.table import NOTATIONS, Notation, get_notation

__all__ = ["NOTATIONS", "Notation", "get_notation"]

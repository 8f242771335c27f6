"""Exercises to be done by hand: a net with round numbers, blanks, and the solution."""

from backpass.derivatives.worksheets.worksheet import Worksheet, worksheet

__all__ = ["Worksheet", "worksheet"]

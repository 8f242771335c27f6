"""A table as it was read: its texts, and where each row stands in its file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backpass.tabular.column_values import as_levels
from backpass.tabular.conventions import Convention
from backpass.tabular.text_columns import Understood, row_number, understand

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RawTable:
    """A table before its texts are understood."""

    frame: pl.DataFrame  # columns of texts, and of types where the file has some
    label: str = ""  # what to call it in messages
    separator: str | None = None  # what separates the fields, of a text file
    # from the number of a row, from 0, to its line in the file, from 1, where it has one; of
    # several files followed by which
    line_of: Callable[[int], Any] | None = None
    written: pl.DataFrame | None = None  # as it was, where targets and weights have been read

    def named_line(self, row: int) -> str:
        """Return the line of a row, and in which file: what several files are named by."""
        return f"{self.line_of(row) if self.line_of else row + 1} of {self.label}"

    def understand(
        self, wish: Convention | None = None, as_text: Collection[str] = ()
    ) -> Understood:
        """Return the table with its texts as what they mean."""
        line_of = self.line_of
        place = (lambda row: f"line {line_of(row)}") if line_of else row_number
        return understand(self.frame, wish, as_text=as_text, separator=self.separator, place=place)

    def as_written(self, name: str, told: Understood) -> pl.Series:
        """Return a column of classes that predictions can be given back as it was.

        That is as text where it was text in memory, or where a class is spelled otherwise than its
        value would be: ``TRUE``, ``1.0``.
        """
        import polars as pl

        column, written = told.frame[name], self.frame[name]
        if written.dtype != pl.String or column.dtype == pl.String:
            return column
        text, levels = written.str.strip_chars(), as_levels(column)
        text = text.set(levels.is_null(), None)
        spelled = text.n_unique() == levels.n_unique()  # as many as there are values
        keep = spelled and (self.separator is None or (text != levels).any())
        return text if keep else column

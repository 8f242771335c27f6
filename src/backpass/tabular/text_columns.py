"""What the texts of a table are: numbers, dates, truth values or just texts.

One convention is told from all cells of all columns together; what nothing decides is said, with
the option that settles it, and stays text. In prediction the convention of training holds: see
:func:`~backpass.tabular.column_values.as_numbers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from backpass.tabular.conventions import (
    Convention,
    as_convention,
    bare,
    read_numbers,
    without_marks,
)
from backpass.tabular.dates import (
    OTHER_DATE,
    are_dates,
    date_orders,
    date_parts,
    dates_of_parts,
    dates_of_text,
)
from backpass.tabular.frames import columns_named
from backpass.tabular.number_candidates import (
    CODE,
    MOSTLY,
    Candidate,
    Texts,
    marked_candidate,
    marks_of,
    plain_candidates,
    usual_mark,
)

if TYPE_CHECKING:
    import polars as pl

Place = Callable[[int], str]

# Of decimals whose last zeros are left out one in ten has fewer digits than three after the mark,
# and whole ones are a thousandth: ten cells with three and two with none are no decimals.
_GROUPED, _UNGROUPED = 10, 2
# A fifth of numbers is more than chance gives a text; with so few different ones as a category has
# levels, such as "1" beside "low" and "high", they may be names.
_SOME, _LEVELS = 0.2, 20
_EITHER_CENTURY = (31, 68)  # years that births and plans both have


@dataclass(frozen=True)
class Understood:
    """A table whose texts were understood."""

    # numbers, truth values, dates and times where every cell of a column is one
    frame: pl.DataFrame
    convention: Convention  # how they were written
    # why a column is text that was meant to be more
    reasons: Mapping[str, str] = field(default_factory=dict)


def row_number(row: int) -> str:
    """Return how a row of a table in memory is named; the first is 1.

    Not as ``row 8``, which messages about a part of a table number anew.
    """
    return f"row number {row + 1}"


def understand(
    frame: pl.DataFrame,
    wish: Convention | None = None,
    *,
    as_text: Collection[str] = (),
    separator: str | None = None,
    place: Place = row_number,
) -> Understood:
    """Return a table with its texts as what they mean, in the one convention that all cells allow.

    Parameters
    ----------
    frame : polars.DataFrame
        Columns of texts are understood; all others stay as they are.
    wish : Convention, optional
        What is known beforehand; None in it is told from the cells.
    as_text : collection of str
        Columns that stay text, but for missing cells.
    separator : str, optional
        What separates the fields of the file.
    place : callable
        From the number of a row, from 0, to how messages name it: ``"line 8"``.

    Examples
    --------
    >>> import polars
    >>> told = understand(polars.DataFrame({"a": ["812", "23.815"], "b": ["9,5", "7,25"]}))
    >>> told.frame.rows(), told.convention.decimal, told.convention.thousands
    ([(812, 9.5), (23815, 7.25)], ',', '.')
    """
    import polars as pl

    wish = as_convention(wish)
    frame = without_marks(frame, wish.missing)
    points = sum(dtype.is_float() for dtype in frame.dtypes)
    texts = frame.select(pl.col(pl.String))
    reader = _Reader(texts, wish, as_text, separator, place, points)
    typed = frame.with_columns(reader.typed().values())
    return Understood(typed, reader.convention, reader.reasons)


# --- all columns together --------------------------------------------------------------------


class _Reader:
    """Decides on the convention of some columns of texts, and reads them."""

    def __init__(
        self,
        frame: pl.DataFrame,
        wish: Convention,
        as_text: Collection[str],
        separator: str | None,
        place: Place,
        points: int,
    ) -> None:
        self.points = points  # columns that show a decimal point as they are
        self.frame, self.as_text, self.place, self.separator = frame, as_text, place, separator
        self.reasons: dict[str, str] = {}
        self.texts: dict[str, Texts] = {}
        self.dates: dict[str, pl.DataFrame] = {}
        free = [name for name in frame.columns if name not in as_text]
        plain = {found.name: found for found in plain_candidates(columns_named(frame, free))}
        self.numbers = {**plain}
        for name in frame.columns:
            if name not in plain:
                self.texts[name] = Texts.of(frame[name])
                if name not in as_text:
                    self._look_at(name, self.texts[name])
        self.convention = wish
        self._decide_brackets()
        self._decide_numbers()
        self._decide_dates()

    def _look_at(self, name: str, texts: Texts) -> None:
        text = texts.text
        if text.null_count() == text.len() or text.str.contains(CODE).any():
            return
        candidate = marked_candidate(texts)
        if candidate is not None:
            self.numbers[name] = candidate
            return
        first = text.drop_nulls()[0]
        if first[:1].isdigit() or first[-4:].isdigit():
            parts = date_parts(text)
            if parts["last"].count() and (are_dates(parts) | text.is_null()).all():
                self.dates[name] = parts

    # --- numbers

    def _decide_numbers(self) -> None:
        wish = self.convention
        telling = [c for c in self.numbers.values() if c.telling]
        if wish.thousands is not None:
            telling = [
                c._replace(ways={d: t for d, t in c.ways.items() if _allows(d, t, wish.thousands)})
                for c in telling
            ]
            self.numbers |= {c.name: c for c in telling}
        only = {d: [c for c in telling if [*c.ways] == [d]] for d in ".,"}
        either = [c for c in telling if len(c.ways) == 2]
        decimal = wish.decimal or {",": ".", ".": ","}.get(wish.thousands or "")
        doubtful: list[Candidate] = []
        with_points, with_commas = len(only["."]) + self.points, len(only[","])
        if decimal is None and bool(with_points) != bool(with_commas):
            decimal = "." if with_points else ","
        elif decimal is None and with_points:  # columns that contradict each other
            more = with_commas - with_points + (self.separator == ";") / 2
            decimal, doubtful = ("," if more > 0 else "."), either
        elif decimal is None:
            decimal, doubtful = self._of_undecided(either)
        for candidate in doubtful:
            self._doubt(candidate)
        used = Counter(c.ways[decimal] for c in self.numbers.values() if c.ways.get(decimal))
        thousands = wish.thousands
        if thousands is None:
            thousands = used.most_common(1)[0][0] if used else ""
        for candidate in [*self.numbers.values()]:
            if candidate.ways.get(decimal) not in ("", thousands):
                self._break(candidate, decimal, thousands)
        marks = {name: c.mark for name, c in self.numbers.items() if c.mark != "#"}
        decimal = decimal if telling or self.points or wish.decimal else None  # has not shown
        self.convention = replace(
            self.convention, decimal=decimal, thousands=thousands, marks={**wish.marks, **marks}
        )

    def _of_undecided(self, either: list[Candidate]) -> tuple[str, list[Candidate]]:
        """Return the decimal mark where every number with a mark could be a whole one."""
        marks = {c.telling for c in either}
        if len(marks) == 1:
            mark = marks.pop()
            grouped = sum(int(c.numbers.str.contains(mark, literal=True).sum()) for c in either)
            small = sum(int(c.numbers.str.contains("^[0-9]{1,3}$").sum()) for c in either)
            if grouped >= _GROUPED and small >= _UNGROUPED:
                return ("." if mark == "," else ","), []
            # where commas separate the fields, points are decimal marks
            if mark == "." and self.separator in (None, ","):
                return ".", []
        return ".", either

    def _doubt(self, candidate: Candidate) -> None:
        name, mark = candidate.name, candidate.telling[:1]
        self._drop(candidate)
        first = int(candidate.numbers.str.contains(mark, literal=True).arg_true()[0])
        self._keep(
            name,
            f"{self._cell(candidate.texts, first)} may be a whole number or have decimals, and"
            " nothing in the table decides; name the decimal mark (--decimal . or --decimal ,; in"
            " Python, Convention(decimal=…))",
        )

    def _break(self, candidate: Candidate, decimal: str, thousands: str) -> None:
        """Leave a column text that is written otherwise than the others."""
        name = candidate.name
        self._drop(candidate)
        read = read_numbers(candidate.numbers, decimal, thousands)
        bad = (candidate.numbers.is_not_null() & read.is_null()).arg_true()
        cell = self._cell(candidate.texts, int(bad[0]) if bad.len() else 0)
        whence = "asked for" if self.convention.decimal else "in other columns"  # not yet told
        self._keep(
            name,
            f"{cell} is no number where {decimal!r} is the decimal mark, as {whence}; write all in"
            " one way, or say --decimal",
        )

    def _decide_brackets(self) -> None:
        """Take brackets for a sign, unless they are around every number that has any."""
        with_some = {}
        for name, candidate in self.numbers.items():
            if candidate.values is None:  # Python writes no brackets
                opened = candidate.texts.text.str.starts_with("(")
                if opened.any():
                    with_some[name] = opened
        mixed = any(not opened.all() for opened in with_some.values())
        if with_some and not mixed and not self.convention.brackets:
            for name in with_some:
                cell = self.numbers.pop(name).texts.text.drop_nulls()[0]
                self._keep(
                    name, f"every number is in brackets, as {cell!r}; write −1 for minus one, or 1"
                )
        elif with_some:
            self.convention = replace(self.convention, brackets=True)

    # --- dates

    def _decide_dates(self) -> None:
        order = self.convention.dates
        found = {name: date_orders(parts) for name, parts in self.dates.items()}
        possible = {name: orders for name, orders in found.items() if orders is not None}
        for name in [*possible]:
            century = self._unknown_century(name)
            if century is not None:
                self._keep(name, century)
                del possible[name]
        self.dates = {name: self.dates[name] for name in possible}
        if order is None and possible:
            common = set.intersection(*possible.values())
            dotted = all((p["by"].drop_nulls() == ".").all() for p in self.dates.values())
            if len(common) == 1:
                order = common.pop()
            elif dotted and common >= {"day-first"} and "year-first" not in common:
                order = "day-first"  # nobody writes 12.31.2020
        for name, orders in possible.items():
            if order not in orders or order == "year-first":
                self._doubt_dates(name, orders)
                del self.dates[name]
        order = None if order == "year-first" else order
        self.convention = replace(self.convention, dates=order or "iso")

    def _unknown_century(self, name: str) -> str | None:
        """Return what to say of years such as 45, which may be of this century or the last."""
        last = self.dates[name]["last"]
        middle = (last.str.len_bytes() == 2) & last.cast(int).is_between(*_EITHER_CENTURY)
        if not middle.any():
            return None
        cell = self._cell(self.texts[name], int(middle.arg_true()[0]))
        return f"the century of {cell} is not told; write years with four digits"

    def _doubt_dates(self, name: str, orders: set[str]) -> None:
        texts = self.texts[name]
        cell = self._cell(texts, int(texts.text.is_not_null().arg_true()[0]))
        if self.convention.dates:
            why = f"{cell} does not fit the order asked for, {self.convention.dates}"
        elif not orders:
            why = f"some dates such as {cell} can only be day first, others only month first"
        elif len(orders) == 1:
            why = f"dates such as {cell} are written otherwise than in other columns"
        else:
            why = f"nothing decides what is the day in dates such as {cell}"
        self._keep(
            name,
            f"{why}; say --dates day-first or --dates month-first (in Python, Convention(dates=…)),"
            " or write 2020-12-31",
        )

    # --- reading

    def _keep(self, name: str, reason: str) -> None:
        self.reasons[name] = f"text: {reason}"

    def _drop(self, candidate: Candidate) -> None:
        """Take a column for text after all."""
        del self.numbers[candidate.name]
        self.texts[candidate.name] = Texts.of(candidate.texts.raw)

    def _cell(self, texts: Texts, place: int) -> str:
        """Return a text and where it stands."""
        row = texts.row(place)
        return f"{texts.raw[row].strip()!r} in {self.place(row)}"

    def typed(self) -> dict[str, pl.Series]:
        """Return all columns, as what they mean."""
        columns = {n: c.read(*self._marks()).alias(n) for n, c in self.numbers.items()}
        for name, texts in self.texts.items():
            if name not in columns:
                columns[name] = texts.whole(self._typed(name, texts))
        return columns

    def _marks(self) -> tuple[str, str]:
        """Return the marks of decimals and thousands; Python's where none has shown."""
        return self.convention.decimal or ".", self.convention.thousands or ""

    def _typed(self, name: str, texts: Texts) -> pl.Series:
        import polars as pl

        text = texts.text
        if name in self.as_text or name in self.reasons or text.count() == 0:
            return text
        if text.str.contains(CODE).any():
            return text
        lower = text.str.to_lowercase()
        if lower.is_in(["true", "false"]).all():
            return pl.Series(name, lower == "true")
        dates = dates_of_text(text, self.convention.dates)
        if dates is not None and dates.null_count() == text.null_count():
            return dates
        self._explain(name, texts)
        return text

    def _explain(self, name: str, texts: Texts) -> None:
        """Note which cell keeps a column from being one of numbers or dates."""
        text = texts.text
        mark = usual_mark(text) or "#"
        numbers, known = bare(text, mark), text.is_not_null()
        found = read_numbers(numbers, *self._marks()).is_not_null()
        if 2 * int(found.sum()) <= int(known.sum()):
            found = numbers.is_not_null()  # in another convention
        units = mark.replace("#", "")
        what = f"numbers with {units}" if units else "numbers"
        if not _are_meant(texts, found & known, known):
            parts, what = date_parts(text), "dates"
            dates = dates_of_parts(parts, self.convention.dates)
            if dates is None:
                self._keep(name, "some of its times name a time zone and others do not")
                return
            found = dates.is_not_null()
        lost = (known & ~found).arg_true()
        if lost.len() and _are_meant(texts, found & known, known):
            share, whole = texts.count(found & known), texts.count(known)
            row = texts.row(int(lost[0]))
            cell = texts.raw[row].strip()
            self._keep(
                name,
                f"{share} of {whole} are {what}; {self.place(row)} holds {cell!r}: mend it, or say"
                f" that it is missing (--missing {cell!r})",
            )
        else:
            self._explain_others(name, texts)

    def _explain_others(self, name: str, texts: Texts) -> None:
        """Note numbers with different units, and dates in words or without a day."""
        known = texts.text.drop_nulls()
        ways = marks_of(known)
        dates = known.str.contains(OTHER_DATE)
        if ways is not None and len(ways) > 1:
            one, other = (repr(cell) for cell in [*ways.values()][:2])
            self._keep(name, f"its numbers are written in several ways, as {one} and {other}")
        elif dates.sum() > MOSTLY * known.len():
            cell = known.filter(dates)[0]
            self._keep(name, f"dates such as {cell!r} are not read; write them as 2020-12-31")


def _are_meant(texts: Texts, found: pl.Series, known: pl.Series) -> bool:
    """Return whether so many texts were found to be more that the others are the exceptions.

    A fifth is enough where they are many: the names of a few levels are not.
    """
    share, whole = texts.count(found), texts.count(known)
    many = texts.text.filter(found).n_unique() > _LEVELS
    return share > (_SOME if many else MOSTLY) * whole


def _allows(decimal: str, used: str, thousands: str) -> bool:
    """Return whether numbers in which some mark is used for thousands may have been meant so."""
    return used in ("", thousands) and decimal != thousands

"""How a table writes numbers, dates and missing values, and what a cell means by that.

One convention holds for a whole table: `23.815` is a number or a thousand times that, `01/02/2020`
is in January or in February. It is told from all cells of all columns (see
:mod:`backpass.tabular.text_columns`), kept in the model file and held to in prediction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from backpass.errors import InputError
from backpass.storage.schema import Bool, ListOf, MapOf, OneOf, Optional, Schema, Text

if TYPE_CHECKING:
    import polars as pl

#: Cells that mean "missing", in any case, once the spaces around them are gone: what statistics
#: programs, databases, spreadsheets and people write.
MISSING = (
    *("", "na", "n/a", "n.a.", "n.a", "<na>", "#na", "#n/a"),
    *("nan", "-nan", "nat", "null", "(null)", "none", "\\n"),
    *("?", "-", "--", "---", ".", "..", "..."),
    *("#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
)

DECIMAL_MARKS = (".", ",")
THOUSANDS_MARKS = {"": "nothing", ",": "commas", ".": "points", " ": "blanks", "'": "apostrophes"}
DATE_ORDERS = ("iso", "day-first", "month-first")

#: How a mark is found in a cell; typesetting has more blanks and apostrophes than keyboards.
SPELLINGS = {"": "", ",": ",", ".": r"\.", " ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}
_MINUS = "\u2212"
_SIGN = f"[+\\-{_MINUS}]?"
_DIGITS = "[0-9]+(?:[.,'\u2019 \u00a0\u2009\u202f][0-9]+)*[.,]?"
_CORE = f"(?:{_DIGITS}|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_CURRENCIES = "[A-Z]{0,2}[$€£¥₹₽₩₺₴₪₫฿₦₱¢]|[A-Z]{3}|Fr\\.|kr\\.?|Rs\\.?"
_PREFIX = f"(?:{_CURRENCIES})?"
_SUFFIX = "(?:[^\\s0-9()+\\-.,:;/][^\\s0-9()+\\-:;]{0,9}(?: [a-zA-Z²³]{1,6})?)?"
_MARKED = re.compile(f"({_PREFIX})\\s*{_SIGN}\\s*{_CORE}\\s*({_SUFFIX})")
_BRACKETS = r"^\((.*)\)$"
# "10 am" is no number of ams, nor "5 May" one of Mays
_NO_UNIT = re.compile(r"(?i)([ap]\.?m\.?|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)")


@dataclass(frozen=True)
class Convention:
    """How a table writes its values; what is None has not shown, or is to be told from the cells.

    Parameters
    ----------
    decimal : {".", ","} or None
        The decimal mark.
    thousands : {"", ",", ".", " ", "'"} or None
        The mark between thousands.
    dates : {"iso", "day-first", "month-first"} or None
        The order of day and month where the year comes last; ``"iso"`` if none is written so.
    missing : sequence of str
        Cells that mean "missing", beside the usual ones.
    marks : mapping of str to str
        What stands around the numbers of a column, these as ``#``: ``"$#"``, ``"#%"``, ``"#kg"``.
    brackets : bool
        Whether ``(0.13)`` is −0.13, as accountants write.

    Raises
    ------
    InputError
        When one of them is none of these, or both marks are the same.

    Examples
    --------
    >>> Convention(decimal=",", thousands=".", marks={"price": "#€"}).words()
    ['a decimal comma', 'points between thousands', "'price' in €"]
    """

    decimal: str | None = None
    thousands: str | None = None
    dates: str | None = None
    missing: Sequence[str] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    brackets: bool = False

    def __post_init__(self) -> None:
        for name, known in (
            ("decimal", DECIMAL_MARKS),
            ("thousands", THOUSANDS_MARKS),
            ("dates", DATE_ORDERS),
        ):
            value = getattr(self, name)
            if value is not None and value not in known:
                shown = ", ".join(map(repr, known))
                raise InputError(f"{name} must be one of {shown}, not {value!r}")
        if self.decimal is not None and self.decimal == self.thousands:
            raise InputError(f"decimal and thousands cannot both be {self.decimal!r}")
        if isinstance(self.missing, str):
            raise InputError(f"missing must be a list of marks, such as [{self.missing!r}]")

    def words(self) -> list[str]:
        """Return what is not plain in this convention, in words for a person to check."""
        told = ["a decimal comma"] if self.decimal == "," else []
        if self.thousands:
            told.append(f"{THOUSANDS_MARKS[self.thousands]} between thousands")
        if self.dates in ("day-first", "month-first"):
            told.append(f"{self.dates.replace('-', ' ')} in dates")
        if self.brackets:
            told.append("brackets for negative numbers")
        if self.missing:
            told.append(f"{', '.join(map(repr, self.missing))} for missing")
        units: dict[str, list[str]] = {}
        for name, mark in self.marks.items():
            units.setdefault(mark.replace("#", ""), []).append(repr(name))
        for unit, names in units.items():
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            told.append(f"{', '.join(names[:3])}{more} in {unit}")
        return told

    def numbers_like(self, name: str) -> str:
        """Return how a column's numbers are written, for what is none: `` like 1.234,5 €``."""
        number = f"1{self.thousands or ''}234{self.decimal or '.'}5"
        return f" like {self.marks.get(name, '#').replace('#', number)}"

    def dates_like(self) -> str:
        """Return how dates are written, for what is none: `` like 31/12/2020``."""
        last = {"day-first": "31/12/2020", "month-first": "12/31/2020"}
        return f" like {last.get(self.dates or '', '2020-12-31')}"

    def is_plain(self, name: str) -> bool:
        """Return whether the numbers of a column are written as Python writes them."""
        return self.decimal == "." and self.is_bare(name)

    def is_bare(self, name: str) -> bool:
        """Return whether nothing but a decimal mark stands in or around a column's numbers."""
        return not (self.thousands or self.marks.get(name) or self.brackets)

    def allows_points(self) -> bool:
        """Return whether numbers may be written as Python writes them."""
        return self.decimal in (None, ".") and self.thousands in (None, "", ",", " ", "'")

    def state(self) -> dict[str, Any]:
        """Return JSON values for the model file."""
        return {**asdict(self), "missing": list(self.missing), "marks": dict(self.marks)}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Return the convention that :meth:`state` told."""
        return cls(**{**state, "missing": tuple(state["missing"])})


CONVENTION_SCHEMA: dict[str, Schema] = {
    "decimal": Optional(OneOf(*DECIMAL_MARKS)),
    "thousands": Optional(OneOf(*THOUSANDS_MARKS)),
    "dates": Optional(OneOf(*DATE_ORDERS)),
    "missing": ListOf(Text()),
    "marks": MapOf(Text()),
    "brackets": Bool(),
}
"""What a convention in a model file must look like."""

UNDECIDED = Convention()
"""All is told from the cells."""


def as_convention(wish: Convention | None) -> Convention:
    """Return what is known of how a table is written: nothing, where None is given.

    Raises
    ------
    InputError
        When it is no convention.

    Examples
    --------
    >>> as_convention(None) == Convention()
    True
    """
    if wish is None:
        return UNDECIDED
    if not isinstance(wish, Convention):
        raise InputError(f"convention must be a Convention(…), not a {type(wish).__name__}")
    return wish


PLAIN = Convention(decimal=".", thousands="", dates="iso")
"""What Python itself writes."""


# --- missing ---------------------------------------------------------------------------------


def without_missing(text: pl.Series, levels: Sequence[str] = ()) -> pl.Series:
    """Return a column of texts without spaces around them, null where one means "missing".

    Parameters
    ----------
    text : polars.Series
    levels : sequence of str
        Texts that are values here, whatever they look like.

    Examples
    --------
    >>> import polars
    >>> without_missing(polars.Series([" a", "N/A", "#DIV/0!", "none"])).to_list()
    ['a', None, None, None]
    >>> without_missing(polars.Series(["+", "-", "+"])).to_list()  # a sign beside the other one
    ['+', '-', '+']
    """
    text = text.str.strip_chars()
    marks = {*MISSING} - {*map(str.lower, levels)}
    found = text.str.to_lowercase().is_in(list(marks))
    if not found.any():
        return text
    if (text == "+").any():
        found &= text != "-"
    return text.set(found, None)


def without_marks(frame: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Return a table with null for cells of the given marks, numbers such as -999 too."""
    import polars as pl

    if not missing:
        return frame
    marks = [mark.strip().lower() for mark in missing]
    numbers = [float(mark) for mark in marks if re.fullmatch(number_pattern(".", ""), mark)]
    columns = []
    for column in frame:
        if column.dtype.is_numeric():
            found = column.cast(pl.Float64).is_in(numbers)
        elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
            found = column.cast(pl.String).str.strip_chars().str.to_lowercase().is_in(marks)
        else:
            continue
        columns.append(column.set(found, None))
    return frame.with_columns(columns)


# --- numbers ---------------------------------------------------------------------------------


def mark_of(cell: str) -> str | None:
    """Return what stands around the one number in a cell, which is ``#`` itself; None if none is.

    Examples
    --------
    >>> [mark_of(cell) for cell in ("$1,234.50", "-3", "12.5 kg", "(4)", "Room 7", "5 May")]
    ['$#', '#', '#kg', '#', None, None]
    """
    match = _MARKED.fullmatch(re.sub(_BRACKETS, r"\1", cell).lstrip(f"+-{_MINUS}").strip())
    if match is None or _NO_UNIT.fullmatch(match[2]):
        return None
    return f"{match[1]}#{match[2]}"


def bare(text: pl.Series, mark: str = "#", *, brackets: bool = True) -> pl.Series:
    """Return the numbers of a column without what stands around them, null where there is none.

    Parameters
    ----------
    text : polars.Series
        Without spaces around the cells.
    mark : str
        What stands around each, as `mark_of` has it.
    brackets : bool
        Whether brackets are a sign.

    Examples
    --------
    >>> import polars
    >>> bare(polars.Series(["$1,234.50", "-$3", "($4)", "5"]), "$#").to_list()
    ['1,234.50', '-3', '-4', None]
    """
    before, after = (re.escape(part) for part in mark.split("#"))
    if brackets and text.str.starts_with("(").any():
        text = text.str.replace(_BRACKETS, "-$1")
    if text.str.contains(_MINUS, literal=True).any():
        text = text.str.replace(_MINUS, "-", literal=True)
    whole = f"^([+-]?)\\s*{before}\\s*([+-]?)({_CORE})\\s*{after}$"
    numbers = text if mark == "#" else text.str.replace(whole, "${1}${2}${3}")
    return numbers.set(~text.str.contains(whole), None)


def number_pattern(decimal: str, thousands: str) -> str:
    """Return the regular expression of a number: groups of three, in India of two before them.

    Examples
    --------
    >>> [bool(re.search(number_pattern(".", ","), x)) for x in ("1,234.5", "12,34", "1234", ".5")]
    [True, False, True, True]
    """
    point, mark = SPELLINGS[decimal], SPELLINGS[thousands]
    whole = f"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}|[0-9]+)" if mark else "[0-9]+"
    return f"^[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def read_numbers(numbers: pl.Series, decimal: str, thousands: str) -> pl.Series:
    """Return texts without marks around them as numbers, whole ones where all are; null if none is.

    Examples
    --------
    >>> import polars
    >>> read_numbers(polars.Series(["1.234,5", "12", "1,2.3"]), ",", ".").to_list()
    [1234.5, 12.0, None]
    """
    import polars as pl

    if (decimal, thousands) != (".", ""):
        fits = numbers.str.contains(number_pattern(decimal, thousands))
        numbers = numbers.set(~fits, None)
        if thousands:
            numbers = numbers.str.replace_all(SPELLINGS[thousands], "")
        if decimal != ".":
            numbers = numbers.str.replace(decimal, ".", literal=True)
    whole = numbers.cast(pl.Int64, strict=False)
    if whole.null_count() == numbers.null_count():
        return whole
    return numbers.cast(pl.Float64, strict=False)


def numbers_of_text(text: pl.Series, convention: Convention) -> pl.Series:
    """Return a column of texts as numbers, as `convention` writes those of that column.

    Parameters
    ----------
    text : polars.Series
        Null where a value is missing, as `without_missing` leaves it; of the column's name.
    convention : Convention

    Returns
    -------
    polars.Series
        Null where a value is missing, or is no number in this convention.
    """
    if not convention.is_plain(text.name):
        text = bare(text, convention.marks.get(text.name, "#"), brackets=convention.brackets)
    if convention.decimal is None:  # training had whole numbers only: 4.645 may be thousands
        grouped = text.str.contains(r"^[+-]?[1-9][0-9]{0,2}[.][0-9]{3}$")
        text = text.set(grouped, None)
    return read_numbers(text, convention.decimal or ".", convention.thousands or "")

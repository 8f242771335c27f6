"""Which columns of texts are numbers, and what each may mean by its marks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from backpass.tabular.conventions import (
    SPELLINGS,
    bare,
    mark_of,
    number_pattern,
    read_numbers,
    without_missing,
)
from backpass.tabular.frames import columns_named

if TYPE_CHECKING:
    import polars as pl

MOSTLY = 0.5  # a text column with a larger share of numbers or dates was meant to hold them
CODE = "^0[0-9]+$"  # names, such as 00812, which as numbers would lose their zeros
_MANY_ROWS = 5000  # from here on it pays to look at each text once
_SAMPLE = 200  # cells that tell what stands around the numbers of a column
_GROUPED = r"^[+-]?[1-9][0-9]{0,2}(MARK[0-9]{2,3})*MARK[0-9]{3}$"


class Texts(NamedTuple):
    """A column of texts, each once where most are there many times: what is asked is asked of them.

    ``rows`` are where they first stand; None where the texts are those of all rows.
    """

    raw: pl.Series
    rows: pl.Series | None
    text: pl.Series  # without spaces around them, null where missing

    @classmethod
    def of(cls, raw: pl.Series) -> Texts:
        """Look for texts that are there many times."""
        if raw.len() > _MANY_ROWS:
            rows = raw.arg_unique().sort()
            if 2 * rows.len() < raw.len():
                rows = rows.filter(raw[rows].is_not_null())
                return cls(raw, rows, without_missing(raw[rows]))
        return cls(raw, None, without_missing(raw))

    def whole(self, values: pl.Series) -> pl.Series:
        """Return what the texts mean for all rows."""
        if self.rows is None:
            return values.alias(self.raw.name)
        texts = self.raw[self.rows]
        if values.dtype == texts.dtype and values.equals(texts):
            return self.raw
        return self.raw.replace_strict(texts, values, default=None, return_dtype=values.dtype)

    def row(self, place: int) -> int:
        """Return the row of a text."""
        return place if self.rows is None else int(self.rows[place])

    def count(self, chosen: pl.Series) -> int:
        """Return how many rows have the chosen texts."""
        if self.rows is None:
            return int(chosen.sum())
        return int(self.raw.is_in(self.raw[self.rows].filter(chosen).implode()).sum())


# --- numbers ---------------------------------------------------------------------------------


class Candidate(NamedTuple):
    """A column in which every cell is a number, and in which conventions.

    ``ways`` has the thousands mark that each possible decimal mark leaves.
    """

    name: str
    texts: Texts
    numbers: pl.Series  # the texts without what stands around them
    mark: str
    ways: dict[str, str]
    telling: str  # which of "," and "." occur
    values: pl.Series | None = None  # as Python reads them

    def read(self, decimal: str, thousands: str) -> pl.Series:
        """Return the numbers of all rows."""
        if decimal == "." and self.values is not None:
            return self.values
        return self.texts.whole(read_numbers(self.numbers, decimal, thousands))


def plain_numbers(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the columns in which all cells are numbers as Python writes them, or missing.

    All columns are asked at once, since a wide table has thousands of them.
    """
    import polars as pl

    if frame.width == 0:
        return {}
    floats = frame.select(pl.all().cast(pl.Float64, strict=False))
    absent, unread = frame.null_count().row(0), floats.null_count().row(0)
    plain = []
    for name, nulls, lost in zip(frame.columns, absent, unread, strict=True):
        if nulls < lost < frame.height:  # all of the others may be marks for missing
            others = frame[name].filter(floats[name].is_null()).unique()
            lost = nulls if without_missing(others).count() == 0 else lost
        if lost == nulls < frame.height:
            plain.append(name)
    if not plain:
        return {}
    codes = frame[plain].select(pl.all().str.contains(CODE).any()).row(0)
    plain = [name for name, code in zip(plain, codes, strict=True) if not code]
    values = columns_named(floats, plain).with_columns(pl.all().fill_nan(None))
    found = {name: values[name] for name in plain}
    maybe = [n for n, column in found.items() if (column.head(_SAMPLE) % 1 == 0).any()]
    for column in columns_named(frame, maybe).with_columns(pl.all().cast(pl.Int64, strict=False)):
        if column.count() == found[column.name].count():
            found[column.name] = column
    return found


def plain_candidates(frame: pl.DataFrame) -> list[Candidate]:
    """Return the columns of numbers as Python writes them, of which some may be grouped by points.

    All columns are asked at once here, too, of their first cells.
    """
    import polars as pl

    numbers, candidates = plain_numbers(frame), []
    head = columns_named(frame, numbers).head(_SAMPLE)
    dots = pl.all().str.contains(".", literal=True)
    dotted = head.select(dots.any()).row(0) if numbers else ()
    by_points = pl.all().str.contains(_grouped_by("."))
    grouped = head.select((by_points | ~dots).all()).row(0) if numbers else ()
    for (name, values), has_dot, is_grouped in zip(numbers.items(), dotted, grouped, strict=True):
        raw, ways, telling = frame[name], {".": ""}, ""
        if values.dtype.is_float() and (has_dot or raw.str.contains(".", literal=True).any()):
            telling = "."
            if is_grouped and _is_grouped(raw, "."):
                ways[","] = "."
        else:
            ways[","] = ""
        texts = Texts(raw, None, raw)
        candidates.append(Candidate(name, texts, raw, "#", ways, telling, values))
    return candidates


def _grouped_by(mark: str) -> str:
    return _GROUPED.replace("MARK", SPELLINGS[mark])


def marked_candidate(texts: Texts) -> Candidate | None:
    """Return what a column may be as numbers, None if it holds others."""
    text = texts.text
    mark = usual_mark(text)
    if mark is None:
        return None
    numbers = bare(text, mark)
    if numbers.null_count() > text.null_count():
        return None
    used = [m for m in ",. '" if numbers.str.contains(SPELLINGS[m]).any()]
    ways = {}
    for decimal in ".,":
        rest = [m for m in used if m != decimal]
        if len(rest) > 1:
            continue
        pattern = number_pattern(decimal, rest[0] if rest else "")
        if numbers.str.contains(pattern).all() and not (
            decimal not in used and rest and rest[0] in ".," and not _is_grouped(numbers, rest[0])
        ):
            ways[decimal] = rest[0] if rest else ""
    if not ways:
        return None
    telling = "".join(m for m in used if m in ",.")
    return Candidate(text.name, texts, numbers, mark, ways, telling)


def _is_grouped(numbers: pl.Series, mark: str) -> bool:
    """Return whether every cell with the mark may be a whole number with a mark for thousands."""
    pattern = _grouped_by(mark)
    for part in (numbers.head(_SAMPLE), numbers):  # the first cells decide as a rule
        with_mark = part.filter(part.str.contains(mark, literal=True))
        if not with_mark.str.contains(pattern).all():
            return False
    return True


def marks_of(known: pl.Series) -> dict[str, str] | None:
    """Return what stands around the first numbers, each with a cell; None where one is no number.

    Examples
    --------
    >>> import polars
    >>> marks_of(polars.Series(["5 EUR", "7", "5,50"])), marks_of(polars.Series(["7", "high"]))
    ({'#EUR': '5 EUR', '#': '7'}, None)
    """
    marks: dict[str, str] = {}
    for cell in known.head(_SAMPLE):
        mark = mark_of(cell)
        if mark is None:
            return None
        marks.setdefault(mark, cell)
    return marks


def usual_mark(text: pl.Series) -> str | None:
    """Return what stands around most of the first numbers; None where few cells are numbers."""
    sample = text.drop_nulls().head(_SAMPLE).to_list()
    marks = Counter(filter(None, map(mark_of, sample)))
    if not marks:
        return None
    mark, cells = marks.most_common(1)[0]
    return mark if cells > MOSTLY * len(sample) else None

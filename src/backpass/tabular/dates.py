"""Dates, moments and times of day in texts, whatever their order, marks and zone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_DAY, _YEAR = "[0-9]{1,2}", "[0-9]{4}"
_DATE = (
    f"(?:(?P<year>{_YEAR})[-/.](?P<month>{_DAY})[-/.](?P<day>{_DAY})"
    f"|(?P<first>{_DAY})(?P<by>[-/.])(?P<second>{_DAY})[-/.](?P<last>{_YEAR}|[0-9]{{2}})"
    f"|(?P<named>{_DAY}[ .-]{{1,2}}[A-Za-z]{{3,9}}[ .,-]{{1,2}}{_YEAR})"
    f"|(?P<american>[A-Za-z]{{3,9}}\\.? {_DAY},? {_YEAR}))"
)
_CLOCK = (
    "(?P<clock>[0-9]{1,2}:[0-9]{2})(?P<seconds>:[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    "(?: ?(?P<half>[AaPp])\\.?[Mm]\\.?)?"
)
_ZONE = "(?: ?(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?"
_MOMENT = f"^{_DATE}(?:(?:T|,? +){_CLOCK}{_ZONE})?$"
#: Dates that are not read: months without a day, names of months beside two digits of a year, names
#: in other languages, days of the week before them.
OTHER_DATE = (
    r"^(?:(?:19|20)[0-9]{2}[-/](?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])[-/](?:19|20)[0-9]{2}"
    r"|\p{L}{3,9}\.?[ -](?:19|20)[0-9]{2}|[0-9]{1,2}[. -]{1,2}\p{L}{3,9}[. -]{1,2}[0-9]{2}"
    r"|[0-9]{1,2}\.? \p{L}{3,9}\.? [0-9]{4}|\p{L}{2,9}, [0-9]{1,2} \p{L}{3,9} [0-9]{4}(?: .*)?)$"
)
_PIVOT = 69  # two digits are 1969 to 2068, as POSIX has it


def date_parts(text: pl.Series) -> pl.DataFrame:
    """Return the parts of dates as columns of texts, all null where a cell is no date.

    Of ``01/02/2020 10:00`` they are first, second, last, by (the mark between them) and clock.
    """
    return text.str.extract_groups(_MOMENT).struct.unnest()


def are_dates(parts: pl.DataFrame) -> pl.Series:
    """Return which cells `date_parts` has found a date in."""
    import polars as pl

    kinds = ("year", "first", "named", "american")
    return parts.select(pl.any_horizontal(pl.col(*kinds).is_not_null()).alias("date"))["date"]


def date_orders(parts: pl.DataFrame) -> set[str] | None:
    """Return the orders that all dates with the year at their end can have.

    None where one is no date in any order.

    Examples
    --------
    >>> import polars
    >>> date_orders(date_parts(polars.Series(["01/02/2020", "12/31/2020"])))
    {'month-first'}
    """
    import polars as pl

    first, second, last = (
        parts[name].drop_nulls().cast(pl.Int64) for name in ("first", "second", "last")
    )
    if not ((first <= 31) & (second <= 31) & ((first <= 12) | (second <= 12))).all():
        return None
    orders = {"day-first"} if (second <= 12).all() else set()
    orders |= {"month-first"} if (first <= 12).all() else set()
    short = parts["last"].str.len_bytes() == 2
    if short.any() and (second <= 12).all() and ((last >= 1) & (last <= 31)).all():
        orders.add("year-first")  # 20/01/05, of which years and days can be told by nothing
    return orders


def dates_of_parts(parts: pl.DataFrame, order: str | None) -> pl.Series | None:
    """Return the dates, or the moments in UTC, that `date_parts` has found; null where none is.

    Parameters
    ----------
    parts : polars.DataFrame
    order : {"iso", "day-first", "month-first"} or None
        Where the year comes last; these are null unless it is one of the last two.

    Returns
    -------
    polars.Series or None
        None where some moments name their zone and others do not.
    """
    import polars as pl

    day, month = ("first", "second") if order == "day-first" else ("second", "first")
    known = order in ("day-first", "month-first")
    last = pl.col("last").cast(pl.Int64)
    year = last + pl.when(pl.col("last").str.len_bytes() > 2).then(0).otherwise(
        pl.when(last < _PIVOT).then(2000).otherwise(1900)
    )
    iso = pl.concat_str("year", pl.lit("-"), "month", pl.lit("-"), "day")
    ours = pl.concat_str(year, pl.lit("-"), month, pl.lit("-"), day) if known else pl.lit(None)
    text = pl.coalesce(iso, ours.cast(pl.String))
    day_of = text.str.to_date("%Y-%m-%d", strict=False)
    if parts["named"].count() + parts["american"].count():
        words = pl.col("named").str.replace_all("[ .,-]+", " ")
        american = pl.col("american").str.replace_all("[ .,]+", " ")
        day_of = pl.coalesce(
            day_of,
            words.str.to_date("%d %B %Y", strict=False),
            american.str.to_date("%B %d %Y", strict=False),
        )
    dates = parts.select(day_of.alias("date"))["date"]
    if not parts["clock"].count():
        return dates
    zones, whole = parts["zone"].count(), dates.count()
    if zones and zones != whole:
        return None
    moments = parts.with_columns(dates.dt.to_string("%Y-%m-%d").alias("date")).select(_moment())
    found = moments.to_series()
    return found.dt.replace_time_zone("UTC") if zones else found


def _moment() -> pl.Expr:
    """Return date, clock and zone as a moment in UTC."""
    import polars as pl

    clock = pl.coalesce("clock", pl.lit("00:00"))
    seconds = pl.coalesce(pl.col("seconds").str.replace(",", ".", literal=True), pl.lit(":00"))
    half = pl.col("half").str.to_uppercase() + "M"
    written = pl.concat_str("date", pl.lit(" "), clock, seconds)
    long = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    halves = pl.concat_str(written, pl.lit(" "), half).str.to_datetime(
        "%Y-%m-%d %I:%M:%S%.f %p", strict=False, time_unit="us"
    )
    offset = pl.col("zone").str.replace(":", "", literal=True)
    minutes = offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60
    minutes = minutes + offset.str.slice(3, 2).cast(pl.Int64, strict=False)
    minutes = pl.when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes)
    moment = pl.when(pl.col("half").is_null()).then(long).otherwise(halves)
    return moment - pl.duration(minutes=minutes.fill_null(0))


def read_times(text: pl.Series) -> pl.Series:
    """Return times of day, null where there is none.

    Examples
    --------
    >>> import polars
    >>> read_times(polars.Series(["9:05", "10:00:01.5 PM", "25:00"])).to_list()
    [datetime.time(9, 5), datetime.time(22, 0, 1, 500000), None]
    """
    import polars as pl

    parts = text.str.extract_groups(f"^{_CLOCK}$").struct.unnest()
    day = pl.when(pl.col("clock").is_not_null()).then(pl.lit("1970-01-01"))
    parts = parts.with_columns(day.alias("date"), pl.lit(None, pl.String).alias("zone"))
    moment = pl.when(pl.col("clock").is_not_null()).then(_moment())
    return parts.select(moment.dt.time().alias(text.name))[text.name]


def dates_of_text(text: pl.Series, order: str | None) -> pl.Series | None:
    """Return a column of texts as dates, dates with times (in UTC) or times; null where none is.

    Parameters
    ----------
    text : polars.Series
        Null where a value is missing.
    order : {"iso", "day-first", "month-first"} or None
        Of day and month where the year comes last.

    Returns
    -------
    polars.Series or None
        None if the first value is neither a date nor a time, or some name their zone and others
        do not.

    Examples
    --------
    >>> import polars
    >>> dates_of_text(polars.Series(["2020-02-29", "soon"]), None).to_list()
    [datetime.date(2020, 2, 29), None]
    >>> dates_of_text(polars.Series(["1/2/2020 3:00 PM"]), "day-first").to_list()
    [datetime.datetime(2020, 2, 1, 15, 0)]
    """
    import polars as pl

    known = text.drop_nulls()
    if known.len() and re.fullmatch(_CLOCK, known[0]):
        return read_times(text)
    if not known.len() or not re.fullmatch(_MOMENT, known[0]):
        return None
    if (known.str.len_bytes() == 10).all():  # the fast way, for most
        dates = text.str.to_date("%Y-%m-%d", strict=False)
        if dates.null_count() == text.null_count():
            return dates
    found = dates_of_parts(date_parts(text), order)
    return None if found is None else pl.Series(text.name, found)

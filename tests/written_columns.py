"""Columns with known values, written as people write them: numbers, dates, texts, what is missing.

A kind is one small function: from a random generator, a convention and a number of rows to texts
and the values that they mean. What it draws does not depend on the convention, so that one plan of
a column writes the same values in any. Nothing here reads: it is the measure of the reader.
"""

import datetime as dt
import re
from dataclasses import dataclass, replace
from random import Random
from typing import Any


@dataclass(frozen=True)
class Convention:
    """How a whole file writes numbers and dates, and what is not there."""

    decimal: str = "."
    thousands: str = ""
    day_first: bool = True  # of dates that do not begin with the year
    missing: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Plan:
    """What is drawn for a column, in whatever convention it is then written."""

    name: str
    kind: str
    seed: int
    gaps: float  # the share of cells that are missing


@dataclass(frozen=True)
class Column:
    """The cells of a column as they are written, and what they mean: None for missing."""

    name: str
    kind: str
    texts: tuple[str, ...]
    truths: tuple[Any, ...]

    def rows(self, kept):
        """Return the column with only the rows of these numbers."""
        texts, truths = ([cells[i] for i in kept] for cells in (self.texts, self.truths))
        return Column(self.name, self.kind, tuple(texts), tuple(truths))

    def settled(self):
        """Return the column as a file tells it: codes without a zero in front are numbers.

        So are numbers with units of which only one is there.
        """
        known = [t for t in self.truths if t is not None]
        zeros = self.kind == "codes" and not any(t.startswith("0") for t in known)
        if zeros or (self.kind == "mixed_units" and len({t.split()[1] for t in known}) == 1):
            kind, numbers = "whole" if zeros else "unit", map(bare, self.texts)
            truths = (t and int(n) for t, n in zip(self.truths, numbers, strict=True))
            return replace(self, kind=kind, truths=tuple(truths))
        return self


def written_column(plan, by, rows):
    """Return the column of a plan in a convention."""
    texts, truths = KINDS[plan.kind](Random(plan.seed), by, rows)
    rng = Random(plan.seed + 1)
    for row in range(rows):
        if rng.random() < plan.gaps:
            texts[row], truths[row] = rng.choice(by.missing), None
    return Column(plan.name, plan.kind, tuple(texts), tuple(truths))


# --- numbers -------------------------------------------------------------------------------------


def spell(plain, by, grouped=False):
    """Return a number such as ``-1234.50`` or ``1.5e-07`` in a convention."""
    body, e, power = plain.removeprefix("-").partition("e")
    whole, _, rest = body.partition(".")
    if grouped and by.thousands:
        whole = f"{int(whole):,}".replace(",", by.thousands)
    return "-" * plain.startswith("-") + whole + (by.decimal + rest if rest else "") + e + power


def value(plain):
    """Return what it means."""
    return float(plain) if {".", "e"} & {*plain} else int(plain)


def drawn_plain(rng, rows, signs=True):
    """Return plain numbers of one size, with a number of decimals that is the column's."""
    digits, size = rng.choice((0, 1, 2, 2, 2, 3, 4)), rng.choice((1, 30, 900, 20_000, 3_000_000))
    low = -size if signs and rng.random() < 0.4 else 0
    return [f"{rng.uniform(low, size):.{digits}f}" for _ in range(rows)]


def numbers(rng, by, rows, dress=lambda text: text, signs=True):
    """Return numbers as texts that `dress` puts marks on, and what they mean."""
    grouped, plain = rng.random() < 0.6, drawn_plain(rng, rows, signs)
    return [dress(spell(p, by, grouped)) for p in plain], [value(p) for p in plain]


def whole(rng, by, rows):
    low, high = rng.choice(((0, 9), (-50, 100), (0, 1000), (10_000, 99_999), (0, 10**9)))
    truths = [rng.randint(low, high) for _ in range(rows)]
    return [str(t) for t in truths], truths


def large(rng, by, rows):
    high = rng.choice((10_000, 500_000, 90_000_000, 10**10))
    truths = [rng.randint(0, high) for _ in range(rows)]
    return [spell(str(t), by, grouped=True) for t in truths], truths


def decimals(rng, by, rows):
    return numbers(rng, by, rows)


def shortest(rng, by, rows):
    power = rng.choice((-6, -2, 0, 0, 3, 8))
    truths = [rng.gauss(0, 1) * 10.0**power for _ in range(rows)]
    return [spell(repr(t), by) for t in truths], truths


def scientific(rng, by, rows):
    digits, upper = rng.choice((1, 2, 3, 6)), rng.random() < 0.4
    plain = [f"{rng.gauss(0, 1) * 10.0 ** rng.randint(-9, 9):.{digits}e}" for _ in range(rows)]
    texts = [spell(p, by) for p in plain]
    return [t.upper() if upper else t for t in texts], [float(p) for p in plain]


def percent(rng, by, rows):
    mark = rng.choice(("%", "%", " %"))
    return numbers(rng, by, rows, lambda text: text + mark)


def unit(rng, by, rows):
    mark = rng.choice(("kg", "g", "cm", "km", "m", "°C", "m²", "kWh", "lb", "m/s", "mg/dl"))
    mark = rng.choice((" ", " ", "")) + mark
    return numbers(rng, by, rows, lambda text: text + mark)


def brackets(rng, by, rows):
    """Numbers as accountants write them: what is negative stands in brackets."""
    return numbers(rng, by, rows, lambda text: f"({text[1:]})" if text[0] == "-" else text)


def currency(rng, by, rows):
    sign, blank = rng.choice("$$€€£¥"), rng.choice(("", "", " "))
    before, negative = (
        rng.random() < (0.8 if sign in "$£¥" else 0.3),
        rng.choice(("-$", "$-", "()")),
    )

    def dress(text):
        bare = text.removeprefix("-")
        minus = "-" * (text != bare)
        if minus and negative == "()":
            return f"({sign}{blank}{bare})" if before else f"({bare}{blank}{sign})"
        if not before:
            return f"{text}{blank}{sign}"
        return f"{sign}{blank}{text}" if negative == "$-" else f"{minus}{sign}{blank}{bare}"

    return numbers(rng, by, rows, dress)


def years(rng, by, rows):
    truths = [rng.randint(1950, 2026) for _ in range(rows)]
    return [str(t) for t in truths], truths


def constant_number(rng, by, rows):
    plain = rng.choice(("0", "1", "42", "0.5", "100"))
    return [spell(plain, by)] * rows, [value(plain)] * rows


# --- texts ---------------------------------------------------------------------------------------

WORDS = [
    "red",
    "blue",
    "green",
    "Oslo",
    "Köln",
    "Ávila",
    "low",
    "high",
    "yes",
    "no",
    "A",
    "B",
    "x-ray",
    "café",
    "left-hand",
    "O'Neil",
]
TWINS = [("Yes", "yes", "YES"), ("New York", "New  York", "new york"), ("a", "A"), ("IT", "it")]


def texts_of(truths):
    """Return texts as they stand, and what they mean: without the blanks at both ends."""
    return list(truths), [t.strip() for t in truths]


def codes(rng, by, rows):
    width = rng.choice((3, 5, 5, 8))
    return texts_of([f"{rng.randrange(10**width):0{width}}" for _ in range(rows)])


def booleans(rng, by, rows):
    spelt = rng.choice((("False", "True"), ("false", "true"), ("FALSE", "TRUE")))
    truths = [rng.random() < 0.5 for _ in range(rows)]
    return [spelt[t] for t in truths], truths


def category(rng, by, rows):
    levels = rng.sample(WORDS, rng.randint(2, 5))
    return texts_of(rng.choices(levels, k=rows))


def twins(rng, by, rows):
    """Categories that differ only in case or blanks."""
    return texts_of(rng.choices([*rng.choice(TWINS), *rng.sample(WORDS, 2)], k=rows))


def free_text(rng, by, rows):
    between = (" ", " ", ", ", "; ", " | ", "\n", ' "quoted" ', ' 5" ', ". ", " 1,5 ", " #1 ")
    made = []
    for _ in range(rows):
        words = rng.choices(WORDS, k=rng.randint(2, 5))
        made.append("".join(w + rng.choice(between) for w in words[:-1]) + words[-1])
    return texts_of(made)


def lookalikes(rng, by, rows):
    """Texts of digits that are no numbers, dates or times."""
    shapes = "{}.{}.{} 10.0.{}.{} {}-{} {}x{} {}/{} 555-{} +49_{}_12{} {},{},{} {}:{}:{}:{}"
    shapes += " 978-3-16-{}-0 {}_of_{} {}..{} {}h{} Q{} <{} >=_{}"
    shape = rng.choice(shapes.split()).replace("_", " ")
    return texts_of([shape.format(*rng.choices(range(40, 99), k=4)) for _ in range(rows)])


def mixed_units(rng, by, rows):
    """Numbers with one of two units, which make no number column."""
    units = rng.choice((("kg", "g"), ("$", "€"), ("%", "m"), ("km", "mi"), ("°C", "°F")))
    return texts_of([f"{rng.randrange(900)} {rng.choice(units)}" for _ in range(rows)])


def constant_text(rng, by, rows):
    return texts_of([rng.choice(WORDS)] * rows)


# --- dates and times -----------------------------------------------------------------------------


def drawn_days(rng, rows):
    first = dt.date(rng.randint(1970, 2024), 1, 1)
    return [first + dt.timedelta(rng.randrange(900)) for _ in range(rows)]


def year_first(rng):
    """Return what writes a date as ``2020-12-31``, ``2020/1/2`` and the like."""
    mark, padded = rng.choice("-------//."), rng.random() < 0.9

    def write(day, by):
        two = "02" if padded else ""
        return f"{day.year}{mark}{day.month:{two}}{mark}{day.day:{two}}"

    return write


def year_last(rng):
    """Return what writes a date with its day or its month first; with dots, the day is first."""
    mark, padded = rng.choice("///--.."), rng.random() < 0.7

    def write(day, by):
        two, between = "02" if padded else "", mark
        parts = [f"{day.day:{two}}", f"{day.month:{two}}"]
        if not by.day_first:
            parts.reverse()
            between = "/" if mark == "." else mark  # nobody writes 12.31.2020
        return between.join([*parts, str(day.year)])

    return write


def clock(rng):
    """Return what writes a time of day, and what rounds one to the digits that it writes."""
    seconds, digits = rng.random() < 0.6, rng.choice((0, 0, 0, 1, 3, 6))
    half = rng.choice((None, None, None, None, " AM", " am", "AM")) if digits == 0 else None
    two = "02" if half is None and rng.random() < 0.9 else ""

    def write(time):
        hour = time.hour if half is None else (time.hour - 1) % 12 + 1
        text = f"{hour:{two}}:{time.minute:02}"
        if seconds:
            text += f":{time.second:02}" + f".{time.microsecond:06}"[: digits + 1] * (digits > 0)
        if half is None:
            return text
        return text + (half if time.hour < 12 else half.replace("A", "P").replace("a", "p"))

    def kept(time):
        if not seconds:
            return time.replace(second=0, microsecond=0)
        return time.replace(microsecond=time.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))

    return write, kept


def drawn_times(rng, rows):
    return [
        dt.time(rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.randrange(10**6))
        for _ in range(rows)
    ]


def dates(rng, by, rows, writer=year_last):
    write, truths = writer(rng), drawn_days(rng, rows)
    return [write(t, by) for t in truths], truths


def iso_dates(rng, by, rows):
    return dates(rng, by, rows, year_first)


def two_digit_years(rng, by, rows):
    """Dates such as 1/2/20, of which even the year could be another number."""
    days = drawn_days(rng, rows)
    truths = [day.replace(year=2000 + day.year % 25, day=min(day.day, 28)) for day in days]
    order = ("%d/%m/%y", "%m/%d/%y")[not by.day_first]
    return [t.strftime(order) for t in truths], truths


def clocked(rng, by, rows, writer=year_last):
    """Dates with a time of day."""
    on, (at, kept), between = writer(rng), clock(rng), rng.choice("  T")
    truths = [
        dt.datetime.combine(day, kept(time))
        for day, time in zip(drawn_days(rng, rows), drawn_times(rng, rows), strict=True)
    ]
    days, times = [on(t, by) for t in truths], [at(t) for t in truths]
    if days[0] != f"{truths[0]:%Y-%m-%d}" or times[0][-1] in "Mm":
        between = " "  # the T is ISO's own
    return [f"{day}{between}{time}" for day, time in zip(days, times, strict=True)], truths


def iso_clocked(rng, by, rows):
    return clocked(rng, by, rows, year_first)


def zoned(rng, by, rows):
    """Dates with a time of day in a zone, which winter and summer may change."""
    style, between, digits = rng.choice("Z::0U"), rng.choice("T "), rng.choice((0, 0, 3))
    texts, truths = [], []
    for day, time in zip(drawn_days(rng, rows), drawn_times(rng, rows), strict=True):
        hours = rng.choice((1, 2)) if style in ":0" else 0
        micro = time.microsecond // 1000 * 1000 if digits else 0
        zone = dt.timezone(dt.timedelta(hours=hours))
        truths.append(dt.datetime.combine(day, time.replace(microsecond=micro), zone))
        ends = {"Z": "Z", ":": f"+0{hours}:00", "0": f"+0{hours}00", "U": " UTC"}
        fraction = f".{micro // 1000:03}" if digits else ""
        texts.append(f"{day}{between}{time:%H:%M:%S}{fraction}{ends[style]}")
    return texts, truths


def times(rng, by, rows):
    at, kept = clock(rng)
    truths = [kept(t) for t in drawn_times(rng, rows)]
    return [at(t) for t in truths], truths


_KINDS = [whole, large, decimals, shortest, scientific, percent, unit, brackets, currency]
_KINDS += [years, constant_number, codes, booleans, category, twins, free_text, constant_text]
_KINDS += [lookalikes, mixed_units]
_KINDS += [dates, iso_dates, two_digit_years, clocked, iso_clocked, zoned, times]
KINDS = {kind.__name__: kind for kind in _KINDS}
NUMBERS = (*list(KINDS)[:9], "constant_number")  # kinds that are written in the file's convention
WEIGHTS = {
    **dict.fromkeys(KINDS, 2),
    "whole": 12,
    "decimals": 14,
    "shortest": 6,
    "category": 10,
    "free_text": 6,
    "currency": 4,
    "large": 4,
    "percent": 4,
    "booleans": 3,
    "iso_dates": 4,
    "dates": 4,
    "years": 3,
    "two_digit_years": 0.4,
    "zoned": 1,
    "constant_text": 1,
    "constant_number": 1,
}


# --- what a file tells ---------------------------------------------------------------------------


def bare(text):
    """Return the digits of a number with what stands between them, without sign and power."""
    found = re.search(r"[0-9](?:[0-9.,' \u00a0\u202f]*[0-9])?", text)
    return found[0] if found else ""


def _decides(number):
    """Whether a number can only be read with one meaning of dot and comma.

    It has both, one of them twice, a third mark for thousands, or what a thousands mark would not
    stand before: ``1,234`` and ``1.234`` are the numbers that do not decide.
    """
    marks = re.findall(r"[^0-9]", number)
    return len(marks) > 1 or (
        len(marks) == 1 and not re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", number)
    )


def _known(columns, kinds):
    for column in columns:
        if column.kind in kinds:
            pairs = zip(column.texts, column.truths, strict=True)
            yield from ((text, truth) for text, truth in pairs if truth is not None)


def marks_are_told(columns):
    """Whether the file shows what a comma between digits means; a dot alone is a decimal mark."""
    found = [bare(text) for text, _ in _known(columns, NUMBERS)]
    return not any("," in number for number in found) or any(map(_decides, found))


def dots_mislead(columns, by):
    """Whether a dot marks thousands and nothing in the file speaks against a decimal mark."""
    found = [bare(text) for text, _ in _known(columns, NUMBERS)]
    return by.thousands == "." and any("." in n for n in found) and not any(map(_decides, found))


def order_is_told(columns):
    """Whether a day after the 12th shows the order of day and month, if that matters."""
    if any(True for _ in _known(columns, ("two_digit_years",))):
        return False
    days = [truth for _, truth in _known(columns, ("dates", "clocked"))]
    return not days or any(day.day > 12 for day in days)

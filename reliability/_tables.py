"""Tables to fuzz the reader with: drawn from typed columns, then spoilt cell by cell."""

import csv
import gzip
import io
import warnings
import zlib
from contextlib import suppress
from random import Random
from typing import Any

import polars as pl
from reliability._mutations import damaged

NAMES = ["a", "b", "size", "city", "x y", "é", "day", "a b", "target", "n", "1", "ID", "=1+1"]
ODD = [
    "", "NA", "?", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e400", "1e-400", "1_000",
    "007", "٣", "½", "0x10", "1,5", "1.234,5", "$1,200", "35 %", "true", "FALSE", "2020-02-30",
    "9999-12-31", "0000-00-00", "-0001-01-01", "2020-01-01T00:00:00+99:99", "24:00", "23:59:60",
    "2020-01-01 24:00", "31.12.2020", "12/31/2020", '"', '""', 'a"b', "'", "\\", "\0", "\r", "\n",
    "\x0b", "\x1b[2J", "\x85", "\u2028", "\xa0", "\ufeff", "\u202e", "a" * 200, "9" * 40, "-", "+",
    "1e308", "-9223372036854775808", "9223372036854775808", "18446744073709551616", ".", ",", ";",
    "\t", "|", "#N/A", "<NA>", "null", "None", "01", "-0", "+5", "5.", ".5", "1e", "e1", "\ud83d😀",
]  # fmt: skip
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1", "utf-32"]


def _cells(rng: Random, rows: int) -> list[str]:
    """Return a column of texts of one kind, some of them missing."""
    kinds: list[Any] = [
        lambda: str(rng.randrange(-5, 100)),
        lambda: f"{rng.gauss(0, 10):.3f}",
        lambda: f"{rng.gauss(0, 1) * 10 ** rng.randrange(-300, 300):g}",
        lambda: rng.choice("abc"),
        lambda: rng.choice(["true", "False"]),
        lambda: f"20{rng.randrange(10, 99)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
        lambda: f"{rng.randrange(24):02}:{rng.randrange(60):02}",
        lambda: f"2020-01-{rng.randrange(1, 29):02} {rng.randrange(24):02}:00:{rng.random():09.6f}",
        lambda: f"{rng.randrange(1, 32):02}.{rng.randrange(1, 13):02}.2021",
        lambda: f"{rng.randrange(9999)},{rng.randrange(99)}",
        lambda: rng.choice(ODD),
        lambda: "same",
        lambda: "".join(rng.choices("abc,;\t \"'1\n", k=rng.randrange(9))),
        lambda: str(rng.randrange(2**66)),
    ]
    kind, missing = rng.choice(kinds), rng.choice((0, 0, 0, 0.1, 0.9, 1))
    return [rng.choice(("", "NA", "?")) if rng.random() < missing else kind() for _ in range(rows)]


def drawn_text(rng: Random) -> bytes:
    """Return a delimited table in some dialect and encoding."""
    rows = rng.choice((0, 1, 2, 3, 8, 25, 60))
    names = rng.choices(NAMES, k=rng.choice((1, 2, 2, 3, 5)))
    if rng.random() < 0.8:
        names = list(dict.fromkeys(names))
    columns = [_cells(rng, rows) for _ in names]
    text = io.StringIO()
    by, quoting = rng.choice(",,,;;\t|"), rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    ends = rng.choice(("\n", "\n", "\r\n", "\r"))
    writer = csv.writer(text, delimiter=by, quoting=quoting, lineterminator=ends)
    writer.writerows([names, *zip(*columns, strict=True)])
    return text.getvalue().encode(rng.choice(ENCODINGS), "replace")


def spoilt_text(rng: Random, data: bytes) -> bytes:
    """Return a delimited table with odd cells, lines repeated, moved or gone."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        odd = rng.choice(ODD).encode("utf-8", "surrogatepass")
        by = rng.choice((b",", b";", b"\t", b'"'))
        match rng.randrange(6):
            case 0:
                lines.insert(at, rng.choice(lines))
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at] = by.join([odd, *lines[at].split(by)[1:]])
            case 3:
                lines[at] = by.join([*lines[at].split(by), odd])
            case 4:
                lines[at] = lines[at].replace(by, rng.choice((b",", b"|", b"", b'"')))
            case _:
                place = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + odd + lines[at][place:]
    return b"\n".join(lines)


DTYPES: list[Any] = [
    pl.Int8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Time,
    pl.Datetime("ms"), pl.Datetime("ns", "UTC"), pl.Duration("us"), pl.Categorical,
    pl.Decimal(20, 3), pl.Binary, pl.List(pl.Int64), pl.Struct({"f": pl.Int64}), pl.Int128, pl.Null,
]  # fmt: skip
VALUES = [0, 1, 2, 3, 7, -1, 2**31, 2**62, -(2**62)]


def _series(rng: Random, name: str, rows: int) -> pl.Series:
    """Return a column of any type that Parquet holds."""
    dtype = rng.choice(DTYPES)
    few = rng.choice((VALUES[:2], VALUES[:5], range(100), VALUES))
    missing = rng.choice((0, 0, 0.2, 1))
    values: list[Any] = [None if rng.random() < missing else rng.choice(few) for _ in range(rows)]
    if dtype in (pl.String, pl.Categorical):
        values = [None if v is None else rng.choice(["x", "y", str(v), *ODD[:3]]) for v in values]
    elif dtype in (pl.Float32, pl.Float64):
        special = [float("nan"), float("inf"), 1e300, 5e-324, 0.5]
        values = [rng.choice(special) if rng.random() < 0.1 else v for v in values]
    elif dtype == pl.Binary:
        values = [None if v is None else b"\xff" for v in values]
    elif dtype == pl.List(pl.Int64):
        values = [None if v is None else [v] for v in values]
    elif isinstance(dtype, pl.Struct):
        values = [None if v is None else {"f": v} for v in values]
    elif dtype in (pl.Date, pl.Time, pl.Null):
        values = [None if v is None else abs(v) % 40000 for v in values]
        return pl.Series(name, values, pl.Int64).cast(pl.Int32).cast(dtype, strict=False)
    elif isinstance(dtype, pl.Datetime | pl.Duration):
        return pl.Series(name, values, pl.Int64).cast(dtype)
    return pl.Series(name, values, strict=False).cast(dtype, strict=False)


def drawn_parquet(rng: Random) -> bytes:
    """Return a Parquet file of columns of many types."""
    rows = rng.choice((0, 1, 3, 10, 40))
    names = list(dict.fromkeys(rng.choices([*NAMES, *ODD], k=rng.choice((1, 2, 3, 5)))))
    names = [name for name in names if name.isprintable() or rng.random() < 0.5]
    names = [name.encode("utf-8", "replace").decode() for name in names] or ["a"]
    frame = pl.DataFrame([_series(rng, name, rows) for name in dict.fromkeys(names)])
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        frame.write_parquet(file, compression=rng.choice(("zstd", "snappy", "uncompressed")))
    return file.getvalue()


def spoilt_table(rng: Random, data: bytes, other: bytes) -> bytes:
    """Return a table after changes that fit what it is: text, Parquet or gzip."""
    if data.startswith(b"\x1f\x8b") and rng.random() < 0.7:
        with suppress(OSError, EOFError, zlib.error):  # damaged already: as bytes, then
            data = gzip.decompress(data)
    if data.startswith(b"PAR1") or rng.random() < 0.2:
        data = damaged(rng, data, other)
    else:
        data = spoilt_text(rng, data)
    if rng.random() < 0.05:
        data = gzip.compress(data, 1)
    return damaged(rng, data) if rng.random() < 0.05 else data

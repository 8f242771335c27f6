"""Tables of every container and with values of every type mean the same."""

import collections
import dataclasses
import datetime as dt
import enum
import fractions
import sqlite3
import subprocess
import sys
import uuid
import warnings
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.errors import TableError, TableWarning
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.frames import as_frame
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe

RECIPE = Recipe(hidden_layer_sizes=(4,), epochs=2)


def encoded(table):
    """Return the bytes that a table becomes, or what is said where it tells nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        try:
            encoder = TableEncoder(min_count=1).fit(table())
            return encoder.transform(table()).tobytes()
        except TableError as error:
            return str(error).partition("(")[0]


# --- every container -------------------------------------------------------------------------


def rows_of(columns):
    return list(zip(*columns.values(), strict=True))


def records_of(columns):
    return [dict(zip(columns, row, strict=True)) for row in rows_of(columns)]


def named_tuples(columns):
    return list(map(collections.namedtuple("Row", columns)._make, rows_of(columns)))


def dataclasses_of(columns):
    kind = dataclasses.make_dataclass("Row", columns)
    return [kind(*row) for row in rows_of(columns)]


def structured(columns):
    return np.array(rows_of(columns), dtype=[(name, object) for name in columns])


def masked(columns):
    filled = {name: [v for v in values if v is not None] for name, values in columns.items()}
    return {
        name: np.ma.array(
            [(filled[name] or [0])[0] if value is None else value for value in values],
            mask=[value is None for value in values],
            dtype=object,
        )
        for name, values in columns.items()
    }


class Stream:
    """What has `__arrow_c_stream__` and nothing else."""

    def __init__(self, columns):
        self.table = pl.DataFrame(columns)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def sparse_records(columns):
    return [{name: v for name, v in row.items() if v is not None} for row in records_of(columns)]


CONTAINERS = {
    "polars": pl.DataFrame,
    "lazy polars": pl.LazyFrame,
    "polars objects": lambda c: pl.DataFrame(
        [pl.Series(name, values, dtype=pl.Object) for name, values in c.items()]
    ),
    "pandas": pd.DataFrame,
    "pandas objects": lambda c: pd.DataFrame(c, dtype=object),
    "pandas nullable": lambda c: pd.DataFrame(c).convert_dtypes(),
    "pandas of Arrow": lambda c: pd.DataFrame(c).convert_dtypes(dtype_backend="pyarrow"),
    "pandas by tuples": lambda c: pd.DataFrame({("of", name): c[name] for name in c}),
    "Arrow": pa.table,
    "Arrow batch": lambda c: pa.table(c).to_batches()[0],
    "Arrow reader": lambda c: pa.table(c).to_reader(),
    "Arrow stream": Stream,
    "DuckDB relation": lambda c: duckdb.from_arrow(pa.table(c)),
    "DuckDB result": lambda c: duckdb.connect().register("t", pa.table(c)).execute("FROM t"),
    "dict of arrays": lambda c: {k: np.array(v, dtype=object) for k, v in c.items()},
    "dict of masked arrays": masked,
    "dict of pandas": lambda c: {k: pd.Series(v) for k, v in c.items()},
    "dict of Arrow": lambda c: {k: pa.array(v) for k, v in c.items()},
    "dict of views": lambda c: {k: dict(enumerate(v)).values() for k, v in c.items()},
    "dict by number": lambda c: dict(enumerate(c.values())),
    "records": records_of,
    "records in a tuple": lambda c: tuple(records_of(c)),
    "rows of pandas": lambda c: [row for _, row in pd.DataFrame(c, dtype=object).iterrows()],
    "named tuples": named_tuples,
    "dataclasses": dataclasses_of,
    "structured": structured,
    "record array": lambda c: structured(c).view(np.recarray),
    "rows": rows_of,
    "rows of lists": lambda c: [list(row) for row in rows_of(c)],
    "array": lambda c: np.array(rows_of(c), dtype=object),
}

COLUMNS = {
    "number": [1.5, None, 2.5, 3.0, 7.25],
    "whole": [1, 2, 3, 5, 4],
    "gaps": [1, None, 3, 5, 4],
    "text": ["a", None, "b", "a", "NA"],
    "truth": [True, False, None, True, True],
    "time": [dt.datetime(2020, 1, day, 3) for day in (1, 2, 9, 10)] + [None],
    "zone": [dt.datetime(2020, 1, day, tzinfo=dt.UTC) for day in (1, 2, 9, 10)] + [None],
    "span": [dt.timedelta(hours=hours) for hours in (1, 2, 9, 10)] + [None],
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_becomes_the_same_numbers(container):
    expected = encoded(lambda: COLUMNS)
    assert isinstance(expected, bytes)
    assert encoded(lambda: CONTAINERS[container](COLUMNS)) == expected


def column_of(values, size):
    return st.lists(st.none() | values, min_size=size, max_size=size)


columns = st.integers(2, 8).flatmap(
    lambda size: st.fixed_dictionaries(
        {
            "n": column_of(st.floats(-1e9, 1e9), size),
            "i": column_of(st.integers(-(2**40), 2**40), size),
            "t": column_of(st.text(st.characters(codec="utf-8"), max_size=3), size),
            "b": column_of(st.booleans(), size),
            "d": column_of(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), size),
        }
    )
)


@given(columns, st.sampled_from([*CONTAINERS]))
def test_so_does_any_table(table, container):
    assert encoded(lambda: CONTAINERS[container](table)) == encoded(lambda: table)


def test_keys_come_in_order_of_appearance_and_may_be_absent():
    frame = as_frame([{"b": 1}, {"a": "x", "b": None}, {}])
    assert frame.columns == ["b", "a"]
    assert frame.rows() == [(1, None), (None, "x"), (None, None)]


def test_rows_of_a_database():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (size REAL, city TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(1.5, "Bonn"), (None, "Oslo")])
    cursor = connection.execute("SELECT * FROM t")
    assert as_frame(cursor).to_dict(as_series=False) == {
        "size": [1.5, None],
        "city": ["Bonn", "Oslo"],
    }
    cursor.row_factory = sqlite3.Row
    assert as_frame(cursor.execute("SELECT * FROM t").fetchall()).columns == ["size", "city"]
    connection.close()


def test_pandas_needs_no_pyarrow():
    program = """
import sys
sys.modules["pyarrow"] = None
import pandas as pd
from backpass.tabular.frames import as_frame
frame = as_frame(pd.DataFrame({
    "text": ["a", None], "whole": pd.array([1, None], dtype="Int64"),
    "day": pd.to_datetime(["2020-01-01", None]),
    "month": pd.period_range("2020-01", periods=2, freq="M"),
    "level": pd.Categorical([1, 2]), "zone": pd.to_datetime(["2020-01-01"] * 2, utc=True),
    "truth": pd.array([True, None], dtype="boolean"), "mixed": [1, "a"], "number": [1.5, None],
    "name": pd.array(["a", None], dtype="string"), "part": pd.interval_range(0, 2),
}))
print(frame.null_count().row(0), [str(kind) for kind in frame.dtypes][:3])
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("(1, 1, 1, 0, 0, 0, 1, 0, ")
    assert "['String', 'Int64', \"Datetime" in told


# --- values ----------------------------------------------------------------------------------


class Shade(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    A = "a"


MISSING = [
    None,
    float("nan"),
    np.float32("nan"),
    pd.NA,
    pd.NaT,
    np.datetime64("NaT"),
    np.timedelta64("NaT"),
    Decimal("NaN"),
    Decimal("sNaN"),
]


@pytest.mark.parametrize("missing", MISSING, ids=map(repr, MISSING))
@pytest.mark.parametrize("value", [1, 1.5, "a", True, dt.date(2020, 1, 1), dt.timedelta(1)])
def test_what_is_missing_is_missing_everywhere(missing, value):
    values = [value, missing, value]
    objects = np.empty(3, dtype=object)
    objects[:] = values
    tables = [
        {"x": values},
        {"x": objects},
        [{"x": v} for v in values],
        [[v] for v in values],
        objects[:, None],
        pd.DataFrame({"x": objects}),
    ]
    for table in tables:
        column = as_frame(table).to_series()
        assert column.is_null().to_list() == [False, True, False]
        assert column.dtype == as_frame({"x": [value]}).to_series().dtype


BERLIN = pd.Timestamp("2020-01-01 01:00", tz="Europe/Berlin")
VALUES = {
    "kinds of numbers": (
        [1, 2.5, Decimal("1.5"), fractions.Fraction(1, 4), np.float32(0.5), np.int8(3)],
        [1, 2.5, 1.5, 0.25, 0.5, 3],
    ),
    "truth and numbers": ([True, 2, None], [1, 2, None]),
    "beyond 64 bits": ([2**63, -(2**70)], [2**63, -(2**70)]),
    "beyond 128 bits": ([2**200, 1], [float(2**200), 1.0]),
    "text and others": (["a", 1.0, 2.5, True], ["a", "1", "2.5", "True"]),
    "enumerations": ([Shade.RED, Shade.BLUE], ["RED", "BLUE"]),
    "numbered enumeration": ([Level.LOW, 2], [1, 2]),
    "enumeration of texts": ([Word.A, "b", np.str_("c")], ["a", "b", "c"]),
    "identifiers": ([uuid.UUID(int=1)], ["00000000-0000-0000-0000-000000000001"]),
    "dates and times": (
        [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5), np.datetime64("2020-01-02")],
        [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 5), dt.datetime(2020, 1, 2)],
    ),
    "zones": (
        [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), BERLIN],
        [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1)],
    ),
    "times of day": ([dt.time(1), None], [dt.time(1), None]),
    "spans": (
        [dt.timedelta(1), pd.Timedelta(2, "h"), np.timedelta64(3, "s")],
        [dt.timedelta(1), dt.timedelta(hours=2), dt.timedelta(seconds=3)],
    ),
    "months": (np.array([3, "NaT"], "m8[M]"), [3, None]),
    "periods": (
        [pd.Period("2020-02", "M"), pd.Period("2021", "Y")],
        [dt.datetime(2020, 2, 1), dt.datetime(2021, 1, 1)],
    ),
    "intervals": ([pd.Interval(0, 1)], ["(0, 1]"]),
    "levels of numbers": (pd.Categorical([10.0, 2.5, None]), ["10", "2.5", None]),
    "levels of intervals": (pd.cut(pd.Series([1, 3]), [0, 2, 4]), ["(0, 2]", "(2, 4]"]),
    "texts of bytes": (np.array(["a", "é".encode()], dtype="S"), ["a", "é"]),
    "years": (np.array(["2020", "NaT"], "M8[Y]"), [dt.datetime(2020, 1, 1), None]),
    "sparse": (pd.arrays.SparseArray([0, 0, 1.5]), [0, 0, 1.5]),
    "beyond the year 9999": ([np.datetime64("20200-01-01")], ["20200-01-01"]),
}


@pytest.mark.parametrize(("values", "expected"), VALUES.values(), ids=VALUES)
def test_values_of_odd_types(values, expected):
    assert as_frame({"x": values})["x"].to_list() == expected
    if isinstance(values, list) and "20200-01-01" not in expected:  # pandas has it as a time
        assert as_frame(pd.DataFrame({"x": values}))["x"].to_list() == expected


class Thing:
    pass


UNUSABLE = {
    "lists": ([[1], [2, 3]], "lists; make a column of each entry"),
    "arrays": ([np.ones(2), np.ones(3)], "lists; make a column of each entry"),
    "records": ([{"a": 1}, {"a": 2}], "records; make a column of each field"),
    "lists of Arrow": (pa.array([[1], [2]]), "lists; make a column of each entry"),
    "records of polars": (pl.Series([{"a": 1}] * 2), "records; make a column of each field"),
    "bytes": ([b"a", b"b"], "bytes; decode them to texts"),
    "bytes of polars": (pl.Series([b"a", b"b"]), "bytes; decode them to texts"),
    "complex": (np.array([1j, 2]), "complex numbers; make a column of each part"),
    "zone or none": ([dt.datetime(2020, 1, 1), BERLIN], "times with and without a zone; convert"),
    "things": ([Thing(), Thing()], "objects (Thing); convert"),
    "half a character": (["\ud800", "b"], "text that is no valid Unicode; convert"),
    "endless spans": ([dt.timedelta.max, None], "values out of range; convert"),
    "lists among texts": (["a", ["b"]], "lists; make a column of each entry"),
}


@pytest.mark.parametrize(("values", "expected"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_single_value_is_named_and_may_be_left_out(values, expected):
    table = {"odd": values, "x": [1.0, 2.0], "y": ["a", "b"]}
    with pytest.raises(TableError) as raised:
        TableEncoder().fit(table)
    assert str(raised.value).startswith(f"column 'odd' holds {expected}")
    assert str(raised.value).endswith(", or leave it out")
    encoder = TableEncoder(min_count=1).fit({"odd": ["a", "b"], "x": [1.0, 2.0]})
    with pytest.raises(TableError, match="column 'odd' holds "):
        encoder.transform(table)
    with pytest.raises(TableError, match=r"target 'odd' holds .* choose another"):
        TabularModel.fit(table, "odd", recipe=RECIPE)
    long = {name: [*column] * 20 for name, column in table.items()}
    model = TabularModel.fit(long, "y", drop=["odd"], recipe=RECIPE)
    assert model.encoder.feature_names_in_.tolist() == ["x"]

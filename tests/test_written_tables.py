"""Tables of known values come back from files in any convention, or the doubt is named.

``python -m reliability.reading`` does it with tens of thousands. What follows the tables of the
reader holds the measure itself: that it means what it writes, and notices what is wrong.
"""

import datetime as dt
import io
import warnings
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import written_tables
from backpass.errors import TableError, TableWarning
from written_columns import (
    KINDS,
    Column,
    Convention,
    Plan,
    dots_mislead,
    marks_are_told,
    order_is_told,
    spell,
    written_column,
)
from written_tables import (
    CRASH,
    DOUBT,
    EQUAL,
    MISREAD,
    SILENT,
    Layout,
    drawn,
    judge,
    same,
    shrunk,
    written,
)


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_a_table_is_read_as_written_or_the_doubt_is_named(tmp_path_factory, rng):
    table = drawn(rng, most=12)
    verdict = judge(table, tmp_path_factory.getbasetemp())
    assert verdict.outcome in (EQUAL, DOUBT), (verdict.why, table.data)


def test_doubt_is_rare(tmp_path):
    tables = [drawn(Random(f"rare {number}")) for number in range(400)]
    doubts = [t.told for t in tables if judge(t, tmp_path).outcome == DOUBT]
    assert sum(doubts) <= 0.01 * sum(t.told for t in tables)
    assert len(doubts) <= 0.05 * len(tables)


def test_models_read_on_in_the_convention_of_training(reliability, monkeypatch):
    program = reliability("reading")
    monkeypatch.setattr(program, "SHARE", 40)
    counts = program.read_on(0, 0)
    assert not counts.said
    rows = [program.figures(counts)[name] for name in program.MODELS]
    assert all(row["told"] > 20 for row in rows)


# --- the measure: what it writes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "decimal", "thousands", "expected"),
    [
        ("1234567.50", ".", ",", "1,234,567.50"),
        ("-1234.5", ",", ".", "-1.234,5"),
        ("999", ".", ",", "999"),
        ("-0.130", ",", "", "-0,130"),
        ("1.5e-07", ",", "'", "1,5e-07"),
    ],
)
def test_numbers_are_spelt(plain, decimal, thousands, expected):
    assert spell(plain, Convention(decimal, thousands), grouped=True) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_means_the_same_in_every_convention(kind):
    for seed in range(30):
        plan = Plan("x", kind, seed, 0.2)
        german = written_column(plan, Convention(",", ".", True, ("-",)), 20)
        american = written_column(plan, Convention(".", ",", False, ("NA",)), 20)
        assert german.truths == american.truths
        gaps = [truth is None for truth in german.truths]
        assert [text == "-" for text in german.texts] == gaps
        assert [text == "NA" for text in american.texts] == gaps


def test_pandas_agrees_where_it_is_told_the_convention():
    """Another reader, which is told everything, reads plain numbers as they were meant."""
    compared = 0
    for number in range(150):
        table = drawn(Random(f"pandas {number}"))
        layout, by = table.layout, table.convention
        if layout.first or layout.trailing or layout.padding:
            continue
        frame = pd.read_csv(
            io.BytesIO(table.data),
            sep=layout.separator,
            decimal=by.decimal,
            thousands=by.thousands or None,
            encoding=layout.encoding,
            na_values=[*by.missing],
            engine="python",
        )
        for column in table.columns:
            if column.kind in ("whole", "large", "decimals", "years") and any(column.truths):
                read = [None if pd.isna(value) else value for value in frame[column.name]]
                assert read == list(column.truths), (column, table.data)
                compared += 1
    assert compared > 100


def test_texts_are_written_as_they_are():
    texts = Column("a", "free_text", ('x "y"', "1\n2"), ('x "y"', "1\n2"))
    sizes = Column("b", "decimals", ("1,5", "2,5"), (1.5, 2.5))
    layout = Layout(newline="\r\n", index=(0, 1), trailing="rows", first="# by hand")
    table = written([texts, sizes], Convention(","), layout)
    wanted = b'# by hand\r\n,a,b\r\n0,"x ""y""","1,5",\r\n1,"1\n2","2,5",\r\n'
    assert (table.data, table.told) == (wanted, True)


# --- the measure: what a file tells --------------------------------------------------------------


def numbers(*texts):
    return Column("x", "decimals", texts, (1.0,) * len(texts))


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("4,181", "417,020"), False),
        (("4,181", "1,234,567"), True),
        (("4,181", "87467.01"), True),
        (("2,500", "0,250"), True),  # thousands do not begin with 0
        (("23.815", "9,5"), True),
        (("23.815", "4.5"), True),
        (("12.345",), True),  # a dot alone is a decimal mark
        (("12 345", "1,234"), True),
        (("1,234", "12.345"), False),
        (("7",), True),
    ],
)
def test_what_tells_the_marks(texts, told):
    assert marks_are_told([numbers(texts[0]), numbers(*texts[1:])]) == told


def test_dots_that_mislead_are_not_drawn():
    by = Convention(",", ".")
    assert dots_mislead([numbers("23.815", "812")], by)
    assert not dots_mislead([numbers("23.815"), numbers("9,5")], by)
    assert not dots_mislead([numbers("1.234.567")], by)
    assert not dots_mislead([numbers("23.815")], Convention())


def test_what_tells_the_order_of_dates():
    early, late = dt.date(2020, 5, 6), dt.date(2020, 5, 13)
    assert not order_is_told([Column("x", "dates", ("06/05/2020",), (early,))])
    days = Column("y", "clocked", ("13/05/2020 10:00",), (late,))
    assert order_is_told([Column("x", "dates", ("06/05/2020",), (early,)), days])
    assert order_is_told([Column("x", "iso_dates", ("2020-05-06",), (early,))])


def test_codes_without_their_zeros_are_numbers():
    codes = Column("x", "codes", ("007", "12", ""), ("007", "12", None))
    assert codes.settled().truths == ("007", "12", None)
    assert codes.rows([1, 2]).settled().truths == (12, None)


@pytest.mark.parametrize(
    ("read", "truth", "equal"),
    [
        (2.0, 2, True),
        (float("nan"), None, False),
        (None, 0, False),
        (True, 1, False),
        ("2", 2, False),
        (dt.date(2020, 1, 2), dt.date(2020, 1, 2), True),
        (dt.datetime(2020, 1, 2), dt.date(2020, 1, 2), False),
        (dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 2, tzinfo=dt.UTC), False),
    ],
)
def test_what_is_the_same(read, truth, equal):
    assert same(read, truth) == equal


# --- the measure: what it notices ----------------------------------------------------------------


TABLE = written(
    [
        Column("size", "decimals", ("1,234.5", "NA"), (1234.5, None)),
        Column("city", "category", ("Oslo", "Köln"), ("Oslo", "Köln")),
    ],
    Convention(".", ",", True, ("NA",)),
    Layout(),
)
FINE = {"size": [1234.5, None], "city": ["Oslo", "Köln"]}
AS_TEXT = FINE | {"size": ["1,234.5", None]}
WARNING = "column 'size': cannot tell"


def error(kind):
    def fail():
        raise kind("t.csv: no\nway" if kind is ValueError else "t.csv: no")

    return fail


@pytest.mark.parametrize(
    ("read", "warning", "outcome"),
    [
        (FINE, "", EQUAL),
        (FINE, WARNING, EQUAL),
        (AS_TEXT, "", SILENT),
        (AS_TEXT, "column 'city': what?", SILENT),
        (AS_TEXT, WARNING, DOUBT),
        (AS_TEXT | {"size": ["1234.5", None]}, WARNING, MISREAD),
        (FINE | {"size": [1.2345, None]}, WARNING, MISREAD),
        (FINE | {"size": [1234.5, 0.0]}, "", SILENT),
        (FINE | {"city": [None, "Köln"]}, "", SILENT),
        ({"city": FINE["city"]}, "", SILENT),
        (FINE | {"": [0, 1]}, "", SILENT),
        ({name: cells[:1] for name, cells in FINE.items()}, "", SILENT),
        (error(TableError), "", DOUBT),
        (error(KeyError), "", CRASH),
        (error(ValueError), "", CRASH),
    ],
)
def test_what_a_reader_does_is_judged(monkeypatch, tmp_path, read, warning, outcome):
    def reader(path):
        assert path.read_bytes() == TABLE.data
        if warning:
            warnings.warn(warning, TableWarning, stacklevel=1)
        return read() if callable(read) else pl.DataFrame(read)

    monkeypatch.setattr(written_tables, "read_table", reader)
    assert judge(TABLE, tmp_path).outcome == outcome


def test_an_index_must_not_go_without_a_word(monkeypatch, tmp_path):
    table = written(TABLE.columns, TABLE.convention, replace(TABLE.layout, index=(0, 1)))
    monkeypatch.setattr(written_tables, "read_table", lambda path: pl.DataFrame(FINE))
    assert judge(table, tmp_path).outcome == SILENT

    def reader(path):
        warnings.warn("a column without a name counts the rows", TableWarning, stacklevel=1)
        return pl.DataFrame(FINE)

    monkeypatch.setattr(written_tables, "read_table", reader)
    assert judge(table, tmp_path).outcome == EQUAL


def test_a_failing_table_becomes_small():
    table = next(t for t in map(drawn, map(Random, range(99))) if b"Oslo" in t.data)
    small = shrunk(table, lambda t: b"Oslo" in t.data)
    assert len(small.columns[0].texts) == 1
    assert len(small.data) < 60


def test_the_program_counts_and_keeps_what_is_wrong(reliability, monkeypatch, tmp_path, capsys):
    program = reliability("reading")

    def reader(path):
        raise KeyError(path.suffix)

    monkeypatch.setattr(written_tables, "read_table", reader)
    monkeypatch.setattr(program, "SHARE", 3)
    counts = program.read_tables(0, 0)
    counts.add(program.read_tables(0, 3))
    row = program.figures(counts)["all tables"]
    assert row["told"] + row["not told"] == row["faults"] == 6
    program.simplest(counts.found, tmp_path)
    assert "KeyError" in capsys.readouterr().out
    assert len(next(tmp_path.glob("*.csv")).read_bytes()) < 60


@pytest.mark.parametrize(
    ("kind", "texts", "by", "follows"),
    [
        ("decimals", ("2,500", "812"), Convention(".", ","), True),
        ("decimals", ("2,500", "8,5"), Convention(".", ","), False),
        ("percent", ("2.500 %",), Convention(",", "."), True),
        ("decimals", ("2,500",), Convention("."), True),  # commas can only be thousands
        ("decimals", ("2,5",), Convention("."), False),
        ("decimals", ("2'500",), Convention(".", ","), False),
        ("category", ("a",), Convention(), False),
    ],
)
def test_what_follows_the_convention_of_training(reliability, kind, texts, by, follows):
    reliability("reading")
    column = Column("x", kind, texts, (1.0,) * len(texts))
    assert reliability("_read_again")._follows(column, by) == follows


@pytest.mark.parametrize("day", [12, 13])
def test_a_day_after_the_twelfth_does_not_follow_another_order(reliability, day):
    reliability("reading")
    column = Column("x", "dates", ("x",), (dt.date(2020, 5, day),))
    assert reliability("_read_again")._follows(column, Convention()) == (day == 12)


class Reading:
    """A model that takes one number column, and reads every file as the same number."""

    def __init__(self, number, warning=""):
        self.number, self.warning = number, warning
        self.encoder = self
        self.columns_ = [SimpleNamespace(name="x", outputs=["x"])]

    def read(self, path):
        if self.warning:
            warnings.warn(self.warning, TableWarning, stacklevel=1)
        return SimpleNamespace(frame=pl.DataFrame({"x": [self.number]}))

    def transform(self, frame):
        return frame.to_numpy()


@pytest.mark.parametrize(
    ("model", "strict", "outcome"),
    [
        (Reading(2.5), True, EQUAL),
        (Reading(2500.0), True, SILENT),
        (Reading(2500.0, "column 'x': what?"), True, DOUBT),
        (Reading(2500.0), False, EQUAL),  # by the convention of training it is 2500
        (Reading("2,500"), True, SILENT),
    ],
)
def test_what_a_model_reads_is_judged(reliability, tmp_path, model, strict, outcome):
    reliability("reading")
    cells = [Column("x", "decimals", ("2,500",), (2.5,))]
    judged = reliability("_read_again")._judged
    assert judged(model, tmp_path, cells, Convention(".", ","), strict)[0] == outcome

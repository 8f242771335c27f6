import datetime as dt
import gzip
import io
import sys
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backpass.errors import TableError, TableWarning
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.dates import dates_of_text
from backpass.tabular.files import example_names, example_target, read_table
from backpass.tabular.raw_table import RawTable


def read(text, as_text=()):
    split = split_delimited(text.encode(), "t.csv")
    return RawTable(split.frame, "t.csv", split.separator, split.line_of).understand(None, as_text)


def rows(text, **options):
    return read(text, **options).frame.rows()


TIDIED = {
    "plain": ("a,b\n1,x\n2,y\n", [(1, "x"), (2, "y")]),
    "no last newline": ("a,b\n1,x", [(1, "x")]),
    "CRLF": ("a,b\r\n1,x\r\n2,y\r\n", [(1, "x"), (2, "y")]),
    "blank lines": ("\n\na,b\n\n1,x\n \n2,y\n\n\n", [(1, "x"), (2, "y")]),
    "blank lines, one column": ("a\n1\n\n2\n", [(1,), (2,)]),
    "blank lines, quotes": ('a,b\n"1",x\n\n2,"y\n\nz"\n', [(1, "x"), (2, "y\n\nz")]),
    "spaces": (" a , b\n 1 , x \n2,y\n", [(1, "x"), (2, "y")]),
    "spaces before quotes": ('a, "b"\n1, "x, y"\n', [(1, "x, y")]),
    "quoted quotes": ('a,b\n1,"say ""x"""\n', [(1, 'say "x"')]),
    "stray quotes": (
        'a,b\n1,5" pipe\n2,6" pipe\n3,y\n',
        [(1, '5" pipe'), (2, '6" pipe'), (3, "y")],
    ),
    "missing": ("a,b\n1,NA\n?,x\nnan,None\n", [(1, None), (None, "x"), (None, None)]),
    "an empty column": ("a,b\n1,\n2,NA\n", [(1, None), (2, None)]),
    "semicolons": ("a;b\n1,5;x\n2;y\n", [(1.5, "x"), (2.0, "y")]),
    "decimal commas": ("a;b\n1.234,5;-7\n2,25;8\n", [(1234.5, -7), (2.25, 8)]),
    "tabs": ("a\tb\n1\tx, y\n", [(1, "x, y")]),
    "bars": ("a|b\n1|x\n", [(1, "x")]),
    "commas in the header of semicolons": ("a, b;c, d;e\n1;2;3\n", [(1, 2, 3)]),
    "one odd cell": ("a\n" + "1\n" * 500 + "x\n", [("1",)] * 500 + [("x",)]),
    "late decimals": ("a\n1\n2.5\n", [(1.0,), (2.5,)]),
    "huge integers": (f"a\n1\n{10**30}\n", [(1.0,), (1e30,)]),
    "floats": ("a\n1e3\n.5\n-2.\n", [(1000.0,), (0.5,), (-2.0,)]),
    "truth": ("a,b\ntrue,FALSE\nFalse,TRUE\n", [(True, False), (False, True)]),
    "dates": ("a,b\n2020-12-31,31.12.2020\n", [(dt.date(2020, 12, 31), dt.date(2020, 12, 31))]),
    "month first, as one day shows": (
        "a\n01/02/2020\n12/31/2020\n",
        [(dt.date(2020, 1, 2),), (dt.date(2020, 12, 31),)],
    ),
    "day or month first is unclear": (
        "a\n01/02/2020\n12/11/2020\n",
        [("01/02/2020",), ("12/11/2020",)],
    ),
    "day first, as one day shows": (
        "a\n01/02/2020\n13/11/2020\n",
        [(dt.date(2020, 2, 1),), (dt.date(2020, 11, 13),)],
    ),
    "codes keep their zeros": ("a,b\n00812,0\n2139,10\n", [("00812", 0), ("2139", 10)]),
    "a date and a word": ("a\n2020-12-31\nsoon\n", [("2020-12-31",), ("soon",)]),
    "times": ("a\n10:00:00\n11:30:01.5\n", [(dt.time(10),), (dt.time(11, 30, 1, 500000),)]),
}


@pytest.mark.parametrize(("text", "expected"), TIDIED.values(), ids=TIDIED)
def test_harmless_things_are_dealt_with(text, expected):
    assert rows(text) == expected


REFUSED = {
    "short row": ("a,b\n1,2\n3\n", "t.csv, line 3: 1 field where the header has 2"),
    "long row": ("a,b\n1,2\n\n1,2,3\n", "t.csv, line 4: 3 fields where the header has 2"),
    "after quoted newlines": ('a,b\n"x\ny",2\n\n"z\n",3,4\n', "line 5: 3 fields"),
    "in a table with stray quotes": ('a,b\n5" x,2\n\n6,7,8\n', "line 4: 3 fields"),
    "quote never closed": ('a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote opened here is never closed"),
    "quote never closed, stray": ('a,b\n5" x,2\n3,"4\n5,6\n', "line 3: a quote opened here is"),
    "quote never closed, long": ('a,b\n"3,4\n' + "5,6\n" * 99_999, "line 2: a quote opened here"),
    "twice": ("a,b,a\n1,2,3\n", "column names appear twice: 'a'; rename"),
    "twice but for spaces": ("a,a \n1,2\n", "'a'"),
    "no name": (",b\nx,1\nx,2\n", "column 1 of 2 has no name in the header"),
    "no name, not the first": ("a,,b\n1,2,3\n", "column 2 of 3 has no name in the header"),
    "spaces": ("a b c\n1 2 3\n", "read as a single column, but spaces seem to separate 3"),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_doubtful_tables_are_refused_in_one_line(text, expected):
    with pytest.raises(TableError) as caught:
        rows(text)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tabs_are_not_looked_for_where_the_name_promises_them(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match="single column, but commas seem to separate 2"):
        read_table(path)
    path.write_text("a,b\tc\n1,5\t2\n")
    assert read_table(path).rows() == [(1.5, 2)]


def test_columns_can_stay_text():
    text = "a,b,day\n007,1,2020-01-02\nNA,2, \n"
    frame = read(text, as_text=["a", "day", "unknown"]).frame
    assert frame.rows() == [("007", 1, "2020-01-02"), (None, 2, None)]


PLAIN = b"a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    "data",
    [PLAIN, b"\xef\xbb\xbf" + PLAIN, PLAIN.decode().encode("utf-16"), PLAIN.replace(b"\n", b"\r")],
    ids=["plain", "BOM", "UTF-16", "CR"],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["as is", "gzipped"])
def test_encodings_and_compression(tmp_path, data, compress):
    path = tmp_path / "table.csv"
    path.write_bytes(compress(data))
    assert read_table(path).rows() == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.parquet.gz"])
def test_parquet_is_known_by_its_content(tmp_path, name):
    frame = pl.DataFrame({"a": [1, None], "b": ["x", None]})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    data = gzip.compress(buffer.getvalue()) if name.endswith(".gz") else buffer.getvalue()
    (tmp_path / name).write_bytes(data)
    assert read_table(tmp_path / name).equals(frame)


@pytest.mark.parametrize("data", [PLAIN, gzip.compress(PLAIN)], ids=["as is", "gzipped"])
def test_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert read_table("-").rows() == [(1, "x"), (2, "y")]


UNREADABLE = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n \r\n", "the file is empty"),
    "BOM only": (b"\xef\xbb\xbf", "the file is empty"),
    "header only": (b"a,b\n", "no rows below the header"),
    "NUL": (b"a,b\n1,\0\n", "NUL bytes"),
    "gzip cut short": (gzip.compress(PLAIN)[:-9], "damaged gzip file"),
    "gzip altered": (gzip.compress(PLAIN)[:-6] + b"......", "damaged gzip file"),
    "Parquet cut short": (b"PAR1abc", "damaged Parquet file"),
}


@pytest.mark.parametrize(("data", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_files_name_themselves(tmp_path, data, expected):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_extension_promises_parquet(tmp_path):
    (tmp_path / "t.parquet").write_bytes(PLAIN)
    with pytest.raises(TableError, match="not a Parquet file"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("slip", ["flights.cvs", "flights", "flight.csv"])
def test_a_missing_file_suggests_its_neighbours(tmp_path, slip):
    (tmp_path / "flights.csv").write_bytes(PLAIN)
    (tmp_path / "other.txt").write_bytes(PLAIN)
    with pytest.raises(TableError, match=r"no such file; did you mean '.*flights\.csv'\?$"):
        read_table(tmp_path / slip)


def test_what_is_no_file(tmp_path):
    with pytest.raises(TableError, match="a directory without a table"):
        read_table(tmp_path)
    with pytest.raises(TableError, match=r"no such file; the folder '.*' does not exist"):
        read_table(tmp_path / "nowhere" / "t.csv")
    with pytest.raises(TableError, match="cannot be read"):
        read_table("a\0b.csv")


@pytest.mark.parametrize("name", example_names())
def test_examples_end_with_their_target(name):
    frame = read_table(f"example:{name}")
    assert frame.columns[-1] == example_target(f"example:{name}")
    assert sum(frame.null_count().row(0)) == 0
    assert (frame.dtypes[-1] == pl.String) == (name not in ("diabetes", "digits"))


def test_unknown_examples_list_the_known():
    assert example_target("digits.csv") is None
    for ask in (read_table, example_target):
        with pytest.raises(TableError, match=r"example:irises: no such .* example:iris, "):
            ask("example:irises")


DATES = {
    "2020-02-03": dt.date(2020, 2, 3),
    "2020/02/03": dt.date(2020, 2, 3),
    "03.02.2020": dt.date(2020, 2, 3),
    "03/02/2020": dt.date(2020, 2, 3),
    "03-02-2020": dt.date(2020, 2, 3),
    "2020-02-03 04:05": dt.datetime(2020, 2, 3, 4, 5),
    "2020-02-03T04:05:06.25": dt.datetime(2020, 2, 3, 4, 5, 6, 250000),
    "2020-02-03T04:05:06Z": dt.datetime(2020, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
    "2020-02-03T04:05:06+02:00": dt.datetime(2020, 2, 3, 2, 5, 6, tzinfo=dt.UTC),
    "04:05": dt.time(4, 5),
}


@pytest.mark.parametrize(("text", "expected"), DATES.items())
def test_dates(text, expected):
    parsed = dates_of_text(pl.Series([None, text, "odd"]), "day-first")
    assert parsed.to_list() == [None, expected, None]


@pytest.mark.parametrize("text", ["", "2020", "2020-1-2 x", "2020-02-03 noon", "04:05Z", "12345"])
def test_no_dates(text):
    assert dates_of_text(pl.Series([text]), None) is None


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(deadline=None)  # the first example loads polars
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_quoted_text_comes_back(table):
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table]
    text = "\n".join(["a,b", *quoted])
    frame = read(text, as_text=["a", "b"]).frame
    kept = list(frame.rows())
    assert len(kept) == len(table)
    for found, given_row in zip(kept, table, strict=True):
        for cell, original in zip(found, given_row, strict=True):
            assert cell is None or cell == pl.Series([original]).str.strip_chars()[0]


@settings(deadline=None)  # the first example loads polars
@given(st.text(st.sampled_from('ab1,;"\n\r \t'), max_size=40))
@example('""\r1,')  # polars refuses a quote followed by a lone return
@example("a;a\n;1")  # the first line is taken for a title, which is said
def test_any_text_is_read_or_refused_in_one_line(text):
    message = ""
    try:
        assert read("x,y\n" + text).frame.width == 2
    except (TableError, TableWarning) as error:
        message = str(error)
    assert "\n" not in message


def test_sixty_thousand_rows_take_less_than_seconds(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(60_000, 20))
    pl.DataFrame(numbers).write_csv(tmp_path / "t.csv")
    begin = time.process_time()  # of all threads: what else the machine does is left out
    frame = read_table(tmp_path / "t.csv")
    assert time.process_time() - begin < 3  # measured: 0.3 s
    assert (frame.to_numpy() == numbers).all()

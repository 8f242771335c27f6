"""Excel and OpenDocument: each cell as it was typed, and nothing lost without a word."""

import datetime as dt
import sys

import pytest

from backpass.errors import TableError, TableWarning
from tables import SHEET, XLS, open_document, read, workbook

DAY, MOMENT = dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, 3, 4, 5)
COLUMNS = {
    "whole numbers": ([1, 2], [1, 2]),
    "numbers": ([1, 2.5], [1.0, 2.5]),
    "text and numbers": (["x", 1, 0.1], ["x", "1", "0.1"]),
    "truth and numbers": ([True, 2], ["true", "2"]),
    "codes": (["007", "1"], ["007", "1"]),
    "truth": ([True, None, False], [True, None, False]),
    "dates": ([DAY, None], [DAY, None]),
    "moments": ([MOMENT, DAY], [MOMENT, dt.datetime(2020, 1, 2)]),
    "dates and text": ([DAY, "soon"], ["2020-01-02", "soon"]),
    "times": ([dt.time(3, 4), dt.time(0)], [dt.time(3, 4), dt.time(0)]),
    "hours": ([dt.timedelta(hours=30.5)], [dt.timedelta(hours=30.5)]),
    "errors": (["=NA()", 1, "=1/0"], [None, 1, None]),
    "missing": (["NA", 1, " "], [None, 1, None]),
    "late text": ([*range(1500), "x"], [*map(str, range(1500)), "x"]),
    "late date": ([*range(1500), DAY], [*map(str, range(1500)), "2020-01-02"]),
}


@pytest.mark.filterwarnings("ignore:column 'it' is text")  # and why
@pytest.mark.parametrize(("cells", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_cells_of_a_spreadsheet(tmp_path, cells, expected):
    rows = [["key", "it"], *(["k", cell] for cell in cells)]
    assert read(tmp_path, workbook(a=rows))["it"].to_list() == expected


def test_where_a_table_begins_in_a_sheet_does_not_matter(tmp_path):
    rows = [["a;b;c", "d"], ["1;2;3", 1], [], ["4;5;6", 2]]
    moved = [[], [], *([None, None, *row] for row in rows)]
    for sheet in (rows, moved):
        frame = read(tmp_path, workbook(only=sheet))
        assert frame.to_dict(as_series=False) == {"a;b;c": ["1;2;3", "4;5;6"], "d": [1, 2]}


def test_the_first_sheet_with_rows_is_read_and_the_others_are_named(tmp_path):
    rows = [["a", "b"], [1, "x"]]
    data = workbook(empty=[], hidden=rows, title=[["Report"]], it=rows, other=rows[::-1])
    with pytest.warns(TableWarning, match="only the sheet 'it' was read; .* in 'other', too"):
        frame = read(tmp_path, data)
    assert frame.rows() == [(1, "x")]
    with pytest.warns(TableWarning, match="'data' was read; there are rows in 'other'"):
        frame = read(tmp_path, XLS, "t.xls")
    days = [dt.date(2020, 1, 1), dt.date(2020, 1, 2)]
    assert frame.to_dict(as_series=False) == {"a": [1.0, 2.5], "b": ["x", "é"], "d": days}


def test_columns_of_a_sheet_can_stay_text(tmp_path):
    data = workbook(a=[["zip", "n"], [7, 1], [8, 2]])
    assert read(tmp_path, data, as_text=["zip"]).rows() == [("7", 1), ("8", 2)]


def test_open_document(tmp_path):
    def cells(kind, *shown, value="value"):
        return [(f'office:value-type="{kind}" office:{value}="{x}"', "?") for x in shown]

    times = [
        (f'office:value-type="time" office:time-value="PT{h}H04M05S"', f"{h}:04:05")
        for h in ("03", "13")
    ]
    columns = [
        cells("float", 1, 2.5),
        cells("date", "2020-01-02T03:04:05", "2020-01-03", value="date-value"),
        times,
        [("office:value-type='string'", "x"), ("office:value-type='string'", "#DIV/0!")],
    ]
    header = [("office:value-type='string'", name) for name in "abcd"]
    frame = read(tmp_path, open_document(header, *zip(*columns, strict=True)), "t.ods")
    assert frame.rows() == [
        (1.0, MOMENT, dt.time(3, 4, 5), "x"),
        (2.5, dt.datetime(2020, 1, 3), dt.time(13, 4, 5), None),
    ]


SHEETS = {
    "twice": ([["a", "b", "a"], [1, 2, 3]], "column names appear twice: 'a'"),
    "unnamed": ([["a", None, "c"], [1, 2, 3]], "column 2 of 3 has no name"),
    "empty": ([], "no sheet holds a table"),
    "header only": ([["a", "b"]], "no rows below the header"),
}


@pytest.mark.parametrize(("rows", "message"), SHEETS.values(), ids=SHEETS)
def test_sheets_that_are_refused(tmp_path, rows, message):
    with pytest.raises(TableError, match=message):
        read(tmp_path, workbook(a=rows))


def test_without_fastexcel_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(TableError, match=r"is an Excel workbook; pip install 'backpass\[excel\]'"):
        read(tmp_path, SHEET)


def test_numbers_have_all_their_decimals(tmp_path):
    numbers = [1e-10, 1 / 3, 12345.6789012345, 3.0]
    assert read(tmp_path, workbook(a=[["n"], *([n] for n in numbers)]))["n"].to_list() == numbers

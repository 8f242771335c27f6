"""One convention a table: told from all cells, kept in the model, and held to in prediction."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass import TabularModel, read_table
from backpass.errors import InputError, TableError, TableWarning
from backpass.export import onnx_inputs
from backpass.tabular import columns, csv_text
from backpass.tabular.column_values import as_numbers, number_blocks
from backpass.tabular.conventions import PLAIN, Convention, without_missing
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.question import Question
from backpass.tabular.recipe import Recipe
from backpass.tabular.text_columns import understand

QUICK = Recipe(hidden_layer_sizes=(4,), epochs=1)


def told(**texts):
    return understand(pl.DataFrame(texts))


# --- told from the cells ---------------------------------------------------------------------

TOLD = {
    "a point elsewhere": ({"a": ["849", "4,181"], "b": ["1.5", "2.25"]}, "a", [849, 4181]),
    "a comma elsewhere": ({"a": ["812", "23.815"], "b": ["9,5", "7,25"]}, "a", [812, 23815]),
    "two marks in a cell": ({"a": ["1.234,5", "2"]}, "a", [1234.5, 2.0]),
    "a mark twice": ({"a": ["1.234.567", "2"]}, "a", [1234567, 2]),
    "blanks": ({"a": ["1 234", "12\u202f345,5"]}, "a", [1234.0, 12345.5]),
    "apostrophes": ({"a": ["1'234.5", "7"]}, "a", [1234.5, 7.0]),
    "India's groups": ({"a": ["12,34,567.5", "7"]}, "a", [1234567.5, 7.0]),
    "many whole ones": (
        {"a": [*(f"{i},{j:03}" for i in range(1, 6) for j in (7, 80, 901)), "12", "950"]},
        "a",
        [*(1000 * i + j for i in range(1, 6) for j in (7, 80, 901)), 12, 950],
    ),
    "points alone": ({"a": ["1.234", "2.345"]}, "a", [1.234, 2.345]),
    "percent": ({"a": ["44.5%", "-3 %"]}, "a", [44.5, -3.0]),
    "money": ({"a": ["$1,234.50", "-$5", "$ 6"]}, "a", [1234.5, -5.0, 6.0]),
    "euros": ({"a": ["1.234,50 €", "5 €"]}, "a", [1234.5, 5.0]),
    "units": ({"a": ["12.5 kg", "3kg"]}, "a", [12.5, 3.0]),
    "accounts": ({"a": ["(0.13)", "2", "\u22123"]}, "a", [-0.13, 2.0, -3.0]),
    "a day over 12": (
        {"a": ["01/02/2020", "3/2/2020"], "b": ["13/01/2020", "1/1/2020"]},
        "a",
        [dt.date(2020, 2, 1), dt.date(2020, 2, 3)],
    ),
    "a month first": (
        {"a": ["1/2/2020", "1/13/2020"]},
        "a",
        [dt.date(2020, 1, 2), dt.date(2020, 1, 13)],
    ),
    "points in dates": ({"a": ["01.02.2020"]}, "a", [dt.date(2020, 2, 1)]),
    "names of months": (
        {"a": ["5 May 2020", "Jan 2, 2021"]},
        "a",
        [dt.date(2020, 5, 5), dt.date(2021, 1, 2)],
    ),
    "days and moments": (
        {"a": ["2020-01-02", "2020-01-02 15:30"]},
        "a",
        [dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 2, 15, 30)],
    ),
    "zones": (
        {"a": ["2020-01-02 10:00 UTC", "2020-01-02T10:00:00+01:00"]},
        "a",
        [dt.datetime(2020, 1, 2, h, tzinfo=dt.UTC) for h in (10, 9)],
    ),
    "halves of days": ({"a": ["9:05 AM", "10:00 PM"]}, "a", [dt.time(9, 5), dt.time(22)]),
    "codes": ({"a": ["007", "12"]}, "a", ["007", "12"]),
    "telephones": ({"a": ["555 1234", "555 9876"]}, "a", ["555 1234", "555 9876"]),
    "clock times are no units": ({"a": ["10 am", "11 am"]}, "a", ["10 am", "11 am"]),
}  # fmt: skip


@pytest.mark.parametrize(("texts", "name", "values"), TOLD.values(), ids=TOLD)
def test_what_the_cells_tell(texts, name, values):
    found = told(**texts)
    assert found.frame[name].to_list() == values
    assert not found.reasons


DOUBTFUL = {
    "a comma": (["1,234", "5,678"], "may be a whole number or have decimals"),
    "a day and a month": (["01/02/2020", "03/04/2020"], "nothing decides what is the day"),
    "years of two digits": (["01/02/20", "03/04/20"], "nothing decides what is the day"),
    "brackets alone": (["(1)", "(2)"], "every number is in brackets, as '(1)'"),
    "zones of some": (["2020-01-02 10:00Z", "2020-01-02 10:00"], "some of its times name a"),
    "one that is none": (["1", "2", "unknown"], "2 of 3 are numbers; row number 3 holds 'unknown'"),
    "a unit is missing": (["1 kg", "2 kg", "3"], "2 of 3 are numbers with kg; row number 3"),
    "a date that is none": (["2020-01-02", "2020-02-30", "2020-01-05"], "2 of 3 are dates"),
    "both orders": (["13/01/2020", "01/13/2020"], "can only be day first, others only month first"),
}  # fmt: skip


@pytest.mark.parametrize(("texts", "reason"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_doubt_is_named_and_the_column_stays_text(texts, reason):
    found = told(a=texts)
    assert found.frame["a"].to_list() == texts
    assert reason in found.reasons["a"]


def test_columns_that_contradict_each_other_are_named():
    found = told(a=["1.5", "2.5"], b=["9.5", "7.25"], c=["3,75", "4,5"])
    assert found.convention.decimal == "."
    assert "'3,75' in row number 1 is no number where '.' is the decimal mark" in found.reasons["c"]


SETTLED = {
    "decimal": (["1,234"], {"decimal": ","}, [1.234]),
    "decimal, the other": (["1,234"], {"decimal": "."}, [1234]),
    "thousands": (["1,234"], {"thousands": ","}, [1234]),
    "day first": (["01/02/2020"], {"dates": "day-first"}, [dt.date(2020, 2, 1)]),
    "month first": (["01/02/20"], {"dates": "month-first"}, [dt.date(2020, 1, 2)]),
    "missing": (["1", "-999", "Unbekannt"], {"missing": ["-999", "unbekannt"]}, [1, None, None]),
}


@pytest.mark.parametrize(("texts", "wish", "values"), SETTLED.values(), ids=SETTLED)
def test_options_settle_it(texts, wish, values):
    assert understand(pl.DataFrame({"a": texts}), Convention(**wish)).frame["a"].to_list() == values


def test_marks_for_missing_are_numbers_too():
    frame = pl.DataFrame({"a": [1, -999], "b": [-999.0, 2.0]})
    assert understand(frame, Convention(missing=["-999"])).frame.rows() == [(1, None), (None, 2.0)]


def test_marks_for_missing_hold_in_every_table_to_come():
    wish = Convention(missing=["-999", "none told"])
    kinds = [pl.String, pl.Categorical, pl.Enum(["a", "b", "None told"])]
    for kind in kinds:
        city = pl.Series(["a", "b", "None told", "b", None, "a"] * 3, dtype=kind)
        table = pl.DataFrame({"x": [1, 2, -999, 4, None, 6] * 3, "city": city})
        plain = table.with_columns(x=pl.Series([1, 2, None, 4, None, 6] * 3), city=city.cast(str))
        plain = plain.with_columns(pl.col("city").replace("None told", None))
        encoder = TableEncoding(convention=wish, min_count=1).fit(table)
        known = TableEncoding(min_count=1).fit(plain)
        assert encoder.get_feature_names_out().tolist() == known.get_feature_names_out().tolist()
        assert encoder.transform(table).tobytes() == known.transform(plain).tobytes()
        for name, values in onnx_inputs(encoder, table).items():
            want = onnx_inputs(known, plain)[name]
            assert pl.Series(values.ravel()).equals(pl.Series(want.ravel()))


def test_what_is_no_convention_is_refused():
    table = pl.DataFrame({"x": range(20), "y": ["a", "b"] * 10})
    for use in (
        lambda wish: TabularModel.fit(table, "y", recipe=QUICK, convention=wish),
        lambda wish: TableEncoding(convention=wish).fit(table),
        lambda wish: Question("y", convention=wish),
        lambda wish: read_table("example:iris", convention=wish),
        lambda wish: understand(table, wish),
    ):
        for wish in ("german", {}, ","):
            with pytest.raises(InputError, match="must be a Convention"):
                use(wish)


@pytest.mark.parametrize(
    "wrong",
    [
        {"decimal": "x"},
        {"thousands": "_"},
        {"dates": "us"},
        {"missing": "NA"},
        {"decimal": ",", "thousands": ","},
    ],
)
def test_wrong_conventions_are_refused(wrong):
    with pytest.raises(InputError, match=r"must be|cannot both be"):
        Convention(**wrong)


@pytest.mark.parametrize("text", ["NA", "n/a", "None", "-", "--", "?", "NaT", "#DIV/0!", "\\N"])
def test_marks_for_missing_are_the_same_everywhere(text, tmp_path):
    (tmp_path / "t.csv").write_text(f"a,b\n1,x\n{text},y\n")
    whole = [read_table(tmp_path / "t.csv"), told(a=["1", text]).frame]
    assert [frame["a"].to_list() for frame in whole] == [[1, None]] * 2


# --- held to in prediction -------------------------------------------------------------------


@pytest.fixture
def german(tmp_path):
    rng = np.random.default_rng(0)
    numbers = [f"{number:,}".replace(",", ".") for number in rng.integers(1000, 99999, 60)]
    rows = [f"{n};{i % 28 + 1}/2/2020;{i % 9},5 %;{'jn'[i % 2]}" for i, n in enumerate(numbers)]
    path = tmp_path / "train.csv"
    path.write_text("km;day;share;y\n" + "\n".join(rows))
    model = TabularModel.fit(path, "y", recipe=QUICK)
    model.save(tmp_path / "m.backpass")
    return TabularModel.load(tmp_path / "m.backpass")


def test_the_convention_is_kept(german):
    assert german.encoder.convention_ == Convention(
        decimal=",", thousands=".", dates="day-first", marks={"share": "#%"}
    )


def test_a_later_file_is_read_as_training_was(german, tmp_path):
    (tmp_path / "new.csv").write_text("km;day;share\n23.815;01/02/2020;3 %\n")
    typed = {"km": [23815], "day": [dt.date(2020, 2, 1)], "share": [3.0]}
    path, frame = tmp_path / "new.csv", pl.DataFrame(typed)
    assert (german._outputs(path) == german._outputs(frame)).all()


BROKEN = {
    "decimal point": (
        "12.5;1/2/2020;3 %",
        r"'km', line 2: '12.5' is not a number like 1.234,5",
    ),
    "no mark": ("12;1/2/2020;3", r"'share', line 2: '3' is not a number like 1.234,5%"),
    "month first": (
        "12;1/13/2020;3 %",
        r"'day', line 2: '1/13/2020' is not a date like 31/12",
    ),
}


@pytest.mark.parametrize(("row", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_cell_that_breaks_it_is_named(german, tmp_path, row, complaint):
    (tmp_path / "new.csv").write_text(f"km;day;share\n{row}\n")
    with pytest.raises(TableError, match=f"new.csv: .*{complaint}"):
        german.predict(tmp_path / "new.csv")


def test_a_target_meant_to_be_numbers_is_not_trained_as_classes():
    table = {"x": range(300), "price": [*(str(i) for i in range(299)), "unknown"]}
    with pytest.raises(TableError, match=r"'price' is text: 299 of 300 are numbers; row"):
        TabularModel.fit(table, "price")


TARGETS = {
    "case": (["Yes", "no"], ["Yes", "no"]),
    "texts of numbers": (["1", "2"], ["1", "2"]),
    "integers": (pl.Series([3, 4], dtype=pl.Int8), [3, 4]),
    "fractions": (pl.Series([0.5, 1.5], dtype=pl.Float32), [0.5, 1.5]),
    "truth": ([True, False], [True, False]),
}


@pytest.mark.parametrize(("values", "back"), TARGETS.values(), ids=TARGETS)
def test_the_target_comes_back_as_it_was(values, back, tmp_path):
    target = pl.Series("y", values).gather([0, 1] * 20)
    table = pl.DataFrame({"x": [0.0, 9.0] * 20, "y": target})
    TabularModel.fit(table, "y", task="classification", recipe=QUICK).save(tmp_path / "m")
    found = TabularModel.load(tmp_path / "m").predict(table)
    assert found.dtype == target.dtype
    assert {*found} <= {*back}


@pytest.mark.parametrize("spelled", [("TRUE", "FALSE"), ("1.0", "2.0"), ("Ja", "Nein")])
def test_a_class_of_a_file_is_spelled_as_there(spelled, tmp_path):
    rows = "".join(f"{i % 2 * 9},{spelled[i % 2]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    model = TabularModel.fit(tmp_path / "t.csv", "y", task="classification", recipe=QUICK)
    assert {*model.predict({"x": [0, 9]})} <= {*spelled}
    assert model.evaluate(tmp_path / "t.csv")


def test_levels_that_differ_only_in_case_are_pointed_out():
    with pytest.warns(TableWarning, match="differ only in case or blanks: 'YES', 'Yes', 'yes'"):
        TabularModel.fit({"x": range(60), "y": ["yes", "Yes", "YES"] * 20}, "y", recipe=QUICK)


# --- the fast ways are the slow ones ---------------------------------------------------------

values = st.integers(-99, 9999) | st.floats(-1e6, 1e6) | st.none()
numbers = st.lists(values, min_size=3, max_size=40)


@given(st.lists(numbers, min_size=1, max_size=4), st.sampled_from([pl.Float64, pl.String]))
def test_many_columns_are_read_as_each_is(drawn, dtype):
    height = min(map(len, drawn))
    series = [
        pl.Series(f"c{i}", [None if v is None else float(v) for v in values[:height]]).cast(dtype)
        for i, values in enumerate(drawn)
    ]
    found = np.hstack([block for _, block in number_blocks(series)])
    assert np.array_equal(found, np.column_stack([as_numbers(s) for s in series]), equal_nan=True)


def test_pieces_and_parts_are_encoded_as_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    places = rng.choice(["x", "y", None], 900).tolist()
    table = pl.DataFrame({"a": rng.normal(size=900), "b": places, "c": range(900)})
    encoding, new = TableEncoding().fit(table[:300]), table.with_columns(b=pl.lit("new"))
    with pytest.warns(TableWarning, match=r"'b': not among .* 'new', in 900 row") as whole:
        one = encoding.encode(new)
    monkeypatch.setattr(columns, "_PIECE", 70)
    with pytest.warns(TableWarning) as parts:
        many = np.vstack(list(encoding.encode_in_parts(new, 200)))
    assert (one == many).all()
    assert [str(w.message) for w in whole] == [str(w.message) for w in parts]
    spoilt = table.with_columns(c=pl.when(pl.int_range(900) == 800).then(1e305).otherwise(1))
    with pytest.raises(TableError, match="column 'c', row 801"):
        list(encoding.encode_in_parts(spoilt, 200))


LATE = {
    "plain": "5,2.5",
    "a code": "007,2.5",
    "a fraction": "1.5,2.5",
    "a word": "x,2.5",
    "missing": "NA,",
    "too long": "1,2,3",
    "too short": "1",
    "blank": "",
    "a number of blanks": " 7 , 8",
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_large_texts_are_read_as_small_ones(late, monkeypatch):
    data = ("a,b\n" + "1,2.5\n3,NA\n" * 30 + late + "\n").encode()
    read = []
    for size in (1 << 25, 1):
        monkeypatch.setattr(csv_text, "_LARGE", size)
        monkeypatch.setattr(csv_text, "_EARLY", 20)
        try:
            split = split_delimited(data, "t.csv", as_text=[])
            found = understand(split.frame, separator=",")
            read.append((found.frame.rows(), found.frame.dtypes, found.convention))
        except TableError as error:
            read.append(str(error))
    assert read[0] == read[1]


def test_texts_that_are_many_times_there_are_read_as_each():
    texts = ["12/31/2020", "1.234,5 €", "NA", " x ", "TRUE"]
    for text in texts:
        few = told(a=[text, "1/1/2020"] * 3).frame["a"]
        many = told(a=[text, "1/1/2020"] * 3000).frame["a"]
        assert many[:6].equals(few)


def test_what_a_sign_beside_the_other_means():
    assert without_missing(pl.Series(["+", "-"])).to_list() == ["+", "-"]
    assert PLAIN.numbers_like("x") == " like 1234.5"


# --- what strangers have met -----------------------------------------------------------------


def test_a_target_asked_for_as_numbers_is_doubted_as_well(tmp_path):
    (tmp_path / "t.csv").write_text(
        "x;price\n" + "".join(f"{i};{i % 9 + 1}.748\n" for i in range(9))
    )
    with pytest.raises(
        TableError, match=r"'price' is text: '1.748' in line 2 may be a whole number"
    ):
        TabularModel.fit(tmp_path / "t.csv", "price", task="regression")


def test_whole_numbers_in_training_leave_a_grouped_one_in_doubt(tmp_path):
    rows = "".join(f"{i};{1000 + i};{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f"n;k;y\n{rows}")
    model = TabularModel.fit(tmp_path / "t.csv", "y", recipe=QUICK)
    (tmp_path / "new.csv").write_text("n;k\n1;1.500\n")
    with pytest.raises(TableError, match=r"'k', line 2: '1.500' is not a number"):
        model.predict(tmp_path / "new.csv")
    (tmp_path / "new.csv").write_text("n;k\n1;1.5\n")
    assert len(model.predict(tmp_path / "new.csv")) == 1


@pytest.mark.parametrize("classes", [("10%", "20%"), ("$1", "$2"), ("1,0", "2,0"), ("(1)", "1")])
def test_classes_written_with_marks_are_learnt_as_they_are(classes, tmp_path):
    rows = "".join(f"{i % 2 * 9};{classes[i % 2]};{i},5\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f"x;y;z\n{rows}")
    model = TabularModel.fit(tmp_path / "t.csv", "y", task="classification", recipe=QUICK)
    assert {*model.classes} == {*classes}
    assert model.evaluate(tmp_path / "t.csv")["accuracy"] >= 0


def test_one_number_in_another_convention_is_named():
    found = told(a=[*(f"{i}.5" for i in range(20)), "2,5"])
    assert "20 of 21 are numbers; row number 21 holds '2,5'" in found.reasons["a"]


def test_times_and_dates_are_not_mixed_up():
    times = TableEncoding().fit({"t": ["10:30", "11:15", "23:00", "01:00"]})
    dates = TableEncoding().fit({"t": ["2020-01-02", "2021-03-04", "2022-01-01"]})
    for encoding, other in ((times, "2020-01-01"), (dates, "10:30")):
        with pytest.raises(TableError, match=r"holds .* where training had"):
            encoding.transform({"t": [other]})


def test_years_of_either_century_are_doubted():
    assert "the century of '01.02.45'" in told(a=["01.02.45", "13.02.99"]).reasons["a"]


REFUSED = {
    "each line quoted": ('"a,b"\n"1,2"\n"3,4"\n', "each line is quoted as a whole"),
    "backslashes": ('a,b\n1,"say \\"hi\\" 2"\n', "line 2: a backslash stands before a quote"),
}


@pytest.mark.parametrize(("text", "complaint"), REFUSED.values(), ids=REFUSED)
def test_other_ways_of_quoting_are_named(text, complaint):
    with pytest.raises(TableError, match=complaint):
        split_delimited(text.encode(), "t.csv")


def test_a_header_of_values_is_pointed_out():
    with pytest.warns(TableWarning, match="line 1: '0.17' is taken for the name of a column"):
        split_delimited(b"0.17,6\n0.2,7\n", "t.csv")


def test_a_title_filled_up_with_empty_fields_is_none_of_the_table():
    with pytest.warns(TableWarning, match="line 1 is taken for a title"):
        split = split_delimited(b"Sales 2023,,\na,b,c\n1,2,3\n4,5,6\n", "t.csv")
    assert split.frame.columns == ["a", "b", "c"]


def test_an_index_that_a_data_frame_left_is_no_input():
    table = {"x": [1.0, 2.0, 3.0], "__index_level_0__": [7, 2, 9]}
    with pytest.warns(TableWarning, match="dropped '__index_level_0__': the index"):
        encoding = TableEncoding().fit(table)
    assert encoding.transform({"x": [1.0]}).shape == (1, 1)


def test_many_numbers_among_more_texts_are_not_levels_without_a_word():
    texts = [str(i) if i % 5 < 2 else "unknown" for i in range(300)]
    assert "120 of 300 are numbers; row number 3 holds 'unknown'" in told(a=texts).reasons["a"]
    assert not told(a=["1", "2", "x", "y", "z"] * 60).reasons


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["5 EUR", "5,50"], "written in several ways, as '5 EUR' and '5,50'"),
        (["12-Jan-23"], "dates such as '12-Jan-23' are not read"),
        (["2023-04"], "dates such as '2023-04'"),
        (["Jan 2023"], "dates such as 'Jan 2023'"),
        (["12. März 2023"], "dates such as '12. März 2023'"),
    ],
)
def test_what_looks_like_numbers_or_dates_is_not_text_without_a_word(texts, reason):
    assert reason in told(a=texts * 4).reasons["a"]
    assert not told(a=["room 12", "room 13"], b=["2-room flat", "5th Avenue 3"]).reasons


def test_an_order_that_was_asked_for_and_does_not_fit_is_named():
    frame = pl.DataFrame({"a": ["13/09/2023", "14/09/2023"]})
    found = understand(frame, Convention(dates="month-first"))
    assert "does not fit the order asked for, month-first" in found.reasons["a"]


def test_levels_that_differ_only_in_case_are_named_in_a_sentence():
    with pytest.warns(TableWarning, match="'c' is a category with levels that differ only in case"):
        TableEncoding().fit({"c": ["yes", "Yes", "no"] * 9})

import copy
import datetime as dt
import json
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from backpass.errors import InputError, ModelFileError, TableError, TableWarning
from backpass.tabular.column_values import as_levels
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.files import example_names, example_target, read_table
from backpass.tabular.frames import as_frame
from backpass.tabular.leakage import suspicious_columns


def fit(table, **settings):
    return TableEncoder(**{"min_count": 1, "dtype": "float64", **settings}).fit(table)


def quiet(call, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        return call(*args, **kwargs)


@pytest.mark.filterwarnings("ignore::backpass.errors.TableWarning")
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks():
    results = check_estimator(TableEncoder(), on_skip=None, on_fail=None)
    others = {r["check_name"]: r["exception"] for r in results if r["status"] != "passed"}
    assert not others
    assert len(results) > 30


# --- numbers ---------------------------------------------------------------------------------


def bend(t, clip=3.0):
    return t / np.sqrt(1 + (t / clip) ** 2)


def test_numbers_are_scaled_by_quartiles_and_bent():
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 1000])
    assert np.allclose(fit({"x": x}).transform({"x": x})[:, 0], bend((x - 5) / 4))
    assert np.allclose(fit({"x": x}, clip=1.5).transform({"x": x})[:, 0], bend((x - 5) / 4, 1.5))


def test_where_quartiles_agree_half_the_range_scales():
    x = np.array([0.0] * 8 + [1.0])
    assert np.allclose(fit({"x": x}).transform({"x": x})[:, 0], bend(2 * x))


def test_missing_numbers_become_the_median_and_say_so():
    table = {"x": [1.0, 2.0, None, 3.0], "y": [1, 2, 3, 4]}
    encoder = fit(table)
    assert encoder.get_feature_names_out().tolist() == ["x", "x=(missing)", "y"]
    assert encoder.transform(table)[2, :2].tolist() == [0.0, 1.0]
    with pytest.warns(TableWarning, match="column 'y': missing in 2 row"):
        out = encoder.transform({"x": [1.0, 2.0], "y": [None, float("nan")]})
    assert out[:, 2].tolist() == [0.0, 0.0]


def test_a_constant_with_gaps_keeps_its_gaps():
    encoder = fit({"x": [7.0, None, 7.0], "y": [1, 2, 3]})
    assert encoder.get_feature_names_out().tolist() == ["x=(missing)", "y"]


@pytest.mark.parametrize("value", [1e300, -1e300, 5e-324, 0.0])
def test_extreme_numbers_stay_finite(value):
    encoder = fit({"x": [0.0, 5e-324, value, 1.0]})
    assert np.isfinite(encoder.transform({"x": [value, -value, 1e300, 5e-324]})).all()
    encoder = fit({"x": [0.0, 5e-324, 1e-323]})
    assert np.isfinite(encoder.transform({"x": [value, -value]})).all()


# --- categories ------------------------------------------------------------------------------


def test_levels_are_one_hot():
    table = {"c": ["b", "a", None, "b"], "t": [True, False, None, True]}
    encoder = fit(table)
    names = ["c=a", "c=b", "c=(missing)", "t=false", "t=true", "t=(missing)"]
    assert encoder.get_feature_names_out().tolist() == names
    assert encoder.transform(table).tolist() == [
        [0, 1, 0, 0, 1, 0],
        [1, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
    ]


def test_rare_levels_share_an_output_with_new_ones():
    levels = ["a"] * 40 + ["b"] * 30 + ["c"] * 20 + ["d"] * 20 + ["e"] * 4 + ["f"] * 5
    names = fit({"c": levels}, min_count=5).get_feature_names_out().tolist()
    assert names == ["c=a", "c=b", "c=c", "c=d", "c=f", "c=(other)"]
    few = fit({"c": levels[::4]}, min_count=5)
    assert few.get_feature_names_out().tolist()[-2:] == ["c=e", "c=f"]
    encoder = fit({"c": levels}, max_levels=3)
    assert encoder.get_feature_names_out().tolist() == ["c=a", "c=b", "c=c", "c=(other)"]
    assert encoder.transform({"c": ["e", "new", None]}).tolist() == [[0, 0, 0, 1]] * 3


def test_new_levels_without_an_other_are_reported_once():
    encoder = fit({"c": ["a", "b"] * 3})
    with pytest.warns(TableWarning, match="'c'.*: 'x', 'y', 'z', …, in 5 row") as caught:
        out = encoder.transform({"c": ["x", None, "y", "z", "x", "a"]})
    assert len(caught) == 1
    assert out.tolist() == [[0, 0]] * 5 + [[1, 0]]


def test_numbers_are_levels_on_request_however_they_are_stored():
    encoder = fit({"n": [10, 2, 10, 7]}, categorical=["n"])
    assert encoder.get_feature_names_out().tolist() == ["n=2", "n=7", "n=10"]
    for stored in ([2, 10], [2.0, 10.0], ["2", "10"], np.array([2, 10], np.uint8)):
        assert encoder.transform({"n": stored}).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert fit({"n": [10, 2, 7]}).get_feature_names_out().tolist() == ["n"]


def test_text_columns_are_remembered_for_reading():
    table = {"code": ["007", "7"], "n": [1, 2], "t": [True, False]}
    assert fit(table, categorical=["n"]).text_columns() == ["code", "t"]


def test_names_of_outputs_are_unique():
    table = {"a": ["(other)", "x", "x", "y"], "a=x": [1, 2, 3, 4]}
    names = fit(table, max_levels=2).get_feature_names_out().tolist()
    assert names == ["a=(other)", "a=x", "a=(other) [2]", "a=x [2]"]


# --- dates -----------------------------------------------------------------------------------

DAY = dt.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("values", "cycles"),
    [
        ([DAY, DAY + dt.timedelta(5)], []),
        ([DAY, DAY + dt.timedelta(8)], ["week"]),
        ([DAY, DAY + dt.timedelta(400)], ["year", "week"]),
        ([dt.datetime(2020, 1, 1, 1), dt.datetime(2020, 1, 3, 2)], ["day"]),
        ([dt.datetime(2020, 1, 1, 1), dt.datetime(2020, 1, 3, 1)], []),
        ([dt.time(1), dt.time(3)], ["day"]),
    ],
)
def test_dates_have_the_cycles_they_span(values, cycles):
    names = ["d", *(f"d=({wave} of {cycle})" for cycle in cycles for wave in ("sin", "cos"))]
    encoder = fit({"d": values})
    assert encoder.get_feature_names_out().tolist() == names
    assert encoder.transform({"d": [str(value) for value in values]}).tolist() == (
        encoder.transform({"d": values}).tolist()
    )


def test_cycles_come_round():
    encoder = fit({"d": [DAY, DAY + dt.timedelta(1000)]})
    first, next_week, new_year = encoder.transform(
        {"d": [DAY, DAY + dt.timedelta(7), dt.date(2022, 1, 1)]}
    )
    assert np.allclose(first[3:], next_week[3:])
    assert np.allclose(first[1:3], new_year[1:3], atol=0.02)


def test_missing_dates_are_zero():
    encoder = fit({"d": [DAY, None, DAY + dt.timedelta(8)]})
    assert encoder.transform({"d": [None]}).tolist() == [[0, 0, 0, 1]]
    assert encoder.transform({"d": ["NA"]}).tolist() == [[0, 0, 0, 1]]


# --- what is dropped, and what is refused ----------------------------------------------------

ODD = {
    "constant": ([1, 1, 1], "dropped 'odd': constant"),
    "one level": (["a", "a", "a"], "dropped 'odd': constant"),
    "one day": ([DAY, DAY, DAY], "dropped 'odd': constant"),
    "all missing": ([None, None, None], "dropped 'odd': no value at all"),
    "all NaN": (np.full(3, np.nan), "dropped 'odd': no value at all"),
    "free text": ([f"x{i}" for i in range(30)], "dropped 'odd': almost every value differs"),
    "money": (
        [f"$1,{i:03}" for i in range(30)],
        r"dropped 'odd': text: '\$1,000' in row number 1 may",
    ),
    "dates": ([f"12/{i}/2020" for i in range(30)], "text: 29 of 30 are dates; row number 1 holds"),
}


@pytest.mark.parametrize(("values", "expected"), ODD.values(), ids=ODD)
def test_columns_that_tell_nothing_are_dropped(values, expected):
    with pytest.warns(TableWarning, match=expected):
        encoder = TableEncoder().fit({"odd": values, "x": range(len(values))})
    assert encoder.get_feature_names_out().tolist() == ["x"]
    assert encoder.describe()[0].kind == "dropped"
    assert encoder.transform({"x": [1]}).shape == (1, 1)


def test_one_warning_names_all_constants():
    table = {f"c{i}": [1, 1] for i in range(9)} | {"x": [1, 2]}
    with pytest.warns(TableWarning, match=r"dropped 'c0', .*'c4' and 4 more: constant") as caught:
        TableEncoder().fit(table)
    assert len(caught) == 1


def test_numbers_with_a_few_bad_cells_are_remarked_on():
    values = [str(i % 3) for i in range(98)] + ["oops", "1"]
    with pytest.warns(
        TableWarning, match=r"'n' is text: 99 of 100 are numbers; row number 99 holds 'oops'"
    ):
        TableEncoder().fit({"n": values})


TRAINING = {"x": [1.0, 2.0, 3.0], "c": ["a", "b", "a"], "d": ["2020-01-01", "2020-02-01", None]}

REFUSED = {
    "infinite": ({"x": [1, float("inf"), 2]}, "column 'x', row 2: inf is infinite"),
    "too large": ({"x": [1, 2, -1e301]}, "column 'x', row 3: -1e+301 is infinite or too"),
    "text for numbers": ({"x": ["1", None, "big"]}, "column 'x', row 3: 'big' is not a number"),
    "dates for numbers": ({"x": [DAY] * 3}, "column 'x' holds Date values where numbers belong"),
    "text for dates": ({"d": ["2020-01-01", "x", "y"]}, "column 'd', row 2: 'x' is not a date"),
    "no dates at all": ({"d": ["soon", "x", "y"]}, "column 'd', row 1: 'soon' is not a date"),
    "numbers for dates": ({"d": [1, 2, 3]}, "column 'd' holds Int64 values where dates belong"),
    "lists for levels": ({"c": [[1], [2], [3, 4]]}, "column 'c' holds lists"),
    "a matrix": ({"c": np.zeros((3, 2))}, "column 'c' has 2 dimensions instead of one"),
    "lengths": ({"x": [1.0]}, "columns differ in their number of rows: 'x' has 1, 'c' has 3"),
}


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_values_that_cannot_be_encoded_are_named(changes, expected):
    encoder = fit(TRAINING)
    with pytest.raises(TableError) as caught:
        encoder.transform(TRAINING | changes)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_are_found_by_name():
    encoder = fit(TRAINING)
    expected = encoder.transform(TRAINING)
    shuffled = {"more": [0, 0, 0], **dict(reversed(TRAINING.items()))}
    assert (encoder.transform(shuffled) == expected).all()
    with pytest.raises(TableError, match=r"no column 'c' \(did you mean 'C'\?\), 'd'; give"):
        encoder.transform({"C": ["a"], "x": [1]})
    with pytest.raises(TableError, match="X has 2 features, but TableEncoder is expecting 3"):
        encoder.transform([[1, 2]])
    with pytest.warns(TableWarning, match="no column names"):
        out = encoder.transform(list(zip(*TRAINING.values(), strict=True)))
    assert (out == expected).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"max_levels": 0},
        {"min_count": 2.5},
        {"min_count": True},
        {"clip": 0},
        {"clip": float("inf")},
        {"dtype": "float16"},
        {"categorical": "color"},
        {"categorical": ["sizes"]},
    ],
)
def test_settings_are_checked(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        TableEncoder(**settings).fit({"size": [1, 2]})


@pytest.mark.parametrize("table", [{}, {"x": []}, {"x": [1, 1]}, pl.DataFrame()])
def test_tables_without_content_are_refused(table):
    with pytest.raises(TableError):
        quiet(TableEncoder().fit, table)


def test_names_twice():
    with pytest.raises(TableError, match="'a'"):
        TableEncoder().fit(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))


def test_fit_comes_first():
    for method in ("describe", "to_state", "get_feature_names_out", "text_columns"):
        with pytest.raises(NotFittedError):
            getattr(TableEncoder(), method)()


# --- where a table comes from ----------------------------------------------------------------

CONTAINERS = {
    "polars": pl.DataFrame,
    "lazy polars": pl.LazyFrame,
    "pandas": pd.DataFrame,
    "dict of arrays": lambda table: {k: np.array(v, dtype=object) for k, v in table.items()},
    "dict of Series": lambda table: {k: pd.Series(v) for k, v in table.items()},
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_means_the_same(container):
    table = {
        "number": [1.5, None, 2.5, 3.0],
        "whole": [1, 2, 3, 4],
        "text": ["a", None, "b", "a"],
        "truth": [True, False, True, True],
        "date": [dt.datetime(2020, 1, day) for day in (1, 2, 9, 10)],
    }
    encoder = fit(table)
    assert (encoder.transform(container(table)) == encoder.transform(table)).all()
    assert (fit(container(table)).transform(table) == encoder.transform(table)).all()


def test_pandas_types_of_its_own():
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "text": pd.array(["a", None, "b"], dtype="string"),
            "truth": pd.array([True, None, False], dtype="boolean"),
            "level": pd.Categorical([1, 2, None]),
            "zone": pd.to_datetime(["2020-01-01", "2020-01-02", None], utc=True),
            "span": pd.to_timedelta([1, 2, None], unit="D"),
        }
    )
    rows = as_frame(frame).rows()
    first = dt.datetime(2020, 1, 1)
    assert rows[0] == (1, "a", True, "1", first, dt.timedelta(1))
    assert rows[1][:4] == (None, None, None, "2")
    assert rows[2][3:] == (None, None, None)


@pytest.mark.parametrize("dtype", [">f4", "f2", "g", "u1", "i8", "?", "O"])
@pytest.mark.parametrize("order", "CF")
def test_arrays_of_any_type(dtype, order):
    array = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]).astype(dtype, order=order)
    out = TableEncoder(min_count=1).fit_transform(array[::-1])
    assert out.flags.c_contiguous
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_levels_of_every_type():
    assert as_levels(pl.Series([1.0, 1.5, float("nan"), 1e20])).to_list() == [
        "1",
        "1.5",
        None,
        "1e+20",
    ]
    assert as_levels(pl.Series(["True", "no", None])).to_list() == ["true", "no", None]
    assert as_levels(pl.Series(["a"], dtype=pl.Categorical)).to_list() == ["a"]


def test_output_containers_and_clones():
    encoder = clone(TableEncoder(min_count=1)).set_output(transform="polars").fit(TRAINING)
    assert encoder.transform(TRAINING).columns == encoder.get_feature_names_out().tolist()
    for copied in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert copied.transform(TRAINING).equals(encoder.transform(TRAINING))


def test_describe_says_what_was_understood():
    table = {**TRAINING, "most": ["u", "u", "v"], "id": [7, 7, 7]}
    rows = quiet(TableEncoder(max_levels=1).fit, table).describe()
    told = {row.name: (row.kind, row.missing, row.levels, row.outputs) for row in rows}
    assert told == {
        "x": ("number", 0, 0, 1),
        "c": ("category", 0, 2, 2),
        "d": ("date", 1, 0, 4),
        "most": ("category", 0, 2, 2),
        "id": ("dropped", 0, 0, 0),
    }


# --- state -----------------------------------------------------------------------------------


def state_of(table=TRAINING, **settings):
    return json.loads(json.dumps(fit(table, **settings).to_state()))


def test_state_comes_back():
    encoder = fit(TRAINING, categorical=["c"])
    again = TableEncoder.from_state(state_of(categorical=["c"]))
    assert again.to_state() == encoder.to_state()
    assert again.describe() == encoder.describe()
    assert again.feature_names_in_.tolist() == ["x", "c", "d"]
    assert again.transform(TRAINING).tobytes() == encoder.transform(TRAINING).tobytes()


def altered(*path, value):
    state = state_of()
    place = state
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return state


HOSTILE = {
    "nothing": None,
    "no keys": {},
    "unknown key": altered("code", value="print()"),
    "setting": altered("clip", value=-1),
    "dtype": altered("dtype", value="O"),
    "no columns": altered("columns", value=[]),
    "column": altered("columns", 0, value=7),
    "kind": altered("columns", 0, "kind", value="lambda"),
    "kind is a list": altered("columns", 0, "kind", value=[]),
    "name": altered("columns", 0, "name", value=None),
    "same name": altered("columns", 0, "name", value="c"),
    "scale is NaN": altered("columns", 0, "scale", value=float("nan")),
    "scale is negative": altered("columns", 0, "scale", value=-1.0),
    "missing": altered("columns", 0, "missing", value=True),
    "levels": altered("columns", 1, "levels", value=["a", 1]),
    "level twice": altered("columns", 1, "levels", value=["a", "a"]),
    "half a character": altered("columns", 1, "levels", value=["\ud800", "a"]),
    "half a name": altered("columns", 1, "name", value="\ud800"),
    "cycle": altered("columns", 2, "cycles", value=["month"]),
}


@pytest.mark.parametrize("state", HOSTILE.values(), ids=HOSTILE)
def test_foreign_state_is_refused(state):
    with pytest.raises(ModelFileError, match=r"^encoder"):
        TableEncoder.from_state(state)


@pytest.mark.parametrize(
    "state",
    [altered("columns", 2, "scale", value=0), altered("columns", 0, "center", value=1e308)],
)
def test_odd_but_valid_state_encodes_finite_numbers(state):
    assert np.isfinite(TableEncoder.from_state(state).transform(TRAINING)).all()


# --- properties ------------------------------------------------------------------------------

numbers = st.floats(-1e300, 1e300) | st.integers(-5, 5).map(float) | st.none()
# No digits and no "inf": a column whose texts are all numbers is one of numbers, and refuses "a".
letters = st.text(st.characters(codec="utf-8", exclude_categories=["N"]), max_size=3)
texts = st.sampled_from(["a", "b", "c", "d", "(other)", "(missing)"]) | letters.filter(
    lambda text: text.strip(" +-").casefold() != "inf"
)
dates = st.dates()
cells = st.tuples(numbers, st.none() | texts, st.none() | dates)
tables = st.lists(cells, min_size=1, max_size=30).map(
    lambda rows: pl.DataFrame(
        rows, {"n": pl.Float64, "t": pl.String, "d": pl.Date}, orient="row"
    ).with_columns(i=pl.int_range(len(rows) + 1, 1, -1))
)
several = tables.filter(lambda table: table.height > 1)


@settings(deadline=None)  # the first example loads polars
@given(several, tables, st.integers(1, 4), st.integers(1, 5), st.sampled_from(["none", "auto", 3]))
def test_encoded_rows_are_finite_and_change_nothing(train, test, min_count, max_levels, bins):
    encoder = TableEncoder(min_count=min_count, max_levels=max_levels, bins=bins)
    quiet(encoder.fit, train)
    before = encoder.to_state()
    out = quiet(encoder.transform, test)
    assert out.shape == (test.height, len(encoder.get_feature_names_out()))
    assert np.isfinite(out).all()
    assert encoder.to_state() == before
    names = encoder.get_feature_names_out().tolist()
    assert len(set(names)) == len(names)
    again = TableEncoder.from_state(json.loads(json.dumps(before)))
    assert quiet(again.transform, test).tobytes() == out.tobytes()


@settings(deadline=None)
@given(several, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(train, random):
    order = list(range(train.height))
    random.shuffle(order)
    one = quiet(TableEncoder(min_count=2, max_levels=3).fit, train)
    other = quiet(TableEncoder(min_count=2, max_levels=3).fit, train[order])
    assert one.get_feature_names_out().tolist() == other.get_feature_names_out().tolist()
    out = quiet(one.transform, train)
    assert (quiet(other.transform, train) == out).all()
    assert (quiet(one.transform, train[order]) == out[order]).all()


# --- suspicious columns ----------------------------------------------------------------------


@pytest.fixture
def honest():
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    return pl.DataFrame(
        {
            "x": x,
            "group": random.choice(["a", "b", "c"], 400),
            "price": np.exp(x + random.normal(size=400)),
            "kind": np.where(x + random.normal(size=400) > 0, "good", "bad"),
            "rare": np.where(random.random(400) < 0.02, "yes", "no"),
        }
    )


@pytest.mark.parametrize("target", ["price", "kind", "rare"])
def test_honest_columns_are_not_suspected(honest, target):
    task = "regression" if target == "price" else "classification"
    assert suspicious_columns(honest, target, task) == []


def row_numbers(frame):
    return pl.Series(range(frame.height))


LEAKS = {
    "row numbers": (row_numbers, "price", "counts the rows"),
    "shuffled row numbers": (lambda f: row_numbers(f).shuffle(0), "kind", "counts the rows"),
    "growing": (lambda f: row_numbers(f) ** 2, "price", "another whole number in each row"),
    "names": (lambda f: row_numbers(f).cast(pl.String) + "x", "kind", "looks like an identifier"),
    "the same order": (lambda f: f["price"].log(), "price", "alone ranks the rows as 'price'"),
    "rounded": (lambda f: f["price"].round(0) + f["x"] * 0.2, "price", "alone explains"),
    "bands": (lambda f: f["price"].log().round(0).cast(pl.String), "price", "alone explains"),
    "codes": (lambda f: (f["kind"] == "good").cast(pl.Int8), "kind", "alone predicts 'kind'"),
    "only if rare": (
        lambda f: pl.select(pl.when(f["rare"] == "yes").then(f["x"])).to_series(),
        "rare",
        "alone predicts 'rare' almost without error",
    ),
}


@pytest.mark.parametrize(("column", "target", "expected"), LEAKS.values(), ids=LEAKS)
def test_identifiers_and_leaks_are_suspected(honest, column, target, expected):
    frame = honest.with_columns(column(honest).alias("new"))
    task = "regression" if target == "price" else "classification"
    (message,) = suspicious_columns(frame, target, task)
    assert message.startswith("column 'new' ")
    assert expected in message


@pytest.mark.parametrize("name", example_names())
def test_the_examples_are_honest(name):
    frame, target = read_table(f"example:{name}"), example_target(f"example:{name}")
    task = "regression" if name == "diabetes" else "classification"
    assert suspicious_columns(frame, target, task) == []


def test_suspicion_copes_with_gaps_and_few_rows(honest):
    gaps = honest.with_columns(
        pl.when(pl.col("x") > 0).then(pl.col("price")).alias("price"),
        pl.lit(None).alias("nothing"),
        pl.date_range(DAY, DAY + dt.timedelta(399)).alias("day"),
        pl.lit(1).alias("one"),
    )
    assert suspicious_columns(gaps, "price", "regression") == []
    assert suspicious_columns(gaps.head(9), "kind", "classification") == []
    assert suspicious_columns(gaps, "one", "classification") == []
    with pytest.raises(InputError, match="no column 'cost'"):
        suspicious_columns(gaps, "cost", "regression")

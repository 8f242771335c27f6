"""Names of columns that are no texts, and what is no table: one line, without its data."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from backpass import MLPClassifier
from backpass.errors import BackpassError, InputError, TableError, brief
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.experiment import Question, run_experiment
from backpass.tabular.frames import as_frame
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe

RECIPE = Recipe(hidden_layer_sizes=(4,), epochs=2)

# --- names -----------------------------------------------------------------------------------


@pytest.fixture
def numbered():
    """A frame whose columns are called by numbers and a tuple."""
    rng = np.random.default_rng(0)
    values = {2019: rng.integers(0, 3, 60), 2020: rng.normal(size=60)}
    values |= {"kind": ["no", "yes"] * 30, ("weight", 1): rng.random(60) + 0.5}
    return pd.DataFrame(values)


def outputs(table, **settings):
    return TableEncoder(min_count=1, **settings).fit(table).get_feature_names_out().tolist()


def test_categories_by_number_or_tuple(numbered):
    array = numbered[[2019, 2020]].to_numpy()
    assert outputs(numbered[[2020, 2019]], categorical=[2019])[1:] == [
        f"2019={i}" for i in range(3)
    ]
    assert outputs(array, categorical=[np.int64(0)]) == ["x0=0", "x0=1", "x0=2", "x1"]
    assert outputs(array.tolist(), categorical=(0,)) == ["x0=0", "x0=1", "x0=2", "x1"]
    assert outputs(pd.DataFrame(array), categorical=[0])[:2] == ["0=0", "0=1"]
    assert outputs(numbered[[("weight", 1), 2019]], categorical=None) == ["('weight', 1)", "2019"]
    encoder = TableEncoder(categorical=[0], min_count=1).fit(array)
    again = TableEncoder.from_state(encoder.to_state())
    assert again.transform(array).tobytes() == encoder.transform(array).tobytes()
    for wrong in ([2], [-1], [True], [[0]], 0):
        with pytest.raises(InputError, match=r"^categorical"):
            TableEncoder(categorical=wrong).fit(array)
    with pytest.raises(InputError, match="categorical: the table has no column 0"):
        TableEncoder(categorical=[0]).fit({"a": [1, 2]})


def test_numbers_as_names_are_found_in_any_order(numbered):
    for frame in (numbered[[2019, 2020]], pd.DataFrame(np.arange(6).reshape(3, 2) ** 2)):
        encoder = TableEncoder().fit(frame)
        expected = encoder.transform(frame)
        assert (encoder.transform(frame[frame.columns[::-1]]) == expected).all()
    # the last one's are pandas' own, and mean no more than positions
    assert (encoder.transform(frame.to_numpy()) == expected).all()


@pytest.mark.parametrize("kind", [str, float])
def test_a_name_is_no_pattern(kind, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(60, 3)).round(3)
    table = pl.DataFrame({n: [*map(kind, numbers[:, i])] for i, n in enumerate("*ab")})
    alike = table.rename({"*": "c"})
    for target, drop in (("*", []), ("a", []), ("a", ["*"])):
        plain = [name.replace("*", "c") for name in (target, *drop)]
        model = TabularModel.fit(table, target, drop=drop, recipe=RECIPE)
        known = TabularModel.fit(alike, plain[0], drop=plain[1:], recipe=RECIPE)
        assert model.predict(table).to_list() == known.predict(alike).to_list()
    named = table.rename({"*": "^.*$"})
    named.write_csv(tmp_path / "t.csv")
    for other in (named, named.to_dict(as_series=False), tmp_path / "t.csv"):
        with pytest.raises(TableError, match=r"column '\^\.\*\$': a name that begins with"):
            TabularModel.fit(other, "a", recipe=RECIPE)


def test_a_model_by_numbers_and_tuples(numbered):
    weight = ("weight", 1)
    model = TabularModel.fit(
        numbered, "kind", sample_weight=weight, categorical=[2019], recipe=RECIPE
    )
    assert model.encoder.get_feature_names_out().tolist()[-1] == "2020"
    assert model.predict(numbered).len() == 60
    assert TabularModel.fit(numbered, 2020, drop=[weight], recipe=RECIPE).target.name == "2020"
    array = numbered[[2019, 2020, weight]].to_numpy()
    assert TabularModel.fit(array, 0, sample_weight=2, recipe=RECIPE).sample_weight == "x2"
    question = Question("kind", sample_weight=weight, drop=[2019], recipe=RECIPE, compare="none")
    assert run_experiment(numbered, question).table.sample_weight == "('weight', 1)"
    with pytest.raises(TableError, match="no column 2021 to predict; it has '2019', '2020'"):
        TabularModel.fit(numbered, 2021, recipe=RECIPE)


def test_names_that_are_none_or_the_same():
    with pytest.raises(TableError, match="names appear twice: '1'; rename them"):
        as_frame(pd.DataFrame([[1, 2]], columns=[1, "1"]))
    for name in ("", None, float("nan")):
        frame = pd.DataFrame([[1, 2, 3], [2, 1, 4]], columns=["a", name, "y"])
        with pytest.raises(TableError, match="column 2 of 3 has no name; name it, or leave it out"):
            TableEncoder().fit(frame)
        with pytest.raises(TableError, match="column 2 of 3 has no name"):
            TabularModel.fit(frame, "y", recipe=RECIPE)
        assert outputs(frame[[name, "a"]]) == ["", "a"]
    with pytest.raises(TableError, match="the name is no valid Unicode"):
        as_frame({"\ud800": [1]})


# --- what is no table ------------------------------------------------------------------------

SECRET = "secret"
NO_TABLES = {
    "nothing": (None, "not None"),
    "number": (5.25, "float"),
    "text": (SECRET, "str read_table"),
    "path": (Path(SECRET), "Path read_table"),
    "bytes": (SECRET.encode(), "bytes read_table"),
    "generator": ((row for row in [SECRET]), "generator list"),
    "set": ({SECRET}, "set"),
    "object": (object(), "object"),
    "class": (pd.DataFrame, "type"),
    "Series of pandas": (pd.Series([SECRET]), "Series to_frame()"),
    "Series of polars": (pl.Series([SECRET]), "Series to_frame()"),
    "array of Arrow": (pa.array([SECRET]), "StringArray dict"),
    "chunks of Arrow": (pa.chunked_array([[SECRET]]), "ChunkedArray dict"),
    "one row": ({"a": 1, "b": SECRET}, "'a' int list of one dict"),
    "text as column": ({"a": SECRET}, "'a' str"),
    "generator as column": ({"a": (x for x in [SECRET])}, "'a' generator list"),
    "set as column": ({"a": {SECRET}}, "'a' set"),
    "frame as column": ({"a": pd.DataFrame({"b": [SECRET]})}, "'a' 2 dimensions"),
    "list of texts": ([SECRET], "1D list"),
    "array of one dimension": (np.array([SECRET] * 9), "1D array Reshape"),
    "array of three": (np.full((2, 2, 2), SECRET), "3D (2, 2, 2) reshape"),
    "complex": (np.full((2, 2), 1j), "Complex"),
    "no rows": (np.zeros((0, 3)), "0 sample(s) (0, 3)"),
    "nothing in a list": ([], "0 sample(s)"),
    "ragged rows": ([[1, SECRET], [3]], "length row 1 2 row 2 1"),
    "records and rows": ([{"a": SECRET}, [1]], "row 2 list names"),
    "list of Series": ([pl.Series([SECRET])], "Series DataFrame"),
    "matrix of records": (np.zeros((2, 2), [("a", "f8")]), "2 ravel()"),
    "sparse": (sp.csr_matrix(np.eye(3)), "csr_matrix sparse toarray()"),
    "sparse dict": (sp.dok_matrix(np.eye(3)), "dok_matrix sparse toarray()"),
    "a plan that fails": (pl.LazyFrame({"a": [SECRET]}).select("b"), "LazyFrame b"),
    "names twice": (pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), "Table once"),
    "a connection": (duckdb.connect(), "DuckDBPyConnection"),
}


@pytest.mark.parametrize(("table", "words"), NO_TABLES.values(), ids=NO_TABLES)
def test_what_is_no_table_is_refused_without_its_data(table, words):
    with pytest.raises(TableError) as raised:
        as_frame(table)
    told = str(raised.value)
    assert told.isprintable()
    assert SECRET not in told
    assert len(told) < 300
    for word in words.split():
        assert word in told, f"{word} is not in: {told}"


TABLE = {"x": [0.5, 1.5] * 20, "y": [SECRET, "other"] * 20}


@pytest.mark.parametrize("kind", [pd.Series, pl.Series, np.array, list, tuple])
@pytest.mark.parametrize("size", [3, 40])
def test_columns_in_place_of_names_are_refused_without_their_data(kind, size):
    column = kind(TABLE["y"][:size])
    for arguments in ({"target": column}, {"sample_weight": column}, {"drop": [column]}):
        with pytest.raises(TableError) as raised:
            TabularModel.fit(TABLE, **{"target": "y", "recipe": RECIPE, **arguments})
        assert str(raised.value).isprintable()
        assert kind is tuple or SECRET not in str(raised.value)
    question = Question("y", recipe=RECIPE, compare="none")
    with pytest.raises(TableError) as raised:
        run_experiment(TABLE, question, test=column)
    assert SECRET not in str(raised.value)


def test_a_frame_in_place_of_a_parameter_is_not_shown():
    frame = pd.DataFrame(TABLE)
    calls = [
        *[
            lambda n=n: TableEncoder(**{n: frame}).fit(TABLE)
            for n in ("clip", "dtype", "max_levels")
        ],
        *[lambda n=n: Question("y", **{n: frame}) for n in ("task", "seed", "recipe")],
        *[lambda n=n: Recipe(**{n: frame}) for n in ("hidden_layer_sizes", "epochs")],
        *[
            lambda n=n: MLPClassifier(**{n: frame}).fit(np.eye(2), [0, 1])
            for n in (
                "hidden_layer_sizes",
                "alpha",
                "solver",
                "loss",
                "class_weight",
                "random_state",
            )
        ],
        lambda: MLPClassifier().fit(np.eye(2), TABLE),
    ]
    for call in calls:
        with pytest.raises(BackpassError) as raised:
            call()
        assert SECRET not in str(raised.value)
        assert str(raised.value).isprintable()


def test_brief_values():
    shown = {"adam": "'adam'", (3, 4): "(3, 4)", None: "None", 1.5: "1.5"}
    assert {value: brief(value) for value in shown} == shown
    assert brief(np.arange(3)) == "[0, 1, 2]"
    assert brief(np.arange(9)) == "a ndarray"
    assert brief({0: 1.0}) == "{0: 1.0}"
    assert brief([[1], [2]]) == "a list"
    assert brief("x" * 99) == repr("x" * 60 + "…")

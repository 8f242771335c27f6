"""Models of tables as ONNX files: the encoding, the labels and the numbers are ours."""

import datetime as dt
import json
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass import Network, TabularModel, onnx_inputs, to_onnx
from backpass.errors import InputError, TableError, TableWarning
from backpass.export.columns import encoder_nodes, input_dtype, input_names, used_columns
from backpass.export.graph import Graph
from backpass.tabular.column_values import as_days
from backpass.tabular.columns import CategoryColumn, DateColumn, NumberColumn
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.pack.blending import Blend
from backpass.tabular.pack.pack import Pack, PackedRecipe
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.targets import ClassTarget, NumberTarget
from backpass.training.history import History
from helpers import assert_close
from onnx_runs import onnx, output_bound, run

EPS32, EPS64 = np.finfo(np.float32).eps, np.finfo(np.float64).eps

NAMES = ["size", "label", "X", "/Concat", "naïve Σ", "W_1", "probabilities", "a b\tc"]
TEXTS = ["Bonn", "Oslo", "東京", "true", "False", "7", "007", "a\nb", "é", "é"]


def optional(values):
    return st.one_of(st.none(), values)


KINDS = {
    "number": (pl.Float64, st.floats(-1e6, 1e6)),
    "huge": (pl.Float64, st.floats(-1e300, 1e300)),
    "year": (pl.Int64, st.integers(1990, 2030)),
    "small": (pl.Float32, st.floats(-1, 1, width=32)),
    "text": (pl.String, st.sampled_from(TEXTS)),
    "truth": (pl.Boolean, st.booleans()),
    "code": (pl.Int64, st.integers(-3, 3)),  # taken as categories
    "fraction": (pl.Float64, st.sampled_from([0.0, -0.0, 0.1, 2.5, 1e20, 3.0])),  # so are these
    "date": (pl.Date, st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))),
    "time": (pl.Datetime("us"), st.datetimes(dt.datetime(1960, 1, 1), dt.datetime(2040, 1, 1))),
    "clock": (pl.Time, st.times()),
    "span": (pl.Duration("us"), st.timedeltas(dt.timedelta(-9), dt.timedelta(99))),
}
CATEGORIES = ("code", "fraction")


@st.composite
def tables(draw):
    """Draw rows to learn from, other rows, and the columns that are categories."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    kinds = [draw(st.sampled_from(list(KINDS))) for _ in names]
    frames = []
    for rows in (draw(st.integers(2, 25)), draw(st.integers(1, 6))):
        columns = []
        for name, kind in zip(names, kinds, strict=True):
            dtype, values = KINDS[kind]
            values = optional(values) if draw(st.booleans()) else values
            column = draw(st.lists(values, min_size=rows, max_size=rows))
            if kind == "text" and not frames:
                column[0] = "Bonn"  # with nothing but 7 and true it were numbers or truth values
            columns.append(pl.Series(name, column, dtype=dtype))
        frames.append(pl.DataFrame(columns))
    categorical = [n for n, kind in zip(names, kinds, strict=True) if kind in CATEGORIES]
    return (*frames, categorical)


def quiet(call, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        return call(*args, **kwargs)


def fitted(rows, categorical, **settings):
    """Return a fitted encoder, or None where no column tells anything."""
    try:
        return quiet(TableEncoder(categorical=categorical, **settings).fit, rows)
    except TableError:
        return None


def encoding(encoder):
    """Return an ONNX model of the encoder alone."""
    names = input_names(encoder)
    graph = Graph(names)
    for name, column in zip(names, used_columns(encoder), strict=True):
        graph.input(name, input_dtype(column), 1, "")
    matrix = encoder_nodes(graph, encoder, names)
    width = len(encoder.get_feature_names_out())
    graph.output(matrix, "matrix", np.dtype(encoder.dtype), width, "")
    return graph.to_model({})


def encoding_error(encoder, rows, eps):
    """Return how far two right encodings may lie apart, for every output.

    A scaled number is a chain of 8 operations in float64, whose first, x − center, may cancel in
    both alike (it is the same subtraction), and one rounding to `eps`. An angle of a cycle is 2π
    times the fraction of days/period: the rounding of that quotient is 2π·eps64·|days|/period,
    with the remainder that NumPy takes at most twice that.
    """
    error = []
    for column in used_columns(encoder):
        here = np.full(len(column.outputs), 8 * EPS64 * encoder.clip + eps * max(1, encoder.clip))
        if isinstance(column, CategoryColumn):
            here[:] = 0
        elif isinstance(column, DateColumn) and column.cycles:
            turns = np.nanmax(np.abs(as_days(rows[column.name])), initial=0.0) / 1.0
            here += 3 * 2 * np.pi * EPS64 * (1 + turns)
        if isinstance(column, NumberColumn | DateColumn) and column.missing:
            here[-1] = 0
        error.append(here)
    plain = np.concatenate(error)
    places, begins, scales, *_ = encoder.bins_.by_bin
    # of what is cut, and of the difference and the product, of which values beyond 2 are cut off
    bins = scales * (plain[places] + eps * (abs(begins) + encoder.clip)) + 4 * eps
    return np.concatenate([plain, bins])


@given(
    tables(), st.sampled_from(["float32", "float64"]), st.integers(1, 5),
    st.sampled_from(["none", "auto", 2, 5]),
)  # fmt: skip
def test_the_encoding_is_ours(drawn, dtype, max_levels, bins):
    rows, others, categorical = drawn
    encoder = fitted(rows, categorical, dtype=dtype, max_levels=max_levels, bins=bins)
    if encoder is None:
        return
    model = encoding(encoder)
    for frame in (rows, others):
        want = quiet(encoder.transform, frame)
        found = run(model, onnx_inputs(encoder, frame))["matrix"]
        assert found.dtype == want.dtype
        error = encoding_error(encoder, frame, np.finfo(dtype).eps)
        assert_close(found, want, np.broadcast_to(error, want.shape))


TARGETS = {
    "text": pl.Series("t", ["ä", "b", ""]),
    "truth": pl.Series("t", [True, False]),
    "integer": pl.Series("t", [-7, 0, 12]),
    "fraction": pl.Series("t", [0.5, 1.0]),
}


def with_weights(target, encoder, network):
    """Return a model that predicts with the weights a network happens to have."""
    return TabularModel(target, encoder, None, network, RECIPE, 0, History(), 0.0, 1)


@given(tables(), st.sampled_from(list(TARGETS)), st.integers(0, 9), st.booleans())
def test_labels_and_probabilities_are_ours(drawn, kind, seed, costly):
    rows, others, categorical = drawn
    encoder = fitted(rows, categorical)
    if encoder is None:
        return
    target = ClassTarget.fit(TARGETS[kind])
    if costly:
        target = target.with_costs({target.classes[-1]: 3.5})
    width, k = len(encoder.get_feature_names_out()), len(target.classes)
    network = Network([width, 8, k], "mish", "softmax", "cross_entropy", seed=seed, dtype="float32")
    model = with_weights(target, encoder, network)
    converted = to_onnx(model).SerializeToString()
    for frame in (rows, others):
        labels = quiet(model.predict, frame).to_numpy()
        chances = quiet(model.predict_proba, frame).to_numpy()
        label, probabilities = run(converted, onnx_inputs(model, frame)).values()
        assert_close(probabilities, chances, np.full(chances.shape, 1e-5))
        ordered = np.sort(chances * np.array(target.costs or 1.0), axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 2e-5  # else the two errors may decide
        assert (label[clear] == labels[clear]).all()
        assert label.dtype == (object if kind == "text" else labels.dtype)


@given(tables(), st.integers(0, 9), st.sampled_from([1.0, 1.7]))
def test_a_pack_is_one_graph(drawn, seed, temperature):
    rows, others, categorical = drawn
    encoder = fitted(rows, categorical, bins=3)
    if encoder is None:
        return
    target = ClassTarget.fit(TARGETS["text"])
    widths = {True: encoder.width, False: encoder.plain_width}
    recipes = [
        PackedRecipe(
            Recipe(bins=bins),
            tuple(
                Network([width, 4, 3], "mish", "softmax", "cross_entropy", seed=[seed, k, bins],
                        dtype="float32") for k in range(2)
            ),
            (1, 1),
        )
        for bins, width in widths.items()
    ]  # fmt: skip
    model = with_weights(target, encoder, recipes[0].networks[0])
    model.pack = Pack(tuple(recipes), Blend((0.25, 0.75), temperature))
    converted, alone = to_onnx(model), to_onnx(model, network_only=True)
    for frame in (rows, others):
        chances = quiet(model.predict_proba, frame).to_numpy()
        label, probabilities = run(
            converted.SerializeToString(), onnx_inputs(model, frame)
        ).values()
        assert_close(probabilities, chances, np.full(chances.shape, 1e-5))
        assert set(label) <= set(target.classes)
        output = run(alone, {"X": quiet(encoder.transform, frame)})["output"]
        assert_close(output, chances, np.full(chances.shape, 1e-5))


@given(tables(), st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(0, 9))
def test_numbers_are_ours(drawn, center, scale, seed):
    rows, others, categorical = drawn
    encoder = fitted(rows, categorical)
    if encoder is None:
        return
    width = len(encoder.get_feature_names_out())
    network = Network([width, 8, 1], "mish", seed=seed, dtype="float32")
    model = with_weights(NumberTarget("t", center, scale), encoder, network)
    converted = to_onnx(model).SerializeToString()
    for frame in (rows, others):
        want = quiet(model.predict, frame).to_numpy()
        found = run(converted, onnx_inputs(model, frame))["prediction"]
        # twice: the inputs, too, may differ in their last bit; then the decoding in float64
        bound = output_bound(network, quiet(encoder.transform, frame))
        error = 2 * bound.error[:, 0] * scale + 4 * EPS64 * (np.abs(want) + abs(center))
        assert found.dtype == np.float64
        assert_close(found, want, error)


# --- by name -----------------------------------------------------------------------------------


def cities(**columns):
    rows = {"city": ["Bonn", "Oslo"] * 20, "rooms": [1, 2, 3, 4] * 10, **columns}
    return pl.DataFrame(rows, strict=False)


def model_of(rows, **settings):
    encoder = quiet(TableEncoder(**settings).fit, rows)
    width = len(encoder.get_feature_names_out())
    network = Network([width, 3, 2], "tanh", "softmax", "cross_entropy", seed=0, dtype="float32")
    return with_weights(ClassTarget("kind", ("a", "b")), encoder, network)


def test_an_input_for_each_column_that_counts_says_what_it_takes():
    when = [dt.date(2020, 1, 1) + dt.timedelta(i) for i in range(40)]
    rows = cities(new=[True, False] * 20, when=when, same=[1] * 40)
    model = to_onnx(model_of(rows, categorical=["rooms"]))
    told = {i.name: (i.type.tensor_type.elem_type, i.doc_string) for i in model.graph.input}
    text, double = onnx.TensorProto.STRING, onnx.TensorProto.DOUBLE
    assert told == {
        "city": (text, "category by its text; '' where missing"),
        "rooms": (double, "category by its number; NaN where missing"),
        "new": (text, "truth value: 'true' or 'false'; '' where missing"),
        "when": (double, "days since 1970-01-01, or part of a day; NaN where missing"),
    }
    shapes = [[d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim]
              for i in model.graph.input]  # fmt: skip
    assert shapes == [["N", 1]] * 4
    metadata = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert metadata == {"backpass.target": "kind", "backpass.classes": ["a", "b"]}


def test_a_truth_value_may_be_spelled_in_three_ways():
    model = model_of(cities(new=[True, False, None, True] * 10))
    converted = to_onnx(model)
    inputs = onnx_inputs(model, cities(new=[True, False] * 20))
    want = run(converted, inputs)["probabilities"]
    for spelling in (["True", "False"], ["TRUE", "FALSE"]):
        inputs["new"] = np.array(spelling * 20, dtype=object)[:, None]
        assert (run(converted, inputs)["probabilities"] == want).all()
    assert (want[0] != want[1]).any()


def test_an_empty_text_is_a_missing_value():
    model = model_of(cities(kind=["x", None] * 20))
    inputs = onnx_inputs(model, cities(kind=["x", None] * 20))
    assert inputs["kind"][:2, 0].tolist() == ["x", ""]


def with_empty_level(rows):
    """Return a model with the empty text as a level, as older versions had it, in place of "e"."""
    model = model_of(rows)
    place = model.encoder.text_columns().index("kind") + 1
    column = model.encoder.columns_[place]
    levels = tuple(sorted(level.replace("e", "", level == "e") for level in column.levels))
    model.encoder.columns_[place] = replace(column, levels=levels)
    return model


def test_where_the_empty_text_is_a_level_another_one_is_missing():
    model = with_empty_level(cities(kind=["e", None, "(missing)", "y"] * 10))
    rows = cities(kind=["", None, "(missing)", "y"] * 10)
    converted = to_onnx(model)
    assert converted.graph.input[2].doc_string.endswith("'(missing)*' where missing")
    inputs = onnx_inputs(model, rows)
    assert inputs["kind"][:3, 0].tolist() == ["", "(missing)*", "(missing)"]
    found, want = run(converted, inputs)["probabilities"], model.predict_proba(rows).to_numpy()
    assert_close(found, want, np.full(want.shape, 1e-5))


def test_a_text_that_reads_like_a_missing_one_is_a_text():
    model = with_empty_level(cities(kind=["e", None, "x", "y"] * 10))
    converted = to_onnx(model)
    assert converted.graph.input[2].doc_string.endswith("'(missing)' where missing")
    rows = cities(kind=["", None, "(missing)", "z"] * 10)
    inputs = onnx_inputs(model, rows)
    assert inputs["kind"][:4, 0].tolist() == ["", "(missing)", "(unseen)", "z"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)  # of levels that training has not seen
        want = model.predict_proba(rows).to_numpy()
    found = run(converted, inputs)["probabilities"]
    assert_close(found, want, np.full(want.shape, 1e-5))


def test_parameters_that_are_not_finite_are_refused():
    network = Network([2, 1], seed=0)
    network.parameters.flat[1] = np.inf
    with pytest.raises(InputError, match="a parameter is not a finite number; train with a lower"):
        to_onnx(network)


def test_a_column_without_a_name_is_refused():
    with pytest.raises(InputError, match="a column has an empty name"):
        to_onnx(model_of(cities().rename({"city": ""})))


def test_levels_that_float64_cannot_tell_apart_stay_texts():
    huge = [2**60, 2**60 + 1] * 20
    model = model_of(cities(id=huge), categorical=["id"])
    inputs = onnx_inputs(model, cities(id=huge))
    assert inputs["id"][:2, 0].tolist() == [str(2**60), str(2**60 + 1)]
    found = run(to_onnx(model), inputs)["probabilities"]
    want = model.predict_proba(cities(id=huge)).to_numpy()
    assert_close(found, want, np.full(want.shape, 1e-5))


def test_the_network_alone_takes_encoded_rows():
    model = model_of(cities())
    converted = to_onnx(model, network_only=True)
    X = model.encoder.transform(cities())
    bound = output_bound(model.network, X)
    assert_close(run(converted, {"X": X})["output"], bound.value, bound.error)
    told = {p.key: json.loads(p.value) for p in converted.metadata_props}
    assert told == {"backpass.inputs": model.encoder.get_feature_names_out().tolist()}


def test_inputs_need_the_columns_and_a_table():
    with pytest.raises(TableError, match="the table has no column 'rooms'"):
        onnx_inputs(model_of(cities()), cities().drop("rooms"))
    with pytest.raises(InputError, match="this Network encodes no table"):
        onnx_inputs(Network([2, 1], seed=0), cities())

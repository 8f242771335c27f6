"""Numbers as bins: held to the definition written out, and to what they are for."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass import TableEncoder
from backpass.errors import InputError, ModelFileError
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.number_bins import WIDEST, NumberBins, fit_bins


def by_definition(x, edges):
    """Return the bins of one number: part of the way through each, the outermost ones go on."""
    bins = []
    for i, (p, q) in enumerate(itertools.pairwise(edges)):
        low = -1.0 if i == 0 else 0.0
        high = 2.0 if i == len(edges) - 2 else 1.0
        bins.append(min(max((x - p) / (q - p), low), high))
    return bins


@given(
    st.lists(st.integers(-300, 300), min_size=3, max_size=9, unique=True),
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=20),
)
def test_each_bin_is_what_the_definition_says(hundredths, numbers):
    edges = tuple(h / 100 for h in sorted(hundredths))
    bins = NumberBins((1,), (edges,))
    X = np.array([[0.0, x] for x in numbers])
    out = np.empty((len(X), bins.width))
    bins.encode(X, out)
    # begins and 1 / widths are rounded to float32: 3 roundings of numbers up to 4, in widths ≥ 0.01
    assert np.allclose(out, [by_definition(x, edges) for x in numbers], atol=3 * 100 * 6e-8 * 4)


def test_the_edges_are_quantiles_of_training_each_once():
    X = np.repeat(np.array([0, 0, 0, 1, 2, 5], dtype=np.float32), 100)[:, None]
    (edges,) = fit_bins(X, [0], 4).edges
    assert edges == (0.0, 0.5, 2.0, 5.0)


def test_what_has_few_values_or_few_rows_is_cut_into_few_bins_or_none():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 1000), rng.normal(size=1000)]).astype(np.float32)
    assert fit_bins(X, [0, 1]).places == (1,)
    assert fit_bins(X, [0, 1]).width == 24
    assert fit_bins(X[:80], [0, 1]).width == 10
    wide = rng.normal(size=(300, 1500)).astype(np.float32)
    assert fit_bins(wide, range(1500), 24).width <= WIDEST - 1500
    assert fit_bins(wide, range(1500), 24).width == 0  # one bin a column would say nothing


def test_outputs_of_bins_come_last_with_names():
    table = pl.DataFrame({"x": [float(i) for i in range(50)], "t": ["a", "b"] * 25})
    encoder = TableEncoder(bins=4).fit(table)
    names = encoder.get_feature_names_out().tolist()
    assert names == ["x", "t=a", "t=b", *(f"x=(bin {i})" for i in (1, 2, 3, 4))]
    plain = TableEncoder().fit(table).transform(table)
    out = encoder.transform(table)
    assert (out[:, :3] == plain).all()
    assert encoder.transform(table[:1]).tobytes() == out[:1].tobytes()


def test_dates_are_cut_too_and_columns_in_another_order():
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2022, 1, 1), eager=True)
    table = pl.DataFrame({"day": days, "x": pl.Series(range(len(days))).cast(pl.Float64)})
    encoder = TableEncoder(bins=3).fit(table)
    names = encoder.get_feature_names_out().tolist()
    assert {"day=(bin 3)", "day=(sin of year)=(bin 1)", "x=(bin 2)"} <= {*names}
    assert (encoder.transform(table.select("x", "day")) == encoder.transform(table)).all()


def test_what_was_asked_for_is_kept():
    table = {"x": [float(i) for i in range(50)]}
    for asked in ("auto", 5):
        again = TableEncoding.from_state(TableEncoding(bins=asked).fit(table).to_state())
        assert again.bins == asked
        assert again.transform(table).shape[1] > 1


@pytest.mark.parametrize("wrong", ["none at all", 1, 257, 2.5, True, None])
def test_wrong_numbers_of_bins_are_refused(wrong):
    with pytest.raises(InputError, match="bins must be 'none', 'auto' or a number from 2 to 256"):
        TableEncoder(bins=wrong).fit({"x": [1.0, 2.0]})


@pytest.mark.parametrize(
    "changed",
    [
        {"places": [7]},
        {"places": [0, 0]},
        {"edges": [[0, 1, 1]]},
        {"edges": [[0, 1]]},
        {"edges": []},
        {"edges": [[0, 1, 1e300]]},
        {"asked": 5},
    ],
)
def test_foreign_bins_are_refused(changed):
    state = TableEncoding(bins=3).fit({"x": [1.0, 2.0, 3.0, 4.0, 5.0]}).to_state()
    state["bins"] |= changed
    with pytest.raises(ModelFileError, match=r"^encoder\.bins"):
        TableEncoding.from_state(state)

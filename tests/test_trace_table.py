"""Traces of a table: each row as it was, and the formula by which a column became inputs."""

import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from backpass import Recipe, TabularModel, trace
from backpass.errors import TableWarning


def flats(rows=80):
    rng = np.random.default_rng(0)
    size = rng.normal(50, 10, rows).round(1)
    days = pl.Series(rng.integers(14000, 16000, rows)).cast(pl.Int32).cast(pl.Date)
    return pl.DataFrame(
        {
            "size": [None if i == 3 else value for i, value in enumerate(size.tolist())],
            "below": -size,
            "city": rng.choice(["Bonn", "Oslo", "Rome"], rows),
            "built": days,
            "always": 1,
            "w": rng.random(rows) + 0.5,
            "price": 3 * size + 7,
            "kind": np.where(size > 50, "big", "small"),
        }
    )


def fitted(target, **more):
    recipe = Recipe(hidden_layer_sizes=(3,), epochs=1, **more)
    table = flats().drop({"price": "kind", "kind": "price"}[target])
    with pytest.warns(TableWarning, match="'always': constant"):
        return TabularModel.fit(table, target, sample_weight="w", recipe=recipe, seed=0)


def computed(formula, x):
    """Return what a formula for numbers gives, by Python's own arithmetic."""
    bent, _, ratio = formula.partition(", t = ")
    for sign, python in (("−", "-"), ("√", "math_sqrt"), ("²", "**2")):
        bent, ratio = bent.replace(sign, python), ratio.replace(sign, python)
    names = {"x": x, "d": x, "math_sqrt": np.sqrt}
    names["t"] = eval(ratio, {}, names) if ratio else None
    return eval(bent, {}, names)


@pytest.mark.parametrize("target", ["price", "kind"])
@pytest.mark.parametrize("bins", [False, True])
def test_every_input_and_target_comes_from_a_column(target, bins):
    model, table = fitted(target, bins=bins), flats()[:6]
    seen = trace(model, table)
    columns = {column.name: column for column in reversed(seen.table_columns)}
    inputs = [column for column in seen.table_columns if column.kind == "input"]
    assert sorted(place for c in inputs for place in c.places) == [*range(model.network.sizes[0])]
    for column in inputs:
        assert np.array_equal(column.numbers, seen["a", 0][:, column.places])
        assert column.cells[0] == str(table[column.name][0])
    assert columns["size"].cells[3] == "(missing)"
    assert columns["always"].places == ()
    assert np.array_equal(columns["w"].numbers[:, 0], seen["s"])


def test_formulas_give_the_numbers():
    table = flats()[:6]
    columns = {column.name: column for column in trace(fitted("price"), table).table_columns}
    for name in ("size", "below"):
        column = columns[name]
        formula, _, marked = column.formula.partition("; ")
        for row, x in enumerate(table[name]):
            expected = 0 if x is None else computed(formula, x)
            assert column.numbers[row, 0] == pytest.approx(expected, abs=1e-6)
        assert bool(marked) == (name == "size")
    days = table["built"].to_physical().to_numpy()
    scaled, *waves = columns["built"].formula.removeprefix("d days: ").split("; ")
    assert columns["built"].numbers[:, 0] == pytest.approx(computed(scaled, days), abs=1e-5)
    for i, wave in enumerate(waves):
        angle = 2 * np.pi * days / float(wave.rpartition("/ ")[2])
        assert columns["built"].numbers[:, 1 + 2 * i] == pytest.approx(np.sin(angle), abs=1e-4)
    price = columns["price"]
    assert price.numbers[:, 0] == pytest.approx(computed(price.formula, table["price"].to_numpy()))
    mean = table["w"].to_numpy() / table["w"].mean()
    assert columns["w"].numbers[:, 0] == pytest.approx(mean, rel=1e-6)


def test_every_format_shows_the_row_as_it_was():
    seen = trace(fitted("kind"), flats()[3:4])
    text, page, latex, told = str(seen), seen.to_html(), seen.to_latex(), seen.to_dict()
    city = flats()["city"][3]
    assert re.search(rf"^    city +{city} +inputs 3–5 = [01], [01], [01] +one-hot", text, re.M)
    assert f"<td>city</td><td>{city}</td>" in page
    assert f"city & {city} & inputs 3--5 = " in latex
    assert [column["name"] for column in told["table"]][-2:] == ["kind", "w"]
    assert told["table"][0]["cells"] == ["(missing)"]
    assert told["table"][0]["numbers"] == [[0.0, 1.0]]


def test_wide_tables_and_many_rows_are_cut_with_a_count():
    rng = np.random.default_rng(0)
    table = pl.DataFrame({f"n{i}": rng.normal(size=40) for i in range(20)})
    table = table.with_columns(y=pl.Series(rng.choice([f"level {i}" for i in range(10)], 40)))
    recipe = Recipe(hidden_layer_sizes=(2,), epochs=1)
    model = TabularModel.fit(table, "y", recipe=recipe, seed=0)
    text = str(trace(model, table[:6]))
    assert "    … (8 more columns)\n" in text
    assert "(2 more rows not shown):" in text
    assert re.search(r"^    y +level \d +target = 1 at \d, else 0", text, re.M)
    whole = str(trace(model, table[:6], max_elements=None))
    assert "more columns" not in whole
    assert whole.count("what became of it") == 6


def test_bins_are_a_line_of_their_own():
    model, row = fitted("price", bins=True), flats()[:1]
    (plain, bins, *_) = (c for c in trace(model, row).table_columns if c.name == "below")
    (number,), edges = plain.numbers[0], model.encoder.bins_.edges
    place = model.encoder.bins_.places.index(plain.places[0])
    expected = [(number - p) / (q - p) for p, q in pairwise(edges[place])]
    low, high = np.zeros(len(expected)), np.ones(len(expected))
    low[0], high[-1] = -1, 2
    assert bins.numbers[0] == pytest.approx(np.clip(expected, low, high), abs=1e-4)
    assert bins.formula.startswith("(r − p) / (q − p)")


def test_what_a_terminal_would_obey_is_not_shown():
    table = flats().with_columns(city=pl.Series(["\x1b[31mred", "Oslo"] * 40))
    recipe = Recipe(hidden_layer_sizes=(2,), epochs=1)
    model = TabularModel.fit(table.select("city", "size", "price"), "price", recipe=recipe)
    cells = trace(model, table[:1]).table_columns[0].cells
    assert cells == (" [31mred",)


def test_a_cell_stands_as_in_the_file(tmp_path):
    lines = [f"{20 + i},5;{100 + 3 * i},25 €" for i in range(60)]
    (tmp_path / "t.csv").write_text("size;price\n" + "\n".join(lines) + "\n", encoding="utf-8")
    recipe = Recipe(hidden_layer_sizes=(2,), epochs=1)
    model = TabularModel.fit(tmp_path / "t.csv", "price", recipe=recipe, seed=0)
    size, price = trace(model, tmp_path / "t.csv").table_columns
    assert (size.cells[1], price.cells[1]) == ("21,5", "103,25 €")

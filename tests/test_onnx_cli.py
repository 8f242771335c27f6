"""What ``backpass export`` writes, shows and refuses."""

import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from backpass import Network, TabularModel, onnx_inputs
from backpass.cli import main
from backpass.core.activations import ACTIVATIONS
from backpass.core.custom_records import register_activation
from backpass.tabular.recipe import RECIPE
from onnx_runs import onnx, output_bound, run

SMALL = replace(RECIPE, hidden_layer_sizes=(6,), epochs=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a model, its table, and files that are none."""
    place = tmp_path_factory.mktemp("export")
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "size": np.where(rng.random(200) < 0.1, np.nan, rng.normal(2000, 9, 200)),
            "city": rng.choice(["Bonn", "Oslo", "東京", None], 200).tolist(),
            "new": rng.choice([True, False, None], 200).tolist(),
        },
        strict=False,
    ).with_columns(pl.col("size").fill_nan(None))
    table = table.with_columns(
        price=pl.col("size").fill_null(1999.5) * 3, kind=pl.col("city").fill_null("nowhere")
    )
    table.write_parquet(place / "t.parquet")
    TabularModel.fit(table.drop("price"), "kind", recipe=SMALL).save(place / "kind.backpass")
    TabularModel.fit(table.drop("kind"), "price", recipe=SMALL).save(place / "price.backpass")
    register_activation("cubed", lambda z: z**3, lambda z: 3 * z**2)
    own = replace(SMALL, activation="cubed", learning_rate=1e-4)
    TabularModel.fit(table.drop("price"), "kind", recipe=own).save(place / "own.backpass")
    (place / "text.txt").write_text("no model")
    yield place
    ACTIVATIONS.unregister("cubed")


def export(folder, monkeypatch, capsys, *arguments):
    monkeypatch.chdir(folder)
    code = main(["export", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_classes(folder, monkeypatch, capsys, tmp_path):
    place = str(tmp_path / "k.onnx")
    code, out, err = export(folder, monkeypatch, capsys, "kind.backpass", "--onnx", place)
    assert (code, err) == (0, "")
    for word in ("size", "city", "new", "double", "string", "N × 1", "label", "N × 4"):
        assert word in out
    model, table = TabularModel.load(folder / "kind.backpass"), pl.read_parquet("t.parquet")
    found = run((tmp_path / "k.onnx").read_bytes(), onnx_inputs(model, table))
    assert (found["label"] == model.predict(table).to_numpy()).all()
    assert np.abs(found["probabilities"] - model.predict_proba(table).to_numpy()).max() <= 1e-5


def test_numbers(folder, monkeypatch, capsys, tmp_path):
    place = str(tmp_path / "p.onnx")
    code, _, err = export(folder, monkeypatch, capsys, "price.backpass", "--onnx", place)
    assert (code, err) == (0, "")
    model, table = TabularModel.load(folder / "price.backpass"), pl.read_parquet("t.parquet")
    found = run((tmp_path / "p.onnx").read_bytes(), onnx_inputs(model, table))["prediction"]
    bound = output_bound(model.network, model.encoder.transform(table))
    want, scale = model.predict(table).to_numpy(), model.target.scale
    assert (np.abs(found - want) <= 2 * bound.error[:, 0] * scale + 1e-15 * np.abs(want)).all()


def test_a_network_file(folder, monkeypatch, capsys, tmp_path):
    network, place = Network([3, 4, 2], "gelu", seed=0, dtype="float32"), tmp_path / "n.onnx"
    network.save(tmp_path / "n.backpass")
    code, out, err = export(
        folder, monkeypatch, capsys, str(tmp_path / "n.backpass"), "--onnx", str(place)
    )
    assert (code, err) == (0, "")
    assert "N × 3" in out
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found, bound = run(place.read_bytes(), {"X": X})["output"], output_bound(network, X)
    assert (np.abs(found - network.predict(X)) <= 2 * bound.error).all()


def test_the_network_only(folder, monkeypatch, capsys, tmp_path):
    place = str(tmp_path / "n.onnx")
    arguments = ("kind.backpass", "--onnx", place, "--network-only")
    assert export(folder, monkeypatch, capsys, *arguments)[0] == 0
    converted = onnx.load(place)
    assert [i.name for i in converted.graph.input] == ["X"]
    assert [o.name for o in converted.graph.output] == ["output"]


def test_an_old_file_is_replaced(folder, monkeypatch, capsys, tmp_path):
    place = tmp_path / "k.onnx"
    place.write_bytes(b"old")
    assert export(folder, monkeypatch, capsys, "kind.backpass", "--onnx", str(place))[0] == 0
    onnx.checker.check_model(onnx.load(place), full_check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["k.onnx"]


BAD = [
    (["kind.backpass"], "Missing option '--onnx'"),
    (["--onnx", "o.onnx"], "Missing argument 'MODEL'"),
    (["none.backpass", "--onnx", "o.onnx"], "none.backpass: cannot be read: there is no such file"),
    (["text.txt", "--onnx", "o.onnx"], "text.txt"),
    (["t.parquet", "--onnx", "o.onnx"], "t.parquet"),
    (["kind.backpass", "--onnx", "o.txt"], "--onnx o.txt: the name must end in .onnx"),
    (["kind.backpass", "--onnx", "none/o.onnx"], "there is no folder"),
    (["own.backpass", "--onnx", "o.onnx"], "activation 'cubed' cannot be written in ONNX"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_gets_one_line_and_writes_nothing(folder, monkeypatch, capsys, arguments, words):
    before = sorted((p.name, p.read_bytes()) for p in folder.iterdir())
    code, out, err = export(folder, monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert sorted((p.name, p.read_bytes()) for p in folder.iterdir()) == before


def test_without_onnx_the_command_to_install_it_is_told(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, out, err = export(folder, monkeypatch, capsys, "kind.backpass", "--onnx", "o.onnx")
    assert (code, out) == (2, "")
    assert err == (
        "error: ONNX export needs onnx, which is not installed: pip install 'backpass[onnx]'\n"
    )
    assert not (folder / "o.onnx").exists()


def test_a_folder_is_no_file(folder, monkeypatch, capsys, tmp_path):
    (tmp_path / "d.onnx").mkdir()
    place = str(tmp_path / "d.onnx")
    code, _, err = export(folder, monkeypatch, capsys, "kind.backpass", "--onnx", place)
    assert code == 2
    assert "is a folder" in err

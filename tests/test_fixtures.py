"""Files of every released format version load for ever, and predict what they did."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import make_fixtures
from backpass import Network, TabularModel
from backpass.storage.container import FORMAT_VERSION, read_container
from backpass.training.checkpoints import KIND as CHECKPOINT
from backpass.training.snapshots import SNAPSHOT_SCHEMA
from forward_rounding import output_tolerance

FOLDER = Path(__file__).parent / "fixtures"
PROMISES = {
    name: promise
    for path in sorted(FOLDER.glob("format-*.json"))
    for name, promise in json.loads(path.read_text(encoding="utf-8")).items()
}


def of_kind(kind):
    return [name for name, promise in PROMISES.items() if promise["kind"] == kind]


def test_every_format_version_has_files():
    assert {*make_fixtures.WRITERS} == {*range(1, FORMAT_VERSION + 1)}
    for version, kinds in make_fixtures.WRITERS.items():
        for kind in kinds:
            assert version in {int(name.split("-")[1]) for name in of_kind(kind)}
    assert {path.name for path in FOLDER.glob("*.backpass")} == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_the_file_is_the_one_that_was_released(name):
    found = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
    assert found == PROMISES[name]["sha256"], f"{name} was changed: bring the old file back"


@pytest.mark.parametrize("name", of_kind("network"))
def test_a_network_has_its_parameters_and_predicts_what_it_did(name):
    network, promise = Network.load(FOLDER / name), PROMISES[name]
    assert [x.hex() for x in network.parameters.flat.tolist()] == promise["parameters"]
    X, wanted = np.array(promise["X"]), np.array(promise["output"])
    if "exact" in name:  # no sum rounds: equal bits on every machine
        np.testing.assert_array_equal(network.predict(X), wanted)
    # elsewhere another processor may sum in another order and have another exp
    bound = output_tolerance(network, X)
    np.testing.assert_allclose(network.predict(X), wanted, rtol=0, atol=bound)


@pytest.mark.parametrize("name", of_kind("model"))
def test_a_model_predicts_what_it_did(name):
    model, promise = TabularModel.load(FOLDER / name), PROMISES[name]
    rows = make_fixtures.read_rows(promise["rows"])
    X = model.encoder.transform(rows)
    assert X.dtype == np.float32
    atol = model_tolerance(model, X)
    if model.task == "classification":
        assert model.predict(rows).to_list() == promise["predictions"]
        found = model.predict_proba(rows).to_dict(as_series=False)
        assert found.keys() == promise["probabilities"].keys()
        for label, chances in promise["probabilities"].items():
            np.testing.assert_allclose(found[label], chances, rtol=0, atol=atol)
    else:
        wanted = np.array(promise["predictions"])
        found = model.predict(rows).to_numpy()
        # the network's outputs are multiplied by the scale of the target and moved by its centre
        unit = model.target.decode(np.array([0.0, 1.0])).to_numpy()
        bound = atol * abs(unit[1] - unit[0]) + np.finfo(float).eps * abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=bound)
        for end, values in promise.get("interval", {}).items():
            found = model.predict_interval(rows, 0.8)[end].to_numpy()
            np.testing.assert_allclose(found, values, rtol=0, atol=bound)


def model_tolerance(model, X):
    """Return the rounding error of the network's outputs, or of those of a pack."""
    networks = [model.network] if model.pack is None else model.pack.networks
    errors = [output_tolerance(network, X[:, : network.sizes[0]]) for network in networks]
    # a temperature of 0.5 squares probabilities, which doubles what they are wrong by
    return max(errors) * (1 if model.pack is None else 2)


@pytest.mark.parametrize("name", of_kind("checkpoint"))
def test_training_goes_on_from_a_checkpoint_to_where_it_would_have_come(name, tmp_path):
    told, arrays = read_container(FOLDER / name, CHECKPOINT, SNAPSHOT_SCHEMA)
    place = tmp_path / f"checkpoint-{told['clock']['step']:012d}.backpass"
    place.write_bytes((FOLDER / name).read_bytes())
    run, _ = make_fixtures.RUNS[PROMISES[name]["run"]]
    flat = run(checkpoint=tmp_path, resume=True).parameters.flat
    wanted = np.array([float.fromhex(text) for text in PROMISES[name]["parameters"]])
    assert not np.array_equal(arrays["parameters"], wanted)  # there was something left to do
    if "exact" in name:  # no step rounds: equal bits on every machine
        np.testing.assert_array_equal(flat, wanted)
    # Elsewhere sums may round in another way, from the checkpoint on. That moves a gradient by a
    # few ε of its largest terms (below 1), and a step of Adam divides by √v (here above 0.01):
    # twelve steps of rate 0.05 come to less than 12 · 0.05 · 100 · 10 ε.
    bound = 600 * np.finfo(float).eps
    np.testing.assert_allclose(flat, wanted, rtol=0, atol=bound)


@pytest.mark.parametrize("name", [*of_kind("network"), *of_kind("model")])
def test_a_released_file_can_be_saved_again(name, tmp_path):
    kind = Network if PROMISES[name]["kind"] == "network" else TabularModel
    kind.load(FOLDER / name).save(tmp_path / "a.backpass")
    kind.load(tmp_path / "a.backpass").save(tmp_path / "b.backpass")
    assert (tmp_path / "a.backpass").read_bytes() == (tmp_path / "b.backpass").read_bytes()


def test_the_script_writes_no_released_file_anew(monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()}
    for maker in ("models", "networks", "checkpoint_after"):
        monkeypatch.setattr(make_fixtures, maker, lambda *_: pytest.fail("it is made again"))
    with pytest.raises(SystemExit, match="nothing was written"):
        make_fixtures.main()
    assert before == {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()}

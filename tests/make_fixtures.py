"""Write files of every format version, which every later backpass must load.

``python tests/make_fixtures.py`` writes what is missing in ``tests/fixtures`` and touches nothing
else: a file of a released format version is never written anew. Beside the files of version N,
``format-N.json`` says what they must predict.
"""

import hashlib
import json
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl

from backpass import Network, TabularModel, train
from backpass.core.activations import ACTIVATIONS
from backpass.core.settings import Settings
from backpass.tabular.pack import training as pack_training
from backpass.tabular.recipe import RECIPE
from backpass.training.checkpoints import Checkpoints, checkpoints_in
from backpass.training.history import Validation
from backpass.training.trainer import Trainer

FOLDER = Path(__file__).parent / "fixtures"
SMALL = replace(RECIPE, hidden_layer_sizes=(4,), epochs=10, dropout=0.0)


def exact_network():
    """A network whose predictions round nowhere, and so are the same bits on every machine."""
    network = Network([3, 4, 4, 2], ["relu", "leaky_relu:slope=0.25"], loss="huber:delta=2")
    network.parameters.flat[:] = np.random.default_rng(0).integers(-16, 17, 46) / 8
    return network


def networks():
    """A network by the name of its file; the second uses every hidden activation."""
    hidden = [a.name for a in ACTIVATIONS.records() if a.hidden]
    return {
        "exact": exact_network(),
        "activations": Network([3, *[4] * len(hidden), 2], hidden, init="he_normal", seed=1),
        "softmax": Network(
            [3, 4, 3], "elu:alpha=0.5", "softmax", "cross_entropy:label_smoothing=0.1", seed=2,
            dtype="float32",
        ),
        "logistic": Network([3, 4, 1], "mish", "logistic", "binary_cross_entropy", seed=3),
        "exp": Network([3, 4, 1], "tanh", "exp", "poisson", seed=4, dtype="float32"),
    }  # fmt: skip


def table(rows=120):
    """Rows of every kind of column, with gaps."""
    rng = np.random.default_rng(5)
    size = rng.uniform(20, 120, rows).round(1)
    city = rng.choice(["Bonn", "Oslo", "Ωμέγα"], rows)
    price = (5 * size + 100 * (city == "Oslo") + rng.normal(0, 5, rows)).round(2)
    frame = pl.DataFrame(
        {
            "size": np.where(rng.random(rows) < 0.1, np.nan, size),
            "city": city,
            "garden": rng.random(rows) < 0.5,
            "built": pl.Series(rng.integers(0, 18000, rows)).cast(pl.Date),
            "price": price,
            "class": np.where(price > 450, "dear", np.where(price > 300, "fair", "cheap")),
        }
    )
    gap = pl.Series(rng.random(rows) < 0.1)
    return frame.with_columns(
        pl.col("size").fill_nan(None), city=pl.when(gap).then(None).otherwise(pl.col("city"))
    )


def models():
    """A trained model by the name of its file."""
    frame = table()
    return {
        "class": TabularModel.fit(frame.drop("price"), "class", recipe=SMALL),
        "price": TabularModel.fit(frame.drop("class"), "price", recipe=SMALL),
    }


def exact_run(**options):
    """Train a layer in a way that rounds nowhere, and return it."""
    rng = np.random.default_rng(7)
    network = Network([3, 2], seed=0)
    network.parameters.flat[:] = rng.integers(-4, 5, 8) / 4
    X, y = rng.integers(-1, 2, (20, 3)).astype(float), rng.integers(-2, 3, (20, 2)).astype(float)
    # every step adds a few bits: ten leave some over
    settings = {"optimizer": "sgd", "learning_rate": 0.25, "batch_size": 4, "epochs": 2}
    train(network, X, y, seed=0, engine="reference", **settings, **options)
    return network


def judged_run(checkpoint=None, resume=False, checkpoint_every=None):
    """Train with Adam, dropout, a schedule and early stopping, and return the network."""
    rng = np.random.default_rng(8)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    network = Network([3, 4, 2], "tanh", "softmax", "cross_entropy", seed=9)
    checkpoints = Checkpoints.of(checkpoint, resume, checkpoint_every)
    losses = []

    def score(output, loss):
        losses.append(loss)
        return -loss

    rng = np.random.default_rng(10)
    if checkpoints is not None:
        checkpoints.curves["validation"] = losses
        checkpoints.start(rng, 10)
    settings = Settings(
        optimizer="adam:beta_2=0.99", schedule="cosine:warmup=0.1", learning_rate=0.05,
        batch_size=7, epochs=4, alpha=0.01, dropout=0.2, clip_norm=1.0, early_stopping=True,
    )  # fmt: skip
    trainer = Trainer(
        network, X, y, settings=settings, rows=np.arange(40), rng=rng, engine="reference",
        validation=Validation(X[40:], y[40:], score=score), checkpoints=checkpoints,
    )  # fmt: skip
    history = trainer.train()
    assert losses == history.validation_loss_curve
    return network


RUNS = {"exact": (exact_run, 2), "judged": (judged_run, 6)}
"""Training runs by the name of the file of a checkpoint, and which of theirs it is."""


class _Cut(Exception):  # noqa: N818  (it ends a run, and is no error)
    pass


def checkpoint_after(run, saved, path):
    """Move the checkpoint to `path` after which a run is cut off, the `saved`-th one."""
    save, left = Checkpoints.save, [saved]

    def counted(self, trainer, sampler, stop=""):
        save(self, trainer, sampler, stop)
        left[0] -= 1
        if not left[0]:
            raise _Cut

    with tempfile.TemporaryDirectory() as folder:
        with mock.patch.object(Checkpoints, "save", counted), suppress(_Cut):
            run(checkpoint=folder, checkpoint_every=0)
        checkpoints_in(Path(folder))[-1].rename(path)


def network_promise(network):
    """What a network must predict, as JSON; a float keeps all of its bits there."""
    X = np.random.default_rng(6).integers(-8, 9, (6, 3)) / 4
    flat = hexadecimal(network.parameters.flat)
    return {"parameters": flat, "X": X.tolist(), "output": network.predict(X).tolist()}


def model_promise(model):
    """What a model must predict, as JSON."""
    rows = table().head(8).with_columns(pl.col("built").cast(pl.String))
    given = rows.drop("price", "class").to_dict(as_series=False)
    promise = {"rows": given, "predictions": model.predict(read_rows(given)).to_list()}
    if model.task == "classification":
        promise["probabilities"] = model.predict_proba(read_rows(given)).to_dict(as_series=False)
    return promise


def read_rows(given):
    """Return rows as they stand in the JSON as a table."""
    return pl.DataFrame(given).with_columns(pl.col("built").str.to_date())


def hexadecimal(flat):
    """Return numbers as texts that keep all of their bits."""
    return [value.hex() for value in flat.tolist()]


def write_networks():
    for name, network in networks().items():
        network.save(path := file_of("network", 1, name))
        yield path, network_promise(network)


def write_models():
    for name, model in models().items():
        model.save(path := file_of("model", 1, name))
        yield path, model_promise(model)


def write_packs():
    """Write packs of small networks, which older versions of backpass cannot read.

    The first price of format 2 was written before there were usual errors.
    """
    rounds = ((replace(SMALL, bins=True), replace(SMALL, hidden_layer_sizes=())),)
    for name, target, dropped in (
        ("price", "price", "class"), ("class", "class", "price"), ("usual", "price", "class")
    ):  # fmt: skip
        with mock.patch.object(pack_training, "ROUNDS", rounds):
            model = TabularModel.fit(table(), target, drop=[dropped], effort="default")
        model.save(path := file_of("model", 2, name))
        promise = model_promise(model)
        if model.task == "regression":
            ends = model.predict_interval(read_rows(promise["rows"]), 0.8)
            promise["interval"] = ends.drop(target).to_dict(as_series=False)
        yield path, promise


def write_checkpoints():
    for name, (run, saved) in RUNS.items():
        checkpoint_after(run, saved, path := file_of("checkpoint", 1, name))
        yield path, {"run": name, "parameters": hexadecimal(run().parameters.flat)}


def file_of(kind, version, name):
    return FOLDER / f"{kind}-{version}-{name}.backpass"


WRITERS = {
    1: {"network": write_networks, "model": write_models, "checkpoint": write_checkpoints},
    2: {"model": write_packs},
}
"""What writes the files of each kind, by the lowest format version that says what they hold."""


def main():
    FOLDER.mkdir(exist_ok=True)
    written = [path for version in WRITERS for path in write_missing(version)]
    if not written:
        sys.exit("every version has every kind already: nothing was written")


def write_missing(version):
    """Write the kinds of files of a version that there are none of, and what they must predict."""
    promises = FOLDER / f"format-{version}.json"
    told = json.loads(promises.read_text(encoding="utf-8")) if promises.exists() else {}
    missing = set(WRITERS[version]) - {promise["kind"] for promise in told.values()}
    for kind in sorted(missing):
        for path, promise in WRITERS[version][kind]():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            told[path.name] = {"sha256": digest, "kind": kind, **promise}
    if missing:
        text = json.dumps(told, indent=1, ensure_ascii=False)
        promises.write_text(text + "\n", encoding="utf-8")
    return missing


if __name__ == "__main__":
    main()

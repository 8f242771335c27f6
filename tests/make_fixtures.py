"""Write files of the current format version, which every later backpass must load.

``python tests/make_fixtures.py`` writes what is missing in ``tests/fixtures`` and touches nothing
else: a file of a released format version is never written anew. Beside the files of version N,
``format-N.json`` says what they must predict.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from backpass import Network, TabularModel
from backpass.activations import ACTIVATIONS
from backpass.storage.container import FORMAT_VERSION
from backpass.tabular.recipe import RECIPE

FOLDER = Path(__file__).parent / "fixtures"
SMALL = replace(RECIPE, hidden=(4,), epochs=10, dropout=0.0)


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


def network_promise(network):
    """What a network must predict, as JSON; a float keeps all of its bits there."""
    X = np.random.default_rng(6).integers(-8, 9, (6, 3)) / 4
    flat = [value.hex() for value in network.parameters.flat.tolist()]
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


def main():
    promises = FOLDER / f"format-{FORMAT_VERSION}.json"
    if promises.exists():
        sys.exit(f"{promises.name} is there already: nothing was written")
    FOLDER.mkdir(exist_ok=True)
    told = {}
    for kind, things, promise in (
        ("network", networks(), network_promise),
        ("model", models(), model_promise),
    ):
        for name, thing in things.items():
            path = FOLDER / f"{kind}-{FORMAT_VERSION}-{name}.backpass"
            thing.save(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            told[path.name] = {"sha256": digest, "kind": kind, **promise(thing)}
    promises.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

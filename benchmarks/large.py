"""What a table larger than memory costs: encoding, an epoch from the cache, predictions, order.

``python -m benchmarks.large [--rows 1000000] [--tables FOLDER]``

The table is made of normal numbers, in Parquet and as CSV. An epoch from the memory map is timed
against one of the same rows in memory, in turns. With ``--tables``, three tables are sorted by
their target, written, and fitted in the order of the file, in blocks of it and in blocks of the
cache that scatters them: what randomness is lost shows in the score.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from backpass.network.network import Network
from backpass.tabular.files import read_table, write_table
from backpass.tabular.large.cache import Cache
from backpass.tabular.large.source import Source
from backpass.tabular.model import TabularModel
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.recipe import Recipe
from backpass.training import batches
from backpass.training.trainer import train

COLUMNS, FILES = 50, 10
ORDERS = ("sequential", "blocks", "shuffle")
SORTED = {
    "hotel_rates.csv": "avg_price_per_room",
    "wa_churn.csv": "churn",
    "penguins.csv": "species",
}
"""Tables, and their targets, of the folder that ``--tables`` names."""


def made(folder: Path, rows: int) -> None:
    """Write a table as Parquet and as CSV."""
    for kind in ("parquet", "csv"):
        (folder / kind).mkdir()
    for i in range(FILES):
        X = np.random.default_rng(i).normal(size=(rows // FILES, COLUMNS))
        frame = pl.DataFrame(X, [f"x{j}" for j in range(COLUMNS)])
        frame = frame.with_columns(y=pl.Series(X[:, 0] * X[:, 1] + X[:, 2] > 0))
        frame.write_parquet(folder / f"parquet/{i}.parquet")
        frame.write_csv(folder / f"csv/{i}.csv", float_precision=6)


def seconds(work, *arguments, **options):
    """Return how long a call takes, and what it returns."""
    began = time.perf_counter()
    found = work(*arguments, **options)
    return time.perf_counter() - began, found


def rates(folder: Path, rows: int) -> None:
    """Print how fast a table is encoded, learnt from and predicted."""
    question = Question("y", recipe=Recipe(epochs=1))
    for kind in ("csv", "parquet"):
        place = folder / f"cache of {kind}"
        place.mkdir()
        took, cache = seconds(Cache.of, place, Source.of(folder / kind), question, print_nothing)
        print(f"{kind}: learnt and encoded at {rows / took:,.0f} rows/s")
    mapped = cache.encoded(slice(None))
    in_memory = [np.array(part) for part in mapped[:2]]
    for name, (X, y) in {"map": mapped[:2], "memory": in_memory, "map again": mapped[:2]}.items():
        for order in ("blocks", "shuffle"):
            network = Network(
                [COLUMNS, 128, 128, 2], "mish", "softmax", "cross_entropy", seed=0, dtype="float32"
            )
            took, _ = seconds(
                train, network, X, y, batch_size=256, epochs=1, sampling=order, seed=0
            )
            print(f"an epoch from {name}, {order}: {took:.2f} s")
    part = read_table(folder / "parquet" / "0.parquet")
    model = TabularModel.fit(part, "y", recipe=Recipe(epochs=1))
    source = Source.of(folder / "parquet")
    pieces = map(model.predict_table, source.pieces())
    took, _ = seconds(write_table, pieces, folder / "p.parquet")
    print(f"predicted in pieces at {rows / took:,.0f} rows/s")
    took, _ = seconds(
        lambda: write_table(iter([model.predict_table(source.whole())]), folder / "q.parquet")
    )
    print(f"predicted in memory at {rows / took:,.0f} rows/s")


def print_nothing(*told: object) -> None:
    """Take no note of progress."""


def orders(tables: Path) -> None:
    """Print the loss of a network on sorted rows, by the order of training."""
    for file, target in SORTED.items():
        table = read_table(tables / file).drop_nulls(target).sort(target)
        prepared = PreparedTable.of(table, Question(target))
        X, y, _ = prepared.rows
        kept, held = prepared.split()
        batches.BLOCK = 16 * 4 * X.shape[1]  # of 16 rows: as small beside the table as 1 MB is
        scattered = np.random.default_rng(0).permutation(kept)
        for name, rows, order in [(o, kept, o) for o in ORDERS] + [("cache", scattered, "blocks")]:
            network = prepared.new_network(prepared.question.recipe, X.shape[1], 0)
            targets = prepared.targets(y, network.model.loss)
            train(network, X[rows], targets[rows], batch_size=64, epochs=10, sampling=order, seed=0)
            loss = network.loss_and_gradients(X[held], targets[held])[0]
            print(f"{file} sorted by {target}, {name}: held-out loss {loss:.4f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--tables", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made(Path(name), asked.rows)
        rates(Path(name), asked.rows)
    if asked.tables is not None:
        orders(asked.tables)


if __name__ == "__main__":
    main()

"""Reading tables, encoding them and serving rows, beside polars and the network alone.

``python -m benchmarks.table_speed [--rounds 5] [--rows 1000000] [--short]``

A table of 20 mixed columns as CSV: what polars takes to read it with the types given, what
`open_table` and the understanding of its texts take, the encoding, and `predict` beside the
network's own forward pass on the encoded array in memory. Then a wide table of 400 rows, and one
row of 30 mixed columns through a model that is loaded. Alternating in one process.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks._about import machine, write_json
from benchmarks._common import parser, ratios, spread, table

from backpass import Recipe, TabularModel
from backpass.tabular.files import open_table

QUICK = Recipe(epochs=1)


def mixed(rows: int, columns: int = 20, seed: int = 0) -> pl.DataFrame:
    """Return numbers, whole numbers, categories and dates in turns, and a target of two classes."""
    rng = np.random.default_rng(seed)
    kinds: list[Callable[[], Any]] = [
        lambda: rng.normal(100, 20, rows).round(3),
        lambda: rng.normal(0, 1, rows).round(4),
        lambda: rng.integers(0, 5000, rows),
        lambda: rng.choice([f"level{i}" for i in range(30)], rows),
        lambda: np.datetime64("2015-01-01") + rng.integers(0, 3000, rows).astype("timedelta64[D]"),
    ]
    made = {f"x{i}": kinds[i % len(kinds)]() for i in range(columns - 1)}
    return pl.DataFrame({**made, "y": (made["x0"] > 100).astype(int)})


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(rows: int, wide: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Return seconds of each step in every round."""
    frame = mixed(rows)
    frame.write_csv(folder / "tall.csv")
    model = TabularModel.fit(frame[:20_000], "y", recipe=QUICK)
    typed, encoded = frame.schema, model.encoder.encode(frame)
    narrow = TabularModel.fit(mixed(2000, 30), "y", recipe=QUICK)
    one = mixed(1, 30).drop("y")
    broad = pl.DataFrame(np.random.default_rng(0).normal(size=(400, wide)).round(4))
    broad.with_columns(y=pl.col("column_0") > 0).write_csv(folder / "wide.csv")
    flat = TabularModel.fit(folder / "wide.csv", "y", recipe=QUICK)
    broad[:1].write_csv(folder / "row.csv")
    steps: dict[str, Callable[[], Any]] = {
        "polars reads, types given": lambda: pl.read_csv(folder / "tall.csv", schema=typed),
        "open_table and its texts": lambda: open_table(folder / "tall.csv", ["y"]).understand(),
        "encode": lambda: model.encoder.encode(frame),
        "network alone": lambda: model.network.predict(encoded),
        "predict": lambda: model.predict(frame),
        "wide: read": lambda: open_table(folder / "wide.csv", ["y"]).understand(),
        "wide: predict a row": lambda: flat.predict(folder / "row.csv"),
        "one row of 30 columns": lambda: narrow.predict(one),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, work in steps.items():
            taken = statistics.median(
                timed(work) for _ in range(50 if name.startswith("one") else 1)
            )
            if turn:
                seconds[name].append(taken)
    size = (folder / "tall.csv").stat().st_size / 1e6
    return {"seconds": seconds, "rows": rows, "wide": wide, "file_mb": size}


def report(results: dict[str, Any]) -> str:
    """Return the table of steps."""
    seconds = results["seconds"]
    bases = {"encode": "polars reads, types given", "predict": "network alone"}
    rows = []
    for name, taken in seconds.items():
        base = bases.get(name, "polars reads, types given" if name.startswith("open") else "")
        ratio = f"{ratios(taken, seconds[base]):.2f} / {base}" if base else ""
        rows.append([name, f"{spread(1e3 * s for s in taken):.1f}", ratio])
    head = f"{results['rows']:,} x 20 ({results['file_mb']:.0f} MB), 400 x {results['wide']:,}"
    return f"{head}\n\n{table(['step', 'ms', 'ratio'], rows)}"


def arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=5)
    options.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="of the table")
    return options.parse_args()


def main() -> None:
    told = arguments()
    print(machine())
    warnings.simplefilter("ignore")
    rows, wide = (20_000, 200) if told.short else (told.rows, 3653)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(rows, wide, 1 if told.short else told.rounds, Path(folder))
    print(report(results))
    write_json(told.json, "table_speed", results)


if __name__ == "__main__":
    main()

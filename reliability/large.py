"""Kill the fit of a table that is read in pieces at random instants, and count what that breaks.

``python -m reliability.large --times 60`` types ``backpass fit --cache`` again and again and kills
it after a random time, in whatever it is at: reading, encoding, checking, training. Whatever is
left the next one goes on from; the model at the end is compared with that of a fit left alone.
"""

import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from reliability._supervised import ended, start
from reliability.report import arguments, count, figures, program

from backpass.storage.strict_json import parse_json
from backpass.tabular.large.cache import remove
from backpass.tabular.model import TabularModel

FIT = ["fit", "data/*.parquet", "-t", "y", "--effort", "quick", "--cache", "cache"]
OFTEN = ["--checkpoint-every", "0.05"]  # seconds: many kills meet one that is written
EARLY = "import backpass.tabular.large.cache as cache; cache.EVERY = 0; "  # a note after each piece
RUN = "import sys; from backpass.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass
class Fits:
    """What was seen of them."""

    kills: int = count("`backpass fit --cache` that SIGKILL has ended")
    before: int = count("of them before there was a cache")
    encoding: int = count("while rows were encoded")
    training: int = count("with a finished cache")
    fits: int = count("fits that went on after them, to their end")
    failed: int = count("processes that failed by themselves")
    unequal: int = count("fits that ended with another model than one left alone")


def write_data(folder: Path) -> None:
    """Write a table in files of several pieces."""
    (folder / "data").mkdir()
    for i in range(20):
        X = np.random.default_rng(i).normal(size=(3000, 20))
        frame = pl.DataFrame(X).with_columns(y=pl.Series(X[:, 0] * X[:, 1] + X[:, 2] > 0))
        frame.write_parquet(folder / f"data/{i:02}.parquet")


def fit(folder: Path) -> Any:
    """Start a fit."""
    return start("-c", EARLY + RUN, *FIT, *OFTEN, folder=folder)


def parameters(folder: Path) -> bytes:
    """Return those of all networks of the model."""
    pack = TabularModel.load(folder / "data.backpass").pack
    assert pack is not None
    return b"".join(network.parameters.flat.tobytes() for network in pack.networks)


def last_note(folder: Path) -> int:
    """Return when the cache has noted how far it is, 0 before there is one."""
    manifest = folder / "cache" / "manifest.json"
    return manifest.stat().st_mtime_ns if manifest.exists() else 0


def stage(folder: Path, counts: Fits) -> None:
    """Count what a kill has met."""
    counts.kills += 1
    manifest = folder / "cache" / "manifest.json"
    if not manifest.exists():
        counts.before += 1
    elif parse_json(parse_json(manifest.read_text())[0])["sums"]:
        counts.training += 1
    else:
        counts.encoding += 1


def count_kills(asked: Any) -> tuple[dict[str, Any], bool]:
    """Kill fits until there were as many kills as asked for."""
    counts, rng = Fits(), random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        began = time.monotonic()
        ended(fit(folder))
        longest, whole = time.monotonic() - began, parameters(folder)
        while counts.kills < asked.times:
            remove(folder / "cache")
            while counts.kills < asked.times and rng.random() < 0.8:
                noted, process = last_note(folder), fit(folder)
                if rng.random() < 0.5:  # encoding takes a tenth of the time: it is waited for
                    while process.poll() is None and last_note(folder) == noted:
                        time.sleep(0.002)
                    time.sleep(rng.uniform(0, 0.3))
                else:
                    time.sleep(rng.uniform(0.5, longest))
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    stage(folder, counts)
                elif process.returncode:
                    counts.failed += 1
                process.communicate()
            ended(fit(folder))
            counts.fits += 1
            counts.unequal += parameters(folder) != whole
    return figures(counts), bool(counts.failed + counts.unequal)


if __name__ == "__main__":
    parser = arguments(__doc__, times=(60, "kills"), seed=(0, "of the instants"))
    program(
        parser.parse_args(),
        "Killed while it fits a table that is read in pieces",
        "python -m reliability.large --times {times} --seed {seed}",
        count_kills,
    )

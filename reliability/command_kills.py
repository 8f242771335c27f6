"""Kill ``backpass fit`` at random instants, and count what that breaks.

``python -m reliability.command_kills --times 100`` types the same line again and again, with
``--checkpoint`` and ``--resume``, and sends the process SIGKILL after a random time. After every
kill the checkpoints and the model file, where there is one, are read. A fit that comes to its end
must leave the model of one that was left alone.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reliability.report import here, write_result

from backpass import TabularModel
from backpass.errors import ModelFileError
from backpass.storage.container import read_container
from backpass.tabular.model_file import KIND as MODEL
from backpass.tabular.model_file import MODEL_SCHEMA
from backpass.training.checkpoints import KIND, checkpoints_in
from backpass.training.snapshots import SNAPSHOT_SCHEMA

ROWS, EPOCHS = 3000, 60
LINE = ["fit", "t.csv", "--target", "y", "--epochs", str(EPOCHS), "--seed", "0"]
LINE += ["--checkpoint", "run", "--resume", "--checkpoint-every", "0.05", "--model", "m.backpass"]
TIMEOUT = 600.0


@dataclass
class Counts:
    """What was seen.

    Parameters
    ----------
    kills : int
        Processes that SIGKILL has ended.
    before, training, after : int
        Of those, the ones without a checkpoint yet, with one and without a model, with a model.
    fits : int
        Fits that came to their end.
    unreadable : int
        Checkpoints and model files that could not be read after a kill.
    failed : int
        Processes that ended by themselves with another exit code than 0.
    unequal : int
        Fits whose model is another than that of a fit left alone.
    """

    kills: int = 0
    before: int = 0
    training: int = 0
    after: int = 0
    fits: int = 0
    unreadable: int = 0
    failed: int = 0
    unequal: int = 0


def write_table(path: Path) -> None:
    """Write a table of numbers and text, of which the last column is the target."""
    rng = np.random.default_rng(0)
    X, city = rng.normal(size=(ROWS, 4)).round(4), rng.choice(["Bonn", "Oslo", ""], ROWS)
    y = np.where(X[:, 0] * X[:, 1] + (city == "Oslo") > 0.3, "yes", "no")
    lines = [",".join([*map(str, row), *rest]) for *rest, row in zip(city, y, X, strict=True)]
    path.write_text("\n".join(["a,b,c,d,city,y", *lines]) + "\n", encoding="utf-8")


def start(place: Path) -> "subprocess.Popen[bytes]":
    """Type the line in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "backpass", *LINE],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def content(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what a model file holds but for the seconds that training took."""
    told, arrays = read_container(path, MODEL, MODEL_SCHEMA)
    told["history"].pop("seconds")
    return told, {name: array.tobytes() for name, array in arrays.items()}


def judge(place: Path, counts: Counts) -> None:
    """Read every file that a killed process has left."""
    counts.kills += 1
    checkpoints, model = checkpoints_in(place / "run"), place / "m.backpass"
    if model.exists():
        counts.after += 1
    elif checkpoints:
        counts.training += 1
    else:
        counts.before += 1
    for path in [*checkpoints, *[model] * model.exists()]:
        try:
            if path == model:
                TabularModel.load(path)
            else:
                read_container(path, KIND, SNAPSHOT_SCHEMA)
        except ModelFileError as error:
            counts.unreadable += 1
            sys.stdout.write(f"unreadable: {error}\n")


def kill(times: int, seed: int) -> Counts:
    """Kill so many processes; the last fit is left to come to its end.

    Parameters
    ----------
    times : int
    seed : int
        Of the instants.
    """
    rng, counts = random.Random(seed), Counts()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder)
        write_table(whole / "t.csv")
        began = time.monotonic()
        with start(whole) as process:
            if process.wait(TIMEOUT):
                raise SystemExit(f"a fit failed: {process.communicate()[1].decode()}")
        seconds = time.monotonic() - began
        wanted = content(whole / "m.backpass")
    while counts.kills < times:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            write_table(place / "t.csv")
            one_fit(place, times, lambda: rng.uniform(0, 1.1 * seconds), counts)
            if (place / "m.backpass").exists():
                counts.fits += 1
                counts.unequal += content(place / "m.backpass") != wanted
        sys.stdout.write(f"{counts}\n")
        sys.stdout.flush()
    return counts


def one_fit(place: Path, times: int, instant: Any, counts: Counts) -> None:
    """Start a fit again and again until it comes to its end."""
    while True:
        with start(place) as process:
            if counts.kills < times:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(instant())
                process.kill()  # nothing happens to one that has ended
            code, told = process.wait(TIMEOUT), process.communicate()[1].decode()
        if code >= 0:
            counts.failed += code > 0
            sys.stdout.write(told if code else "")
            return
        judge(place, counts)


def figures(counts: Counts) -> dict[str, Any]:
    """Return the counts as the page names them."""
    c = counts
    return {
        "processes that SIGKILL has ended": c.kills,
        "of them before the first checkpoint": c.before,
        "with a checkpoint and without a model": c.training,
        "with a model already": c.after,
        "fits that went on after them, to their end": c.fits,
        "checkpoints and model files that could not be read": c.unreadable,
        "processes that failed by themselves": c.failed,
        "fits that ended with another model than one left alone": c.unequal,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=100, metavar="N", help="kills")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the counts go")
    told = parser.parse_args()
    machine, counts = here(), kill(told.times, told.seed)
    if told.json is not None:
        command = f"python -m reliability.command_kills --times {told.times} --seed {told.seed}"
        title = "`backpass fit`, killed"
        write_result(told.json, title, command, machine, figures(counts))
    if counts.unreadable or counts.failed or counts.unequal:
        raise SystemExit(f"broken: {asdict(counts)}")


if __name__ == "__main__":
    main()

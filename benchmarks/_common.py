"""What the benchmarks share: the networks, their data, exact counts of work, medians and tables.

Nothing here is timed. Data are drawn from a seed and can be learnt; every program starts from the
same parameters, and its final loss is computed by :func:`final_loss`, one function for all.
"""

import argparse
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

ROOT = Path(__file__).parent.parent
INSTALL = "pip install 'backpass[peers]'"
SGEMM = 2048  # rows and columns of the matrix product that measures the machine

Array = np.ndarray[Any, Any]
Layers = list[tuple[Array, Array]]


@dataclass(frozen=True)
class Config:
    """A network, its batch, and how many rows an epoch has.

    Parameters
    ----------
    sizes : tuple of int
        Units of every layer, inputs first.
    batch : int
        Rows of a mini-batch.
    rows : int
        Rows of the data set.
    """

    sizes: tuple[int, ...]
    batch: int
    rows: int

    @property
    def name(self) -> str:
        """The sizes with hyphens: ``"30-64-64-2"``."""
        return "-".join(map(str, self.sizes))

    @property
    def steps(self) -> int:
        """Updates in an epoch; the last may have fewer rows."""
        return -(-self.rows // self.batch)

    def __str__(self) -> str:
        return f"{self.name}, batch {self.batch}, {thousands(self.rows)} rows"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the configuration whose text this is."""
        name, batch, rows = (re.sub(r"[^\d-]", "", part) for part in text.split(","))
        return cls(tuple(map(int, name.split("-"))), int(batch), int(rows))


CONFIGS = (
    Config((30, 64, 64, 2), 32, 20_000),
    Config((64, 256, 256, 10), 256, 50_000),
    Config((784, 128, 10), 64, 60_000),
    Config((784, 512, 512, 10), 128, 60_000),
    Config((784, 2048, 2048, 10), 512, 10_240),
)
SHORT = (Config((8, 16, 3), 32, 500),)


def chosen(names: Sequence[str] | None, configs: Sequence[Config]) -> list[Config]:
    """Return the configurations of these names (``"784-128-10"``), all where none is given."""
    found = [config for config in configs if not names or config.name in names]
    unknown = set(names or ()) - {config.name for config in configs}
    if unknown:
        known = ", ".join(config.name for config in configs)
        raise SystemExit(f"unknown configuration: {', '.join(sorted(unknown))}; known: {known}")
    return found


# --- data ------------------------------------------------------------------------------------


def learnable(rows: int, inputs: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Return normal float32 rows and the class of a linear rule, one label in ten at random."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, inputs), dtype=np.float32)
    y = (X @ rng.standard_normal((inputs, classes), dtype=np.float32)).argmax(axis=1)
    wrong = rng.random(rows) < 0.1
    y[wrong] = rng.integers(0, classes, wrong.sum())
    return X, y.astype(np.int64)


def first_parameters(sizes: Sequence[int], seed: int = 1) -> Array:
    """Return the flat float32 parameters W_1, b_1, W_2, … that everybody starts from."""
    from backpass import Network

    network = Network(sizes, "relu", "softmax", "cross_entropy", seed=seed, dtype="float32")
    return np.asarray(network.parameters.flat)


def layers_of(sizes: Sequence[int], flat: Array) -> Layers:
    """Return (W, b) of every layer as views of `flat`; W is (in, out)."""
    layers, at = [], 0
    for n_in, n_out in pairwise(sizes):
        W = flat[at : at + n_in * n_out].reshape(n_in, n_out)
        at += W.size + n_out
        layers.append((W, flat[at - n_out : at]))
    return layers


def logits(layers: Layers, X: Array) -> Array:
    """Return the pre-activations of the output of a ReLU network for the rows of `X`."""
    a = X
    for W, b in layers[:-1]:
        a = np.maximum(a @ W + b, 0)
    W, b = layers[-1]
    return np.asarray(a @ W + b)


def final_loss(layers: Layers, X: Array, y: Array) -> float:
    """Return the mean softmax cross-entropy (natural logarithm) of a ReLU network."""
    total = 0.0
    for start in range(0, len(X), 4096):
        z = logits(layers, X[start : start + 4096]).astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        labels = y[start : start + 4096]
        total += (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).sum()
    return float(total / len(X))


def save_problem(folder: Path, config: Config) -> None:
    """Write what every worker of `config` loads: rows, labels, first parameters."""
    X, y = learnable(config.rows, config.sizes[0], config.sizes[-1])
    flat = first_parameters(config.sizes)
    for name, array in {"X": X, "y": y, "flat": flat}.items():
        np.save(folder / f"{name}.npy", array)


def load_problem(folder: str) -> tuple[Array, Array, Array]:
    """Return rows, labels and first parameters."""
    X, y, flat = (np.load(Path(folder) / f"{name}.npy") for name in ("X", "y", "flat"))
    return X, y, flat


# --- counting --------------------------------------------------------------------------------


def step_flops(sizes: Sequence[int], rows: int) -> int:
    """Return the multiplications and additions of the matrix products of one training step.

    F1 and B3 in every layer; B2a from the last layer down to layer 1, whose inputs need no
    derivative. Everything else (activations, loss, update) is left out.
    """
    products = [2 * rows * n_in * n_out for n_in, n_out in pairwise(sizes)]
    return 2 * sum(products) + sum(products[1:])


def epoch_flops(config: Config) -> int:
    """Return the operations of an epoch, the smaller last batch counted as it is."""
    full, rest = divmod(config.rows, config.batch)
    return full * step_flops(config.sizes, config.batch) + step_flops(config.sizes, rest)


# --- medians and tables ----------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, between the least and the most.

    Parameters
    ----------
    median, least, most : float
    """

    median: float
    least: float
    most: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.least:{spec}} to {self.most:{spec}})"


def spread(values: Iterable[float]) -> Spread:
    """Return median, least and most of `values`."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Return the spread of theirs / ours, round by round: above 1 is where we are faster."""
    return spread(a / b for a, b in zip(theirs, ours, strict=True))


def thousands(number: float) -> str:
    """Return a whole number with its thousands set apart by spaces."""
    return f"{number:,.0f}".replace(",", " ")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left, the others to the right."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --- the programs ----------------------------------------------------------------------------


def our_engine() -> str:
    """Return the engine that ``"auto"`` takes here: ``"native"`` where it was built."""
    from backpass import Network
    from backpass.core.settings import Settings
    from backpass.training.trainer import Trainer

    X = np.zeros((1, 1))
    return Trainer(Network([1, 1]), X, X, settings=Settings()).engine.name


def parser(doc: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser of the options that the programs share, described by the module's text."""
    raw = argparse.RawDescriptionHelpFormatter
    result = argparse.ArgumentParser(description=doc, formatter_class=raw)
    result.add_argument("--rounds", type=int, default=rounds, help="interleaved rounds")
    result.add_argument("--json", type=Path, metavar="FILE", help="write what was measured, too")
    result.add_argument("--short", action="store_true", help="seconds: does the program work?")
    return result

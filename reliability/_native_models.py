"""Networks and settings of a native run, good and hostile, and what the equations say of them."""

from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
import scipy.sparse

from backpass.core import backprop
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.parameters import Model, Parameters, parameter_count
from backpass.engines.native import specs_of

HIDDEN = [record.name for record in ACTIVATIONS.records() if record.hidden]
PAIRS = [(output, loss.name) for loss in LOSSES.records() for output in loss.outputs]
HOSTILE: dict[str, list[Any]] = {
    "sizes": [[], [4], [0, 3], [4, -1, 2], [2**31 - 1, 1], [1, 2**31 - 1], [2**40, 3], "abc", None,
              [2**31 - 1, 2**31 - 1], [3, 2**31 - 8, 1], [2.5, 1]],
    "activations": [[], [("warp", [])], [("softmax", []), ("softmax", [])], ["relu"], None, [1]],
    "loss": [("warp", []), ("", []), ("hinge",), None, 3, ("poisson", ["x"])],
    "optimizer": [("warp", []), ("adam",), None, "sgd"],
    "batch_size": [0, -1, 2**63 - 1, 2**64, 1.5, None],
    "n_threads": [0, -1, 1025, 2**40, None],
    "seed": [-1, 2**64, 0.5],
    "alpha": ["x", None],
    "sixth": [1],
}  # fmt: skip
ODD = {  # taken as they come: what they make of the numbers is NaN at worst
    "alpha": [-1.0, np.nan, np.inf, 1e300],
    "dropout": [-1.0, 1.0, 2.0, np.nan],
    "clip_norm": [-1.0, np.nan, np.inf, 1e-300],
    "ceiling": [0.0, -1.0, np.nan],
    "smoothing": [-1.0, 2.0, np.nan],
    "batch_size": [2**40, 2048, 5000],
    "n_threads": [64],
}


@dataclass
class Draw:
    """A network as native code takes it, and the same as the equations do."""

    sizes: list[int]
    model: Model  # in float64, its parameters to be replaced
    dtype: Any  # of the run
    batch_size: int
    n_threads: int
    smoothing: float = 0.0  # of class labels
    odd: bool = False  # whether a setting makes nonsense of the numbers

    @cached_property
    def activations(self) -> Any:
        """Their names and numbers."""
        return specs_of(self.model)

    @property
    def count(self) -> int:
        """Number of parameters."""
        return parameter_count(self.sizes)

    @property
    def labelled(self) -> bool:
        """Whether targets may be class labels."""
        return self.model.loss.name == "cross_entropy"

    @property
    def tolerance(self) -> tuple[float, float]:
        """Relative and absolute error that rounding may make, generously."""
        return (2e-2, 2e-2) if self.dtype == np.float32 else (1e-7, 1e-7)

    def parameters(self, rng: Random) -> Any:
        """Return parameters of a usual size."""
        draw = np.random.default_rng(rng.getrandbits(63))
        return (draw.normal(size=self.count) / np.sqrt(max(self.sizes))).astype(self.dtype)

    def targets(self, rng: Random, n: int) -> Any:
        """Return targets (n, k) that the loss takes, of some dtype."""
        draw, k = np.random.default_rng(rng.getrandbits(63)), self.sizes[-1]
        name = self.model.loss.name
        if name == "cross_entropy":
            return np.eye(k)[draw.integers(k, size=n)].astype(rng.choice(("f4", "f8", "u1", "?")))
        y = draw.integers(2, size=(n, k))
        if "hinge" in name:
            return (2 * y - 1).astype(rng.choice(("f4", "f8", "i1", "i8")))
        return y.astype(rng.choice(("f4", "f8", "u1", "i4", "?")))

    def settings(self, rng: Random) -> tuple[list[Any], dict[str, Any], bool | None]:
        """Return the arguments of a run after the instruction set, and whether they are right."""
        loss, optimizer = self.model.loss, rng.choice(OPTIMIZERS.records())
        positional = [
            self.sizes,
            self.activations,
            (loss.name, [float(x) for x in loss.numbers.values()]),
            (optimizer.name, [float(x) for x in optimizer.numbers.values()]),
        ]
        keywords = {
            "batch_size": self.batch_size,
            "n_threads": self.n_threads,
            "alpha": rng.choice((0.0, 0.1)),
            "decoupled": optimizer.decoupled,
            "dropout": rng.choice((0.0, 0.3)),
            "seed": rng.getrandbits(64),
            "clip_norm": rng.choice((0.0, 0.5)),
            "ceiling": np.inf,
            "smoothing": self.smoothing,
        }
        kind, right = rng.random(), True
        if kind < 0.15:
            name, right = rng.choice(list(HOSTILE)), False
            names = ("sizes", "activations", "loss", "optimizer")
            if name in names:
                positional[names.index(name)] = rng.choice(HOSTILE[name])
            else:
                keywords[name] = rng.choice(HOSTILE[name])
        elif kind < 0.3:
            name = rng.choice(list(ODD))
            keywords[name] = rng.choice(ODD[name])
            self.odd = name in ("ceiling", "smoothing")
            self.batch_size, self.n_threads = keywords["batch_size"], keywords["n_threads"]
        return positional, keywords, right


def draw_model(rng: Random, dtype: Any) -> Draw:
    """Return a network of random sizes and records."""
    widths = (1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 130)
    sizes = [rng.choice(widths) for _ in range(rng.choice((2, 3, 3, 4)))]
    output, loss = rng.choice(PAIRS)
    if output == "softmax":
        sizes[-1] = max(2, sizes[-1])
    theta = Parameters(sizes, np.zeros(parameter_count(sizes)))
    hidden = [rng.choice(HIDDEN) for _ in sizes[2:]]
    model = Model.from_specs(theta, [*hidden, output], loss)
    batch_size, n_threads = rng.choice((1, 3, 8, 64)), rng.choice((1, 1, 2, 3))
    smoothing = rng.choice((0.0, 0.1)) if loss == "cross_entropy" else 0.0
    return Draw(sizes, model, dtype, batch_size, n_threads, smoothing)


def _dense(X: Any, width: int, dtype: Any) -> Any:
    """Return rows as the engine reads them, in float64."""
    if isinstance(X, tuple):
        X = scipy.sparse.csr_array(X, shape=(len(X[2]) - 1, width)).toarray()
    return X.reshape(len(X), width).astype(dtype).astype(np.float64)


def _with(draw: Draw, flat: Any) -> Model:
    return draw.model.with_parameters(Parameters(draw.sizes, flat.astype(np.float64)))


def _is_unclear(X: Any, flat: Any) -> bool:
    """Return whether an entry that is not stored would meet a weight that is not finite."""
    return isinstance(X, tuple) and not np.isfinite(flat).all()


def reference_output(draw: Draw, flat: Any, X: Any) -> Any:
    """Return the predictions for the rows of X by the equations in float64; inf where none."""
    with np.errstate(all="ignore"):
        rows = _dense(X, draw.sizes[0], draw.dtype)
        if _is_unclear(X, flat):
            return np.full((len(rows), draw.sizes[-1]), np.inf)
        return backprop.forward(_with(draw, flat), rows).a[-1]


def reference_cost(draw: Draw, flat: Any, given: Any, rows: Any) -> float:
    """Return the mean cost of some rows by the equations, in float64; infinite where none is.

    The rows are of what the run was given: X, y, labels and weights.
    """
    X, y, labels, weights = given
    k = draw.sizes[-1]
    s = np.ones(len(rows)) if weights is None else weights[rows].astype(np.float64)
    if draw.odd or not s.sum() > 0 or _is_unclear(X, flat):
        return np.inf
    with np.errstate(all="ignore"):
        if labels is None:
            Y = _dense(y, k, draw.dtype)[rows]
        else:
            Y = np.eye(k)[labels[rows]] * (1 - draw.smoothing) + draw.smoothing / k
        model = _with(draw, flat)
        passed = backprop.forward(model, _dense(X, draw.sizes[0], draw.dtype)[rows])
        return float(backprop.cost(model, passed, Y, s).total)

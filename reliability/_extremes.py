"""Training on extreme numbers: what is drawn, and what must be true of how it ends."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.network.network import Network

ROWS, INPUTS = 24, 3
LARGEST = float(np.finfo(np.float32).max)

Data = Callable[[Any], Any]

FEATURES: dict[str, Data] = {
    "ordinary": lambda x: x,
    "1e30": lambda x: x * 1e30,
    "1e38": lambda x: np.clip(x, -3, 3) * 1e38,
    "largest float32": lambda x: np.where(x > 0, LARGEST, -LARGEST),
    "1e300": lambda x: x * 1e300,
    "1e-40": lambda x: x * 1e-40,
    "1e-310": lambda x: x * 1e-310,
    "1e-30 to 1e30": lambda x: x * np.array([1e-30, 1, 1e30]),
    "constant columns": lambda x: np.full_like(x, 3.0),
    "constant, and one other row": lambda x: np.where(
        np.arange(x.size).reshape(x.shape) < 3, 9.0, 3.0
    ),
    "zeros": np.zeros_like,
    "one row": lambda x: x[:1],
    "equal rows": lambda x: np.repeat(x[:1], len(x), axis=0),
}
"""What becomes of ordinary features (N, 3), by name."""

TAME = (
    "ordinary", "1e-40", "1e-310", "constant columns", "constant, and one other row", "zeros",
    "one row", "equal rows",
)  # fmt: skip
"""Features on which ordinary settings must train."""

TARGETS: dict[str, Data] = {
    "ordinary": lambda y: y,
    "1e30": lambda y: y * 1e30,
    "1e300": lambda y: y * 1e300,
    "1e-30": lambda y: y * 1e-30,
    "1e-310": lambda y: y * 1e-310,
    "constant": lambda y: np.full_like(y, 2.0),
    "zeros": np.zeros_like,
}
"""What becomes of ordinary numeric targets, by name; labels are ordinary, or all the same."""

WEIGHTS: dict[str, Any] = {
    "none": lambda n: None,
    "2": lambda n: np.full(n, 2.0),
    "1e-30": lambda n: np.full(n, 1e-30),
    "1e30": lambda n: np.full(n, 1e30),
    "1e-300": lambda n: np.full(n, 1e-300),
    "1e300": lambda n: np.full(n, 1e300),
    "5e-324": lambda n: np.full(n, 5e-324),
    "0 and 1": lambda n: np.arange(n) % 2 + (n == 1.0),
    "1e-300 and 1e300": lambda n: np.where(np.arange(n) % 2, 1e-300, 1e300),
}

SETTINGS: dict[str, tuple[Any, ...]] = {
    "weights": tuple(WEIGHTS),
    "rate": (1e-30, 1e-3, 1.0, 1e3, 1e10, 1e30, 1e300),
    "alpha": (0.0, 1e-4, 1e30, 1e300),
    "clip": (None, 1.0, 1e-30, 1e-300),
    "epsilon": (1e-8, 1e-18, 1e30, 1e300),
    "batch": (1, 8, ROWS),
}
"""What is drawn for the other fields of a `Case`."""

PAIRS = [(loss.name, output) for loss in LOSSES.records() for output in loss.outputs]
HIDDEN = [phi.name for phi in ACTIVATIONS.records() if phi.hidden]


class Wrong(Exception):  # noqa: N818  (what is found, not a failure of this program)
    """Raised where something neither ended right nor stopped as it should."""


@dataclass(frozen=True)
class Case:
    """One way to train."""

    hidden: str
    loss: str
    output: str
    optimizer: str
    dtype: str
    features: str
    targets: str
    weights: str = "none"
    rate: float = 1e-3
    alpha: float = 0.0
    clip: float | None = None
    epsilon: float = 1e-8
    batch: int = ROWS

    @property
    def tame(self) -> bool:
        """Whether it must train."""
        ordinary = Case(self.hidden, self.loss, self.output, self.optimizer, self.dtype, "", "")
        if self.output == "exp" and self.features not in ("1e-40", "1e-310", "zeros"):
            return False  # the square of e^z runs away by itself
        return (
            self.features in TAME
            and self.targets in ("ordinary", "constant", "zeros", "1e-30", "1e-310")
            and self.weights in ("none", "2", "0 and 1")
            and self.rate <= ordinary.rate
            and self.alpha <= 1e-4
            and self.clip in (None, 1.0)
            and self.epsilon == ordinary.epsilon
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What `train` is told."""
        optimizer = self.optimizer
        if "epsilon" in OPTIMIZERS.get_record(optimizer).numbers:
            optimizer += f":epsilon={self.epsilon!r}"
        return {
            "optimizer": optimizer,
            "learning_rate": self.rate,
            "alpha": self.alpha,
            "clip_norm": self.clip,
            "batch_size": self.batch,
            "sampling": "sequential",
            "epochs": 3,
            "n_threads": 1,
        }

    def network(self) -> Network:
        """Return the network that is trained, the same at every call."""
        k = 3 if self.output == "softmax" else 2
        return Network(
            [INPUTS, 4, k], self.hidden, self.output, self.loss, seed=1, dtype=self.dtype
        )

    def data(self) -> tuple[Any, Any, Any]:
        """Return features, targets and sample weights, the same at every call."""
        rng = np.random.default_rng(2)
        x = rng.normal(size=(ROWS, INPUTS))
        k = 3 if self.output == "softmax" else 2
        y = np.abs(rng.normal(size=(ROWS, k))) + 0.5
        with np.errstate(over="ignore", under="ignore"):
            X = np.asarray(FEATURES[self.features](x))
            if self.dtype == "float32" and self.features != "1e300":
                X = X.astype(np.float32)
            n = len(X)
            y = self._targets(y)[:n]
        return X, y, WEIGHTS[self.weights](n)

    def _targets(self, y: Any) -> Any:
        task, same = LOSSES.get_record(self.loss).task, self.targets in ("constant", "zeros")
        if task == "regression":
            return TARGETS[self.targets](y)
        if self.loss == "cross_entropy":
            return np.zeros(ROWS, int) if same else np.arange(ROWS) % 3
        right = np.ones(y.shape) if same else (np.arange(ROWS)[:, None] + [0, 1]) % 2
        return 2.0 * right - 1 if task == "margin" else 1.0 * right


def draw(rng: random.Random, number: int) -> Case:
    """Return a case; one of two is ordinary but for features, targets and one thing more.

    Activations, pairs of loss and output, and optimisers are gone through in turn, so that a few
    hundred cases have met each of them. What float32 cannot hold is drawn for one case of ten.
    """
    dtype = rng.choice(("float32", "float64"))
    any_size = dtype == "float64" or rng.random() < 0.1

    def chosen(values: Any) -> Any:
        return rng.choice([v for v in values if any_size or "300" not in str(v)])

    drawn = {name: chosen(values) for name, values in SETTINGS.items()}
    if number % 2:
        name = rng.choice(list(drawn))
        drawn = {name: drawn[name]}
    loss, output = PAIRS[number % len(PAIRS)]
    return Case(
        hidden=HIDDEN[number % len(HIDDEN)],
        loss=loss,
        output=output,
        optimizer=list(OPTIMIZERS)[number // 2 % len(list(OPTIMIZERS))],
        dtype=dtype,
        features=chosen(FEATURES),
        targets=chosen(TARGETS),
        **drawn,
    )

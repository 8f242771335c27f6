"""The rows of a page: an example, a table encoded as ``fit`` does, or rows that were given."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.losses import LOSSES
from backpass.errors import InputError, TableWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backpass.tabular.raw_table import RawTable

JUDGED = 5
"""Every fifth row of an example judges and does not train: the part that ``fit`` holds out."""


NAMED = 10
"""Of the rows of an update; more would fill the page."""

COLUMN_HEADS = ("column", "kind", "missing", "levels", "inputs", "note", "what a cell x becomes")
"""Of the columns of a table, as the encoder describes them."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to train on, and those that judge."""

    name: str
    X: NDArray[Any]  # (N, n_0)
    y: NDArray[Any]  # (N,) classes 0 … classes − 1; else (N,) or (N, k) as the loss takes them
    classes: int = 0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    judged: tuple[NDArray[Any], NDArray[Any]] | None = None
    numbers: Sequence[int] | NDArray[Any] | None = None  # of the rows in their table, from 0
    line_of: Callable[[int], Any] | None = None  # from such a number to the line in the file
    columns: Sequence[tuple[Any, ...]] = ()  # of a table, how each was encoded, as COLUMN_HEADS

    @property
    def names(self) -> dict[int, str]:
        """What the inputs are called, by their places."""
        return dict(enumerate(self.inputs or (f"input {i + 1}" for i in range(self.X.shape[1]))))

    def called(self, places: Sequence[int] | NDArray[Any]) -> str:
        """Return what rows are called as messages call them: by line, or by number from 1."""
        told = ", ".join(self.number(place) for place in places[:NAMED])
        return f"{self.word}{'s' * (len(places) > 1)} {told}" + ", …" * (len(places) > NAMED)

    @property
    def word(self) -> str:
        """What a row's number is."""
        return "line" if self.line_of else "row"

    def number(self, place: int) -> str:
        """Return the line of a row in its file, or its number from 1."""
        n = int(place if self.numbers is None else self.numbers[place])
        return str(self.line_of(n) if self.line_of else n + 1)

    def place_of(self, number: str) -> int:
        """Return the place of a row by what it is called; an `InputError` where none trains."""
        for place in range(len(self.X)):
            if self.number(place) == number.strip():
                return place
        some = ", ".join(self.number(place) for place in range(min(3, len(self.X))))
        raise InputError(f"{self.word} {number!r} is none that trains; there are {some}, …")

    def targets(self, loss: str, output: str) -> tuple[int, Callable[[Any], Any]]:
        """Return how many outputs a network has for a loss, and what makes its targets of y."""
        record, two = LOSSES.get_record(loss), self.classes == 2 and output != "softmax"
        if not self.classes:
            return (1 if self.y.ndim == 1 else self.y.shape[1]), np.asarray
        if output == "softmax" and record.name == "cross_entropy":
            return self.classes, np.asarray
        margin = record.task == "margin"  # whose classes are −1 and 1

        def encoded(y: NDArray[Any]) -> NDArray[Any]:
            columns = y[:, None] == 1 if two else y[:, None] == np.arange(self.classes)
            found: NDArray[Any] = columns * 2.0 - 1 if margin else columns * 1.0
            return found

        return (1 if two else self.classes), encoded

    def to_dict(self) -> dict[str, Any]:
        """Return the rows to train on as JSON has them, for a set-up."""
        names = {"inputs": list(self.inputs), "outputs": list(self.outputs)}
        numbers = {"X": self.X.tolist(), "y": self.y.tolist()}
        return {"name": self.name, "classes": self.classes, **names, **numbers}


def given_rows(told: dict[str, Any]) -> Rows:
    """Return the rows of a set-up; their lengths are checked here, all else by its schema."""
    widths = {len(row) for row in told["X"]}
    try:
        y = np.array(told["y"])
    except ValueError:  # of different lengths
        y = np.empty(0)
    if len(widths) != 1 or widths == {0} or len(y) != len(told["X"]):
        raise InputError("set-up.data: X and y need rows of one length each, and as many")
    X, classes = np.array(told["X"], dtype=float), told["classes"]
    if classes and not (y.ndim == 1 and np.isin(y, np.arange(classes)).all()):
        raise InputError(f"set-up.data.y: give a class 0 … {classes - 1} a row")
    inputs, outputs = tuple(told["inputs"]), tuple(told["outputs"])
    if inputs and len(inputs) != X.shape[1]:
        raise InputError(f"set-up.data.inputs: {len(inputs)} names for {X.shape[1]} inputs")
    y = y.astype(int if classes else float)
    return Rows(told["name"], X, y, classes, inputs, outputs)


def table_rows(raw: RawTable, target: str, seed: int = 0) -> Rows:
    """Return a table's rows, encoded and split as ``fit`` does."""
    from backpass.tabular.question import Question
    from backpass.tabular.setup import arrange

    arranged = arrange(raw, Question(target, seed=seed), None)
    prepared, judged = arranged.prepared, arranged.test
    encoder = prepared.encoder
    names, d = tuple(encoder.get_feature_names_out()), prepared.sizes[0]
    X, Xv = (np.asarray(part.X[:, :d], dtype=float) for part in (prepared.rows, judged))
    y, yv = prepared.rows.y, judged.y
    if not prepared.classes:
        y, yv = (np.asarray(part, dtype=float) for part in (y, yv))
    outputs = prepared.classes or (target,)
    columns = [
        (*astuple(told), learnt.formula(encoder.clip))
        for told, learnt in zip(encoder.describe(), encoder.columns_, strict=True)
    ]
    if not prepared.classes:
        columns.append((target, "target", "", "", "", "", prepared.target.formula))
    return Rows(
        raw.label, X, y, len(prepared.classes), names[:d], outputs, (Xv, yv),
        arranged.rows, raw.line_of, columns,
    )  # fmt: skip


# --- examples --------------------------------------------------------------------------------


def _split(name: str, X: NDArray[Any], y: NDArray[Any], classes: int) -> Rows:
    """Return every fifth row as one that judges."""
    last, names = np.arange(len(X)) % JUDGED == JUDGED - 1, ("x₁", "x₂")[: X.shape[1]]
    return Rows(name, X[~last], y[~last], classes, names, (), (X[last], y[last]))


def _two_arcs(name: str, arcs: Callable[[Any, Any], Any], noise: float) -> Rows:
    """Return 200 points near a curve of each of two classes, in turns."""
    rng, which = np.random.default_rng(0), np.arange(200) % 2
    X = arcs(rng.random(200), which) + noise * rng.normal(size=(200, 2))
    return _split(name, X, which, 2)


def _moons(t: Any, which: Any) -> Any:
    sign, angle = 1 - 2 * which, np.pi * t
    return np.stack([sign * np.cos(angle) + which - 0.5, sign * np.sin(angle) + 0.5 * which], 1)


def _circles(t: Any, which: Any) -> Any:
    angle, radius = 2 * np.pi * t, np.where(which == 1, 0.4, 1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def _spirals(t: Any, which: Any) -> Any:
    angle = 3 * np.pi * np.sqrt(t) + np.pi * which
    return np.stack([np.sqrt(t) * np.cos(angle), np.sqrt(t) * np.sin(angle)], 1)


def _curve() -> Rows:
    rng, x = np.random.default_rng(0), np.linspace(-2, 2, 80)[:, None]
    return _split("curve", x, np.sin(2 * x) + 0.15 * rng.normal(size=x.shape), 0)


def _digits() -> Rows:
    from backpass.tabular.files import example_target, open_table

    raw, target = open_table("example:digits"), str(example_target("example:digits"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)  # pixels in the corners that are always 0
        return replace(table_rows(raw, target), name="digits")


EXAMPLES: dict[str, Callable[[], Rows]] = {
    "xor": lambda: Rows(
        "xor", np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0]), 2
    ),
    "thin": lambda: Rows("thin", np.array([[1.5]]), np.array([1.0])),
    "moons": lambda: _two_arcs("moons", _moons, 0.15),
    "circles": lambda: _two_arcs("circles", _circles, 0.08),
    "spirals": lambda: _two_arcs("spirals", _spirals, 0.03),
    "curve": _curve,
    "digits": _digits,
}
"""Every example by name."""

STARTS: dict[str, dict[str, Any]] = {
    "xor": {"hidden": (3,), "learning_rate": 0.5, "batch_size": 1},
    "thin": {"hidden": (1, 1), "activations": ("tanh", "logistic"),
             "parameters": (0.5, 0.0, -1.0, 0.5, 2.0, 0.25)},
    "moons": {"hidden": (6, 4), "learning_rate": 0.3, "batch_size": 10},
    "circles": {"hidden": (4,), "learning_rate": 0.3, "batch_size": 10},
    "spirals": {"hidden": (16, 16), "optimizer": "adam", "learning_rate": 0.01, "batch_size": 10},
    "curve": {"batch_size": 10},
    "digits": {"hidden": (32,), "learning_rate": 0.2, "batch_size": 32},
}  # fmt: skip
"""What an example starts with where it is not what :func:`start_for` says; `thin` is note 3's."""


def start_for(rows: Rows) -> dict[str, Any]:
    """Return the parts of a set-up that suit some rows: a small network that learns them."""
    told: dict[str, Any] = {"output": "identity", "loss": "squared_error", "hidden": (8,),
                            "learning_rate": 0.1, "batch_size": min(16, len(rows.X)),
                            "optimizer": "sgd", "parameters": None}  # fmt: skip
    if rows.classes:
        pair = ("logistic", "binary_cross_entropy"), ("softmax", "cross_entropy")
        told["output"], told["loss"] = pair[rows.classes > 2]
    told |= STARTS.get(rows.name, {})
    return {"activations": ("tanh",) * len(told["hidden"]), **told}


@cache
def example_rows(name: str) -> Rows:
    """Return an example's rows."""
    if name not in EXAMPLES:
        raise InputError(f"unknown example {name!r}; known: {', '.join(EXAMPLES)}")
    return EXAMPLES[name]()

"""One tab of the page: what it holds, and what each of its commands does to that."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.derivatives.checking import check_gradients
from backpass.derivatives.homework import explain_mismatch
from backpass.derivatives.homework.answer_files import READERS
from backpass.errors import InputError, TableError
from backpass.page.course import Course
from backpass.page.data import Rows, example_rows, start_for, table_rows
from backpass.page.holding import Held, hold
from backpass.page.setup import Setup, read_setup
from backpass.page.stepping import Walk
from backpass.page.training import PACES, Training
from backpass.storage import schema
from backpass.storage.schema import OneOf, Optional, Text

if TYPE_CHECKING:
    from backpass.tabular.files import RawTable

CHECKED_ROWS, CHECKED_ENTRIES = 8, 50
"""Of a certificate on the page: enough to find any wrong equation, in a second."""

ALL = (
    "message",
    "build",
    "counters",
    "picture",
    "step",
    "hold",
    "training",
    "frame",
    "judge",
    "setup",
)
STEP = ("message", "counters", "picture", "step", "hold")
MOVED = (*STEP, "training", "frame")
"""The fragments that change with the network, with a step, and with an update."""


class Tab:
    """A network with its rows and its training, and where one stands in them.

    Parameters
    ----------
    setup : Setup
    rows : Rows

    Attributes
    ----------
    at : int
        The step that is shown.
    held : Held or None
    axes : tuple of two int
        The inputs that the picture of what was learnt lies over.
    certificate, verdict : GradientCheck, Verdict or None
    table : RawTable or None
        One that was dropped, and whose target is not chosen yet.
    """

    def __init__(self, setup: Setup, rows: Rows) -> None:
        self.lock, self.message = threading.RLock(), ""
        self.table: RawTable | None = None
        self.pace = "full"
        self._build(setup, rows)

    def _build(self, setup: Setup, rows: Rows) -> None:
        """Start anew; where something does not fit, all stays as it was."""
        course = Course(setup, rows)
        walk = Walk(course, setup)
        self.setup, self.rows, self.course, self._walk = setup, rows, course, walk
        self.training, self.at = Training(course), 0
        self.held: Held | None = None
        self.certificate: Any = None
        self.verdict: Any = None
        self.axes = (0, min(1, rows.X.shape[1] - 1))

    @property
    def walk(self) -> Walk:
        """The steps of the update that comes next."""
        if self._walk.update != self.course.update:
            self._walk = Walk(self.course, self.setup)
        return self._walk

    def do(self, told: Mapping[str, Any]) -> tuple[str, ...]:
        """Do what a command says, and return the fragments that it has changed.

        Raises
        ------
        BackpassError
            When it cannot be done; nothing has changed then.
        """
        name, arguments = told.get("do"), {k: v for k, v in told.items() if k != "do"}
        if not isinstance(name, str) or name not in COMMANDS:
            raise InputError(f"no such command; there are {', '.join(COMMANDS)}")
        rule, work = COMMANDS[name]
        schema.check(arguments, rule, name)
        with self.lock:
            moved = self.settle()
            fragments = work(self, **arguments)
            self.message = ""
            return (*fragments, *(name for name in moved if name not in fragments))

    def settle(self) -> tuple[str, ...]:
        """Pause training, and return the fragments that change with where it has come to."""
        if not self.training.pause():
            return ()
        error, self.at = self.training.error, 0
        self._moved()
        if error is not None:
            raise error
        return MOVED

    # --- build ---------------------------------------------------------------------------------

    def open(self, setup: str | None = None) -> tuple[str, ...]:
        """Show everything; begin with a set-up where one is given."""
        if setup:
            self._build(*read_setup(setup))
        return ALL

    def set(self, name: str, value: str) -> tuple[str, ...]:
        """Change one part of the set-up; training begins again unless only the showing changes."""
        if name == "data":
            rows = example_rows(value)
            self._build(replace(self.setup, **start_for(rows)), rows)
            return ALL
        if name not in CHANGES:
            raise InputError(f"there is no {name!r} in a set-up")
        setup = CHANGES[name](self.setup, value)
        if name in ("notation", "form"):
            self._walk, self.setup, self.at = Walk(self.course, setup), setup, 0
            self._hold_again()
            return (*STEP, "setup", "judge")
        self._build(setup, self.rows)
        return ALL

    def layer(self, change: str, layer: str, value: str = "") -> tuple[str, ...]:
        """Change the hidden layers, counted from 1: add or remove one, or change its units."""
        setup = self.setup
        hidden, activations = [*setup.hidden], [*setup.activations]
        at = _whole("layer", layer, 1, len(hidden) + (change == "add")) - 1
        if change == "add":
            hidden.insert(at, 4)
            activations.insert(at, activations[at - 1] if activations else "tanh")
        elif change == "remove":
            del hidden[at], activations[at]
        elif change == "activation":
            activations[at] = value
        else:
            now = hidden[at] + {"more": 1, "fewer": -1}.get(change, 0)
            hidden[at] = _whole("units", value or str(now), 1, 16384)
        keep = None if change != "activation" else setup.parameters
        changed = replace(
            setup, hidden=tuple(hidden), activations=tuple(activations), parameters=keep
        )
        self._build(changed, self.rows)
        return ALL

    def dropped(self, name: str, data: bytes) -> tuple[str, ...]:
        """Take a file: a table whose target is then asked for, or somebody's gradient."""
        from backpass.tabular.files import open_table

        with self.lock, tempfile.TemporaryDirectory() as folder:
            moved = self.settle()
            path = Path(folder) / (Path(name).name or "table.csv")
            path.write_bytes(data)
            try:
                self.table = replace(open_table(path), label=path.name)
            except TableError as error:
                raise TableError(str(error).replace(f"{folder}/", "")) from None
            self.message = f"{path.name}: choose the column that is to be predicted"
            return ("message", "build", *moved)

    def predict(self, value: str) -> tuple[str, ...]:
        """Take the table that was dropped, with this target."""
        if self.table is None:
            raise InputError("drop a table first")
        rows = table_rows(self.table, value, self.setup.seed)
        self._build(replace(self.setup, **start_for(rows)), rows)
        return ALL

    # --- step ----------------------------------------------------------------------------------

    def go(self, where: str) -> tuple[str, ...]:
        """Go a step on or back, to an end of the update, or over it."""
        last = len(self.walk.steps) - 1
        if where == "back" and self.at == 0:
            if self.course.update == 0:
                return STEP
            self.course.rewind(self.course.update - 1)
            self.at = len(self.walk.steps) - 1
        elif where == "update" or (where == "next" and self.at == last):
            self.course.keep()
            self.course.advance(1)
            self.at = 0
        else:
            moves = {"first": 0, "back": self.at - 1, "next": self.at + 1, "last": last}
            self.at = moves[where]
            return ("message", "counters", "step", *(("picture",) * (len(self.walk.titles) > 1)))
        self._moved()
        return MOVED

    def _moved(self) -> None:
        """Bring what hangs on the parameters up to date."""
        self.training = Training(self.course)
        self.certificate = self.verdict = None
        self._hold_again()

    # --- take hold -----------------------------------------------------------------------------

    def hold(
        self, key: str, layer: str, unit: str, source: str = "0", epsilon: str = "0"
    ) -> tuple[str, ...]:
        """Take hold of a weight or bias, counted as the notation does."""
        first = 0 if self.walk.trace.notation.from_zero else 1
        sizes, number = (
            self.course.network.sizes,
            _whole("layer", layer, 1, len(self.setup.hidden) + 1),
        )
        entry: tuple[int, ...] = (
            _whole("to unit", unit, first, sizes[number] - 1 + first) - first,
        )
        if key == "W":
            most = sizes[number - 1] - 1 + first
            entry = (_whole("from unit", source, first, most) - first, *entry)
        self.held = hold(self.walk, key, number, entry, _number("ε", epsilon))
        return ("message", "hold")

    def take(self, name: str) -> tuple[str, ...]:
        """Take hold of what the picture names: ``W-1-0-2``, in our layout and from 0."""
        key, *numbers = name.split("-")
        if not numbers or not all(x.isascii() and x.isdigit() and len(x) < 9 for x in numbers):
            raise InputError(f"take {name!r}: give a weight as W-1-0-2, or a bias as b-1-0")
        layer, *entry = map(int, numbers)
        self.held = hold(self.walk, key, layer, tuple(entry))
        return ("message", "hold")

    def _hold_again(self) -> None:
        if self.held is not None:
            held = self.held
            self.held = hold(self.walk, held.key, held.layer, held.entry)

    def certify(self) -> tuple[str, ...]:
        """Check every derivative of the network on some rows of the mini-batch."""
        batch = self.walk.batch.rows(0, CHECKED_ROWS)
        self.certificate = check_gradients(
            batch.network, batch.X, batch.y, alpha=batch.alpha, entries=CHECKED_ENTRIES
        )
        return ("message", "hold")

    # --- train ---------------------------------------------------------------------------------

    def train(self, pace: str) -> tuple[str, ...]:
        """Train on until a pause."""
        self.pace = pace
        self.training.start(pace)
        return ("message", "training")

    def pause(self) -> tuple[str, ...]:
        """Stay where training is."""
        self.at = 0
        self._moved()
        return MOVED

    def epoch(self) -> tuple[str, ...]:
        """Train to the end of the epoch."""
        course = self.course
        course.keep()
        course.advance(course.per_epoch - course.update % course.per_epoch)
        return self.pause()

    def rewind(self, value: str) -> tuple[str, ...]:
        """Go to the end of an epoch that was reached before."""
        epoch = _whole("epoch", value, 0, len(self.course.costs))
        self.course.rewind(epoch * self.course.per_epoch)
        return self.pause()

    def look(self, x: str, y: str) -> tuple[str, ...]:
        """Choose the two inputs of the picture of what was learnt."""
        most = self.rows.X.shape[1] - 1
        self.axes = (_whole("input", x, 0, most), _whole("input", y, 0, most))
        return ("message", "frame")

    # --- judge ---------------------------------------------------------------------------------

    def judge(self, text: str, what: str, layer: str) -> tuple[str, ...]:
        """Judge a gradient that was pasted: JSON, or a matrix as CSV."""
        suffix = ".json" if text.lstrip()[:1] in ("{", "[") else ".csv"
        return self.judge_file(suffix, text.encode(), what, layer)

    def judge_file(self, suffix: str, data: bytes, what: str, layer: str) -> tuple[str, ...]:
        """Judge a gradient in the bytes of a file."""
        if suffix not in READERS:
            raise InputError(f"an answer is a {', '.join(READERS)} file")
        batch, notation = self.walk.batch, self.setup.notation
        self.verdict = explain_mismatch(
            batch.network, batch.X, batch.y, READERS[suffix](data), alpha=batch.alpha,
            what=what or None,
            layer=_whole("layer", layer, 1, len(self.setup.hidden) + 1) if layer else None,
            layout=notation, notation=notation,
        )  # fmt: skip
        return ("message", "judge")


# --- numbers and names that were typed ---------------------------------------------------------


def _number(label: str, text: str, low: float = -math.inf) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= low):
        least = f" of at least {low:g}" if low > -math.inf else ""
        raise InputError(f"{label} {text!r}: give a finite number{least}")
    return number


def _whole(label: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise InputError(f"{label} {text!r}: give a whole number, {low} … {high}")
    return int(text)


def _batch(setup: Setup, text: str) -> Setup:
    size = None if text == "all" else _whole("batch size", text, 1, 10**9)
    return replace(setup, batch_size=size)


def _part(key: str, read: Callable[[str], Any] = str) -> Callable[[Setup, str], Setup]:
    return lambda setup, text: replace(setup, **{key: read(text)})


CHANGES: dict[str, Callable[[Setup, str], Setup]] = {
    "loss": lambda setup, text: replace(setup, loss=text).suited(),
    "output": _part("output"),
    "init": lambda setup, text: replace(setup, init=text, parameters=None),
    "seed": lambda setup, text: replace(
        setup, seed=_whole("seed", text, 0, 2**32 - 1), parameters=None
    ),
    "optimizer": _part("optimizer"),
    "learning_rate": _part("learning_rate", lambda text: _number("learning rate", text, 0)),
    "alpha": _part("alpha", lambda text: _number("L2 strength", text, 0)),
    "batch_size": _batch,
    "notation": _part("notation"),
    "form": _part("form"),
}
"""What each control of the page changes in a set-up."""

_TEXT, _LONG = Text(longest=200), Text(longest=1 << 20)
COMMANDS: dict[str, tuple[dict[str, Any], Callable[..., tuple[str, ...]]]] = {
    "open": ({"setup": Optional(_LONG)}, Tab.open),
    "set": ({"name": _TEXT, "value": _TEXT}, Tab.set),
    "layer": (
        {"change": OneOf("add", "remove", "more", "fewer", "units", "activation"),
         "layer": _TEXT, "value": Optional(_TEXT)},
        Tab.layer,
    ),
    "predict": ({"value": Text()}, Tab.predict),
    "go": ({"where": OneOf("first", "back", "next", "last", "update")}, Tab.go),
    "hold": (
        {"key": OneOf("W", "b"), "layer": _TEXT, "unit": _TEXT, "source": Optional(_TEXT),
         "epsilon": Optional(_TEXT)},
        Tab.hold,
    ),
    "take": ({"name": _TEXT}, Tab.take),
    "certify": ({}, Tab.certify),
    "train": ({"pace": OneOf(*PACES)}, Tab.train),
    "pause": ({}, Tab.pause),
    "epoch": ({}, Tab.epoch),
    "rewind": ({"value": _TEXT}, Tab.rewind),
    "look": ({"x": _TEXT, "y": _TEXT}, Tab.look),
    "judge": ({"text": _LONG, "what": _TEXT, "layer": _TEXT}, Tab.judge),
}  # fmt: skip
"""Every command: the schema of its arguments, and what does it."""

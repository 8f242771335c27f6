"""One tab of the page: what it holds, and what each of its commands does to that."""

from __future__ import annotations

import inspect
import math
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.derivatives.checking import check_gradients
from backpass.derivatives.homework import explain_mismatch
from backpass.derivatives.homework.answer_files import READERS
from backpass.errors import InputError, rewording
from backpass.page.course import Course
from backpass.page.data import Rows, example_rows, start_for, table_rows
from backpass.page.holding import Held, hold
from backpass.page.setup import Setup, read_setup
from backpass.page.stepping import Walk
from backpass.page.training import FEW_ROWS, MOST_EPOCHS, PACES, Training

if TYPE_CHECKING:
    from backpass.tabular.raw_table import RawTable

SHOWN_DIGITS = 4  # as the trace has them
CHECKED_ROWS, CHECKED_ENTRIES = 8, 50
"""Of a certificate on the page: enough to find any wrong equation, in a second."""

STEP = ("message", "counters", "picture", "step")
REST = ("hold", "training", "frame")
ALL = ("build", *STEP, *REST, "judge", "setup")
REFUSED = ("build", *STEP, "training", "frame")
"""Fragments: of a step; what also changes with an update, and may come a moment later; all; and
those that a refusal sets back, without what was typed into the others."""


class Tab:
    """A network with its rows and its training, and where one stands in them."""

    def __init__(self, setup: Setup, rows: Rows) -> None:
        self.lock, self.message = threading.RLock(), ""
        self.pace, self.epochs, self.answer = "full", "", ("", "", "")
        self.refused: tuple[str, ...] = REFUSED  # fragments that a refusal sets back
        self.table: RawTable | None = None  # that was dropped, and whose target is asked for
        self.target = ""
        self.before: tuple[Setup, Rows, Course] | None = None  # a training that began again
        self._build(setup, rows)

    def _build(self, setup: Setup, rows: Rows) -> tuple[str, ...]:
        """Start anew; where something does not fit, all stays as it was."""
        course = Course(setup, rows)
        walk = Walk(course, setup)
        if "course" in vars(self) and self.course.update:
            self.before = self.setup, self.rows, self.course
            self.message = "the training has begun again"
        return self._show(setup, rows, course, walk)

    def _show(self, setup: Setup, rows: Rows, course: Course, walk: Walk) -> tuple[str, ...]:
        self.setup, self.rows, self.course, self._walk = setup, rows, course, walk
        self.kept: int | None = None
        self.taken: tuple[str, int, tuple[int, ...], float] | None = None
        # first those of many values, rather than a level's 0 and 1
        values = [-len(np.unique(column)) for column in rows.X[:FEW_ROWS].T]
        most = sorted(np.argsort(values, kind="stable")[:2].tolist())
        self.axes = (most[0], most[-1])
        self._moved()
        return ALL

    def _moved(self) -> tuple[str, ...]:
        """Let go of what belongs to other parameters."""
        self.training, self.at = Training(self.course), 0
        self.certificate: Any = None
        self.verdict: Any = None
        self._held: Held | None = None
        return (*STEP, *REST)

    @property
    def walk(self) -> Walk:
        """The steps of the update that comes next."""
        if self._walk.update != self.course.update:
            self._walk = Walk(self.course, self.setup, self.kept)
        return self._walk

    @property
    def held(self) -> Held | None:
        """The weight or bias that is held."""
        if self._held is None and self.taken is not None:
            self._held = hold(self.walk, *self.taken)
        return self._held

    @property
    def usual_batch(self) -> int:
        """The rows of a mini-batch that is neither one nor all of them."""
        usual: int = start_for(self.rows)["batch_size"]
        return usual if 1 < usual < len(self.rows.X) else 10

    @property
    def first(self) -> int:
        """The number of a layer's first unit, in the notation in use."""
        return 1 - self.walk.trace.notation.from_zero

    def do(self, told: Mapping[str, Any]) -> tuple[str, ...]:
        """Do what a command says, and return the fragments that it has changed."""
        name, arguments = told.get("do"), {k: v for k, v in told.items() if k != "do"}
        if not isinstance(name, str) or name not in COMMANDS:
            raise InputError(f"no such command; there are {', '.join(COMMANDS)}")
        if not all(isinstance(value, str) for value in arguments.values()):
            raise InputError(f"{name}: give texts")
        with self.lock:
            try:
                inspect.signature(COMMANDS[name]).bind(self, **arguments)
            except TypeError as error:
                raise InputError(f"{name}: {error}") from None
            moved, self.refused = self.settle(), REFUSED
            if name not in ("refresh", "undo"):
                self.message, self.before = "", None
            fragments = COMMANDS[name](self, **arguments)
            return tuple(dict.fromkeys([*fragments, *moved]))

    def settle(self) -> tuple[str, ...]:
        """Pause training, and return the fragments that change with where it has come to."""
        training = self.training
        if not training.pause():
            return ()
        moved = self._moved()
        if training.error is not None:
            raise training.error
        return moved

    # --- build ---------------------------------------------------------------------------------

    def open(self, setup: str = "") -> tuple[str, ...]:
        """Show everything; begin with a set-up where one is given."""
        return self._build(*read_setup(setup)) if setup else ALL

    def undo(self) -> tuple[str, ...]:
        """Go back to the training before the last command, which has begun another."""
        if self.before is None:
            raise InputError("there is no other training to go back to")
        setup, rows, course = self.before
        self.message, self.before = "", None
        return self._show(setup, rows, course, Walk(course, setup))

    def set(self, name: str, value: str) -> tuple[str, ...]:
        """Change one part of the set-up; training begins again unless only the showing changes."""
        if name == "data":
            rows = example_rows(value)
            return self._build(replace(self.setup, **start_for(rows)), rows)
        if name not in CHANGES:
            raise InputError(f"there is no {name!r} in a set-up")
        setup = CHANGES[name](self.setup, value)
        if setup == self.setup:
            return ("message",)
        if name not in ("notation", "form"):
            return self._build(setup, self.rows)
        self._walk, self.setup = Walk(self.course, setup, self.kept), setup
        self._moved()
        return ALL

    def layer(self, change: str, layer: str, value: str = "") -> tuple[str, ...]:
        """Add or remove a hidden layer, counted from 1, or change its units or activation."""
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
        given = setup.parameters if change == "activation" else None
        setup = replace(setup, hidden=tuple(hidden), activations=tuple(activations))
        return self._build(replace(setup, parameters=given), self.rows)

    def dropped(self, name: str, data: bytes) -> tuple[str, ...]:
        """Take a table, whose target is then asked for."""
        from backpass.tabular.files import open_table

        if data[8:9] == b"{":  # as safetensors begin
            raise InputError(
                f"{name} is a model; give it with its table: backpass play MODEL TABLE"
            )
        with self.lock, tempfile.TemporaryDirectory() as folder:
            moved = self.settle()
            plain = Path(name).name.replace("\0", "").lstrip(".")[-60:]  # a file can be called so
            path = Path(folder) / (plain or "table.csv")
            path.write_bytes(data)
            notes: dict[str, str] = {}
            try:
                with rewording(lambda text: notes.setdefault(text, text.replace(f"{folder}/", ""))):
                    self.table, self.target = replace(open_table(path), label=path.name), ""
            except InputError as error:
                raise InputError(str(error).replace(f"{folder}/", "")) from None
            asked = f"{path.name}: choose the column that is to be predicted"
            self.message = "; ".join([*notes.values(), asked])
            return ("message", "build", *moved)

    def predict(self, value: str) -> tuple[str, ...]:
        """Take the table that was dropped, with this target."""
        if self.table is None:
            raise InputError("drop a table first")
        notes: dict[str, str] = {}
        with rewording(lambda text: notes.setdefault(text, text)):
            rows = table_rows(self.table, value, self.setup.seed)
        told = self._build(replace(self.setup, **start_for(rows)), rows)
        self.message, self.target = "; ".join(notes), value
        return told

    # --- step ----------------------------------------------------------------------------------

    def go(self, where: str) -> tuple[str, ...]:
        """Go a step on or back, to an end of the update, or over it."""
        last, update = len(self.walk.steps) - 1, self.course.update
        if where == "back" and self.at == 0:
            self.course.rewind(max(update - 1, 0))
            self._moved()
            self.at = len(self.walk.steps) - 1 if update else 0
        elif where == "update" or (where == "next" and self.at == last):
            self.course.keep()
            self.course.advance(1)
            self._moved()
        else:
            moves = {"first": 0, "back": self.at - 1, "next": self.at + 1, "last": last}
            if where not in moves:
                raise InputError(f"go {where!r}: give one of {', '.join(moves)}, update")
            self.at = moves[where]
            return STEP if self.walk.several else ("message", "counters", "step")
        return STEP

    def keep(self, row: str) -> tuple[str, ...]:
        """Show one row whatever the updates are of; follow them again where none is named."""
        kept = self.rows.place_of(row) if row.strip() else None
        self._walk, self.kept = Walk(self.course, self.setup, kept), kept
        return self._moved()

    def refresh(self) -> tuple[str, ...]:
        """Show what a step over an update has left for later."""
        return REST

    # --- take hold -----------------------------------------------------------------------------

    def hold(
        self, key: str, layer: str, unit: str, source: str = "", epsilon: str = "0"
    ) -> tuple[str, ...]:
        """Take hold of a weight or bias, by the notation's numbers; an input by its name, too."""
        sizes, first = self.course.network.sizes, self.first
        own = [name for name in self.rows.inputs if name.startswith(f"{source}=")]
        if layer == "1" and own and source not in self.rows.inputs:
            raise InputError(f"from unit {source!r}: it has {len(own)} inputs, such as {own[0]}")
        if layer == "1" and not source.isdigit() and source in self.rows.inputs:
            source = str(self.rows.inputs.index(source) + first)
        at = _whole("layer", layer, 1, len(sizes) - 1, "a layer")
        last, below = sizes[at] - 1 + first, sizes[at - 1] - 1 + first
        entry = [_whole("to unit", unit, first, last, f"a unit of layer {at}") - first]
        if key == "W":
            names = "the name of an input or a number" if at == 1 else f"a unit of layer {at - 1}"
            entry.insert(0, _whole("from unit", source, first, below, names) - first)
        return self._hold(key, at, entry, _number("ε", epsilon))

    def take(self, name: str) -> tuple[str, ...]:
        """Take hold of what the picture names: ``W-1-0-2``, in our layout and from 0."""
        key, layer, *entry = f"{name}-".split("-")
        numbers = [_whole("unit", number, 0, 10**6) for number in entry[:-1]]
        return self._hold(key, _whole("layer", layer, 1, 99), numbers, 0.0)

    def _hold(self, key: str, layer: int, entry: list[int], epsilon: float) -> tuple[str, ...]:
        taken = key, layer, tuple(entry), epsilon
        self._held = hold(self.walk, *taken)
        self.taken = taken
        return ("message", "hold")

    def certify(self) -> tuple[str, ...]:
        """Check every derivative of the network on some rows of the mini-batch."""
        batch = self.walk.batch.rows(0, CHECKED_ROWS)
        self.certificate = check_gradients(
            batch.network, batch.X, batch.y, alpha=batch.alpha, entries=CHECKED_ENTRIES
        )
        return ("message", "hold")

    # --- train ---------------------------------------------------------------------------------

    def train(self, pace: str, epochs: str = "") -> tuple[str, ...]:
        """Train on until a pause, or for some epochs."""
        if pace not in PACES:
            raise InputError(f"pace {pace!r}: give one of {', '.join(PACES)}")
        count = _whole("epochs", epochs, 1, MOST_EPOCHS) if epochs else MOST_EPOCHS
        self.pace, self.epochs = pace, epochs
        self.training.start(pace, count)
        return ("message", "training")

    def pause(self) -> tuple[str, ...]:
        """Stay where training is."""
        if self.course.epoch >= MOST_EPOCHS:
            self.message = f"{MOST_EPOCHS:,} epochs are done, after which training stops itself"
        return self._moved()

    def epoch(self) -> tuple[str, ...]:
        """Train to the end of the epoch."""
        course = self.course
        course.keep()
        course.advance(course.per_epoch - course.update % course.per_epoch)
        return self._moved()

    def rewind(self, value: str) -> tuple[str, ...]:
        """Go to the end of an epoch that was reached before."""
        epoch = _whole("epoch", value, 0, len(self.course.costs))
        self.course.rewind(epoch * self.course.per_epoch)
        return self._moved()

    def look(self, x: str, y: str) -> tuple[str, ...]:
        """Choose the two inputs of the picture of what was learnt."""
        most = self.rows.X.shape[1] - 1
        self.axes = (_whole("input", x, 0, most), _whole("input", y, 0, most))
        return ("message", "frame")

    # --- judge ---------------------------------------------------------------------------------

    def judge(self, text: str, what: str, layer: str) -> tuple[str, ...]:
        """Judge a gradient that was pasted: JSON, or a matrix as CSV."""
        suffix = ".json" if text.lstrip()[:1] in ("{", "[") else ".csv"
        self.answer = text, what, layer
        return self.judge_file(f"pasted{suffix}", text.encode(), what, layer)

    def judge_file(
        self, name: str, data: bytes, what: str = "", layer: str = ""
    ) -> tuple[str, ...]:
        """Judge a gradient in the bytes of a file."""
        suffix, notation = Path(name).suffix.lower(), self.setup.notation
        self.refused, self.verdict = (*REFUSED, "judge"), None  # an old one would seem of this
        if suffix not in READERS:
            raise InputError(f"an answer is a {', '.join(READERS)} file")
        batch, where = self.walk.batch, _whole("layer", layer, 1, 99) if layer else None

        def verdict(answer: Any) -> Any:
            return explain_mismatch(
                batch.network, batch.X, batch.y, answer, alpha=batch.alpha,
                what=what or None, layer=where, layout=notation, notation=notation,
            )  # fmt: skip

        answer = READERS[suffix](data)
        self.verdict = verdict(answer)
        if not self.verdict.right:
            shown = verdict(_as_shown(answer))  # worked out from numbers that the page has rounded
            if shown.right or (shown.explanations and not self.verdict.explanations):
                self.verdict = shown
                self.message = f"read to the {SHOWN_DIGITS} digits that the page shows"
        return ("message", "judge")


COMMANDS: dict[str, Callable[..., tuple[str, ...]]] = {
    work.__name__: work
    for work in (
        Tab.open, Tab.undo, Tab.set, Tab.layer, Tab.predict, Tab.go, Tab.keep, Tab.refresh,
        Tab.hold, Tab.take, Tab.certify, Tab.train, Tab.pause, Tab.epoch, Tab.rewind, Tab.look,
        Tab.judge,
    )
}  # fmt: skip
"""Every command by its name: a method, whose arguments are texts."""


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


def _as_shown(answer: Any) -> Any:
    """Return the numbers of an answer to as many digits as the page shows."""
    if isinstance(answer, Mapping):
        return {name: _as_shown(part) for name, part in answer.items()}
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    if isinstance(answer, list | tuple):
        return [_as_shown(part) for part in answer]
    return float(f"{float(answer):.{SHOWN_DIGITS}g}")


def _whole(label: str, text: str, low: int, high: int, what: str = "a whole number") -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise InputError(f"{label} {text!r}: give {what}, {low} … {high}")
    return int(text)


def _part(key: str, read: Callable[[str], Any] = str, **more: Any) -> Callable[[Setup, str], Setup]:
    return lambda setup, text: replace(setup, **{key: read(text)}, **more)


CHANGES: dict[str, Callable[[Setup, str], Setup]] = {
    "loss": Setup.with_loss,
    "output": _part("output"),
    "init": _part("init", parameters=None),
    "seed": _part("seed", lambda text: _whole("seed", text, 0, 2**32 - 1), parameters=None),
    "optimizer": _part("optimizer"),
    "learning_rate": _part("learning_rate", lambda text: _number("learning rate", text, 0)),
    "alpha": _part("alpha", lambda text: _number("L2 strength", text, 0)),
    "batch_size": _part(
        "batch_size", lambda text: None if text == "all" else _whole("mini-batch", text, 1, 10**9)
    ),
    "notation": _part("notation"),
    "form": _part("form"),
}
"""What each control of the page changes in a set-up."""

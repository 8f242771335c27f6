"""The options of ``backpass fit``: Typer makes the command line from the types here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Optional

from backpass.cli.arguments import (
    Json,
    MaybeNumber,
    MaybeText,
    MaybeTexts,
    MaybeWhole,
    Table,
    option,
    switch,
)


class Task(StrEnum):
    """What the target is."""

    auto = "auto"
    classification = "classification"
    regression = "regression"


class Effort(StrEnum):
    """How much work a pack may take."""

    quick = "quick"
    default = "default"
    best = "best"


class ClassWeight(StrEnum):
    """How classes count in training."""

    balanced = "balanced"


class Compare(StrEnum):
    """Which other models are trained for comparison."""

    none = "none"
    fast = "fast"
    all = "all"


@dataclass(frozen=True)
class FitOptions:
    """The arguments of ``backpass fit``: their types, their help, and what was given."""

    table: Table
    target: MaybeText = option(
        "COLUMN", "Column to predict; examples know theirs.", "--target", "-t"
    )
    model: MaybeText = option(
        "FILE",
        "Where the model goes; by default TABLE's name with .backpass, here.",
        "--model",
        "-m",
    )
    test: MaybeText = option("FILE", "Judge the model on this table instead.")
    test_fraction: MaybeNumber = option("PART", "Part of the rows to judge on. [default: 0.2]")
    task: Task = option(None, "What the target is.", default=Task.auto)
    sample_weight: MaybeText = option("COLUMN", "Column of sample weights, at least 0.")
    group: MaybeText = option("COLUMN", "Rows of equal values stay together in every split.")
    time: MaybeText = option("COLUMN", "When rows were: later ones judge, and are tested on.")
    class_weight: Optional[ClassWeight] = option(  # noqa: UP045 (as in arguments)
        None, "Rare classes count as much as frequent ones in training."
    )
    cost: MaybeTexts = option("CLASS=COST,…", "What it costs not to find a row of a class; else 1.")
    categorical: MaybeTexts = option("COLUMN,…", "Number columns that are categories.")
    drop: MaybeTexts = option("COLUMN,…", "Columns to leave out.")
    decimal: MaybeText = option("MARK", "Decimal mark, . or ,  [default: told from TABLE]")
    thousands: MaybeText = option("MARK", "Thousands mark: , . ' blank or none. [default: told]")
    dates: MaybeText = option("ORDER", "day-first, month-first or iso. [default: told from TABLE]")
    missing: MaybeTexts = option("TEXT,…", "Cells that are missing, beside NA, ?, …")
    effort: Optional[Effort] = option(  # noqa: UP045 (as in arguments)
        None, "Work that a pack of networks may take. [default: default]"
    )
    recipes: MaybeWhole = option(
        "N", "Most recipes of the pack. [default: 5; quick 3, best 12]", min=1
    )
    plain: bool = switch("--plain", "Train a single network, in a fraction of the time.")
    hidden: MaybeText = option(
        "WIDTH,…", "Units of a single network's hidden layers. [default: 128,128]"
    )
    activation: MaybeText = option("NAME", "Of a single network's hidden layers. [default: mish]")
    loss: MaybeText = option(
        "NAME",
        "Of a single network: squared_error, absolute_error, huber:delta=1.35, pinball, … "
        "[default: cross_entropy for classes, squared_error for a quantity]",
    )
    epochs: MaybeWhole = option(
        "N", "Most passes of a single network over the table. [default: 60]", min=1, max=1000000
    )
    time_limit: MaybeNumber = option("SECONDS", "Most seconds of training. [default: none]")
    compare: Compare = option(
        None,
        "Other models to compare with: fast ones, for no longer than the training, or all that "
        "are installed.",
        default=Compare.fast,
    )
    seed: int = option("N", "Of the split and of the network.", default=0, min=0, max=2**32 - 1)
    json: Json = None
    report: MaybeText = option("FILE.html", "Write a page with the curves.")
    checkpoint: MaybeText = option("FOLDER", "Write the training down here while it runs.")
    resume: bool = switch("--resume", "Go on from the last checkpoint, if there is one.")
    cache: MaybeText = option("FOLDER", "Read TABLE in pieces, encode it to files here, keep them.")
    checkpoint_every: MaybeNumber = option("SECONDS", "Between checkpoints. [default: 60]")
    cluster: MaybeText = option(
        "ADDRESS", "Train one network by Ray: auto, or a cluster's address."
    )
    workers: MaybeText = option("N", "Of the cluster, or MIN-MAX. [default: 2]")
    fast: bool = switch("--fast", "Less on the wire, other last digits for other workers.")

    @property
    def single(self) -> bool:
        """Whether one network is asked for, in place of a pack."""
        told = self.hidden, self.activation, self.loss, self.epochs, self.cluster
        return self.plain or any(given is not None for given in told)

    @property
    def command(self) -> str:
        """The command that was typed, in its plainest form."""
        parts = ["backpass", "fit", self.table]
        for setting in fields(self):
            name, value = setting.name, getattr(self, setting.name)
            if name == "table" or value == setting.default:
                continue
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                parts += [option] * value
                continue
            for one in value if isinstance(value, list) else [value]:
                parts += [option, str(one)]
        return shlex.join(parts)

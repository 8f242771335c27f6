"""The options of ``backpass fit``, of which Typer makes its command line and its help."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Optional

from typer import Option

from backpass.cli.arguments import (
    Json,
    MaybeNumber,
    MaybeText,
    MaybeTexts,
    MaybeWhole,
    Table,
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
    target: Annotated[
        MaybeText,
        Option("--target", "-t", metavar="COLUMN", help="Column to predict; examples know theirs."),
    ] = None
    model: Annotated[
        MaybeText,
        Option(
            "--model",
            "-m",
            metavar="FILE",
            help="Where the model goes; by default TABLE's name with .backpass, here.",
        ),
    ] = None
    test: Annotated[
        MaybeText, Option(metavar="FILE", help="Judge the model on this table instead.")
    ] = None
    test_fraction: Annotated[
        MaybeNumber, Option(metavar="PART", help="Part of the rows to judge on. [default: 0.2]")
    ] = None
    task: Annotated[Task, Option(help="What the target is.")] = Task.auto
    sample_weight: Annotated[
        MaybeText, Option(metavar="COLUMN", help="Column of sample weights, at least 0.")
    ] = None
    group: Annotated[
        MaybeText,
        Option(metavar="COLUMN", help="Rows of equal values stay together in every split."),
    ] = None
    time: Annotated[
        MaybeText,
        Option(metavar="COLUMN", help="When rows were: later ones judge, and are tested on."),
    ] = None
    class_weight: Annotated[
        Optional[ClassWeight],  # noqa: UP045 (as in arguments)
        Option(help="Rare classes count as much as frequent ones in training."),
    ] = None
    cost: Annotated[
        MaybeTexts,
        Option(metavar="CLASS=COST,…", help="What it costs not to find a row of a class; else 1."),
    ] = None
    categorical: Annotated[
        MaybeTexts, Option(metavar="COLUMN,…", help="Number columns that are categories.")
    ] = None
    drop: Annotated[MaybeTexts, Option(metavar="COLUMN,…", help="Columns to leave out.")] = None
    decimal: Annotated[
        MaybeText, Option(metavar="MARK", help="Decimal mark, . or ,  [default: told from TABLE]")
    ] = None
    thousands: Annotated[
        MaybeText,
        Option(metavar="MARK", help="Thousands mark: , . ' blank or none. [default: told]"),
    ] = None
    dates: Annotated[
        MaybeText,
        Option(metavar="ORDER", help="day-first, month-first or iso. [default: told from TABLE]"),
    ] = None
    missing: Annotated[
        MaybeTexts, Option(metavar="TEXT,…", help="Cells that are missing, beside NA, ?, …")
    ] = None
    effort: Annotated[
        Optional[Effort],  # noqa: UP045 (as in arguments)
        Option(help="Work that a pack of networks may take. [default: default]"),
    ] = None
    recipes: Annotated[
        MaybeWhole,
        Option(min=1, metavar="N", help="Most recipes of the pack. [default: 5; quick 3, best 12]"),
    ] = None
    plain: Annotated[
        bool, Option("--plain", help="Train a single network, in a fraction of the time.")
    ] = False
    hidden: Annotated[
        MaybeText,
        Option(
            metavar="WIDTH,…",
            help="Units of a single network's hidden layers. [default: 128,128]",
        ),
    ] = None
    activation: Annotated[
        MaybeText,
        Option(metavar="NAME", help="Of a single network's hidden layers. [default: mish]"),
    ] = None
    loss: Annotated[
        MaybeText,
        Option(
            metavar="NAME",
            help="Of a single network: squared_error, absolute_error, huber:delta=1.35, pinball, … "
            "[default: cross_entropy for classes, squared_error for a quantity]",
        ),
    ] = None
    epochs: Annotated[
        MaybeWhole,
        Option(
            min=1,
            max=1_000_000,
            metavar="N",
            help="Most passes of a single network over the table. [default: 60]",
        ),
    ] = None
    time_limit: Annotated[
        MaybeNumber, Option(metavar="SECONDS", help="Most seconds of training. [default: none]")
    ] = None
    compare: Annotated[
        Compare,
        Option(
            help="Other models to compare with: fast ones, for no longer than the training, or all"
            " that are installed."
        ),
    ] = Compare.fast
    seed: Annotated[
        int, Option(min=0, max=2**32 - 1, metavar="N", help="Of the split and of the network.")
    ] = 0
    json: Json = None
    report: Annotated[
        MaybeText, Option(metavar="FILE.html", help="Write a page with the curves.")
    ] = None
    checkpoint: Annotated[
        MaybeText, Option(metavar="FOLDER", help="Write the training down here while it runs.")
    ] = None
    resume: Annotated[
        bool, Option("--resume", help="Go on from the last checkpoint, if there is one.")
    ] = False
    cache: Annotated[
        MaybeText,
        Option(
            metavar="FOLDER",
            help="Read TABLE in pieces, encode it to files here and keep them.",
        ),
    ] = None
    checkpoint_every: Annotated[
        MaybeNumber, Option(metavar="SECONDS", help="Between checkpoints. [default: 60]")
    ] = None

    @property
    def single(self) -> bool:
        """Whether one network is asked for, in place of a pack."""
        return self.plain or any(
            told is not None for told in (self.hidden, self.activation, self.loss, self.epochs)
        )

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

"""The training on a table that was prepared: of one network, or of a pack of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backpass.network.network import Network
from backpass.tabular.metrics import accuracy, r_squared
from backpass.tabular.pack.pack import Pack
from backpass.tabular.pack.training import OnProgress, PackTraining, train_pack
from backpass.tabular.recipe import Recipe
from backpass.training.history import History, Validation
from backpass.training.trainer import Trainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backpass.engines import Engine
    from backpass.tabular.preparation import PreparedTable
    from backpass.training.checkpoints import Checkpoints

DEAD_ROWS = 8192  # a unit that is 0 on that many rows is called dead; more take time, tell no more


@dataclass(frozen=True)
class Trained:
    """What training has made, as :class:`~backpass.tabular.model.TabularModel` keeps it."""

    network: Network
    recipe: Recipe
    history: History
    seconds: float
    metric_curve: list[float] = field(default_factory=list)
    pack: Pack | None = None
    training: PackTraining | None = None


Elsewhere: TypeAlias = (
    "Callable[[PreparedTable, Callable[[History], Any] | None, list[float] | None], Trained]"
)
"""Trains one network on other machines: :func:`train_one` of the same arguments."""


def train_one(
    prepared: PreparedTable,
    on_epoch: Callable[[History], bool | None] | None = None,
    checkpoints: Checkpoints | None = None,
    metric_curve: list[float] | None = None,
    engine: str | Engine = "auto",
) -> Trained:
    """Train one network; the parameters are those of :meth:`TabularModel.train`, and an engine.

    Raises
    ------
    NonFiniteError
        When training diverges.
    """
    (X, y, s), question = prepared.rows, prepared.question
    recipe, seed = question.recipe, question.seed
    curve = [] if metric_curve is None else metric_curve
    kept, held_out = prepared.split()
    network = prepared.new_network(recipe, X.shape[1], seed)
    targets = prepared.targets(y, network.model.loss)
    started, rng = time.monotonic(), np.random.default_rng(seed)
    if checkpoints is not None:
        checkpoints.start(rng, seed)
        checkpoints.note(judge=recipe.judge)
        checkpoints.curves["metric"] = curve
    trainer = Trainer(
        network,
        X,
        targets,
        s,
        settings=prepared.settings(recipe, len(kept)),
        rows=kept,
        rng=rng,
        validation=_validation(prepared, targets, held_out, curve),
        engine=engine,
        checkpoints=checkpoints,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # the trainer says when, and raises
        history = trainer.train(on_epoch=on_epoch)
    seconds = time.monotonic() - started
    if checkpoints is not None:
        seconds += checkpoints.seconds  # of what was not trained again
    if recipe.activation == "relu":  # the estimators load half of scikit-learn
        from backpass.estimators.fitting import warn_of_dead_units

        warn_of_dead_units(network, X[kept[:DEAD_ROWS]])
    return Trained(network, recipe, history, seconds, curve)


def _validation(
    prepared: PreparedTable, targets: NDArray[Any], held_out: NDArray[np.intp], curve: list[float]
) -> Validation:
    """Return how epochs are judged: by loss or metric on the rows held out for it."""
    X, y, s = prepared.rows
    judged_y, judged_s = y[held_out], None if s is None else s[held_out]

    def score(output: Any, loss: float) -> float:
        if prepared.classes:
            curve.append(accuracy(judged_y, output, judged_s))
        else:
            curve.append(r_squared(judged_y, output[:, 0], judged_s))
        return curve[-1] if prepared.question.recipe.judge == "metric" else -loss

    return Validation(X, targets, s, held_out, score)


def train_several(
    prepared: PreparedTable,
    checkpoints: Checkpoints | None = None,
    on_progress: OnProgress | None = None,
) -> Trained:
    """Train a pack; the parameters are those of :meth:`TabularModel.train`.

    Raises
    ------
    KeyboardInterrupt
        Before a single network was trained.
    NonFiniteError
        When every recipe diverges.
    """
    pack, training = train_pack(
        prepared,
        prepared.work,
        checkpoints=checkpoints,
        on_progress=on_progress or (lambda *told: None),
    )
    first = pack.first
    return Trained(
        first.networks[0],
        first.recipe,
        training.histories[[packed.recipe for packed in training.recipes].index(first.recipe)],
        training.seconds,
        pack=pack,
        training=training,
    )

"""One network of a pack: trained on some rows, stopped by a part of them, asked about others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.parameters import parameter_count
from backpass.core.settings import Settings
from backpass.network.network import Network
from backpass.tabular.pack.pack import output_of
from backpass.tabular.pack.recipes import operations
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.recipe import Recipe
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import History, Validation
from backpass.training.side_by_side import Halt
from backpass.training.trainer import Trainer


@dataclass(frozen=True)
class Member:
    """One trained network: of a recipe, without a fold."""

    network: Network
    held_out: NDArray[Any]  # what it makes of the fold it has not seen, (n, k)
    history: History
    operations: float  # that its training took


def train_member(
    prepared: PreparedTable,
    recipe: Recipe,
    rows: NDArray[np.intp],
    held_out: NDArray[np.intp],
    *,
    seed: list[int],
    most: float,
    halt: Halt,
    time_limit: float | None = None,
    n_threads: int = 1,
    checkpoints: Checkpoints | None = None,
    epochs: int | None = None,
) -> Member:
    """Return a network of a recipe, trained on some rows, with what it makes of others.

    Parameters
    ----------
    prepared : PreparedTable
    recipe : Recipe
    rows, held_out : array of int
        Those it is trained on, a tenth of which judges its epochs; those it predicts.
    seed : list of int
        Of its weights, the order of its rows and its dropout.
    most : float
        Operations that it may take: fewer epochs are made on large tables.
    halt : Halt
        Ends it after its epoch.
    time_limit : float, optional
        Most seconds.
    n_threads : int
    checkpoints : Checkpoints, optional
        Of this network alone.
    epochs : int, optional
        How many to train on all of the rows, none of which then judges them.
    """
    X, y, s = prepared.rows
    X = X if recipe.bins else X[:, : prepared.encoder.plain_width]
    kept, judged = (rows, rows[:0]) if epochs is not None else prepared.judged(rows, seed[0])
    center, scale = (0.0, 1.0) if prepared.classes else prepared.location(rows)
    own_y = y if (center, scale) == (0.0, 1.0) else (y - center) / scale
    network = prepared.new_network(recipe, X.shape[1], np.random.default_rng([*seed, 0]))
    rng = prepared.generator(seed)
    if checkpoints is not None:
        checkpoints.start(rng, seed)
        checkpoints.note(effort=prepared.question.effort)
    settings = prepared.settings(recipe, len(kept))
    an_epoch = _operations_of_an_epoch(network, settings, len(kept))
    settings = replace(
        settings,
        epochs=max(1, min(recipe.epochs, int(most / an_epoch))),
        n_threads=n_threads,
        time_limit=time_limit,
        gradient_norms=False,
    )
    trainer = Trainer(
        network,
        X,
        own_y,
        s,
        settings=settings,
        rows=kept,
        rng=rng,
        validation=Validation(X, own_y, s, judged) if epochs is None else None,
        checkpoints=checkpoints,
    )
    number = seed[-1]
    with np.errstate(over="ignore", invalid="ignore"), prepared.in_step(trainer, number, halt):
        # the trainer says when numbers are not finite, and raises
        history = trainer.train(epochs, on_epoch=_listener(halt, checkpoints))
    if not prepared.classes:
        _in_units_of_the_table(network, center, scale)
    return Member(network, output_of(network, X[held_out]), history, history.epochs * an_epoch)


def _operations_of_an_epoch(network: Network, settings: Settings, n_rows: int) -> float:
    """Return the operations that a network's pass over so many rows takes."""
    batch_size = settings.batch_size or n_rows
    return operations(parameter_count(network.sizes), n_rows, batch_size, 1)


def _listener(halt: Halt, checkpoints: Checkpoints | None) -> Callable[[History], None]:
    """Return what ends a training after its epoch where a halt is called."""

    def hear(history: History) -> None:
        if halt.called and checkpoints is not None:
            checkpoints.interrupted = True  # which writes one first
        elif halt.called:
            raise KeyboardInterrupt

    hear.changes_parameters = False  # type: ignore[attr-defined]
    return hear


def _in_units_of_the_table(network: Network, center: float, scale: float) -> None:
    """Have a network's last layer predict what it has learnt times `scale`, plus `center`."""
    W, b = network.parameters.weights[-1], network.parameters.biases[-1]
    W *= scale
    b *= scale
    b += center

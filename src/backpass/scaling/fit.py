"""Train a network in shards: alone, under torchrun, or on a Ray cluster."""

import atexit
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from backpass.core.arrays import Array
from backpass.core.requirements import as_generator
from backpass.core.settings import Settings
from backpass.network.batch import check_rows
from backpass.network.network import Network
from backpass.scaling.checkpoints import shared_checkpoints
from backpass.scaling.cluster import Cluster
from backpass.scaling.groups import Alone, Gloo, Group
from backpass.scaling.sharded import SHARDS, ShardedEngine
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.training import Elsewhere, Trained, train_one
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import History
from backpass.training.trainer import Trainer


def fit(
    network: Network,
    X: Array,
    y: Array,
    sample_weight: Array | None = None,
    *,
    cluster: Cluster | None = None,
    shards: int = SHARDS,
    exact: bool = True,
    checkpoint: str | None = None,
    seed: int | None = None,
    on_epoch: Callable[[Any], Any] | None = None,
    **settings: Any,
) -> History:
    """Train `network` in place on the rows of `X`, whose mini-batches are computed in shards.

    In the exact mode the parameters have the same bytes on one machine, under ``torchrun`` and on a
    cluster of any size: they depend on the number of shards only.

    Parameters
    ----------
    network : Network
    X, y, sample_weight
        As in :func:`backpass.train`.
    cluster : Cluster, optional
        Where workers are started by Ray. Without it this process computes: one of a group where
        ``torchrun`` has started it, all shards otherwise.
    shards, exact
        As in :class:`~backpass.scaling.sharded.ShardedEngine`, where there is no `cluster`.
    checkpoint : str, optional
        A folder, where there is no `cluster`; training goes on from what is there.
    seed : int, optional
        Of the order of the rows and of dropout.
    on_epoch : callable, optional
        Called with (epochs, loss) after each epoch, by rank 0.
    **settings
        As in :class:`~backpass.core.settings.Settings`.

    Raises
    ------
    InputError
        When a setting, the group or the cluster cannot be used.
    NonFiniteError
        When training diverges.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.random.default_rng(0).normal(size=(64, 3)), np.arange(64) % 2
    >>> one, four = (Network([3, 5, 2], "tanh", "softmax", "cross_entropy", seed=1) for _ in "ab")
    >>> history = fit(one, X, y, seed=0, epochs=3, batch_size=16, shards=4)
    >>> again = fit(four, X, y, seed=0, epochs=3, batch_size=16, shards=4)
    >>> one.parameters.flat.tobytes() == four.parameters.flat.tobytes()
    True
    """
    X, y, sample_weight = check_rows(network.model, X, y, sample_weight)
    work = partial(_train, network, X, y, sample_weight, Settings(**settings), seed)
    told, history = on_epoch or (lambda message: None), History()
    if cluster is not None:
        trained, history = cluster.run(work, told)
    else:
        with_others = int(os.environ.get("WORLD_SIZE", "1")) > 1
        group = _torchrun() if with_others else Alone()
        trained, history = work(
            engine=ShardedEngine(group, shards, exact),
            checkpoints=shared_checkpoints(group, checkpoint),
            tell=told if group.rank == 0 else lambda message: None,
        )
    network.parameters.flat[...] = trained.parameters.flat
    return history


def table_training(cluster: Cluster) -> Elsewhere:
    """Return what trains a table's network on a cluster, for :func:`run_experiment`'s `elsewhere`.

    Parameters
    ----------
    cluster : Cluster
    """

    def train(
        prepared: PreparedTable,
        on_epoch: Callable[[History], Any] | None = None,
        metric_curve: list[float] | None = None,
    ) -> Trained:
        def told(message: tuple[History, float]) -> None:
            history, score = message
            if metric_curve is not None:
                metric_curve.append(score)
            if on_epoch is not None:
                on_epoch(history)

        trained: Trained = cluster.run(partial(_train_table, prepared), told)
        return trained

    return train


def _train_table(
    prepared: PreparedTable,
    *,
    engine: ShardedEngine,
    checkpoints: Checkpoints,
    tell: Callable[[Any], None],
) -> Trained:
    """Train a table's network as one of a group."""
    curve: list[float] = []

    def on_epoch(history: History) -> None:
        tell((replace(history, best_parameters=None), curve[-1]))

    on_epoch.changes_parameters = False  # type: ignore[attr-defined]
    checkpoints.data = prepared.identity
    return train_one(prepared, on_epoch, checkpoints, curve, engine)


def _torchrun() -> Group:
    """Return the group of the processes that torchrun started."""
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo")
        atexit.register(distributed.destroy_process_group)  # its threads abort the process else
    return Gloo()


def _train(
    network: Network,
    X: Array,
    y: Array,
    sample_weight: Array | None,
    settings: Settings,
    seed: int | None,
    *,
    engine: ShardedEngine,
    checkpoints: Checkpoints,
    tell: Callable[[Any], None],
) -> tuple[Network, History]:
    """Train as one of a group; every worker returns the same."""
    network, rng = deepcopy(network), as_generator(seed)  # what a cluster hands out is read-only
    checkpoints.start(rng, seed)
    trainer = Trainer(
        network, X, y, sample_weight,
        settings=settings, rng=rng, engine=engine, checkpoints=checkpoints,
    )  # fmt: skip

    def on_epoch(history: History) -> None:
        tell((history.epochs, history.loss_curve[-1]))

    on_epoch.changes_parameters = False  # type: ignore[attr-defined]
    return network, trainer.train(on_epoch=on_epoch)

"""The options of ``backpass fit`` that train on a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backpass.errors import InputError
from backpass.storage.atomic_write import shown_path

if TYPE_CHECKING:
    from backpass.cli.fit_options import FitOptions
    from backpass.tabular.training import Elsewhere


def check_cluster(options: FitOptions) -> None:
    """Refuse what a cluster cannot do, before a table is read.

    Raises
    ------
    InputError
        When an option needs ``--cluster``, or cannot go with it.
    """
    if options.cluster is None:
        needs = {"--workers": options.workers is not None, "--fast": options.fast}
        for name in (name for name, given in needs.items() if given):
            raise InputError(f"{name} is of a cluster: give --cluster auto, or its address")
        return
    if options.effort is not None or options.recipes is not None:
        raise InputError(
            "--effort and --recipes are of a pack; a cluster trains a single network, whose"
            " mini-batches it shares out: leave them out"
        )
    if options.time_limit is not None:
        raise InputError("--time-limit: a cluster's workers have no common clock; leave it out")
    _workers(options.workers or "2")
    if options.checkpoint is not None and not options.resume:
        from pathlib import Path

        from backpass.training.checkpoints import checkpoints_in

        if checkpoints_in(Path(options.checkpoint, "checkpoints")):
            raise InputError(
                f"{shown_path(options.checkpoint)}: it holds checkpoints of a training run; go on "
                "with it (--resume), or give another folder"
            )


def on_cluster(options: FitOptions) -> Elsewhere | None:
    """Return what trains where the options say so; None: here."""
    if options.cluster is None:
        return None
    from backpass.scaling import Cluster, table_training
    from backpass.scaling.cluster import connect

    cluster = Cluster(
        address=options.cluster,
        workers=_workers(options.workers or "2"),
        exact=not options.fast,
        folder=options.checkpoint,
        every=options.checkpoint_every,
    )
    connect(cluster)  # one that cannot be reached is told before a table is read
    return table_training(cluster)


def _workers(text: str) -> int | tuple[int, int]:
    """Return N, or (MIN, MAX)."""
    found = re.fullmatch(r"([1-9]\d*)(?:-([1-9]\d*))?", text)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise InputError(f"--workers must be a number, or MIN-MAX such as 2-8, not {text!r}")
    return int(found[1]) if found[2] is None else (int(found[1]), int(found[2]))

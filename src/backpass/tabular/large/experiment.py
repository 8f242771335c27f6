"""An experiment on a table that is read in pieces: some rows of it are held out and judge."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from backpass.core.parameters import parameter_count
from backpass.tabular.conventions import PLAIN
from backpass.tabular.experiment import Experiment, Hooks, carry_out
from backpass.tabular.large.cache import Cache
from backpass.tabular.large.cached_table import cached
from backpass.tabular.large.learning import SAMPLE_ROWS
from backpass.tabular.large.source import Source
from backpass.tabular.question import Question
from backpass.tabular.setup import Arrangement, Understanding
from backpass.tabular.training import Elsewhere


def run_in_pieces(
    source: Source,
    question: Question,
    folder: Path,
    hooks: Hooks,
    *,
    keep: bool,
    save_to: str | Path,
    every: float | None = None,
    elsewhere: Elsewhere | None = None,
) -> Experiment:
    """Train on a table that is read in pieces, and judge on rows of it that are held out.

    As :func:`~backpass.tabular.experiment.run_experiment`, and from the folder that
    :func:`~backpass.tabular.large.cached_table.cached` says more of.
    """
    notes, began = list[str](), time.monotonic()
    with cached(source, question, folder, hooks.caching, keep=keep, every=every) as (
        table,
        checkpoints,
    ):
        test = table.cache.encoded(slice(table.cache.survey.n_train, None))
        arranged = Arrangement(_understanding(table.cache), table, test)
        experiment = carry_out(arranged, notes, hooks, save_to, checkpoints, elsewhere)
    experiment.seconds = time.monotonic() - began
    return experiment


def _understanding(cache: Cache) -> Understanding:
    """Return the summary of a cached table."""
    found, learnt = cache.survey, cache.survey.learnt
    sizes = (cache.width, *found.question.recipe.hidden_layer_sizes, len(learnt.classes) or 1)
    quantiles = list[float]()
    if not learnt.classes:
        y = np.quantile(cache.encoded(slice(SAMPLE_ROWS)).y, [0, 0.25, 0.5, 0.75, 1])
        quantiles = learnt.target.decode(y).to_list()
    convention = (learnt.encoder.convention_ or PLAIN).words()
    if found.bound:
        convention.append(
            f"quantiles of {found.sampled:,} rows drawn by chance, right to {found.bound:.1%} of"
            " the rows; missing values, levels and classes are counted in all"
        )
    return Understanding(
        rows=cache.rows,
        left_out=found.rows - cache.rows,
        target=learnt.target.name,
        task=learnt.task,
        why=found.why,
        columns=learnt.encoder.describe(),
        dropped=list(found.question.drop),
        sample_weight=None,
        n_train=found.n_train,
        n_test=found.n_test,
        sizes=sizes,
        parameters=parameter_count(sizes),
        classes={name: found.classes[name] for name in learnt.classes},
        quantiles=quantiles,
        convention=convention,
    )

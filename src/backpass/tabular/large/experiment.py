"""An experiment on a table that is read in pieces: some rows of it are held out and judge."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from backpass.core.parameters import parameter_count
from backpass.tabular.conventions import PLAIN
from backpass.tabular.experiment import Experiment, Hooks, explain_to, noted
from backpass.tabular.large.cache import Cache
from backpass.tabular.large.cached_table import CachedTable, cached
from backpass.tabular.large.learning import SAMPLE_ROWS
from backpass.tabular.large.source import Source
from backpass.tabular.model import TabularModel
from backpass.tabular.question import Question
from backpass.tabular.setup import Understanding
from backpass.training.checkpoints import Checkpoints

EXPLAINED = 1 << 15  # test rows that say what mattered: no more would be looked at


def run_large_experiment(
    source: Source,
    question: Question,
    folder: Path,
    *,
    keep: bool,
    save_to: str | Path,
    hooks: Hooks,
    every: float | None = None,
) -> Experiment:
    """Train on a table that is read in pieces, and judge on rows of it that are held out.

    Parameters
    ----------
    source, question, folder, keep, every
        As of :func:`~backpass.tabular.large.cached_table.cached`, which says what is raised.
    save_to, hooks
        As of :func:`~backpass.tabular.experiment.run_experiment`.
    """
    notes, began = list[str](), time.monotonic()
    giving = cached(source, question, folder, keep=keep, on_progress=hooks.caching, every=every)
    with noted(notes), giving as (table, checkpoints):
        experiment = _experiment(table, checkpoints, save_to, hooks)
    experiment.warnings, experiment.seconds = notes, time.monotonic() - began
    return experiment


def _experiment(
    table: CachedTable, checkpoints: Checkpoints, save_to: str | Path, hooks: Hooks
) -> Experiment:
    cache, curve = table.cache, list[float]()
    summary, hooks.scores = _understanding(cache), curve
    hooks.understood(summary)
    model = TabularModel.train(
        table,
        hooks.epoch,
        checkpoints,
        curve,
        lambda *told: hooks.caching("training", table.pace.slowest, table.windows),
    )
    hooks.trained(model)
    interrupted = model.stop_reason == "interrupted"
    if interrupted and not model.history.best_epoch:
        raise KeyboardInterrupt("before the first epoch was over; the same command goes on")
    test = cache.encoded(slice(cache.survey.n_train, None))
    output = model.outputs_of(test.X)
    experiment = Experiment(table.question, summary, model, model.scored(test, output))
    experiment.interrupted = interrupted
    model.save(save_to)
    if not interrupted:
        explain_to(experiment, test.of(slice(EXPLAINED)), output[:EXPLAINED], hooks)
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

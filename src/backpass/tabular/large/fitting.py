"""The training on a cached table: K networks of one recipe in one pass over it, or a single one.

Blocks of the cache are read in the same order by all networks, none of which is more than a window
ahead of the others: what one has read the others find in memory.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.parameters import parameter_count
from backpass.engines.threads import available_threads
from backpass.errors import InputError, TableError
from backpass.network.batch import refuse_overflow
from backpass.storage.atomic_write import shown_path
from backpass.storage.folder_lock import folder_lock
from backpass.tabular.conventions import PLAIN
from backpass.tabular.encoding import PART
from backpass.tabular.experiment import Experiment, Hooks, explain_to, noted
from backpass.tabular.large.cache import Cache, check_place, remove
from backpass.tabular.large.learning import SAMPLE_ROWS
from backpass.tabular.large.source import Source
from backpass.tabular.model import TabularModel
from backpass.tabular.pack.blending import blend_loss
from backpass.tabular.pack.folds import INNER, Folds
from backpass.tabular.pack.intervals import errors_by_fold
from backpass.tabular.pack.member import operations_of_an_epoch
from backpass.tabular.pack.pack import Pack, PackedRecipe, output_of
from backpass.tabular.pack.recipes import EFFORTS
from backpass.tabular.pack.training import PackTraining, cross_fit
from backpass.tabular.preparation import Encoded, PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.setup import Understanding
from backpass.tabular.training import validation_of
from backpass.training.batches import WINDOW
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import History
from backpass.training.side_by_side import Halt, side_by_side
from backpass.training.trainer import Trainer

JUDGING_ROWS = (
    1 << 17
)  # that judge an epoch at most: their loss is then right to 0.3 % of its spread
EXPLAINED = 1 << 15  # test rows that say what mattered: as many as it looks at anyway
TOLD_ROWS = 1 << 16  # of each fold that are predicted, for the blend and the intervals


class Pace:
    """Keeps several trainings within a window of each other.

    Parameters
    ----------
    count : int
        How many there are.
    halt : Halt
        Called, none waits any more.
    """

    def __init__(self, count: int, halt: Halt) -> None:
        self._at, self._halt = dict.fromkeys(range(count), -1), halt
        self._moved = threading.Condition()

    def enter(self, number: int, window: int) -> None:
        """Wait until the others have come to the window before this one."""
        with self._moved:
            self._at[number] = window
            self._moved.notify_all()
            while not self._halt.called and window > min(self._at.values()) + 1:
                self._moved.wait(0.1)  # seconds, after which a halt is seen

    @property
    def slowest(self) -> int:
        """The window that all have come to."""
        return max(0, min(self._at.values(), default=0))

    def leave(self, number: int) -> None:
        """Take part no more."""
        with self._moved:
            del self._at[number]
            self._moved.notify_all()


@dataclass
class Training:
    """What the networks on one cache share.

    Parameters
    ----------
    cache : Cache
    checkpoints : Checkpoints
    hooks : Hooks
    halt : Halt
    curve : list of float
        Of a single network: accuracy or R² after every epoch.
    """

    cache: Cache
    checkpoints: Checkpoints
    hooks: Hooks
    halt: Halt = field(default_factory=Halt)
    curve: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = self.cache.survey
        rows, question = self.cache.encoded(0, found.n_train), found.question
        self.prepared = PreparedTable(**vars(found.learnt), rows=rows, question=question)
        self.started = time.monotonic()
        self.deadline = self.started + (question.time_limit or float("inf"))
        self.folds = question.work.folds if question.effort else 1
        self.pace, self.blocks = Pace(self.folds, self.halt), 0

    def bounds(self, fold: int) -> tuple[slice, slice]:
        """Return a network's fold, which it does not see, and the rows after it that judge epochs.

        A single network has no fold.
        """
        n, K = self.cache.survey.n_train, self.folds
        begin, end = (self.cache.border(k / K) for k in (fold, fold + 1))
        end = begin if K == 1 else end
        after = 0 if end == n else end  # those after the last fold are the first ones
        judging = min(JUDGING_ROWS / n, (1 - (K > 1) / K) / INNER)
        return slice(begin, end), slice(after, self.cache.border(after / n + judging))

    def rows_of(self, fold: int) -> NDArray[np.int32]:
        """Return the rows that a network is trained on, as a file, too: they may be many."""
        taken = sorted((s.start, s.stop) for s in self.bounds(fold))
        n = self.cache.survey.n_train
        count = n - sum(stop - start for start, stop in taken)
        rows = np.memmap(self.cache.folder / f"rows-{fold}", np.int32, "w+", shape=(count,))
        place = begin = 0
        for start, stop in [*taken, (n, n)]:
            rows[place : place + start - begin] = np.arange(begin, start)
            place, begin = place + start - begin, stop
        return rows

    def member(self, fold: int) -> tuple[Any, History]:
        """Return a trained network and how it went."""
        prepared, question = self.prepared, self.prepared.question
        recipe, seed = question.recipe, question.seed
        rows = self.rows_of(fold)
        network = prepared.new_network(
            recipe, self.cache.width, np.random.default_rng([seed, fold])
        )
        rng = np.random.default_rng(seed)  # of all networks alike: so they read the same blocks
        checkpoints = self.checkpoints.part(f"{fold}") if self.folds > 1 else self.checkpoints
        checkpoints.start(rng, seed)
        settings = prepared.settings(recipe, len(rows))
        most = (question.work if question.effort else EFFORTS["default"]).most(len(rows))
        most /= 2 * self.folds
        epochs = int(most / operations_of_an_epoch(network, settings, len(rows)))
        left = self.deadline - time.monotonic()
        settings = replace(
            settings,
            sampling="blocks",
            epochs=max(1, min(recipe.epochs, epochs)) if self.folds > 1 else recipe.epochs,
            n_threads=max(1, available_threads() // self.folds) if self.folds > 1 else None,
            time_limit=None if left == float("inf") else max(left, 1e-3),
        )
        X, y, s = prepared.rows
        loss = network.model.loss
        judged = prepared.rows.of(self.bounds(fold)[1])
        if self.folds == 1:
            checkpoints.curves["metric"] = self.curve
        trainer = Trainer(
            network,
            X,
            prepared.targets(y, loss),
            s,
            settings=settings,
            rows=rows,
            rng=rng,
            validation=validation_of(
                prepared,
                judged,
                prepared.targets(judged.y, loss),
                None,
                self.curve if self.folds == 1 else [],
            ),
            checkpoints=checkpoints,
        )
        self._keep_pace(trainer, fold, checkpoints)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # the trainer says when, and raises
                history = trainer.train(on_epoch=self.hooks.epoch if self.folds == 1 else None)
        finally:
            self.pace.leave(fold)
        return network, history

    def tell(self) -> None:
        """Tell how many blocks all networks have been through."""
        self.hooks.caching("training", WINDOW * self.pace.slowest, self.blocks)

    def _keep_pace(self, trainer: Trainer, fold: int, checkpoints: Checkpoints) -> None:
        sampler = trainer.state.sampler
        windows = -(-self.cache.survey.n_train // (sampler.block * WINDOW))  # of an epoch
        self.blocks = trainer.settings.epochs * windows * WINDOW

        def begin(window: int) -> None:
            checkpoints.interrupted = checkpoints.interrupted or self.halt.called
            self.pace.enter(fold, trainer.history.epochs * windows + window)

        sampler.on_window = begin


def train_cached(training: Training) -> TabularModel:
    """Return a model trained on a cached table; Ctrl-C keeps what has had an epoch.

    Raises
    ------
    KeyboardInterrupt
        Before the first epoch was over.
    NonFiniteError
        When training diverges.
    """
    prepared, question = training.prepared, training.prepared.question
    told = PackTraining(_folds_told(training))
    jobs = [lambda k=k: training.member(k) for k in range(training.folds)]
    if training.folds == 1:  # in this thread, which hears Ctrl-C by itself
        members: list[Any] = [jobs[0]()]
    else:
        members = side_by_side(jobs, len(jobs), training.halt, training.tell)
    there = [(k, m) for k, m in enumerate(members) if m is not None and m[1].best_epoch]
    if not there:
        raise KeyboardInterrupt(
            f"before the first epoch was over; {shown_path(training.cache.folder)} stays, and the "
            "same command goes on"
        )
    seconds = time.monotonic() - training.started
    network, history = there[0][1]
    model = TabularModel(
        prepared.target,
        prepared.encoder,
        prepared.sample_weight,
        network,
        question.recipe,
        question.seed,
        history,
        seconds,
        len(prepared.rows.y),
        training.curve,
    )
    if training.folds == 1:
        return model
    told.seconds, told.histories = seconds, [history]
    told.stop_reason = "interrupted" if training.halt.called else "max_recipes"
    return _packed(training, model, told, there)


def _folds_told(training: Training) -> Folds:
    """Return the folds of the rows that are predicted by who has not seen them."""
    folds = [training.bounds(k)[0] for k in range(training.folds)]
    counts = [min(TOLD_ROWS, fold.stop - fold.start) for fold in folds]
    return Folds(np.repeat(np.arange(training.folds), counts))


def _packed(
    training: Training, model: TabularModel, told: PackTraining, there: list[Any]
) -> TabularModel:
    """Return the model of several networks, with what they make of rows they have not seen."""
    prepared, rows, outputs = training.prepared, list[Encoded](), list[NDArray[Any]]()
    members = dict(there)
    for k in range(training.folds):
        begin = training.bounds(k)[0].start
        part = prepared.rows.of(slice(begin, begin + len(told.folds.held_out(k))))
        rows.append(part)
        if k in members:
            outputs.append(output_of(members[k][0], np.asarray(part.X)))
    packed = PackedRecipe(
        model.recipe,
        tuple(network for network, _ in members.values()),
        tuple(history.best_epoch for _, history in members.values()),
    )
    told.recipes = [packed]
    if not told.complete:
        return replace(model, pack=Pack((packed,), told.best), training=told)
    y = np.concatenate([part.y for part in rows])
    s = None if rows[0].sample_weight is None else np.concatenate([p.sample_weight for p in rows])
    predicted = np.concatenate(outputs)
    # nobody looks at the inputs of rows that are predicted
    sample = replace(prepared, rows=Encoded(np.empty((len(y), 0), np.float32), y, s))
    told.out_of_fold = [predicted]
    told.own_losses = [blend_loss(predicted, y, s)]
    told.blend_round(sample)
    told.cross_fitted = cross_fit(told, sample)
    errors = () if prepared.classes else tuple(errors_by_fold(told.cross_fitted, y, told.folds))
    out_of_fold = model.scored(sample.rows, told.cross_fitted).metrics
    pack = Pack((packed,), told.best, errors)
    return replace(model, pack=pack, training=told, out_of_fold=out_of_fold)


# --- from a table to an experiment ---------------------------------------------------------------


def fit_large(
    source: Source,
    question: Question,
    folder: Path,
    *,
    keep: bool,
    save_to: str | Path | None = None,
    hooks: Hooks | None = None,
    every: float | None = None,
) -> Experiment:
    """Train on a table that is read in pieces, and judge on rows of it that are held out.

    Parameters
    ----------
    source : Source
    question : Question
    folder : Path
        Of the cache, and of the checkpoints: from there the same call goes on.
    keep : bool
        Whether the folder stays in the end.
    save_to : str or Path, optional
        Where the model file goes.
    hooks : Hooks, optional
    every : float, optional
        Seconds between two checkpoints.

    Raises
    ------
    TableError
        When the table cannot be used; the message says which file, column and row, and why.
    InputError
        When the folder cannot be used, or the question not be asked of a table of that size.
    """
    hooks, notes, began = hooks or Hooks(), list[str](), time.monotonic()
    question = asked_in_pieces(question)
    check_place(folder)
    with folder_lock(folder):
        try:
            with noted(notes):
                cache = Cache.of(folder, source, question, hooks.caching)
        except TableError:
            if not keep:
                remove(folder)
            raise
        experiment = _experiment(cache, hooks, save_to, every)
    experiment.warnings, experiment.seconds = notes, time.monotonic() - began
    if not (keep or experiment.interrupted):
        remove(folder)
    return experiment


def asked_in_pieces(question: Question) -> Question:
    """Return a question as it is asked of a table that is read in pieces: one recipe, no bins.

    Raises
    ------
    InputError
        When it cannot be asked.
    """
    asked = {"group": question.group, "time": question.time, "class weight": question.class_weight}
    for name, value in {
        **asked,
        "recipes": question.recipes if question.recipes != 1 else None,
    }.items():
        if value is not None:
            raise InputError(
                f"{name}: not of a table that is read in pieces, whose rows are scattered and"
                " trained on by one recipe; leave it out, or give fewer rows"
            )
    return replace(question, bins="none", recipes=1) if question.effort else question


def _experiment(
    cache: Cache, hooks: Hooks, save_to: str | Path | None, every: float | None
) -> Experiment:
    found = cache.survey
    table = understanding_of(cache)
    hooks.understood(table)
    checkpoints = Checkpoints(cache.folder / "training", resume=True, every=every)
    checkpoints.data = cache.identity
    training = Training(cache, checkpoints, hooks)
    hooks.scores = training.curve
    model = train_cached(training)
    hooks.trained(model)
    test = cache.encoded(found.n_train, cache.rows)
    output = predicted_in_pieces(model, test.X)
    experiment = Experiment(found.question, table, model, model.scored(test, output))
    experiment.interrupted = model.stop_reason == "interrupted"
    if save_to is not None:
        model.save(save_to)
    if not experiment.interrupted:
        few = test.of(slice(EXPLAINED))
        explain_to(experiment, few, output[:EXPLAINED], hooks)
    return experiment


def understanding_of(cache: Cache) -> Understanding:
    """Return the summary of a cached table."""
    found = cache.survey
    learnt, question = found.learnt, found.question
    sizes = (cache.width, *question.recipe.hidden_layer_sizes, len(learnt.classes) or 1)
    quantiles = list[float]()
    if not learnt.classes:
        y = learnt.target.decode(np.array(cache.encoded(0, found.n_train).y[:SAMPLE_ROWS]))
        quantiles = np.quantile(y.to_numpy(), [0, 0.25, 0.5, 0.75, 1]).tolist()
    convention = (learnt.encoder.convention_ or PLAIN).words()
    if not found.exact:
        convention.append(
            f"quantiles from {found.sampled:,} rows drawn by chance, to {found.bound:.1%} of the"
            " rows; missing values, levels and classes counted in all rows to train on"
        )
    return Understanding(
        rows=cache.rows,
        left_out=found.rows - cache.rows,
        target=learnt.target.name,
        task=learnt.task,
        why=found.why,
        columns=learnt.encoder.describe(),
        dropped=list(question.drop),
        sample_weight=learnt.sample_weight,
        n_train=found.n_train,
        n_test=found.n_test,
        sizes=sizes,
        parameters=parameter_count(sizes),
        classes=found.classes,
        quantiles=quantiles,
        convention=convention,
    )


def predicted_in_pieces(model: TabularModel, X: NDArray[Any]) -> NDArray[Any]:
    """Return what a model makes of encoded rows, so many at a time."""
    parts = [model.predictor.predict(X[i : i + PART]) for i in range(0, len(X), PART)]
    return np.asarray(refuse_overflow(np.concatenate(parts)))

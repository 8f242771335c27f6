"""Training: epochs, mini-batches, schedules, stopping, the best epoch, time and interruption.

The steps themselves are an engine's; this file steers them. Its rules are scikit-learn's where
scikit-learn has one, so that the same seed gives the same network: an epoch's loss is the mean of
its batch losses weighted by their row counts, training has stalled when the loss (or, with early
stopping, the validation score) has not improved by ``tolerance`` for more than ``patience``
epochs, and a stall divides the learning rate by 5 where the schedule is adaptive.
"""

import math
import time
from contextlib import nullcontext
from inspect import signature
from pathlib import Path
from typing import Any, Never

import numpy as np

from backpass.core.arrays import Array
from backpass.core.hints import refuse_unknown
from backpass.core.optimizers import Optimizer
from backpass.core.requirements import as_generator
from backpass.core.schedules import SCHEDULES, Clock, Schedule
from backpass.core.settings import Settings
from backpass.engines import Engine, Problem, Run, choose
from backpass.engines.protocols import Evaluator
from backpass.engines.threads import blas_threads, threads_worth_using
from backpass.errors import InputError, NonFiniteError
from backpass.network.batch import check_rows
from backpass.network.network import Network
from backpass.training.batches import Sampler, block_edges, row_numbers, steps_per_epoch
from backpass.training.checkpoints import Checkpoints
from backpass.training.diagnostics import record_gradients
from backpass.training.divergence import (
    check_costs,
    check_mean,
    check_numbers,
    check_parameters,
    check_score,
    check_state,
)
from backpass.training.history import History, OnEpoch, Validation, epoch_losses
from backpass.training.snapshots import FINISHED, TrainingState

SMALLEST_RATE = 1e-6  # scikit-learn's: an adaptive rate this small is not divided again
CHUNK_SECONDS = 0.05  # an engine is asked for about this much work at a time


class Trainer:
    """Trains a network on one set of rows.

    Parameters
    ----------
    network : Network
        Trained in place.
    X, y, sample_weight
        All rows, as in :class:`backpass.engines.Problem`.
    settings : Settings
    rows : array of int, optional
        The rows to train on; all by default.
    rng : Generator or RandomState
        Draws the order of the rows and the dropout seed.
    validation : Validation, optional
        Judges every epoch; the best epoch's parameters are restored at the end.
    engine : str or Engine
        ``"auto"``, an engine's name, or an engine.
    history : History, optional
        Goes on with this one.
    state, steps
        Optimiser state of an earlier run and the steps it took, to go on with.
    checkpoints : Checkpoints, optional
        Where training is written down, and goes on from where it was.
    """

    def __init__(
        self,
        network: Network,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        settings: Settings,
        rows: Any = None,
        rng: Any = None,
        validation: Validation | None = None,
        engine: str | Engine = "auto",
        history: History | None = None,
        state: dict[str, Array] | None = None,
        steps: int = 0,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.network, self.settings, self.validation = network, settings, validation
        rng = np.random.default_rng() if rng is None else rng
        rows = row_numbers(X.shape[0]) if rows is None else np.asarray(rows)
        if len(rows) == 0:
            raise InputError("there are no rows to train on")
        self.schedule = SCHEDULES.get_record(settings.schedule)
        # drawn only where it is needed: scikit-learn draws nothing here
        seed = int(rng.bytes(7).hex(), 16) if settings.dropout else 0
        self.problem = Problem(network.model, X, y, sample_weight, settings, rows, seed)
        check_numbers(self.problem)
        self.engine: Engine = choose(engine, self.problem)
        history = History() if history is None else history
        self._rate_begins = state is None
        if self._rate_begins:  # as scikit-learn's does with each new optimiser
            history.clock = Clock(samples=history.clock.samples)
        edges = None
        if settings.sampling == "blocks":
            row_bytes = network.sizes[0] * network.parameters.flat.dtype.itemsize
            edges = block_edges(X.shape[0], row_bytes)
        sampler = Sampler(rows, self.problem.batch_size, settings.sampling, rng, edges)
        self.state = TrainingState(
            network.parameters.flat,
            history,
            sampler,
            settings.learning_rate,
            first_epoch=history.epochs,
            optimizer=state,
            steps=steps,
        )
        self.checkpoints, self._resumed = checkpoints, False
        self._before = network.parameters.copy().flat  # a checkpoint replaces them
        if checkpoints is not None:
            self._resumed = checkpoints.open(self.state, self.problem, self.engine.name)
        self.run: Run = self.engine.start(self.problem, self.state.optimizer, self.state.steps)
        self._judged: Evaluator | None = None
        if validation is not None:
            v = validation
            self._judged = self.run.evaluator(v.X, v.y, v.sample_weight, v.rows)
        self._chunk = 1  # mini-batches that the engine is handed at a time

    @property
    def history(self) -> History:
        """What has happened so far."""
        return self.state.history

    def train(self, epochs: int | None = None, on_epoch: OnEpoch | None = None) -> History:
        """Train for `epochs` (default: the settings'), or until something stops it.

        A schedule of steps is as long as the settings' epochs, or all calls where those are longer.

        Parameters
        ----------
        epochs : int, optional
        on_epoch : callable, optional
            Called with the history after every epoch; a true result stops training. It may change
            parameters, unless its attribute ``changes_parameters`` is false.

        Raises
        ------
        NonFiniteError
            As soon as a loss is not finite, and after an epoch whose parameters or validation are
            not; it says epoch, step and learning rate. The network has the parameters then that it
            had before.
        """
        epochs = self.settings.epochs if epochs is None else epochs
        before, self._before = self._before, None
        if before is None:
            before = self.network.parameters.copy().flat
        try:
            with self.checkpoints.held() if self.checkpoints else nullcontext():
                if self._begin(epochs):
                    self._run_epochs(epochs, on_epoch)
            self._finish()
            self._rate_begins = False
        except NonFiniteError:
            self.network.parameters.flat[...] = before
            raise
        return self.history

    def _begin(self, epochs: int) -> bool:
        """Set out, or go on from a checkpoint; return whether there is anything left to do."""
        state, history = self.state, self.history
        resumed, self._resumed = self._resumed, False
        if resumed:
            return not history.stop_reason
        state.first_epoch, state.done, state.costs = history.epochs, 0, []
        steps = len(state.sampler)
        total = max(history.clock.step + epochs * steps, self.settings.epochs * steps)
        history.clock = history.clock._replace(total_steps=total)
        return True

    def _run_epochs(self, epochs: int, on_epoch: OnEpoch | None) -> None:
        """Train within the bounds of time and threads; Ctrl-C ends it."""
        deadline = time.monotonic() + (self.settings.time_limit or math.inf)
        self.history.stop_reason = "max_epochs"
        checkpoints, threads = self.checkpoints, None
        if self.engine.uses_blas or self.settings.gradient_norms:
            asked = self.settings.n_threads
            M = self.problem.batch_size
            threads = int(asked) if asked else threads_worth_using(self.network.sizes, M)
        try:
            with (
                np.errstate(),  # Ctrl-C may come where an inner one is about to be left
                blas_threads(threads),
                checkpoints.deferring_interrupts() if checkpoints else nullcontext(),
            ):
                self._epochs(epochs, deadline, on_epoch)
        except KeyboardInterrupt:
            self.history.stop_reason = "interrupted"
            self.run.publish()

    def _epochs(self, epochs: int, deadline: float, on_epoch: OnEpoch | None) -> None:
        """Train epoch by epoch until something stops it."""
        for _ in range(self.state.first_epoch + epochs - self.history.epochs):
            in_time = self._epoch(deadline)
            self._check_parameters()
            stop = self._judge()
            if on_epoch is not None:
                if on_epoch(self.history):
                    stop = stop or "callback"
                if getattr(on_epoch, "changes_parameters", True):
                    self.run.adopt()
            if not in_time:
                stop = stop or "time_limit"
            if stop:
                self.history.stop_reason = stop
                break
            self._checkpoint()
        if self.history.stop_reason in FINISHED:
            self._checkpoint(stop=self.history.stop_reason)

    def _checkpoint(self, *, at_once: bool = False, stop: str = "") -> None:
        """Write a checkpoint if it is time for one; here, between two steps, Ctrl-C is heard."""
        checkpoints = self.checkpoints
        if checkpoints is None:
            return
        if at_once or stop or checkpoints.due or checkpoints.interrupted:
            self.run.publish()
            self._check_parameters()
            self._check_state()
            checkpoints.save(self.state, stop)
        if checkpoints.interrupted:
            raise KeyboardInterrupt

    def _epoch(self, deadline: float) -> bool:
        """Take every step of an epoch; return False where time ran out before its end."""
        state, history, sampler = self.state, self.history, self.state.sampler
        M = sampler.batch_size
        rows, in_time = sampler.again() if state.done else sampler.epoch(), True
        while in_time and state.done < len(rows):
            started, stop = time.monotonic(), state.done + self._chunk * M
            state.costs.append(self._advance(rows[state.done : stop]))
            state.done = min(stop, len(rows))
            now = time.monotonic()
            if now - started < CHUNK_SECONDS / 2 and self._chunk < len(sampler):
                self._chunk *= 2
            in_time = now < deadline
            self._checkpoint(at_once=not in_time)
        history.epochs += 1
        history.clock = history.clock._replace(samples=history.clock.samples + len(rows))
        costs = state.costs[0] if len(state.costs) == 1 else np.concatenate(state.costs)
        self._record(costs, state.done)
        state.done, state.costs = 0, []
        self.run.publish()
        return in_time

    def _record(self, costs: Any, n_rows: int) -> None:
        """Record the epoch's loss: the mean over its mini-batches, weighted by their rows."""
        k = self.network.sizes[-1] if self.settings.outputs_averaged else 1
        mean, judged = epoch_losses(costs, self.problem.batch_size, n_rows, k)
        check_mean("mean loss", mean, self.history.epochs, self.state.last_rate)
        self.history.loss_curve.append(mean)
        self._check_stall(judged)

    def _advance(self, rows: Array) -> Any:
        """Have the engine take a step for each mini-batch of `rows`, and check what it reports."""
        clock, steps = self.history.clock, steps_per_epoch(len(rows), self.problem.batch_size)
        if self.schedule.per_step:
            rates = [self._rate(clock._replace(step=clock.step + i)) for i in range(steps)]
        else:
            rates = [self._rate(clock)] * steps
        costs = self.run.advance(rows, rates)
        check_costs(costs, clock, self.history.epochs + 1, rates)
        self.state.last_rate = rates[len(costs) - 1]
        self.history.clock = clock._replace(step=clock.step + len(costs))
        return costs

    def _rate(self, clock: Clock) -> float:
        if self._rate_begins and self.history.epochs == self.state.first_epoch:
            clock = clock._replace(samples=0)  # the samples of earlier fits count from here on
        return self.settings.learning_rate * self.schedule.factor(clock)

    def _check_stall(self, loss: float) -> None:
        """Count epochs whose training loss did not improve."""
        history = self.history
        history.learning_rates.append(self.state.last_rate)
        if not self.settings.early_stopping:
            stalled = loss > history.best_loss - self.settings.tolerance
            history.stalled = history.stalled + 1 if stalled else 0
        history.best_loss = min(loss, history.best_loss)

    def _judge(self) -> str:
        """Validate, remember the best epoch, and return why training should stop, if it should."""
        history, settings = self.history, self.settings
        if settings.gradient_norms:
            record_gradients(self.problem, self.run, self.state.sampler.rows, self.state)
        if self.validation is not None and self._judged is not None:
            output, loss = self._judged()
            check_mean("validation loss", loss, history.epochs, self.state.last_rate)
            score = self.validation.score(output, loss)
            check_score(score, history.epochs, self.state.last_rate)
            history.validation_scores.append(score)
            history.validation_loss_curve.append(loss)
            if settings.early_stopping:
                stalled = score < history.best_score + settings.tolerance
                history.stalled = history.stalled + 1 if stalled else 0
            if score > history.best_score or history.best_parameters is None:
                # copied first: Ctrl-C between these would name an epoch without its parameters
                best = score, history.epochs, self.network.parameters.copy().flat
                history.best_score, history.best_epoch, history.best_parameters = best
        if history.stalled <= settings.patience:
            return ""
        if self.schedule.adaptive and self._rate(history.clock) > SMALLEST_RATE:
            clock = history.clock
            history.clock = clock._replace(divisions=clock.divisions + 1)
            history.stalled = 0
            return ""
        return "converged"

    def _check_parameters(self) -> None:
        """Refuse parameters that are not finite, now that they are published."""
        state, step = self.state, self.history.clock.step
        check_parameters(state.parameters, state.epoch, step, state.last_rate)

    def _check_state(self) -> None:
        """Take over the optimiser's state, and refuse one that is not finite."""
        state = self.state
        state.optimizer, state.steps = self.run.state, self.run.steps
        check_state(self.problem, state.optimizer, state.epoch, self.history.clock.step)

    def _finish(self) -> None:
        """Refuse what has diverged, and restore the best epoch where this run has had it."""
        self._check_state()
        # else the last one stays, as in scikit-learn: a loop of short fits would stand still
        if self.validation is not None and self.history.best_epoch > self.state.first_epoch:
            self.network.parameters.flat[...] = self.history.best_parameters
        self._check_parameters()


def train(
    network: Network,
    X: Array,
    y: Array,
    sample_weight: Array | None = None,
    *,
    optimizer: str | Optimizer = "adam",
    schedule: str | Schedule = "constant",
    learning_rate: float = 1e-3,
    batch_size: int | None = 200,
    epochs: int = 200,
    sampling: str = "shuffle",
    alpha: float = 0.0,
    dropout: float = 0.0,
    clip_norm: float | None = None,
    tolerance: float = 1e-4,
    patience: float = 10,
    time_limit: float | None = None,
    gradient_norms: bool = False,
    n_threads: int | None = None,
    seed: int | None = None,
    engine: str = "auto",
    on_epoch: OnEpoch | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    checkpoint_every: float | None = None,
    **unknown: Never,
) -> History:
    """Train `network` in place on the rows of `X` and return what happened.

    Parameters
    ----------
    network : Network
    X : array or sparse matrix of shape (N, n_0)
    y : array of shape (N,) or (N, k)
        Targets as the network's loss takes them.
    sample_weight : array of shape (N,), optional
    optimizer, schedule, learning_rate, batch_size, epochs, sampling
        How steps are taken; as in :class:`~backpass.core.settings.Settings`.
    alpha, dropout, clip_norm
        What regularises; as there.
    tolerance, patience, time_limit, gradient_norms, n_threads
        When training ends, what it records and how many threads compute; as there.
    seed : int, optional
        Of the order of the rows and of dropout.
    engine : str
        ``"auto"`` or an engine's name.
    on_epoch : callable, optional
        Called with the history after every epoch; a true result stops training.
    checkpoint : str or Path, optional
        A folder of its own, where training is written down while it runs.
    resume : bool
        Whether training goes on from the last checkpoint there, if there is one; it ends with the
        bytes of a run that was never interrupted.
    checkpoint_every : float, optional
        Seconds between two checkpoints; see :class:`~backpass.training.checkpoints.Checkpoints`.

    Raises
    ------
    InputError
        When a setting cannot be used, or there is none of that name.
    NonFiniteError
        As soon as a loss is not finite, and after an epoch whose parameters are not; the network
        has the parameters then that it had before.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = np.array([0, 1, 1, 0])
    >>> xor = Network([2, 8, 2], "tanh", "softmax", "cross_entropy", seed=1)
    >>> history = train(xor, X, y, seed=1, learning_rate=0.1, epochs=100)
    >>> history.loss_curve[-1] < 0.01, xor.predict(X).argmax(axis=1)
    (True, array([0, 1, 1, 0]))
    """
    X, y, sample_weight = check_rows(network.model, X, y, sample_weight)
    for name, values in (("X", X), ("y", y)):
        if getattr(values.dtype, "kind", "f") == "c":
            raise InputError(f"{name} holds complex numbers; give real ones")
    if unknown:
        refuse_unknown(unknown, "setting", signature(train).parameters)
    settings = Settings(
        optimizer=optimizer,
        schedule=schedule,
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        sampling=sampling,
        alpha=alpha,
        dropout=dropout,
        clip_norm=clip_norm,
        tolerance=tolerance,
        patience=patience,
        time_limit=time_limit,
        gradient_norms=gradient_norms,
        n_threads=n_threads,
    )
    checkpoints = Checkpoints.of(checkpoint, resume, checkpoint_every)
    rng = as_generator(seed)
    if checkpoints is not None:
        checkpoints.start(rng, seed)
    trainer = Trainer(
        network,
        X,
        y,
        sample_weight,
        settings=settings,
        rng=rng,
        engine=engine,
        checkpoints=checkpoints,
    )
    return trainer.train(on_epoch=on_epoch)
